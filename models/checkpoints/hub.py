"""Checkpoints from the Hugging Face hub, kept in the hub's own cache: safetensors and JSON, never code or pickles."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.asyncio import tqdm_asyncio

from anatomy.language import N_
from anatomy.refused import Refused, Sentence
from models.checkpoints import cache, folder, headers, integrity, tokenizer_files
from models.checkpoints.configuration import configuration
from models.checkpoints.contents import missing
from models.checkpoints.errors import NotHereYet, WeightsError
from models.checkpoints.folder import Judge
from models.checkpoints.headers import Stored
from models.checkpoints.outside import reading, shown
from models.engine import Progress, Report

# Some megabytes, fetched before the weights. It is judged before these come whether the settings and the index can be
# read, whether the model can be opened, and whether each file of the tokenizer is of the kind that its name says.
SMALL = (
    "config.json",
    "generation_config.json",
    *tokenizer_files.FILES,
    headers.INDEX,
    "README.md",  # states the licence
)


@dataclass(frozen=True)
class _Repository:
    """What the hub says of a repository.

    files    each with its bytes, 0 where the hub does not say
    numbers  how many of its weights are stored in which way, in the words of safetensors; empty where it does not say
    """

    name: str
    revision: str
    files: dict[str, int]
    numbers: dict[str, int]


def snapshot(
    repository: str, revision: str, *, fetch: bool, report: Report, judge: Judge | None = None
) -> tuple[Path, dict[str, Stored]]:
    """The folder of a repository's files, and the tensors in them; from the cache when it is whole there, else from the
    hub.

    judge  is given a folder with config.json before any weights are fetched, and refuses a model that cannot be opened

    NotHereYet where it would have to be fetched and `fetch` is not set; WeightsError where it cannot be had or used.
    """
    wrong: WeightsError | None = None
    kept = _kept(repository, revision)
    if kept is not None:
        try:
            return kept, _checked(kept, repository, report)
        except WeightsError as error:
            wrong = error
    if not fetch:
        raise wrong or NotHereYet(
            N_("{name} is not on this machine yet. Run: python -m models fetch {name}"), name=repository
        )
    try:
        fetched = _fetched(repository, revision, report, judge)
        return fetched, folder.check(fetched)
    except Refused:
        raise
    except Exception as error:  # the hub's client raises its own errors, its HTTP library's and the system's
        raise wrong or _refusal(repository, revision, error) from error


def _kept(repository: str, revision: str) -> Path | None:
    """The folder in the hub's cache, if there is one with all files."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        kept = Path(
            snapshot_download(repository, revision=revision, allow_patterns=["config.json"], local_files_only=True)
        )
        return None if missing(folder.names_in(kept)) or _absent(kept) else kept
    except (LocalEntryNotFoundError, HFValidationError, OSError, WeightsError):
        return None


def _absent(kept: Path) -> list[str]:
    """Weight files that a folder's index names and that are not in it; none where the index cannot be read."""
    if (kept / headers.WHOLE).exists():
        return []
    try:
        return [name for name in headers.index(kept).values() if not (kept / name).exists()]
    except WeightsError:
        return []


def _checked(kept: Path, repository: str, report: Report) -> dict[str, Stored]:
    """The tensors in the files that are here. WeightsError where those that a model is read from cannot be used; what
    other programs have put beside them is not looked at."""
    held = folder.check(kept)
    with reading(kept):
        small = [kept / name for name in SMALL if (kept / name).exists()]
        flawed = _flawed([*small, *headers.weight_files(kept)], report)
    if not flawed:
        return held
    template = N_(
        "{file} is damaged: its SHA-256 is not the one that the hub gave it. With the hub in reach this fetches it "
        "again: python -m models fetch {name}"
    )
    raise WeightsError(template, file=flawed[0], name=repository)


def _flawed(files: Iterable[Path], report: Report) -> list[Path]:
    """Those of a folder's files that hold something else than the hub gave. Large files lie in its cache under their
    SHA-256, and others under another name, which tells nothing."""
    known = {file: name for file in files if _SHA256.fullmatch(name := file.resolve().name)}
    return integrity.damaged(known, cache.root() / "hub.checked.json", report)


_SHA256 = re.compile(r"[0-9a-f]{64}")


def _fetched(name: str, revision: str, report: Report, judge: Judge | None) -> Path:
    """Ask what the repository holds, refuse what cannot be used, fetch and judge the small files, then the weights."""
    report(Progress(N_("asking the hub for {what}"), what=name))
    repository = _asked(name, revision)
    _check_listing(repository)
    kept = _download(repository, ["config.json"], report)
    configuration(kept)
    if judge is not None:
        judge(kept)
    kept = _download(repository, [small for small in SMALL if small in repository.files], report)
    folder.check_settings(kept)
    tokenizer_files.check_kinds(kept / name for name in tokenizer_files.FILES if name in repository.files)
    return _download(repository, _weights(repository, kept), report)


def _asked(name: str, revision: str) -> _Repository:
    from huggingface_hub import HfApi

    stated = HfApi().model_info(name, revision=revision, files_metadata=True)
    files = {file.rfilename: file.size or 0 for file in stated.siblings or []}
    return _Repository(name, revision, files, dict(stated.safetensors.parameters) if stated.safetensors else {})


def _check_listing(repository: _Repository) -> None:
    """WeightsError for what the names of the files and the kinds of their numbers tell already."""
    template = N_("The hub repository {repository} cannot be used: {reason}")
    lacks = missing(list(repository.files))
    if lacks:
        raise WeightsError(template, repository=repository.name, reason=lacks[0])
    floats = sum(count for dtype, count in repository.numbers.items() if dtype in headers.FLOATS)
    packed = {dtype: count for dtype, count in repository.numbers.items() if dtype not in headers.FLOATS}
    if sum(packed.values()) > floats:  # a few whole numbers are masks and positions of old checkpoints
        quantized = N_(
            "most of its weights are stored as {dtype}: they are quantized, and Stagelight reads weights in 16, 32 or "
            "64 bits. Use the repository that it was made from, or a GGUF file of the model."
        )
        reason = Sentence(quantized, dtype=shown(max(packed, key=lambda dtype: packed[dtype])))
        raise WeightsError(template, repository=repository.name, reason=reason)


def _weights(repository: _Repository, kept: Path) -> list[str]:
    """The weight files of a repository: one, or those that its index names."""
    named = sorted(set(headers.index(kept).values())) if headers.INDEX in repository.files else [headers.WHOLE]
    absent = [file for file in named if file not in repository.files]
    if absent:
        template = N_(
            "The hub repository {repository} cannot be used: {absent} of {count} weight files that its index names are "
            "missing ({first})."
        )
        raise WeightsError(template, repository=repository.name, absent=len(absent), count=len(named), first=absent[0])
    _refuse_left_out(repository, named)
    return named


def _refuse_left_out(repository: _Repository, named: Sequence[str]) -> None:
    """No weight file that could hold a part of the model is passed over."""
    found = headers.left_out(file for file in repository.files if file not in named and "/" not in file)
    if found:
        template = N_(
            "The hub repository {repository} cannot be used: it has {file}, which its index does not name, so that a "
            "part of the weights would be left out."
        )
        raise WeightsError(template, repository=repository.name, file=found[0])


def _download(repository: _Repository, files: Sequence[str], report: Report) -> Path:
    """These files of a repository, in the folder of the hub's cache; those that have another length there than on the
    hub, or another SHA-256, are fetched anew."""
    from huggingface_hub import constants, snapshot_download

    def fetched(names: Iterable[str], again: bool) -> Path:
        return Path(
            snapshot_download(
                repository.name,
                revision=repository.revision,
                allow_patterns=list(names),
                tqdm_class=_bar(repository.name, report),
                force_download=again,
            )
        )

    hub_cache = Path(constants.HF_HUB_CACHE)
    hub_cache.mkdir(parents=True, exist_ok=True)
    cache.check_room(hub_cache, sum(repository.files[file] for file in files), "HF_HOME")
    kept = fetched(files, again=False)
    sizes = {file: repository.files[file] for file in files if repository.files[file]}
    cut = [file for file, size in sizes.items() if (kept / file).stat().st_size != size]
    with reading(kept):
        flawed = _flawed([kept / file for file in files], report)
    wrong = {*cut, *(file.relative_to(kept).as_posix() for file in flawed)}
    if not wrong:
        return kept
    report(Progress(N_("fetching {what} again: it is damaged"), what=", ".join(sorted(wrong))))
    return fetched(sorted(wrong), again=True)


def _bar(repository: str, report: Report) -> type[tqdm_asyncio]:
    """A tqdm that draws nothing and reports the bytes written to disk."""

    class Silent(tqdm_asyncio):
        def display(self, *args: Any, **options: Any) -> None:
            if str(self.desc).startswith("Reconstruct") and self.total:  # the hub's name for bytes on disk
                report(Progress(N_("fetching {what}"), int(self.n), int(self.total), repository))

    return Silent


def _refusal(repository: str, revision: str, error: Exception) -> WeightsError:
    """What happened and what to do, for the errors of the hub's client."""
    from huggingface_hub import errors

    said = str(error).strip()
    named = {"repository": repository, "page": f"https://huggingface.co/{repository}"}
    if isinstance(error, errors.GatedRepoError):
        template = N_("{repository} asks its readers to accept its terms: do so on {page}, then run: hf auth login")
        return WeightsError(template, **named)
    if isinstance(error, errors.RepositoryNotFoundError):
        return WeightsError(_A_FOLDER if Path(repository).exists() else _UNKNOWN, **named)
    if isinstance(error, errors.RevisionNotFoundError):
        template = N_("{repository} has no revision {revision}: its branches and tags are listed on {page}/tree/main")
        return WeightsError(template, **named, revision=repr(revision))
    if isinstance(error, errors.HFValidationError):
        template = N_("{name} is not a name that the hub can have: {reason}")
        return WeightsError(template, name=repr(repository), reason=said)
    if isinstance(error, OSError) and error.filename:
        template = N_(
            "{file} cannot be written: {reason}. Make room, or set HF_HOME to another folder; then try again."
        )
        return WeightsError(template, file=error.filename, reason=error.strerror or said)
    kind = type(error).__name__
    if not said:
        return WeightsError(_SILENT, **named, kind=kind)
    return WeightsError(_UNREACHED, **named, kind=kind, reason=said.splitlines()[0])


_UNKNOWN = N_("The hub has no repository {repository}, or it is private (then run: hf auth login).")
_A_FOLDER = N_(
    "The hub has no repository {repository}, or it is private (then run: hf auth login). For the folder of that name "
    "here, write './{repository}'."
)
_UNREACHED = N_(
    "The hub could not be reached for {repository} ({kind}: {reason}). Without a network, use a checkpoint of the "
    "catalog (python -m models list) or a folder ('./my-model')."
)
_SILENT = N_(
    "The hub could not be reached for {repository} ({kind}: no reason given). Without a network, use a checkpoint of "
    "the catalog (python -m models list) or a folder ('./my-model')."
)

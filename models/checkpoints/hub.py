"""Checkpoints from the Hugging Face hub, kept in the hub's own cache: safetensors and JSON, never code or pickles."""

from pathlib import Path
from typing import Any

from tqdm.asyncio import tqdm_asyncio

from anatomy.language import N_
from models.checkpoints import cache, folder
from models.checkpoints.errors import NotHereYet, WeightsError
from models.engine import Progress, Report

WANTED = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "model.safetensors",
    "model-*.safetensors",
    "model.safetensors.index.json",
    "README.md",  # states the licence
]


def snapshot(repository: str, revision: str, *, fetch: bool, report: Report) -> Path:
    """The folder of a repository's files; from the cache when it is whole there, else from the hub.

    NotHereYet where it would have to be fetched and `fetch` is not set; WeightsError where it cannot be had or used.
    """
    kept = _kept(repository, revision)
    if kept is not None:
        return kept
    if not fetch:
        raise NotHereYet(N_("{name} is not on this machine yet. Run: python -m models fetch {name}"), name=repository)
    try:
        return _fetched(repository, revision, report)
    except WeightsError:
        raise
    except Exception as error:  # the hub's client raises its own errors, its HTTP library's and the system's
        raise _refusal(repository, revision, error) from error


def _kept(repository: str, revision: str) -> Path | None:
    """The folder in the hub's cache, if everything is there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        kept = Path(snapshot_download(repository, revision=revision, allow_patterns=WANTED, local_files_only=True))
        folder.check(kept)
    except (LocalEntryNotFoundError, WeightsError):
        return None
    return kept


def _fetched(repository: str, revision: str, report: Report) -> Path:
    """Ask what the repository holds, refuse what cannot be used, then download the files wanted."""
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.utils import filter_repo_objects

    report(Progress(N_("asking the hub for {what}"), what=repository))
    files = HfApi().model_info(repository, revision=revision, files_metadata=True).siblings or []
    lacks = folder.missing([file.rfilename for file in files])
    if lacks:
        template = N_("The hub repository {repository} cannot be used: {reason}")
        raise WeightsError(template, repository=repository, reason=lacks[0])
    wanted = filter_repo_objects(files, allow_patterns=WANTED, key=lambda file: file.rfilename)
    hub_cache = Path(constants.HF_HUB_CACHE)
    hub_cache.mkdir(parents=True, exist_ok=True)
    cache.check_room(hub_cache, sum(file.size or 0 for file in wanted), "HF_HOME")
    bar = _bar(repository, report)
    return Path(snapshot_download(repository, revision=revision, allow_patterns=WANTED, tqdm_class=bar))


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

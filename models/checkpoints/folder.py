"""A folder that holds a checkpoint: whether it can be used, and what can be said of it."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from anatomy.language import N_
from anatomy.refused import Sentence
from anatomy.spec import Kept
from models.checkpoints import headers
from models.checkpoints.configuration import configuration, settings
from models.checkpoints.contents import missing, missing_for_a_model
from models.checkpoints.errors import WeightsError
from models.checkpoints.headers import Stored
from models.checkpoints.outside import reading, shown

COMPUTED = "float32"
Judge = Callable[[Path], object]  # (folder with config.json) -> anything; a refusal where its model cannot be opened
_CARD = 4000  # bytes at the top of README.md, where the licence stands


@dataclass(frozen=True)
class Located:
    """A checkpoint that is here, ready to be loaded, with what a reader should know of it.

    folder     config.json, *.safetensors and a tokenizer's files are in it
    name       its address without the revision
    revision   changes whenever the weights do
    stored     how the numbers were stored where they came from
    computed   the precision that they are computed in
    file_bytes  of the files of weights as they came: the GGUF, the safetensors
    converted  the weights in the folder were made from another file, a GGUF
    original   that file; None where there is none, or where an earlier version threw it away
    """

    folder: Path
    name: str
    revision: str
    title: str
    licence: str
    source: str
    stored: str
    computed: str = COMPUTED
    file_bytes: int = 0
    converted: bool = False
    original: Path | None = None

    @property
    def kept(self) -> Kept:
        """Which file the weights were read from, and whether it is there (`anatomy.spec.Weights`)."""
        if not self.converted:
            return "safetensors"
        return "earlier" if self.original is None else "gguf"


def check(folder: Path) -> dict[str, Stored]:
    """The tensors of a folder's files by name. WeightsError, with what is wrong and what would work, unless the folder
    holds a checkpoint that can be loaded as far as its small files and the headers of its weights tell."""
    _refuse(folder, missing(names_in(folder)))
    return check_model(folder)


def check_model(folder: Path) -> dict[str, Stored]:
    """The same without the tokenizer."""
    _refuse(folder, missing_for_a_model(names_in(folder)))
    check_settings(folder)
    with reading(folder):
        return headers.tensors(folder)


def check_settings(folder: Path) -> None:
    """WeightsError where config.json or generation_config.json is not one that the library could read."""
    with reading(folder):
        configuration(folder)
        if (folder / "generation_config.json").exists():
            _check_ends(folder / "generation_config.json")


def _check_ends(file: Path) -> None:
    """WeightsError where what ends a text is not a token or several."""
    ends = settings(file).get("eos_token_id")
    listed = ends if isinstance(ends, list) else [] if ends is None else [ends]
    if not all(type(end) is int and end >= 0 for end in listed):
        template = N_("{file} gives “eos_token_id” as {value}: it has to be a token's number, or several of them.")
        raise WeightsError(template, file=file, value=shown(ends))


def _refuse(folder: Path, lacks: list[Sentence]) -> None:
    if lacks:
        raise WeightsError(N_("{folder} cannot be used: {reason}"), folder=folder, reason=lacks[0])


def names_in(folder: Path) -> list[str]:
    """The names of a folder's files; of those one folder below, the ones that weights may have. WeightsError where one
    is a pipe or a device: reading it might never end."""
    with reading(folder):
        top = [file.name for file in folder.iterdir()]
        odd = [name for name in top if _never_ends(folder / name)]
        inner = [*folder.glob(f"*/{headers.WHOLE}"), *folder.glob(f"*/{headers.INDEX}")]
    if odd:
        template = N_("{file} is a pipe or a device, not a file: put the file itself in its place.")
        raise WeightsError(template, file=folder / odd[0])
    return [*top, *(file.relative_to(folder).as_posix() for file in inner)]


def _never_ends(file: Path) -> bool:
    return file.exists() and not (file.is_file() or file.is_dir())


def described(
    folder: Path, held: Mapping[str, Stored], *, name: str, title: str, source: str, revision: str | None = None
) -> Located:
    """A usable folder with what its own files say of it. WeightsError where one of them cannot be read.

    held  the tensors of its weight files, as `check` gives them
    """
    with reading(folder):
        weights = {tensor.file for tensor in held.values()}
        changes = fingerprint(sorted(weights | {folder / "config.json"}))
        size = sum(file.stat().st_size for file in weights)
    return Located(
        folder=folder,
        name=name,
        revision=revision or changes,
        title=title,
        licence=_licence(folder),
        source=source,
        stored=_stored(held),
        file_bytes=size,
    )


def fingerprint(files: list[Path]) -> str:
    """Twelve hex digits that change when one of the files does: from names, sizes and times, not by reading them."""
    facts = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(files)]
    return hashlib.sha256(repr(facts).encode(errors="surrogatepass")).hexdigest()[:12]


def _licence(folder: Path) -> str:
    """The licence that the model card states at its top."""
    try:
        with (folder / "README.md").open("rb") as card:
            head = card.read(_CARD).decode("utf-8", errors="replace")
    except OSError:
        return "not stated"
    stated = re.search(r"^licen[sc]e:\s*[\"']?([^\s\"'#]+)", head, flags=re.MULTILINE)
    return shown(stated.group(1)) if stated else "not stated"


def _stored(held: Mapping[str, Stored]) -> str:
    """The number formats of the weights."""
    formats = {headers.FLOATS[tensor.dtype] for tensor in held.values() if tensor.dtype in headers.FLOATS}
    return "safetensors, " + " and ".join(sorted(formats))

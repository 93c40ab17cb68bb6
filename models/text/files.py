"""The tokenizer that the library makes of a checkpoint's files, whichever they are.

Which ids a text has is not in tokenizer.json alone: settings and added tokens stand in files beside it, a class of the
library may build the tokenizer anew, and some checkpoints have a vocabulary only. So the library reads them.
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tokenizers

from anatomy.language import N_
from models.checkpoints.errors import WeightsError
from models.checkpoints.outside import MARK, of_a_file, read_object, read_text, reading, reason
from models.checkpoints.tokenizer_files import FILES, OBJECTS, TEXTS, are_enough, check_kinds, other_vocabularies

_TIKTOKEN = re.compile(rb"[A-Za-z0-9+/]+=* \d+\n")  # first line of a vocabulary as tiktoken writes it
_LONGEST_LINE = 1 << 12  # bytes that such a line has at most
_PACKAGES = {"mistral_common": "mistral-common"}  # where package and module have different names


@dataclass(frozen=True)
class Made:
    """A tokenizer of the library, and what a chat template needs.

    backend     of the tokenizers package; nobody else has it
    definition  the same as the text of a tokenizer.json
    template    the chat template: its text, several by name, or None
    special     the special tokens by the names that a template uses, as bos_token
    """

    backend: tokenizers.Tokenizer
    definition: str
    template: object
    special: Mapping[str, str]


def made_of(folder: Path) -> Made:
    """What `transformers.AutoTokenizer` makes of a folder, without network and without running code from it.
    WeightsError, naming the file, where it makes nothing that can be used."""
    with reading(folder):
        present = sorted(file for file in folder.iterdir() if file.name in (*FILES, "config.json"))
    if not are_enough(file.name for file in present):
        template = N_(
            "{folder} has no tokenizer.json, nor another file that a tokenizer can be made of ({known}), so its model "
            "cannot read text. Copy the tokenizer's files next to the weights."
        )
        raise WeightsError(template, folder=folder, known=other_vocabularies())
    check_kinds(present)
    for file in present:
        if _holds_sentence_pieces(file) and folder / "tokenizer.json" not in present:
            _check_sentence_pieces(file)
    try:
        with _without_marks(folder, present) as readable:
            return _made(folder, _loaded_by_library(readable))
    except BaseException as error:
        if not of_a_file(error):
            raise
        raise _refusal(folder, present, error) from error


def _loaded_by_library(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)


def _made(folder: Path, found: Any) -> Made:
    """The parts of a tokenizer of the library. WeightsError for one that its tokenizers package does not run, or that
    has no entries because the class expects another file."""
    backend = getattr(found, "backend_tokenizer", None)
    if not isinstance(backend, tokenizers.Tokenizer):
        template = N_(
            "The tokenizer of {folder} ({kind}) is of the library's old kind, which does not say where in the text its "
            "tokens stand: there is no tokenizer.json of it, and its model cannot be opened."
        )
        raise WeightsError(template, folder=folder, kind=type(found).__name__)
    if not backend.get_vocab_size(with_added_tokens=False):
        template = N_(
            "The tokenizer that {folder} asks for ({kind}) finds no vocabulary there. Copy its tokenizer.json next to "
            "the weights."
        )
        raise WeightsError(template, folder=folder, kind=type(found).__name__)
    special = {name: token for name, token in found.special_tokens_map.items() if isinstance(token, str)}
    return Made(backend, backend.to_str(), found.chat_template, special)


@contextmanager
def _without_marks(folder: Path, present: list[Path]) -> Iterator[Path]:
    """The folder; where a file begins with a byte order mark, which the library takes for content, a copy without."""
    marked = {file for file in present if _begins_with_mark(file)}
    if not marked:
        yield folder
        return
    with TemporaryDirectory() as made:
        for file in present:
            if file in marked:
                (Path(made) / file.name).write_bytes(file.read_bytes().removeprefix(MARK))
            else:
                shutil.copyfile(file, Path(made) / file.name)
        yield Path(made)


def _begins_with_mark(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(MARK)) == MARK


def _refusal(folder: Path, present: list[Path], error: BaseException) -> WeightsError:
    """Why no tokenizer could be made: the first file that is damaged, a package that is missing, or what was said."""
    try:
        _check(present)
    except WeightsError as found:
        return found
    settings = folder / "tokenizer_config.json"
    if isinstance(error, ValueError) and "trust_remote_code" in str(error):
        template = N_(
            "{file} names a program that comes with the checkpoint (auto_map) to cut text, and such programs are not "
            "run. A checkpoint with a tokenizer.json and without auto_map would work."
        )
        return WeightsError(template, file=settings)
    package, pieces = _package(error), [file for file in present if _holds_sentence_pieces(file)]
    if package == "tiktoken" and pieces:  # what the library tries next, whatever is wrong with them
        template = N_("No tokenizer can be made of {file}: it may be damaged. Fetch it again from where it came.")
        return WeightsError(template, file=pieces[0])
    if package:
        template = N_("Making the tokenizer of {folder} needs a package that is not installed: pip install {package}")
        return WeightsError(template, folder=folder, package=package)
    template = N_(
        "No tokenizer can be made of the files in {folder} ({files}): {reason}. Fetch them again from where they came."
    )
    return WeightsError(template, folder=folder, files=", ".join(file.name for file in present), reason=reason(error))


def _check(present: list[Path]) -> None:
    """WeightsError for the first file that is no JSON object, no UTF-8 or does not define what its name says."""
    for file in present:
        if file.name in OBJECTS:
            read_object(file)
        elif file.name in TEXTS:
            read_text(file)
    for file in present:
        if file.name == "tokenizer.json":
            with reading(file):
                tokenizers.Tokenizer.from_str(read_text(file))


def _holds_sentence_pieces(file: Path) -> bool:
    """Whether a file ought to be a model of SentencePiece, by its name, and is no vocabulary of tiktoken's."""
    if file.suffix != ".model":
        return False
    with reading(file), file.open("rb") as opened:
        return not _TIKTOKEN.match(opened.readline(_LONGEST_LINE))


def _check_sentence_pieces(file: Path) -> None:
    """WeightsError for a model of SentencePiece that cannot be read, or that ends before the settings at its end."""
    try:
        with reading(file):
            from transformers.convert_slow_tokenizer import SentencePieceExtractor

            pieces: Any = SentencePieceExtractor(str(file)).proto
            whole = pieces.HasField("trainer_spec")
    except WeightsError as error:
        if not isinstance(error.__cause__, ImportError):
            raise
        template = N_("To read {file}, two packages are needed that are not both installed: pip install {packages}")
        raise WeightsError(template, file=file, packages="sentencepiece protobuf") from error
    if not whole:
        raise WeightsError(N_("{file} ends before its settings: it was cut off. Fetch it again."), file=file)


def _package(error: BaseException | None) -> str | None:
    """The package whose absence lies behind an error."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and error.name:
            return _PACKAGES.get(error.name, error.name)
        error = error.__cause__ or error.__context__
    return None

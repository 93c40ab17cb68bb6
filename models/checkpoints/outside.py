"""The boundary to files from outside: whatever is in one ends in a sentence that names it and says what would work."""

import json
import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anatomy.language import N_, Count
from anatomy.refused import Refused, Sentence
from models.checkpoints.errors import WeightsError

POINTER = b"version https://git-lfs.github.com/spec/"  # Git LFS, docs/spec.md
_PAGES = (b"<!doctype html", b"<html", b"<?xml")
MARK = b"\xef\xbb\xbf"  # the byte order mark of UTF-8
LARGEST_TEXT = 1 << 28  # bytes of a text file that is read: the largest tokenizer.json known has 35 MB
_LONGEST_REASON = 200  # characters of what a library says
_LONGEST_SHOWN = 80  # characters of a value in a sentence
_SAYING_ENOUGH = (Exception, ValueError, RuntimeError, OSError, json.JSONDecodeError)  # kinds that name nothing
_PANICS = "pyo3_runtime"  # where Rust libraries have their PanicException, which is no Exception


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Inside a `with`, what a library raises over this file, or over a folder, becomes a WeightsError that names it.

    A refusal stays as it is. A panic of a Rust library counts as an error; KeyboardInterrupt, SystemExit, MemoryError
    and whatever else is no error of a file pass through.
    """
    try:
        yield
    except BaseException as error:
        if not of_a_file(error):
            raise
        raise refusal(file, error) from error


def refusal(file: Path, error: BaseException) -> WeightsError:
    """The refusal for a file that cannot be used: by what is in it, as far as that can be seen at its beginning, or
    else by what a library said."""
    seen = seen_in(file)
    if seen is not None:
        return WeightsError(seen)
    if isinstance(error, OSError):
        template = N_("{file} cannot be read: {reason}.")
        inside = error.filename if isinstance(error.filename, str) else file  # of a folder, the file in it
        return WeightsError(template, file=inside, reason=error.strerror or reason(error))
    template = N_("{file} cannot be used ({reason}). It may be damaged: fetch it again from where it came.")
    return WeightsError(template, file=file, reason=reason(error))


def seen_in(file: Path) -> Sentence | None:
    """What a file is in place of what its name says: a Git LFS pointer, a web page, nothing; None for anything else."""
    try:
        with file.open("rb") as opened:
            head = opened.read(512).removeprefix(MARK).lstrip()
    except OSError:
        return None
    if not head:
        return Sentence(N_("{file} is empty: fetch it again from where it came."), file=file)
    if head.startswith(POINTER):
        template = N_(
            "{file} is a Git LFS pointer, which only names the file: run git lfs pull in its folder, or fetch the file "
            "itself."
        )
        return Sentence(template, file=file)
    if head.lower().startswith(_PAGES):
        template = N_(
            "{file} is a web page, not the file that its name says: fetch the file itself (a hub's “resolve” address, "
            "not its “blob” one)."
        )
        return Sentence(template, file=file)
    return None


def read_text(file: Path) -> str:
    """A text file in UTF-8, with or without a byte order mark. WeightsError for one that is none, or is larger than
    LARGEST_TEXT."""
    with reading(file), file.open("rb") as opened:
        raw = opened.read(LARGEST_TEXT + 1)
    if len(raw) > LARGEST_TEXT:
        raise _too_large(file)
    try:
        return raw.removeprefix(MARK).decode()
    except UnicodeDecodeError as error:
        template = N_("{file} is not in UTF-8 (byte {byte} of it): fetch it again, or save it as UTF-8.")
        raise WeightsError(seen_in(file) or Sentence(template, file=file, byte=error.start + 1)) from error


def check_size(file: Path) -> None:
    """WeightsError for a text file that is larger than LARGEST_TEXT, for whoever has a library read it."""
    with reading(file):
        if file.stat().st_size > LARGEST_TEXT:
            raise _too_large(file)


def _too_large(file: Path) -> WeightsError:
    template = N_("{file} has more than {limit} MB, as no such file of a model has: fetch it again from where it came.")
    return WeightsError(template, file=file, limit=Count(LARGEST_TEXT >> 20))


def read_object(file: Path) -> dict[str, Any]:
    """What a JSON file holds, which has to be an object. WeightsError for a file without one."""
    text = read_text(file)
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise WeightsError(N_("{file} is nested too deeply to be read. Fetch it again."), file=file) from error
    except ValueError as error:
        template = N_("{file} is no valid JSON ({reason}). It may be cut off: fetch it again from where it came.")
        raise WeightsError(seen_in(file) or Sentence(template, file=file, reason=reason(error))) from error
    if not isinstance(found, dict):
        template = N_("{file} holds no JSON object but {kind}: fetch it again from where it came.")
        raise WeightsError(template, file=file, kind=_kind(found))
    return found


def reason(error: BaseException) -> str:
    """What a library said, on one line, with the kind of error where that says something."""
    said = " ".join(str(error).split())
    short = said if len(said) <= _LONGEST_REASON else said[:_LONGEST_REASON] + "…"
    if not short:
        return type(error).__name__
    return short if type(error) in _SAYING_ENOUGH else f"{type(error).__name__}: {short}"


def shown(value: object, *, quoted: bool = False) -> str:
    """A value out of a file as a sentence can hold it: short, and without characters that no terminal prints.

    quoted  has a text stand in quotes, which tell '32' from 32; names of things stand without
    """
    written = _SHORT.repr(value)
    if isinstance(value, str):
        begun = value[: _LONGEST_SHOWN + 1]
        written = repr(begun) if quoted else begun if begun.isprintable() else ascii(begun)
    return written if len(written) <= _LONGEST_SHOWN else written[:_LONGEST_SHOWN] + "…"


_SHORT = reprlib.Repr()  # a file may hold lists without end
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = _LONGEST_SHOWN


def of_a_file(error: BaseException) -> bool:
    """Whether what was raised may come from what is in a file: any Exception or panic of a library, and neither a
    refusal, which says it already, nor a MemoryError."""
    raised = isinstance(error, Exception) or type(error).__module__ == _PANICS
    return raised and not isinstance(error, Refused | MemoryError)


def _kind(value: object) -> str:
    """A JSON value's kind, in JSON's words."""
    names = {list: "array", str: "string", bool: "true/false", int: "number", float: "number", type(None): "null"}
    return names.get(type(value), type(value).__name__)

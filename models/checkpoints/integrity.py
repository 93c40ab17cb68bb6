"""Whether files still hold what they are known to hold: their SHA-256, worked out again only where a file has changed.

A file counts as unchanged while size, times and inode are what they were when it last passed. That is noted in a small
file beside the others; where it cannot be written (a cache that is only read), each process reads the files once.
"""

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from anatomy.language import N_
from models.engine import Progress, Report, silent

CHUNK = 1 << 20
LARGE = 1 << 24  # bytes from which on a check says how far it is
_LONGEST_NOTES = 1 << 24  # bytes of notes that are read: some ten thousand files

Note = list[int | str]  # size, mtime and ctime in ns, inode, SHA-256
_passed: dict[str, Note] = {}  # what this process has read, by absolute path


def damaged(files: Mapping[Path, str], remembered: Path, report: Report = silent) -> list[Path]:
    """Those of the files (path → SHA-256 in hex) that are missing, cannot be read or hold something else, in their
    order. PermissionError for one that this user may not read.

    remembered  the file of notes on what has passed; it is made, and made anew where it is odd
    report      is told how far the reading of a large file is
    """
    before = _read_notes(remembered)
    notes = dict(before)
    wrong = []
    for file, sha256 in files.items():
        name, whole = _key(file, remembered), str(file.absolute())
        if _unchanged(file, sha256, before.get(name)):
            continue
        notes.pop(name, None)
        if not _unchanged(file, sha256, _passed.get(whole)) and not _holds(file, sha256, report):
            wrong.append(file)
        elif passed := _passed.get(whole):
            notes[name] = passed
    if notes != before:
        _write_notes(notes, remembered)
    return wrong


def noted(files: Iterable[Path], remembered: Path, report: Report = silent) -> dict[Path, str]:
    """The SHA-256 of files that were just made and are whole, noted so that `damaged` need not read them again.
    OSError where one cannot be read."""
    digests = {file: _read(file, report) for file in files}
    notes = {_key(file, remembered): [*_stamp(file), digest] for file, digest in digests.items()}
    _write_notes({**_read_notes(remembered), **notes}, remembered)
    return digests


def sha256_of(file: Path, report: Report = silent) -> str:
    """SHA-256 of a file, in hex. OSError where it cannot be read."""
    digest, done, buffer = hashlib.sha256(), 0, memoryview(bytearray(CHUNK))
    with file.open("rb", buffering=0) as opened:
        total = os.fstat(opened.fileno()).st_size
        while count := opened.readinto(buffer):
            digest.update(buffer[:count])
            done += count
            report(Progress(N_("checking {what}"), min(done, total), total, file.name))
    return digest.hexdigest()


def _unchanged(file: Path, sha256: str, note: object) -> bool:
    """Whether the file is as it was when it passed, by a note of that."""
    try:
        return note == [*_stamp(file), sha256]
    except OSError:
        return False


def _holds(file: Path, sha256: str, report: Report) -> bool:
    """Read a file; where it holds what it should, and nobody wrote to it meanwhile, this process remembers it."""
    _passed.pop(str(file.absolute()), None)
    try:
        before = _stamp(file)
        digest = _read(file, report)
        after = _stamp(file)
    except PermissionError:
        raise
    except OSError:
        return False
    if digest == sha256 and before == after:
        _passed[str(file.absolute())] = [*after, digest]
    return digest == sha256


def _read(file: Path, report: Report) -> str:
    """SHA-256 of a file; only what takes long is reported."""
    return sha256_of(file, report if file.stat().st_size >= LARGE else silent)


def _stamp(file: Path) -> tuple[int, int, int, int]:
    """What changes when somebody writes to a file, or puts another in its place."""
    facts = file.stat()
    return facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino


def _key(file: Path, remembered: Path) -> str:
    """A file's name in the notes: from their folder on where it lies below, so that the folder can be moved."""
    whole, folder = file.absolute(), remembered.parent.absolute()
    return whole.relative_to(folder).as_posix() if whole.is_relative_to(folder) else str(whole)


def _read_notes(remembered: Path) -> dict[str, object]:
    """The notes; none where they are absent or odd: then the files are read again."""
    try:
        if remembered.stat().st_size > _LONGEST_NOTES:
            return {}
        found = json.loads(remembered.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_notes(notes: Mapping[str, object], remembered: Path) -> None:
    """Put the notes in place whole, without those on files that are gone; where that cannot be done, there are none."""
    new = remembered.with_name(f"{remembered.name}.{os.getpid()}-{threading.get_ident()}")
    with contextlib.suppress(OSError):
        kept = {name: note for name, note in sorted(notes.items()) if (remembered.parent / name).exists()}
        remembered.parent.mkdir(parents=True, exist_ok=True)
        try:
            new.write_text(json.dumps(kept, indent=1), "utf-8")
            new.replace(remembered)
        finally:
            with contextlib.suppress(OSError):
                new.unlink()

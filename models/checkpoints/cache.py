"""The folder where fetched and converted checkpoints are kept: made once, whole or not at all, and checked since.

A folder is filled under `.partial/` and renamed into place, so that a kill at any moment leaves nothing half-done;
a lock that the system drops with its process lets one process work while the others wait. Its manifest says what was
made, file by file with the SHA-256, so that damage is seen before it is shown, and made good.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from anatomy.language import N_
from anatomy.refused import Refused, Sentence
from models.checkpoints import integrity
from models.checkpoints.errors import WeightsError
from models.checkpoints.manifest import LAYOUT, MANIFEST, Card, Manifest, read_manifest, write_manifest
from models.checkpoints.outside import reason
from models.engine import Cancelled, Progress, Report, silent

CHECKED = "stagelight.checked.json"  # in a finished folder: which files have passed a check, and what they were then

Build = Callable[[Path, Path, Sentence | None], Card]  # (folder to fill, scratch folder, flaw of the old one) -> card


@dataclass(frozen=True)
class Found:
    """What a look at a folder of the cache gave.

    card  what is known of the checkpoint; None where the folder has to be made
    flaw  why the folder that is there cannot be used: a sentence with the one place {what}; None where there is none
    """

    card: Card | None
    flaw: Sentence | None = None


def root() -> Path:
    """The cache folder: STAGELIGHT_CACHE, or the system's place for caches."""
    return Path(os.environ.get("STAGELIGHT_CACHE") or platformdirs.user_cache_dir("stagelight")).expanduser()


def place(name: str) -> Path:
    """Where the folder of that name is, or would be."""
    return root() / name


def look(name: str, report: Report = silent, wanted: Sequence[str] = ()) -> Found:
    """Whether the folder of that name is there and whole. Nothing but a note of what has passed is written.
    WeightsError where its files may not be read.

    wanted  names of files that it has to have besides those that it was made with
    """
    folder = place(name)
    try:
        if not folder.is_dir():
            return Found(None)
        manifest = read_manifest(folder)
        if manifest is None:
            return Found(None, Sentence(_ODD, what=folder / MANIFEST))
        if manifest.layout != LAYOUT:
            return Found(None, Sentence(_OTHER_LAYOUT, what=folder))
        absent = next((Sentence(_ABSENT, what=folder / file) for file in wanted if file not in manifest.files), None)
        flaw = absent or _flaw(folder, manifest, report)
    except PermissionError as error:
        template = N_(
            "{file} cannot be read: {reason}. Ask its owner for the right to read the whole folder, or set "
            "STAGELIGHT_CACHE to a folder of your own."
        )
        raise WeightsError(template, file=error.filename or folder, reason=error.strerror or str(error)) from error
    return Found(None, flaw) if flaw else Found(manifest.card)


def build_once(name: str, build: Build, *, room: int, report: Report, wanted: Sequence[str] = ()) -> Card:
    """The card of the folder of that name, built now unless it is whole; of several processes one builds, others wait.
    A folder that is damaged, or of another layout, is said, and replaced when the new one is whole.

    room    bytes of free disk that building takes; WeightsError where there are fewer, or nothing can be written
    wanted  see `look`
    """
    with _said(name):
        root().mkdir(parents=True, exist_ok=True)
        with _lock(name, report):
            found = look(name, report, wanted)
            if found.card is not None:
                return found.card
            if found.flaw is None:
                return _build(name, build, None, room, report)
            report(Progress(found.flaw.message, what=str(found.flaw.values["what"])))
            return _repair(name, build, found.flaw, room, report)


def check_room(folder: Path, room: int, variable: str = "STAGELIGHT_CACHE") -> None:
    """WeightsError, with how much is missing, where the disk of `folder` has less than `room` bytes free. variable: the
    setting that names another folder."""
    free = shutil.disk_usage(folder).free
    if free < room:
        template = N_(
            "The disk of {folder} has {free} MB free and {room} MB are needed. Free {excess} MB, or set {variable} to "
            "a folder on another disk; then try again."
        )
        sizes = {"free": free, "room": room, "excess": room - free}
        megabytes = {name: f"{size / 1e6:,.0f}" for name, size in sizes.items()}
        raise WeightsError(template, folder=folder, variable=variable, **megabytes)


_ODD = N_("{what} has to be made anew: it says what belongs in its folder, and it is missing or damaged")
_ABSENT = N_("{what} has to be made anew: it is missing")
_SIZE = N_("{what} has to be made anew: it is damaged (its size is not the one that it was made with)")
_CONTENT = N_("{what} has to be made anew: it is damaged (its SHA-256 is not the one that it was made with)")
_OTHER_LAYOUT = N_("{what} has to be made anew: another version of Stagelight made it, in a layout of its own")


def _flaw(folder: Path, manifest: Manifest, report: Report) -> Sentence | None:
    """What is wrong with a folder, beginning with what is seen without reading its files; None for a whole one."""
    for file, size in manifest.files.items():
        if not (folder / file).is_file():
            return Sentence(_ABSENT, what=folder / file)
        if (folder / file).stat().st_size != size:
            return Sentence(_SIZE, what=folder / file)
        if not os.access(folder / file, os.R_OK):
            raise PermissionError(13, os.strerror(13), str(folder / file))
    files = {folder / file: manifest.sha256[file] for file in manifest.files}
    wrong = integrity.damaged(files, folder / CHECKED, report)
    return Sentence(_CONTENT, what=wrong[0]) if wrong else None


@contextmanager
def _said(name: str) -> Iterator[None]:
    """Whatever goes wrong while a folder is made, as a sentence."""
    try:
        yield
    except (Refused, Cancelled):
        raise
    except OSError as error:
        raise WeightsError(_UNWRITTEN, folder=root(), reason=_of_the_system(error)) from error
    except MemoryError as error:
        template = N_(
            "There is not enough memory to make {folder}. Close other programs, or give this one more; then try again."
        )
        raise WeightsError(template, folder=place(name)) from error
    except Exception as error:  # a library's own: what it means is not known here, that nothing was made is
        template = N_("{folder} could not be made ({reason}). Nothing half-done is left; try again.")
        raise WeightsError(template, folder=place(name), reason=reason(error)) from error


_UNWRITTEN = N_(
    "The cache folder {folder} cannot be written: {reason}. Make room or give yourself the right to write "
    "there, or set STAGELIGHT_CACHE to another folder; then try again."
)


def _of_the_system(error: OSError) -> str:
    """What the system said, with the file that it said it of."""
    said = error.strerror or str(error)
    return f"{said} ({error.filename})" if error.filename else said


@contextmanager
def _lock(name: str, report: Report) -> Iterator[None]:
    """Hold the lock of one folder; whoever has to wait says so."""
    lock = FileLock(root() / f".{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        report(Progress(N_("waiting for another process that is fetching the same checkpoint")))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _repair(name: str, build: Build, flaw: Sentence, room: int, report: Report) -> Card:
    """Build in place of a folder that cannot be used, which stays until then. Where that fails, the WeightsError tells
    both."""
    try:
        with _said(name):
            return _build(name, build, flaw, room, report)
    except WeightsError as error:
        template = N_("{damage}. That did not succeed: {reason}")
        raise WeightsError(template, damage=flaw, reason=Sentence(error.message, **error.values)) from error


def _build(name: str, build: Build, flaw: Sentence | None, room: int, report: Report) -> Card:
    """Fill a new partial folder and move it into place; what dead processes left is swept away first."""
    check_room(root(), room)
    attempts = root() / ".partial" / name
    shutil.rmtree(attempts, ignore_errors=True)
    attempts.mkdir(parents=True, exist_ok=True)
    attempt = Path(tempfile.mkdtemp(dir=attempts))
    try:
        folder, scratch = attempt / "folder", attempt / "scratch"
        folder.mkdir()
        scratch.mkdir()
        card = build(folder, scratch, flaw)
        _seal(folder, card, report)
        if os.path.lexists(place(name)):  # damaged, or of another layout
            place(name).rename(attempt / "replaced")
        folder.rename(place(name))
    finally:
        shutil.rmtree(attempts, ignore_errors=True)
    return card


def _seal(folder: Path, card: Card, report: Report) -> None:
    """Bring all files to the disk with the rights of a new file, and write down what they hold."""
    files = sorted(folder.iterdir())
    (folder / MANIFEST).touch()
    rights = (folder / MANIFEST).stat().st_mode & 0o777  # what the umask leaves; libraries may have given fewer
    for file in files:
        with file.open("r+b") as opened:
            os.fsync(opened.fileno())  # or a loss of power could empty a file that was already noted as whole
        file.chmod(rights)
    digests = integrity.noted(files, folder / CHECKED, report)
    sizes = {file.name: file.stat().st_size for file in files}
    sha256 = {file.name: digest for file, digest in digests.items()}
    write_manifest(folder, Manifest(LAYOUT, card, sizes, sha256))

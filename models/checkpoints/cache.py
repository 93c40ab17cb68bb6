"""The folder where fetched and converted checkpoints are kept: made once, whole or not at all.

A folder is filled under `.partial/` and renamed into place, so that a kill at any moment leaves nothing half-done;
a lock that the system drops with its process lets one process work while the others wait.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from anatomy.language import N_
from models.checkpoints.errors import WeightsError
from models.engine import Progress, Report

MANIFEST = "stagelight.json"
LAYOUT = 1  # raise it when a folder made by an older version must be made anew

Card = dict[str, str]  # what is known of a checkpoint that no catalog describes
Build = Callable[[Path, Path], Card]  # (folder to fill, scratch folder) -> card


def root() -> Path:
    """The cache folder: STAGELIGHT_CACHE, or the system's place for caches."""
    return Path(os.environ.get("STAGELIGHT_CACHE") or platformdirs.user_cache_dir("stagelight")).expanduser()


def place(name: str) -> Path:
    """Where the folder of that name is, or would be."""
    return root() / name


def card(name: str) -> Card | None:
    """The card of a finished folder; None where it is absent, damaged or of an older layout."""
    folder = place(name)
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        whole = all((folder / file).stat().st_size == size for file, size in manifest["files"].items())
    except (OSError, ValueError, KeyError):
        return None
    return manifest["card"] if whole and manifest["layout"] == LAYOUT else None


def build_once(name: str, build: Build, *, room: int, report: Report) -> Path:
    """The finished folder of that name, built now unless it is there; of several processes one builds, others wait.

    room  bytes of free disk that building takes; WeightsError where there are fewer, or nothing can be written
    """
    try:
        root().mkdir(parents=True, exist_ok=True)
        with _lock(name, report):
            if card(name) is None:
                check_room(root(), room)
                _build(name, build)
    except OSError as error:
        template = N_(
            "The cache folder {folder} cannot be written: {reason}. Make room or give yourself the right to write "
            "there, or set STAGELIGHT_CACHE to another folder; then try again."
        )
        raise WeightsError(template, folder=root(), reason=error.strerror or str(error)) from error
    return place(name)


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


def _build(name: str, build: Build) -> None:
    """Fill a new partial folder and move it into place; what dead processes left is swept away first."""
    attempts = root() / ".partial" / name
    shutil.rmtree(attempts, ignore_errors=True)
    attempts.mkdir(parents=True, exist_ok=True)
    attempt = Path(tempfile.mkdtemp(dir=attempts))  # a name of its own: an orphaned pip may still write to the old one
    try:
        folder, scratch = attempt / "folder", attempt / "scratch"
        folder.mkdir()
        scratch.mkdir()
        _seal(folder, build(folder, scratch))
        shutil.rmtree(place(name), ignore_errors=True)  # damaged, or of an older layout
        folder.replace(place(name))
    finally:
        shutil.rmtree(attempts, ignore_errors=True)


def _seal(folder: Path, about: Card) -> None:
    """Write down which files make the folder, so that a damaged one is noticed and made anew."""
    sizes = {file.name: file.stat().st_size for file in sorted(folder.iterdir())}
    (folder / MANIFEST).write_text(json.dumps({"layout": LAYOUT, "card": about, "files": sizes}, indent=1), "utf-8")

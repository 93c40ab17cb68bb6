"""Do the tests notice? Each of `bench.faults` is made in a copy of the tree, and the tests that should turn red run."""

import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.faults import FAULTS, Fault
from bench.table import markdown

ROOT = Path(__file__).parent.parent
_LIMIT = 300  # seconds for the tests of one fault
_PASSED, _FAILED = 0, 1  # pytest's exit statuses; any other says that the tests did not run


def report(only: Sequence[str] = ()) -> str:
    """A table of the faults, caught or not; those whose name or file holds one of `only`, or all.

    RuntimeError where the tests are not green without a fault, or where they could not run.
    """
    chosen = [fault for fault in FAULTS if not only or any(part in f"{fault.name} {fault.file}" for part in only)]
    with TemporaryDirectory(prefix="stagelight-mutations-") as folder:
        tree = Path(folder) / "tree"
        _copy(tree)
        _green(tree, chosen)
        rows = [_row(fault, _caught(tree, fault)) for fault in chosen]
    missed = sum(row[2] == "NO" for row in rows)
    return f"{markdown(('fault', 'file', 'caught'), rows)}\n\n{len(rows)} faults, {missed} not caught without a reason."


def made(text: str, fault: Fault) -> str:
    """The file's text with the fault in it. ValueError where what it changes does not stand there exactly once."""
    if text.count(fault.right) != 1:
        raise ValueError(f"{fault.file} holds {fault.right!r} {text.count(fault.right)} times: mend bench/faults.py")
    return text.replace(fault.right, fault.wrong)


def _copy(tree: Path) -> None:
    """All files that are under version control, or would be."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)


def _green(tree: Path, faults: Iterable[Fault]) -> None:
    tests = dict.fromkeys(test for fault in faults for test in fault.tests)
    status, said = _run(tree, [*tests])
    if status != _PASSED:
        raise RuntimeError(f"the tests are not green without a fault:\n{said}")


def _caught(tree: Path, fault: Fault) -> bool:
    """Whether a test turned red."""
    path = tree / fault.file
    right = path.read_text("utf-8")
    path.write_text(made(right, fault), "utf-8")
    try:
        status, said = _run(tree, fault.tests)
    finally:
        path.write_text(right, "utf-8")
    if status not in (_PASSED, _FAILED):
        raise RuntimeError(f"{fault.name}: the tests did not run:\n{said}")
    print(f"{'caught' if status else 'NOT caught'}: {fault.name}", file=sys.stderr, flush=True)
    return status == _FAILED


def _run(tree: Path, tests: Sequence[str]) -> tuple[int, str]:
    """pytest's exit status, and the last that it said. A test that never ends has noticed too."""
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not wide", *tests]
    try:
        ran = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=_LIMIT * max(1, len(tests)))
    except subprocess.TimeoutExpired:
        return _FAILED, "it took too long"
    return ran.returncode, ran.stdout[-2000:] + ran.stderr[-2000:]


def _row(fault: Fault, caught: bool) -> tuple[str, str, str]:
    verdict = "yes" if caught else f"no: {fault.alike}" if fault.alike else "NO"
    return fault.name, f"`{fault.file}`", verdict

"""The browser tests on a busy machine: `python -m tests.stress`, three rounds of the journey beside two busy processes.

Prints which tests ever needed a second try, and why. None is the goal; ends with 1 where one failed or needed one.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from tests.browsing import KEPT, ROOT

JOURNEY = ("tests/ui/test_journey.py", "tests/ui/test_long.py")
_BUSY = "while True: pass"


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many processes that take whatever the processor gives them."""
    running = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _each in range(processes)]
    try:
        yield
    finally:
        for each in running:
            each.kill()
            each.wait()


def played(tests: list[str]) -> tuple[int, float, dict[str, list[str]]]:
    """(pytest's exit code, seconds, what needed a second try with why) of one round."""
    told = KEPT / "second_tries.json"
    told.unlink(missing_ok=True)
    began = monotonic()
    code = subprocess.run([sys.executable, "-m", "pytest", "-q", "-m", "browser", *tests], cwd=ROOT).returncode
    tries = json.loads(told.read_text("utf-8")) if told.exists() else {}
    return code, monotonic() - began, tries


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--busy", type=int, default=2, help="processes that keep the machine busy")
    parser.add_argument("tests", nargs="*", default=JOURNEY)
    asked = parser.parse_args()
    with busy(asked.busy):
        rounds = [played(list(asked.tests)) for _each in range(asked.rounds)]
    print(f"\n| round | seconds beside {asked.busy} busy processes | ended with | second tries |\n|---|---|---|---|")
    for number, (code, seconds, tries) in enumerate(rounds, start=1):
        print(f"| {number} | {seconds:.0f} | {code} | {len(tries)} |")
    for number, (_code, _seconds, tries) in enumerate(rounds, start=1):
        for test, reasons in tries.items():
            print(f"round {number}: {test}: {reasons[0].splitlines()[0]}")
    return int(any(code or tries for code, _seconds, tries in rounds))


if __name__ == "__main__":
    sys.exit(main())

"""Fails unless the test report holds browser tests and none of them was skipped."""

import sys
from xml.etree import ElementTree

BROWSER_TESTS = "tests.ui.test_journey"


def main(report: str) -> int:
    cases = [case for case in ElementTree.parse(report).iter("testcase") if BROWSER_TESTS in case.get("classname", "")]
    skipped = [case.get("name") for case in cases if case.find("skipped") is not None]
    if not cases or skipped:
        print(f"The browser tests did not all run: {len(cases)} found, skipped: {skipped}.", file=sys.stderr)
        return 1
    print(f"{len(cases)} browser tests ran.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

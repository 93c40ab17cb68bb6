"""Fails unless the browser tests' report holds the journey and nothing was skipped; names the engines left out."""

import sys
from xml.etree import ElementTree

JOURNEY = "tests.ui.test_journey"


def main(report: str, engines: str) -> int:
    cases = [case for case in ElementTree.parse(report).iter("testcase") if _drives_a_browser(case)]
    skipped = [case.get("name") for case in cases if case.find("skipped") is not None]
    journey = [case for case in cases if JOURNEY in case.get("classname", "")]
    if not journey or skipped:
        print(f"The browser tests did not all run: {len(journey)} of the journey, skipped: {skipped}.", file=sys.stderr)
        return 1
    print(f"{len(cases)} browser tests ran, {len(journey)} of them the journey.")
    tried = list(ElementTree.parse(engines).iter("testcase"))
    left_out = [skipped.get("message") for case in tried for skipped in case.iter("skipped")]
    print(f"The heart of it ran in {len(tried) - len(left_out)} of {len(tried)} engines.", *left_out, sep="\n")
    return 0


def _drives_a_browser(case: ElementTree.Element) -> bool:
    return any(entry.get("name") == "browser" for entry in case.iter("property"))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

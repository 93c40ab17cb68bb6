"""Faults of a page for readers who don't see it, see it poorly or can't aim, as axe-core finds them: every rule of WCAG
2.0 to 2.2 at levels A and AA, and what axe calls best practice. It looks into open shadow roots and into frames."""

from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from time import monotonic

from playwright.sync_api import Page

from tests.mouse import PATIENCE

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
_RULES = {
    "runOnly": {"type": "tag", "values": [*WCAG, "best-practice"]},
    "rules": {"target-size": {"enabled": True}},  # axe has it switched off unless it is asked for
    "resultTypes": ["violations"],
    "preload": False,  # it would fetch style sheets once more
}
_RUN = """async (rules) => (await axe.run(document, rules)).violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, html }) => `${id}: ${target.flat().join(" ")}: ${html.slice(0, 200)}`))"""


def faults(page: Page) -> list[str]:
    """What is wrong, each as "rule: where: what". Where something is, it is looked at again for a while: the page may
    be drawn anew meanwhile."""
    end = monotonic() + PATIENCE
    while True:
        for frame in page.frames:
            frame.evaluate(_script())
        found = page.evaluate(_RUN, _RULES)
        if not found or monotonic() > end:
            return found
        page.wait_for_timeout(200)


def rules(found: list[str]) -> set[str]:
    """Which rules were broken."""
    return {each.partition(":")[0] for each in found}


@cache
def _script() -> str:
    """axe-core's script, out of a package that is not imported itself."""
    file = distribution("axe-playwright-python").locate_file("axe_playwright_python/axe.min.js")
    return Path(str(file)).read_text("utf-8")

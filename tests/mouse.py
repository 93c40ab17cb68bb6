"""Whether the mouse reaches what a page offers: the middle of every control is what lies there, and gets the click."""

from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from playwright.sync_api import Locator, Page, expect

from tests.browsing import LIMIT

PATIENCE = LIMIT / 1000 / 20  # seconds for a page to come to rest
STEP = 28  # pixels between two places to which a page is scrolled: half of Streamlit's header
SCROLLER = "document.querySelector('.stAppViewContainer > div:has(> .stMain)')"
_SCRIPT = Path(__file__).with_suffix(".js").read_text("utf-8")


@dataclass(frozen=True)
class Control:
    """Something to be clicked. id: its place among the page's controls; x, y: its middle in the window; hit: what lies
    there is itself, and else over says what does."""

    id: int
    name: str
    x: float
    y: float
    hit: bool
    over: str

    def like(self, other: "Control") -> bool:
        """Whether it is the same one of a page that was drawn anew."""
        return (self.name, self.x, self.y) == (other.name, other.x, other.y)

    def __str__(self) -> str:
        return f"{self.name!r} at ({self.x:.0f}, {self.y:.0f}) lies under {self.over}"


def controls(page: Page) -> list[Control]:
    """Those whose middle is in sight."""
    return [Control(**found) for found in page.evaluate("mouse.found()")]


def covered(page: Page) -> tuple[set[str], list[str]]:
    """(names of all controls that were in sight, those that something lay over), wherever the page is scrolled to.
    Where something does, it is looked at again for a while."""
    page.evaluate(_SCRIPT)
    end = monotonic() + PATIENCE
    while True:
        seen, under = page.evaluate(f"mouse.covered({SCROLLER}, {STEP})")
        if not under or monotonic() > end:
            return set(seen), under
        page.wait_for_timeout(200)


def clicked(page: Page, *tops: float) -> tuple[set[str], list[str]]:
    """(names of all controls that were clicked, those that did not get it), each once, the page scrolled by so much of
    its height one after the other. The page itself is not told of the clicks, then or later."""
    page.evaluate(_SCRIPT)
    page.evaluate("mouse.caught()")
    height = page.evaluate(f"{SCROLLER}.scrollHeight")
    got: dict[int, str] = {}
    lost = []
    for top in tops:
        scroll(page, top * height)
        for control in controls(page):
            if control.id in got:
                continue
            if _gets(page, control):
                got[control.id] = control.name
            else:
                lost.append(str(control))
    return set(got.values()), lost


def _gets(page: Page, control: Control) -> bool:
    """Whether a click on its middle comes to it. It is tried again for a while: the page may be drawn anew meanwhile,
    and a card that came from pointing at something else lies over it until the mouse is elsewhere."""
    end = monotonic() + PATIENCE
    while True:
        page.mouse.click(control.x, control.y)
        if control.id in page.evaluate("mouse.reached"):
            return True
        if monotonic() > end:
            return False
        page.mouse.move(2, 400)
        page.wait_for_timeout(100)
        control = next((again for again in controls(page) if again.like(control)), control)


def press(what: Locator) -> None:
    """Click where its middle is in the window, as a hand does: whatever lies there gets it."""
    expect(what).to_be_in_viewport()
    box = what.bounding_box()
    assert box is not None, "it is not there to be clicked"
    what.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def to_the_top(what: Locator) -> None:
    """Scroll until it is next to the window's upper edge."""
    what.evaluate("(it) => it.scrollIntoView()")


def scroll(page: Page, top: float) -> None:
    """So many pixels down, at once."""
    page.evaluate(f"(top) => {{ {SCROLLER}.scrollTop = top }}", top)

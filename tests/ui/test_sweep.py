"""Every panel in the browser, in both themes and languages, wide and narrow: whole, in the window, under the mouse."""

import re

import pytest
from playwright.sync_api import expect

import panels
from anatomy.language import LANGUAGES, _, use_locale
from models.serving.recorded import FIRST_VIEW, RecordedEngine
from tests.browsing import Visit, expect_of
from tests.edges import UNTOLD
from tests.mouse import SCROLLER, covered
from tests.share import share
from ui.examples import PAIRS

pytestmark = [pytest.mark.browser, pytest.mark.real]

TWO = PAIRS["Who gives, who gets"]
GROUNDS = {"light": "rgb(251, 251, 249)", "dark": "rgb(18, 22, 27)"}
EVERY = 91  # of these pages stay in `make test`: the first, and one in the other theme and language
WIDTHS = (1440, 1280, 1024, 720, 390)  # 720: 1,440 at 200 %
PHONE = (390, 844)
SWEEP = [
    (panel, theme, language, WIDTHS[(i + j + k) % len(WIDTHS)])
    for i, panel in enumerate(panels.load())
    for j, theme in enumerate(GROUNDS)
    for k, language in enumerate(LANGUAGES)
]

# whether the figure begins on the first screen of a phone
TOP = "([figure, height]) => document.querySelector(figure).getBoundingClientRect().top < height"


def _reason(panel: str, language: str) -> str | None:
    """Why the default model has no such part; None where it has."""
    with use_locale(language):
        return panels.load()[panel].applies(RecordedEngine(FIRST_VIEW).specs()[0])


@pytest.mark.parametrize(
    ("panel", "theme", "language", "width"), share(SWEEP, EVERY, ["-".join(map(str, case)) for case in SWEEP])
)
def test_a_panel_is_whole_in_every_theme_and_language(visit, panel, theme, language, width):
    reader = visit(color_scheme=theme, viewport={"width": width, "height": 900})
    reader.open(f"?panel={panel}&lang={language}")
    with use_locale(language):
        title = _(panels.load()[panel].title)
    expect(reader.heading).to_have_text(title)
    expect(reader.page.locator(".stApp")).to_have_css("background-color", GROUNDS[theme])
    reason, figures = _reason(panel, language), f".st-key-{panel}-figure, .st-key-stage :is(.stPlotlyChart, iframe)"
    if reason is None:
        expect(reader.answer.first).to_have_text(re.compile(r"[.。]\s*$"))
        expect(reader.page.locator(figures).first).to_be_visible()
    else:
        expect(reader.page.locator(".st-key-stage .notice")).to_have_text(reason)
    is_whole(reader, width)
    if width == PHONE[0] and reason is None:
        expect_of(reader.page, TOP, True, (figures, PHONE[1]))


def is_whole(reader: Visit, width: int) -> None:
    """Nothing is beyond the window, cut without a sign, or under something else."""
    expect_of(reader.page, f"(width) => {SCROLLER}.scrollWidth <= width", True, width)
    expect_of(reader.page, UNTOLD, [])
    seen, under = covered(reader.page)
    assert not under
    assert len(seen) > 20


@pytest.mark.parametrize(
    ("panel", "theme", "language", "width"), share(SWEEP, EVERY, ["-".join(map(str, case)) for case in SWEEP])
)
def test_two_runs_of_a_panel_are_whole_in_every_theme_and_language(visit, panel, theme, language, width):
    reader = visit(color_scheme=theme, viewport={"width": width, "height": 900})
    reader.open(f"?panel={panel}&lang={language}&text={'+'.join(TWO[0].split())}&text2={'+'.join(TWO[1].split())}")
    expect(reader.page.locator(".stApp")).to_have_css("background-color", GROUNDS[theme])
    expect(reader.page.locator(".parted")).to_be_visible()
    if _reason(panel, language) is None and panels.load()[panel].both is None:
        expect(reader.page.locator(f".st-key-card-{panel}-b .says")).to_have_text(re.compile(r"[.。]\s*$"))
        expect(reader.page.locator(f".st-key-card-{panel}-difference :is(.says, .notice)")).to_have_count(1)
    is_whole(reader, width)

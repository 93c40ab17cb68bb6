"""Everything that the page offers answers to the mouse, at every width, scrolled or not."""

import pytest
from playwright.sync_api import expect

from tests.browsing import Visit, expect_of
from tests.mouse import SCROLLER, clicked, covered, press, scroll, to_the_top

pytestmark = [pytest.mark.browser, pytest.mark.real]

PHONE = 390
WIDTHS = [1440, 1280, pytest.param(1024, marks=pytest.mark.wide), PHONE]
THEME = "Change between the light and the dark theme"[:40]
TOP = {"Stagelight", "source", "Model", "Language", THEME, "Main menu"}
ATTENTION = "?panel=attention"
TABS = {"This stage", "Llama 3.1 overview", "Llama history"}


@pytest.fixture(params=WIDTHS)
def sized(visit, request) -> Visit:
    """A reader whose window has this width; on a phone he has opened what is known of the model."""
    reader = visit(viewport={"width": request.param, "height": 900})
    reader.open(ATTENTION)
    if request.param == PHONE:
        reader.click(reader.page.locator("details.model summary"))
    return reader


def test_nothing_lies_over_a_control_and_each_gets_its_click(sized):
    expect(sized.page.locator(".badge.holds").first).to_be_attached()
    expect(sized.page.locator(".badge", has_text="being worked out")).to_have_count(0)
    expect(sized.stages.last.locator(".holds")).to_be_attached()
    sized.settled()
    expect_of(sized.page, f"() => {SCROLLER}.scrollWidth <= innerWidth", True)
    seen, under = covered(sized.page)
    assert not under
    assert seen >= TOP | TABS
    assert len(seen) > 60
    got, lost = clicked(sized.page, 0, 0.3, 1)
    assert not lost
    assert got >= TOP
    assert len(got) > 50


def test_the_top_of_the_page_answers_to_the_mouse_and_an_articles_tab_once_it_is_scrolled_there(sized):
    top = sized.page.locator(".st-key-top")
    for name, offered in (("Model", "minilm-l6"), ("Language", "中文")):
        press(top.get_by_role("combobox", name=name))
        expect(sized.page.get_by_role("option", name=offered)).to_be_visible()
        sized.press("Escape")
    tab = sized.page.get_by_role("tab", name="Llama history", exact=True)
    to_the_top(tab)
    press(tab)
    expect(tab).to_have_attribute("aria-selected", "true")
    scroll(sized.page, 0)
    press(top.get_by_role("link", name="Stagelight"))
    expect(sized.page).to_have_url(sized.home)


def test_wheel_and_keys_scroll_the_page_and_nothing_sticks_out(visit):
    reader = visit(viewport={"width": 800, "height": 900})
    reader.open(ATTENTION)
    expect(reader.page.get_by_role("tab", name="Llama history", exact=True)).to_be_attached()
    expect_of(reader.page, f"() => {SCROLLER}.scrollWidth <= innerWidth", True)
    reader.page.mouse.move(700, 500)
    reader.page.mouse.wheel(0, 200)
    expect_of(reader.page, f"() => {SCROLLER}.scrollTop", 200)
    scroll(reader.page, 0)
    reader.heading.click()
    reader.press("End")
    expect_of(reader.page, f"() => {SCROLLER}.scrollTop > 200", True)

"""When the theme changes every figure follows, and the page is not run again; the page's button changes it."""

import re

import pytest
from playwright.sync_api import expect

from tests.browsing import Visit, expect_of
from viz.theme import DARK, LIGHT

pytestmark = pytest.mark.browser

FIND = """const find = (root, selector) => root.querySelector(selector)
    ?? [...root.querySelectorAll("*")].map((one) => one.shadowRoot && find(one.shadowRoot, selector)).find(Boolean);
const bright = (red, green, blue) => 0.3 * red + 0.59 * green + 0.11 * blue;
const colour = (element, name) => element && bright(...getComputedStyle(element)[name].match(/[\\d.]+/g).map(Number));
const mean = (canvas) => {
    if (!canvas?.width) return null;
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let sum = 0, count = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) {
        sum += bright(...data.slice(i, i + 3));
        count += 1;
    }
    return count ? sum / count : 128;
};"""
# How bright, from 0 to 255, what is looked at in each kind of figure is; and whether it is bright in the dark theme.
KINDS = {
    "writes": ('colour(find(document, ".st-key-writes-figure .xtick text"), "fill")', True),
    "attention": ('mean(find(find(document, ".st-key-attention-figure"), "canvas.cells"))', False),
    "bertviz": (
        'colour(find(document, ".st-key-stage iframe").contentDocument?.querySelector("#bertviz text"), "fill")',
        True,
    ),
}
DARK_GROUND, LIGHT_GROUND = "rgb(18, 22, 27)", "rgb(251, 251, 249)"
CHIP = 'find(find(document, ".st-key-tokens-figure"), ".chip")'
TINT = f'() => {{ {FIND} return {CHIP}.style.getPropertyValue("--tint").trim().toLowerCase(); }}'
WORDS = f'() => {{ {FIND} return colour({CHIP}.querySelector("span"), "color") > 128; }}'  # whether they are bright


def without_runs(reader: Visit) -> None:
    """From here on the page can't be run again: it sends nothing."""
    reader.settled()
    reader.page.add_script_tag(content="WebSocket.prototype.send = () => {};")


@pytest.mark.parametrize("panel", KINDS)
def test_a_figure_follows_the_theme_without_a_run_of_the_page(visit, panel):
    reader: Visit = visit(color_scheme="light")
    reader.open(f"?panel={panel}")
    brightness, bright = KINDS[panel]
    looked = f"() => {{ {FIND} const found = {brightness}; return found == null ? null : found > 128; }}"
    expect_of(reader.page, looked, not bright)
    without_runs(reader)
    for scheme, expected in (("dark", bright), ("light", not bright)):
        reader.page.emulate_media(color_scheme=scheme)
        expect_of(reader.page, looked, expected)


def test_the_tints_and_words_of_chips_are_those_of_the_new_theme(visit):
    reader: Visit = visit(color_scheme="light")
    reader.open("?panel=tokens")
    expect_of(reader.page, TINT, LIGHT.categorical[0].lower())
    expect_of(reader.page, WORDS, False)
    without_runs(reader)
    for scheme, theme in (("dark", DARK), ("light", LIGHT)):
        reader.page.emulate_media(color_scheme=scheme)
        expect_of(reader.page, TINT, theme.categorical[0].lower())
        expect_of(reader.page, WORDS, scheme == "dark")


BUTTON = "Change between the light and the dark theme"


def test_the_button_changes_the_theme_and_the_browser_remembers_it(visit):
    reader: Visit = visit(color_scheme="light")
    reader.open("?panel=tokens&pos=3")
    page, button = reader.page.locator(".stApp"), reader.page.get_by_role("button", name=BUTTON)
    reader.click(button)
    expect(page).to_have_css("background-color", DARK_GROUND)
    expect(page).to_have_css("color-scheme", "dark")
    expect(button).to_be_focused()
    expect(reader.page.get_by_test_id("stMainMenuPopover")).to_have_count(0)
    expect_of(reader.page, TINT, DARK.categorical[0].lower())
    reader.reload()
    expect(page).to_have_css("background-color", DARK_GROUND)
    # Without Streamlit's menu the theme is written where Streamlit reads it, and the link brings the page back.
    expect_of(reader.page, "() => document.querySelector('[data-testid=stMainMenuButton]')?.remove() ?? true", True)
    button.click()
    expect(page).to_have_css("background-color", LIGHT_GROUND)
    reader.settled()
    expect(reader.page).to_have_url(re.compile("panel=tokens&pos=3$"))

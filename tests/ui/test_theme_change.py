"""When the reader changes the theme every figure follows, and the page is not run again."""

import pytest
from playwright.sync_api import Locator

from tests.browsing import Visit
from tests.until import until

pytestmark = pytest.mark.browser

# The brightness, from 0 to 255: of a colour that an element has, and of all that a canvas shows.
COLOUR = """(element, name) => {
    const [red, green, blue] = getComputedStyle(element)[name].match(/[\\d.]+/g).map(Number);
    return 0.3 * red + 0.59 * green + 0.11 * blue;
}"""
CANVAS = """(canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let sum = 0, count = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) {
        sum += 0.3 * data[i] + 0.59 * data[i + 1] + 0.11 * data[i + 2];
        count += 1;
    }
    return count ? sum / count : 0;
}"""


def words(what: Locator, name: str) -> float:
    return what.first.evaluate(COLOUR, name)


# What is looked at in each kind of figure, and whether it is bright in the dark theme.
KINDS = {
    "writes": (lambda page: words(page.locator(".st-key-writes-figure .xtick text"), "fill"), True),
    "attention": (lambda page: page.locator(".st-key-attention-figure canvas").first.evaluate(CANVAS), False),
    "tokens": (lambda page: words(page.locator(".st-key-tokens-figure .chip span"), "color"), True),
    "bertviz": (lambda page: words(page.frame_locator(".st-key-stage iframe").locator("#bertviz text"), "fill"), True),
}


@pytest.mark.parametrize("panel", KINDS)
def test_a_figure_follows_the_theme_without_a_run_of_the_page(visit, panel):
    reader: Visit = visit(color_scheme="light")
    reader.open(f"?panel={panel}")
    brightness, bright = KINDS[panel]
    until(lambda: (brightness(reader.page) > 128) is not bright)
    reader.settled()
    reader.page.evaluate("WebSocket.prototype.send = () => {}")  # from here on the page cannot be run again
    reader.page.emulate_media(color_scheme="dark")
    until(lambda: (brightness(reader.page) > 128) is bright)
    reader.page.emulate_media(color_scheme="light")
    until(lambda: (brightness(reader.page) > 128) is not bright)


# Whether the chips have the theme's colours, and which.
TINTS = """(chip) => {
    const theme = getComputedStyle(chip).getPropertyValue("--st-chart-categorical-colors").split(",");
    const tint = chip.style.getPropertyValue("--tint").trim();
    return [theme.map((colour) => colour.trim()).includes(tint), tint];
}"""


def test_the_tints_of_chips_are_those_of_the_new_theme(visit):
    reader: Visit = visit(color_scheme="light")
    reader.open("?panel=tokens")
    chip = reader.page.locator(".st-key-tokens-figure .chip").first
    of_theme, light = chip.evaluate(TINTS)
    assert of_theme
    reader.page.evaluate("WebSocket.prototype.send = () => {}")
    reader.page.emulate_media(color_scheme="dark")
    until(lambda: chip.evaluate(TINTS)[0] and chip.evaluate(TINTS)[1] != light)

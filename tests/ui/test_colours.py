"""A grid as a browser draws it: the colours of its cells and of its legend."""

import numpy as np
import pytest

from tests.browsing import expect_of
from tests.ui.test_packing import made
from ui.components import grid, sent

pytestmark = pytest.mark.browser

COLOURS = {"sequential": ("#ffffff", "#000000"), "diverging": ("#ff0000", "#ff8080", "#8080ff", "#0000ff")}
WHITE, BLACK, RED, BLUE = [255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 0, 255]
SCRIPT = sent("shared.js", *grid.SCRIPTS, "grid.js").replace("export default function", "const component = function")
# Draws a grid with these colours of a theme, and gives the colours at some places (shares of its width,
# a quarter of its height down) and at the two ends of the legend.
DRAWN = """([packed, html, colours, places]) => {
    document.body.innerHTML = `<div class="root" style="width: 700px">${html}</div>`;
    const root = document.querySelector(".root"), set = (name, value) => root.style.setProperty(`--st-${name}`, value);
    for (const kind in colours) set(`chart-${kind}-colors`, colours[kind].join(","));
    for (const name of ["text", "gray", "border", "primary", "orange"]) set(`${name}-color`, "#00ff00");
    set("background-color", "#ffffff");
    set("code-font", "monospace");
    set("font", "sans-serif");
    SCRIPT
    component({ data: new Uint8Array(packed), parentElement: document.body, setTriggerValue: () => {} });
    const canvas = root.querySelector("canvas.cells"), pen = canvas.getContext("2d");
    const width = parseFloat(canvas.style.width);
    const at = measure(unpack(new Uint8Array(packed)), pen, width, "monospace"), scale = canvas.width / width;
    const colour = (share) => {
        const x = at.left + share * (at.right - at.left), y = at.top + (at.bottom - at.top) / 4;
        return [...pen.getImageData(Math.round(x * scale), Math.round(y * scale), 1, 1).data].slice(0, 3);
    };
    const legend = getComputedStyle(root.querySelector(".bar")).backgroundImage.match(/rgb\\([^)]+\\)/g);
    const ends = [legend.at(0), legend.at(-1)].map((text) => text.match(/\\d+/g).map(Number));
    return [places.map(colour), ends];
}""".replace("SCRIPT", SCRIPT)


def expect_colours(page, drawn, places, colours, ends):
    """Wait until this grid has these colours at these places, and its legend these ends."""
    arg = [[*grid.pack(drawn, "says")], grid.HTML, COLOURS, places]
    expect_of(page, DRAWN, [colours, ends], arg)


def beside_the_numbers(cells: int) -> list[float]:
    """Places in each cell of a row, left of what is printed in it."""
    return [(cell + 0.2) / cells for cell in range(cells)]


def test_the_larger_an_amount_the_nearer_it_is_to_the_last_colour_of_the_theme(window):
    amounts = made(np.array([[0.0, 0.2, 0.6, 1.0]]), low=0.0, high=1.0)
    colours = [WHITE, [204] * 3, [102] * 3, BLACK]
    expect_colours(window().page, amounts, beside_the_numbers(4), colours, [WHITE, BLACK])


def test_below_zero_is_the_first_half_of_the_theme_and_zero_its_background(window):
    signed = made(np.array([[-2.0, 0.0, 2.0]]), signed=True, high=2.0)
    colours = [RED, pytest.approx(WHITE, abs=2), BLUE]
    expect_colours(window().page, signed, beside_the_numbers(3), colours, [RED, BLUE])


def test_cells_too_small_for_a_shape_have_the_same_colours(window):
    many = made(np.tile(np.linspace(0, 1, 400, dtype=np.float32), (400, 1)), low=0.0, high=1.0)
    colours = [pytest.approx(colour, abs=4) for colour in (WHITE, [191] * 3, [64] * 3, BLACK)]
    expect_colours(window().page, many, [0.004, 0.25, 0.75, 0.996], colours, [WHITE, BLACK])


def test_small_pictures_have_the_same_colours(window):
    tiles = np.stack([np.full((4, 4), shade, np.uint8) for shade in (0, 51, 255)])[None]
    pictures = made(np.zeros((1, 3), np.float32), tiles=tiles, low=0.0, high=1.0)
    expect_colours(window().page, pictures, beside_the_numbers(3), [WHITE, [204] * 3, BLACK], [WHITE, BLACK])

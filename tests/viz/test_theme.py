"""One place for colours: readable on both backgrounds, and the same as the page's own theme."""

import tomllib
from pathlib import Path

import plotly.graph_objects as go
import pytest

from viz.theme import DARK, FOCUS, LIGHT, NEUTRAL, colorscale, dress

THEMES = {"light": LIGHT, "dark": DARK}
CONFIG = tomllib.loads((Path(__file__).parents[2] / ".streamlit/config.toml").read_text(encoding="utf-8"))


def luminance(colour: str) -> float:
    """Relative luminance, 0 black to 1 white (WCAG 2.2)."""
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(a: str, b: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES)
def test_text_can_be_read_on_the_page_and_on_quiet_areas(theme):
    colours = THEMES[theme]
    for ground in (colours.background, colours.soft):
        assert contrast(colours.text, ground) > 7
        assert contrast(colours.muted, ground) > 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_focus_and_neutral_can_be_seen_on_both_pages(theme):
    assert contrast(FOCUS, THEMES[theme].background) > 3
    assert contrast(THEMES[theme].focus, THEMES[theme].background) > 3
    assert contrast(NEUTRAL, THEMES[theme].background) > 3


@pytest.mark.parametrize("theme", THEMES)
def test_every_scale_has_ten_steps(theme):
    colours = THEMES[theme]
    for steps in (colours.categorical, colours.sequential, colours.diverging):
        assert len(set(steps)) == 10


@pytest.mark.parametrize("theme", THEMES)
def test_more_is_farther_from_the_page(theme):
    colours = THEMES[theme]
    distances = [contrast(step, colours.background) for step in colours.sequential]
    assert distances == sorted(distances)
    below, above = colours.diverging[4::-1], colours.diverging[5:]
    for side in (below, above):
        distances = [contrast(step, colours.background) for step in side]
        assert distances == sorted(distances)


@pytest.mark.parametrize("dark", [False, True])
def test_zero_of_a_signed_scale_is_the_page(dark):
    colours = DARK if dark else LIGHT
    stops = dict(colorscale(dark, signed=True))
    assert stops[0.5] == colours.background
    assert (min(stops), max(stops)) == (0, 1)


@pytest.mark.parametrize("theme", THEMES)
def test_the_cell_in_focus_has_the_orange_of_the_page(theme):
    assert CONFIG["theme"][theme]["orangeColor"] == THEMES[theme].focus


def test_an_export_wears_our_colours_and_the_original_is_left_alone():
    figure = go.Figure(go.Scatter(y=[1, 2]))
    before = figure.to_json()
    dressed = dress(figure, dark=True)
    assert figure.to_json() == before
    assert dressed.layout.template.layout.paper_bgcolor == DARK.background
    assert dressed.layout.template.layout.font.color == DARK.text
    assert list(dressed.layout.template.layout.colorway) == list(DARK.categorical)
    assert "#0000" not in str(dressed.layout.template)

"""Points against levels: on a logarithmic scale that holds both, with words that do not lie on the points."""

from dataclasses import replace

import numpy as np
import pytest

from tests.snapshot import described
from viz.dots import Dots
from viz.level import Level


def waves(count: int, **changes) -> Dots:
    """Points that rise from 6 by half each time."""
    given = Dots(
        x=np.arange(count, dtype=float),
        y=6 * 1.5 ** np.arange(count),
        notes=tuple(f"pair {i}" for i in range(count)),
        accent=tuple(i % 2 == 0 for i in range(count)),
        x_axis="pair",
        y_axis="tokens per turn (log scale)",
        levels=(Level(8192, "longest text"), Level(12, "this text")),
    )
    return replace(given, **changes)


@pytest.mark.parametrize("count", [1, 4, 32])
def test_the_picture(count, picture):
    assert described(waves(count).drawn()) == picture


def test_points_and_levels_are_inside_of_the_axis():
    low, high = waves(32).drawn().layout.yaxis.range
    assert low < np.log10(6)
    assert np.log10(6 * 1.5**31) < high


def test_words_stand_where_the_points_are_not():
    above, below = waves(24).drawn().layout.annotations
    assert (above.text, above.xanchor) == ("longest text", "left")
    assert (below.text, below.xanchor) == ("this text", "right")


def test_the_accent_comes_first_without_a_colour():
    accent, others = waves(5).drawn().data
    assert (len(accent.x), len(others.x)) == (3, 2)
    assert accent.marker.color is None


def test_words_stay_text():
    figure = waves(1, notes=("<b>",), levels=(Level(7, "<i>"),)).drawn()
    assert figure.data[0].hovertext[0] == "&lt;b&gt;"
    assert figure.layout.annotations[0].text == "&lt;i&gt;"


def test_a_linear_axis_begins_at_zero_and_holds_points_of_no_size():
    figure = waves(4, y=np.array([0.0, 1.0, 2.0, 4.0]), levels=(Level(1.5, "median"),), logarithmic=False).drawn()
    low, high = figure.layout.yaxis.range
    assert (low, figure.layout.yaxis.type) == (0, None)
    assert high > 4
    assert figure.layout.annotations[0].y == 1.5

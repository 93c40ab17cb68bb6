"""Bars over the tokens of a text: none where there is no value, the chosen one apart, labels that do not collide."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.snapshot import described
from viz.level import Level
from viz.upright import Upright
from viz.whole import Whole


def bars(count: int, **changes) -> Upright:
    given = {
        "values": np.array([math.nan, *range(1, count)], float),
        "labels": tuple(f"t{i}" for i in range(count)),
        "notes": tuple(f"note {i}" for i in range(count)),
        "x_axis": "token",
        "y_axis": "surprisal (nats)",
        "focus": count - 1,
        "level": Level(2.0, "mean 2.00"),
    }
    return Upright(**given | changes)


@pytest.mark.parametrize("count", [1, 4, 500])
def test_the_picture(count, picture):
    assert described(bars(count).drawn()) == picture


def test_a_token_without_a_value_has_no_bar_but_a_label():
    figure = bars(4).drawn()
    assert [trace.x.tolist() for trace in figure.data] == [[3], [1, 2]]
    assert figure.layout.xaxis.ticktext[0] == "t0"


def test_of_many_tokens_some_are_written_with_their_positions():
    ticks = bars(500).drawn().layout.xaxis.ticktext
    assert len(ticks) <= 40
    assert ticks[1] == "20 t20"


def test_the_level_is_named_beside_the_bars_and_in_full():
    figure = bars(500).drawn()
    words = figure.layout.annotations[0]
    assert (words.x, words.xanchor, words.y) == (1, "left", 2.0)
    assert figure.layout.margin.r >= 6 * len(words.text)


def test_without_any_value_the_axis_names_no_numbers():
    figure = bars(1, level=None).drawn()
    assert figure.layout.yaxis.showticklabels is False


def test_labels_stay_text():
    figure = bars(2, labels=("<b>", "&"), notes=("<i>", "x"), values=np.ones(2), focus=0).drawn()
    assert figure.layout.xaxis.ticktext == ("<b>&lt;b&gt;</b>", "&amp;")
    assert figure.data[0].hovertext == ("&lt;i&gt;",)


def test_a_missing_label_is_noticed():
    with pytest.raises(ValueError, match="2 values, 1 labels"):
        bars(2, labels=("a",))


def columns(count: int, focus: int) -> Whole:
    sizes = np.full(count, 32)
    return Whole(
        values=np.linspace(1, 2, count),
        middles=32.0 * np.arange(count) + 15.5,
        widths=sizes,
        notes=tuple(f"<b> {i}" for i in range(count)),
        x_axis="position",
        y_axis="mean",
        focus=focus,
    )


def test_the_picture_of_a_part_above_the_whole(picture):
    assert described(replace(bars(8), whole=columns(6, 4)).drawn()) == picture


def test_the_whole_stands_on_an_axis_of_its_own_below_the_part():
    figure = replace(bars(40), whole=columns(256, 200)).drawn()
    layout, below = figure.layout, figure.data[-1]
    assert (below.xaxis, below.yaxis) == ("x2", "y2")
    assert layout.yaxis2.domain[1] < layout.yaxis.domain[0]
    assert layout.xaxis2.range == (-0.5, 32 * 256 - 0.5)
    assert layout.xaxis.range == (-0.6, 39.6)
    assert [i for i, opacity in enumerate(below.marker.opacity) if opacity == 1] == [200]
    assert below.hovertext[3] == "&lt;b&gt; 3"

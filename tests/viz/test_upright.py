"""Bars over the tokens of a text: none where there is no value, the chosen one apart, labels that do not collide."""

import math

import numpy as np
import pytest

from tests.snapshot import described
from viz.dots import Level
from viz.upright import Upright, upright


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
    assert described(upright(bars(count))) == picture


def test_a_token_without_a_value_has_no_bar_but_a_label():
    figure = upright(bars(4))
    assert [trace.x.tolist() for trace in figure.data] == [[3], [1, 2]]
    assert figure.layout.xaxis.ticktext[0] == "t0"


def test_of_many_tokens_some_are_written_with_their_positions():
    ticks = upright(bars(500)).layout.xaxis.ticktext
    assert len(ticks) <= 40
    assert ticks[1] == "20 t20"


def test_the_level_is_named_beside_the_bars_and_in_full():
    figure = upright(bars(500))
    words = figure.layout.annotations[0]
    assert (words.x, words.xanchor, words.y) == (1, "left", 2.0)
    assert figure.layout.margin.r >= 6 * len(words.text)


def test_without_any_value_the_axis_names_no_numbers():
    figure = upright(bars(1, level=None))
    assert figure.layout.yaxis.showticklabels is False


def test_labels_stay_text():
    figure = upright(bars(2, labels=("<b>", "&"), notes=("<i>", "x"), values=np.ones(2), focus=0))
    assert figure.layout.xaxis.ticktext == ("<b>&lt;b&gt;</b>", "&amp;")
    assert figure.data[0].hovertext == ("&lt;i&gt;",)


def test_a_missing_label_is_noticed():
    with pytest.raises(ValueError, match="2 values, 1 labels"):
        bars(2, labels=("a",))

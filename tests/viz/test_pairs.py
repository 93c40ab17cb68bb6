"""Two amounts per layer: which is which, one scale for shares, ticks that do not collide."""

from dataclasses import replace

import numpy as np
import pytest

from tests.snapshot import described
from tests.viz.narrow import DIGIT, PHONE
from viz.pairs import Lead, Pairs
from viz.theme import FOCUS, NEUTRAL


def amounts(count: int, **changes) -> Pairs:
    values = np.stack([np.linspace(10, 90, count), np.linspace(90, 10, count)])
    notes = tuple(f"layer {i}" for i in range(count))
    return replace(Pairs(values, ("attention", "FFN"), (notes, notes), "layer", "share (%)"), **changes)


@pytest.mark.parametrize("count", [1, 6, 30])
@pytest.mark.parametrize("stacked", [True, False], ids=["stacked", "side by side"])
def test_the_picture(count, stacked, picture):
    assert described(amounts(count, stacked=stacked, focus=count // 2).drawn()) == picture


def test_the_first_has_the_accent_and_both_are_named():
    first, second = amounts(6).drawn().data
    assert (first.marker.color, second.marker.color) == (None, NEUTRAL)
    assert (first.name, second.name) == ("attention", "FFN")


def test_shares_end_at_the_top():
    assert tuple(amounts(6, stacked=True).drawn().layout.yaxis.range) == (0, 100)
    assert amounts(6).drawn().layout.barmode == "group"


def test_the_chosen_layer_is_framed():
    frame = amounts(6, focus=4).drawn().layout.shapes[0]
    assert (frame.x0, frame.x1, frame.line.color) == (3.5, 4.5, FOCUS)
    assert not amounts(6).drawn().layout.shapes


@pytest.mark.parametrize("count", [1, 6, 30, 80, 126])
@pytest.mark.parametrize("lead", [None, Lead("embedding", "in", 12.0, "length 3")], ids=["alone", "after a lead"])
def test_ticks_have_room_on_a_phone(count, lead):
    ticks = amounts(count, lead=lead).drawn().layout.xaxis.tickvals
    assert min(np.diff(ticks), default=9) / (count + 1) * PHONE >= 4 + DIGIT * len(str(count - 1))


def test_words_stay_text():
    figure = amounts(1, names=("<b>", "b"), notes=(("<i>",), ("",))).drawn()
    assert figure.data[0].name == "&lt;b&gt;"
    assert figure.data[0].hovertext[0] == "&lt;i&gt;"


def signed(count: int, **changes) -> Pairs:
    values = np.stack([np.linspace(-30, 90, count), np.linspace(10, -5, count)])
    return amounts(count, values=values, lead=Lead("embedding", "in", 12.0, "length 3"), **changes)


@pytest.mark.parametrize("count", [1, 6, 30])
def test_the_picture_with_a_lead_and_amounts_below_zero(count, picture):
    assert described(signed(count, focus=count // 2).drawn()) == picture


def test_a_lead_stands_before_the_first_place_with_a_tick_of_its_own():
    figure = signed(6).drawn()
    assert (figure.data[2].name, figure.data[2].x[0], figure.data[2].y[0]) == ("embedding", -1, 12)
    assert (figure.layout.xaxis.tickvals[:2], figure.layout.xaxis.ticktext[:2]) == ((-1, 0), ("in", "0"))
    assert figure.layout.xaxis.range[0] < -1.4


def test_zero_has_a_line_where_bars_reach_below_it():
    assert [shape.y0 for shape in signed(6).drawn().layout.shapes] == [0]
    assert not amounts(6).drawn().layout.shapes


def test_given_ends_are_kept():
    assert tuple(signed(6, ends=(-100.0, 100.0)).drawn().layout.yaxis.range) == (-100, 100)

"""Curves: words of levels and marks stand where they cover neither a curve nor one another."""

import numpy as np
import pytest

from viz.curves import Curve, Curves, Mark
from viz.level import Level

X = np.arange(30.0)


def words(text: str, y: np.ndarray, *, level: float | None = None, mark: Mark | None = None):
    """The annotation with this text over one curve."""
    levels = [] if level is None else [Level(level, "an even guess among all")]
    given = Curves([Curve("a", X, y)], "x", "y (nats)", levels, [] if mark is None else [mark])
    return next(found for found in given.drawn().layout.annotations if text in found.text)


def test_a_level_is_named_where_the_curve_is_far():
    assert words("guess", 2.0 * X, level=2.0).xanchor == "right"
    assert words("guess", 60 - 2.0 * X, level=2.0).xanchor == "left"


def test_a_curve_that_begins_above_its_level_and_falls_through_it_is_not_written_over():
    falling = np.r_[7.2, np.full(20, 15.0), np.linspace(14, 0, 9)]
    assert words("guess", falling, level=6.9).xanchor == "left"
    low = np.full(10, 7.1)
    found = words("guess", np.r_[low, np.linspace(8, 20, 5), np.linspace(20, 8, 5), low], level=6.9)
    assert found.yanchor == "top"


def test_a_level_is_not_named_on_a_mark():
    flat = np.full(30, 10.0)
    at_the_end = Mark(29.0, 5.0, "here")
    assert words("guess", flat, level=5.0).xanchor == "left"
    assert words("guess", flat, level=5.0, mark=at_the_end).xanchor == "left"
    assert words("guess", flat, level=5.0, mark=Mark(0.0, 5.0, "here")).xanchor == "right"


def test_a_level_is_named_where_no_curve_passes_on_a_phone_either():
    late = np.r_[
        np.full(9, 2.0), np.zeros(16), np.linspace(20, 100, 5)
    ]  # behind the words at the right end on a phone alone
    figure = Curves([Curve("a", X, late)], "x", "y", [Level(8.0, "guess")]).drawn()
    assert figure.layout.annotations[0].xanchor == "left"


def test_words_of_a_mark_stand_above_it_and_below_where_the_curve_is_above():
    assert words("here", 30.0 - X, mark=Mark(15.0, 15.0, "here")).ay > 0
    assert words("here", X, mark=Mark(20.0, 20.0, "here")).ay < 0


def test_words_of_a_mark_stand_where_no_curve_passes_on_a_phone_either():
    late = np.r_[0.0, np.full(18, 10.0), np.full(11, 11.2)]  # behind words above the mark on a phone alone
    found = words("layer", late, mark=Mark(10.0, 10.0, "layer 10: 10.0 nats"))
    assert found.ay > 0


@pytest.mark.parametrize("place", [0.0, 14.0, 29.0])
@pytest.mark.parametrize("height", [0.0, 15.0, 30.0])
def test_words_of_a_mark_stay_in_the_figure(place, height):
    found = words("here", np.linspace(0, 30, 30), mark=Mark(place, height, "here it is"))
    assert (found.ax > 0) == (place < 14.5)
    assert -300 < found.ay < 300


@pytest.mark.parametrize("logarithmic", [False, True])
@pytest.mark.parametrize("height", [0.001, 90.0])
def test_a_mark_beyond_the_curves_is_in_the_figure_with_its_words(height, logarithmic):
    given = Curves([Curve("a", X, X + 1)], "x", "y", marks=[Mark(15.0, height, "here")], logarithmic=logarithmic)
    figure = given.drawn()
    low, high = figure.layout.yaxis.range
    words = figure.layout.annotations[0]
    assert low < words.y < high
    assert low < words.y - words.ay / 300 * (high - low) < high


@pytest.mark.parametrize("mark", [Mark(15.0, np.nan, "here"), Mark(np.nan, 15.0, "here"), Mark(15.0, np.inf, "here")])
def test_a_mark_without_a_place_is_left_out(mark):
    with_it, without = (Curves([Curve("a", X, X)], "x", "y", marks=marks).drawn() for marks in ([mark], []))
    assert with_it == without
    level = Level(15.0, "an even guess")
    assert len(Curves([Curve("a", X, X)], "x", "y", [level], [mark]).drawn().layout.annotations) == 1


def test_words_have_a_place_even_where_a_curve_is_not_a_number():
    assert words("here", np.full(30, np.nan), mark=Mark(15.0, 15.0, "here")).text == "<b>here</b>"


def test_four_curves_are_too_many_to_tell_apart():
    with pytest.raises(ValueError, match="4 curves were given, 3 can be told apart"):
        Curves([Curve("a", X, X)] * 4, "x", "y")

"""Round ends and ticks."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viz.scale import ceiling, clipped, columns, decades, steps, thinned


@pytest.mark.parametrize(
    ("value", "end"), [(0.64, 0.8), (0.8, 0.8), (0.81, 1.0), (1.0, 1.0), (1.01, 1.5), (7.3, 8.0), (99, 100), (270, 300)]
)
def test_a_scale_ends_at_the_next_round_number(value, end):
    assert ceiling(value) == pytest.approx(end)


@given(st.floats(1e-6, 1e9))
def test_nothing_lies_beyond_the_end_and_half_of_the_scale_is_used(value):
    assert value * (1 - 1e-6) <= ceiling(value) <= 2 * value


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_without_a_measurement_the_end_is_one(value):
    assert ceiling(value) == 1.0


@given(st.integers(1, 5000), st.integers(1, 60))
def test_ticks_begin_at_the_first_and_never_exceed_their_room(count, most):
    places = thinned(count, most)
    assert places[0] == 0
    assert 1 <= len(places) <= most
    assert places[-1] < count
    assert len({b - a for a, b in pairwise(places)}) <= 1


def test_all_are_labelled_where_there_is_room():
    assert thinned(12, 30) == list(range(12))


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0, 0.8, [0, 0.2, 0.4, 0.6, 0.8]), (-1, 1, [-1, -0.5, 0, 0.5, 1])],
)
def test_steps_are_round(low, high, ticks):
    assert steps(low, high) == pytest.approx(ticks)


def test_decades_are_the_powers_of_ten_between():
    assert decades(1e-4, 1) == pytest.approx([1e-4, 1e-3, 1e-2, 0.1, 1])
    assert decades(3, 2000) == pytest.approx([10, 100, 1000])


def test_chinese_takes_two_columns_and_long_labels_are_cut_to_their_room():
    assert columns("北京") == 4
    assert clipped("北" * 20, 16) == "北" * 7 + "…"
    assert clipped("short", 16) == "short"
    assert columns(clipped("x" * 50, 16)) == 16

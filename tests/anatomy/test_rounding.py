import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.rounding import (
    FRACTION,
    NEAR,
    bound,
    largest_at,
    largest_few,
    largest_first,
    largest_place,
    nearness,
    smallest_at,
    smallest_place,
)

NOISE = 2e-8


@pytest.mark.parametrize(
    ("size", "expected"),
    [(0, 0), (0.0004, 1e-8), (0.4, 1e-5), (1, 1e-5), (3, 1e-5), (3.5, 1e-4), (12, 1e-4), (239, 1e-3), (2_390, 1e-2)],
)
def test_a_bound_is_the_power_of_ten_next_to_a_hundred_thousandth_of_the_size(size: float, expected: float) -> None:
    assert bound(size) == pytest.approx(expected, rel=1e-12)


@given(st.floats(1e-30, 1e30))
def test_a_bound_is_within_a_factor_of_root_ten(size: float) -> None:
    assert 1 / math.sqrt(10) <= bound(size) / (FRACTION * size) * (1 + 1e-9)
    assert bound(size) / (FRACTION * size) <= math.sqrt(10) * (1 + 1e-9)


@pytest.mark.parametrize("size", [1.0, 10.0, 0.1, 100.0, 0.5, 2.0])
def test_sizes_that_are_round_by_nature_have_one_bound_whatever_their_last_bit(size: float) -> None:
    assert bound(size * (1 - NOISE)) == bound(size) == bound(size * (1 + NOISE))


@pytest.mark.parametrize("size", [math.nan, math.inf, -1.0])
def test_what_is_no_size_is_refused(size: float) -> None:
    with pytest.raises(ValueError, match="has to be finite and not below 0"):
        bound(size)


def test_numbers_that_are_apart_are_ordered_by_size() -> None:
    assert largest_first(np.array([1.0, 3.0, 2.0, -5.0])).tolist() == [1, 2, 0, 3]


def test_nearly_equal_numbers_keep_their_order_whichever_is_larger_in_the_last_digit() -> None:
    for shift in (NOISE, -NOISE, 0.0):
        assert largest_first(np.array([0.2, 0.7 + shift, 0.7, 0.7 - shift, 0.9])).tolist() == [4, 1, 2, 3, 0]


def test_a_slope_of_small_steps_is_cut_into_groups_and_not_taken_for_one() -> None:
    slope = 1.0 + np.arange(40) * NEAR / 2  # the largest last
    found = largest_first(slope)
    assert slope[found[0]] >= slope.max() - NEAR * slope.max()
    assert (np.diff(slope[found]) <= 1.001 * NEAR * slope.max()).all()
    assert found[0] > 30
    assert found[-1] < 10


def test_weights_are_near_by_their_own_size_and_signed_numbers_by_the_lists() -> None:
    weights = np.array([0.9, 2e-8, 3e-8, 1e-12, 0.1])
    assert largest_first(weights).tolist() == [0, 4, 2, 1, 3]
    assert largest_first(np.array([0.9, 2e-8, 3e-8, -1e-12, -0.1])).tolist() == [0, 1, 2, 3, 4]


def test_what_is_missing_comes_last() -> None:
    assert largest_first(np.array([math.nan, 1.0, math.nan, 2.0])).tolist() == [3, 1, 0, 2]
    assert largest_first(np.array([-math.inf, 1.0, math.inf])).tolist() == [2, 1, 0]
    assert largest_first(np.array([])).tolist() == []


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30))
def test_an_order_names_every_place_once_and_never_rises_by_more_than_rounding(numbers: list[float]) -> None:
    values = np.array(numbers)
    found = largest_first(values)
    assert sorted(found.tolist()) == list(range(len(values)))
    near, share = nearness(values)
    assert (np.diff(values[found]) <= max(near, share * values.max()) * 1.001).all()
    assert largest_at(values) == found[0]


@given(st.lists(st.sampled_from([0.0, 1.0, 1.0 + NOISE, 1.0 - NOISE, 0.5, math.nan]), max_size=12), st.integers(0, 14))
def test_the_best_few_are_the_first_of_the_order(numbers: list[float], count: int) -> None:
    values = np.array(numbers)
    assert largest_few(values, count).tolist() == largest_first(values)[:count].tolist()


def test_the_first_of_nearly_equal_extremes_is_meant() -> None:
    values = np.array([[0.0, 2.0], [2.0 + NOISE, math.nan]])
    assert largest_at(values) == 1
    assert largest_place(values) == (0, 1)
    assert smallest_at(-values) == 1
    assert smallest_place(-values) == (0, 1)


def test_there_is_no_largest_of_no_numbers() -> None:
    with pytest.raises(ValueError, match="no largest"):
        largest_at(np.array([math.nan]))


def test_whole_numbers_are_equal_only_where_they_are() -> None:
    ranks = np.array([200_001, 2, 1])
    assert largest_first(ranks).tolist() == [0, 1, 2]
    assert smallest_at(ranks) == 2

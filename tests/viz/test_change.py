"""What changed between two runs is told as it is: the largest change, the numbers as they read, how many."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.viz import kinds
from tests.viz.kinds import KINDS
from tests.viz.test_descriptions import WORDLESS, moved
from viz.change import changed, unchanged
from viz.chips import Chip, Chips
from viz.description import Description
from viz.format import number, percent
from viz.grid import Grid
from viz.partners import aligning

NUMBERED = [name for name, (first, _second, _lone) in KINDS.items() if not isinstance(first, WORDLESS)]


def says(a: Description, b: Description) -> str:
    """What changed from a to b, inside the difference of two runs of five tokens each."""
    with aligning(("?",) * 5, ("?",) * 5, [(i, i) for i in range(5)]):
        return changed(a, b, b.minus(a))


def grid(values: list[list[float]], **changed_: Any) -> Grid:
    rows, cols = (tuple(letters[: len(side)]) for letters, side in (("abcdefgh", values), ("uvwxyz", values[0])))
    return replace(Grid(np.array(values), rows, cols, "row", "column", "logit", "Grid"), **changed_)


@pytest.mark.parametrize("name", KINDS)
def test_nothing_changes_beside_itself_in_any_kind(name):
    same = says(KINDS[name][0], KINDS[name][0])
    assert "same" in same
    assert "changes" not in same
    assert "rounding" not in same


@pytest.mark.parametrize("name", NUMBERED)
def test_a_change_is_told_in_every_kind(name):
    first, second, _lone = KINDS[name]
    told = says(first, second)
    assert re.match(r"“.*” changes most|“.*”, looking at “.*”, changes most", told), told
    assert "goes from" in told


def test_shares_are_told_in_percent_and_points():
    a, b = (grid([[0.03, 0.5], [0.2, 0.27]], unit="probability", percent=True) for _ in "ab")
    b = replace(b, z=np.array([[0.41, 0.5], [0.2, 0.275]]))
    assert says(a, b) == (
        "“a × u” changes most: it goes from 3.0 % to 41 % (+38 percentage points; probability). "
        "Of 4 numbers, 1 changes by more than 1 percentage point."
    )


def test_shares_of_a_hundred_are_told_in_the_same_way():
    told = says(kinds.bars(a=50.0, b=25.0), kinds.bars(a=20.0, b=25.5))
    assert told.startswith("“token a” changes most") or told.startswith("“a” changes most")
    assert "it goes from 50 % to 20 % (−30 percentage points; probability (%))" in told


def test_other_numbers_keep_their_unit_and_sign():
    told = says(grid([[1.0, -2.0]]), grid([[1.25, -4.75]]))
    assert told == (
        "“a × v” changes most: it goes from −2.00 to −4.75 (−2.75; logit). Of 2 numbers, 1 changes by more than 0.3."
    )


def test_where_a_ratio_is_drawn_a_ratio_is_told():
    told = says(kinds.lines("ab", 1.0, logarithmic=True), kinds.lines("ab", 10.0, logarithmic=True))
    assert "it goes from 1.00 to 10.0 (× 10.0; norm)" in told
    assert "7 others change as much" in told
    assert "Of 8 numbers, 8 change by more than a factor of 1.1." in told


def test_rows_that_are_numbers_are_told_with_what_they_count():
    heads = Grid(np.eye(2), ("0", "1"), ("0", "1"), "layer", "head", "probability", "Heads", selects="head")
    assert says(heads, replace(heads, z=np.array([[1.0, 0.0], [0.5, 1.0]]))).startswith(
        "“layer 1 × head 0” changes most"
    )


def test_what_is_only_rounding_is_told_as_a_bound():
    assert says(grid([[1.0, 0.5]]), grid([[1.0 + 1e-7, 0.5]])) == (
        "A and B are the same up to rounding: the largest difference is below 10⁻⁵."
    )
    assert says(grid([[1.0, 0.5]]), grid([[1.0 + 1e-4, 0.5]])).startswith("“a × u” changes most")


def test_numbers_that_read_the_same_are_no_change():
    told = says(grid([[1.0, 2.0]]), grid([[1.0001, 2.0]]))
    assert told.startswith("“a × u” changes most, and stays at about 1.00 (logit).")
    assert "+" not in told


def test_a_small_amount_beside_large_ones_of_another_unit_is_not_drowned():
    """Each measure is held against its own numbers."""
    one, two = kinds.measures("ab", 1.0), kinds.measures("ab", 1.0)
    large = replace(two.measures[1], values=np.array([1e6, 2e6]))
    small = replace(two.measures[0], values=two.measures[0].values * 2)
    near = replace(large, values=large.values + 200.0)
    told = says(replace(one, measures=(one.measures[0], large)), replace(two, measures=(small, near)))
    assert told.startswith("“b” changes most: it goes from 2.0 % to 4.0 %")


def test_what_one_alone_has_is_not_called_the_same():
    a, b = grid([[1.0, 2.0], [3.0, 4.0]]), grid([[1.0, 2.0]])
    assert says(a, b) == (
        "The 2 numbers that both have are exactly the same. [B] shown in B only, [A] in A only: no difference."
    )
    assert says(b, b) == "B is exactly A: all of its 2 numbers are the same."
    assert says(grid([[np.nan, np.nan]]), grid([[np.nan, 1.0]])).startswith("A and B have no number in common")


def test_tokens_are_counted_by_where_they_are():
    one, two = (Chips(tuple(Chip(token, "", "") for token in text), ("kind",), "t") for text in ("abc", "axcd"))
    with aligning("axcd", "abc", [(0, 0), (1, 1), (2, 2), (3, None)]):
        told = changed(one, two, two.minus(one))
    assert told == "Tokens by where they are: in both: 2, [B] shown in B only: 1, one in place of another: 1."


def written(percents: bool) -> Callable[[float], str]:
    return percent if percents else number


@pytest.mark.parametrize("seed", range(40))
def test_the_told_change_is_the_largest_and_the_count_is_right(seed):
    random = np.random.default_rng(seed)
    percents, shape = bool(seed % 2), tuple(random.integers(1, 7, 2))
    a = random.uniform(0.0, 1.0, shape)
    b = np.where(random.random(shape) < 0.5, a, random.uniform(0.0, 1.0, shape))
    b = a + (b - a) * 10.0 ** -random.integers(0, 7)
    a[random.random(shape) < 0.2] = np.nan
    told = says(grid(a.tolist(), percent=percents), grid(b.tolist(), percent=percents))
    apart = np.abs(np.nan_to_num(b - a))
    most = apart.max()
    print = written(percents)
    if np.isnan(a).all():
        assert told.startswith("A and B have no number in common")
    elif not most:
        assert "same" in told
    elif "rounding" in told:
        assert most <= 1e-5
    else:
        row, col = np.unravel_index(apart.argmax(), shape)
        before, after = print(a[row, col]), print(b[row, col])
        assert told.startswith(f"“{'abcdefgh'[row]} × {'uvwxyz'[col]}” changes most")
        assert (f"goes from {before} to {after}" in told) == (before != after)
        counted = re.search(r"Of (\d+) numbers, (\d+) changes? by more than (\S+)", told)
        assert (counted is None) == (np.isfinite(a).sum() == 1)
        if counted is not None:
            least = 0.01 if percents else float(f"{most / 10:.1g}")
            assert (int(counted[1]), int(counted[2])) == (np.isfinite(a).sum(), (apart > least).sum())


@pytest.mark.parametrize("name", ["grid", "lines", "curves", "pairs", "upright", "components", "dots", "log dots"])
def test_what_is_the_same_up_to_rounding_is_so_in_every_kind(name):
    first = KINDS[name][0]
    told = says(first, moved(first, 1 + 1e-6) if name != "grid" else kinds.grid("abcd", 1 + 1e-6))
    assert told.startswith("A and B are the same up to rounding: the largest difference is below 10"), told


def test_numbers_that_change_equally_are_not_told_as_one():
    """The two weights of a row sum to 1: one takes what the other loses."""
    told = says(grid([[0.5, 0.5]]), grid([[0.6, 0.4]]))
    assert "; 1 other changes as much" in told
    assert "as much" not in says(grid([[0.5, 0.5]]), grid([[0.6, 0.45]]))


def test_what_the_rows_of_one_alone_may_hold_is_said_to_be_left_out():
    one, other = kinds.bars(a=50.0, b=20.0, c=1.0), kinds.bars(d=50.0, b=10.0, c=4.0)
    assert says(one, other).endswith("What one of the two alone shows is left out of this: it may change more.")
    assert "left out" not in says(one, kinds.bars(a=40.0, b=20.0, c=1.0))


def test_what_stands_in_brackets_behind_an_axis_is_no_part_of_a_name():
    lines = replace(kinds.lines("ab", 1.0), x_axis="after layer (in: before layer 0)")
    assert "(in:" not in says(lines, replace(lines, values=lines.values * 2)).partition(" changes most")[0]


def test_cells_that_one_grid_alone_has_are_said_to_be_left_out():
    """As where a causal mask is there in one run and not in the other."""
    a, b = grid([[0.1, np.nan], [0.2, 0.3]]), grid([[0.4, 0.9], [0.2, 0.3]])
    left_out = "What one of the two alone shows is left out of this: it may change more."
    assert says(a, b).endswith(left_out)
    assert left_out not in says(a, replace(a, z=a.z + 1.0))


def test_only_figures_that_show_the_same_things_are_unchanged():
    short, long = grid([[1.0, 2.0]]), grid([[1.0, 2.0], [3.0, 4.0]])
    for a, b, same in ((long, long, True), (long, short, False), (long, grid([[1.0, 2.0], [3.0, 5.0]]), False)):
        with aligning(("?",) * 5, ("?",) * 5, [(i, i) for i in range(5)]):
            assert unchanged(a, b, b.minus(a)) == same

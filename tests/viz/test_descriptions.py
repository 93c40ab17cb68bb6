"""What every kind of description knows: its picture in both themes, its table, its words, and its difference."""

import re
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
import pytest

import viz
from tests.snapshot import described
from tests.viz.kinds import KINDS, ODD, bars, grid, lines, worded
from viz.arcs import Arcs
from viz.bars import Bars, Marks
from viz.chips import Chips
from viz.components import Components
from viz.curves import Curves
from viz.description import Description, Plotted
from viz.dots import Dots
from viz.grid import Grid, Part
from viz.ladder import Ladder
from viz.partners import FIRST, SECOND, Unlike, by_name, in_order, largest, ratio
from viz.passage_two import PassageOfTwo
from viz.rows import Bar
from viz.table import Table
from viz.theme import DARK, LIGHT
from viz.upright import Upright
from viz.whole import Whole

COMPARED = {PassageOfTwo}  # kinds that are a comparison of two already
WORDLESS = (Chips, Ladder)  # kinds whose difference is in marks, not in numbers
CASES = pytest.mark.parametrize("name", KINDS)


def kinds(of: type = Description) -> set[type]:
    """Every kind that can be made."""
    return {kind for sub in of.__subclasses__() for kind in {sub, *kinds(sub)} if not kind.__abstractmethods__}


def named(description: Description) -> dict[str, float]:
    """Its numbers by what they belong to, the n-th of a name with n; marks of the first and the second swapped away."""
    found: dict[str, float] = {}
    for i, value in enumerate(description.numbers().tolist()):
        place, _, inside = description.name(i).replace(FIRST, "∗").replace(SECOND, "∗").partition(": ")
        name = f"{place}: {sorted(inside.split(' | '))}"  # words of both stand in the order of the two
        found[f"{name} {sum(key.startswith(name) for key in found)}"] = value
    return found


def text_of(table: Table) -> str:
    return str(table)


def test_every_kind_has_a_case():
    assert viz.__path__
    assert {type(first) for first, _second, _lone in KINDS.values()} == kinds() - COMPARED


@CASES
def test_a_kind_knows_its_picture_in_both_themes(name):
    light, dark = (KINDS[name][0].plotly(dark).to_dict()["layout"] for dark in (False, True))
    assert light["template"]["layout"]["paper_bgcolor"] == LIGHT.background
    assert dark["template"]["layout"]["paper_bgcolor"] == DARK.background
    assert light["height"] == dark["height"]


@CASES
def test_a_kind_knows_its_table(name):
    first = KINDS[name][0]
    table = first.table()
    assert table.rows
    assert all(isinstance(column, str) and column is not None for column in table.columns)
    assert all(value is None or isinstance(value, str | int | float) for row in table.rows for value in row)
    flat = [value for row in table.rows for value in row if isinstance(value, float | int)]
    for value in first.numbers()[np.isfinite(first.numbers())].tolist():
        assert any(np.isclose(value, other) for other in flat), (value, table)


@CASES
def test_a_kind_says_itself_in_words(name):
    words = KINDS[name][0].alternative()
    assert words.startswith(KINDS[name][0].kind)
    assert words.endswith(".")


def test_the_words_name_both_ends_and_where_they_are():
    assert grid("ab", 1.0).alternative() == (
        "Heat map. looking × looked at: probability. "
        "It holds 3 numbers. Smallest: 0.500 (b × a). Largest: 1.00 (a × a)."
    )
    empty = replace(grid("ab", 1.0), z=np.full((2, 2), np.nan))
    assert empty.alternative().endswith("It holds no number.")


@CASES
def test_nothing_differs_from_itself(name):
    first = KINDS[name][0]
    difference = first.minus(first)
    assert not re.search(f"[{FIRST}{SECOND}]", text_of(difference.table()) + getattr(difference, "remark", ""))
    if isinstance(first, WORDLESS):
        assert len(difference.table().rows) == len(first.table().rows)
        return
    numbers = difference.numbers()
    assert numbers.size
    assert not np.nan_to_num(numbers).any()
    assert difference.alternative().removesuffix(getattr(difference, "remark", "")).strip().endswith("are 0.")
    assert np.isfinite(numbers).any()


@CASES
def test_a_difference_is_the_other_s_with_all_signs_changed(name):
    first, second, _lone = KINDS[name]
    there, back = named(first.minus(second)), named(second.minus(first))
    assert there.keys() == back.keys()
    if not isinstance(first, WORDLESS):
        assert any(there.values())
        for key, value in there.items():
            np.testing.assert_allclose(value, -back[key], err_msg=key)


@CASES
def test_what_has_no_partner_is_marked_and_nothing_else(name):
    first, second, lone = KINDS[name]
    difference = first.minus(second)
    shown = text_of(difference.table()) + getattr(difference, "remark", "")
    assert bool(re.search(f"[{FIRST}{SECOND}]", shown)) is lone
    swapped = second.minus(first)
    marks = [re.findall(f"[{FIRST}{SECOND}] \\S+", text_of(given.table())) for given in (difference, swapped)]
    turned = [mark.translate({ord(FIRST): SECOND, ord(SECOND): FIRST}) for mark in marks[1]]
    assert sorted(marks[0]) == sorted(turned)


@CASES
def test_the_picture_of_a_difference(name, picture):
    first, second, _lone = KINDS[name]
    difference = first.minus(second)
    shown = {"light": described(difference.drawn() if isinstance(difference, Plotted) else difference.plotly())}
    assert shown | {"words": difference.alternative(), "table": difference.table()} == picture
    assert difference.plotly(dark=True).to_dict()["data"]


def axis_ranges(figure: Any) -> list[tuple[float, float]]:
    layout = figure.to_dict()["layout"]
    return [tuple(axis["range"]) for name, axis in layout.items() if name[1:5] == "axis" and "range" in axis]


@CASES
def test_the_axis_of_a_difference_is_as_long_below_0_as_above(name):
    first, second, _lone = KINDS[name]
    difference = first.minus(second)
    if isinstance(difference, Grid):
        low, high = difference.ends
        assert low == -high
    elif not isinstance(difference, (*WORDLESS, Arcs)):
        signed = [ends for ends in axis_ranges(difference.plotly()) if np.isclose(*np.abs(ends), rtol=0.35)]
        assert any(low < 0 < high for low, high in signed)


@CASES
def test_the_table_of_a_difference_has_its_numbers(name):
    first, second, _lone = KINDS[name]
    difference = first.minus(second)
    shown = [value for row in difference.table().rows for value in row if isinstance(value, float)]
    for value in difference.numbers()[np.isfinite(difference.numbers())].tolist():
        assert any(np.isclose(value, other) for other in shown), value


def test_the_colours_of_a_difference_are_symmetric_around_0():
    difference = grid("abcd", 1.0).minus(grid("abcd", 0.5))
    assert isinstance(difference, Grid)
    assert difference.signed
    assert difference.ends == (-0.5, 0.5)
    assert grid("ab", 1.0).minus(grid("ab", 1.0)).ends == (-1.0, 1.0)


def test_kinds_and_axes_that_do_not_meet_have_no_difference():
    other: Any = lines("ab", 1.0)
    with pytest.raises(Unlike, match="a Grid and a Lines have no difference: give two of one kind"):
        grid("ab", 1.0).minus(other)
    with pytest.raises(Unlike, match="col axis is 'looked at' in the first and 'head' in the second"):
        grid("ab", 1.0).minus(replace(grid("ab", 1.0), col_axis="head"))
    with pytest.raises(Unlike, match="no line of the first is in the second"):
        lines("ab", 1.0).minus(lines("cd", 1.0))


def test_a_ratio_is_shown_where_the_axis_is_logarithmic():
    difference = lines("abc", 1.0, logarithmic=True).minus(lines("abc", 10.0, logarithmic=True))
    np.testing.assert_allclose(difference.numbers(), -1.0)
    assert "log₁₀ of the ratio" in difference.axes
    np.testing.assert_array_equal(ratio(np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0])), [0.0, np.nan, 0.0])


def test_a_row_without_a_partner_shows_its_own_value_in_words_and_no_bar():
    difference = bars(a=50.0, b=25.0, c=10.0).minus(bars(b=30.0, a=20.0, d=4.0))
    rows = {bar.label: bar for bar in difference.bars}
    assert (rows["a"].value, rows["a"].text, rows["a"].note) == (30.0, "+30.0", "50.0 % − 20.0 %")
    assert (rows[f"{FIRST} c"].value, rows[f"{FIRST} c"].text) == (0.0, "10.0 %")
    assert rows[f"{SECOND} d"].lone
    assert [bar.label for bar in difference.bars][:4] == ["a", "b", f"{FIRST} c", f"{SECOND} d"]
    assert np.isfinite(difference.numbers()).sum() == 2, "what is not known is no number"


def test_a_sum_over_what_is_not_shown_has_a_difference_only_where_both_show_the_same():
    same = bars(a=50.0, b=25.0).minus(bars(b=30.0, a=20.0))
    assert [bar.label for bar in same.bars if bar.apart] == ["all others"]
    other = bars(a=50.0, b=25.0).minus(bars(a=30.0, c=20.0))
    assert [bar.label for bar in other.bars if bar.apart] == [f"{FIRST} all others", f"{SECOND} all others"]


def test_rows_of_one_label_about_different_things_have_no_difference():
    def layers(*tokens: str) -> Bars:
        made = [Bar(str(i), 10.0 * i, token, what=token) for i, token in enumerate(tokens)]
        return Bars(made, "probability (%)", "layer", ordered=True, marks=Marks((1.0, 2.0), tokens[-1]))

    difference = layers("a", "b").minus(layers("a", "c"))
    assert [bar.label for bar in difference.bars] == ["0", f"{FIRST} 1", f"{SECOND} 1"]
    assert difference.marks is None
    assert layers("a", "b").minus(layers("c", "b")).marks is not None


def test_cells_that_hold_different_words_have_no_difference():
    difference = worded("x", "y", "z", "w").minus(worded("xx", "y", "z", "w"))
    assert np.isnan(difference.z[0, 0])
    assert difference.inside == ("x | xx", "y", "z", "w")
    assert np.isfinite(difference.z).sum() == 3


def test_words_that_look_like_two_are_one_where_both_have_them():
    same = worded("x | y", "y", "z", "w")
    assert not np.isnan(same.minus(same).z).any()


def test_grids_of_cells_that_stand_for_other_tokens_have_no_difference():
    part = Part((0, 2, 4), (0, 2, 4), None, 4)
    with pytest.raises(Unlike, match="tokens of the cells"):
        replace(grid("ab", 1.0), part=part).minus(replace(grid("ab", 1.0), part=replace(part, rows=(0, 1, 4))))


def test_a_part_of_a_text_with_other_words_in_it_has_a_difference_of_more_rows():
    part = Part((0, 1, 2), (0, 1, 2), (0, 0), 2)
    difference = replace(grid("ab", 1.0), part=part).minus(replace(grid("ac", 1.0), part=part))
    assert difference.rows == ("a", f"{FIRST} b", f"{SECOND} c")
    assert difference.part is None
    assert replace(grid("ab", 1.0), part=part).minus(replace(grid("ab", 0.5), part=part)).part == part


def test_rounding_does_not_fill_the_scale():
    one, other = grid("abcd", 1.0), grid("abcd", 1.0 + 1e-7)
    assert one.minus(other).high >= 1e-6
    assert largest(np.zeros(3), np.ones(3)) == 1.0
    for name in ("lines", "log lines", "curves", "pairs", "upright", "upright over a whole", "components", "log dots"):
        first = KINDS[name][0]
        near = first.minus(moved(first, 1 + 1e-7)).plotly().to_dict()["layout"]
        ends = [axis["range"][1] for place, axis in near.items() if place.startswith("yaxis") and "range" in axis]
        assert min(ends) >= 4e-6, name


def moved(description: Any, by: float) -> Any:
    """The same with all its numbers a little larger."""
    match description:
        case Curves():
            return replace(description, curves=[replace(curve, y=curve.y * by) for curve in description.curves])
        case Components():
            return replace(
                description, strips=[replace(strip, values=strip.values * by) for strip in description.strips]
            )
        case Dots():
            return replace(description, y=description.y * by)
        case Upright(whole=Whole() as whole):
            return replace(description, values=description.values * by, whole=replace(whole, values=whole.values * by))
        case _:
            return replace(description, values=description.values * by)


def test_the_chosen_tokens_belong_together_where_they_are_equal():
    first, second = ["of", "a", "of"], ["of", "b", "of", "c", "of"]
    assert (2, 4) in in_order(first, second, (2, 4))
    assert (0, 4) in in_order(first, second, (0, 4))
    assert in_order(first, second, (1, 1)) == in_order(first, second)
    assert {(j, i) for i, j in in_order(second, first, (4, 2))} == set(in_order(first, second, (2, 4)))


def test_as_many_as_can_be_are_matched_and_long_texts_take_no_time():
    for a, b, longest in (
        ("abcbdab", "bdcaba", 4),
        ("xmjyauz", "mzjawxu", 4),
        ("aaaa", "aa", 2),
        ("ab" * 9, "ba" * 9, 17),
    ):
        pairs = [(i, j) for i, j in in_order(a, b) if i is not None and j is not None]
        assert len(pairs) == longest
        assert all(a[i] == b[j] for i, j in pairs)
    begin = perf_counter()
    words = [str(i * i % 97) for i in range(8192)]
    assert len([pair for pair in in_order(words, words[::-1]) if None not in pair]) > 500
    assert perf_counter() - begin < 30, "seconds, where comparing each with each takes minutes"


def test_partners_in_order_do_not_cross():
    pairs = in_order("the cat sat", "a cat sat down")
    whole = [(i, j) for i, j in pairs if i is not None and j is not None]
    assert whole == sorted(whole)
    assert in_order("xy", "xy") == [(0, 0), (1, 1)]


@pytest.mark.parametrize(("first", "second"), [("abcabba", "cbabac"), ("aab", "aba"), ("", "ab"), ("xyz", "abc")])
def test_partners_are_the_same_whichever_comes_first(first, second):
    assert {(j, i) for i, j in in_order(second, first)} == set(in_order(first, second))
    assert {(j, i) for i, j in by_name(second, first)} == set(by_name(first, second))


def test_equal_names_are_matched_one_by_one():
    assert by_name(["a", "a", "b"], ["a", "b", "b"]) == [(0, 0), (1, None), (2, 1), (None, 2)]


def test_a_reader_s_text_stays_text_in_every_picture():
    first, second, _lone = KINDS["chips"]
    assert ODD not in str(first.minus(second).plotly().to_json())

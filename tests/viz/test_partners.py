"""Which parts of two runs' figures belong together, how the two are called, and what a mark of their difference
chooses."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from anatomy.alignment import by_token
from tests.viz import kinds
from tests.viz.kinds import KINDS
from viz.chips import Chip, Chips
from viz.description import Description
from viz.grid import Grid, Part
from viz.lines import Lines
from viz.marks import Stands
from viz.partners import FIRST, RUNS, SECOND, Unlike, aligning, both, in_order, of_axis, of_titles, ranked
from viz.rows import Bar
from viz.sidebyside import Shares

A = ("the", "cat", "sat", "on", "the", "the", "mat")
B = ("a", "the", "dog", "sat", "on", "the", "the", "the", "mat")
# The dog stands in the place of the cat; one "the" more, and an "a" before all.
PAIRS = ((0, None), (1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (6, 5), (7, None), (8, 6))


@pytest.fixture
def runs() -> Iterator[None]:
    """Inside, figures of A are subtracted from figures of B."""
    with aligning(B, A, PAIRS):
        yield


def test_whole_texts_are_paired_as_they_are_aligned(runs):
    assert in_order(B, A) == list(PAIRS)


@pytest.mark.parametrize("written", ["{label}", "{place} {label}", "“{label}” ({place})"])
def test_parts_of_the_texts_are_paired_by_their_tokens(runs, written):
    mine, theirs = range(4, 9), range(2, 6)
    names, others = (
        [written.format(label=text[place], place=place) for place in places]
        for text, places in ((B, mine), (A, theirs))
    )
    pairs = in_order(names, others, places=(tuple(mine), tuple(theirs)))
    assert [(mine[i], theirs[j]) for i, j in both(pairs)] == [(4, 3), (5, 4), (6, 5)]
    assert [pair for pair in pairs if None in pair] == [(None, 0), (3, None), (4, None)]


def test_equal_tokens_are_told_apart_by_their_places(runs):
    pairs = in_order(("the", "the"), ("the", "the"), places=((6, 7), (4, 5)))
    assert pairs == [(None, 0), (0, 1), (1, None)], "the third one in B stands for none in A"
    assert ranked(("the", "sat"), ("sat", "the"), ((5, 3), (2, 4))) == [(0, 1), (1, 0)]


def test_what_stands_for_no_token_is_paired_by_its_name(runs):
    assert in_order(("at 1", "own row"), ("at 0", "at 5", "own row"), places=((1, None), (0, 5))) == [
        (0, 0),
        (None, 1),
        (1, 2),
    ]


def test_positions_are_paired_as_positions(runs):
    """Of an axis that names no token, such as the rows of a table of positions."""
    pairs = in_order(("0", "1", "2"), ("0", "1", "2"), places=((0, 1, 2), (0, 1, 2)))
    assert pairs == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.parametrize("seed", range(20))
def test_any_window_pairs_what_the_alignment_pairs_and_each_label_once(seed):
    random = np.random.default_rng(seed)
    a, b = (tuple(random.choice(list("xyz"), size)) for size in random.integers(2, 30, 2))
    pairs = by_token(b, a).pairs
    windows = [sorted(random.choice(len(text), random.integers(1, len(text) + 1), replace=False)) for text in (b, a)]
    names, others = ([text[place] for place in places] for text, places in zip((b, a), windows, strict=True))
    with aligning(b, a, pairs):
        found = in_order(names, others, places=(tuple(windows[0]), tuple(windows[1])))
    expected = {(i, j) for i, j in both(pairs) if i in windows[0] and j in windows[1]}
    if (names, others) != (list(b), list(a)):
        assert {(windows[0][i], windows[1][j]) for i, j in both(found)} == expected
    assert sorted(i for i, _j in found if i is not None) == list(range(len(names)))
    assert sorted(j for _i, j in found if j is not None) == list(range(len(others)))


def test_two_runs_are_called_a_and_b_and_two_figures_are_not(runs):
    assert (of_axis("nats"), of_axis("nats", logarithmic=True)) == ("B − A: nats", "log₁₀(B / A): nats")
    assert of_titles("x", "y") == "B − A: x − y"


def test_outside_the_two_are_the_first_and_the_second():
    assert (of_axis("nats"), of_titles("x", "y")) == ("difference: nats", "x − y")


@pytest.mark.parametrize("name", KINDS)
def test_no_kind_speaks_of_a_first_and_a_second_of_two_runs(name):
    first, second, lone = KINDS[name]
    plain = first.minus(second)
    with aligning(("?",) * 5, ("?",) * 5, [(i, i) for i in range(5)]):
        shown = first.minus(second)
        told = f"{shown.alternative()} {shown.table()} {shown.plotly().to_json()}"
    assert not {FIRST, SECOND} & set(told)
    for word in ("in the first", "in the second", "difference:", "the ratio:"):
        assert word not in told
    marked = RUNS.first.encode("ascii", "backslashreplace").decode() in told or RUNS.first in told
    marked |= RUNS.second.encode("ascii", "backslashreplace").decode() in told or RUNS.second in told
    assert marked is lone or isinstance(shown, Chips)
    if name != "passage":  # whose lines are paired as the texts are
        np.testing.assert_array_equal(shown.numbers(), plain.numbers())


def text_grid(labels: tuple[str, ...], **changed: object) -> Grid:
    z = np.arange(len(labels) ** 2, dtype=np.float64).reshape(len(labels), len(labels)) / 100
    return replace(
        Grid(z, labels, labels, "looking", "looked at", "probability", "Map", percent=True, selects="cell"), **changed
    )


def test_a_cell_of_a_difference_chooses_the_place_in_a_and_nothing_where_a_has_none(runs):
    difference = text_grid(B).minus(text_grid(A))
    assert difference.rows == ("[B] a", "the", "cat → dog", "sat", "on", "the", "the", "[B] the", "mat")
    there = dict(both(PAIRS))
    for row, col in np.ndindex(len(B), len(B)):
        meant = (there[row], there[col]) if row in there and col in there else None
        assert difference.place((row, col)) == meant
        assert np.isnan(difference.z[row, col]) == (meant is None)


def test_a_window_of_a_long_text_is_paired_by_its_part(runs):
    def window(text: tuple[str, ...], first: int, end: int) -> Grid:
        cut = tuple(range(first, end + 1))
        labels = tuple(f"{place} {text[place]}" for place in range(first, end))
        return text_grid(labels, part=Part(cut, cut, (first, first), len(text)))

    difference = window(B, 3, 7).minus(window(A, 2, 6))
    assert difference.rows == ("2 sat → 3 sat", "3 on → 4 on", "4 the → 5 the", "5 the → 6 the")
    assert difference.place((0, 1)) == (2, 3)
    with pytest.raises(Unlike, match="tokens of the cells") as unlike:
        text_grid(("0–1", "2–3"), part=Part((0, 2, 4), (0, 2, 4), None, 7)).minus(
            text_grid(("0–2", "3–5"), part=Part((0, 3, 6), (0, 3, 6), None, 9))
        )
    assert unlike.value.sentence.startswith("Each cell stands for several tokens")


def test_the_difference_of_all_heads_still_chooses_heads():
    heads = Grid(np.ones((2, 3)), ("0", "1"), ("0", "1", "2"), "layer", "head", "p", "All heads", selects="head")
    fewer = replace(heads, z=np.zeros((2, 2)), cols=("0", "1"))
    assert heads.minus(heads).place((1, 2)) == (1, 2)
    difference = heads.minus(fewer)
    assert (difference.selects, difference.place((1, 1)), difference.place((1, 2))) == ("head", (1, 1), None)


def test_heads_in_an_order_choose_the_same_heads_in_a():
    given = replace(kinds.named(1.0), selects="head", places=((0, 0), (0, 1), (1, 0), (1, 1), (2, 0), None))
    other = replace(given, names=("L1 H1", "L0 H1", "L1 H0", "L0 H0", "L2 H0", ""))
    other = replace(other, places=((1, 1), (0, 1), (1, 0), (0, 0), (2, 0), None))
    difference = given.minus(other)
    assert [difference.place(divmod(i, 3)) for i in range(6)] == list(given.places or ())


def test_lines_and_bars_choose_the_place_in_a(runs):
    def lines(text: tuple[str, ...]) -> Lines:
        places = ("0", "1")
        stands = (Stands.each("pos", len(text)), Stands.each("layer", 2))
        return Lines(np.ones((len(text), 2)), text, places, 0, "layer", "norm", stands=stands)

    difference = lines(B).minus(lines(A))
    assert difference.names == ("the", "cat → dog", "sat", "on", "the", "the", "mat")
    assert difference.stands == (Stands("pos", tuple(range(7))), Stands("layer", (0, 1)))
    ranking = {"of": "share (%)", "rows": "token"}
    bars = [
        replace(
            kinds.bars(),
            bars=[Bar(text[place], 10.0 + place, "%") for place in places],
            marks=None,
            stands=(Stands("pos", places),),
            axis=ranking["of"],
        )
        for text, places in ((B, (7, 5, 2)), (A, (4, 1, 2)))
    ]
    shown = bars[0].minus(bars[1])
    assert [
        (bar.label, shown.stands[0].number(i) if shown.stands[0] else None) for i, bar in enumerate(shown.bars)
    ] == [
        ("cat → dog", 1),
        ("the", 4),
        ("[B] the", None),
        ("[A] sat", 2),
    ]


def test_chips_tell_what_stands_in_the_place_of_another_and_choose_the_place_in_a(runs):
    one, two = (Chips(tuple(Chip(label, "", "") for label in text), ("kind",), "tokens") for text in (B, A))
    difference = one.minus(two)
    assert [chip.label for chip in difference.chips][:3] == ["[B] a", "the", "cat → dog"]
    assert difference.legend[difference.chips[2].tint] == "one in place of another"
    assert [difference.place(i) for i in range(len(B))] == [j for _i, j in PAIRS]


def test_titles_that_name_a_token_of_their_text_have_a_difference():
    one, two = (replace(kinds.bars(a=2.0), axis=f"cosine with “{token}”", about=f"“{token}”") for token in "xy")
    assert one.minus(two).axis == "cosine with “x” − cosine with “y”"
    with pytest.raises(Unlike, match="axis is"):
        replace(one, about="").minus(replace(two, about=""))


def test_curves_in_units_of_another_size_are_brought_into_one():
    first, other = kinds.curves(1.0, 5), kinds.curves(1000.0, 5)
    first = replace(first, y_axis="size (MB)", about="MB", scale=1e6)
    difference = first.minus(replace(other, y_axis="size (kB)", about="kB", scale=1e3))
    assert np.abs(difference.numbers()).max() < 1e-9
    assert difference.y_axis == "difference: size (MB)"


def nearly(name: str) -> tuple[Description, Description]:
    """A figure, and one whose numbers differ by rounding alone."""
    if name == "scatter":
        return kinds.scatter(a=(1e-9, 1.0), b=(1.0, 2.0)), kinds.scatter(a=(0.0, 1.0), b=(1.0, 2.0))
    if name == "measures":
        return kinds.measures("abc", 1 + 1e-9), kinds.measures("abc", 1.0)
    if name == "planes":
        return kinds.planes(1.0 + 1e-9), kinds.planes(1.0)
    rows = ("SmolLM2", "Llama")
    return Shares(rows, kinds.series(30.0 + 1e-7, 20.0), "share"), Shares(rows, kinds.series(30.0, 20.0), "share")


@pytest.mark.parametrize("name", ["scatter", "measures", "planes", "shares"])
def test_rounding_fills_no_axis(name):
    first, second = nearly(name)
    difference = first.minus(second)
    assert difference.numbers()[np.isfinite(difference.numbers())].any()
    layout = difference.plotly().to_dict()["layout"]
    ends = [axis["range"][1] for at, axis in layout.items() if at.startswith("xaxis") and "range" in axis]
    assert ends
    assert min(ends) >= 1e-6


def test_a_reason_is_said_to_python_and_to_a_reader():
    with pytest.raises(Unlike) as unlike:
        kinds.grid("ab", 1.0).minus(replace(kinds.grid("ab", 1.0), unit="logit"))
    assert str(unlike.value) == "unit is 'probability' in the first and 'logit' in the second"
    assert unlike.value.sentence.startswith("One figure shows “probability”, the other “logit”")

"""Lines over layers: the chosen one in the accent, a band when there are many, ticks that do not collide."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.snapshot import described
from tests.viz.narrow import DIGIT, PHONE
from viz.level import Level
from viz.lines import MOST_LINES, MOST_LISTED, Lines, banded, log_ticks, tick_places
from viz.scale import MOST_PLACES, columns


def growing(count: int, layers: int = 6, **changes) -> Lines:
    """`count` lines that grow over the embedding and the layers, each a bit longer than the one before."""
    values = np.exp(np.arange(layers + 1) / layers)[None, :] * (1 + np.arange(count)[:, None])
    given = Lines(
        values=values,
        names=tuple(f"·word{i}" for i in range(count)),
        places=("in", *map(str, range(layers))),
        chosen=count - 1,
        x_axis="after layer",
        y_axis="length (L2 norm)",
        marked=0 if count > 1 else None,
        lead=True,
        logarithmic=True,
    )
    return replace(given, **changes)


@pytest.mark.parametrize("count", [1, 10, 80])
@pytest.mark.parametrize("logarithmic", [True, False], ids=["log", "linear"])
def test_the_picture(count, logarithmic, picture):
    assert described(growing(count, logarithmic=logarithmic).drawn()) == picture


@pytest.mark.parametrize(("count", "traces"), [(1, 1), (2, 2), (MOST_LINES, MOST_LINES), (MOST_LINES + 1, 5), (500, 5)])
def test_many_lines_become_a_band(count, traces):
    given = growing(count)
    assert banded(len(given.names)) == (count > MOST_LINES)
    assert len(given.drawn().data) == traces


def test_the_band_runs_from_the_smallest_to_the_largest_of_the_others():
    given = growing(100)
    _, _, low, high, median = given.drawn().data
    others = given.values[1:99]
    np.testing.assert_allclose(low.y, others.min(axis=0), rtol=1e-6)
    np.testing.assert_allclose(high.y, others.max(axis=0), rtol=1e-6)
    np.testing.assert_allclose(median.y, np.median(others, axis=0), rtol=1e-6)
    assert (low.fill, high.fill) == (None, "tonexty")
    assert "98 other lines" in low.hovertemplate


def test_the_chosen_line_comes_first_without_a_colour_and_lies_on_top():
    first, *rest = growing(10).drawn().data
    assert (first.name, first.line.color) == ("·word9", None)
    assert all(first.zorder > other.zorder for other in rest)
    assert rest[0].line.dash == "dash"


@pytest.mark.parametrize("layers", [1, 3, 6, 12, 30, 32, 48, 80, 126])
def test_ticks_have_room_beside_each_other(layers):
    shown = tick_places(layers + 1, lead=True)
    assert shown[0] == 0
    assert len(shown) <= MOST_PLACES + 1
    assert min(np.diff(shown), default=9) / (layers + 1) * PHONE >= 4 + DIGIT * len(str(layers - 1))
    figure = growing(2, layers).drawn()
    assert list(figure.layout.xaxis.ticktext) == [
        ("in", *map(str, range(layers)))[i] for i in figure.layout.xaxis.tickvals
    ]


def test_ticks_without_a_lead_begin_at_the_first_place():
    assert tick_places(30, lead=False) == list(range(0, 30, 5))


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(1, 1000, (1, 10, 100, 1000)), (2.6, 23_000, (10, 100, 1000, 10_000)), (30, 80, (10, 20, 50))],
)
def test_powers_of_ten_and_finer_steps_for_a_short_scale(low, high, ticks):
    assert log_ticks(low, high) == ticks


def test_a_scale_over_many_powers_of_ten_keeps_its_ticks_apart():
    ticks = log_ticks(1e-30, 1.0)
    assert (len(ticks), ticks[0]) == (16, 1e-30)
    assert all(later / tick > 99 for tick, later in pairwise(ticks))


def test_names_at_the_ends_of_close_lines_are_moved_apart():
    given = growing(2)
    close = replace(given, values=np.stack([given.values[0], given.values[0] * 1.001]))
    marked, chosen = sorted(close.drawn().layout.annotations, key=lambda label: label.yshift)
    assert chosen.yshift - marked.yshift >= 16
    assert "<b>" in chosen.text


def test_names_of_far_lines_stay_at_their_ends():
    assert all(label.yshift == 0 for label in growing(100).drawn().layout.annotations)


@pytest.mark.parametrize("count", [1, 2, 8])
def test_listed_lines_are_told_apart_and_named_in_a_legend(count):
    figure = growing(count, listed=True).drawn()
    assert figure.layout.showlegend
    assert not figure.layout.annotations
    assert figure.layout.margin.r < 20
    assert [trace.name for trace in figure.data].count("·word0") == 1
    assert {trace.line.color for trace in figure.data} == {None}  # each takes the theme's next colour
    assert figure.data[0].line.width > max([trace.line.width for trace in figure.data[1:]], default=0)
    assert all(trace.line.dash for trace in figure.data[1:])


def test_the_picture_of_listed_lines(picture):
    assert described(growing(8, listed=True).drawn()) == picture


def measured(**changes) -> Lines:
    """Three listed lines over six places that fill in: one has come whole, one in part, of one there is a point."""
    nan = np.nan
    values = np.array([[2.0, 2.1, 2.2, 2.4, 4.5, 9.0], [2.0, 2.1, 2.3, nan, nan, nan], [2.05, nan, nan, nan, nan, nan]])
    given = Lines(
        values=values,
        names=("everywhere", "attention alone", "int8"),
        places=tuple("865432"),
        chosen=0,
        x_axis="bits per weight",
        y_axis="loss (nats)",
        listed=True,
        levels=(Level(2.0, "as it is: <2>"), Level(10.8, "a blind guess: 10.8")),
        dotted=True,
        remark="Choose a dot.",
        beside={(0, 4): "3bit"},
    )
    return replace(given, **changes)


@pytest.mark.parametrize("logarithmic", [True, False], ids=["log", "linear"])
def test_the_picture_of_points_that_fill_in_between_levels(logarithmic, picture):
    assert described(measured(logarithmic=logarithmic).drawn()) == picture


def test_every_place_of_a_dotted_line_has_a_dot_and_one_that_has_not_come_has_none():
    for trace in measured().drawn().data:
        assert trace.mode == "lines+markers"
        assert trace.marker.size >= 8
        assert not trace.connectgaps, "a line across what is not known would be made up"
    assert [int(np.isfinite(trace.y).sum()) for trace in measured().drawn().data] == [6, 3, 1]
    assert {trace.mode for trace in measured(dotted=False).drawn().data} == {"lines"}


def test_dots_that_coincide_are_told_apart():
    first, *others = (trace.marker for trace in measured().drawn().data)
    assert first.symbol == "circle"
    assert all(other.symbol.endswith("-open") and other.size > first.size for other in others)
    assert len({other.symbol for other in others}) == len(others)
    alone = measured(values=np.ones((3, 1)), places=("8",))
    assert {trace.mode for trace in alone.drawn().data} == {"markers"}


def test_a_value_that_a_log_axis_has_no_place_for_is_a_gap_and_stays_in_the_table():
    values = measured().values.copy()
    values[0, 3], values[1, 0] = 0.0, -1.0
    drawn = measured(values=values, logarithmic=True).drawn().data
    assert [np.flatnonzero(np.isnan(trace.y)).tolist() for trace in drawn[:2]] == [[3], [0, 3, 4, 5]]
    np.testing.assert_allclose(measured(values=values).drawn().data[0].y, values[0], rtol=1e-6)
    assert measured(values=values, logarithmic=True).table().rows[3][1] == 0.0


@pytest.mark.parametrize("logarithmic", [True, False], ids=["log", "linear"])
def test_a_level_lies_across_at_its_value_with_its_words_as_they_are(logarithmic):
    figure = measured(logarithmic=logarithmic).drawn()
    lines = [(shape.y0, shape.y1, shape.line.dash) for shape in figure.layout.shapes]
    assert lines == [(2.0, 2.0, "dash"), (10.8, 10.8, "dash")]
    words = {text.text: text.y for text in figure.layout.annotations if text.yref != "paper"}
    heights = np.log10([2.0, 10.8]) if logarithmic else [2.0, 10.8]
    assert list(words) == ["as it is: &lt;2&gt;", "a blind guess: 10.8"]
    np.testing.assert_allclose([*words.values()], heights)


def test_an_axis_reaches_its_levels_before_any_point_is_there():
    waiting = measured(values=np.full((3, 6), np.nan), logarithmic=True)
    low, high = waiting.drawn().layout.yaxis.range
    assert low < np.log10(2.0) < np.log10(10.8) < high
    assert waiting.alternative().endswith("It holds no number. Choose a dot.")
    assert measured(values=np.full((3, 6), np.nan), levels=(), logarithmic=True).drawn().layout.yaxis.range[0] < 0.1


@pytest.mark.parametrize(
    ("values", "anchors"),
    [
        ((2.0, 10.8), ["bottom", "bottom"]),
        ((10.8, 10.7), ["bottom", "top"]),
        ((10.7, 10.8), ["top", "bottom"]),
        ((10.8, 10.8), ["top", "bottom"]),
    ],
)
def test_the_words_of_two_close_levels_stand_above_and_below_them(values, anchors):
    levels = tuple(Level(value, f"number {i}") for i, value in enumerate(values))
    near = np.full((3, 6), values[0])  # the axis begins at 0 all the same
    for given in (measured(levels=levels), measured(levels=levels, values=near)):
        texts = given.drawn().layout.annotations
        assert [text.yanchor for text in texts if text.text.startswith("number")] == anchors


def test_levels_and_points_that_open_something_are_in_no_difference():
    difference = measured().minus(measured(values=measured().values / 2))
    assert (difference.levels, difference.beside, difference.dotted) == ((), {}, True)
    assert "Choose a dot" not in difference.remark
    np.testing.assert_allclose(difference.values, measured().values / 2)
    assert np.isnan(difference.values).sum() == 8, "what has not come has no difference"


def test_more_lines_than_can_be_told_apart_are_refused():
    with pytest.raises(ValueError, match="11 lines are to be told apart, 10 can be"):
        growing(MOST_LISTED + 1, listed=True)


def test_long_names_at_the_ends_leave_room_for_the_lines():
    given = replace(growing(2), names=("x" * 40, "y" * 40))
    assert given.drawn().layout.margin.r <= 110
    assert all(label.text.count("…") == 1 for label in given.drawn().layout.annotations)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("“Paris” (0)", "“Paris” (0)"),
        ("“·capital” (11)", "“·capit…” (11)"),
        ("“(1)” (2047)", "“(1)” (2047)"),
        ("“患者头痛两天” (3)", "“患者头…” (3)"),
        ("·capitalization", "·capitalizati…"),
    ],
)
def test_a_name_at_the_end_of_a_line_is_cut_before_its_position(name, label):
    figure = replace(growing(2), names=("a", name)).drawn()
    assert {text.text for text in figure.layout.annotations} == {"a", f"<b>{label}</b>"}
    assert figure.layout.margin.r >= 12 + 7 * columns(label)


def test_ticks_of_powers_of_ten_are_short():
    given = replace(growing(2), values=np.geomspace(1e-9, 1.0, 14).reshape(2, 7))
    assert given.drawn().layout.yaxis.ticktext[:2] == ("10⁻⁹", "10⁻⁸")


def test_equal_names_are_lines_of_their_own():
    given = replace(growing(3), names=("the", "the", "the"))
    assert [trace.name for trace in given.drawn().data] == ["the"] * 3


def test_labels_of_users_stay_text():
    given = replace(growing(2), names=("<b>x</b>", "%{y}"))
    figure = given.drawn()
    assert [trace.name for trace in figure.data] == ["%{y}", "&lt;b&gt;x&lt;/b&gt;"]
    assert all("%{fullData.name}" in trace.hovertemplate for trace in figure.data)
    assert figure.layout.annotations[1].text == "&lt;b&gt;x&lt;/b&gt;"


def test_names_have_to_fit_the_values():
    with pytest.raises(ValueError, match=r"values are \(3, 7\)"):
        replace(growing(3), names=("one",))

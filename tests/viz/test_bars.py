"""Bars with their numbers printed: equal labels apart, room for every number, only grey has a colour of its own."""

import html

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.snapshot import described
from viz.bars import Bars, Marks
from viz.measures import Column, Measures
from viz.rows import LAYOUT, LETTER, NARROW, WIDTH, Bar, beyond, ends_of
from viz.scale import columns
from viz.theme import NEUTRAL


def falling(count: int, **last) -> list[Bar]:
    """Bars that fall by half; the first in the accent, the last with other fields."""
    bars = [Bar(f"·word{i}", 100 / 2**i, f"{100 / 2**i:.1f} %", accent=i == 0) for i in range(count)]
    return [*bars[:-1], Bar(bars[-1].label, bars[-1].value, bars[-1].text, **last)] if last else bars


@pytest.mark.parametrize("count", [1, 10, 30])
def test_the_picture(count, picture):
    assert described(Bars(falling(count), "probability (%)", low=0.0).drawn()) == picture


@given(st.text(st.sampled_from("ab <&患"), min_size=1, max_size=400))
def test_what_a_bar_says_when_pointed_at_is_never_wider_than_a_narrow_figure(note):
    shown = Bars([Bar("a", 1.0, "1", note, accent=True)], "x").drawn().data[0].hovertext[0].split("<br>")[1:]
    lines = [html.unescape(line) for line in shown]
    assert all(columns(line) <= 60 for line in lines)
    assert "".join(lines).replace(" ", "") == note.replace(" ", "")


def test_the_picture_with_marks_a_legend_and_a_sum_apart(picture):
    bars = falling(5, apart=True)
    marks = Marks((None, 3.0, 2.0, None, 1.0), "probability of “a”")
    figure = Bars(
        bars, "probability (%)", "after layer", low=0.0, row=16, names=("“a” leads", "another"), marks=marks
    ).drawn()
    assert described(figure) == picture


def test_the_picture_of_columns(picture):
    values = np.array([3.0, -2.0, 0.5])
    texts = ("3.0", "−2.0", "0.50")
    measures = [Column("act (activation)", values, texts), Column("up (activation)", -values, texts)]
    assert described(Measures(["neuron 4", "neuron 1", "neuron 0"], measures).drawn()) == picture


def test_equal_labels_stay_apart():
    figure = Bars([Bar("the", 3, "3"), Bar("the", 2, "2"), Bar("the", 1, "1")], "x (unit)").drawn()
    assert list(figure.layout.yaxis.ticktext) == ["the"] * 3
    assert list(figure.layout.yaxis.tickvals) == [0, 1, 2]
    assert list(figure.data[1].y) == [0, 1, 2]


def test_the_first_bar_is_on_top():
    top, bottom = reversed(Bars(falling(3), "x (unit)").drawn().layout.yaxis.range)
    assert top < bottom


def test_the_accent_has_no_colour_of_its_own_and_the_others_are_grey():
    accent, others = Bars(falling(4), "x (unit)").drawn().data
    assert accent.marker.color is None
    assert others.marker.color == NEUTRAL
    assert (len(accent.x), len(others.x)) == (1, 3)


def test_all_bars_are_equally_thick_however_few_stand_in_a_trace():
    bars = [Bar(str(i), i, str(i), accent=i in (0, 9)) for i in range(10)]
    assert {trace.width for trace in Bars(bars, "x (unit)").drawn().data} == {0.72}


def test_a_sum_stands_apart_and_is_hatched():
    figure = Bars(falling(4, apart=True), "x (unit)").drawn()
    assert list(figure.layout.yaxis.tickvals) == [0, 1, 2, 3.5]
    assert figure.data[1].marker.pattern.shape[-1] == "/"


def test_the_printed_numbers_of_negative_bars_have_room():
    bars = [Bar("a", -100.0, "a number of many letters"), Bar("b", -1.0, "1")]
    low, high = Bars(bars, "x (unit)").drawn().layout.xaxis.range
    assert (abs(low) - 100) / (high - low) * 560 >= 7 * len(bars[0].text)


@given(
    rows=st.lists(st.tuples(st.floats(0.001, 1000), st.integers(0, 28)), min_size=1, max_size=6),
    width=st.integers(NARROW, 900),
)
def test_no_width_cuts_the_number_at_the_end_of_a_bar(rows, width):
    """Also the longest bar's on a phone, where the number stood half outside the figure."""
    bars = [Bar(f"row {i}", value, "m" * letters) for i, (value, letters) in enumerate(rows)]
    low, high = ends_of(bars)
    free = beyond(bars, (low, high))
    for value, letters in rows:
        assert (value - low) / (high - low) * width + 7 * letters <= width + free


def test_a_figure_leaves_that_room_at_its_right():
    bars = [Bar("a", 100.0, "a number of many letters"), Bar("b", 1.0, "1")]
    layout = Bars(bars, "x (unit)").drawn().layout
    assert tuple(layout.xaxis.range) == (0.0, 100.0)
    assert layout.margin.r >= beyond(bars, (0.0, 100.0)) > 7 * 24


def test_no_tick_stands_beyond_the_values():
    figure = Bars([Bar("a", 94.0, "94 %")], "probability (%)", low=0.0).drawn()
    assert max(figure.layout.xaxis.tickvals) <= 94
    assert figure.layout.xaxis.title.text == "probability (%)"


def test_bars_of_no_length_have_an_axis():
    low, high = Bars([Bar("a", 0.0, "0")], "x (unit)").drawn().layout.xaxis.range
    assert low < high


def test_a_figure_that_has_no_bar_yet_is_drawn_and_says_so():
    waiting, one = Bars([], "time (ms)", "precision", low=0.0), Bars([Bar("a", 1.0, "1")], "time (ms)", low=0.0)
    figure = waiting.drawn()
    assert [len(trace.x) for trace in figure.data] == [0, 0]
    assert figure.layout.height == one.drawn().layout.height
    assert list(figure.layout.yaxis.range) == list(one.drawn().layout.yaxis.range)
    assert figure.layout.xaxis.title.text == "time (ms)"
    assert waiting.alternative() == "Bar chart. precision × time (ms). It holds no number."
    assert waiting.table().rows == ()


def test_marks_stand_at_their_bars_only():
    figure = Bars(falling(3), "x (unit)", names=("a", "b"), marks=Marks((None, 7.0, None), "m")).drawn()
    marks = figure.data[-1]
    assert (list(marks.x), list(marks.y), marks.name) == ([7.0], [1.0], "m")


def test_a_number_makes_way_for_a_mark_that_would_stand_on_it():
    bars = [Bar(str(value), value, "50 %") for value in (50.0, 50.0, 50.0, 50.0)]
    figure = Bars(bars, "x (unit)", high=100.0, marks=Marks((51.0, 20.0, 95.0, None), "m")).drawn()
    beside, *rest = figure.data[-2].x.tolist()
    assert rest == [50.0, 50.0, 50.0]
    assert beside > 51.0


@given(st.lists(st.tuples(st.floats(-100, 100), st.none() | st.floats(-100, 100)), min_size=1, max_size=8))
def test_every_number_and_mark_stands_within_the_axis_or_plotly_would_leave_it_out(rows):
    bars = [Bar("a", value, f"{value:.1f} %") for value, _mark in rows]
    figure = Bars(bars, "x (unit)", marks=Marks(tuple(mark for _value, mark in rows), "m")).drawn()
    low, high = figure.layout.xaxis.range
    assert all(low <= x <= high for trace in figure.data[-2:] for x in trace.x.tolist())


@pytest.mark.parametrize("value", [538.060032, 0.1, 0.3, 2 / 3, 1e9 + 1.0])
@pytest.mark.parametrize("lone", [False, True], ids=["beside others", "alone"])
def test_the_longest_bar_ends_within_the_axis_in_single_precision_too_or_it_would_have_no_number(value, lone):
    bars = [Bar("a", value, "a number", accent=True), *([] if lone else [Bar("b", -value, "b"), Bar("c", 0.0, "c")])]
    for figure in (Bars(bars, "x"), Bars(bars, "x", high=value)):
        low, high = figure.drawn().layout.xaxis.range
        drawn = [float(x) for trace in figure.drawn().data for x in trace.x]
        assert low <= min(drawn)
        assert max(drawn) <= high


def test_a_legend_appears_only_with_names():
    assert Bars(falling(3), "x (unit)").drawn().layout.showlegend is False
    assert Bars(falling(3), "x (unit)", names=("a", "b")).drawn().layout.showlegend is True


def test_a_row_in_focus_has_its_label_in_bold():
    assert list(Bars([Bar("17", 1, "1", focus=True)], "x").drawn().layout.yaxis.ticktext) == ["<b>17</b>"]


def test_columns_share_rows_and_have_axes_of_their_own():
    measures = [Column("act", np.array([1.0, -5.0]), ("1", "−5")), Column("up", np.array([0.1, 0.2]), ("0.1", "0.2"))]
    figure = Measures(["neuron 1", "neuron 1"], measures).drawn()
    assert list(figure.data[0].y) == list(figure.data[1].y) == [0, 1]
    assert figure.layout.xaxis.range[0] < -5
    assert figure.layout.xaxis2.range[1] < 1
    assert (figure.data[0].marker.color, figure.data[1].marker.color) == (None, NEUTRAL)


@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=5), st.booleans())
def test_each_axis_of_the_columns_has_0_and_another_number_or_two(values, signed):
    measure = Column("act", np.array(values), tuple(map(str, values)))
    axis = Measures([f"neuron {i}" for i in range(len(values))], [measure], signed=signed).drawn().layout.xaxis
    assert 2 <= len(axis.tickvals) <= 3
    assert 0 in axis.tickvals
    assert all(axis.range[0] <= tick <= axis.range[1] for tick in axis.tickvals)


@pytest.mark.parametrize("label", ["", "neuron 1003", "w" * 20])
@pytest.mark.parametrize("signed", [True, False])
def test_the_titles_of_columns_end_before_the_next_one_begins(label, signed):
    titles = ("SiLU(gate) × up (activation)", "gate (activation)", "SiLU(gate)", "up (activation)")
    figure = Measures([label], [Column(title, np.ones(1), ("1",)) for title in titles], signed=signed).drawn()
    share = (WIDTH - LETTER * len(label)) / len(titles)
    axes = list(figure.select_xaxes())
    assert [axis.title.text.replace("<br>", " ") for axis in axes] == list(titles)
    lines = [line for axis in axes for line in axis.title.text.split("<br>")]
    assert all(LETTER * len(line) <= share for line in lines)
    more = max(axis.title.text.count("<br>") for axis in axes)
    assert figure.layout.margin.b >= LAYOUT["margin"]["b"] + 16 * more


def test_labels_of_users_stay_text():
    figure = Bars([Bar('<b>"</b>', 1, "<i>", "<u>", accent=True)], "<s>", "<q>", names=("<a>", "<p>")).drawn()
    text = figure.to_json().replace("\\u003c", "<").replace("\\u003e", ">").replace('\\"', '"')
    assert not any(tag in text for tag in ("<i>", "<u>", "<s>", "<q>", "<a>", "<p>"))
    assert list(figure.layout.yaxis.ticktext) == ['&lt;b&gt;"&lt;/b&gt;']

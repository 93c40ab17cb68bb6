"""Points on a plane: labels that do not lie on each other, one scale for both axes, the chosen in the accent."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest

from tests.snapshot import described
from tests.viz.kinds import KINDS
from viz.description import Plotted
from viz.passage import Passage
from viz.scatter import SECOND, Place, Point, Scatter, label_places

RANKS = ("chosen", "near", "near", "text", "text", "faint")


def points(count: int) -> list[Point]:
    """The first chosen, two near, the others text and faint in turn, at fixed random places."""
    at = np.random.default_rng(0).normal(size=(count, 2))
    ranks = [*RANKS[:3], *(("text", "faint")[i % 2] for i in range(count))]
    return [
        Point(float(x), float(y), f"·word{i}", f"token id {i}", rank)
        for i, ((x, y), rank) in enumerate(zip(at, ranks[:count], strict=True))
    ]


def scale_of(figure: go.Figure, width: int, height: int | None = None) -> float:
    """Pixels of a unit, for a plotting area of this width and height; where none is given as high as this figure's."""
    (low, high), (left, right) = figure.layout.yaxis.range, figure.layout.xaxis.range
    return min((height or figure.layout.height - 64) / (high - low), width / (right - left))


def box(figure: go.Figure, i: int, width: int = 640, height: int | None = None) -> tuple[float, float, float, float]:
    """Left, bottom, right, top of a label in pixels."""
    label, scale = figure.layout.annotations[i], scale_of(figure, width, height)
    x, y = label.x * scale + label.ax, label.y * scale - label.ay
    half = 3.4 * len(label.text.removeprefix("<b>").removesuffix("</b>"))
    return x - half, y - 7, x + half, y + 7


@pytest.mark.parametrize("count", [1, 10, 80, 500])
def test_the_picture(count, picture):
    assert described(Scatter(points(count), "PC 1", "PC 2").drawn()) == picture


def apart(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@pytest.mark.parametrize("count", [10, 80, 500])
def test_no_label_lies_on_another(count):
    figure = Scatter(points(count), "PC 1", "PC 2").drawn()
    boxes = [box(figure, i) for i in range(len(figure.layout.annotations))]
    assert len(boxes) > 3
    assert all(apart(a, b) for a, b in combinations(boxes, 2))


@pytest.mark.parametrize("count", [1, 2, 10, 80, 500])
def test_labels_that_a_phone_keeps_lie_on_no_other_and_within_the_axes_there(count):
    figure = Scatter(points(count), "PC 1", "PC 2").drawn()
    kept = [i for i, label in enumerate(figure.layout.annotations) if label.font.size is None]
    boxes = [box(figure, i, width=244) for i in kept]
    assert all(apart(a, b) for a, b in combinations(boxes, 2))
    left, right = (end * scale_of(figure, 244) for end in figure.layout.xaxis.range)
    others = [a for i, a in zip(kept, boxes, strict=True) if "<b>" not in figure.layout.annotations[i].text]
    assert all(left <= a[0] and a[2] <= right for a in others)
    assert len(others) >= min(count - 1, 2)


def test_the_page_leaves_out_on_a_phone_the_labels_of_that_size_and_nothing_of_any_other_figure():
    css = (Path(__file__).parents[2] / "ui" / "page.css").read_text("utf-8")
    assert css.count(f'.annotation:has(text[style*="font-size: {SECOND}px"])') == 1
    faint = Scatter(points(80), "PC 1", "PC 2").drawn().layout.annotations
    assert {label.font.size for label in faint} == {None, SECOND}
    others = [one for pair in KINDS.values() for one in pair[:2] if not isinstance(one, Scatter | Passage)]
    drawn = [one.drawn() for one in others if isinstance(one, Plotted)]
    assert len(drawn) > 20
    assert all(note.font.size != SECOND for figure in drawn for note in figure.layout.annotations)


def test_the_chosen_point_and_its_neighbours_are_labelled_even_in_a_crowd():
    crowd = [Point(i * 1e-3, 0.0, f"·token{i}", "", rank) for i, rank in enumerate(RANKS * 20)]
    found = label_places([point for point in crowd if point.rank != "near"] + [crowd[1]])
    assert isinstance(found[0], Place)
    assert isinstance(found[-1], Place)


def test_faint_points_are_labelled_last_and_smaller():
    given = [Point(0, 0, "·here", "", "chosen"), *(Point(9, i * 0.001, f"·n{i}", "", "faint") for i in range(40))]
    places = label_places(given)
    assert isinstance(places[0], Place)
    assert 0 < sum(place is not None for place in places[1:]) < 40
    sizes = {note.text: note.font.size for note in Scatter(given, "x", "y").drawn().layout.annotations}
    assert sizes.pop("<b>·here</b>") is None
    assert set(sizes.values()) == {11}


@pytest.mark.parametrize("count", [10, 80, 500])
def test_the_label_of_a_faint_point_lies_on_no_point(count):
    given = [replace(point, rank="faint") if point.rank == "text" else point for point in points(count)]
    figure = Scatter(given, "PC 1", "PC 2").drawn()
    scale = scale_of(figure, 640, 330)
    marks = [
        (x * scale - 0.4 * size, y * scale - 0.4 * size, x * scale + 0.4 * size, y * scale + 0.4 * size)
        for trace in figure.data
        for x, y, size in zip(trace.x.tolist(), trace.y.tolist(), trace.marker.size, strict=True)
    ]
    faint = {point.label for point in given if point.rank == "faint"}
    boxes = [box(figure, i, height=330) for i, note in enumerate(figure.layout.annotations) if note.text in faint]
    assert len(marks) == count
    assert len(boxes) > 1
    assert all(apart(label, mark) for label in boxes for mark in marks)


def test_a_label_far_off_has_a_line_to_its_point():
    close = [
        Point(0, 0, "·long-label", "", "chosen"),
        *(Point(0, 0, f"·n{i}·long-label", "", "near") for i in range(9)),
    ]
    assert any(place is not None and place.line for place in label_places(close))


def test_the_accent_is_the_first_trace_and_has_no_colour_of_its_own():
    figure = Scatter(points(10), "PC 1", "PC 2").drawn()
    assert figure.data[0].marker.color is None
    assert list(figure.data[0].marker.symbol) == ["circle", "circle-open", "circle-open"]
    assert figure.data[0].zorder > figure.data[1].zorder > figure.data[2].zorder


def test_both_axes_have_one_scale_and_their_titles():
    layout = Scatter(points(10), "PC 1 · 12 % of the variance", "PC 2").drawn().layout
    assert (layout.yaxis.scaleanchor, layout.yaxis.scaleratio) == ("x", 1)
    assert layout.xaxis.title.text == "PC 1 · 12 % of the variance"


def test_every_point_is_inside_of_the_axes():
    figure = Scatter(points(80), "a", "b").drawn()
    for trace in figure.data:
        assert all(figure.layout.xaxis.range[0] < x < figure.layout.xaxis.range[1] for x in trace.x)
        assert all(figure.layout.yaxis.range[0] < y < figure.layout.yaxis.range[1] for y in trace.y)


def test_labels_of_users_stay_text():
    figure = Scatter([Point(0, 0, '<b>"x"</b>', "<i>", "chosen")], "a", "b").drawn()
    assert figure.layout.annotations[0].text == '<b>&lt;b&gt;"x"&lt;/b&gt;</b>'
    assert figure.data[0].hovertext[0] == '<b>&lt;b&gt;"x"&lt;/b&gt;</b><br>&lt;i&gt;'

"""Bars with their numbers printed: a ranking, and several measures of the same rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from viz.format import escaped
from viz.scale import clipped, steps
from viz.theme import FOCUS, MONO, NEUTRAL

_ROW, _AROUND = 22, 66
_THICK = 0.72  # of a row
_WIDTH, _LETTER = 560, 7.4  # pixels of the bars together, and of a printed character
CALM = 0.6  # opacity of what stands back


@dataclass(frozen=True)
class Bar:
    """One row: its label, its value, the value in words at its end, more words in the hover box.

    accent  drawn in the accent
    focus   its label in bold
    apart   stands below the others with a gap: a sum over what is not shown
    """

    label: str
    value: float
    text: str
    note: str = ""
    accent: bool = False
    focus: bool = False
    apart: bool = False


@dataclass(frozen=True)
class Marks:
    """A second value for each bar, drawn as a diamond; None where there is none."""

    values: tuple[float | None, ...]
    name: str


def ranked(
    bars: Sequence[Bar],
    axis: str,
    rows: str = "",
    *,
    low: float | None = None,
    high: float | None = None,
    row: int = _ROW,
    names: tuple[str, str] | None = None,
    marks: Marks | None = None,
) -> go.Figure:
    """Horizontal bars, the first on top, each with its number at the end. Equal labels stay apart.

    axis, rows  titles of the two axes, the first with its unit
    low, high   ends of the axis; from the values where None
    row         pixels of one bar with its gap
    names       what bars in the accent and the others are, for a legend; None for no legend
    marks       diamonds over the bars
    """
    figure = go.Figure()
    places = _places(bars)
    for i, chosen in enumerate((True, False)):
        trace = _bars(bars, places, [bar.accent is chosen for bar in bars], chosen)
        figure.add_trace(trace.update(name=escaped(names[i])) if names else trace)
    ends = _ends(bars, low, high)
    room = _with_room(bars, *ends)
    if marks is not None:
        figure.update_traces(text=None).add_traces([_numbers(bars, marks, places, room), _diamonds(marks, places)])
    figure.update_xaxes(title_text=escaped(axis), zeroline=True, range=room, tickvals=steps(*ends))
    figure.update_yaxes(title_text=escaped(rows), **_rows([_label(bar.label, bar.focus) for bar in bars], places))
    figure.update_layout(height=_height(places, row), **_LAYOUT)
    if names:
        figure.update_layout(showlegend=True, legend=LEGEND, margin_t=36, height=_height(places, row) + 24)
    return figure


LEGEND = {"orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom", "traceorder": "normal"}
_LAYOUT = {"showlegend": False, "barmode": "overlay", "margin": {"l": 8, "r": 16, "t": 12, "b": 48}}


def _places(bars: Sequence[Bar]) -> Float[np.ndarray, " bar"]:
    """Where each bar stands, from the top; one that stands apart has half a row of air."""
    return np.array([i + 0.5 * bar.apart for i, bar in enumerate(bars)], np.float32)


def _bars(bars: Sequence[Bar], places: Float[np.ndarray, " bar"], shown: Sequence[bool], accent: bool) -> go.Bar:
    group = [bar for bar, chosen in zip(bars, shown, strict=True) if chosen]
    return go.Bar(
        x=np.array([bar.value for bar in group], np.float32),
        y=places[np.array(shown, bool)],
        orientation="h",
        width=_THICK,
        marker={
            "color": None if accent else NEUTRAL,
            "opacity": 1.0 if accent else CALM,
            "pattern": {"shape": ["/" if bar.apart else "" for bar in group]},
        },
        text=[escaped(bar.text) for bar in group],
        textposition="outside",
        constraintext="none",
        cliponaxis=False,
        hovertext=[f"<b>{escaped(bar.label)}</b><br>{escaped(bar.note or bar.text)}" for bar in group],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _numbers(bars: Sequence[Bar], marks: Marks, places: Float[np.ndarray, " bar"], room: Sequence[float]) -> go.Scatter:
    """The printed numbers of bars with marks: behind the diamond where it would stand on the number."""
    letter = _LETTER / _WIDTH * (room[1] - room[0])
    begins = []
    for bar, mark in zip(bars, marks.values, strict=True):
        meets = mark is not None and bar.value - letter < mark < bar.value + (len(bar.text) + 2) * letter
        begins.append(max(bar.value, mark + 0.5 * letter) if mark is not None and meets else bar.value)
    return go.Scatter(
        x=np.array(begins, np.float32),
        y=places,
        mode="text",
        text=[f" {escaped(bar.text)}" for bar in bars],
        textposition="middle right",
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )


def _diamonds(marks: Marks, places: Float[np.ndarray, " bar"]) -> go.Scatter:
    there = [i for i, value in enumerate(marks.values) if value is not None]
    return go.Scatter(
        x=np.array([marks.values[i] for i in there], np.float32),
        y=places[there],
        mode="markers",
        name=escaped(marks.name),
        marker={"symbol": "diamond", "size": 8, "color": FOCUS},
        hoverinfo="skip",
    )


def _label(label: str, focus: bool = False) -> str:
    text = escaped(clipped(label, 28))
    return f"<b>{text}</b>" if focus else text


def _rows(labels: Sequence[str], places: Float[np.ndarray, " bar"]) -> dict:
    return {
        "tickvals": places,
        "ticktext": labels,
        "range": [float(places[-1]) + 0.6, -0.6],
        "automargin": True,
        "tickfont": {"family": MONO},
        "showgrid": False,
        "zeroline": False,
        "ticklabelstandoff": 6,
    }


def _height(places: Float[np.ndarray, " bar"], row: int) -> int:
    return _AROUND + round(row * (float(places[-1]) + 1.2))


def _ends(bars: Sequence[Bar], low: float | None = None, high: float | None = None) -> tuple[float, float]:
    """The given ends of the axis, or the smallest and largest value, 0 among them."""
    lowest = min(0.0, *(bar.value for bar in bars)) if low is None else low
    highest = max(0.0, *(bar.value for bar in bars)) if high is None else high
    return lowest, highest if highest > lowest else lowest + 1.0


def _with_room(bars: Sequence[Bar], lowest: float, highest: float, parts: int = 1) -> list[float]:
    """The ends of an axis that has one of `parts` equal shares of the width, so far out that every printed number is
    inside. More room makes the bars shorter: a few rounds settle it."""
    left, right = lowest, highest
    for _ in range(12):
        letter = min(_LETTER * parts / _WIDTH, 0.03 if parts <= 3 else 0.05) * (right - left)  # in units of the axis
        ends = [(bar.value, (len(bar.text) + 1) * letter) for bar in bars]
        left = min(lowest, *(value - room if value < 0 else lowest for value, room in ends))
        right = max(highest, *(value + room if value >= 0 else highest for value, room in ends))
    return [left, right]


@dataclass(frozen=True)
class Column:
    """One measure of every row: its title with unit, the values, their words."""

    title: str
    values: Float[np.ndarray, " row"]
    texts: tuple[str, ...]


def columns(labels: Sequence[str], measures: Sequence[Column]) -> go.Figure:
    """The same rows under several measures, side by side: the first in the accent, each on an axis of its own."""
    figure = make_subplots(rows=1, cols=len(measures), shared_yaxes=True, horizontal_spacing=0.04)
    places = np.arange(len(labels), dtype=np.float32)
    for i, measure in enumerate(measures):
        rows = [
            Bar(label, float(value), text)
            for label, value, text in zip(labels, measure.values, measure.texts, strict=True)
        ]
        bars = _bars(rows, places, [True] * len(rows), i == 0)
        figure.add_trace(bars, row=1, col=i + 1)
        ends = _with_room(rows, *_ends(rows), parts=len(measures))
        figure.update_xaxes(title_text=escaped(measure.title), zeroline=True, range=ends, nticks=4, row=1, col=i + 1)
    figure.update_yaxes(**_rows([_label(label) for label in labels], places))
    figure.update_layout(height=_height(places, _ROW), **_LAYOUT)
    return figure

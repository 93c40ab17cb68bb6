"""Horizontal bars with their numbers printed: a ranking."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from viz.description import Plotted
from viz.format import escaped
from viz.level import Level
from viz.rows import (
    LAYOUT,
    LETTER,
    ROW,
    WIDTH,
    Bar,
    bar_trace,
    ends_of,
    height,
    places_of,
    row_axis,
    row_label,
    with_room,
)
from viz.scale import steps
from viz.theme import FOCUS, LEGEND


@dataclass(frozen=True)
class Marks:
    """A second value for each bar, drawn as a diamond; None where there is none."""

    values: tuple[float | None, ...]
    name: str


@dataclass(frozen=True)
class Bars(Plotted):
    """Horizontal bars, the first on top, each with its number at the end. Equal labels stay apart.

    axis, rows  titles of the two axes, the first with its unit
    low, high   ends of the axis; from the values where None
    row         pixels of one bar with its gap
    names       what bars in the accent and the others are, for a legend; None for no legend
    marks       diamonds over the bars
    level       a value to hold the bars against: a dashed line across, its words above
    """

    bars: Sequence[Bar]
    axis: str
    rows: str = ""
    low: float | None = None
    high: float | None = None
    row: int = ROW
    names: tuple[str, str] | None = None
    marks: Marks | None = None
    level: Level | None = None

    def drawn(self) -> go.Figure:
        """The rows, each with its number at the end; equal labels stay apart."""
        figure = go.Figure()
        places = places_of(self.bars)
        for i, chosen in enumerate((True, False)):
            trace = bar_trace(self.bars, places, [bar.accent is chosen for bar in self.bars], chosen)
            figure.add_trace(trace.update(name=escaped(self.names[i])) if self.names else trace)
        ends = ends_of(self.bars, self.low, self.high)
        room = with_room(self.bars, *ends)
        if self.marks is not None:
            figure.update_traces(text=None).add_traces(
                [_numbers(self.bars, self.marks, places, room), _diamonds(self.marks, places)]
            )
        figure.update_xaxes(title_text=escaped(self.axis), zeroline=True, range=room, tickvals=steps(*ends))
        figure.update_yaxes(
            title_text=escaped(self.rows), **row_axis([row_label(bar.label, bar.focus) for bar in self.bars], places)
        )
        figure.update_layout(height=height(places, self.row), **LAYOUT)
        above = 24 if self.names or self.level else 0  # pixels
        if self.names:
            figure.update_layout(showlegend=True, legend=LEGEND)
        if self.level is not None:
            _across(figure, self.level)
        if above:
            figure.update_layout(margin_t=12 + above, height=height(places, self.row) + above)
        return figure


def _across(figure: go.Figure, level: Level) -> None:
    figure.add_vline(
        x=level.value,
        line={"dash": "dash", "width": 1.5, "color": FOCUS},
        annotation={"text": escaped(level.text), "showarrow": False, "yanchor": "bottom"},
        annotation_position="top",
    )


def _numbers(bars: Sequence[Bar], marks: Marks, places: Float[np.ndarray, " bar"], room: Sequence[float]) -> go.Scatter:
    """The printed numbers of bars with marks: behind the diamond where it would stand on the number."""
    letter = LETTER / WIDTH * (room[1] - room[0])
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

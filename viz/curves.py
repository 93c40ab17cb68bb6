"""Curves over a numbered axis, held against levels, with marked points."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from viz.bars import LEGEND
from viz.dots import Level
from viz.format import escaped, number
from viz.lines import log_ticks
from viz.theme import FOCUS, NEUTRAL

_HEIGHT = 380
_LOOKS = ({"width": 2.5}, {"width": 2, "color": NEUTRAL, "dash": "dash"}, {"width": 2, "color": FOCUS, "dash": "dot"})


@dataclass(frozen=True)
class Curve:
    """One curve: its name for the legend and its points; notes: words for the hover boxes, or none."""

    name: str
    x: Float[np.ndarray, " point"]
    y: Float[np.ndarray, " point"]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mark:
    """A point in the colour of what is in focus, with words beside it."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Curves:
    """Up to three curves, the first in the accent; axis titles with units; levels across; marked points."""

    curves: Sequence[Curve]
    x_axis: str
    y_axis: str
    levels: Sequence[Level] = ()
    marks: Sequence[Mark] = ()
    logarithmic: bool = False

    def __post_init__(self) -> None:
        if len(self.curves) > len(_LOOKS):
            raise ValueError(f"{len(self.curves)} curves were given, {len(_LOOKS)} can be told apart")


def curves(given: Curves) -> go.Figure:
    """The curves as lines, a legend where there are several, dashed levels with their words, marks as diamonds."""
    figure = go.Figure([_line(given, curve, look) for curve, look in zip(given.curves, _LOOKS, strict=False)])
    for level in given.levels:
        figure.add_hline(y=level.value, line={"width": 1, "dash": "dash", "color": NEUTRAL})
        figure.add_annotation(_words(given, level))
    for mark in given.marks:
        figure.add_trace(_diamond(mark))
        figure.add_annotation(_label(given, mark))
    figure.update_xaxes(title_text=escaped(given.x_axis), zeroline=False, tickformat=",")
    figure.update_yaxes(title_text=escaped(given.y_axis), **_y_axis(given))
    named = len(given.curves) > 1
    margin = {"l": 72, "r": 16, "t": 40 if named else 16, "b": 52}
    figure.update_layout(height=_HEIGHT, showlegend=named, legend=LEGEND, margin=margin)
    return figure


def _line(given: Curves, curve: Curve, look: dict) -> go.Scatter:
    axes = f"{escaped(given.x_axis)} %{{x:,}}<br>{escaped(given.y_axis)} %{{y:,.4~g}}"
    return go.Scatter(
        x=curve.x.astype(np.float32),
        y=curve.y.astype(np.float32),
        mode="lines" if len(curve.x) > 1 else "markers",
        name=escaped(curve.name),
        line=look,
        hovertext=[escaped(note) for note in curve.notes] or None,
        hovertemplate=("%{hovertext}" if curve.notes else axes) + "<extra></extra>",
    )


def _diamond(mark: Mark) -> go.Scatter:
    return go.Scatter(
        x=[mark.x],
        y=[mark.y],
        mode="markers",
        marker={"symbol": "diamond", "size": 11, "color": FOCUS},
        hovertext=[escaped(mark.text)],
        hovertemplate="%{hovertext}<extra></extra>",
        showlegend=False,
    )


def _label(given: Curves, mark: Mark) -> dict:
    """A mark's words, on the side where the figure has more room."""
    ends = [float(value) for curve in given.curves for value in (curve.x.min(), curve.x.max())]
    right = mark.x <= (min(ends) + max(ends)) / 2
    return {
        "x": mark.x,
        "y": _height(given, mark.y),
        "text": f"<b>{escaped(mark.text)}</b>",
        "ax": 36 if right else -36,
        "ay": -28,
        "xanchor": "left" if right else "right",
        "arrowhead": 0,
        "arrowwidth": 1,
        "arrowcolor": FOCUS,
        "standoff": 6,
    }


def _words(given: Curves, level: Level) -> dict:
    """A level's words on its line, at the end from which the first curve is farther."""
    y = given.curves[0].y
    third = max(1, len(y) // 3)
    gap = np.abs(np.log(y / level.value)) if given.logarithmic else np.abs(y - level.value)
    left = bool(gap[:third].min() >= gap[-third:].min())
    return {
        "x": 0.01 if left else 0.99,
        "xref": "x domain",
        "xanchor": "left" if left else "right",
        "y": _height(given, level.value),
        "yanchor": "bottom",
        "text": escaped(level.text),
        "showarrow": False,
    }


def _height(given: Curves, value: float) -> float:
    """Where an annotation has to stand: plotly takes the logarithm on a logarithmic axis."""
    return math.log10(value) if given.logarithmic else value


def _y_axis(given: Curves) -> dict:
    values = [float(value) for curve in given.curves for value in (curve.y.min(), curve.y.max())]
    values += [level.value for level in given.levels]
    low, high = min(values), max(values)
    if not given.logarithmic:
        room = 0.12 * ((high - low) or 1.0)
        return {"range": [low - room, high + room], "tickformat": ",.4~g", "zeroline": True}
    room, ticks = 0.05 * (math.log10(high / low) or 1.0), log_ticks(low, high)
    return {
        "type": "log",
        "range": [math.log10(low) - room, math.log10(high) + room],
        "tickvals": list(ticks),
        "ticktext": [number(value, 1) for value in ticks],
        "zeroline": False,
    }

"""Curves over a numbered axis, held against levels, with marked points."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.language import N_, _
from viz.description import OnAxes
from viz.format import escaped, in_template, number
from viz.level import Level
from viz.lines import log_ticks
from viz.marks import Stands, nth
from viz.partners import (
    UNITS,
    Subtracted,
    Unlike,
    alone,
    both,
    by_name,
    common,
    largest,
    meet,
    of_axis,
    ratio,
    stood,
    without,
)
from viz.scale import columns
from viz.table import Table
from viz.theme import FOCUS, LEGEND, NEUTRAL

_HEIGHT = 380
_PLOT = (640.0, 300.0)  # width and height between the axes, in pixels of a usual window
_PHONE = 230.0  # the width on a phone
Box = tuple[float, float, float, float]  # left, right, low, high: pixels from the lower left corner
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
class Band:
    """A ground of its own under part of the x axis, with words at its lower right."""

    low: float
    high: float
    text: str


@dataclass(frozen=True)
class Curves(OnAxes):
    """Up to three curves, the first in the accent; axis titles with units; levels across; marked points.

    logarithmic     the y axis follows log10(y)
    band            a ground of its own under part of the x axis
    x_ends, y_ends  of the axes, and where ticks stand; from the values where None
    stands          of each point along any of the curves
    scale           size of the y axis's unit, which `about` names, where figures of one kind choose it by their
                    numbers: 1000 for kB

    ValueError for more curves than can be told apart.
    """

    kind: ClassVar[str] = N_("Curves")
    curves: Sequence[Curve]
    x_axis: str
    y_axis: str
    levels: Sequence[Level] = ()
    marks: Sequence[Mark] = ()
    logarithmic: bool = False
    band: Band | None = None
    x_ends: tuple[float, float] | None = None
    x_ticks: Sequence[float] | None = None
    y_ends: tuple[float, float] | None = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        if len(self.curves) > len(_LOOKS):
            raise ValueError(f"{len(self.curves)} curves were given, {len(_LOOKS)} can be told apart")

    @property
    def placed(self) -> tuple[Mark, ...]:
        """The marks that have a place on the axes: a number, on a logarithmic axis above 0."""
        return tuple(
            mark
            for mark in self.marks
            if math.isfinite(mark.x) and math.isfinite(mark.y) and (mark.y > 0 or not self.logarithmic)
        )

    def traces(self) -> go.Figure:
        """The curves as lines, a legend where there are several, dashed levels with their words, marks as diamonds."""
        figure = go.Figure([_line(self, curve, look) for curve, look in zip(self.curves, _LOOKS, strict=False)])
        for level in self.levels:
            figure.add_hline(y=level.value, line={"width": 1, "dash": "dash", "color": NEUTRAL})
            figure.add_annotation(_words(self, level))
        for mark in self.placed:
            figure.add_trace(_diamond(mark))
            figure.add_annotation(_label(self, mark))
        figure.update_xaxes(title_text=escaped(self.x_axis), zeroline=False, tickformat=",")
        figure.update_yaxes(title_text=escaped(self.y_axis), **_y_axis(self))
        named = len(self.curves) > 1
        margin = {"l": 72, "r": 16, "t": 40 if named else 16, "b": 52}
        figure.update_layout(height=_HEIGHT, showlegend=named, legend=LEGEND, margin=margin)
        if self.band is not None:
            _ground(figure, self.band)
        figure.update_xaxes(range=self.x_ends and list(self.x_ends), tickvals=self.x_ticks and list(self.x_ticks))
        if self.y_ends is not None:
            figure.update_yaxes(range=list(self.y_ends))
        return figure

    def place(self, trace: int, point: int) -> tuple[int] | None:
        """The point along its curve; marked points have none."""
        return nth(range(len(self.curves[trace].x)), point) if 0 <= trace < len(self.curves) else None

    def numbers(self) -> Float[np.ndarray, " number"]:
        """Curve after curve."""
        return np.concatenate([curve.y for curve in self.curves])

    def name(self, i: int) -> str:
        """A curve at a place."""
        for curve in self.curves:
            if i < len(curve.x):
                return f"{curve.name}, {self.x_axis} {number(float(curve.x[i]))}"
            i -= len(curve.x)
        raise IndexError("there are not as many points")

    def table(self) -> Table:
        """A row per point of each curve."""
        return Table.of(
            (_("curve"), [curve.name for curve in self.curves for _x in curve.x]),
            (self.x_axis, np.concatenate([curve.x for curve in self.curves])),
            (self.y_axis, self.numbers()),
        )

    def minus(self, other: Self) -> "Curves":
        """Curve less curve, matched by name, at the places that both have; on a logarithmic axis the log of their
        ratio. Levels and marked points are left out: they belong to one curve. All in the unit of this one's axis."""
        meet(self, other, "x_axis", "logarithmic")
        meet(self, other, y_axis=(without(self.y_axis, self.about), without(other.y_axis, other.about)))
        second = _in_unit(other, self.scale)
        names, theirs = ([curve.name for curve in given.curves] for given in (self, other))
        pairs = by_name(names, theirs)
        common(pairs, "curve")
        kept = [_kept(self.curves[i], second.curves[j]) for i, j in both(pairs)]
        between = [_between(one, two, self.logarithmic) for one, two in kept]
        compared = [UNITS] if self.logarithmic else [curve.y for given in (self, second) for curve in given.curves]
        end = 1.06 * largest(np.concatenate([curve.y for curve in between]), *compared)
        return replace(
            self,
            curves=between,
            y_axis=of_axis(self.y_axis, self.logarithmic),
            levels=(),
            marks=(),
            logarithmic=False,
            band=self.band if self.band == other.band else None,
            x_ends=self.x_ends if self.x_ends == other.x_ends else None,
            y_ends=(-end, end),
            remark=alone((pairs, names, theirs)),
            beside={},
            subtracted=(
                Subtracted.of(
                    self.y_axis,
                    np.concatenate([one.y for one, _two in kept]),
                    np.concatenate([two.y for _one, two in kept]),
                    ratio=self.logarithmic,
                ),
            ),
            stands=_stood(second, [(self.curves[i], second.curves[j]) for i, j in both(pairs)]),
        )


def _in_unit(given: Curves, scale: float) -> Curves:
    """The same curves in units of another size."""
    if given.scale == scale:
        return given
    by = given.scale / scale
    return replace(given, curves=[replace(curve, y=curve.y * by) for curve in given.curves], scale=scale)


def _stood(second: Curves, curves: Sequence[tuple[Curve, Curve]]) -> tuple[Stands | None, ...]:
    """What the points of a difference stand for in the second, where they are the same along all of its curves."""
    kept = [np.intersect1d(one.x, other.x, return_indices=True)[2].tolist() for one, other in curves]
    if any(points != kept[0] for points in kept):
        return ()
    return stood(second.stands, [(None, point) for point in kept[0]])


def _kept(first: Curve, second: Curve) -> tuple[Curve, Curve]:
    """Both curves at the places that both have."""
    x, one, two = np.intersect1d(first.x, second.x, return_indices=True)
    if not x.size:
        raise Unlike(
            f"the curves {first.name!r} have no place in common",
            _(
                "The two curves “{name}” have no place in common, so that there is nothing to subtract.",
                name=first.name,
            ),
        )
    return Curve(first.name, x, first.y[one]), Curve(second.name, x, second.y[two])


def _between(first: Curve, second: Curve, logarithmic: bool) -> Curve:
    """What the first curve has more than the second, at the same places."""
    y = ratio(first.y, second.y) if logarithmic else first.y.astype(np.float64) - second.y
    return Curve(first.name, first.x, y)


def _ground(figure: go.Figure, band: Band) -> None:
    figure.add_vrect(
        x0=band.low,
        x1=band.high,
        fillcolor=NEUTRAL,
        opacity=0.14,
        line_width=0,
        annotation={"text": escaped(band.text), "showarrow": False},
        annotation_position="bottom right",
    )


def _line(given: Curves, curve: Curve, look: dict) -> go.Scatter:
    axes = f"{in_template(given.x_axis)} %{{x:,}}<br>{in_template(given.y_axis)} %{{y:,.5~g}}"
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
    """A mark's words, where they cover least of the curves and levels."""
    across, up = _offset(given, mark)
    return {
        "x": mark.x,
        "y": _height(given, mark.y),
        "text": f"<b>{escaped(mark.text)}</b>",
        "ax": across,
        "ay": -up,
        "xanchor": "left" if across > 0 else "right",
        "arrowhead": 0,
        "arrowwidth": 1,
        "arrowcolor": FOCUS,
        "standoff": 6,
    }


def _offset(given: Curves, mark: Mark) -> tuple[int, int]:
    """How far to the right of a mark and above it its words begin, in pixels. Of equal places the nearest one counts,
    on the side where the figure has more room, above rather than below."""
    side = 1 if mark.x <= sum(_x_ends(given)) / 2 else -1
    places = [(side * 36, up) for up in (28, -28, 56, -56, 84, -84)]
    inside = [(across, up) for across, up in places if 12 <= _spot(given, mark)[1] + up <= _PLOT[1] - 12]

    def covered(place: tuple[int, int]) -> int:
        curves = sum(_behind(given, _box(given, mark, *place, plot), plot) for plot in (_PLOT[0], _PHONE))
        return curves + _on_level(given, mark, place[1])

    return min(inside or places, key=covered)


def _spot(given: Curves, mark: Mark, plot: float = _PLOT[0]) -> tuple[float, float]:
    """Where a mark stands, in pixels, between axes so many pixels apart."""
    first, last = _x_ends(given)
    across = (mark.x - first) / ((last - first) or 1.0) * plot
    return across, float(_pixels(given, np.array([mark.y]))[0])


def _box(given: Curves, mark: Mark, across: int, up: int, plot: float = _PLOT[0]) -> Box:
    """The room that a mark's words take up."""
    x, y = _spot(given, mark, plot)
    begin, end = x + across, x + across + math.copysign(7.0 * columns(mark.text), across)
    return min(begin, end), max(begin, end), y + up - 10, y + up + 10


def _on_level(given: Curves, mark: Mark, up: int) -> int:
    """24 for every level that runs through a mark's words."""
    heights = _pixels(given, np.array([level.value for level in given.levels], np.float64))
    return 24 * int((np.abs(heights - _spot(given, mark)[1] - up) < 10).sum())


def _with_words(given: Curves, mark: Mark) -> Box:
    """The room that a mark and its words take up together."""
    (x, y), (left, right, low, high) = _spot(given, mark), _box(given, mark, *_offset(given, mark))
    return min(left, x - 8), max(right, x + 8), min(low, y - 8), max(high, y + 8)


def _words(given: Curves, level: Level) -> dict:
    """A level's words at an end of its line, above or below it: where they cover least. Of equal places, above comes
    first, at the end from which the first curve is farther."""
    y = given.curves[0].y
    third = max(1, len(y) // 3)
    gap = np.abs(np.log(y / level.value)) if given.logarithmic else np.abs(y - level.value)
    sides = ("left", "right") if gap[:third].min() >= gap[-third:].min() else ("right", "left")
    places = [(side, edge) for edge in ("bottom", "top") for side in sides]
    side, edge = min(places, key=lambda place: _covered(given, level, *place))
    return {
        "x": 0.01 if side == "left" else 0.99,
        "xref": "x domain",
        "xanchor": side,
        "y": _height(given, level.value),
        "yanchor": edge,
        "text": escaped(level.text),
        "showarrow": False,
    }


def _covered(given: Curves, level: Level, side: str, edge: str) -> int:
    """What lies behind a level's words: points of curves, and 24 for every mark or its words."""
    wide = 6.5 * columns(level.text) + 8
    base = float(_pixels(given, np.array([level.value]))[0])
    low, high = (base - 2, base + 18) if edge == "bottom" else (base - 18, base + 2)
    usual, phone = (
        (left, left + wide, low, high)
        for left in (4.0 if side == "left" else plot - 4 - wide for plot in (_PLOT[0], _PHONE))
    )
    marks = 24 * sum(_meet(usual, _with_words(given, mark)) for mark in given.placed)
    return _behind(given, usual) + _behind(given, phone, _PHONE) + marks


def _behind(given: Curves, box: Box, plot: float = _PLOT[0]) -> int:
    """How many of 24 points along a box have each curve behind them, between axes so many pixels apart."""
    left, right, low, high = box
    first, last = _x_ends(given)
    x = first + np.linspace(left, right, 24) / plot * ((last - first) or 1.0)
    heights = [_pixels(given, np.interp(x, curve.x, curve.y)) for curve in given.curves]
    return sum(int(((y > low) & (y < high)).sum()) for y in heights)


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]


def _pixels(given: Curves, values: Float[np.ndarray, " point"]) -> Float[np.ndarray, " point"]:
    """How high values stand above the lower end of the y axis, in a usual window."""
    low, high = _y_axis(given)["range"]
    return ((np.log10(values) if given.logarithmic else values) - low) / (high - low) * _PLOT[1]


def _x_ends(given: Curves) -> tuple[float, float]:
    ends = [float(value) for curve in given.curves for value in (curve.x.min(), curve.x.max())]
    return min(ends), max(ends)


def _height(given: Curves, value: float) -> float:
    """Where an annotation has to stand: plotly takes the logarithm on a logarithmic axis."""
    return math.log10(value) if given.logarithmic else value


def _y_axis(given: Curves) -> dict:
    values = [float(value) for curve in given.curves for value in (curve.y.min(), curve.y.max())]
    values += [level.value for level in given.levels] + [mark.y for mark in given.placed]
    low, high = min(values), max(values)
    if not given.logarithmic:
        room = 0.12 * ((high - low) or 1.0)
        return {"range": [low - room, high + room], "tickformat": ",.6~g", "zeroline": True}
    room, ticks = 0.05 * (math.log10(high / low) or 1.0), log_ticks(low, high)
    return {
        "type": "log",
        "range": [math.log10(low) - room, math.log10(high) + room],
        "tickvals": list(ticks),
        "ticktext": [number(value, 1) for value in ticks],
        "zeroline": False,
    }

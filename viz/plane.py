"""Vectors on planes side by side: where each points before and after a turn, on the circle that it cannot leave."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from anatomy.language import N_, _
from viz.description import OnAxes
from viz.format import escaped
from viz.measures import Measures, apart, between
from viz.partners import meet, of_titles
from viz.table import Table
from viz.theme import FOCUS, NEUTRAL

_HEIGHT = 400
_ARC = 0.42  # radius of the angle's arc, as a share of the circle's
_COLOURS = (None, FOCUS)  # the accent, then the second colour


@dataclass(frozen=True)
class Turn:
    """One plane: a vector (x, y) before and the angle in radians by which it is turned, whole turns included.

    title   above the plane
    before, after   words for the hover boxes at the two tips
    """

    title: str
    x: float
    y: float
    angle: float
    before: str
    after: str

    @property
    def length(self) -> float:
        """Of the vector, the same before and after."""
        return math.hypot(self.x, self.y)

    @property
    def start(self) -> float:
        """Direction before the turn, in radians."""
        return math.atan2(self.y, self.x)

    @property
    def tip(self) -> tuple[float, float]:
        """Where the vector points after the turn."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return self.x * cos - self.y * sin, self.x * sin + self.y * cos


@dataclass(frozen=True)
class Planes(OnAxes):
    """A plane per vector; titles of the axes, with units."""

    kind: ClassVar[str] = N_("Turned vectors")
    turns: Sequence[Turn]
    x_axis: str
    y_axis: str

    def traces(self) -> go.Figure:
        """Before (dashed grey), after (full colour), the circle of its length, the last part of the angle as an arc.
        Both axes of a plane have one scale."""
        titles = [escaped(turn.title) for turn in self.turns]
        figure = make_subplots(rows=1, cols=len(self.turns), subplot_titles=titles, horizontal_spacing=0.14)
        for column, (turn, colour) in enumerate(zip(self.turns, _COLOURS, strict=False), start=1):
            for trace in (_after(turn, colour), _circle(turn), _before(turn), _arc(turn)):
                figure.add_trace(trace, row=1, col=column)
            reach = 1.15 * turn.length or 1.0
            common = {"range": [-reach, reach], "nticks": 5, "tickformat": ",.3~g", "row": 1, "col": column}
            figure.update_xaxes(title_text=escaped(self.x_axis), constrain="domain", **common)
            anchor = "x" if column == 1 else f"x{column}"
            figure.update_yaxes(title_text=escaped(self.y_axis), scaleanchor=anchor, constrain="domain", **common)
        figure.update_annotations(font_size=13)
        figure.update_layout(height=_HEIGHT, showlegend=False, margin={"l": 56, "r": 16, "t": 40, "b": 52})
        return figure

    @property
    def _columns(self) -> tuple[tuple[str, Float[np.ndarray, " plane"]], ...]:
        """(title, a value per plane): both coordinates of the vector before and after, and the angle."""
        before = np.array([(turn.x, turn.y) for turn in self.turns], np.float64).T  # [x_y plane]
        after = np.array([turn.tip for turn in self.turns], np.float64).T
        axes = (self.x_axis, self.y_axis)
        titles = [_("before: {axis}", axis=axis) for axis in axes] + [_("after: {axis}", axis=axis) for axis in axes]
        coordinates = zip(titles, (*before, *after), strict=True)
        return (*coordinates, (_("angle (radians)"), np.array([turn.angle for turn in self.turns], np.float64)))

    def numbers(self) -> Float[np.ndarray, " number"]:
        """Column after column of the table."""
        return np.concatenate([values for _title, values in self._columns])

    def name(self, i: int) -> str:
        """A plane, and which of its numbers."""
        column, plane = divmod(i, len(self.turns))
        return f"{self.turns[plane].title}, {self._columns[column][0]}"

    def table(self) -> Table:
        """A row per plane: both ends of its vector, and the angle."""
        return Table.of((_("plane"), [turn.title for turn in self.turns]), *self._columns)

    def minus(self, other: Self) -> Measures:
        """Plane less plane in their order, as bars: both coordinates of the vector before and after, and the angle. A
        difference of two turns is no turn."""
        meet(self, other, "x_axis", "y_axis")
        meet(self, other, number_of_planes=(len(self.turns), len(other.turns)))
        one, two = (np.stack([values for _title, values in given._columns]) for given in (self, other))  # [5 plane]
        count = len(self.turns)
        rows = [name for i in range(count) for name in (_("{i}: before", i=i + 1), _("{i}: after", i=i + 1))]
        none = np.full(count, np.nan)
        columns = []
        for title, before, after in ((self.x_axis, 0, 2), (self.y_axis, 1, 3), (_("angle (radians)"), None, 4)):
            sides = ([none if before is None else given[before], given[after]] for given in (one, two))
            columns.append(apart(title, *(np.stack(ends, axis=1).ravel() for ends in sides)))
        titles = (of_titles(a.title, b.title) for a, b in zip(self.turns, other.turns, strict=True))
        return between(rows, columns, " · ".join(f"{i}: {title}" for i, title in enumerate(titles, start=1)))


def _after(turn: Turn, colour: str | None) -> go.Scatter:
    return _arrow(turn.tip, turn.after, {"width": 3, "color": colour}).update(marker_color=colour, zorder=2)


def _before(turn: Turn) -> go.Scatter:
    return _arrow((turn.x, turn.y), turn.before, {"width": 2, "color": NEUTRAL, "dash": "dash"}).update(
        marker_color=NEUTRAL
    )


def _arrow(tip: tuple[float, float], note: str, line: dict) -> go.Scatter:
    return go.Scatter(
        x=[0.0, tip[0]],
        y=[0.0, tip[1]],
        mode="lines+markers",
        line=line,
        marker={"symbol": "arrow", "angleref": "previous", "size": [0, 13], "line": {"width": 0}},
        hovertext=["", escaped(note)],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _circle(turn: Turn) -> go.Scatter:
    line = {"width": 1, "color": NEUTRAL, "dash": "dot"}
    return _path(turn.length, np.linspace(0.0, 2 * math.pi, 121), line)


def _arc(turn: Turn) -> go.Scatter:
    """What the angle leaves after whole turns, from the vector before to the vector after."""
    rest = math.fmod(turn.angle, 2 * math.pi)
    way = np.linspace(turn.start, turn.start + rest, max(2, round(abs(rest) * 20)))
    return _path(_ARC * turn.length, way, {"width": 1.5, "color": NEUTRAL})


def _path(radius: float, way: np.ndarray, line: dict) -> go.Scatter:
    x, y = radius * np.cos(way), radius * np.sin(way)
    return go.Scatter(x=x.astype("f4"), y=y.astype("f4"), mode="lines", line=line, hoverinfo="skip")

"""Points over a numbered axis, held against levels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.language import N_, _
from viz.description import OnAxes
from viz.format import escaped, number
from viz.level import Level
from viz.lines import log_ticks
from viz.marks import in_groups, tokens
from viz.partners import UNITS, Places, Subtracted, alone, both, common, largest, meet, of_axis, ranked, ratio, stood
from viz.table import Table
from viz.theme import FOCUS, NEUTRAL

_HEIGHT = 380


@dataclass(frozen=True)
class Dots(OnAxes):
    """Points over a numbered axis: x and y, words for each in the hover box, titles with units, levels to compare.

    logarithmic  the y axis follows log10(y); else it begins at 0
    reach        where a y axis ends that is as long below 0 as above; None for any other
    above        the points in the accent lie over the others
    stands       of each point
    """

    kind: ClassVar[str] = N_("Points")
    x: Float[np.ndarray, " point"]
    y: Float[np.ndarray, " point"]
    notes: tuple[str, ...]
    accent: tuple[bool, ...]
    x_axis: str
    y_axis: str
    levels: Sequence[Level] = ()
    logarithmic: bool = True
    above: bool = False
    reach: float | None = None

    def traces(self) -> go.Figure:
        """The points, some in the accent, the levels as dashed lines."""
        figure = go.Figure()
        accent = np.array(self.accent, bool)
        for where, colour in ((accent, None), (~accent, NEUTRAL)):
            figure.add_trace(
                go.Scatter(
                    x=self.x[where].astype(np.float32),
                    y=self.y[where].astype(np.float32),
                    mode="markers",
                    marker={"size": 8, "color": colour},
                    hovertext=[escaped(self.notes[i]) for i in np.flatnonzero(where)],
                    hovertemplate="%{hovertext}<extra></extra>",
                )
            )
        if self.above:
            figure.update_traces(zorder=1, selector=0)
        for level in self.levels:
            figure.add_hline(y=level.value, line={"width": 1.5, "dash": "dash", "color": FOCUS})
            figure.add_annotation(_level_label(self, level))
        figure.update_xaxes(title_text=escaped(self.x_axis), zeroline=False)
        figure.update_yaxes(title_text=escaped(self.y_axis), zeroline=False, **_y_axis(self))
        figure.update_layout(height=_HEIGHT, showlegend=False, margin={"l": 72, "r": 16, "t": 12, "b": 52})
        return figure

    def place(self, trace: int, point: int) -> tuple[int] | None:
        """The point: those in the accent are drawn first."""
        return in_groups(self._groups, trace, point)

    @cached_property
    def _groups(self) -> tuple[tuple[int, ...], ...]:
        """The points of each trace."""
        return tuple(tuple(i for i, own in enumerate(self.accent) if own is accent) for accent in (True, False))

    def numbers(self) -> Float[np.ndarray, " number"]:
        """The points' heights."""
        return np.asarray(self.y, np.float64)

    def name(self, i: int) -> str:
        """A point's words."""
        return self.notes[i]

    def table(self) -> Table:
        """A row per point."""
        return Table.of((self.x_axis, self.x), (self.y_axis, self.y), (_("in words"), self.notes))

    def minus(self, other: Self) -> "Dots":
        """Point less point at the places of both, in order; on a logarithmic axis the log of their ratio. Levels
        are left out: they belong to one figure."""
        meet(self, other, "x_axis", "y_axis", "logarithmic")
        places, theirs = ([number(value) for value in given.x.tolist()] for given in (self, other))
        pairs = ranked(places, theirs, (_tokens(self), _tokens(other)))
        one, two = common(pairs, "point")
        apart = _apart(self.y[one], other.y[two], self.logarithmic)
        compared = (UNITS,) if self.logarithmic else (self.y, other.y)
        return replace(
            self,
            x=self.x[one],
            y=apart,
            notes=tuple(f"{self.notes[i]} − {other.notes[j]}" for i, j in zip(one, two, strict=True)),
            accent=tuple(self.accent[i] for i in one),
            y_axis=of_axis(self.y_axis, self.logarithmic),
            levels=(),
            logarithmic=False,
            reach=largest(apart, *compared),
            remark=alone((pairs, places, theirs)),
            subtracted=(Subtracted.of(self.y_axis, self.y[one], other.y[two], ratio=self.logarithmic),),
            stands=stood(other.stands, both(pairs)),
            beside={},
        )


def _tokens(given: Dots) -> Places:
    """The token that each point stands for, where it stands for itself alone."""
    places = tokens(given.stands, 0)
    return places if places is not None and list(places) == given.x.tolist() else None


def _apart(
    first: Float[np.ndarray, "*any"], second: Float[np.ndarray, "*any"], logarithmic: bool
) -> Float[np.ndarray, "*any"]:
    return ratio(first, second) if logarithmic else np.subtract(first, second, dtype=np.float64)


def _y_axis(given: Dots) -> dict:
    values = [*given.y.tolist(), *(level.value for level in given.levels)]
    low, high = min(values), max(values)
    if given.reach is not None:
        return {"range": [-1.08 * given.reach, 1.08 * given.reach], "tickformat": ",.6~g"}
    if not given.logarithmic:
        return {"range": [0, 1.08 * high or 1.0], "tickformat": ",.6~g"}
    room = 0.08 * (math.log10(high / low) or 1.0)
    ticks = log_ticks(low, high)
    return {
        "type": "log",
        "range": [math.log10(low) - room, math.log10(high) + room],
        "tickvals": list(ticks),
        "ticktext": [number(value, 1) for value in ticks],
    }


def _level_label(given: Dots, level: Level) -> dict:
    """The words on a level's line, at the end where the points are farther from it."""
    third = max(1, len(given.y) // 3)
    y, value = (np.log10(given.y), math.log10(level.value)) if given.logarithmic else (given.y, level.value)
    distance = np.abs(y - value)
    left = distance[:third].min() > distance[-third:].min()
    return {
        "x": 0.01 if left else 0.99,
        "xref": "x domain",
        "xanchor": "left" if left else "right",
        "y": value,
        "yanchor": "bottom",
        "text": escaped(level.text),
        "showarrow": False,
    }

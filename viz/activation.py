"""A function of one number with the inputs that it gets: the curve, points on it, and how often each input occurs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from anatomy.language import N_, _, ngettext
from viz.curves import Curve, Curves
from viz.description import OnAxes
from viz.format import escaped, thousands
from viz.marks import in_groups
from viz.partners import Subtracted, largest, meet, of_axis
from viz.table import Table
from viz.theme import CALM, FOCUS, LEGEND, NEUTRAL

BINS = 60
_FAINT = 0.35


@dataclass(frozen=True)
class Activation(OnAxes):
    """A curve and what goes in.

    x, y           the curve
    all, own       every input; those of the chosen token, at points of the curve
    own_y          the curve at `own`
    notes          words for the hover box of each of the chosen token's inputs
    accent         which of them are drawn large: numbers into `own`
    chosen         which of them the reader has chosen: a ring lies around it; None for none
    stands         of each of them
    x_axis …       axis titles, with units
    own_name       what the chosen token's inputs are called in the legend
    """

    kind: ClassVar[str] = N_("Inputs on a curve")
    x: Float[np.ndarray, " point"]
    y: Float[np.ndarray, " point"]
    all: Float[np.ndarray, " input"]
    own: Float[np.ndarray, " neuron"]
    own_y: Float[np.ndarray, " neuron"]
    notes: tuple[str, ...]
    accent: tuple[int, ...]
    x_axis: str
    y_axis: str
    own_name: str
    chosen: int | None = None

    def traces(self) -> go.Figure:
        """The curve with the chosen inputs on it; below, on the same axis, how many of all inputs fall into each cell.
        What belongs to the chosen token has the colour of what is in focus."""
        figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.68, 0.32], vertical_spacing=0.05)
        figure.add_trace(_curve(self), row=1, col=1)
        figure.add_traces(_points(self), rows=[1, 1], cols=[1, 1])
        if self.chosen is not None:
            figure.add_trace(_ring(self, self.chosen), row=1, col=1)
        for trace in _histograms(self):
            figure.add_trace(trace, row=2, col=1)
        figure.update_xaxes(zeroline=True, range=[float(self.x[0]), float(self.x[-1])])
        figure.update_xaxes(title_text=escaped(self.x_axis), row=2, col=1)
        figure.update_yaxes(title_text=escaped(self.y_axis), zeroline=True, row=1, col=1)
        figure.update_yaxes(title_text=_("inputs (%)"), rangemode="tozero", zeroline=False, row=2, col=1)
        figure.update_layout(height=430, legend=LEGEND, bargap=0, margin={"l": 64, "r": 16, "t": 36, "b": 52})
        return figure

    def place(self, trace: int, point: int) -> tuple[int] | None:
        """The input: the curve is drawn before them, the small ones before the large."""
        return in_groups(self._groups, trace, point)

    @cached_property
    def _groups(self) -> tuple[tuple[int, ...], ...]:
        """The inputs of each trace."""
        large = set(self.accent)
        small = tuple(i for i in range(len(self.own)) if i not in large)
        return (), small, tuple(sorted(large))

    def numbers(self) -> Float[np.ndarray, " number"]:
        """The chosen token's inputs."""
        return np.asarray(self.own, np.float64)

    def name(self, i: int) -> str:
        """An input's words."""
        return self.notes[i]

    def table(self) -> Table:
        """A row per input of the chosen token."""
        return Table.of((self.x_axis, self.own), (self.y_axis, self.own_y), (_("in words"), self.notes))

    def minus(self, other: Self) -> Curves:
        """How much more often inputs fall into each cell, of all and of the chosen token, in percentage points, over
        the cells of both together."""
        meet(self, other, "x_axis", "y_axis")
        ends = (min(self.x[0], other.x[0]), max(self.x[-1], other.x[-1]))
        edges = np.linspace(float(ends[0]), float(ends[1]), BINS + 1)
        middles = (edges[1:] + edges[:-1]) / 2
        groups = ((_("all inputs"), self.all, other.all), (_("the chosen token's"), self.own, other.own))
        shares = [
            (name, *(_percents(given, edges).astype(np.float64) for given in (one, two))) for name, one, two in groups
        ]
        curves = [Curve(name, middles, one - two) for name, one, two in shares]
        compared = (np.concatenate(side) for side in list(zip(*shares, strict=True))[1:])
        subtracted = Subtracted.of(_("inputs (%)"), *compared)
        end = 1.06 * largest(np.concatenate([curve.y for curve in curves]))
        return Curves(curves, self.x_axis, of_axis(_("inputs (%)")), y_ends=(-end, end), subtracted=(subtracted,))

    def lighter(self) -> Iterator["Activation"]:
        """With words for the strongest inputs only."""
        yield self
        notes = tuple(note if i in self.accent else "" for i, note in enumerate(self.notes))
        yield replace(self, notes=notes, remark=_("Only the strongest have words of their own here."))


def _curve(given: Activation) -> go.Scatter:
    return go.Scatter(
        x=given.x.astype(np.float32),
        y=given.y.astype(np.float32),
        mode="lines",
        line={"width": 2},
        showlegend=False,
        hoverinfo="skip",
    )


def _points(given: Activation) -> list[go.Scatter]:
    """The chosen token's inputs: small and faint, the accented ones as diamonds."""
    _curve, small, large = given._groups
    looks = (
        (small, given.own_name, {"size": 5, "color": FOCUS, "opacity": _FAINT}),
        (
            large,
            ngettext(
                "its {count} strongest neuron",
                "its {count} strongest neurons",
                len(given.accent),
            ),
            {"size": 9, "color": FOCUS, "symbol": "diamond"},
        ),
    )
    return [
        go.Scatter(
            x=given.own[list(where)].astype(np.float32),
            y=given.own_y[list(where)].astype(np.float32),
            mode="markers",
            name=escaped(name),
            marker=marker,
            hovertext=[escaped(given.notes[i]) for i in where],
            hovertemplate="%{hovertext}<extra></extra>",
        )
        for where, name, marker in looks
    ]


def _ring(given: Activation, chosen: int) -> go.Scatter:
    """Around the chosen input, which answers itself."""
    return go.Scatter(
        x=given.own[[chosen]].astype(np.float32),
        y=given.own_y[[chosen]].astype(np.float32),
        mode="markers",
        name=_("the chosen one"),
        marker={"size": 15, "color": FOCUS, "symbol": "circle-open", "line": {"width": 2}},
        hoverinfo="skip",
    )


def _histograms(given: Activation) -> list[go.Bar | go.Scatter]:
    """Percent of all inputs by cell as bars; of the chosen token's, where there are others, as a line in steps."""
    edges = np.linspace(float(given.x[0]), float(given.x[-1]), BINS + 1)
    middles = ((edges[1:] + edges[:-1]) / 2).astype(np.float32)
    every, own = (_percents(values, edges) for values in (given.all, given.own))
    width = edges[1] - edges[0]
    bars = go.Bar(
        x=middles,
        y=every,
        width=width,
        name=_("all {count} inputs", count=thousands(len(given.all))),
        marker={"color": NEUTRAL, "opacity": CALM},
        hovertemplate=_("around {x}: {y} % of all inputs", x="%{x:.3~g}", y="%{y:.3~g}") + "<extra></extra>",
    )
    steps = go.Scatter(
        x=middles,
        y=own,
        mode="lines",
        line={"shape": "hvh", "width": 1.5, "color": FOCUS},
        showlegend=False,
        hoverinfo="skip",
    )
    return [bars, steps] if len(given.all) > len(given.own) else [bars]


def _percents(values: Float[np.ndarray, " input"], edges: Float[np.ndarray, " edge"]) -> Float[np.ndarray, " cell"]:
    """Percent of the values in each cell; those beyond an end count in the outer cell."""
    ends = (float(edges[0]), float(edges[-1]))  # with equal cells between two ends numpy need not sort the values
    counts = np.histogram(np.clip(values, *ends), len(edges) - 1, ends)[0]
    return (100 * counts / max(len(values), 1)).astype(np.float32)

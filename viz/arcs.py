"""Attention as ribbons from the tokens that look, on the left, to those looked at, on the right."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.language import N_, _
from viz.description import Plotted
from viz.format import escaped, exact_percent, percent, signed_percent
from viz.marks import tokens
from viz.partners import Partner, Subtracted, called, common, in_order, labels, marked, meet, place_of, stood
from viz.scale import clipped, columns
from viz.table import Table
from viz.theme import FOCUS, LEGEND, MONO, NEUTRAL

_ROW, _AROUND = 22, 48
_LETTER = 7.6
_THICK = 0.8  # of a row, at weight 1
_FAINT = 0.28
_ENDS = 2  # the trace of the points where ribbons end, after two of ribbons
_LEAST = (0.03, 0.1, 0.3)  # of ribbons in lighter figures
_BEND = (1 - np.cos(np.linspace(0.0, np.pi, 17))) / 2  # [step] how far across a ribbon has come
_ACROSS = np.linspace(0.0, 1.0, 17)


@dataclass(frozen=True)
class Ribbon:
    """From row `looking` on the left to row `looked` on the right, as thick as its weight; chosen: in the accent."""

    looking: int
    looked: int
    weight: float
    chosen: bool


@dataclass(frozen=True)
class Arcs(Plotted):
    """left, right: labels of the rows from the top; chosen: the left row in bold, looked: the right one, or None.

    least   smaller weights have no ribbon
    signed  the weights are differences: those above 0 are in the accent, those below in the second colour
    stands  of each row on the left, then of each on the right; for the labels as well as for the chosen one's ribbons
    """

    kind: ClassVar[str] = N_("Ribbons between tokens")
    left: tuple[str, ...]
    right: tuple[str, ...]
    ribbons: tuple[Ribbon, ...]
    left_title: str
    right_title: str
    chosen: int
    looked: int | None = None
    least: float = 0.0
    signed: bool = False

    def traces(self) -> go.Figure:
        """The chosen token's ribbons in the accent over the grey ones of the others; labels on both sides."""
        figure = go.Figure()
        for first in (True, False):
            group = [
                ribbon for ribbon in self.ribbons if (ribbon.weight > 0 if self.signed else ribbon.chosen) is first
            ]
            figure.add_trace(_signed(self, group, first) if self.signed else _ribbons(self, group, first))
        figure.add_trace(_ends(self))
        if not self.signed:
            figure.add_trace(_begins(self))
        rows = max(len(self.left), len(self.right))
        figure.update_xaxes(visible=False, range=[0, 1], fixedrange=True)
        figure.update_yaxes(visible=False, range=[rows - 0.4, -1.6], fixedrange=True)
        figure.update_layout(height=_AROUND + _ROW * (rows + 1), showlegend=False, margin=_margin(self))
        if self.signed:
            figure.update_layout(showlegend=True, legend=LEGEND, margin_t=36, height=_AROUND + _ROW * (rows + 1) + 28)
        # All at once: plotly checks the whole list again for each that is added (1.4 s for 56 tokens).
        return figure.update_layout(annotations=_labels(self, rows))

    def place(self, trace: int, point: int) -> tuple[int, int | None] | None:
        """Both rows of a ribbon of the chosen one, by its end; the row on the left alone, by its label."""
        if trace == _ENDS:
            own = [ribbon.looked for ribbon in self.ribbons if ribbon.chosen]
            return (self.chosen, own[point]) if 0 <= point < len(own) else None
        return (point, None) if trace == _ENDS + 1 and 0 <= point < len(self.left) else None

    @property
    def axes(self) -> str:
        """Both sides."""
        return f"{self.left_title} → {self.right_title}"

    def numbers(self) -> Float[np.ndarray, " number"]:
        """The weight of each ribbon."""
        return np.array([ribbon.weight for ribbon in self.ribbons], np.float64)

    def name(self, i: int) -> str:
        """The two tokens of a ribbon."""
        return f"{self.left[self.ribbons[i].looking]} → {self.right[self.ribbons[i].looked]}"

    def table(self) -> Table:
        """A row per ribbon."""
        return Table.of(
            (self.left_title, [self.left[ribbon.looking] for ribbon in self.ribbons]),
            (self.right_title, [self.right[ribbon.looked] for ribbon in self.ribbons]),
            (_("weight"), [ribbon.weight for ribbon in self.ribbons]),
        )

    def minus(self, other: Self) -> "Arcs":
        """Ribbon less ribbon between tokens that both have, matched in order; those of one alone are marked and have
        none. A weight too small for a ribbon counts as 0, which the sentence beneath says."""
        meet(self, other, "left_title", "right_title")
        sides = [(tokens(self.stands, side), tokens(other.stands, side)) for side in (0, 1)]
        left = in_order(self.left, other.left, (self.chosen, other.chosen), sides[0])
        right = in_order(self.right, other.right, (self.looked, other.looked), sides[1])
        common(left, "token")
        common(right, "token")
        one, two = _weights(self, left, right, 0), _weights(other, left, right, 1)
        chosen = place_of(left, self.chosen) or 0
        drawn = [(row, col) for row, col in sorted({*one, *two}) if None not in left[row] and None not in right[col]]
        least = max(self.least, other.least)
        remarks = (
            _("A weight below {least} counts as 0.", least=exact_percent(least)) if least else "",
            marked(None in pair for pair in [*left, *right]),
        )
        return replace(
            self,
            left=labels(left, self.left, other.left),
            right=labels(right, self.right, other.right),
            ribbons=tuple(
                Ribbon(row, col, one.get((row, col), 0.0) - two.get((row, col), 0.0), row == chosen)
                for row, col in drawn
            ),
            chosen=chosen,
            looked=None,
            least=least,
            signed=True,
            remark=" ".join(filter(None, remarks)),
            subtracted=(
                Subtracted.of(_("weight"), *(np.array([side.get(at, 0.0) for at in drawn]) for side in (one, two))),
            ),
            stands=stood(other.stands, left, right),
            beside={},
        )

    def lighter(self) -> Iterator["Arcs"]:
        """Without the thin ribbons of tokens other than the chosen one."""
        yield self
        for least in _LEAST:
            if least > self.least:
                kept = tuple(ribbon for ribbon in self.ribbons if ribbon.chosen or abs(ribbon.weight) >= least)
                words = _("Of other tokens, ribbons below {least} are left out.", least=exact_percent(least))
                yield replace(self, ribbons=kept, remark=" ".join(filter(None, (self.remark, words))))


def _weights(given: Arcs, left: list[Partner], right: list[Partner], side: int) -> dict[tuple[int, int], float]:
    """The weight of each ribbon by the rows of a difference. side: 0 for the first of two, 1 for the second."""
    rows, cols = ({pair[side]: at for at, pair in enumerate(pairs)} for pairs in (left, right))
    return {(rows[ribbon.looking], cols[ribbon.looked]): ribbon.weight for ribbon in given.ribbons}


def _labels(given: Arcs, rows: int) -> list[dict]:
    """Every row's label and the titles, on both sides."""
    annotations = []
    for x, side, title, bold in _sides(given):
        annotations += [_label(x, _height(row, len(side), rows), label, row == bold) for row, label in enumerate(side)]
        annotations.append(_label(x, -1.1, title, False) | {"font": {"size": 12}})
    return annotations


def _sides(given: Arcs) -> Iterable[tuple[int, tuple[str, ...], str, int | None]]:
    return (0, given.left, given.left_title, given.chosen), (1, given.right, given.right_title, given.looked)


def _height(row: int, count: int, rows: int) -> float:
    """Where a row of the shorter side stands: its rows are in the middle of the longer side's."""
    return row + (rows - count) / 2


def _ribbons(given: Arcs, group: list[Ribbon], chosen: bool) -> go.Scatter:
    """All ribbons of one colour as one filled path."""
    rows = max(len(given.left), len(given.right))
    outlines = [_outline(given, ribbon, rows) for ribbon in group]
    colour = None if chosen else NEUTRAL
    return go.Scatter(
        x=_joined([outline[0] for outline in outlines]),
        y=_joined([outline[1] for outline in outlines]),
        mode="lines",
        line={"width": 0.5, "color": colour},
        fill="toself",
        fillcolor=None if chosen else "rgba(125,133,141,0.28)",
        opacity=1.0 if chosen else 2 * _FAINT,
        zorder=2 if chosen else 1,
        hoverinfo="skip",
    )


def _signed(given: Arcs, group: list[Ribbon], more: bool) -> go.Scatter:
    """The ribbons of one sign, with their name in the legend."""
    colour, name = (None, _(called().more[0])) if more else (FOCUS, _(called().more[1]))
    fill = {"fillcolor": None if more else "rgba(213,94,0,0.5)", "line": {"width": 0.5, "color": colour}}
    return _ribbons(given, group, True).update(**fill, name=name)


def _outline(given: Arcs, ribbon: Ribbon, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Along the upper edge and back along the lower."""
    start = _height(ribbon.looking, len(given.left), rows)
    end = _height(ribbon.looked, len(given.right), rows)
    middle, half = start + (end - start) * _BEND, abs(ribbon.weight) * _THICK / 2
    x = np.concatenate([_ACROSS, _ACROSS[::-1]])
    return x, np.concatenate([middle - half, (middle + half)[::-1]])


def _joined(parts: list[np.ndarray]) -> Float[np.ndarray, " point"]:
    """The paths one after another, with a gap after each."""
    return np.concatenate([np.append(part, np.nan) for part in parts] or [np.empty(0)]).astype(np.float32)


def _ends(given: Arcs) -> go.Scatter:
    """Points on the right where the chosen ribbons arrive, with their weight to read."""
    rows = max(len(given.left), len(given.right))
    own = [ribbon for ribbon in given.ribbons if ribbon.chosen]
    looking, written = escaped(given.left[given.chosen]), signed_percent if given.signed else percent
    return go.Scatter(
        x=[1.0] * len(own),
        y=[_height(ribbon.looked, len(given.right), rows) for ribbon in own],
        mode="markers",
        marker={"size": 12, "color": NEUTRAL, "opacity": 0},
        hovertext=[f"{looking} → {escaped(given.right[r.looked])}: {written(r.weight)}" for r in own],
        hovertemplate="%{hovertext}<extra></extra>",
        showlegend=False if given.signed else None,
    )


def _begins(given: Arcs) -> go.Scatter:
    """Points on the left where ribbons begin, with the largest weight of each to read."""
    rows = max(len(given.left), len(given.right))
    return go.Scatter(
        x=[0.0] * len(given.left),
        y=[_height(row, len(given.left), rows) for row in range(len(given.left))],
        mode="markers",
        marker={"size": 12, "color": NEUTRAL, "opacity": 0},
        hovertext=[escaped(_largest(given, row)) for row in range(len(given.left))],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _largest(given: Arcs, row: int) -> str:
    """A token on the left with the largest of its ribbons; the token alone where it has none."""
    own = [ribbon for ribbon in given.ribbons if ribbon.looking == row]
    if not own:
        return given.left[row]
    most = max(own, key=lambda ribbon: ribbon.weight)
    return f"{given.left[row]} → {given.right[most.looked]}: {percent(most.weight)}"


def _label(x: int, y: float, label: str, bold: bool) -> dict:
    text = escaped(clipped(label, 20))
    return {
        "x": x,
        "y": y,
        "text": f"<b>{text}</b>" if bold else text,
        "font": {"family": MONO, "size": 12},
        "showarrow": False,
        "xanchor": "right" if x == 0 else "left",
        "xshift": -8 if x == 0 else 8,
    }


def _margin(given: Arcs) -> dict[str, float]:
    widest = [
        max(columns(clipped(label, 20)) for label in (*labels, title)) * _LETTER + 20
        for _x, labels, title, _bold in _sides(given)
    ]
    return {"l": widest[0], "r": widest[1], "t": 8, "b": 8}

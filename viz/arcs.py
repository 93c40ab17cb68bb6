"""Attention as ribbons from the tokens that look, on the left, to those looked at, on the right."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from viz.description import Plotted
from viz.format import escaped, percent
from viz.scale import clipped, columns
from viz.theme import MONO, NEUTRAL

_ROW, _AROUND = 22, 48
_LETTER = 7.6
_THICK = 0.8  # of a row, at weight 1
_FAINT = 0.28
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
    """left, right: labels of the rows from the top; chosen: the left row in bold, looked: the right one, or None."""

    left: tuple[str, ...]
    right: tuple[str, ...]
    ribbons: tuple[Ribbon, ...]
    left_title: str
    right_title: str
    chosen: int
    looked: int | None = None

    def drawn(self) -> go.Figure:
        """The chosen token's ribbons in the accent over the grey ones of the others; labels on both sides."""
        figure = go.Figure()
        for chosen in (True, False):
            figure.add_trace(_ribbons(self, [ribbon for ribbon in self.ribbons if ribbon.chosen is chosen], chosen))
        figure.add_trace(_ends(self))
        rows = max(len(self.left), len(self.right))
        figure.update_xaxes(visible=False, range=[0, 1], fixedrange=True)
        figure.update_yaxes(visible=False, range=[rows - 0.4, -1.6], fixedrange=True)
        figure.update_layout(height=_AROUND + _ROW * (rows + 1), showlegend=False, margin=_margin(self))
        # All at once: plotly checks the whole list again for each that is added (1.4 s for 56 tokens).
        return figure.update_layout(annotations=_labels(self, rows))


def _labels(given: Arcs, rows: int) -> list[dict]:
    """Every row's label and the titles, on both sides."""
    annotations = []
    for x, labels, title, bold in _sides(given):
        annotations += [
            _label(x, _height(row, len(labels), rows), label, row == bold) for row, label in enumerate(labels)
        ]
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


def _outline(given: Arcs, ribbon: Ribbon, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Along the upper edge and back along the lower."""
    start = _height(ribbon.looking, len(given.left), rows)
    end = _height(ribbon.looked, len(given.right), rows)
    middle, half = start + (end - start) * _BEND, ribbon.weight * _THICK / 2
    x = np.concatenate([_ACROSS, _ACROSS[::-1]])
    return x, np.concatenate([middle - half, (middle + half)[::-1]])


def _joined(parts: list[np.ndarray]) -> Float[np.ndarray, " point"]:
    """The paths one after another, with a gap after each."""
    return np.concatenate([np.append(part, np.nan) for part in parts] or [np.empty(0)]).astype(np.float32)


def _ends(given: Arcs) -> go.Scatter:
    """Points on the right where the chosen ribbons arrive, with their weight to read."""
    rows = max(len(given.left), len(given.right))
    own = [ribbon for ribbon in given.ribbons if ribbon.chosen]
    looking = escaped(given.left[given.chosen])
    return go.Scatter(
        x=[1.0] * len(own),
        y=[_height(ribbon.looked, len(given.right), rows) for ribbon in own],
        mode="markers",
        marker={"size": 12, "color": NEUTRAL, "opacity": 0},
        hovertext=[f"{looking} → {escaped(given.right[r.looked])}: {percent(r.weight)}" for r in own],
        hovertemplate="%{hovertext}<extra></extra>",
    )


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
        for _, labels, title, _ in _sides(given)
    ]
    return {"l": widest[0], "r": widest[1], "t": 8, "b": 8}

"""Points over a numbered axis, held against levels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from viz.description import Plotted
from viz.format import escaped, number
from viz.level import Level
from viz.lines import log_ticks
from viz.theme import FOCUS, NEUTRAL

_HEIGHT = 380


@dataclass(frozen=True)
class Dots(Plotted):
    """Points over a numbered axis: x and y, words for each in the hover box, titles with units, levels to compare.

    logarithmic  the y axis follows log10(y); else it begins at 0
    above        the points in the accent lie over the others
    """

    x: Float[np.ndarray, " point"]
    y: Float[np.ndarray, " point"]
    notes: tuple[str, ...]
    accent: tuple[bool, ...]
    x_axis: str
    y_axis: str
    levels: Sequence[Level] = ()
    logarithmic: bool = True
    above: bool = False

    def drawn(self) -> go.Figure:
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


def _y_axis(given: Dots) -> dict:
    values = [*given.y.tolist(), *(level.value for level in given.levels)]
    low, high = min(values), max(values)
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

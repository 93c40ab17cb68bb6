"""Several measures of the same rows, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from viz.description import Plotted
from viz.format import escaped
from viz.rows import LAYOUT, ROW, Bar, bar_trace, ends_of, height, row_axis, row_label, with_room


@dataclass(frozen=True)
class Column:
    """One measure of every row: its title with unit, the values, their words."""

    title: str
    values: Float[np.ndarray, " row"]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Measures(Plotted):
    """The same rows, named by labels, under several measures side by side."""

    labels: Sequence[str]
    measures: Sequence[Column]

    def drawn(self) -> go.Figure:
        """The first measure in the accent, each on an axis of its own."""
        figure = make_subplots(rows=1, cols=len(self.measures), shared_yaxes=True, horizontal_spacing=0.04)
        places = np.arange(len(self.labels), dtype=np.float32)
        for i, measure in enumerate(self.measures):
            rows = [
                Bar(label, float(value), text)
                for label, value, text in zip(self.labels, measure.values, measure.texts, strict=True)
            ]
            bars = bar_trace(rows, places, [True] * len(rows), i == 0)
            figure.add_trace(bars, row=1, col=i + 1)
            ends = with_room(rows, *ends_of(rows), parts=len(self.measures))
            figure.update_xaxes(
                title_text=escaped(measure.title), zeroline=True, range=ends, nticks=4, row=1, col=i + 1
            )
        figure.update_yaxes(**row_axis([row_label(label) for label in self.labels], places))
        figure.update_layout(height=height(places, ROW), **LAYOUT)
        return figure

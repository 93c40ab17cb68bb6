"""Numbers per component of a vector, in strips one above another: bars, or a line that runs to a result."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from viz.description import Plotted
from viz.format import escaped, number
from viz.scale import thinned
from viz.theme import FOCUS, NEUTRAL

_STRIP, _AROUND = 170, 64
_MOST_TICKS = 16


@dataclass(frozen=True)
class Strip:
    """One strip: its title, a value per component with its unit, drawn as bars or as a line.

    end   words at the end of a line: what it arrives at
    """

    title: str
    values: Float[np.ndarray, " component"]
    unit: str
    shape: Literal["bars", "line"] = "bars"
    end: str = ""


@dataclass(frozen=True)
class Components(Plotted):
    """Strips over one axis of component numbers; axis: its title."""

    strips: Sequence[Strip]
    axis: str

    def drawn(self) -> go.Figure:
        """The first strip in the accent, the others calm."""
        figure = make_subplots(
            rows=len(self.strips),
            cols=1,
            shared_xaxes=True,
            vertical_spacing=0.14,
            subplot_titles=[escaped(strip.title) for strip in self.strips],
        )
        figure.update_annotations(x=0, xanchor="left", font_size=13)
        for row, strip in enumerate(self.strips, start=1):
            draw = _bars if strip.shape == "bars" else _line
            figure.add_trace(draw(strip, self.axis, None if row == 1 else NEUTRAL), row=row, col=1)
            if strip.end:
                figure.add_annotation(_end(strip), row=row, col=1)
            figure.update_yaxes(title_text=escaped(strip.unit), nticks=5, zeroline=True, row=row, col=1)
        count = len(self.strips[0].values)
        ticks = {"tickvals": thinned(count, _MOST_TICKS), "range": [-0.8, count - 0.2], "showgrid": False}
        figure.update_xaxes(zeroline=False, **ticks)
        figure.update_xaxes(title_text=escaped(self.axis), row=len(self.strips), col=1)
        margin = {"l": 72, "r": 24, "t": 32, "b": 52}
        figure.update_layout(height=_AROUND + _STRIP * len(self.strips), showlegend=False, bargap=0.15, margin=margin)
        return figure


def _bars(strip: Strip, axis: str, colour: str | None) -> go.Bar:
    return go.Bar(**_points(strip), marker={"color": colour}, hovertemplate=_hover(strip, axis))


def _line(strip: Strip, axis: str, colour: str | None) -> go.Scatter:
    mode = "lines" if len(strip.values) > 1 else "markers"
    line = {"color": colour, "shape": "hv", "width": 2}
    return go.Scatter(**_points(strip), mode=mode, line=line, hovertemplate=_hover(strip, axis))


def _points(strip: Strip) -> dict:
    return {"x": np.arange(len(strip.values), dtype=np.float32), "y": strip.values.astype(np.float32)}


def _hover(strip: Strip, axis: str) -> str:
    return f"{escaped(axis)} %{{x}}<br>{escaped(strip.title)}: %{{y:,.4~g}}<extra></extra>"


def _end(strip: Strip) -> dict:
    """The result's words at the last point, on the side of zero where the line does not run."""
    last = float(strip.values[-1])
    return {
        "x": len(strip.values) - 1,
        "y": last,
        "text": f"<b>{escaped(strip.end)} {number(last)}</b>",
        "font": {"color": FOCUS},
        "showarrow": False,
        "xanchor": "right",
        "yanchor": "bottom" if last >= 0 else "top",
    }

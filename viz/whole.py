"""The whole of a long text in columns, below the bars of a part of it."""

from dataclasses import dataclass, replace

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from viz.format import escaped
from viz.partners import Partner, largest, of_axis
from viz.theme import CALM, FOCUS, NEUTRAL

_BENEATH, _GAP = 110, 96  # pixels: the whole below a part, and what lies between


@dataclass(frozen=True)
class Whole:
    """A long text in columns that hold a token each, or several; NaN where there is no number.

    middles, widths  where each column stands on an axis of positions, and how many of them it covers
    notes            words for the hover box
    focus            the column of the chosen token
    part             (first, end) of the positions that have bars above; None where that is not shown
    reach            where a y axis ends that is as long below 0 as above; None for any other
    """

    values: Float[np.ndarray, " column"]
    middles: Float[np.ndarray, " column"]
    widths: Int[np.ndarray, " column"]
    notes: tuple[str, ...]
    x_axis: str
    y_axis: str
    focus: int
    part: tuple[int, int] | None = None
    reach: float | None = None

    def minus(self, other: "Whole") -> "Whole | None":
        """Column less column; None where the two have not the same columns."""
        if self.middles.tolist() != other.middles.tolist():
            return None
        values = self.values.astype(np.float64) - other.values
        reach = largest(values, self.values, other.values)
        notes = tuple(f"{one} − {two}" for one, two in zip(self.notes, other.notes, strict=True))
        return replace(self, values=values, notes=notes, y_axis=of_axis(self.y_axis), part=None, reach=reach)


def beneath(whole: Whole | None, before: int) -> list[Partner]:
    """The columns of a whole as pairs of which each has its own place, after so many marks of the part above."""
    return [] if whole is None else [(place, place) for place in range(before, before + len(whole.values))]


def below(figure: go.Figure, whole: Whole) -> None:
    """Put the whole below a figure of one pair of axes, which keeps its height; the part that has bars is framed."""
    chosen = np.arange(len(whole.values)) == whole.focus
    figure.add_bar(
        x=whole.middles.astype(np.float32),
        y=whole.values.astype(np.float32),
        width=whole.widths.astype(np.float32),
        marker={
            "color": np.where(chosen, FOCUS, NEUTRAL).tolist(),
            "opacity": np.where(chosen, 1.0, CALM).astype(np.float32),
            "line": {"width": 0},
        },
        hovertext=[escaped(note) for note in whole.notes],
        hovertemplate="%{hovertext}<extra></extra>",
        showlegend=False,
        xaxis="x2",
        yaxis="y2",
    )
    margin = figure.layout.margin
    around = margin.t + margin.b
    plot = figure.layout.height - around + _GAP + _BENEATH  # pixels between the upper and the lower margin
    half = float(whole.widths.max()) / 2
    figure.update_layout(
        height=plot + around,
        yaxis_domain=[(_BENEATH + _GAP) / plot, 1],
        yaxis2={"domain": [0, _BENEATH / plot], "title_text": escaped(whole.y_axis), "rangemode": "tozero"},
        xaxis2={
            "anchor": "y2",
            "title_text": escaped(whole.x_axis),
            "range": [float(whole.middles[0]) - half, float(whole.middles[-1]) + half],
            "tickformat": ",",
            "showgrid": False,
            "zeroline": False,
        },
    )
    figure.update_yaxes(tickformat=",.6~g")
    if whole.reach is not None:
        figure.update_layout(yaxis2_range=[-1.06 * whole.reach, 1.06 * whole.reach])
    if whole.part is not None:
        figure.add_shape(_frame(*whole.part))


def _frame(first: int, end: int) -> dict:
    """A frame around the positions that have bars above."""
    across = {"xref": "x2", "x0": first - 0.5, "x1": end - 0.5, "yref": "y2 domain", "y0": 0, "y1": 1}
    return {"type": "rect", "line": {"width": 1.5, "color": NEUTRAL}, "fillcolor": "rgba(0,0,0,0)", **across}

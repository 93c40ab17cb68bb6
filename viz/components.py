"""Numbers per component of a vector, in strips one above another: bars, or a line that runs to a result."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from anatomy.language import N_, _
from viz.description import Plotted
from viz.format import escaped, in_template, listed, number
from viz.partners import Subtracted, largest, meet, of_axis, of_titles
from viz.scale import thinned
from viz.table import Table
from viz.theme import FOCUS, NEUTRAL

_STRIP, _AROUND = 170, 64
_MOST_TICKS = 16


@dataclass(frozen=True)
class Strip:
    """One strip: its title, a value per component with its unit, drawn as bars or as a line.

    end    words at the end of a line: what it arrives at
    reach  where an axis ends that is as long below 0 as above; None for any other
    """

    title: str
    values: Float[np.ndarray, " component"]
    unit: str
    shape: Literal["bars", "line"] = "bars"
    end: str = ""
    reach: float | None = None


@dataclass(frozen=True)
class Components(Plotted):
    """Strips over one axis of component numbers; axis: its title."""

    kind: ClassVar[str] = N_("Numbers by component")
    strips: Sequence[Strip]
    axis: str

    def traces(self) -> go.Figure:
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
            if strip.reach is not None:
                figure.update_yaxes(range=[-1.06 * strip.reach, 1.06 * strip.reach], row=row, col=1)
        count = len(self.strips[0].values)
        ticks = {"tickvals": thinned(count, _MOST_TICKS), "range": [-0.8, count - 0.2], "showgrid": False}
        figure.update_xaxes(zeroline=False, **ticks)
        figure.update_xaxes(title_text=escaped(self.axis), row=len(self.strips), col=1)
        margin = {"l": 72, "r": 24, "t": 32, "b": 52}
        figure.update_layout(height=_AROUND + _STRIP * len(self.strips), showlegend=False, bargap=0.15, margin=margin)
        return figure

    @property
    def axes(self) -> str:
        """The strips' units over the components."""
        return _("{y} over {x}", y=listed(dict.fromkeys(strip.unit for strip in self.strips)), x=self.axis)

    def numbers(self) -> Float[np.ndarray, " number"]:
        """Strip after strip."""
        return np.concatenate([strip.values for strip in self.strips])

    def name(self, i: int) -> str:
        """A strip and a component."""
        strip, component = divmod(i, len(self.strips[0].values))
        return f"{self.strips[strip].title}, {self.axis} {component}"

    def table(self) -> Table:
        """A row per component, a column per strip."""
        count = len(self.strips[0].values)
        return Table.of((self.axis, range(count)), *((strip.title, strip.values) for strip in self.strips))

    def minus(self, other: Self) -> "Components":
        """Component less component, strip by strip in their order."""
        meet(self, other, "axis")
        made = [[(strip.unit, strip.shape, len(strip.values)) for strip in given.strips] for given in (self, other)]
        meet(self, other, strips=(made[0], made[1]))
        strips = [_less(one, two) for one, two in zip(self.strips, other.strips, strict=True)]
        subtracted = (
            Subtracted.of(one.unit, one.values, two.values) for one, two in zip(self.strips, other.strips, strict=True)
        )
        return Components(strips, self.axis, subtracted=tuple(subtracted))


def _less(first: Strip, second: Strip) -> Strip:
    """What the first strip has more than the second."""
    values = first.values.astype(np.float64) - second.values
    reach = largest(values, first.values, second.values)
    return Strip(of_titles(first.title, second.title), values, of_axis(first.unit), first.shape, reach=reach)


def _bars(strip: Strip, axis: str, colour: str | None) -> go.Bar:
    return go.Bar(**_points(strip), marker={"color": colour}, hovertemplate=_hover(strip, axis))


def _line(strip: Strip, axis: str, colour: str | None) -> go.Scatter:
    mode = "lines" if len(strip.values) > 1 else "markers"
    line = {"color": colour, "shape": "hv", "width": 2}
    return go.Scatter(**_points(strip), mode=mode, line=line, hovertemplate=_hover(strip, axis))


def _points(strip: Strip) -> dict:
    return {"x": np.arange(len(strip.values), dtype=np.float32), "y": strip.values.astype(np.float32)}


def _hover(strip: Strip, axis: str) -> str:
    return f"{in_template(axis)} %{{x}}<br>{in_template(strip.title)}: %{{y:,.4~g}}<extra></extra>"


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

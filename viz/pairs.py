"""Two amounts per place in a row as upright bars, side by side or one on the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.language import N_
from viz.description import OnAxes
from viz.format import escaped
from viz.marks import nth, tokens
from viz.partners import (
    Partner,
    Subtracted,
    along,
    common,
    difference,
    labels,
    largest,
    marked,
    meet,
    of_titles,
    one_or_both,
    place_of,
    signed,
    stood,
    taken,
    without,
)
from viz.scale import MOST_PLACES, thinned
from viz.table import Table
from viz.theme import CALM, FOCUS, LEGEND, NEUTRAL
from viz.whole import Whole, below, beneath


@dataclass(frozen=True)
class Lead:
    """An amount that stands before the others (the embedding before layer 0): name, tick, value, words to hover."""

    name: str
    tick: str
    value: float
    note: str


@dataclass(frozen=True)
class Pairs(OnAxes):
    """Two amounts per place in a row (attention and FFN by layer).

    values   [2 place]; amounts below 0 reach down, where they are not stacked
    names    what the two are
    notes    [2][place] words for the hover box
    focus    the chosen place
    stacked  one on the other instead of side by side
    lead     an amount before the first place
    ends     of the y axis; from the values where None
    places   what stands under the places where it is not their number
    whole    the places are a part of a long text: what stands below them is all of it, on an axis of its own
    stands   of each place, then of each column of the whole; a lead stands for nothing
    """

    kind: ClassVar[str] = N_("Paired bars")
    values: Float[np.ndarray, "2 place"]
    names: tuple[str, str]
    notes: tuple[tuple[str, ...], tuple[str, ...]]
    x_axis: str
    y_axis: str
    focus: int | None = None
    stacked: bool = False
    lead: Lead | None = None
    ends: tuple[float, float] | None = None
    places: tuple[str, ...] | None = None
    whole: Whole | None = None

    def traces(self) -> go.Figure:
        """Upright bars: the first amount in the accent, the second grey; the chosen place framed."""
        figure = go.Figure()
        count = self.values.shape[1]
        for i, colour in ((0, None), (1, NEUTRAL)):
            figure.add_trace(
                go.Bar(
                    x=np.arange(count, dtype=np.float32),
                    y=self.values[i].astype(np.float32),
                    name=escaped(self.names[i]),
                    marker={"color": colour, "opacity": CALM if colour else 1.0},
                    hovertext=[escaped(note) for note in self.notes[i]],
                    hovertemplate="%{hovertext}<extra></extra>",
                )
            )
        if self.lead is not None:
            figure.add_trace(_lead(self.lead))
        if self.focus is not None:
            frame = {"width": 2, "color": FOCUS}
            figure.add_vrect(x0=self.focus - 0.5, x1=self.focus + 0.5, line=frame, fillcolor="rgba(0,0,0,0)")
        figure.update_xaxes(
            title_text=escaped(self.x_axis), showgrid=False, zeroline=False, **_x_axis(self.lead, count)
        )
        if self.places is not None:
            shown = thinned(count, MOST_PLACES)
            figure.update_xaxes(tickvals=shown, ticktext=[escaped(self.places[place]) for place in shown])
        figure.update_yaxes(title_text=escaped(self.y_axis), tickformat=",.6~g", rangemode="tozero")
        if self.stacked:
            figure.update_yaxes(range=[0, float(self.values.sum(axis=0).max())])
        if self.ends is not None:
            figure.update_yaxes(range=list(self.ends))
        if np.nanmin(self.values, initial=0.0) < 0:
            figure.add_hline(y=0, line={"width": 1, "color": NEUTRAL})
        figure.update_layout(
            height=380,
            barmode="stack" if self.stacked else "group",
            bargap=0.2,
            legend=LEGEND,
            margin={"l": 64, "r": 16, "t": 36, "b": 52},
        )
        if self.whole is not None:
            below(figure, self.whole)
        return figure

    def place(self, trace: int, point: int) -> tuple[int] | None:
        """The place of either amount, or the column of the whole, counted after the places; the lead has none."""
        count = self.values.shape[1]
        if self.whole is not None and trace == (2 if self.lead is None else 3):
            return nth(range(count, count + len(self.whole.values)), point)
        return nth(range(count), point) if trace in (0, 1) else None

    @property
    def _labels(self) -> tuple[str, ...]:
        """What stands under the places."""
        return self.places or tuple(map(str, range(self.values.shape[1])))

    def numbers(self) -> Float[np.ndarray, " number"]:
        """The first amounts, then the second ones, then the lead."""
        return np.append(self.values.ravel(), [self.lead.value] if self.lead else [])

    def name(self, i: int) -> str:
        """An amount at a place."""
        if i == self.values.size and self.lead is not None:
            return self.lead.name
        row, place = divmod(i, self.values.shape[1])
        return f"{self.names[row]}, {self.x_axis} {self._labels[place]}"

    def table(self) -> Table:
        """A row per place, the lead first."""
        lead = [(self.lead.tick, self.lead.value, None)] if self.lead else []
        rows = zip(self._labels, *self.values.tolist(), strict=True)
        return Table((self.x_axis, *self.names), (*lead, *rows))

    def minus(self, other: Self) -> "Pairs":
        """Place by place, both amounts and the lead; places without a partner are marked and empty."""
        meet(self, other, "x_axis", "names")
        meet(self, other, y_axis=(without(self.y_axis, self.about), without(other.y_axis, other.about)))
        pairs = along(self._labels, other._labels, places=(tokens(self.stands, 0), tokens(other.stands, 0)))
        common(pairs, "place")
        values = difference(pairs, self.values, other.values)
        lead = self.lead and other.lead and _lead_less(self.lead, other.lead)
        end = 1.06 * largest(np.append(values, lead.value if lead else 0.0), self.values, other.values)
        places = labels(pairs, self._labels, other._labels)
        return replace(
            self,
            values=values,
            notes=tuple(
                tuple(
                    f"{name}, {self.x_axis} {place}: {signed(value)}" for place, value in zip(places, row, strict=True)
                )
                for name, row in zip(self.names, values.tolist(), strict=True)
            ),
            y_axis=of_titles(self.y_axis, other.y_axis),
            about="",
            focus=place_of(pairs, self.focus),
            stacked=False,
            lead=lead,
            ends=(-end, end),
            places=None if self.places is None and places == self._labels else places,
            whole=self.whole and other.whole and self.whole.minus(other.whole),
            remark=marked(None in pair for pair in pairs),
            subtracted=(
                Subtracted.of(one_or_both(self.y_axis, other.y_axis), *_beside(self, other, pairs, lead is not None)),
            ),
            stands=stood(other.stands, [*pairs, *beneath(other.whole, len(other._labels))]),
            beside={},
        )


def _beside(first: Pairs, second: Pairs, pairs: Sequence[Partner], lead: bool) -> list[Float[np.ndarray, " number"]]:
    """The numbers of both that a difference is made of. lead: it has one."""
    sides = ((first, [i for i, _j in pairs]), (second, [j for _i, j in pairs]))
    leads = ([given.lead.value] if lead and given.lead else [] for given in (first, second))
    return [
        np.append(taken(given.values, places), enters) for (given, places), enters in zip(sides, leads, strict=True)
    ]


def _lead_less(first: Lead, second: Lead) -> Lead:
    return replace(first, value=first.value - second.value, note=f"{first.note} − {second.note}")


def _lead(lead: Lead) -> go.Bar:
    """Hatched and as wide as the pairs, one place before the first."""
    return go.Bar(
        x=[-1],
        y=[lead.value],
        width=0.8,
        offset=-0.4,
        name=escaped(lead.name),
        marker={"color": NEUTRAL, "pattern": {"shape": "/"}},
        hovertext=[escaped(lead.note)],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _x_axis(lead: Lead | None, count: int) -> dict:
    """Range and ticks; the lead has a tick of its own."""
    shown = thinned(count, MOST_PLACES)
    if lead is None:
        return {"tickvals": shown, "range": [-0.6, count - 0.4]}
    shown = shown if count < MOST_PLACES else shown[1:]  # no room for the first one beside the lead's
    words = [escaped(lead.tick), *map(str, shown)]
    return {"tickvals": [-1, *shown], "ticktext": words, "range": [-1.6, count - 0.4]}

"""Upright bars over the tokens of a text: one number each, the chosen one in the accent, held against a level. Of a
long text those of a part, above the whole in columns."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.language import N_, _
from viz.description import OnAxes
from viz.format import escaped
from viz.level import Level
from viz.marks import in_groups, tokens
from viz.partners import (
    Subtracted,
    along,
    common,
    difference,
    labels,
    largest,
    marked,
    meet,
    of_axis,
    place_of,
    signed,
    stood,
    taken,
)
from viz.scale import clipped, columns, thinned
from viz.table import Table
from viz.theme import CALM, FOCUS, MONO, NEUTRAL
from viz.whole import Whole, below, beneath

_HEIGHT, _MOST_TICKS = 380, 40
_LABEL = 12  # character cells of a label under its bar


@dataclass(frozen=True)
class Upright(OnAxes):
    """A value per token; NaN where there is none.

    labels  what stands under each bar; with many, only some are written, with their positions
    notes   words for the hover box
    focus   the chosen token
    level   the mean, as a line across
    reach   where a y axis ends that is as long below 0 as above; None for any other
    whole   the values are a part of a long text: what stands below them is all of it, on an axis of its own
    stands  of each bar, then of each column of the whole

    ValueError where values, labels and notes are not equally many.
    """

    kind: ClassVar[str] = N_("Bars over a text")
    values: Float[np.ndarray, " pos"]
    labels: tuple[str, ...]
    notes: tuple[str, ...]
    x_axis: str
    y_axis: str
    focus: int
    level: Level | None = None
    whole: Whole | None = None
    reach: float | None = None

    def __post_init__(self) -> None:
        if not len(self.values) == len(self.labels) == len(self.notes):
            raise ValueError(f"{len(self.values)} values, {len(self.labels)} labels, {len(self.notes)} notes")

    def traces(self) -> go.Figure:
        """The bars in the order of the text. Equal labels stay apart."""
        figure = go.Figure()
        there = np.isfinite(self.values)
        chosen = np.arange(len(self.values)) == self.focus
        for where, colour in ((there & chosen, None), (there & ~chosen, NEUTRAL)):
            places = np.flatnonzero(where)
            figure.add_trace(
                go.Bar(
                    x=places.astype(np.float32),
                    y=self.values[places].astype(np.float32),
                    width=0.8,
                    marker={"color": colour, "opacity": CALM if colour else 1.0},
                    hovertext=[escaped(self.notes[place]) for place in places],
                    hovertemplate="%{hovertext}<extra></extra>",
                )
            )
        if self.level is not None:
            figure.add_hline(y=self.level.value, line={"width": 1.5, "dash": "dash", "color": FOCUS})
            figure.add_annotation(_words(self.level))
        shown = thinned(len(self.labels), _MOST_TICKS)
        figure.update_xaxes(
            title_text=escaped(self.x_axis),
            tickvals=shown,
            ticktext=[_tick(self, place, len(shown)) for place in shown],
            tickangle=-50,
            tickfont={"family": MONO},
            range=[-0.6, len(self.labels) - 0.4],
            showgrid=False,
            zeroline=False,
            automargin=True,
        )
        figure.update_yaxes(title_text=escaped(self.y_axis), rangemode="tozero", tickformat=",.6~g")
        if self.reach is not None:
            figure.update_yaxes(range=[-1.06 * self.reach, 1.06 * self.reach], zeroline=True)
        if not there.any():
            figure.update_yaxes(range=[0, 1], showticklabels=False)
        figure.update_layout(
            height=_HEIGHT, showlegend=False, barmode="overlay", margin={"l": 64, "r": _right(self), "t": 24, "b": 64}
        )
        if self.whole is not None:
            below(figure, self.whole)
        return figure

    def place(self, trace: int, point: int) -> tuple[int] | None:
        """The bar, or the column of the whole, counted after the bars."""
        return in_groups(self._groups, trace, point)

    @cached_property
    def _groups(self) -> tuple[Sequence[int], ...]:
        """The bars of each trace, then the columns of the whole."""
        count, there = len(self.values), np.flatnonzero(np.isfinite(self.values))
        columns = 0 if self.whole is None else len(self.whole.values)
        bars = there[there == self.focus].tolist(), there[there != self.focus].tolist()
        return *bars, range(count, count + columns)

    def numbers(self) -> Float[np.ndarray, " number"]:
        """A number per bar."""
        return self.values

    def name(self, i: int) -> str:
        """What stands under a bar."""
        return self.labels[i]

    def table(self) -> Table:
        """A row per bar; those of the part where there is a whole."""
        return Table.of((self.x_axis, self.labels), (self.y_axis, self.values))

    def minus(self, other: Self) -> "Upright":
        """Bar less bar, matched by label in order; those without a partner are marked and empty. The level is
        subtracted where both have one; the whole where both have the same columns."""
        meet(self, other, "x_axis", "y_axis")
        places = (tokens(self.stands, 0), tokens(other.stands, 0))
        pairs = along(self.labels, other.labels, (self.focus, other.focus), places)
        common(pairs, "label")
        values, names = difference(pairs, self.values, other.values), labels(pairs, self.labels, other.labels)
        level = self.level and other.level and self.level.value - other.level.value
        return replace(
            self,
            values=values,
            labels=names,
            notes=tuple(f"{name}: {signed(value)}" for name, value in zip(names, values.tolist(), strict=True)),
            y_axis=of_axis(self.y_axis),
            focus=place_of(pairs, self.focus) or 0,
            level=None if level is None else Level(level, _("mean {value}", value=signed(level))),
            whole=self.whole and other.whole and self.whole.minus(other.whole),
            reach=largest(np.append(values, level or 0.0), self.values, other.values),
            remark=marked(None in pair for pair in pairs),
            subtracted=(
                Subtracted.of(
                    self.y_axis,
                    taken(self.values, (i for i, _j in pairs)),
                    taken(other.values, (j for _i, j in pairs)),
                ),
            ),
            stands=stood(other.stands, [*pairs, *beneath(other.whole, len(other.labels))]),
            beside={},
        )


def _words(level: Level) -> dict:
    """The level's words beside its line, where no bar stands."""
    place = {"x": 1, "xref": "x domain", "xanchor": "left", "xshift": 4, "y": level.value}
    return place | {"text": escaped(level.text), "showarrow": False, "font": {"color": FOCUS}}


def _right(given: Upright) -> int:
    """As much room on the right as the level's words need."""
    return 16 if given.level is None else 16 + 7 * columns(given.level.text)


def _tick(given: Upright, place: int, shown: int) -> str:
    label = clipped(given.labels[place], _LABEL)
    written = escaped(label if shown == len(given.labels) else f"{place} {label}")
    return f"<b>{written}</b>" if place == given.focus else written

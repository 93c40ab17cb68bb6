"""Several measures of the same rows, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from anatomy.language import N_, _
from viz import scale
from viz.description import Plotted
from viz.format import escaped, listed
from viz.marks import Stands, nth, tokens
from viz.partners import (
    Partner,
    Subtracted,
    alone,
    by_name,
    common,
    labels,
    largest,
    marked,
    meet,
    of_axis,
    place_of,
    ranked,
    signed,
    stood,
    taken,
)
from viz.rows import LAYOUT, LETTER, ROW, WIDTH, Bar, bar_trace, ends_of, height, row_axis, row_label, with_room
from viz.sentences import wrapped
from viz.table import Table

_LINE = 16  # pixels of a further line of a title
_MARGINS = 30  # pixels at both sides, and between labels and bars


@dataclass(frozen=True)
class Column:
    """One measure of every row: its title with unit, the values, their words.

    reach  where an axis ends that is as long below 0 as above; from the values where None
    subtracted  of a difference, what it was made of
    """

    title: str
    values: Float[np.ndarray, " row"]
    texts: tuple[str, ...]
    reach: float | None = None
    subtracted: Subtracted | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Measures(Plotted):
    """The same rows, named by labels, under several measures side by side.

    signed  each axis is as long below 0 as above
    focus   the row that the reader has chosen: its label in bold; None for none
    stands  of each row
    """

    kind: ClassVar[str] = N_("Bar charts")
    labels: Sequence[str]
    measures: Sequence[Column]
    signed: bool = False
    focus: int | None = None

    def traces(self) -> go.Figure:
        """The first measure in the accent, each on an axis of its own."""
        figure = make_subplots(rows=1, cols=len(self.measures), shared_yaxes=True, horizontal_spacing=0.04)
        places = np.arange(len(self.labels), dtype=np.float32)
        titles = [self._in_lines(measure.title) for measure in self.measures]
        for i, measure in enumerate(self.measures):
            rows = [
                Bar(label, 0.0 if np.isnan(value) else float(value), text)
                for label, value, text in zip(self.labels, measure.values, measure.texts, strict=True)
            ]
            bars = bar_trace(rows, places, [True] * len(rows), i == 0)
            figure.add_trace(bars, row=1, col=i + 1)
            end = measure.reach or largest(measure.values)
            low, high = (-end, end) if self.signed else ends_of(rows)
            ends = with_room(rows, low, high, parts=len(self.measures))
            ticks = _ticks(*ends)
            figure.update_xaxes(title_text=titles[i], zeroline=True, range=ends, tickvals=ticks, row=1, col=i + 1)
        figure.update_yaxes(
            **row_axis([row_label(label, i == self.focus) for i, label in enumerate(self.labels)], places)
        )
        below = _LINE * max(title.count("<br>") for title in titles)
        figure.update_layout(LAYOUT, height=height(places, ROW) + below, margin_b=LAYOUT["margin"]["b"] + below)
        return figure

    def _in_lines(self, title: str) -> str:
        """A title in lines that fit below one measure, where the figure is as narrow as it gets."""
        beside = LETTER * max((scale.columns(row_label(label)) for label in self.labels), default=0) + _MARGINS
        return "<br>".join(map(escaped, wrapped(title, round((WIDTH - beside) / len(self.measures) / LETTER))))

    def place(self, trace: int, point: int) -> tuple[int] | None:
        """The row, under any of the measures."""
        return nth(range(len(self.labels)), point) if 0 <= trace < len(self.measures) else None

    @property
    def axes(self) -> str:
        """What is measured."""
        return listed(measure.title for measure in self.measures)

    def numbers(self) -> Float[np.ndarray, " number"]:
        """All rows under the first measure, then under the next."""
        return np.concatenate([measure.values for measure in self.measures])

    def name(self, i: int) -> str:
        """A row and a measure."""
        measure, row = divmod(i, len(self.labels))
        return f"{self.labels[row]}, {self.measures[measure].title}"

    def table(self) -> Table:
        """A row per label, a column per measure."""
        return Table.of((_("row"), self.labels), *((measure.title, measure.values) for measure in self.measures))

    def minus(self, other: Self) -> "Measures":
        """Row less row, matched by label, measure by measure of the same title. Rows without a
        partner are marked and have no bar."""
        meet(self, other)
        titles, theirs = ([measure.title for measure in given.measures] for given in (self, other))
        pairs = ranked(self.labels, other.labels, (tokens(self.stands, 0), tokens(other.stands, 0)))
        columns = by_name(titles, theirs)
        common(pairs, "row")
        return between(
            labels(pairs, self.labels, other.labels),
            [
                less(titles[i], pairs, self.measures[i].values, other.measures[j].values)
                for i, j in zip(*common(columns, "measure"), strict=True)
            ],
            " ".join(filter(None, (marked(None in pair for pair in pairs), alone((columns, titles, theirs))))),
            stood(other.stands, pairs),
            place_of(pairs, self.focus),
        )


def less(
    title: str, pairs: Sequence[Partner], first: Float[np.ndarray, " a"], second: Float[np.ndarray, " b"]
) -> Column:
    """The first's value less the second's for each pair, on an axis that rounding does not fill."""
    return apart(title, taken(first, (i for i, _j in pairs)), taken(second, (j for _i, j in pairs)))


def apart(title: str, first: Float[np.ndarray, " row"], second: Float[np.ndarray, " row"]) -> Column:
    """The same of values row by row, with their signs at the ends; NaN has neither bar nor words."""
    values = first.astype(np.float64) - second
    words = tuple("" if np.isnan(value) else signed(value) for value in values.tolist())
    reach = largest(values, first, second)
    return Column(of_axis(title), values, words, reach, Subtracted.of(title, first, second))


def between(
    rows: Sequence[str],
    measures: Sequence[Column],
    remark: str,
    stands: tuple[Stands | None, ...] = (),
    focus: int | None = None,
) -> Measures:
    """Differences of some rows. focus: the row of the chosen one."""
    subtracted = tuple(column.subtracted for column in measures if column.subtracted is not None)
    return Measures(rows, measures, True, focus, remark=remark, stands=stands, subtracted=subtracted)


def _ticks(low: float, high: float) -> list[float]:
    """Two or three round numbers from low to high, 0 among them: what a narrow axis has room for."""
    numbers = scale.steps(low, high)
    zero = min(range(len(numbers)), key=lambda i: abs(numbers[i]))
    return numbers if len(numbers) <= 3 else numbers[zero % 2 :: 2]

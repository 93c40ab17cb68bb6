"""Horizontal bars with their numbers printed: a ranking."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.language import N_, _
from viz.description import Plotted
from viz.format import escaped
from viz.level import Level
from viz.marks import in_groups, tokens
from viz.partners import (
    Partner,
    Subtracted,
    called,
    common,
    labels,
    largest,
    marked,
    meet,
    of_axis,
    of_titles,
    one_or_both,
    ranked,
    signed,
    stood,
    taken,
    without,
)
from viz.rows import (
    LAYOUT,
    LETTER,
    ROW,
    WIDTH,
    Bar,
    bar_trace,
    beyond,
    drawn_ends,
    ends_of,
    height,
    places_of,
    row_axis,
    row_label,
    with_room,
)
from viz.scale import steps
from viz.table import Table
from viz.theme import FOCUS, LEGEND

_SMALL = 0.01  # below that plotly writes its ticks with prefixes: 500μ


@dataclass(frozen=True)
class Marks:
    """A second value for each bar, drawn as a diamond; None where there is none."""

    values: tuple[float | None, ...]
    name: str


@dataclass(frozen=True)
class Bars(Plotted):
    """Horizontal bars, the first on top, each with its number at the end. Equal labels stay apart.

    axis, rows  titles of the two axes, the first with its unit
    low, high   ends of the axis; from the values where None
    row         pixels of one bar with its gap
    names       what bars in the accent and the others are, for a legend; None for no legend
    marks       diamonds over the bars
    level       a value to hold the bars against: a dashed line across, its words above
    ordered     the rows stand in an order of their own, such as layers: not the largest first
    stands      of each bar, from the top
    """

    kind: ClassVar[str] = N_("Bar chart")
    bars: Sequence[Bar]
    axis: str
    rows: str = ""
    low: float | None = None
    high: float | None = None
    row: int = ROW
    names: tuple[str, str] | None = None
    marks: Marks | None = None
    level: Level | None = None
    ordered: bool = False

    def traces(self) -> go.Figure:
        """The rows, each with its number at the end; equal labels stay apart."""
        figure = go.Figure()
        places = places_of(self.bars)
        for i, chosen in enumerate((True, False)):
            trace = bar_trace(self.bars, places, [bar.accent is chosen for bar in self.bars], chosen)
            figure.add_trace(trace.update(name=escaped(self.names[i])) if self.names else trace)
        ends = ends_of(self.bars, self.low, self.high)
        room = drawn_ends(with_room(self.bars, *ends)[0], ends[1])
        begins = None if self.marks is None else _begins(self.bars, self.marks, room)
        if self.marks is not None and begins is not None:
            room = _around(room, begins, self.marks)
            figure.update_traces(text=None).add_traces(
                [_numbers(self.bars, begins, places), _diamonds(self.marks, places)]
            )
        figure.update_xaxes(title_text=escaped(self.axis), zeroline=True, range=room, tickvals=steps(*ends))
        if ends[1] - ends[0] < _SMALL:
            figure.update_xaxes(tickformat=",.6~g")
        figure.update_yaxes(
            title_text=escaped(self.rows), **row_axis([row_label(bar.label, bar.focus) for bar in self.bars], places)
        )
        figure.update_layout(height=height(places, self.row), **LAYOUT)
        figure.update_layout(margin_r=LAYOUT["margin"]["r"] + beyond(self.bars, room, begins))
        above = 24 if self.names or self.level else 0  # pixels
        if self.names:
            figure.update_layout(showlegend=True, legend=LEGEND)
        if self.level is not None:
            _across(figure, self.level)
        if above:
            figure.update_layout(margin_t=12 + above, height=height(places, self.row) + above)
        return figure

    def place(self, trace: int, point: int) -> tuple[int] | None:
        """The bar: those in the accent are drawn first."""
        return in_groups(self._groups, trace, point)

    @cached_property
    def _groups(self) -> tuple[tuple[int, ...], ...]:
        """The bars of each trace."""
        return tuple(tuple(i for i, bar in enumerate(self.bars) if bar.accent is accent) for accent in (True, False))

    @property
    def axes(self) -> str:
        """What the bars measure, and the rows' title."""
        return " × ".join(title for title in (self.rows, self.axis) if title)

    def numbers(self) -> Float[np.ndarray, " number"]:
        """The value of each row; NaN for one without a partner."""
        return np.array([np.nan if bar.lone else bar.value for bar in self.bars], np.float64)

    def name(self, i: int) -> str:
        """A row's label."""
        return self.bars[i].label

    def table(self) -> Table:
        """A row per bar: label, value, the value in words; the diamond's where there are any."""
        columns = [
            (self.rows or _("row"), [bar.label for bar in self.bars]),
            (self.axis, [None if bar.lone else bar.value for bar in self.bars]),
            (_("in words"), [bar.text for bar in self.bars]),
        ]
        return Table.of(*columns, *([(self.marks.name, self.marks.values)] if self.marks else []))

    def minus(self, other: Self) -> "Bars":
        """Bar less bar, matched by label where it is of the same thing, the largest first; what the first has more of
        is in the accent. One without a partner has no bar, its own value stands in words; so do sums over what is not
        shown, unless both show the same. Diamonds are subtracted where both have them of the same thing."""
        meet(self, other, "rows", "ordered", axis=(without(self.axis, self.about), without(other.axis, other.about)))
        mine, theirs = ([bar.label for bar in given.bars] for given in (self, other))
        pairs = ranked(mine, theirs, (tokens(self.stands, 0), tokens(other.stands, 0)))
        common(pairs, "row")
        same = not any(None in pair for pair in pairs)
        rows = [row for pair in pairs for row in self._rows(other, pair, same)]
        if not self.ordered:
            rows.sort(key=lambda row: (row[0].apart, row[0].lone, -row[1], row[0].label))
        bars = [row[0] for row in rows]
        values = [bar.value for bar in bars if not bar.lone]
        end = largest(np.array(values), self.numbers(), other.numbers())
        return Bars(
            bars,
            of_titles(self.axis, other.axis),
            self.rows,
            low=-end,
            high=end,
            row=self.row,
            names=(_(called().more[0]), _(called().more[1])),
            marks=Marks(tuple(row[2] for row in rows), of_axis(self.marks.name))
            if self.marks and other.marks and self.marks.name == other.marks.name
            else None,
            ordered=self.ordered,
            remark=marked(bar.lone for bar in bars),
            subtracted=(
                Subtracted.of(one_or_both(self.axis, other.axis), *self._values(other, [row[3] for row in rows])),
            ),
            stands=stood(other.stands, [row[3] for row in rows]),
        )

    def _values(self, other: "Bars", pairs: Sequence[Partner]) -> tuple[Float[np.ndarray, " bar"], ...]:
        """The numbers of both that belong to the rows of a difference; NaN where one has none."""
        return taken(self.numbers(), (i for i, _j in pairs)), taken(other.numbers(), (j for _i, j in pairs))

    def _rows(self, other: "Bars", pair: Partner, same: bool) -> list[tuple[Bar, float, float | None, Partner]]:
        """(bar, size to sort by, diamond, pair) of a pair: one row, or two where there is no difference. same: both
        show the same rows."""
        one, two = (None if i is None else given.bars[i] for i, given in zip(pair, (self, other), strict=True))
        if one is not None and two is not None and one.what == two.what and (same or not one.apart):
            value = one.value - two.value
            note = f"{one.text} − {two.text}"
            name = labels([(0, 0)], [one.label], [two.label])[0]
            bar = replace(one, label=name, value=value, text=signed(value), note=note, accent=value > 0)
            return [(bar, abs(value), _mark(pair, self.marks, other.marks), pair)]
        first, second = called().first, called().second
        sides = ((first, one, (pair[0], None)), (second, two, (None, pair[1])))
        lone = ((mark, bar, alone) for mark, bar, alone in sides if bar is not None)
        return [
            (
                replace(bar, label=f"{mark} {bar.label}", value=0.0, note=bar.text, accent=False, lone=True),
                abs(bar.value),
                None,
                alone,
            )
            for mark, bar, alone in lone
        ]


def _mark(pair: Partner, first: Marks | None, second: Marks | None) -> float | None:
    """The difference of a pair's diamonds; None where one has none."""
    i, j = pair
    if first is None or second is None or i is None or j is None:
        return None
    one, other = first.values[i], second.values[j]
    return None if one is None or other is None else one - other


def _across(figure: go.Figure, level: Level) -> None:
    figure.add_vline(
        x=level.value,
        line={"dash": "dash", "width": 1.5, "color": FOCUS},
        annotation={"text": escaped(level.text), "showarrow": False, "yanchor": "bottom"},
        annotation_position="top",
    )


def _begins(bars: Sequence[Bar], marks: Marks, room: Sequence[float]) -> list[float]:
    """Where the printed numbers of bars with marks begin: behind the diamond where it would stand on the number."""
    letter = LETTER / WIDTH * (room[1] - room[0])
    begins = []
    for bar, mark in zip(bars, marks.values, strict=True):
        way = -1 if bar.value < 0 else 1
        ahead = None if mark is None else way * (mark - bar.value)  # how far the diamond stands beyond the bar's end
        meets = ahead is not None and -letter < ahead < (len(bar.text) + 2) * letter
        begins.append(bar.value + way * max(0.0, ahead + 0.5 * letter) if ahead is not None and meets else bar.value)
    return begins


def _around(room: Sequence[float], begins: Sequence[float], marks: Marks) -> list[float]:
    """The ends of an axis, so far out that every number begins and every diamond stands inside: plotly leaves out the
    others."""
    there = np.array([*begins, *(value for value in marks.values if value is not None)], np.float32).tolist()
    return [min(room[0], *there), max(room[1], *there)]


def _numbers(bars: Sequence[Bar], begins: Sequence[float], places: Float[np.ndarray, " bar"]) -> go.Scatter:
    """The printed numbers of bars with marks, from where they begin."""
    sides = ["middle left" if bar.value < 0 else "middle right" for bar in bars]
    return go.Scatter(
        x=np.array(begins, np.float32),
        y=places,
        mode="text",
        text=[f"{escaped(bar.text)} " if bar.value < 0 else f" {escaped(bar.text)}" for bar in bars],
        textposition=sides if "middle left" in sides else "middle right",
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )


def _diamonds(marks: Marks, places: Float[np.ndarray, " bar"]) -> go.Scatter:
    there = [i for i, value in enumerate(marks.values) if value is not None]
    return go.Scatter(
        x=np.array([marks.values[i] for i in there], np.float32),
        y=places[there],
        mode="markers",
        name=escaped(marks.name),
        marker={"symbol": "diamond", "size": 8, "color": FOCUS},
        cliponaxis=False,
        hoverinfo="skip",
    )

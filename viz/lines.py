"""Lines over layers or other places in a row: one in the accent, the rest faint, or as a band when there are many."""

import math
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.language import N_, _
from viz.description import OnAxes
from viz.format import escaped, in_template, number, thousands
from viz.level import Level
from viz.marks import tokens
from viz.partners import (
    UNITS,
    Subtracted,
    alone,
    both,
    by_name_or_order,
    common,
    in_order,
    labels,
    largest,
    meet,
    of_axis,
    ratio,
    stood,
)
from viz.scale import MOST_PLACES, clipped, columns, decades, thinned
from viz.table import Table
from viz.theme import LEGEND, NEUTRAL

# More lines than this are drawn as a band: single ones could not be told apart.
MOST_LINES = 60
MOST_TICKS = 16
# As many have a colour of their own.
MOST_LISTED = 10
_HEIGHT = 380
_FAINT = 0.45
_END, _CELL = 14, 7  # character cells of a name at the end of its line, and pixels of one: a phone has no room for more
_OPEN = ("diamond-open", "square-open")
_DASHES = ("dot", "dashdot", "longdash")
_WORDS = 18  # pixels of height that the words at a level take
_BANDS = 3  # traces of the range and the median of many lines


@dataclass(frozen=True)
class Lines(OnAxes):
    """values: [line place], one name per line and one per place.

    chosen         the line in the accent
    marked         a second line with a label of its own (dashed), or None
    x_axis, y_axis axis titles, with units
    lead           the first place is not of the row of the others (the embedding before layers 0, 1, 2 …)
    logarithmic    y follows log10(values); values that are not above 0 are left out
    reach          where a y axis ends that is as long below 0 as above; None for any other
    listed         few lines that are all to be told apart: each in a look of its own, named in a legend
    levels         values to hold the lines against; they are not among the numbers
    dotted         every place of a line has a dot: what lies between two was not measured
    stands         of each line, then of each place

    ValueError where the names do not fit the values, or more lines are listed than have looks.
    """

    kind: ClassVar[str] = N_("Line chart")
    values: Float[np.ndarray, "line place"]
    names: tuple[str, ...]
    places: tuple[str, ...]
    chosen: int
    x_axis: str
    y_axis: str
    marked: int | None = None
    lead: bool = False
    logarithmic: bool = False
    listed: bool = False
    reach: float | None = None
    levels: tuple[Level, ...] = ()
    dotted: bool = False

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.names), len(self.places)):
            raise ValueError(f"values are {self.values.shape}, the names say {(len(self.names), len(self.places))}")
        if self.listed and len(self.names) > MOST_LISTED:
            raise ValueError(f"{len(self.names)} lines are to be told apart, {MOST_LISTED} can be")

    @property
    def others(self) -> list[int]:
        """The lines that are neither chosen nor marked."""
        return [i for i in range(len(self.names)) if i not in (self.chosen, self.marked)]

    def traces(self) -> go.Figure:
        """The chosen line in the accent, the marked one dashed, all others faint; above `MOST_LINES` as a band. Where
        they are listed, every line has a colour and dashes of its own."""
        figure = go.Figure(_line(self, self.chosen, {"width": 3}, 3))
        if self.marked is not None and self.marked != self.chosen:
            calm = {"width": 1.5, "dash": "dash"} | ({} if self.listed else {"color": NEUTRAL})
            figure.add_trace(_line(self, self.marked, calm, 2))
        if self.listed:
            figure.add_traces(_told_apart(self))
        else:
            figure.add_traces(_band(self) if banded(len(self.names)) else _faint(self))
            _name_lines(figure, self)
        shown = tick_places(len(self.places), self.lead)
        figure.update_xaxes(
            title_text=escaped(self.x_axis),
            tickvals=shown,
            ticktext=[escaped(self.places[i]) for i in shown],
            range=[-0.4, len(self.places) - 0.6],
            zeroline=False,
        )
        figure.update_yaxes(**_y_axis(self))
        for level in self.levels:
            _across(figure, level, self, above=not _under_another(level, self))
        figure.update_layout(height=_HEIGHT, showlegend=False, hovermode="closest", margin=_margin(self))
        if self.listed:
            rows = len(self.names) / 2  # of the legend, in a narrow window
            figure.update_layout(height=round(_HEIGHT + 20 * rows), showlegend=True, legend=LEGEND)
        return figure

    def place(self, trace: int, point: int) -> tuple[int | None, int] | None:
        """The line and the place; no line for the range and the median of many."""
        return (self._drawn[trace], point) if 0 <= trace < len(self._drawn) else None

    @cached_property
    def _drawn(self) -> tuple[int | None, ...]:
        """The line of each trace; None for the range and the median of many."""
        named = [self.chosen, *([] if self.marked in (None, self.chosen) else [self.marked])]
        single = self.listed or not banded(len(self.names))
        return (*named, *(self.others if single else [None] * _BANDS))

    def numbers(self) -> Float[np.ndarray, " number"]:
        """Line after line."""
        return self.values.ravel()

    def name(self, i: int) -> str:
        """A line at a place."""
        line, place = divmod(i, len(self.places))
        return f"{self.names[line]}, {self.x_axis} {self.places[place]}"

    def table(self) -> Table:
        """A row per place, a column per line."""
        return Table.of((self.x_axis, self.places), *zip(self.names, self.values, strict=True))

    def minus(self, other: Self) -> "Lines":
        """Line less line at the places of both, lines matched by name, of equal names in order; on a logarithmic axis
        the log of their ratio. Lines and places of one alone are named beneath."""
        meet(self, other, "x_axis", "y_axis", "logarithmic")
        lines, places = (
            by_name_or_order(
                self.names, other.names, (self.chosen, other.chosen), (tokens(self.stands, 0), tokens(other.stands, 0))
            ),
            in_order(self.places, other.places),
        )
        (rows, theirs), (columns, there) = common(lines, "line"), common(places, "place")
        one, two = self.values[np.ix_(rows, columns)], other.values[np.ix_(theirs, there)]
        values = ratio(one, two) if self.logarithmic else one.astype(np.float64) - two
        return replace(
            self,
            values=values,
            names=labels(both(lines), self.names, other.names),
            places=tuple(self.places[i] for i in columns),
            chosen=rows.index(self.chosen) if self.chosen in rows else 0,
            marked=rows.index(self.marked) if self.marked in rows else None,
            y_axis=of_axis(self.y_axis, self.logarithmic),
            lead=self.lead and columns[0] == 0,
            logarithmic=False,
            reach=largest(values, *((UNITS,) if self.logarithmic else (one, two))),
            remark=alone((lines, self.names, other.names), (places, self.places, other.places)),
            subtracted=(Subtracted.of(self.y_axis, one, two, ratio=self.logarithmic),),
            stands=stood(other.stands, both(lines), both(places)),
            levels=(),
            beside={},
        )


def tick_places(count: int, lead: bool) -> list[int]:
    """Which places get a tick. A lead has one of its own, and the next place too while there is room beside it."""
    if not lead:
        return thinned(count, MOST_PLACES)
    rest = [1 + place for place in thinned(count - 1, MOST_PLACES)]
    return [0, *(rest if count <= MOST_PLACES else rest[1:])]


def banded(count: int) -> bool:
    """Whether of so many lines those that stand back are drawn as their range and median."""
    return count > MOST_LINES


def _under_another(level: Level, given: Lines) -> bool:
    """Whether another level lies so close above this one that words between them would stand on it."""
    height, place = _height(given, level.value), given.levels.index(level)
    others = [(_height(given, other.value), i) for i, other in enumerate(given.levels) if other is not level]
    return any((height, place) < other and other[0] - height < _WORDS for other in others)


def _across(figure: go.Figure, level: Level, given: Lines, above: bool) -> None:
    """A level as a dashed line, with its words above or below the left end."""
    figure.add_hline(y=level.value, line={"width": 1, "dash": "dash", "color": NEUTRAL})
    figure.add_annotation(
        x=0,
        xref="paper",
        xanchor="left",
        y=_scaled(given, level.value),
        yanchor="bottom" if above else "top",
        text=escaped(level.text),
        showarrow=False,
        font={"size": 12, "color": NEUTRAL},
    )


def _line(given: Lines, i: int, line: dict, order: int, opacity: float = 1.0) -> go.Scatter:
    return go.Scatter(
        x=np.arange(len(given.places), dtype=np.float32),
        y=_heights(given, given.values[i]),
        mode="markers" if len(given.places) == 1 else "lines+markers" if given.dotted else "lines",
        marker=_dot(i) if given.dotted else None,
        name=escaped(given.names[i]),
        line=line,
        opacity=opacity,
        zorder=order,
        customdata=[escaped(place) for place in given.places],
        hovertemplate=_hover(given, f"<b>%{{fullData.name}}</b>{_which(given, i)}"),
    )


def _dot(i: int) -> dict:
    """The dots of a line: open and larger ones leave those of the first to be seen and chosen where they coincide."""
    return {"symbol": "circle", "size": 8} if i == 0 else {"symbol": _OPEN[(i - 1) % len(_OPEN)], "size": 13}


def _heights(given: Lines, values: Float[np.ndarray, " place"]) -> Float[np.ndarray, " place"]:
    """The heights of a line; a gap where a logarithmic axis has no place: plotly would draw it down to the end."""
    return np.where(values > 0, values, np.nan if given.logarithmic else values).astype(np.float32)


def _which(given: Lines, i: int) -> str:
    """The place of what a line stands for, where others have its name."""
    stands = given.stands[0] if given.stands else None
    number = None if stands is None or given.names.count(given.names[i]) < 2 else stands.number(i)
    return "" if number is None else f" ({number})"


def _hover(given: Lines, name: str) -> str:
    x, y = in_template(given.x_axis), in_template(given.y_axis)
    return f"{name}<br>{x} %{{customdata}}<br>{y} %{{y:,.5~g}}<extra></extra>"


def _faint(given: Lines) -> list[go.Scatter]:
    return [_line(given, i, {"width": 1, "color": NEUTRAL}, 1, _FAINT) for i in given.others]


def _told_apart(given: Lines) -> list[go.Scatter]:
    """The other lines, each in the next colour of the theme, with dashes that come again only after some."""
    dashes = (_DASHES[place % len(_DASHES)] for place in range(len(given.names)))
    return [_line(given, i, {"width": 1.5, "dash": dash}, 1) for i, dash in zip(given.others, dashes, strict=False)]


def _band(given: Lines) -> list[go.Scatter]:
    """Smallest, largest and middle value of the other lines at each place; the first two enclose the area."""
    others = given.values[given.others]
    count = thousands(len(others))
    parts = (
        (_("smallest"), "low", others.min(axis=0)),
        (_("largest"), "high", others.max(axis=0)),
        (_("median"), "middle", np.median(others, axis=0)),
    )
    traces = []
    for name, part, values in parts:
        traces.append(
            go.Scatter(
                x=np.arange(len(given.places), dtype=np.float32),
                y=values.astype(np.float32),
                mode="lines",
                name=name,
                line={"width": 1, "color": NEUTRAL, "dash": "dot" if part == "middle" else "solid"},
                fill="tonexty" if part == "high" else None,
                zorder=1,
                opacity=0.6,
                customdata=[escaped(place) for place in given.places],
                hovertemplate=_hover(
                    given, _("{measure} of {count} other lines", measure=f"<b>{name}</b>", count=count)
                ),
            )
        )
    return traces


def _name_lines(figure: go.Figure, given: Lines) -> None:
    """The names of the chosen and the marked line at their right ends, kept one text line apart."""
    ends = {i: float(given.values[i, -1]) for i in (given.chosen, given.marked) if i is not None}
    heights = {i: _height(given, value) for i, value in ends.items()}
    low_to_high = sorted(ends, key=lambda i: heights[i])
    gap = heights[low_to_high[-1]] - heights[low_to_high[0]] if len(ends) > 1 else _HEIGHT
    push = max(0.0, (18 - gap) / 2)
    for i in ends:
        label = escaped(_at_end(given.names[i]))
        figure.add_annotation(
            x=len(given.places) - 1,
            y=math.log10(max(ends[i], 1e-30)) if given.logarithmic else ends[i],
            text=f"<b>{label}</b>" if i == given.chosen else label,
            showarrow=False,
            xanchor="left",
            xshift=6,
            yshift=round(push if i == low_to_high[-1] else -push) if len(ends) > 1 else 0,
        )


def _at_end(name: str) -> str:
    """A name as it stands at the end of its line: cut where it is long, but not the position that it ends in."""
    pos = re.search(r"”? \(\d+\)$", name)
    kept = pos.group() if pos else ""
    return clipped(name.removesuffix(kept), _END - columns(kept)) + kept


def _height(given: Lines, value: float) -> float:
    """Where a value stands, in pixels above the axis, for a figure of the usual height."""
    low, high = _ends(given)
    low, high = (low, high) if given.logarithmic else (min(low, 0.0), max(high, 0.0))  # 0 is on the axis
    share = _scaled(given, value) - low
    return share / ((high - low) or 1.0) * (_HEIGHT - 80)


def _scaled(given: Lines, value: float) -> float:
    return math.log10(max(value, 1e-30)) if given.logarithmic else value


def _ends(given: Lines) -> tuple[float, float]:
    """Smallest and largest value as the axis scales them."""
    if given.reach is not None:
        return -given.reach, given.reach
    every = np.append(given.values, [level.value for level in given.levels])
    values = every[np.isfinite(every) & ((every > 0) | (not given.logarithmic))]
    if not values.size:
        return 0.0, 1.0
    return _scaled(given, float(values.min())), _scaled(given, float(values.max()))


def _y_axis(given: Lines) -> dict:
    low, high = _ends(given)
    room = 0.06 * ((high - low) or 1.0)
    if given.reach is not None:
        ends = [low - room, high + room]
        return {"title_text": escaped(given.y_axis), "range": ends, "tickformat": ",.6~g", "zeroline": True}
    if not given.logarithmic:
        return {"title_text": escaped(given.y_axis), "rangemode": "tozero", "tickformat": ",.6~g", "zeroline": False}
    ticks = log_ticks(10**low, 10**high)
    return {
        "title_text": escaped(given.y_axis),
        "type": "log",
        "range": [low - room, high + room],
        "tickvals": list(ticks),
        "ticktext": [number(value, 1).removeprefix("1·") for value in ticks],
        "zeroline": False,
    }


def log_ticks(low: float, high: float) -> tuple[float, ...]:
    """Powers of ten between two values above 0, at most `MOST_TICKS`; with 2 and 5 between where fewer than three."""
    powers = decades(low, high)
    if len(powers) >= 3:
        return tuple(powers[place] for place in thinned(len(powers), MOST_TICKS))
    return tuple(digit * power for power in decades(low / 10, high) for digit in (1.0, 2.0, 5.0))


def _margin(given: Lines) -> dict[str, int]:
    """As much on the right as the names there need; above, what a legend needs is added by itself."""
    if given.listed:
        return {"l": 60, "r": 16, "t": 36, "b": 52}
    named = [given.names[i] for i in {given.chosen, given.marked} - {None}]
    return {"l": 64, "r": 12 + _CELL * max(columns(_at_end(name)) for name in named), "t": 12, "b": 52}

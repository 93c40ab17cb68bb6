"""The same quantities of several things side by side: what each is made of, and amounts over many powers of ten."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.language import N_, _
from viz.description import Plotted
from viz.format import escaped, percent
from viz.measures import Measures, between, less
from viz.partners import alone, by_name, common, labels, marked, meet, of_axis
from viz.scale import decades
from viz.table import Table
from viz.theme import CALM, LEGEND, LIGHT

_AROUND, _BAR, _GAP = 108, 20, 18
_SHARE_ROW = 46
_LEAST_PRINTED = 0.045  # share of the width that a percent fits in


@dataclass(frozen=True)
class Series:
    """One quantity of every row: its name for the legend, the values, their words; None where a row has none."""

    name: str
    values: tuple[float | None, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Shares(Plotted):
    """Each row as one bar of full width, cut into its parts.

    rows  labels of the rows, the first on top; axis: title of the x axis
    """

    kind: ClassVar[str] = N_("Shares of a whole")
    rows: Sequence[str]
    parts: Sequence[Series]
    axis: str

    def traces(self) -> go.Figure:
        """A part's percent is printed where it has room."""
        whole = np.sum([[value or 0.0 for value in part.values] for part in self.parts], axis=0)
        figure = go.Figure([_part(self.rows, part, whole, i) for i, part in enumerate(self.parts)])
        ends = {"range": [0, 100], "tickvals": [0, 25, 50, 75, 100], "ticksuffix": " %"}
        figure.update_xaxes(title_text=escaped(self.axis), showgrid=False, zeroline=False, **ends)
        figure.update_layout(barmode="stack", bargap=0.35, legend=LEGEND, margin=_margin(self.parts))
        return figure.update_layout(height=_AROUND + _SHARE_ROW * len(self.rows)).update_yaxes(**_labels(self.rows))

    @property
    def axes(self) -> str:
        """The axis's title."""
        return self.axis

    def numbers(self) -> Float[np.ndarray, " number"]:
        """Quantity after quantity; in percent."""
        return np.concatenate(_columns(self.rows, self.parts, whole=True))

    def name(self, i: int) -> str:
        """A quantity of a row."""
        quantity, row = divmod(i, len(self.rows))
        return f"{_in_line(self.rows[row])}, {self.parts[quantity].name}"

    def table(self) -> Table:
        """A row per row, a column per quantity, in percent."""
        columns = _columns(self.rows, self.parts, whole=True)
        names = [given.name for given in self.parts]
        return Table.of((_("row"), map(_in_line, self.rows)), *zip(names, columns, strict=True))

    def minus(self, other: Self) -> Measures:
        """Share less share in percentage points as bars, rows and quantities matched by name."""
        meet(self, other, "axis")
        columns = (_columns(given.rows, given.parts, whole=True) for given in (self, other))
        one, two = ([part.name for part in given.parts] for given in (self, other))
        axis = _("{axis}, in percentage points", axis=of_axis(self.axis))
        return _less((self.rows, other.rows), (one, two), tuple(columns), axis)


def _part(rows: Sequence[str], part: Series, whole: np.ndarray, place: int) -> go.Bar:
    values = [(value or 0.0) / total for value, total in zip(part.values, whole.tolist(), strict=True)]
    words = [percent(value) for value in values]
    return go.Bar(
        x=np.array([100 * value for value in values], np.float32),
        y=np.arange(len(rows), dtype=np.float32),
        orientation="h",
        name=escaped(part.name),
        text=[word if value >= _LEAST_PRINTED else "" for value, word in zip(values, words, strict=True)],
        textposition="inside",
        insidetextanchor="middle",
        insidetextfont={"color": LIGHT.text if place else None},  # the page knows how dark the first one is
        textangle=0,
        constraintext="none",
        hovertext=[_note(*entry) for entry in zip(rows, [part.name] * len(rows), part.texts, words, strict=True)],
        hovertemplate="%{hovertext}<extra></extra>",
    )


@dataclass(frozen=True)
class Amounts(Plotted):
    """Each row as a group of bars on a logarithmic axis.

    ticks  (value, words) along the axis, of which those within the values are used
    """

    kind: ClassVar[str] = N_("Amounts side by side")
    rows: Sequence[str]
    series: Sequence[Series]
    axis: str
    ticks: Sequence[tuple[float, str]]

    def traces(self) -> go.Figure:
        """Every number printed at the end of its bar."""
        figure = go.Figure([_bars(self.rows, given, i) for i, given in enumerate(self.series)])
        low, high = _ends(self.series)
        figure.update_xaxes(
            title_text=escaped(self.axis),
            type="log",
            range=[math.log10(low), math.log10(high) + 0.16 * math.log10(high / low)],
            tickvals=[value for value, words in self.ticks if low <= value <= high],
            ticktext=[escaped(words) for value, words in self.ticks if low <= value <= high],
            zeroline=False,
        )
        figure.update_yaxes(**_labels(self.rows))
        height = _AROUND + len(self.rows) * (_GAP + _BAR * len(self.series))
        gap = _GAP / (_GAP + _BAR * len(self.series))
        return figure.update_layout(
            height=height, barmode="group", bargap=gap, bargroupgap=0.12, legend=LEGEND, margin=_margin(self.series)
        )

    @property
    def axes(self) -> str:
        """The axis's title."""
        return self.axis

    def numbers(self) -> Float[np.ndarray, " number"]:
        """Quantity after quantity; NaN where a row has none."""
        return np.concatenate(_columns(self.rows, self.series))

    def name(self, i: int) -> str:
        """A quantity of a row."""
        quantity, row = divmod(i, len(self.rows))
        return f"{_in_line(self.rows[row])}, {self.series[quantity].name}"

    def table(self) -> Table:
        """A row per row, a column per quantity."""
        columns = _columns(self.rows, self.series)
        names = [given.name for given in self.series]
        return Table.of((_("row"), map(_in_line, self.rows)), *zip(names, columns, strict=True))

    def minus(self, other: Self) -> Measures:
        """Amount less amount as bars, rows and quantities matched by name."""
        meet(self, other, "axis")
        columns = (_columns(given.rows, given.series) for given in (self, other))
        one, two = ([part.name for part in given.series] for given in (self, other))
        return _less((self.rows, other.rows), (one, two), tuple(columns), of_axis(self.axis))


def _bars(rows: Sequence[str], given: Series, place: int) -> go.Bar:
    entries = zip(rows, [given.name] * len(rows), given.texts, strict=True)
    return go.Bar(
        x=[value if value else None for value in given.values],
        y=np.arange(len(rows), dtype=np.float32),
        orientation="h",
        name=escaped(given.name),
        marker={"opacity": 1.0 if place == 0 else CALM + 0.2},
        text=[escaped(text) for text in given.texts],
        textposition="outside",
        constraintext="none",
        cliponaxis=False,
        hovertext=[_note(*entry) for entry in entries],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _ends(series: Sequence[Series]) -> tuple[float, float]:
    """Powers of ten around all values; the shortest bar still has a length."""
    values = [value for given in series for value in given.values if value]
    low, high = min(values, default=1.0), max(values, default=10.0)
    return 10.0 ** (math.ceil(math.log10(low)) - 1), 10.0 ** math.ceil(math.log10(high) + 1e-9)


def powers(low: float, high: float) -> list[float]:
    """The powers of ten between two values above 0, every second one where there are more than eight."""
    tens = decades(low, high)
    return tens if len(tens) <= 8 else tens[::2]


def _note(row: str, name: str, *words: str) -> str:
    text = " · ".join(word for word in words if word)
    return f"<b>{escaped(' · '.join(row.splitlines()))}</b><br>{escaped(name)}: {escaped(text)}"


def _labels(rows: Sequence[str]) -> dict:
    return {
        "tickvals": list(range(len(rows))),
        "ticktext": [escaped(row).replace("\n", "<br>") for row in rows],
        "range": [len(rows) - 0.5, -0.5],
        "automargin": True,
        "showgrid": False,
        "zeroline": False,
        "ticklabelstandoff": 6,
    }


def _margin(series: Sequence[Series]) -> dict:
    return {"l": 8, "r": 16, "t": 36 if len(series) > 1 else 12, "b": 52}


def _in_line(row: str) -> str:
    return " · ".join(row.splitlines())


def _columns(rows: Sequence[str], series: Sequence[Series], whole: bool = False) -> list[Float[np.ndarray, " row"]]:
    """The values of each quantity, NaN where a row has none; whole: in percent of a row's sum."""
    columns = np.array([given.values for given in series], np.float64).reshape(len(series), len(rows))
    return list(100 * columns / np.nansum(columns, axis=0) if whole else columns)


def _less(
    rows: tuple[Sequence[str], Sequence[str]],
    names: tuple[Sequence[str], Sequence[str]],
    columns: tuple[list[Float[np.ndarray, " row"]], ...],
    axis: str,
) -> Measures:
    """The first's columns less the second's, as bars; rows and columns matched by name. axis: what they measure."""
    lines = tuple([_in_line(row) for row in side] for side in rows)
    pairs, quantities = by_name(*lines), by_name(*names)
    common(pairs, "row")
    between_them = [
        replace(less(names[0][i], pairs, columns[0][i], columns[1][j]), title=names[0][i])
        for i, j in zip(*common(quantities, "quantity"), strict=True)
    ]
    remarks = (f"{axis}.", marked(None in pair for pair in pairs), alone((quantities, names[0], names[1])))
    return between(labels(pairs, *lines), between_them, " ".join(filter(None, remarks)))

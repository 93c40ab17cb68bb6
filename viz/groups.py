"""Query heads under the key/value head that they read, and what a cache of keys and values takes, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from anatomy.language import N_, _
from viz.bars import Bars
from viz.description import Plotted
from viz.format import escaped
from viz.marks import nth
from viz.partners import meet
from viz.rows import Bar
from viz.scale import thinned
from viz.table import Table
from viz.theme import NEUTRAL

_DIAGRAM, _ROW, _AROUND = 170, 46, 96
_UPPER, _LOWER = 1.0, 0.0
_THICK = 0.45  # of a bar's row: the rest holds its label
_MOST_NUMBERS = 24
_KV_TRACE, _QUERY_TRACE = 2, 3  # after the links of the chosen group and of the others


@dataclass(frozen=True)
class Sizes:
    """A bar: its label, its value in the axis's unit, its words."""

    label: str
    value: float
    text: str


@dataclass(frozen=True)
class Groups(Plotted):
    """queries query heads share kvs key/value heads evenly; chosen: the query head in the accent, with its group.

    bars   sizes to compare, the first in the accent; axis: their title with unit
    stands of each query head; a key/value head stands for the first query head that reads it
    """

    kind: ClassVar[str] = N_("Shared heads")
    queries: int
    kvs: int
    chosen: int
    bars: Sequence[Sizes]
    axis: str

    @property
    def share(self) -> int:
        """Query heads per key/value head."""
        return self.queries // self.kvs

    def is_chosen(self, query: int) -> bool:
        """Whether a query head is of the chosen one's group."""
        return query // self.share == self.chosen // self.share

    def traces(self) -> go.Figure:
        """Above: key/value heads over their query heads. Below: the bars."""
        figure = make_subplots(rows=2, cols=1, row_heights=[_DIAGRAM, _ROW * len(self.bars)], vertical_spacing=0.12)
        for chosen in (True, False):
            figure.add_trace(_links(self, chosen), row=1, col=1)
        figure.add_traces([_kv_heads(self), _query_heads(self)], rows=[1, 1], cols=[1, 1])
        figure.add_trace(_bars(self), row=2, col=1)
        _axes(figure, self)
        height = _AROUND + _DIAGRAM + _ROW * len(self.bars)
        figure.update_layout(height=height, showlegend=False, margin={"l": 8, "r": 16, "t": 12, "b": 52})
        return figure

    def place(self, trace: int, point: int) -> tuple[int] | None:
        """The query head; of a key/value head the first that reads it."""
        if trace == _KV_TRACE:
            return nth(range(0, self.queries, self.share), point)
        return nth(range(self.queries), point) if trace == _QUERY_TRACE else None

    @property
    def axes(self) -> str:
        """What the bars measure."""
        return self.axis

    def numbers(self) -> Float[np.ndarray, " number"]:
        """The values of the bars."""
        return np.array([bar.value for bar in self.bars], np.float64)

    def name(self, i: int) -> str:
        """A bar's label."""
        return self.bars[i].label

    def table(self) -> Table:
        """A row per bar."""
        return Table.of((_("row"), [bar.label for bar in self.bars]), (self.axis, [bar.value for bar in self.bars]))

    def minus(self, other: Self) -> Bars:
        """The bars' difference, matched by label; who shares which head has none."""
        meet(self, other, "axis")
        one, two = (
            Bars([Bar(bar.label, bar.value, bar.text) for bar in given.bars], given.axis) for given in (self, other)
        )
        return one.minus(two)


def _middle(given: Groups, kv: int) -> float:
    return kv * given.share + (given.share - 1) / 2


def _links(given: Groups, chosen: bool) -> go.Scatter:
    group = [query for query in range(given.queries) if given.is_chosen(query) is chosen]
    x = [place for query in group for place in (_middle(given, query // given.share), query, None)]
    y = [_UPPER, _LOWER, None] * len(group)
    line = {"width": 2.5 if chosen else 1, "color": None if chosen else NEUTRAL}
    return go.Scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", zorder=2 if chosen else 1)


def _kv_heads(given: Groups) -> go.Scatter:
    kvs = range(given.kvs)
    notes = [_kv_note(kv, kv * given.share, given.share) for kv in kvs]
    return _heads([_middle(given, kv) for kv in kvs], _UPPER, kvs, notes, "square", "top center", given)


def _kv_note(kv: int, first: int, count: int) -> str:
    """Who reads a key/value head."""
    if count == 1:
        return _("key/value head {kv}: read by query head {head}", kv=kv, head=first)
    last = first + count - 1
    return _("key/value head {kv}: read by query heads {first} to {last}", kv=kv, first=first, last=last)


def _query_heads(given: Groups) -> go.Scatter:
    queries = range(given.queries)
    notes = [
        _("query head {head}: reads key/value head {kv}", head=query, kv=query // given.share) for query in queries
    ]
    return _heads(list(queries), _LOWER, queries, notes, "circle", "bottom center", given)


def _heads(
    x: Sequence[float], y: float, numbers: range, notes: list[str], symbol: str, where: str, given: Groups
) -> go.Scatter:
    """A row of heads with their numbers, thinned where they would collide."""
    most = _MOST_NUMBERS if len(numbers) == given.queries else _MOST_NUMBERS // 2
    numbered = set(thinned(len(numbers), most))
    own = given.chosen if len(numbers) == given.queries else given.chosen // given.share
    texts = [f"<b>{i}</b>" if i == own else str(i) if i in numbered else "" for i in numbers]
    return go.Scatter(
        x=np.array(x, np.float32),
        y=np.full(len(x), y, np.float32),
        mode="markers+text",
        marker={"symbol": symbol, "size": 14 if len(x) <= 32 else 9, "color": NEUTRAL, "line": {"width": 0}},
        text=texts,
        textposition=where,
        hovertext=[escaped(note) for note in notes],
        hovertemplate="%{hovertext}<extra></extra>",
        zorder=3,
        cliponaxis=False,
    )


def _bars(given: Groups) -> go.Bar:
    return go.Bar(
        x=np.array([bar.value for bar in given.bars], np.float32),
        y=np.arange(len(given.bars), dtype=np.float32),
        orientation="h",
        width=_THICK,
        marker={"color": NEUTRAL, "opacity": [1.0, *[0.6] * (len(given.bars) - 1)]},
        text=[escaped(bar.text) for bar in given.bars],
        textposition="outside",
        constraintext="none",
        cliponaxis=False,
        hoverinfo="skip",
    )


def _axes(figure: go.Figure, given: Groups) -> None:
    """No room is spent on labels beside the picture: they stand in it, so that it holds in a narrow window."""
    bare = {"showticklabels": False, "showgrid": False, "zeroline": False}
    figure.update_xaxes(visible=False, range=[-0.7, given.queries - 0.3], row=1, col=1)
    figure.update_yaxes(range=[-1.0, 2.0], row=1, col=1, **bare)
    for y, anchor, words in ((2.0, "top", _("key/value heads")), (-1.0, "bottom", _("query heads"))):
        figure.add_annotation(_label(words, y, anchor) | {"xref": "x domain", "yref": "y"})
    most = max(bar.value for bar in given.bars)
    figure.update_xaxes(title_text=escaped(given.axis), range=[0, 1.25 * most], nticks=6, row=2, col=1)
    figure.update_yaxes(range=[len(given.bars) - 0.6, -0.9], row=2, col=1, **bare)
    for row, bar in enumerate(given.bars):
        figure.add_annotation(_label(bar.label, row - _THICK / 2, "bottom") | {"xref": "x2 domain", "yref": "y2"})


def _label(words: str, y: float, anchor: str) -> dict:
    """Words at the left edge."""
    return {"text": escaped(words), "x": 0, "y": y, "xanchor": "left", "yanchor": anchor, "showarrow": False}

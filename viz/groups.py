"""Query heads under the key/value head that they read, and what a cache of keys and values takes, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from viz.format import escaped
from viz.scale import thinned
from viz.theme import NEUTRAL

_DIAGRAM, _ROW, _AROUND = 150, 40, 96
_UPPER, _LOWER = 1.0, 0.0
_MOST_NUMBERS = 24


@dataclass(frozen=True)
class Sizes:
    """A bar: its label, its value in the axis's unit, its words."""

    label: str
    value: float
    text: str


@dataclass(frozen=True)
class Groups:
    """queries query heads share kvs key/value heads evenly; chosen: the query head in the accent, with its group.

    bars   sizes to compare, the first in the accent; axis: their title with unit
    """

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


def groups(given: Groups) -> go.Figure:
    """Above: key/value heads over their query heads. Below: the bars."""
    figure = make_subplots(rows=2, cols=1, row_heights=[_DIAGRAM, _ROW * len(given.bars)], vertical_spacing=0.12)
    for chosen in (True, False):
        figure.add_trace(_links(given, chosen), row=1, col=1)
    figure.add_traces([_kv_heads(given), _query_heads(given)], rows=[1, 1], cols=[1, 1])
    figure.add_trace(_bars(given), row=2, col=1)
    _axes(figure, given)
    height = _AROUND + _DIAGRAM + _ROW * len(given.bars)
    figure.update_layout(height=height, showlegend=False, margin={"l": 8, "r": 16, "t": 12, "b": 52})
    return figure


def _middle(given: Groups, kv: int) -> float:
    return kv * given.share + (given.share - 1) / 2


def _links(given: Groups, chosen: bool) -> go.Scatter:
    group = [query for query in range(given.queries) if given.is_chosen(query) is chosen]
    x = [place for query in group for place in (_middle(given, query // given.share), query, None)]
    y = [height for _ in group for height in (_UPPER, _LOWER, None)]
    line = {"width": 2.5 if chosen else 1, "color": None if chosen else NEUTRAL}
    return go.Scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", zorder=2 if chosen else 1)


def _kv_heads(given: Groups) -> go.Scatter:
    kvs = range(given.kvs)
    notes = [f"key/value head {kv}: read by query heads {_span(kv * given.share, given.share)}" for kv in kvs]
    return _heads([_middle(given, kv) for kv in kvs], _UPPER, kvs, notes, "square", "top center", given)


def _query_heads(given: Groups) -> go.Scatter:
    queries = range(given.queries)
    notes = [f"query head {query}: reads key/value head {query // given.share}" for query in queries]
    return _heads(list(queries), _LOWER, queries, notes, "circle", "bottom center", given)


def _span(first: int, count: int) -> str:
    return f"{first}" if count == 1 else f"{first} to {first + count - 1}"


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
        width=0.6,
        marker={"color": NEUTRAL, "opacity": [1.0, *[0.6] * (len(given.bars) - 1)]},
        text=[escaped(bar.text) for bar in given.bars],
        textposition="outside",
        constraintext="none",
        cliponaxis=False,
        hoverinfo="skip",
    )


def _axes(figure: go.Figure, given: Groups) -> None:
    figure.update_xaxes(visible=False, range=[-0.7, given.queries - 0.3], row=1, col=1)
    rows = {"tickvals": [_UPPER, _LOWER], "ticktext": ["key/value heads", "query heads"], "showgrid": False}
    figure.update_yaxes(range=[-0.5, 1.5], zeroline=False, automargin=True, row=1, col=1, **rows)
    most = max(bar.value for bar in given.bars)
    figure.update_xaxes(title_text=escaped(given.axis), range=[0, 1.25 * most], nticks=6, row=2, col=1)
    labels = {"tickvals": list(range(len(given.bars))), "ticktext": [escaped(bar.label) for bar in given.bars]}
    ends = [len(given.bars) - 0.4, -0.6]
    figure.update_yaxes(range=ends, automargin=True, showgrid=False, zeroline=False, row=2, col=1, **labels)

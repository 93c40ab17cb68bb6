"""One head's attention map: how much of its attention each token, or each word, gives to each other."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from anatomy.language import N_, _
from anatomy.request import Want
from anatomy.spec import ModelSpec, RelativeBias
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.attention import attention_caption, attention_formula, attention_snippet
from panels.attention import attention_long as far
from panels.attention.attention_map import (
    MEASURE,
    ShownRow,
    by_length,
    cells_of,
    idle,
    longest,
    lowest,
    settled,
    shown_row,
)
from panels.attention.head_kinds import KINDS
from panels.common.attention_row import at, is_long, wanted
from panels.common.columns import columns_of, most_note, most_weight, span
from panels.common.shared import FIRST, SCALE, WORDS
from panels.panel import Panel, Table
from viz.grid import Grid, Part
from viz.scale import ceiling

_MADE_OF = ("q", "z", "scores", "pattern")  # asked for as `wanted` says
_KEYS = ("k", "v")
_PAIRS = ("scores", "pattern")  # that words are joined from
_LOWEST = 1e-4  # where a logarithmic scale of weights begins: a hundredth of a percent
MOST_COMPARED = 1024  # tokens of a text in which all heads are compared without being asked to: it takes a while
Column = Sequence[str | int | float | None]
Common = dict[str, str]


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """What the chosen row is made of, the map as it is shown, and every head's scores for the comparison."""
    view = settled(spec, view)
    compared = () if view.length > MOST_COMPARED else tuple(kind.want for kind in KINDS.values())
    return (*_layer(spec, view), *compared)


def _layer(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Of a short text the layer's queries, keys, values, scores, weights and results, what is added to its scores, and
    the lengths where they are shown; of a long one the chosen token's, and the cells of one head."""
    lengths = ("contribution",) if by_length(view) else ()
    if is_long(view) and view[WORDS]:
        return [Want(site, view.layer) for site in (*_PAIRS, *lengths)]
    biased = ("pos_bias",) if isinstance(spec.position, RelativeBias) else ()
    row = [wanted(view, site) for site in (*_MADE_OF, *biased, *lengths)]
    cells = far.wants(spec, view, by_length(view)) if far.is_far(view) else ()
    return tuple(dict.fromkeys((*row, *(Want(site, view.layer) for site in _KEYS), *cells)))


def draw(trace: Trace, view: Fitted) -> Grid:
    """Those that look by those looked at. Weights on the same scale for every head, 0 to 100 %; lengths on one for
    every head of the layer. Of a long text cells of many pairs, or a window."""
    view = settled(trace.spec, view)
    return _draw_far(trace, view) if far.is_far(view) else _draw_all(trace, view)


def _draw_all(trace: Trace, view: Fitted) -> Grid:
    """Every token by every other, or every word."""
    shown, cells = shown_row(trace, view), cells_of(trace, view)
    high = longest(trace, view) if by_length(view) else 1.0
    common = {
        "row_axis": _("looking (query), averaged") if view[WORDS] else _("looking (query)"),
        "col_axis": _("looked at (key), summed") if view[WORDS] else _("looked at (key)"),
        "title": _title(view),
        "empty": _empty(trace, view),
    }
    if columns_of(len(shown.words)).pooled:
        return _words_in_cells(view, shown, cells, high, common)
    labels, last = shown.words.labels(trace.tokens), shown.words.last
    focus = None if shown.col is None else (shown.row, shown.col)
    places = tuple((pos, src) for pos in last for src in last) if view[WORDS] else None
    return _grid(view, cells, (labels, labels), high, focus=focus, places=places, **common)


def _words_in_cells(
    view: Fitted, shown: ShownRow, cells: Float[np.ndarray, "row col"], high: float, common: Common
) -> Grid:
    """The largest of each cell of many words; cells are labelled by the places of their words."""
    columns = columns_of(len(shown.words))
    tokens = (*(shown.words.starts[word] for word in columns.edges[:-1]), shown.words.count)
    focus = chosen = None
    if shown.col is not None:
        focus = columns.of(shown.row), columns.of(shown.col)
        chosen = view.pos, shown.words.starts[shown.col]
    labels = columns.labels(())
    return _grid(
        view,
        columns.largest(columns.largest(cells).T).T,
        (labels, labels),
        high,
        focus=focus,
        part=Part(tokens, tokens, chosen, view.length),
        measure=far.measured(view, by_length(view)),
        **common,
    )


def _draw_far(trace: Trace, view: Fitted) -> Grid:
    """Cells of many pairs, or the pairs of a window."""
    shown, cells, near = shown_row(trace, view), far.cells_of(trace, view, by_length(view)), far.is_near(view)
    focus = cells.at(shown.row, shown.col)
    chosen = None if focus is None or shown.col is None else (shown.row, shown.col)
    return _grid(
        view,
        cells.values,
        tuple(_numbered(trace, cut) if near else far.spans(cut) for cut in (cells.rows, cells.cols)),
        _high(trace, view, cells),
        row_axis=_("looking (query)") if near else _("tokens looking (query)"),
        col_axis=_("looked at (key)") if near else _("tokens looked at (key)"),
        title=_far_title(view),
        focus=focus,
        empty=_empty(trace, view),
        part=Part(tuple(cells.rows.tolist()), tuple(cells.cols.tolist()), chosen, view.length),
        measure=far.measured(view, by_length(view)),
        opens=None if near else (far.ZOOM, far.NEAR),
        leaves=(far.ZOOM, far.WHOLE) if near else None,
    )


def _grid(
    view: Fitted,
    cells: Float[np.ndarray, "row col"],
    labels: tuple[tuple[str, ...], ...],
    high: float,
    **more: Any,
) -> Grid:
    """What every map has in common."""
    rows, cols = labels
    logarithmic, own_scale = view[SCALE] == "log", by_length(view) or _is_mean(view)
    return Grid(
        z=cells.astype(np.float32),
        rows=rows,
        cols=cols,
        unit=_("L2 norm") if by_length(view) else _("probability"),
        low=(lowest(high) if own_scale else _LOWEST) if logarithmic else 0.0,
        high=high,
        logarithmic=logarithmic,
        percent=not by_length(view),
        selects="cell",
        **more,
    )


def _is_mean(view: Fitted) -> bool:
    return far.in_cells(view) and view[far.CELLS] == far.MEAN


def _high(trace: Trace, view: Fitted, cells: far.Cells) -> float:
    """The end of the scale: 100 % for weights; for means and lengths the next round number above all of this head."""
    if _is_mean(view):
        return ceiling(float(np.nan_to_num(cells.values).max()))
    return ceiling(far.most(trace, view)) if by_length(view) else 1.0


def _numbered(trace: Trace, cut: np.ndarray) -> tuple[str, ...]:
    """Tokens of a window with their places."""
    return tuple(f"{place} {trace.tokens[place].label}" for place in range(int(cut[0]), int(cut[-1])))


def _far_title(view: Fitted) -> str:
    title = _title(view)
    if not far.is_near(view):
        return _("{map}: {measure} of each cell", map=title, measure=far.measured(view, by_length(view)))
    top, bottom, left, right = far.window(view)
    return _(
        "{map}: positions {looking} looking at {looked}",
        map=title,
        looking=span(top, bottom),
        looked=span(left, right),
    )


def _title(view: Fitted) -> str:
    if by_length(view):
        return _("Layer {layer}, head {head}: weight × value", layer=view.layer, head=view.head)
    return _("Layer {layer}, head {head}", layer=view.layer, head=view.head)


def _empty(trace: Trace, view: Fitted) -> str:
    """What a cell without a number means."""
    if view[FIRST]:
        return _("masked")
    return _("masked or left out") if trace.spec.stack().causal else _("left out")


def table(trace: Trace, view: Fitted) -> Table:
    """The chosen row: what it gives to every token, or word, that it may see; of very many to those that get most."""
    view = settled(trace.spec, view)
    shown = shown_row(trace, view)
    every = np.flatnonzero(~np.isnan(shown.weights))
    seen = most_weight(shown.weights, every)
    columns = {**_named(shown, view, seen), **_scored(trace, view, seen), **_weighed(shown, view, seen)}
    return Table(tuple(columns), tuple(zip(*columns.values(), strict=True)), most_note(len(seen), len(every)))


def _named(shown: ShownRow, view: Fitted, seen: np.ndarray) -> dict[str, Column]:
    """Which ones: places, labels, and how many tokens a word has."""
    places = seen.tolist()
    labels = [shown.label(place) for place in places]
    if not view[WORDS]:
        return {_("position"): places, _("token"): labels}
    return {_("place"): places, _("word"): labels, _("tokens"): shown.words.sizes[seen].tolist()}


def _scored(trace: Trace, view: Fitted, seen: np.ndarray) -> dict[str, Column]:
    """Scores before the softmax; sums of them would mean nothing."""
    return {} if view[WORDS] else {_("score (logit)"): at(trace, view, "scores")[view.head][seen].tolist()}


def _weighed(shown: ShownRow, view: Fitted, seen: np.ndarray) -> dict[str, Column]:
    """Weights with their running sum, or beside the lengths; weights as shown where the first token is left out."""
    weights = shown.weights[seen]
    columns: dict[str, Column] = {_("weight (probability)"): weights.tolist()}
    if shown.lengths is None:
        columns[_("running sum (probability)")] = np.nancumsum(shown.weights)[seen].tolist()
    else:
        lengths = shown.lengths[seen]
        columns[_("weight × value (L2 norm)")] = lengths.tolist()
        columns[_("share of all lengths")] = _numbers([shown.share(length) for length in lengths.tolist()])
    if not view[FIRST]:
        columns[_left(view)] = _numbers(shown.shown[seen].tolist())
    return columns


def _left(view: Fitted) -> str:
    if by_length(view):
        return _("weight × value without the first token (L2 norm)")
    return _("weight without the first token (probability)")


def _numbers(values: Sequence[float]) -> Column:
    """A table's cells: empty where there is no number."""
    return [None if np.isnan(value) else value for value in values]


def caption(trace: Trace, view: Fitted) -> str:
    """The caption; where the link asks for words of too long a text, that there are none."""
    sentences = attention_caption.caption(trace, settled(trace.spec, view))
    more = attention_caption.unjoined(trace.spec) if view[WORDS] and WORDS in idle(trace.spec, view) else ""
    return f"{sentences} {more}".rstrip()


def formula(trace: Trace, view: Fitted) -> str:
    """The chosen cell's arithmetic; of a text that is too long for words, why they are not offered."""
    lines = attention_formula.formula(trace, settled(trace.spec, view))
    more = attention_caption.unjoined(trace.spec) if WORDS in idle(trace.spec, view) else ""
    return f"{lines}\n{more}".rstrip()


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The program of what is drawn."""
    return attention_snippet.snippet(spec, settled(spec, view))


PANEL = Panel(
    id="attention",
    stage="attention",
    order=0,
    name=N_("Attention map"),
    title=N_("Where does each token look?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(far.ZOOM, FIRST, SCALE, WORDS, MEASURE, far.CELLS),
    idle=idle,
    chooser="heads",
    places=("layer", "head"),
)

"""One head's attention map: how much of its attention each token, or each word, gives to each other."""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from jaxtyping import Int

from anatomy import facts
from anatomy.language import N_, _
from anatomy.request import Want
from anatomy.spec import ModelSpec, RelativeBias
from anatomy.view import Fitted
from panels.attention import attention_long as far
from panels.attention import attention_snippet
from panels.attention.attention_caption import caption
from panels.attention.attention_formula import formula
from panels.attention.attention_map import AttentionMap, idle, read, settled
from panels.attention.attention_shown import MEASURE, ShownRow, by_length
from panels.attention.head_kinds import KINDS
from panels.common import zoomed
from panels.common.attention_row import is_long, wanted
from panels.common.columns import most_note, most_weight, span
from panels.common.shared import FIRST, SCALE, WORDS
from panels.panel import Panel, Table
from viz.grid import Grid, Part
from viz.sight import Sight

_MADE_OF = ("q", "z", "scores", "pattern")  # asked for as `wanted` says
_KEYS = ("k", "v")
_PAIRS = ("scores", "pattern")  # that words are joined from
_LOWEST = 1e-4  # where a logarithmic scale of weights begins: a hundredth of a percent
MOST_COMPARED = 1024  # tokens of a text in which all heads are compared without being asked to: it takes a while
Places = Int[np.ndarray, " row"]
Column = tuple[str, Iterable]


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
    cells = far.wants(view, by_length(view)) if far.is_far(view) else ()
    return tuple(dict.fromkeys((*row, *(Want(site, view.layer) for site in _KEYS), *cells)))


def draw(attention: AttentionMap) -> Grid:
    """Those that look by those looked at. Weights on the same scale for every head, 0 to 100 %; lengths on one for
    every head of the layer. Of a long text cells of many pairs, or a window."""
    view, cells, several = attention.view, attention.cells, attention.columns.pooled
    rows, cols = _labels(attention)
    row_axis, col_axis = _axes(view)
    logarithmic = view[SCALE] == "log"
    return Grid(
        z=cells.values.astype(np.float32),
        rows=rows,
        cols=cols,
        row_axis=row_axis,
        col_axis=col_axis,
        unit=_("L2 norm") if by_length(view) else _("probability"),
        title=_title(view),
        low=_low(attention) if logarithmic else 0.0,
        high=attention.high,
        logarithmic=logarithmic,
        percent=not by_length(view),
        focus=attention.focus,
        empty=_empty(attention),
        hidden=0.0 if attention.view[FIRST] else None,
        selects="cell",
        places=_places(attention),
        part=_part(attention) if several else None,
        measure=far.measured(view, by_length(view)) if several else None,
        opens=(zoomed.ZOOM, zoomed.NEAR) if far.in_cells(view) else None,
        leaves=(zoomed.ZOOM, zoomed.WHOLE) if far.is_near(view) else None,
        sight=_sight(attention) if far.is_far(view) else None,
    )


def _labels(attention: AttentionMap) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of rows and columns: tokens, in a window with their places, or words; of many the places that a cell covers."""
    view, row, cells = attention.view, attention.row, attention.cells
    if far.is_near(view):
        return _numbered(row, cells.rows), _numbered(row, cells.cols)
    if far.in_cells(view):
        return far.spans(cells.rows), far.spans(cells.cols)
    columns = attention.columns
    labels = columns.labels(() if columns.pooled else row.words.labels(row.tokens))
    return labels, labels


def _numbered(row: ShownRow, cut: np.ndarray) -> tuple[str, ...]:
    """Tokens of a window with their places."""
    return tuple(f"{place} {row.tokens[place].label}" for place in range(int(cut[0]), int(cut[-1])))


def _axes(view: Fitted) -> tuple[str, str]:
    """Titles of rows and columns."""
    if view[WORDS]:
        return _("looking (query), averaged"), _("looked at (key), summed")
    if far.in_cells(view):
        return _("tokens looking (query)"), _("tokens looked at (key)")
    return _("looking (query)"), _("looked at (key)")


def _title(view: Fitted) -> str:
    """Layer and head, and of a long text what its cells are or where its window lies."""
    if by_length(view):
        title = _("Layer {layer}, head {head}: weight × value", layer=view.layer, head=view.head)
    else:
        title = _("Layer {layer}, head {head}", layer=view.layer, head=view.head)
    if far.in_cells(view):
        return _("{map}: {measure} of each cell", map=title, measure=far.measured(view, by_length(view)))
    if not far.is_near(view):
        return title
    top, bottom, left, right = far.window(view)
    return _(
        "{map}: positions {looking} looking at {looked}",
        map=title,
        looking=span(top, bottom),
        looked=span(left, right),
    )


def _low(attention: AttentionMap) -> float:
    """Where a logarithmic scale begins: of weights at one place; else at the power of ten that is at most a thousandth
    of its end."""
    if not (by_length(attention.view) or far.is_mean(attention.view)):
        return _LOWEST
    return 10.0 ** math.floor(math.log10(attention.high) - 3 + 1e-9)


def _empty(attention: AttentionMap) -> str:
    """What a cell without a number means."""
    if attention.view[FIRST]:
        return _("masked")
    return _("masked or left out") if attention.spec.stack().causal else _("left out")


def _places(attention: AttentionMap) -> tuple[tuple[int, int], ...] | None:
    """The tokens that a cell of two words chooses: their last ones."""
    if attention.columns.pooled or not attention.view[WORDS]:
        return None
    last = attention.row.words.last
    return tuple((pos, src) for pos in last for src in last)


def _part(attention: AttentionMap) -> Part:
    """The tokens that the cells cover, and the chosen ones."""
    row, cells = attention.row, attention.cells
    pair = None if attention.focus is None else (attention.view.pos, row.words.starts[row.key])
    return Part(tuple(cells.rows.tolist()), tuple(cells.cols.tolist()), pair, attention.view.length)


def _sight(attention: AttentionMap) -> Sight:
    """How near the map of a long text stands, and the whole beside a window."""
    chosen = attention.view.pos, attention.row.words.starts[attention.row.key]
    return far.nearness(attention.view, chosen, attention.whole)


def table(attention: AttentionMap) -> Table:
    """The chosen row: what it gives to every token, or word, that it may see; of very many to those that get most."""
    weights = attention.row.weights
    every = np.flatnonzero(~np.isnan(weights))
    listed = most_weight(weights, every)
    columns = (*_named(attention, listed), *_weighed(attention, listed))
    return Table.of(*columns, note=most_note(len(listed), len(every)))


def _named(attention: AttentionMap, listed: Places) -> Iterator[Column]:
    """Which ones: places and labels; how many tokens a word has, or a token's score before the softmax, of which sums
    would mean nothing."""
    row, products = attention.row, attention.products
    labels = map(row.label, listed.tolist())
    if products is None:
        yield from ((_("place"), listed), (_("word"), labels), (_("tokens"), row.words.sizes[listed]))
    else:
        yield from ((_("position"), listed), (_("token"), labels), (_("score (logit)"), products.scores[listed]))


def _weighed(attention: AttentionMap, listed: Places) -> Iterator[Column]:
    """Weights with their running sum, or beside the lengths; weights as shown where the first token is left out."""
    row = attention.row
    yield _("weight (probability)"), row.weights[listed]
    if row.lengths is None:
        yield _("running sum (probability)"), np.nancumsum(row.weights)[listed]
    else:
        lengths = row.lengths[listed]
        yield _("weight × value (L2 norm)"), lengths
        yield _("share of all lengths"), _numbers(map(row.share, lengths.tolist()))
    if row.left_out:
        yield _left(attention.view), _numbers(row.shown[listed].tolist())


def _left(view: Fitted) -> str:
    if by_length(view):
        return _("weight × value without the first token (L2 norm)")
    return _("weight without the first token (probability)")


def _numbers(values: Iterable[float]) -> list[float | None]:
    """A table's cells: empty where there is no number."""
    return [None if math.isnan(value) else value for value in values]


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
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    facts=(facts.SCALE, facts.WINDOW),
    controls=(*zoomed.settings(), FIRST, SCALE, WORDS, MEASURE, far.CELLS),
    idle=idle,
    chooser="heads",
    places=("layer", "head"),
)

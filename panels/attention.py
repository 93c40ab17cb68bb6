"""One head's attention map: how much of its attention each token, or each word, gives to each other."""

from collections.abc import Sequence

import numpy as np

from anatomy.language import N_, _
from anatomy.request import Want
from anatomy.spec import ModelSpec, RelativeBias
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.attention_formula import formula
from panels.attention_map import MEASURE, Map, by_length, longest, lowest, map_of
from panels.attention_says import says
from panels.attention_snippet import snippet
from panels.head_kinds import KINDS
from panels.shared import FIRST, SCALE, WORDS
from viz.grid import Grid

_PER_LAYER = ("q", "k", "v", "scores", "pattern", "z")
_LOWEST = 1e-4  # where a logarithmic scale of weights begins: a hundredth of a percent
Column = Sequence[str | int | float | None]


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The layer's queries, keys, values, scores, weights and results, what is added to its scores, and the lengths
    where they are shown; every head's scores for the comparison."""
    biased = ("pos_bias",) if isinstance(spec.position, RelativeBias) else ()
    lengths = ("contribution",) if by_length(view) else ()
    layer = (Want(site, view.layer) for site in (*_PER_LAYER, *biased, *lengths))
    return (*layer, *(kind.want for kind in KINDS.values()))


def draw(trace: Trace, view: Fitted) -> Grid:
    """Those that look by those looked at. Weights on the same scale for every head, 0 to 100 %; lengths on one for
    every head of the layer."""
    found = map_of(trace, view)
    logarithmic, lengths = view[SCALE] == "log", by_length(view)
    high = longest(trace, view) if lengths else 1.0
    bottom = lowest(high) if lengths else _LOWEST
    last = found.words.last
    return Grid(
        z=found.shown.astype(np.float32),
        rows=found.labels,
        cols=found.labels,
        row_axis=_("looking (query), averaged") if view[WORDS] else _("looking (query)"),
        col_axis=_("looked at (key), summed") if view[WORDS] else _("looked at (key)"),
        unit=_("L2 norm") if lengths else _("probability"),
        title=_title(view),
        low=bottom if logarithmic else 0.0,
        high=high,
        logarithmic=logarithmic,
        percent=not lengths,
        focus=None if found.col is None else (found.row, found.col),
        empty=_empty(trace, view),
        selects="cell",
        places=tuple((pos, src) for pos in last for src in last) if view[WORDS] else None,
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
    """The chosen row: what it gives to every token, or word, that it may see."""
    found = map_of(trace, view)
    seen = np.flatnonzero(~np.isnan(found.weights[found.row]))
    columns = {**_named(found, view, seen), **_scored(trace, view, seen), **_weighed(found, view, seen)}
    return Table(tuple(columns), tuple(zip(*columns.values(), strict=True)))


def _named(found: Map, view: Fitted, seen: np.ndarray) -> dict[str, Column]:
    """Which ones: places, labels, and how many tokens a word has."""
    places, labels = seen.tolist(), [found.labels[i] for i in seen]
    if not view[WORDS]:
        return {_("position"): places, _("token"): labels}
    return {_("place"): places, _("word"): labels, _("tokens"): found.words.sizes[seen].tolist()}


def _scored(trace: Trace, view: Fitted, seen: np.ndarray) -> dict[str, Column]:
    """Scores before the softmax; sums of them would mean nothing."""
    scores = trace[Want("scores", view.layer)][view.head, view.pos]
    return {} if view[WORDS] else {_("score (logit)"): scores[seen].tolist()}


def _weighed(found: Map, view: Fitted, seen: np.ndarray) -> dict[str, Column]:
    """Weights with their running sum, or beside the lengths; weights as shown where the first token is left out."""
    weights = found.weights[found.row, seen]
    columns: dict[str, Column] = {_("weight (probability)"): weights.tolist()}
    if found.lengths is None:
        columns[_("running sum (probability)")] = np.cumsum(weights).tolist()
    else:
        lengths = found.lengths[found.row, seen]
        columns[_("weight × value (L2 norm)")] = lengths.tolist()
        columns[_("share of all lengths")] = _numbers([found.share(length) for length in lengths.tolist()])
    if not view[FIRST]:
        columns[_left(view)] = _numbers(found.shown[found.row, seen].tolist())
    return columns


def _left(view: Fitted) -> str:
    if by_length(view):
        return _("weight × value without the first token (L2 norm)")
    return _("weight without the first token (probability)")


def _numbers(values: Sequence[float]) -> Column:
    """A table's cells: empty where there is no number."""
    return [None if np.isnan(value) else value for value in values]


PANEL = Panel(
    id="attention",
    stage="attention",
    order=0,
    name=N_("Attention map"),
    title=N_("Where does each token look?"),
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(FIRST, SCALE, WORDS, MEASURE),
    chooser="heads",
    places=("layer", "head"),
)

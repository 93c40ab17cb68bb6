"""All heads of all layers at a glance, by what they do on this text; the chooser of the attention map."""

from collections.abc import Sequence
from math import prod

import numpy as np
from jaxtyping import UInt8

from anatomy.language import N_, _, ngettext
from anatomy.measure import max_pool
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.attention.head_kinds import KINDS, MAPS, SHOW, HeadKind, missing, own, rows, scores, standing, top
from panels.attention.head_order import ORDER, SCORE, Ranking, ranked
from panels.attention.heads_snippet import snippet
from panels.common.attention_row import at, is_long, wanted
from panels.panel import Panel, Table
from viz.format import exact, listed, number, quoted, rounding, thousands
from viz.grid import Grid
from viz.scale import ceiling

_MAPS = Want("head_maps")
_LISTED = 8  # terms of a mean that the formula writes out
_MOST_BYTES = 180_000  # of all small maps


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Every head's scores, the small maps where they are shown, and for the formula the chosen layer's weights, of a
    long text the chosen token's."""
    maps = (_MAPS,) if view[SHOW] == MAPS else ()
    return (*(kind.want for kind in KINDS.values()), wanted(view, "pattern"), *maps)


def _kind(view: Fitted) -> HeadKind:
    """The score on the cells; for the small maps the one that explains most of what they show."""
    return KINDS["first" if view[SHOW] == MAPS else view[SHOW]]


def _sorts(view: Fitted) -> bool:
    return view[ORDER] == SCORE


def draw(trace: Trace, view: Fitted) -> Grid:
    """Layers by heads, query heads that share a key/value head together; or every head from the highest score on."""
    spec, maps = trace.spec, view[SHOW] == MAPS
    values = scores(trace, _kind(view))
    sharing = spec.n_heads // spec.n_kv
    grid = Grid(
        z=values,
        rows=tuple(map(str, range(spec.layers))),
        cols=tuple(map(str, range(spec.n_heads))),
        row_axis=_("layer"),
        col_axis=_("head"),
        unit=_(_kind(view).unit),
        title=_title(view),
        high=1.0 if maps else _high(values),
        focus=(view.layer, view.head),
        empty=_("no case in this text"),
        tiles=_tiles(trace) if maps else None,
        groups=sharing if 1 < sharing < spec.n_heads else 0,
        selects="head",
    )
    return ranked(grid, (view.layer, view.head)) if _sorts(view) else grid


def _tiles(trace: Trace) -> UInt8[np.ndarray, "layer head row col"]:
    """The small maps, of a model with very many heads in larger cells: all together they have to travel."""
    tiles = trace[_MAPS]
    side = tiles.shape[-1]
    while side > 1 and _packed_size(tiles.shape[:2], side, trace.spec.stack().causal) > _MOST_BYTES:
        side = -(-side // 2)
    return max_pool(tiles, side)


def _packed_size(heads: Sequence[int], side: int, causal: bool) -> int:
    """Bytes of the small maps on the wire: of causal ones the cells above the diagonal, all 0, stay behind."""
    return prod(heads) * (side * (side + 1) // 2 if causal else side * side)


def _title(view: Fitted) -> str:
    score = _(_kind(view).name)
    if view[SHOW] == MAPS:
        return _("All heads: their maps, by “{score}”", score=score) if _sorts(view) else _("All heads: their maps")
    if _sorts(view):
        return _("All heads, strongest first: {score}", score=score)
    return _("All heads: {score}", score=score)


def _high(values: np.ndarray) -> float:
    """The end of the colour scale: the next round number above the highest score."""
    return ceiling(float(np.nanmax(values))) if np.isfinite(values).any() else 1.0


def caption(trace: Trace, view: Fitted) -> str:
    """Which head does it most, where the chosen one stands, and in which order they are shown."""
    kind = _kind(view)
    values = scores(trace, kind)
    if np.isnan(values).all():
        return _("{why}: no head has this score.", why=missing(trace, kind))
    sentences = _says_maps(trace, values) if view[SHOW] == MAPS else _says_best(view, kind, values)
    return f"{sentences} {_ordered(kind, values)}" if _sorts(view) else sentences


def _says_best(view: Fitted, kind: HeadKind, values: np.ndarray) -> str:
    """The head with the highest score, and the chosen one's place."""
    layer, head = top(values)
    highest = ngettext(
        "Of {count} head, layer {layer}, head {head} {does}: {measured}.",
        "Of {count} heads, layer {layer}, head {head} {does}: {measured}.",
        values.size,
        layer=layer,
        head=head,
        does=_(kind.does),
        measured=_measured(kind, float(values[layer, head])),
    )
    high = exact(_high(values))
    if (layer, head) == (view.layer, view.head):
        return f"{highest} {_('It is the chosen one; colours run from 0 to {high}.', high=high)}"
    chosen = standing(values, view.layer, view.head)
    own = _(
        "The chosen one, layer {layer}, head {head}, is number {rank} ({value}); colours run from 0 to {high}.",
        layer=view.layer,
        head=view.head,
        rank=chosen.rank,
        value=number(chosen.value, 2),
        high=high,
    )
    return f"{highest} {own}"


def _measured(kind: HeadKind, value: float) -> str:
    """A score in words."""
    if kind.slug == "entropy":
        tokens = number(float(np.exp(value)), 2)
        return _(
            "{value} nats of entropy per row, as if over {tokens} tokens evenly", value=number(value), tokens=tokens
        )
    if kind.slug == "distance":
        return _("{value} tokens away on average", value=number(value))
    return _("on average {share} of its attention goes {whither}", share=number(value, 2), whither=kind.whither)


def _ordered(kind: HeadKind, values: np.ndarray) -> str:
    """In which order the heads stand, and how many have no room."""
    ranking = Ranking(values)
    order = _("From left to right, row after row, the heads stand in the order of “{score}”.", score=_(kind.name))
    if len(ranking.shown) == len(ranking.heads):
        return order
    shown, every = thousands(len(ranking.shown)), thousands(len(ranking.heads))
    left = _("Shown are the first {shown} of {every}; the table has them all.", shown=shown, every=every)
    return f"{order} {left}"


def _says_maps(trace: Trace, first: np.ndarray) -> str:
    """How many heads rest on the first token, and what a small picture's cell stands for."""
    side, n = _tiles(trace).shape[-1], len(trace.tokens)
    maps = ngettext(
        "One small map per head, {count} token each way, drawn in 256 steps. Heads that give the first token more "
        "than half of their attention: {resting} of {heads}.",
        "One small map per head, {count} tokens each way, drawn in 256 steps. Heads that give the first token more "
        "than half of their attention: {resting} of {heads}.",
        n,
        resting=thousands(int((first > 0.5).sum())),
        heads=thousands(first.size),
    )
    if n <= side:
        return maps
    pooled = ngettext(
        "The text is longer than {count} token: each cell shows the largest weight of those it covers.",
        "The text is longer than {count} tokens: each cell shows the largest weight of those it covers.",
        side,
    )
    return f"{maps} {pooled}"


def table(trace: Trace, view: Fitted) -> Table:
    """One row per head with all its scores, in the order of the picture; empty where the text offers no case."""
    named = (_("{score} ({unit})", score=_(kind.name), unit=_(kind.unit)) for kind in KINDS.values())
    values = np.stack([scores(trace, kind) for kind in KINDS.values()], axis=-1)  # [layer head kind]
    heads = Ranking(scores(trace, _kind(view))).heads if _sorts(view) else np.ndindex(*values.shape[:2])
    return Table(
        (_("layer"), _("head"), *named),
        tuple((*place, *(None if np.isnan(value) else float(value) for value in values[place])) for place in heads),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The chosen head's score as the mean that it is, token by token, against the run's own value; of a long text the
    chosen token's term of it."""
    kind = _kind(view)
    score = float(scores(trace, kind)[view.layer, view.head])
    if np.isnan(score):
        return _("{why}: the mean of no numbers is no number.", why=missing(trace, kind))
    if is_long(view):
        return _one_term(trace, view, kind, score)
    pattern = trace[Want("pattern", view.layer)][view.head]
    where, values = rows(kind, pattern, np.array([token.id for token in trace.tokens]))
    mean = float(values.mean())
    labels = [quoted(trace.tokens[i].label) for i in where]
    first = ngettext(
        "{score} of layer {layer}, head {head} ({unit}): mean over {count} token",
        "{score} of layer {layer}, head {head} ({unit}): mean over {count} tokens",
        len(values),
        score=_(kind.name),
        layer=view.layer,
        head=view.head,
        unit=_(kind.unit),
    )
    total, count = number(float(values.sum())), thousands(len(values))
    summed = _("sum / number = {sum} / {count} = {mean}", sum=total, count=count, mean=number(mean))
    off = rounding(mean - score, values)
    compared = _("in the overview: {own}, difference {difference}", own=number(score), difference=off)
    return "\n".join((first, f"{_summand(kind)}: {_terms(labels, values)}", summed, compared))


def _one_term(trace: Trace, view: Fitted, kind: HeadKind, score: float) -> str:
    """The mean over a long text, which was added up while the model ran, and the chosen token's part in it."""
    first = _(
        "{score} of layer {layer}, head {head} ({unit}): {mean}, a mean over the text's tokens, added up while the "
        "model ran",
        score=_(kind.name),
        layer=view.layer,
        head=view.head,
        unit=_(kind.unit),
        mean=number(score),
    )
    ids = np.array([token.id for token in trace.tokens])
    term = own(kind, at(trace, view, "pattern")[view.head], view.pos, ids)
    token = quoted(trace.tokens[view.pos].label)
    if term is None:
        return f"{first}\n" + _("the chosen token, {token}, has no part in it: it offers no case", token=token)
    part = _("of the chosen token, {token}: {value}", token=token, value=number(term))
    return f"{first}\n{_summand(kind)}\n{part}"


def _terms(labels: Sequence[str], values: np.ndarray) -> str:
    """The first terms of the mean, and how many more there are."""
    terms = listed(f"{label} {number(value)}" for label, value in zip(labels[:_LISTED], values, strict=False))
    if len(values) <= _LISTED:
        return terms
    return _("{terms} and {more} more", terms=terms, more=thousands(len(values) - _LISTED))


def _summand(kind: HeadKind) -> str:
    """What is averaged, per token looked from."""
    if kind.slug == "entropy":
        return _("−Σ w · ln w over each token's weights")
    if kind.slug == "distance":
        return _("Σ w · |distance| over each token's weights")
    return _("each token's weight that goes {whither}", whither=kind.whither)


PANEL = Panel(
    id="heads",
    stage="attention",
    order=1,
    name=N_("All heads"),
    title=N_("What does each head do?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(SHOW, ORDER),
)

"""All heads of all layers at a glance, by what they do on this text; the chooser of the attention map."""

from collections.abc import Sequence

import numpy as np

from anatomy.control import Control
from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.view import Fitted
from panels.attention.head_kinds import (
    KINDS,
    MAPS,
    SHOW,
    HeadKind,
    Standing,
    missing,
    opening_show,
    own,
    rows,
    shown,
    standing,
    top,
)
from panels.attention.head_order import ORDER, ranked
from panels.attention.head_scores import SMALL_MAPS, HeadScores, read
from panels.attention.heads_snippet import snippet
from panels.common.attention_row import wanted
from panels.panel import Panel, Table
from viz.format import exact, listed, number, quoted, rounding, thousands
from viz.grid import Grid

_LISTED = 8  # terms of a mean that the formula writes out


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Every head's scores, the small maps where they are shown, and for the formula the chosen layer's weights, of a
    long text the chosen token's."""
    maps = (SMALL_MAPS,) if shown(view) == MAPS else ()
    return (*(kind.want for kind in KINDS.values()), wanted(view, "pattern"), *maps)


def fitting(spec: ModelSpec, view: Fitted, control: Control) -> Control:
    """What is shown opens with something that the text has."""
    return opening_show(view) if control == SHOW else control


def draw(scores: HeadScores) -> Grid:
    """Layers by heads, query heads that share a key/value head together; or every head from the highest score on."""
    layers, heads = scores.values.shape
    grid = Grid(
        z=scores.values,
        rows=tuple(map(str, range(layers))),
        cols=tuple(map(str, range(heads))),
        row_axis=_("layer"),
        col_axis=_("head"),
        unit=_(scores.kind.unit),
        title=_title(scores),
        high=scores.high,
        focus=(scores.layer, scores.head),
        empty=_("no case in this text") if scores.maps is None else _("all of its attention on itself"),
        tiles=scores.maps,
        groups=scores.sharing if 1 < scores.sharing < heads else 0,
        selects="head",
    )
    return ranked(grid, scores.ranking) if scores.in_order else grid


def _title(scores: HeadScores) -> str:
    score = _(scores.kind.name)
    if scores.maps is not None:
        return _("All heads: their maps, by “{score}”", score=score) if scores.in_order else _("All heads: their maps")
    if scores.in_order:
        return _("All heads, strongest first: {score}", score=score)
    return _("All heads: {score}", score=score)


def caption(scores: HeadScores) -> str:
    """Which head does it most, where the chosen one stands, in which order they are shown, and why it is not copying
    that is shown first."""
    if scores.maps is not None and len(scores.tokens) == 1:
        return _(
            "The text is one token, which gives itself all of its attention in every head: with a few more words the "
            "maps differ."
        )
    if np.isnan(scores.values).all():
        return _("{why}: no head has this score.", why=missing(scores.kind, scores.ids))
    sentences = [_says_best(scores) if scores.maps is None else _says_maps(scores, scores.maps.shape[-1])]
    sentences += [_ordered(scores)] if scores.in_order else []
    if scores.instead:
        why = missing(KINDS["induction"], scores.ids)
        sentences.append(_("{why}: no head has a score for copying.", why=why))
    return " ".join(sentences)


def _says_best(scores: HeadScores) -> str:
    """The head with the highest score, and the chosen one's place."""
    (layer, head), high = top(scores.values), exact(scores.high)
    best = standing(scores.values, layer, head)
    if best.rank > 1:
        return _says_level(scores, best, (layer, head), high)
    highest = ngettext(
        "Of {count} head, layer {layer}, head {head} {does}: {measured}.",
        "Of {count} heads, layer {layer}, head {head} {does}: {measured}.",
        scores.values.size,
        layer=layer,
        head=head,
        does=_(scores.kind.does),
        measured=_measured(scores.kind, best.value),
    )
    if (layer, head) == (scores.layer, scores.head):
        return f"{highest} {_('It is the chosen one; colours run from 0 to {high}.', high=high)}"
    chosen = standing(scores.values, scores.layer, scores.head)
    own = _(
        "The chosen one, layer {layer}, head {head}, is number {rank} ({value}); colours run from 0 to {high}.",
        layer=scores.layer,
        head=scores.head,
        rank=chosen.rank,
        value=number(chosen.value, 2),
        high=high,
    )
    return f"{highest} {own}"


def _says_level(scores: HeadScores, best: Standing, first: tuple[int, int], high: str) -> str:
    """The same where several heads have the highest score."""
    measured, colours = _measured(scores.kind, best.value), _("Colours run from 0 to {high}.", high=high)
    if best.rank == best.heads:
        level = _(
            "Every one of the {count} heads has the same score: {measured}.",
            count=thousands(best.heads),
            measured=measured,
        )
        return f"{level} {colours}"
    level = _(
        "{count} of {heads} heads share the highest score, the first of them layer {layer}, head {head}: {measured}.",
        count=thousands(best.rank),
        heads=thousands(best.heads),
        layer=first[0],
        head=first[1],
        measured=measured,
    )
    chosen = standing(scores.values, scores.layer, scores.head)
    if chosen.rank == best.rank:
        own = _("The chosen one, layer {layer}, head {head}, is one of them.", layer=scores.layer, head=scores.head)
    else:
        own = _(
            "The chosen one, layer {layer}, head {head}, is number {rank} ({value}).",
            layer=scores.layer,
            head=scores.head,
            rank=chosen.rank,
            value=number(chosen.value, 2),
        )
    return f"{level} {own} {colours}"


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


def _ordered(scores: HeadScores) -> str:
    """In which order the heads stand, and how many have no room."""
    ranking = scores.ranking
    order = _(
        "From left to right, row after row, the heads stand in the order of “{score}”.", score=_(scores.kind.name)
    )
    if len(ranking.shown) == len(ranking.heads):
        return order
    shown, every = thousands(len(ranking.shown)), thousands(len(ranking.heads))
    left = _("Shown are the first {shown} of {every}; the table has them all.", shown=shown, every=every)
    return f"{order} {left}"


def _says_maps(scores: HeadScores, side: int) -> str:
    """How many heads rest on the first token, and what a cell of a small map with so many a side stands for."""
    maps = ngettext(
        "One small map per head, {count} token each way, drawn in 256 steps. Heads that give the first token more "
        "than half of their attention: {resting} of {heads}.",
        "One small map per head, {count} tokens each way, drawn in 256 steps. Heads that give the first token more "
        "than half of their attention: {resting} of {heads}.",
        len(scores.tokens),
        resting=thousands(int((scores.values > 0.5).sum())),
        heads=thousands(scores.values.size),
    )
    if len(scores.tokens) <= side:
        return maps
    pooled = ngettext(
        "The text is longer than {count} token: each cell shows the largest weight of those it covers.",
        "The text is longer than {count} tokens: each cell shows the largest weight of those it covers.",
        side,
    )
    return f"{maps} {pooled}"


def table(scores: HeadScores) -> Table:
    """One row per head with all its scores, in the order of the picture; empty where the text offers no case."""
    layers, heads = zip(*(scores.ranking.heads if scores.in_order else np.ndindex(scores.values.shape)), strict=True)
    columns = (
        (
            _("{score} ({unit})", score=_(kind.name), unit=_(kind.unit)),
            [None if np.isnan(value) else value for value in scores.every[slug][layers, heads].tolist()],
        )
        for slug, kind in KINDS.items()
    )
    return Table.of((_("layer"), layers), (_("head"), heads), *columns)


def formula(scores: HeadScores) -> str:
    """The chosen head's score as the mean that it is, token by token, against the run's own value; of a long text the
    chosen token's term of it."""
    score = float(scores.values[scores.layer, scores.head])
    if np.isnan(score):
        return _("{why}: the mean of no numbers is no number.", why=missing(scores.kind, scores.ids))
    return _one_term(scores, score) if scores.alone else _mean(scores, score)


def _mean(scores: HeadScores, score: float) -> str:
    """The mean over the tokens, with its first terms."""
    kind = scores.kind
    where, values = rows(kind, scores.pattern, scores.ids)
    mean = float(values.mean())
    labels = [quoted(scores.tokens[i].label) for i in where]
    first = ngettext(
        "{score} of layer {layer}, head {head} ({unit}): mean over {count} token",
        "{score} of layer {layer}, head {head} ({unit}): mean over {count} tokens",
        len(values),
        score=_(kind.name),
        layer=scores.layer,
        head=scores.head,
        unit=_(kind.unit),
    )
    total, count = number(float(values.sum())), thousands(len(values))
    summed = _("sum / number = {sum} / {count} = {mean}", sum=total, count=count, mean=number(mean))
    off = rounding(mean - score, values)
    compared = _("in the overview: {own}, difference {difference}", own=number(score), difference=off)
    return "\n".join((first, f"{_summand(kind)}: {_terms(labels, values)}", summed, compared))


def _one_term(scores: HeadScores, score: float) -> str:
    """The mean over a long text, which was added up while the model ran, and the chosen token's part in it."""
    kind = scores.kind
    first = _(
        "{score} of layer {layer}, head {head} ({unit}): {mean}, a mean over the text's tokens, added up while the "
        "model ran",
        score=_(kind.name),
        layer=scores.layer,
        head=scores.head,
        unit=_(kind.unit),
        mean=number(score),
    )
    term = own(kind, scores.pattern[0], scores.pos, scores.ids)
    token = quoted(scores.tokens[scores.pos].label)
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
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(SHOW, ORDER),
    fitting=fitting,
)

"""All heads of all layers at a glance, by what they do on this text; the chooser of the attention map."""

from collections.abc import Sequence

import numpy as np

from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.head_kinds import KINDS, MAPS, SHOW, HeadKind, missing, rows, scores, standing, top
from panels.heads_snippet import snippet
from viz.format import many, number, quoted, thousands
from viz.grid import Grid
from viz.scale import ceiling

_MAPS = Want("head_maps")
_LISTED = 8  # terms of a mean that the formula writes out


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Every head's scores, the small maps where they are shown, and the chosen layer's weights for the formula."""
    maps = (_MAPS,) if view[SHOW] == MAPS else ()
    return (*(kind.want for kind in KINDS.values()), Want("pattern", view.layer), *maps)


def _kind(view: Fitted) -> HeadKind:
    """The score on the cells; for the small maps the one that explains most of what they show."""
    return KINDS["first" if view[SHOW] == MAPS else view[SHOW]]


def draw(trace: Trace, view: Fitted) -> Grid:
    """Layers by heads. Query heads that share a key/value head stand together."""
    spec, kind, maps = trace.spec, _kind(view), view[SHOW] == MAPS
    values = scores(trace, kind)
    sharing = spec.n_heads // spec.n_kv
    return Grid(
        z=values,
        rows=tuple(map(str, range(spec.layers))),
        cols=tuple(map(str, range(spec.n_heads))),
        row_axis="layer",
        col_axis="head",
        unit=kind.unit,
        title="All heads: their maps" if maps else f"All heads: {kind.name}",
        high=1.0 if maps else _high(values),
        focus=(view.layer, view.head),
        empty="no case in this text",
        tiles=trace[_MAPS] if maps else None,
        groups=sharing if 1 < sharing < spec.n_heads else 0,
        selects="head",
    )


def _high(values: np.ndarray) -> float:
    """The end of the colour scale: the next round number above the highest score."""
    return ceiling(float(np.nanmax(values))) if np.isfinite(values).any() else 1.0


def says(trace: Trace, view: Fitted) -> str:
    """Which head does it most, and where the chosen one stands."""
    kind = _kind(view)
    values = scores(trace, kind)
    if np.isnan(values).all():
        return f"{missing(trace, kind)}: no head has this score."
    if view[SHOW] == MAPS:
        return _says_maps(trace, values)
    best = top(values)
    highest, chosen = float(values[best]), standing(values, view.layer, view.head)
    told = f"Of {many(values.size, 'head')}, {_place(*best)} {kind.does.format('most')}: {_measured(kind, highest)}."
    if best == (view.layer, view.head):
        own = " It is the chosen one"
    else:
        own = f" The chosen one, {_place(view.layer, view.head)}, is number {chosen.rank} ({number(chosen.value, 2)})"
    return f"{told}{own}; colours run from 0 to {_high(values):g}."


def _place(layer: int, head: int) -> str:
    return f"layer {layer}, head {head}"


def _measured(kind: HeadKind, value: float) -> str:
    """A score in words."""
    if kind.slug == "entropy":
        return f"{number(value)} {kind.of}, as if over {number(float(np.exp(value)), 2)} tokens evenly"
    if kind.slug == "distance":
        return f"{number(value)} {kind.of}"
    return f"on average {number(value, 2)} of its attention goes {kind.of}"


def _says_maps(trace: Trace, first: np.ndarray) -> str:
    """How many heads rest on the first token, and what a small picture's cell stands for."""
    resting = int((first > 0.5).sum())
    side, n = trace[_MAPS].shape[-1], len(trace.tokens)
    told = (
        f"One small map per head, {many(n, 'token')} each way, drawn in 256 steps. "
        f"Heads that give the first token more than half of their attention: {thousands(resting)} of "
        f"{thousands(first.size)}."
    )
    pooled = f" The text is longer than {side} tokens: each cell shows the largest weight of those it covers."
    return told + (pooled if n > side else "")


def table(trace: Trace, view: Fitted) -> Table:
    """One row per head with all its scores; empty where the text offers no case."""
    columns = ("layer", "head", *(f"{kind.name} ({kind.unit})" for kind in KINDS.values()))
    values = np.stack([scores(trace, kind) for kind in KINDS.values()], axis=-1)  # [layer head kind]
    return Table(
        columns,
        tuple(
            (layer, head, *(None if np.isnan(value) else float(value) for value in values[layer, head]))
            for layer, head in np.ndindex(*values.shape[:2])
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The chosen head's score as the mean that it is, token by token, against the run's own value."""
    kind = _kind(view)
    own = float(scores(trace, kind)[view.layer, view.head])
    if np.isnan(own):
        return f"{missing(trace, kind)}: the mean of no numbers is no number."
    pattern = trace[Want("pattern", view.layer)][view.head]
    where, values = rows(kind, pattern, np.array([token.id for token in trace.tokens]))
    listed = [f"{quoted(trace.tokens[i].label)} {number(v)}" for i, v in zip(where[:_LISTED], values, strict=False)]
    more = f" and {thousands(len(values) - _LISTED)} more" if len(values) > _LISTED else ""
    mean = float(values.mean())
    return "\n".join(
        (
            f"{kind.name} of {_place(view.layer, view.head)} ({kind.unit}): mean over {many(len(values), 'token')}",
            f"{_summand(kind)}: {', '.join(listed)}{more}",
            f"sum / number = {number(float(values.sum()))} / {thousands(len(values))} = {number(mean)}",
            f"in the overview: {number(own)}, difference {number(abs(mean - own), 2)}",
        )
    )


def _summand(kind: HeadKind) -> str:
    """What is averaged, per token looked from."""
    if kind.slug == "entropy":
        return "−Σ w · ln w over each token's weights"
    if kind.slug == "distance":
        return "Σ w · |distance| over each token's weights"
    return f"each token's weight that goes {kind.of}"


PANEL = Panel(
    id="heads",
    stage="attention",
    order=1,
    name="All heads",
    title="What does each head do?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(SHOW,),
)

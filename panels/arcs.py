"""One head's attention as ribbons between the text and itself: who looks at whom, all tokens at a glance."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.attention_row import row_of, weights
from panels.attention_snippet import of_tokens as snippet
from panels.chosen_cell import rule
from panels.relation import relation
from panels.shared import FIRST
from viz.arcs import Arcs, Ribbon, arcs
from viz.format import number, percent, quoted, thousands

_MOST_TOKENS, _STRONGEST = 60, 20
_LEAST = 0.01  # weights below this would be thinner than a fifth of a pixel
_LEAST_SAID = f"{100 * _LEAST:g} %"


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The layer's scores and weights."""
    return (Want("scores", view.layer), Want("pattern", view.layer))


def draw(trace: Trace, view: Fitted) -> go.Figure:
    """Every token on both sides; for long texts the chosen one on the left and those it gives most on the right."""
    row = row_of(trace, view)
    right = _right(trace, view)
    left = [view.pos] if _is_long(trace) else list(range(len(trace.tokens)))
    shown = weights(trace, view)
    ribbons = tuple(
        Ribbon(left.index(pos), right.index(src), float(shown[pos, src]), pos == view.pos)
        for pos in left
        for src in right
        if shown[pos, src] >= _LEAST
    )
    return arcs(
        Arcs(
            left=_labels(trace, left),
            right=_labels(trace, right),
            ribbons=ribbons,
            left_title=_("looking (query)"),
            right_title=_("looked at (key)"),
            chosen=left.index(view.pos),
            looked=right.index(row.src) if row.src in right else None,
        )
    )


def _is_long(trace: Trace) -> bool:
    return len(trace.tokens) > _MOST_TOKENS


def _right(trace: Trace, view: Fitted) -> list[int]:
    """Tokens on the right, in the order of the text."""
    if not _is_long(trace):
        return list(range(len(trace.tokens)))
    shown = weights(trace, view)[view.pos]
    best = np.argsort(-np.nan_to_num(shown, nan=-1.0), kind="stable")[:_STRONGEST]
    return sorted(int(src) for src in best if not np.isnan(shown[src])) or [0]


def _labels(trace: Trace, places: Sequence[int]) -> tuple[str, ...]:
    """Tokens; with their positions where not all are shown."""
    return tuple(f"{place} {trace.labels[place]}" if _is_long(trace) else trace.labels[place] for place in places)


def says(trace: Trace, view: Fitted) -> str:
    """Where the chosen token's attention goes, how many ribbons it takes, and what is left out."""
    row = row_of(trace, view)
    looking = quoted(trace.labels[view.pos])
    if row.strongest is None:
        return _(
            "In layer {layer}, head {head}, {looking} has nothing but the first token to look at, and that one is left "
            "out.",
            layer=view.layer,
            head=view.head,
            looking=looking,
        )
    told = _(
        "In layer {layer}, head {head}, the thickest ribbon of {looking} goes to {looked}: {weight}, {relation}.",
        layer=view.layer,
        head=view.head,
        looking=looking,
        looked=quoted(trace.labels[row.strongest]),
        weight=percent(float(row.weights[row.strongest])),
        relation=relation(trace.tokens, view.pos, row.strongest),
    )
    return f"{told} {_half(row.weights)} {_drawn(trace, view)}"


def _half(row: np.ndarray) -> str:
    """How many tokens hold half of the row."""
    best = -np.sort(-row[~np.isnan(row)])
    count = int(np.searchsorted(np.cumsum(best), 0.5 * best.sum() - 1e-12) + 1)
    return ngettext(
        "{count} token holds half of its attention.",
        "{count} tokens hold half of its attention.",
        count,
        count=thousands(count),
    )


def _drawn(trace: Trace, view: Fitted) -> str:
    if _is_long(trace):
        shown = weights(trace, view)[view.pos][_right(trace, view)]
        told = _(
            "With {tokens} tokens only the chosen one's strongest {shown} are drawn, {share} of its attention; those "
            "below {least} have no ribbon.",
            tokens=thousands(len(trace.tokens)),
            shown=len(shown),
            share=percent(float(np.nansum(shown))),
            least=_LEAST_SAID,
        )
    else:
        told = _("Weights below {least} are not drawn.", least=_LEAST_SAID)
    return told if view[FIRST] else f"{told} {_('The first token is left out; shares are of the rest.')}"


def table(trace: Trace, view: Fitted) -> Table:
    """What the chosen token gives, most first."""
    shown = weights(trace, view)[view.pos]
    seen = np.flatnonzero(~np.isnan(shown))
    order = seen[np.argsort(-shown[seen], kind="stable")]
    return Table(
        (_("position"), _("token"), _("weight (probability)")),
        tuple((int(src), trace.labels[src], float(shown[src])) for src in order),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """What a ribbon's thickness is, and that the chosen token's add up."""
    shown = weights(trace, view)[view.pos]
    seen = shown[~np.isnan(shown)]
    best = np.argsort(-np.nan_to_num(shown, nan=-1.0), kind="stable")[: min(4, len(seen))]
    listed = " + ".join(f"{number(float(shown[src]))} {quoted(trace.labels[src])}" for src in best)
    return "\n".join(
        (
            _(
                "thickness of a ribbon = softmax({rule}) of its two tokens, the same scale for every head",
                rule=rule(trace.spec),
            ),
            f"{quoted(trace.labels[view.pos])}: {listed}{' + …' if len(seen) > len(best) else ''} = "
            f"{number(float(seen.sum()))}",
        )
    )


PANEL = Panel(
    id="arcs",
    stage="attention",
    order=3,
    name=N_("Ribbons"),
    title=N_("Who looks at whom?"),
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(FIRST,),
    chooser="heads",
    places=("layer", "head"),
)

"""One head's attention as ribbons between the text and itself: who looks at whom, all tokens at a glance."""

from collections.abc import Sequence

import numpy as np

from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.rounding import largest_first
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.attention.attention_snippet import of_tokens as snippet
from panels.common.attention_row import row_of, wanted, weights
from panels.common.chosen_cell import rule
from panels.common.columns import most_note, most_weight
from panels.common.relation import relation
from panels.common.shared import FIRST
from panels.panel import Panel, Table
from viz.arcs import Arcs, Ribbon
from viz.format import exact_percent, number, percent, quoted

_MOST_TOKENS, _STRONGEST = 60, 20
_LEAST = 0.01  # weights below this would be thinner than a fifth of a pixel


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The layer's scores and weights; of a long text the chosen token's."""
    return (wanted(view, "scores"), wanted(view, "pattern"))


def draw(trace: Trace, view: Fitted) -> Arcs:
    """Every token on both sides; for long texts the chosen one on the left and those it gives most on the right."""
    row = row_of(trace, view)
    right = _right(trace, view)
    left = [view.pos] if _is_long(trace) else list(range(len(trace.tokens)))
    shown = row.weights[None] if _is_long(trace) else weights(trace, view)  # [left src]
    ribbons = tuple(
        Ribbon(place, right.index(src), float(shown[place, src]), pos == view.pos)
        for place, pos in enumerate(left)
        for src in right
        if shown[place, src] >= _LEAST
    )
    return Arcs(
        left=_labels(trace, left),
        right=_labels(trace, right),
        ribbons=ribbons,
        left_title=_("looking (query)"),
        right_title=_("looked at (key)"),
        chosen=left.index(view.pos),
        looked=right.index(row.src) if row.src in right else None,
    )


def _is_long(trace: Trace) -> bool:
    return len(trace.tokens) > _MOST_TOKENS


def _right(trace: Trace, view: Fitted) -> list[int]:
    """Tokens on the right, in the order of the text."""
    if not _is_long(trace):
        return list(range(len(trace.tokens)))
    shown = row_of(trace, view).weights
    best = largest_first(shown)[:_STRONGEST]
    return sorted(int(src) for src in best if not np.isnan(shown[src])) or [0]


def _labels(trace: Trace, places: Sequence[int]) -> tuple[str, ...]:
    """Tokens; with their positions where not all are shown."""
    labels = [trace.tokens[place].label for place in places]
    if not _is_long(trace):
        return tuple(labels)
    return tuple(f"{place} {label}" for place, label in zip(places, labels, strict=True))


def caption(trace: Trace, view: Fitted) -> str:
    """Where the chosen token's attention goes, how many ribbons it takes, and what is left out."""
    row = row_of(trace, view)
    looking = quoted(trace.tokens[view.pos].label)
    if row.strongest is None:
        return _(
            "In layer {layer}, head {head}, {looking} has nothing but the first token to look at, and that one is left "
            "out.",
            layer=view.layer,
            head=view.head,
            looking=looking,
        )
    thickest = _(
        "In layer {layer}, head {head}, the thickest ribbon of {looking} goes to {looked}: {weight}, {relation}.",
        layer=view.layer,
        head=view.head,
        looking=looking,
        looked=quoted(trace.tokens[row.strongest].label),
        weight=percent(float(row.weights[row.strongest])),
        relation=relation(trace.tokens, view.pos, row.strongest),
    )
    return f"{thickest} {_half(row.weights)} {_drawn(trace, view)}"


def _half(row: np.ndarray) -> str:
    """How many tokens hold half of the row."""
    best = -np.sort(-row[~np.isnan(row)])
    count = int(np.searchsorted(np.cumsum(best), 0.5 * best.sum() - 1e-12) + 1)
    return ngettext(
        "{count} token holds half of its attention.",
        "{count} tokens hold half of its attention.",
        count,
    )


def _drawn(trace: Trace, view: Fitted) -> str:
    if _is_long(trace):
        shown = row_of(trace, view).weights[_right(trace, view)]
        drawn = ngettext(
            "With {count} token only the chosen one's strongest {shown} are drawn, {share} of its attention; those "
            "below {least} have no ribbon.",
            "With {count} tokens only the chosen one's strongest {shown} are drawn, {share} of its attention; those "
            "below {least} have no ribbon.",
            len(trace.tokens),
            shown=len(shown),
            share=percent(float(np.nansum(shown))),
            least=exact_percent(_LEAST),
        )
    else:
        drawn = _("Weights below {least} are not drawn.", least=exact_percent(_LEAST))
    return drawn if view[FIRST] else f"{drawn} {_('The first token is left out; shares are of the rest.')}"


def table(trace: Trace, view: Fitted) -> Table:
    """What the chosen token gives, most first."""
    shown = row_of(trace, view).weights
    seen = np.flatnonzero(~np.isnan(shown))
    listed = most_weight(shown, seen)
    order = listed[largest_first(shown[listed])]
    return Table(
        (_("position"), _("token"), _("weight (probability)")),
        tuple((int(src), trace.tokens[src].label, float(shown[src])) for src in order),
        most_note(len(order), len(seen)),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """What a ribbon's thickness is, and that the chosen token's add up."""
    shown = row_of(trace, view).weights
    seen = shown[~np.isnan(shown)]
    best = largest_first(shown)[: min(4, len(seen))]
    listed = " + ".join(f"{number(float(shown[src]))} {quoted(trace.tokens[src].label)}" for src in best)
    return "\n".join(
        (
            _(
                "thickness of a ribbon = softmax({rule}) of its two tokens, the same scale for every head",
                rule=rule(trace.spec),
            ),
            f"{quoted(trace.tokens[view.pos].label)}: {listed}{' + …' if len(seen) > len(best) else ''} = "
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
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(FIRST,),
    chooser="heads",
    places=("layer", "head"),
)

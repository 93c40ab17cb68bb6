"""One head's attention as ribbons between the text and itself: who looks at whom, all tokens at a glance."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.attention import snippet
from panels.attention_row import row_of, weights
from panels.relation import relation
from panels.shared import FIRST
from viz.arcs import Arcs, Ribbon, arcs
from viz.format import many, number, percent, quoted, thousands

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
            left_title="looking (query)",
            right_title="looked at (key)",
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
    where = f"In layer {view.layer}, head {view.head},"
    looking = quoted(trace.labels[view.pos])
    if row.strongest is None:
        return f"{where} {looking} has nothing but the first token to look at, and that one is left out."
    most = quoted(trace.labels[row.strongest])
    told = (
        f"{where} the thickest ribbon of {looking} goes to {most}: {percent(float(row.weights[row.strongest]))}, "
        f"{relation(trace.tokens, view.pos, row.strongest)}. {_half(row.weights)}"
    )
    return f"{told} {_drawn(trace, view)}"


def _half(row: np.ndarray) -> str:
    """How many tokens hold half of the row."""
    best = -np.sort(-row[~np.isnan(row)])
    count = int(np.searchsorted(np.cumsum(best), 0.5 * best.sum() - 1e-12) + 1)
    return f"{many(count, 'token')} {'holds' if count == 1 else 'hold'} half of its attention."


def _drawn(trace: Trace, view: Fitted) -> str:
    left_out = "" if view[FIRST] else " The first token is left out; shares are of the rest."
    if not _is_long(trace):
        return f"Weights below {_LEAST_SAID} are not drawn.{left_out}"
    shown = weights(trace, view)[view.pos][_right(trace, view)]
    return (
        f"With {thousands(len(trace.tokens))} tokens only the chosen one's strongest {len(shown)} are drawn, "
        f"{percent(float(np.nansum(shown)))} of its attention; those below {_LEAST_SAID} have no ribbon.{left_out}"
    )


def table(trace: Trace, view: Fitted) -> Table:
    """What the chosen token gives, most first."""
    shown = weights(trace, view)[view.pos]
    seen = np.flatnonzero(~np.isnan(shown))
    order = seen[np.argsort(-shown[seen], kind="stable")]
    return Table(
        ("position", "token", "weight (probability)"),
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
            "thickness of a ribbon = softmax(q·k / √d) of its two tokens, the same scale for every head",
            f"{quoted(trace.labels[view.pos])}: {listed}{' + …' if len(seen) > len(best) else ''} = "
            f"{number(float(seen.sum()))}",
        )
    )


PANEL = Panel(
    id="arcs",
    stage="attention",
    order=3,
    name="Ribbons",
    title="Who looks at whom?",
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

"""The chosen token's nearest neighbours in the whole embedding table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from anatomy.language import N_, _
from anatomy.measure import norms
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.snippet import TABLE, opening
from panels.panel import Panel, Table
from viz.bars import Bars
from viz.format import cosine, number, quoted, thousands
from viz.rows import Bar


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The chosen token's row and its neighbours: ids, cosines, rows."""
    return (
        Want("tok_embed", pos=view.pos),
        Want("near_ids", pos=view.pos),
        Want("near_cos", pos=view.pos),
        Want("near_rows", pos=view.pos),
    )


@dataclass(frozen=True)
class Neighbours:
    """The rows of the table that point most nearly the way of the chosen token's, nearest first.

    token    the chosen token's label
    rows     how many the table has
    ids      of the neighbours in the vocabulary
    names    their labels
    cosines  with the chosen token's row
    row      the chosen token's (activation)
    nearest  the first neighbour's (activation)
    """

    token: str
    rows: int
    ids: Int[np.ndarray, " k"]
    names: tuple[str, ...]
    cosines: Float[np.ndarray, " k"]
    row: Float[np.ndarray, " d_model"]
    nearest: Float[np.ndarray, " d_model"]


def read(trace: Trace, view: Fitted) -> Neighbours:
    """The neighbours with their names, and the two rows of the formula."""
    row, ids, cosines, rows = (trace[want] for want in needs(trace.spec, view))
    names = tuple(map(trace.name, ids.tolist()))
    return Neighbours(trace.tokens[view.pos].label, trace.spec.vocab, ids, names, cosines, row, rows[0])


def draw(neighbours: Neighbours) -> Bars:
    """One bar per neighbour, on a scale that ends at 1, the same direction."""
    bars = [
        Bar(name, value, cosine(value), _("token id {id}, cosine {cosine}", id=row, cosine=cosine(value)), accent=True)
        for row, name, value in zip(neighbours.ids.tolist(), neighbours.names, neighbours.cosines.tolist(), strict=True)
    ]
    token = quoted(neighbours.token)
    return Bars(bars, _("cosine with {token} (1: same direction)", token=token), high=1.0, about=token)


def caption(neighbours: Neighbours) -> str:
    """The nearest and the last neighbour shown, and out of how many rows."""
    return _(
        "Among {rows} rows, {nearest} points most nearly the way of {token} (cosine {best}); number {count} is {last} "
        "({least}).",
        rows=thousands(neighbours.rows),
        nearest=quoted(neighbours.names[0]),
        token=quoted(neighbours.token),
        best=cosine(float(neighbours.cosines[0])),
        count=len(neighbours.names),
        last=quoted(neighbours.names[-1]),
        least=cosine(float(neighbours.cosines[-1])),
    )


def table(neighbours: Neighbours) -> Table:
    """The neighbours with ids and cosines."""
    return Table.of(
        (_("rank"), range(1, len(neighbours.names) + 1)),
        (_("token"), neighbours.names),
        (_("id"), neighbours.ids),
        (_("cosine"), neighbours.cosines),
    )


def formula(neighbours: Neighbours) -> str:
    """The cosine of the nearest neighbour, with dot product and lengths."""
    row, other = neighbours.row.astype(float), neighbours.nearest.astype(float)
    a, b, dot = float(norms(row)), float(norms(other)), float(row @ other)
    token, near = quoted(neighbours.token), quoted(neighbours.names[0])
    return "\n".join(
        (
            _("a = row of {token}, b = row of {other}", token=token, other=near),
            "cos(a, b) = a·b / (‖a‖ · ‖b‖)",
            f"= {number(dot)} / ({number(a)} · {number(b)}) = {cosine(float(neighbours.cosines[0]))}",
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Cosine of the chosen token's row with every row of the table, the best eight."""
    return f"""{opening(spec, view)}
{TABLE}unit = torch.nn.functional.normalize(table, dim=-1)
cosine = unit @ unit[ids[{view.pos}]]
cosine[ids[{view.pos}]] = -2  # the token itself is left out
result, near = cosine.topk(8)
for token, value in zip(near.tolist(), result.tolist()):
    print(repr(tokenizer.decode([token])), round(value, 3))
"""


PANEL = Panel(
    id="neighbours",
    stage="embedding",
    order=1,
    name=N_("Neighbours"),
    title=N_("Which tokens have the most similar vectors?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
)

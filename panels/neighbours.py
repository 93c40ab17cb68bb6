"""The chosen token's nearest neighbours in the whole embedding table."""

from collections.abc import Sequence

import plotly.graph_objects as go

from anatomy.measure import norms
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.snippet import TABLE, opening
from viz.bars import Bar, ranked
from viz.format import cosine, number, quoted, thousands


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The chosen token's row and its neighbours: ids, cosines, rows."""
    return (
        Want("tok_embed", pos=view.pos),
        Want("near_ids", pos=view.pos),
        Want("near_cos", pos=view.pos),
        Want("near_rows", pos=view.pos),
    )


def _near(trace: Trace, view: Fitted) -> list[tuple[int, float]]:
    """(id, cosine) of the neighbours, nearest first."""
    ids, cosines = trace[Want("near_ids", pos=view.pos)], trace[Want("near_cos", pos=view.pos)]
    return list(zip(ids.tolist(), cosines.tolist(), strict=True))


def draw(trace: Trace, view: Fitted) -> go.Figure:
    """One bar per neighbour, on a scale that ends at 1, the same direction."""
    chosen = trace.tokens[view.pos].label
    bars = [
        Bar(trace.name(token_id), value, cosine(value), f"token id {token_id}, cosine {cosine(value)}", accent=True)
        for token_id, value in _near(trace, view)
    ]
    return ranked(bars, f"cosine with {quoted(chosen)} (1: same direction)", high=1.0)


def says(trace: Trace, view: Fitted) -> str:
    """The nearest and the last neighbour shown, and out of how many rows."""
    near = _near(trace, view)
    (first, best), (last, least) = near[0], near[-1]
    return (
        f"Among {thousands(trace.spec.vocab)} rows, {quoted(trace.name(first))} points most nearly the way of "
        f"{quoted(trace.tokens[view.pos].label)} (cosine {cosine(best)}); number {len(near)} is "
        f"{quoted(trace.name(last))} ({cosine(least)})."
    )


def table(trace: Trace, view: Fitted) -> Table:
    """The neighbours with ids and cosines."""
    near = enumerate(_near(trace, view), start=1)
    return Table(
        ("rank", "token", "id", "cosine"),
        tuple((rank, trace.name(token_id), token_id, value) for rank, (token_id, value) in near),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The cosine of the nearest neighbour, with dot product and lengths."""
    row = trace[Want("tok_embed", pos=view.pos)].astype(float)
    other = trace[Want("near_rows", pos=view.pos)][0].astype(float)
    (first, value), *_ = _near(trace, view)
    a, b, dot = float(norms(row)), float(norms(other)), float(row @ other)
    return "\n".join(
        (
            f"a = row of {quoted(trace.tokens[view.pos].label)}, b = row of {quoted(trace.name(first))}",
            "cos(a, b) = a·b / (‖a‖ · ‖b‖)",
            f"= {number(dot)} / ({number(a)} · {number(b)}) = {cosine(value)}",
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
    name="Neighbours",
    title="Which tokens have almost the same vector?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
)

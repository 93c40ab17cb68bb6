"""The chosen token's nearest neighbours in the whole embedding table."""

from collections.abc import Sequence

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


def _near(trace: Trace, view: Fitted) -> list[tuple[int, float]]:
    """(id, cosine) of the neighbours, nearest first."""
    ids, cosines = trace[Want("near_ids", pos=view.pos)], trace[Want("near_cos", pos=view.pos)]
    return list(zip(ids.tolist(), cosines.tolist(), strict=True))


def draw(trace: Trace, view: Fitted) -> Bars:
    """One bar per neighbour, on a scale that ends at 1, the same direction."""
    chosen = trace.tokens[view.pos].label
    bars = [
        Bar(
            trace.name(token_id),
            value,
            cosine(value),
            _("token id {id}, cosine {cosine}", id=token_id, cosine=cosine(value)),
            accent=True,
        )
        for token_id, value in _near(trace, view)
    ]
    return Bars(bars, _("cosine with {token} (1: same direction)", token=quoted(chosen)), high=1.0)


def caption(trace: Trace, view: Fitted) -> str:
    """The nearest and the last neighbour shown, and out of how many rows."""
    near = _near(trace, view)
    (first, best), (last, least) = near[0], near[-1]
    return _(
        "Among {rows} rows, {nearest} points most nearly the way of {token} (cosine {best}); number {count} is {last} "
        "({least}).",
        rows=thousands(trace.spec.vocab),
        nearest=quoted(trace.name(first)),
        token=quoted(trace.tokens[view.pos].label),
        best=cosine(best),
        count=len(near),
        last=quoted(trace.name(last)),
        least=cosine(least),
    )


def table(trace: Trace, view: Fitted) -> Table:
    """The neighbours with ids and cosines."""
    near = enumerate(_near(trace, view), start=1)
    return Table(
        (_("rank"), _("token"), _("id"), _("cosine")),
        tuple((rank, trace.name(token_id), token_id, value) for rank, (token_id, value) in near),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The cosine of the nearest neighbour, with dot product and lengths."""
    row = trace[Want("tok_embed", pos=view.pos)].astype(float)
    other = trace[Want("near_rows", pos=view.pos)][0].astype(float)
    first, value = _near(trace, view)[0]
    a, b, dot = float(norms(row)), float(norms(other)), float(row @ other)
    token, near = quoted(trace.tokens[view.pos].label), quoted(trace.name(first))
    return "\n".join(
        (
            _("a = row of {token}, b = row of {other}", token=token, other=near),
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
    name=N_("Neighbours"),
    title=N_("Which tokens have almost the same vector?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
)

"""Where the text's tokens lie among their neighbours in the embedding table, on a plane (PCA)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.control import Slider
from anatomy.language import N_, _
from anatomy.measure import cosines, norms, principal_plane
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.snippet import TABLE, opening
from viz.format import cosine, many, number, percent, quoted, thousands
from viz.scatter import Point, Rank, scatter

NEAR = Slider("near", N_("Neighbours per token"), 0, 8, 1, 3)
# With more different tokens than this, only the chosen one's neighbours are drawn: the others would hide the text.
MOST_WITH_NEIGHBOURS = 60
_ROWS, _IDS = Want("tok_embed"), Want("near_ids")
_NEAR_ROWS = Want("near_rows")


@dataclass(frozen=True)
class Map:
    """Every row drawn, each once: ids, names, rank, coordinates, cosine to the chosen row, and the axes' shares."""

    ids: tuple[int, ...]
    labels: tuple[str, ...]
    ranks: tuple[Rank, ...]
    flat: Float[np.ndarray, "row 2"]
    cosines: Float[np.ndarray, " row"]
    shares: tuple[float, float]


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Rows of the text and of the nearest neighbours of each of its tokens."""
    return (_ROWS, _IDS, _NEAR_ROWS)


def lay_out(trace: Trace, view: Fitted) -> Map:
    """The plane through the rows of the text's tokens, each once, and then of their neighbours, each once."""
    rows = dict(zip((token.id for token in trace.tokens), trace[_ROWS], strict=True))
    in_text = set(rows)
    count = int(view[NEAR])
    for place in [view.pos] if crowded(trace) else range(len(trace.tokens)):
        for token_id, row in zip(trace[_IDS][place, :count].tolist(), trace[_NEAR_ROWS][place, :count], strict=True):
            rows.setdefault(token_id, row)
    chosen = trace.tokens[view.pos].id
    near = set(trace[_IDS][view.pos, :count].tolist())
    points = np.stack(list(rows.values()))
    flat, shares = principal_plane(points)
    return Map(
        ids=tuple(rows),
        labels=tuple(trace.name(token_id) for token_id in rows),
        ranks=tuple(_rank(token_id, chosen, near, in_text) for token_id in rows),
        flat=flat,
        cosines=cosines(points, rows[chosen][None, :]),
        shares=shares,
    )


def crowded(trace: Trace) -> bool:
    """Whether only the chosen token's neighbours are drawn."""
    return len({token.id for token in trace.tokens}) > MOST_WITH_NEIGHBOURS


def _rank(token_id: int, chosen: int, near: set[int], in_text: set[int]) -> Rank:
    if token_id == chosen:
        return "chosen"
    if token_id in near:
        return "near"
    return "text" if token_id in in_text else "faint"


def draw(trace: Trace, view: Fitted) -> go.Figure:
    """The map: chosen token and its neighbours in the accent, the other tokens calm, the rest as dots."""
    plane = lay_out(trace, view)
    times = {token.id: 0 for token in trace.tokens}
    for token in trace.tokens:
        times[token.id] += 1
    points = [
        Point(
            x=float(plane.flat[i, 0]),
            y=float(plane.flat[i, 1]),
            label=label if times.get(token_id, 1) == 1 else f"{label} ×{times[token_id]}",
            note=_(
                "token id {id}, cosine with the chosen token {cosine}", id=token_id, cosine=cosine(plane.cosines[i])
            ),
            rank=rank,
        )
        for i, (token_id, label, rank) in enumerate(zip(plane.ids, plane.labels, plane.ranks, strict=True))
    ]
    x_share, y_share = (percent(share) for share in plane.shares)
    axes = (_("PC 1 · {share} of the variance", share=x_share), _("PC 2 · {share} of the variance", share=y_share))
    return scatter(points, *axes)


def says(trace: Trace, view: Fitted) -> str:
    """The nearest row of the vocabulary, what was drawn, and how much of the spread the plane holds."""
    plane = lay_out(trace, view)
    token = trace.tokens[view.pos]
    nearest = trace.name(int(trace[_IDS][view.pos, 0]))
    nearness = float(cosines(trace[_NEAR_ROWS][view.pos, 0], trace[_ROWS][view.pos]))
    row = _(
        "{token} is row {row} of {rows}; the row that points most nearly its way is that of {nearest} "
        "(cosine {cosine}).",
        token=quoted(token.label),
        row=thousands(token.id),
        rows=thousands(trace.spec.vocab),
        nearest=quoted(nearest),
        cosine=cosine(nearness),
    )
    drawn = _(
        "Drawn are {drawn}, each once; the plane holds {share} of their variance.",
        drawn=_drawn(trace, plane),
        share=percent(sum(plane.shares)),
    )
    return f"{row} {drawn}"


def _drawn(trace: Trace, plane: Map) -> str:
    """How many tokens of the text and how many others."""
    different = len({token.id for token in trace.tokens})
    tokens, outside = many(different, "token"), len(plane.ids) - different
    if not outside:
        return _("{tokens} of the text", tokens=tokens)
    neighbours = many(outside, "neighbour")
    if crowded(trace):
        return _(
            "{tokens} of the text and {neighbours} of the chosen one from outside of it",
            tokens=tokens,
            neighbours=neighbours,
        )
    return _("{tokens} of the text and {neighbours} from outside of it", tokens=tokens, neighbours=neighbours)


def table(trace: Trace, view: Fitted) -> Table:
    """Every point of the map, nearest to the chosen token first."""
    plane = lay_out(trace, view)
    kinds = {
        "chosen": _("chosen"),
        "near": _("neighbour of the chosen"),
        "text": _("text"),
        "faint": _("neighbour"),
    }
    order = np.argsort(-plane.cosines, kind="stable")
    return Table(
        (
            _("token"),
            _("id"),
            _("what"),
            _("PC 1 (activation)"),
            _("PC 2 (activation)"),
            _("cosine with the chosen"),
        ),
        tuple(
            (plane.labels[i], plane.ids[i], kinds[plane.ranks[i]], *map(float, plane.flat[i]), float(plane.cosines[i]))
            for i in order
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The chosen row, its two coordinates and the axes' shares, with the numbers."""
    plane = lay_out(trace, view)
    token, row = trace.tokens[view.pos], trace[_ROWS][view.pos]
    x, y = plane.flat[plane.ids.index(token.id)]
    first = ", ".join(number(float(value)) for value in row[:4])
    length = number(float(norms(row)))
    return "\n".join(
        (
            _(
                "row {row} of the table = ({first}, … {count} numbers)   length {length}",
                row=token.id,
                first=first,
                count=thousands(len(row)),
                length=length,
            ),
            _("mean = average of the {rows} drawn", rows=many(len(plane.ids), "row")),
            _("PC 1 = (row − mean) · u₁ = {value}", value=number(float(x)))
            + f"   σ₁² / Σσ² = {percent(plane.shares[0])}",
            _("PC 2 = (row − mean) · u₂ = {value}", value=number(float(y)))
            + f"   σ₂² / Σσ² = {percent(plane.shares[1])}",
            _("u₁, u₂: directions of the largest spread (singular vectors of the centred rows)"),
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The coordinates of every row drawn: the text's tokens in order, then their neighbours."""
    return f"""{opening(spec, view)}
{TABLE}unit = torch.nn.functional.normalize(table, dim=-1)
rows = list(dict.fromkeys(ids))
for token in ids if len(rows) <= {MOST_WITH_NEIGHBOURS} else [ids[{view.pos}]]:
    cosine = unit @ unit[token]
    cosine[token] = -2
    rows += [near for near in cosine.topk({int(view[NEAR])}).indices.tolist() if near not in rows]

centred = (table[rows] - table[rows].mean(dim=0)).double()
left, sizes, _ = torch.linalg.svd(centred, full_matrices=False)
result = left[:, :2] * sizes[:2]
largest = result.abs().argmax(dim=0)
result = result * result[largest, torch.arange(len(largest))].sign()
for token, place in zip(rows, result.tolist()):
    print(repr(tokenizer.decode([token])), place)
"""


PANEL = Panel(
    id="embedding",
    stage="embedding",
    order=0,
    name=N_("Map"),
    title=N_("Which tokens lie near each other?"),
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(NEAR,),
)

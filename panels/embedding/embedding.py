"""Where the text's tokens lie among their neighbours in the embedding table, on a plane (PCA)."""

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from anatomy.control import Slider
from anatomy.language import N_, _, ngettext
from anatomy.measure import POOLED, cosines, norms, principal_plane
from anatomy.request import Want
from anatomy.rounding import largest_first
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.snippet import TABLE, opening
from panels.panel import Panel, Table
from viz import nouns
from viz.format import cosine, number, percent, quoted, thousands
from viz.scatter import Point, Rank, Scatter

NEAR = Slider("near", N_("Neighbours per token"), 0, 8, 1, 3)
# With more different tokens than this, only the chosen one's neighbours are drawn: the others would hide the text. In a
# text of more than POOLED tokens, too, and no others are asked for.
MOST_WITH_NEIGHBOURS = 60
_MOST = 1_000  # different tokens drawn
_ROWS = Want("tok_embed")


@dataclass(frozen=True)
class Map:
    """Every row drawn, each once: ids, names, rank, coordinates (activation), cosine with the chosen row; and what
    share of the variance each axis holds."""

    ids: tuple[int, ...]
    labels: tuple[str, ...]
    ranks: tuple[Rank, ...]
    flat: Float[np.ndarray, "row 2"]
    cosines: Float[np.ndarray, " row"]
    shares: tuple[float, float]


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Rows of the text and of the nearest neighbours of each of its tokens; of the chosen one in a long text."""
    return (_ROWS, *_near(view))


def _near(view: Fitted) -> tuple[Want, Want]:
    """Ids and rows of neighbours."""
    pos = view.pos if view.length > POOLED else None
    return Want("near_ids", pos=pos), Want("near_rows", pos=pos)


def _neighbours(trace: Trace, view: Fitted, pos: int) -> tuple[Int[np.ndarray, " k"], Float[np.ndarray, "k d_model"]]:
    """Ids and rows of one token's, nearest first."""
    ids, rows = (trace[want] if want.pos is not None else trace[want][pos] for want in _near(view))
    return ids, rows


def lay_out(trace: Trace, view: Fitted) -> Map:
    """The plane through the rows of the text's tokens, each once, and then of their neighbours, each once."""
    in_text = dict(zip((token.id for token in trace.tokens), trace[_ROWS], strict=True))
    rows = {token_id: in_text[token_id] for token_id in _drawn_ids(trace, view)}
    count = int(view[NEAR])
    for pos in [view.pos] if crowded(trace) else range(len(trace.tokens)):
        ids, near_rows = _neighbours(trace, view, pos)
        for token_id, row in zip(ids[:count].tolist(), near_rows[:count], strict=True):
            rows.setdefault(token_id, row)
    chosen = trace.tokens[view.pos].id
    near = set(_neighbours(trace, view, view.pos)[0][:count].tolist())
    points = np.stack(list(rows.values()))
    flat, shares = principal_plane(points)
    return Map(
        ids=tuple(rows),
        labels=tuple(trace.name(token_id) for token_id in rows),
        ranks=tuple(_rank(token_id, chosen, near, in_text.keys()) for token_id in rows),
        flat=flat,
        cosines=cosines(points, rows[chosen][None, :]),
        shares=shares,
    )


def _drawn_ids(trace: Trace, view: Fitted) -> list[int]:
    """The text's different tokens, in order; where there are too many the chosen one and the most frequent."""
    times = Counter(token.id for token in trace.tokens)
    if len(times) <= _MOST:
        return list(times)
    most = [token_id for token_id, _count in times.most_common(_MOST)]
    return list(dict.fromkeys((trace.tokens[view.pos].id, *most)))[:_MOST]


def crowded(trace: Trace) -> bool:
    """Whether only the chosen token's neighbours are drawn."""
    return len(trace.tokens) > POOLED or len({token.id for token in trace.tokens}) > MOST_WITH_NEIGHBOURS


def _rank(token_id: int, chosen: int, near: Set[int], in_text: Set[int]) -> Rank:
    if token_id == chosen:
        return "chosen"
    if token_id in near:
        return "near"
    return "text" if token_id in in_text else "faint"


def draw(trace: Trace, view: Fitted) -> Scatter:
    """The map: chosen token and its neighbours in the accent, the other tokens calm, the rest as dots."""
    plane = lay_out(trace, view)
    times = Counter(token.id for token in trace.tokens)
    points = [
        Point(
            x=float(plane.flat[i, 0]),
            y=float(plane.flat[i, 1]),
            label=label if times[token_id] < 2 else f"{label} ×{times[token_id]}",
            note=_(
                "token id {id}, cosine with the chosen token {cosine}", id=token_id, cosine=cosine(plane.cosines[i])
            ),
            rank=rank,
        )
        for i, (token_id, label, rank) in enumerate(zip(plane.ids, plane.labels, plane.ranks, strict=True))
    ]
    x_share, y_share = (percent(share) for share in plane.shares)
    axes = (_("PC 1 · {share} of the variance", share=x_share), _("PC 2 · {share} of the variance", share=y_share))
    return Scatter(points, *axes)


def caption(trace: Trace, view: Fitted) -> str:
    """The nearest row of the vocabulary, what was drawn, and how much of the spread the plane holds."""
    plane = lay_out(trace, view)
    token = trace.tokens[view.pos]
    ids, rows = _neighbours(trace, view, view.pos)
    nearest = trace.name(int(ids[0]))
    nearness = float(cosines(rows[0], trace[_ROWS][view.pos]))
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
    different, shown, outside = _counted(trace, plane)
    if shown < different:
        return _drawn_of_many(thousands(shown), different, outside)
    if not outside:
        return ngettext("{count} token of the text", "{count} tokens of the text", different)
    tokens, neighbours = nouns.tokens(different), nouns.neighbours(outside)
    if crowded(trace):
        return _(
            "{tokens} of the text and {neighbours} of the chosen one from outside of it",
            tokens=tokens,
            neighbours=neighbours,
        )
    return _("{tokens} of the text and {neighbours} from outside of it", tokens=tokens, neighbours=neighbours)


def _counted(trace: Trace, plane: Map) -> tuple[int, int, int]:
    """(different tokens of the text, how many of them are drawn, how many others)."""
    different = {token.id for token in trace.tokens}
    shown = sum(token_id in different for token_id in plane.ids)
    return len(different), shown, len(plane.ids) - shown


def _drawn_of_many(shown: str, different: int, outside: int) -> str:
    """The same where the text has more tokens than are drawn."""
    if not outside:
        return ngettext(
            "{shown} of {count} token of the text, the chosen and the most frequent",
            "{shown} of {count} tokens of the text, the chosen and the most frequent",
            different,
            shown=shown,
        )
    return ngettext(
        "{shown} of {tokens} of the text, the chosen and the most frequent, with {count} neighbour of the chosen one "
        "from outside of it",
        "{shown} of {tokens} of the text, the chosen and the most frequent, with {count} neighbours of the chosen one "
        "from outside of it",
        outside,
        shown=shown,
        tokens=nouns.tokens(different),
    )


def table(trace: Trace, view: Fitted) -> Table:
    """Every point of the map, nearest to the chosen token first."""
    plane = lay_out(trace, view)
    kinds = {
        "chosen": _("chosen"),
        "near": _("neighbour of the chosen"),
        "text": _("text"),
        "faint": _("neighbour"),
    }
    order = largest_first(plane.cosines)
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
        _unlisted(trace, plane),
    )


def _unlisted(trace: Trace, plane: Map) -> str | None:
    """That the table has not all tokens of the text; None where it has."""
    different, shown, _outside = _counted(trace, plane)
    return _("Listed are {drawn}.", drawn=_drawn(trace, plane)) if shown < different else None


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
            ngettext(
                "mean = average of the {count} row drawn",
                "mean = average of the {count} rows drawn",
                len(plane.ids),
            ),
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
{_program_rows(view)}
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


def _program_rows(view: Fitted) -> str:
    """Python that leaves the text's tokens in `rows`, and begins to look for the neighbours of some."""
    if view.length <= POOLED:
        return f"""rows = list(dict.fromkeys(ids))
for token in ids if len(rows) <= {MOST_WITH_NEIGHBOURS} else [ids[{view.pos}]]:"""
    return f"""from collections import Counter

times = Counter(ids)
rows = list(times)
if len(rows) > {_MOST}:  # the chosen one and the most frequent
    rows = list(dict.fromkeys([ids[{view.pos}], *(token for token, _ in times.most_common({_MOST}))]))[:{_MOST}]
for token in [ids[{view.pos}]]:"""


PANEL = Panel(
    id="embedding",
    stage="embedding",
    order=0,
    name=N_("Map"),
    title=N_("Which tokens lie near each other?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(NEAR,),
)

"""Where the text's tokens lie among their neighbours in the embedding table, on a plane (PCA)."""

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from jaxtyping import Float, Int

from anatomy.control import Slider
from anatomy.language import N_, _, ngettext
from anatomy.measure import POOLED, cosines, norms, principal_plane
from anatomy.request import Want
from anatomy.rounding import largest_first
from anatomy.shuffled import row_of
from anatomy.spec import ModelSpec
from anatomy.trace import Token, Trace
from anatomy.view import Fitted
from panels.common.snippet import TABLE, opening
from panels.panel import Panel, Table
from viz import nouns
from viz.format import cosine, number, percent, quoted, thousands
from viz.marks import Stands
from viz.scatter import Point, Rank, Scatter

NEAR = Slider(
    "near",
    N_("Neighbours per token"),
    0,
    8,
    1,
    3,
    says=N_(
        "How many of the tokens nearest by cosine, out of the whole vocabulary, are drawn beside each token: 0 is the "
        "text alone."
    ),
)
# With more different tokens than this, only the chosen one's neighbours are drawn: the others would hide the text. In a
# text of more than POOLED tokens, too, and no others are asked for.
MOST_WITH_NEIGHBOURS = 60
_MOST = 1_000  # different tokens drawn
_ROWS = Want("tok_embed")


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


@dataclass(frozen=True)
class Plane:
    """The rows that are drawn, each once, on the plane of their largest spread.

    token      the chosen one
    given      number of the row that it is given: its id, unless the run shuffles rows
    row        its row (activation)
    rows       how many the table has
    nearest    label of the row that points most nearly its way
    nearness   cosine with that one
    crowded    whether only the chosen token's neighbours are drawn
    different  how many different tokens the text has
    ids        of the rows drawn: the text's tokens, then their neighbours
    labels     what each is called
    ranks      how much each matters in the figure
    times      how often each stands in the text
    places     where each stands in the text, first; None for one that does not
    flat       coordinates (activation)
    cosines    with the chosen token's row
    shares     of the variance, on each axis
    told_apart the same for two planes through the same rows, and for no others
    """

    token: Token
    given: int
    row: Float[np.ndarray, " d_model"]
    rows: int
    nearest: str
    nearness: float
    crowded: bool
    different: int
    ids: tuple[int, ...]
    labels: tuple[str, ...]
    ranks: tuple[Rank, ...]
    times: tuple[int, ...]
    places: tuple[int | None, ...]
    flat: Float[np.ndarray, "row 2"]
    cosines: Float[np.ndarray, " row"]
    shares: tuple[float, float]
    told_apart: str

    @property
    def shown(self) -> int:
        """How many of the text's different tokens are drawn."""
        return sum(count > 0 for count in self.times)

    @property
    def outside(self) -> int:
        """How many others are drawn."""
        return len(self.ids) - self.shown


def read(trace: Trace, view: Fitted) -> Plane:
    """The plane through the rows of the text's tokens, each once, and then of their neighbours, each once."""
    token, row, times = trace.tokens[view.pos], trace[_ROWS][view.pos], Counter(token.id for token in trace.tokens)
    crowded = len(trace.tokens) > POOLED or len(times) > MOST_WITH_NEIGHBOURS
    rows = _rows(trace, view, _most_frequent(times, token.id), crowded)
    points = np.stack(list(rows.values()))
    first = {each.id: place for place, each in reversed(list(enumerate(trace.tokens)))} | {token.id: view.pos}
    flat, shares = principal_plane(points)
    near_ids, near_rows = _neighbours(trace, view, view.pos)
    near = near_ids[: int(view[NEAR])].tolist()
    return Plane(
        token=token,
        given=row_of(trace.run.interventions, token.id, trace.spec.vocab),
        row=row,
        rows=trace.spec.vocab,
        nearest=trace.name(int(near_ids[0])),
        nearness=float(cosines(near_rows[0], row)),
        crowded=crowded,
        different=len(times),
        ids=tuple(rows),
        labels=tuple(trace.name(token_id) for token_id in rows),
        ranks=tuple(_rank(token_id, token.id, near, times) for token_id in rows),
        times=tuple(times[token_id] for token_id in rows),
        places=tuple(first.get(token_id) for token_id in rows),
        flat=flat,
        cosines=cosines(points, row[None, :]),
        shares=shares,
        told_apart=sha256(b"".join(sorted(row.tobytes() for row in points))).hexdigest(),
    )


def _rows(
    trace: Trace, view: Fitted, in_text: Sequence[int], crowded: bool
) -> dict[int, Float[np.ndarray, " d_model"]]:
    """By their ids: the rows of these tokens of the text, then of the neighbours of all, or of the chosen one."""
    by_id = dict(zip((token.id for token in trace.tokens), trace[_ROWS], strict=True))
    rows = {token_id: by_id[token_id] for token_id in in_text}
    count = int(view[NEAR])
    for pos in [view.pos] if crowded else range(len(trace.tokens)):
        ids, near_rows = _neighbours(trace, view, pos)
        for token_id, row in zip(ids[:count].tolist(), near_rows[:count], strict=True):
            rows.setdefault(token_id, row)
    return rows


def _most_frequent(times: Counter[int], chosen: int) -> list[int]:
    """The text's different tokens, in order; where there are too many the chosen one and the most frequent."""
    if len(times) <= _MOST:
        return list(times)
    most = [token_id for token_id, _count in times.most_common(_MOST)]
    return list(dict.fromkeys((chosen, *most)))[:_MOST]


def _rank(token_id: int, chosen: int, near: Container[int], in_text: Container[int]) -> Rank:
    if token_id == chosen:
        return "chosen"
    if token_id in near:
        return "near"
    return "text" if token_id in in_text else "faint"


def draw(plane: Plane) -> Scatter:
    """The map: chosen token and its neighbours in the accent, the other tokens calm, the rest as dots."""
    points = [
        Point(
            *place,
            label=label if times < 2 else f"{label} ×{times}",
            note=_("token id {id}, cosine with the chosen token {cosine}", id=token_id, cosine=cosine(alike)),
            rank=rank,
            name=label,
        )
        for token_id, label, rank, times, place, alike in zip(
            plane.ids, plane.labels, plane.ranks, plane.times, plane.flat.tolist(), plane.cosines, strict=True
        )
    ]
    x_share, y_share = (percent(share) for share in plane.shares)
    axes = (_("PC 1 · {share} of the variance", share=x_share), _("PC 2 · {share} of the variance", share=y_share))
    return Scatter(points, *axes, plane=plane.told_apart, stands=(Stands("pos", plane.places),))


def caption(plane: Plane) -> str:
    """The nearest row of the vocabulary, what was drawn, and how much of the spread the plane holds."""
    template = N_(
        "{token} is row {row} of {rows}; the row that points most nearly its way is that of {nearest} "
        "(cosine {cosine})."
    )
    if plane.given != plane.token.id:
        template = N_(
            "{token} is given row {row} of {rows} in this run, not its own; the row that points most nearly its way is "
            "that of {nearest} (cosine {cosine})."
        )
    row = _(
        template,
        token=quoted(plane.token.label),
        row=thousands(plane.given),
        rows=thousands(plane.rows),
        nearest=quoted(plane.nearest),
        cosine=cosine(plane.nearness),
    )
    if len(plane.ids) == 1:
        alone = _(
            "It is drawn alone: with neighbours, or another word in the text, there is something to compare it with."
        )
        return f"{row} {alone}"
    drawn = _(
        "The map holds {drawn}, each once. Being flat, it shows {share} of the variance of their rows; what differs in "
        "other directions does not show.",
        drawn=_drawn(plane),
        share=percent(sum(plane.shares)),
    )
    return f"{row} {drawn}"


def _drawn(plane: Plane) -> str:
    """How many tokens of the text and how many others."""
    different, outside = plane.different, plane.outside
    if plane.shown < different:
        return _drawn_of_many(thousands(plane.shown), different, outside)
    if not outside:
        return ngettext("{count} token of the text", "{count} tokens of the text", different)
    tokens, neighbours = nouns.tokens(different), nouns.neighbours(outside)
    if plane.crowded:
        return _(
            "{tokens} of the text and {neighbours} of the chosen one from the rest of the vocabulary",
            tokens=tokens,
            neighbours=neighbours,
        )
    return _(
        "{tokens} of the text and {neighbours} from the rest of the vocabulary",
        tokens=tokens,
        neighbours=neighbours,
    )


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
        "from the rest of the vocabulary",
        "{shown} of {tokens} of the text, the chosen and the most frequent, with {count} neighbours of the chosen one "
        "from the rest of the vocabulary",
        outside,
        shown=shown,
        tokens=nouns.tokens(different),
    )


def table(plane: Plane) -> Table:
    """Every point of the map, nearest to the chosen token first."""
    kinds = {
        "chosen": _("chosen"),
        "near": _("neighbour of the chosen"),
        "text": _("text"),
        "faint": _("neighbour"),
    }
    order = largest_first(plane.cosines)
    return Table.of(
        (_("token"), (plane.labels[i] for i in order)),
        (_("id"), (plane.ids[i] for i in order)),
        (_("what"), (kinds[plane.ranks[i]] for i in order)),
        (_("PC 1 (activation)"), plane.flat[order, 0]),
        (_("PC 2 (activation)"), plane.flat[order, 1]),
        (_("cosine with the chosen"), plane.cosines[order]),
        note=_("Listed are {drawn}.", drawn=_drawn(plane)) if plane.shown < plane.different else None,
    )


def formula(plane: Plane) -> str:
    """The chosen row, its two coordinates and the axes' shares, with the numbers."""
    x, y = plane.flat[plane.ids.index(plane.token.id)]
    return "\n".join(
        (
            _(
                "row {row} of the table = ({first}, … {count} numbers)   length {length}",
                row=plane.given,
                first=", ".join(number(value) for value in plane.row[:4].tolist()),
                count=thousands(len(plane.row)),
                length=number(float(norms(plane.row))),
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
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(NEAR,),
)

"""How alike the embedding rows of the text's tokens are, each with each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from anatomy.language import N_, _, ngettext
from anatomy.measure import cosine_matrix, cosines, norms
from anatomy.request import Want
from anatomy.rounding import largest_at
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.columns import around, caption_around, table_note, table_rows
from panels.common.snippet import TABLE, opening
from panels.panel import Panel, Table
from viz.format import cosine, number, quoted
from viz.grid import Grid, Part

_ROWS = Want("tok_embed")
_MOST, _NEAR = 400, 256  # tokens drawn, each with each, and of a longer text those around the chosen one


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The rows of the text's tokens."""
    return (_ROWS,)


def drawn(count: int, pos: int) -> range:
    """The positions in the figure: all, or those around the chosen one in a long text."""
    return around(count, pos, count if count <= _MOST else _NEAR)


@dataclass(frozen=True)
class Similarity:
    """How alike the rows of the text's tokens are.

    pos      the chosen token
    labels   of the text's tokens
    shown    the positions in the figure
    matrix   cosine between the rows of every two of these
    alike    cosine of the chosen token's row with every token's
    nearest  the place most like the chosen one that holds another token; None when there is no other
    near     the same among those in the figure
    pair     the chosen token's row and the nearest one's, or its own again (activation)
    pairs    how many pairs of different tokens there are
    average  mean of their cosines; NaN where there are none
    """

    pos: int
    labels: tuple[str, ...]
    shown: range
    matrix: Float[np.ndarray, "shown shown"]
    alike: Float[np.ndarray, " pos"]
    nearest: int | None
    near: int | None
    pair: Float[np.ndarray, "2 d_model"]
    pairs: int
    average: float


def read(trace: Trace, view: Fitted) -> Similarity:
    """Cosines of the chosen token with all, and of those in the figure each with each."""
    rows, ids, pos = trace[_ROWS], _ids(trace), view.pos
    shown, alike = drawn(len(ids), pos), cosines(rows, rows[pos]).astype(np.float32)
    others = np.flatnonzero(ids != ids[pos])
    nearest = _most_alike(alike, others)
    pairs, mean = average(trace)
    return Similarity(
        pos=pos,
        labels=trace.labels,
        shown=shown,
        matrix=cosine_matrix(rows[shown.start : shown.stop]).astype(np.float32),
        alike=alike,
        nearest=nearest,
        near=_most_alike(alike, others[(others >= shown.start) & (others < shown.stop)]),
        pair=rows[[pos, pos if nearest is None else nearest]],
        pairs=pairs,
        average=mean,
    )


def _ids(trace: Trace) -> Int[np.ndarray, " pos"]:
    return np.array([token.id for token in trace.tokens])


def _most_alike(alike: Float[np.ndarray, " pos"], places: Int[np.ndarray, " place"]) -> int | None:
    return int(places[largest_at(alike[places])]) if len(places) else None


def average(trace: Trace) -> tuple[int, float]:
    """(pairs of different tokens, mean of their cosines, NaN where there are none). The pairs are not gone through: the
    squared length of the sum of all unit vectors is the sum of all cosines, and those of a token with itself are
    known."""
    lengths = norms(trace[_ROWS])[:, None]
    unit = np.divide(trace[_ROWS], lengths, out=np.zeros(trace[_ROWS].shape), where=lengths > 0)
    _different, firsts, times = np.unique(_ids(trace), return_index=True, return_counts=True)
    whole, own = unit.sum(axis=0), (norms(unit[firsts]) * times) ** 2
    pairs = (len(unit) ** 2 - int((times**2).sum())) // 2
    return pairs, float(whole @ whole - own.sum()) / (2 * pairs) if pairs else np.nan


def draw(similarity: Similarity) -> Grid:
    """The matrix, on the same scale for every text: −1 opposite, 0 unrelated, 1 the same direction. Of a long text the
    tokens around the chosen one."""
    shown, count = similarity.shown, len(similarity.labels)
    focus = (similarity.pos, similarity.pos if similarity.near is None else similarity.near)
    labels, part = similarity.labels, None
    if len(shown) < count:
        edges = (*shown, shown.stop)
        labels, part = tuple(f"{pos} {labels[pos]}" for pos in shown), Part(edges, edges, focus, count)
    return Grid(
        z=similarity.matrix,
        rows=labels,
        cols=labels,
        row_axis=_("token"),
        col_axis=_("token"),
        unit=_("cosine"),
        title=_("Embedding rows: cosine"),
        low=-1.0,
        high=1.0,
        signed=True,
        focus=(focus[0] - shown.start, focus[1] - shown.start),
        selects="token",
        part=part,
    )


def caption(similarity: Similarity) -> str:
    """The most alike other token of the text, and the average over all pairs of different tokens."""
    name, other = quoted(similarity.labels[similarity.pos]), similarity.nearest
    if other is None:
        return _(
            "The text holds no token but {token}: its row has cosine 1 with itself and nothing to compare it with.",
            token=name,
        )
    alike = ngettext(
        "Before any context, {token} is most like {other} among the tokens of this text (cosine {cosine}); the "
        "{count} pair of different tokens averages {average}. Equal tokens have equal rows, so their cosine is 1.",
        "Before any context, {token} is most like {other} among the tokens of this text (cosine {cosine}); the "
        "{count} pairs of different tokens average {average}. Equal tokens have equal rows, so their cosine is 1.",
        similarity.pairs,
        token=name,
        other=quoted(similarity.labels[other]),
        cosine=cosine(float(similarity.alike[other])),
        average=cosine(similarity.average),
    )
    return " ".join(sentence for sentence in (alike, *_part(similarity)) if sentence)


def _part(similarity: Similarity) -> Iterator[str]:
    """What is drawn of a long text, and what its frame stands on where the most alike token is not there."""
    near = similarity.near
    yield caption_around(len(similarity.labels), similarity.shown)
    if similarity.nearest not in similarity.shown and near is not None:
        yield _(
            "Of these the framed one, {token}, is most like it (cosine {cosine}).",
            token=quoted(similarity.labels[near]),
            cosine=cosine(float(similarity.alike[near])),
        )


def table(similarity: Similarity) -> Table:
    """The chosen token's row of the matrix."""
    count = len(similarity.labels)
    shown = table_rows(count, similarity.pos)
    listed = slice(shown.start, shown.stop)
    return Table.of(
        (_("position"), shown),
        (_("token"), similarity.labels[listed]),
        (_("cosine with position {pos}", pos=similarity.pos), similarity.alike[listed]),
        note=table_note(count, shown),
    )


def formula(similarity: Similarity) -> str:
    """The cell in focus, with dot product and lengths."""
    other = similarity.pos if similarity.nearest is None else similarity.nearest
    a, b = similarity.pair.astype(float)
    lengths = f"{number(float(norms(a)))} · {number(float(norms(b)))}"
    token, beside = (quoted(similarity.labels[pos]) for pos in (similarity.pos, other))
    return "\n".join(
        (
            _("a = row of {token}, b = row of {other}", token=token, other=beside),
            "cos(a, b) = a·b / (‖a‖ · ‖b‖)",
            f"= {number(float(a @ b))} / ({lengths}) = {cosine(float(similarity.alike[other]))}",
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The matrix of the tokens that are drawn."""
    shown = drawn(view.length, view.pos)
    part = "" if len(shown) == view.length else f"unit = unit[{shown.start}:{shown.stop}]  # the tokens on view\n"
    return f"""{opening(spec, view)}
{TABLE}unit = torch.nn.functional.normalize(table[ids], dim=-1)
{part}result = unit @ unit.T
print(result[{view.pos - shown.start}])
"""


PANEL = Panel(
    id="similarity",
    stage="embedding",
    order=2,
    name=N_("Similarity"),
    title=N_("How alike are the tokens before they meet?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
)

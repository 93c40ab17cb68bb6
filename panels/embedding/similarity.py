"""How alike the embedding rows of the text's tokens are, each with each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from anatomy.control import Control
from anatomy.language import N_, _, ngettext
from anatomy.measure import cosines, norms
from anatomy.request import Want
from anatomy.rounding import largest_at
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import zoomed
from panels.common.alike import Alike, alike, borders, is_long, program
from panels.common.columns import table_note, table_rows
from panels.common.snippet import TABLE, opening
from panels.common.zoomed import NEAR, WHOLE, ZOOM
from panels.panel import Panel, Table
from viz.format import cosine, number, quoted
from viz.grid import Grid

_ROWS = Want("tok_embed")


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The rows of the text's tokens."""
    return (_ROWS,)


def idle(spec: ModelSpec, view: Fitted) -> Sequence[Control]:
    """There is nothing to zoom where every token has a row and a column."""
    return () if is_long(view.length) else zoomed.settings()


@dataclass(frozen=True)
class Similarity:
    """How alike the rows of the text's tokens are.

    pos      the chosen token
    labels   of the text's tokens
    shown    cosines between the rows of every two tokens, as the figure has room for them
    alike    cosine of the chosen token's row with every token's
    nearest  the place most like the chosen one that holds another token; None when there is no other
    near     the same among those that have a column in the figure
    pair     the chosen token's row and the nearest one's, or its own again (activation)
    pairs    how many pairs of different tokens there are
    average  mean of their cosines; NaN where there are none
    """

    pos: int
    labels: tuple[str, ...]
    shown: Alike
    alike: Float[np.ndarray, " pos"]
    nearest: int | None
    near: int | None
    pair: Float[np.ndarray, "2 d_model"]
    pairs: int
    average: float


def read(trace: Trace, view: Fitted) -> Similarity:
    """Cosines of the chosen token with all, and of those in the figure each with each."""
    rows, ids, pos = trace[_ROWS], _ids(trace), view.pos
    shown, own = alike(rows, view), cosines(rows, rows[pos]).astype(np.float32)
    others = np.flatnonzero(ids != ids[pos])
    nearest = _most_alike(own, others)
    pairs, mean = average(trace)
    return Similarity(
        pos=pos,
        labels=trace.labels,
        shown=shown,
        alike=own,
        nearest=nearest,
        near=_most_alike(own, others[(others >= shown.columns.start) & (others < shown.columns.stop)]),
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
    """The matrix, on the same scale for every text: −1 opposite, 0 unrelated, 1 the same direction. Of a long text
    means of many pairs, or a window."""
    shown, pos = similarity.shown, similarity.pos
    pair = (pos, pos if similarity.near is None else similarity.near)
    rows, cols = shown.labels(similarity.labels, lambda place: f"{place} {similarity.labels[place]}")
    return Grid(
        z=shown.values,
        rows=rows,
        cols=cols,
        row_axis=_("token"),
        col_axis=_("token"),
        unit=_("cosine"),
        title=_("Embedding rows: cosine"),
        low=-1.0,
        high=1.0,
        signed=True,
        focus=shown.focus(pair),
        selects="token",
        part=shown.part(pair),
        measure=_("mean") if shown.pooled else None,
        opens=(ZOOM, NEAR) if shown.pooled else None,
        leaves=(ZOOM, WHOLE) if shown.near else None,
        sight=shown.seen((pos, pos if similarity.nearest is None else similarity.nearest)),
    )


def caption(similarity: Similarity) -> str:
    """The most alike other token of the text, and the average over all pairs of different tokens."""
    name, other = quoted(similarity.labels[similarity.pos]), similarity.nearest
    if other is None:
        return _(
            "The text holds no token but {token}: its row has cosine 1 with itself and nothing to compare it with. "
            "With another word in the text this shows how alike they are.",
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
    near, shown = similarity.near, similarity.shown
    yield shown.told
    if near is None or near == similarity.nearest or shown.focus((similarity.pos, near)) is None:
        return
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
    """The matrix that is drawn, and the chosen token's row of it."""
    count = max(view.length, view.pos + 1)  # nobody may have counted them: then it is a short text
    rows, _cols = borders(count, view)
    row = int(np.searchsorted(rows, view.pos, "right")) - 1
    shown = f"result[{row}]" if 0 <= row < len(rows) - 1 else "result"
    return f"""{opening(spec, view)}
{TABLE}unit = torch.nn.functional.normalize(table[ids], dim=-1)
{program(count, view)}print({shown})
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
    controls=zoomed.settings(),
    idle=idle,
)

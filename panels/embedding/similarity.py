"""How alike the embedding rows of the text's tokens are, each with each."""

from collections.abc import Iterator, Sequence

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


def matrix(trace: Trace, shown: range) -> Float[np.ndarray, "shown shown"]:
    """Cosine between the rows of every two of these tokens."""
    return cosine_matrix(trace[_ROWS][shown.start : shown.stop]).astype(np.float32)


def with_all(trace: Trace, view: Fitted) -> Float[np.ndarray, " pos"]:
    """Cosine of the chosen token's row with every token's."""
    return cosines(trace[_ROWS], trace[_ROWS][view.pos]).astype(np.float32)


def nearest_other(trace: Trace, view: Fitted, shown: range | None = None) -> int | None:
    """The place most like the chosen one that holds another token; None when there is no other. shown: where to look;
    None for the whole text."""
    ids, places = _ids(trace), np.array(shown or range(len(trace.tokens)))
    others = places[ids[places] != ids[view.pos]]
    return int(others[largest_at(with_all(trace, view)[others])]) if len(others) else None


def _ids(trace: Trace) -> Int[np.ndarray, " pos"]:
    return np.array([token.id for token in trace.tokens])


def average(trace: Trace) -> tuple[int, float]:
    """(pairs of different tokens, mean of their cosines); the text must have two different tokens. The pairs are not
    gone through: the squared length of the sum of all unit vectors is the sum of all cosines, and those of a token
    with itself are known."""
    lengths = norms(trace[_ROWS])[:, None]
    unit = np.divide(trace[_ROWS], lengths, out=np.zeros(trace[_ROWS].shape), where=lengths > 0)
    _different, firsts, times = np.unique(_ids(trace), return_index=True, return_counts=True)
    whole, own = unit.sum(axis=0), (norms(unit[firsts]) * times) ** 2
    pairs = (len(unit) ** 2 - int((times**2).sum())) // 2
    return pairs, float(whole @ whole - own.sum()) / (2 * pairs)


def draw(trace: Trace, view: Fitted) -> Grid:
    """The matrix, on the same scale for every text: −1 opposite, 0 unrelated, 1 the same direction. Of a long text the
    tokens around the chosen one."""
    shown = drawn(len(trace.tokens), view.pos)
    other = nearest_other(trace, view, shown)
    focus = (view.pos, view.pos if other is None else other)
    labels, part = trace.labels, None
    if len(shown) < len(trace.tokens):
        edges = (*shown, shown.stop)
        labels, part = tuple(f"{pos} {labels[pos]}" for pos in shown), Part(edges, edges, focus, len(trace.tokens))
    return Grid(
        z=matrix(trace, shown),
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


def caption(trace: Trace, view: Fitted) -> str:
    """The most alike other token of the text, and the average over all pairs of different tokens."""
    other = nearest_other(trace, view)
    name = quoted(trace.tokens[view.pos].label)
    if other is None:
        return _(
            "The text holds no token but {token}: its row has cosine 1 with itself and nothing to compare it with.",
            token=name,
        )
    pairs, mean = average(trace)
    alike = ngettext(
        "Before any context, {token} is most like {other} among the tokens of this text (cosine {cosine}); the "
        "{count} pair of different tokens averages {average}. Equal tokens have equal rows, so their cosine is 1.",
        "Before any context, {token} is most like {other} among the tokens of this text (cosine {cosine}); the "
        "{count} pairs of different tokens average {average}. Equal tokens have equal rows, so their cosine is 1.",
        pairs,
        token=name,
        other=quoted(trace.tokens[other].label),
        cosine=cosine(float(with_all(trace, view)[other])),
        average=cosine(mean),
    )
    return " ".join(sentence for sentence in (alike, *_part(trace, view, other)) if sentence)


def _part(trace: Trace, view: Fitted, other: int) -> Iterator[str]:
    """What is drawn of a long text, and what its frame stands on where the most alike token is not there."""
    shown = drawn(len(trace.tokens), view.pos)
    near = nearest_other(trace, view, shown)
    yield caption_around(len(trace.tokens), shown)
    if other not in shown and near is not None:
        yield _(
            "Of these the framed one, {token}, is most like it (cosine {cosine}).",
            token=quoted(trace.tokens[near].label),
            cosine=cosine(float(with_all(trace, view)[near])),
        )


def table(trace: Trace, view: Fitted) -> Table:
    """The chosen token's row of the matrix."""
    row, shown = with_all(trace, view), table_rows(len(trace.tokens), view.pos)
    return Table(
        (_("position"), _("token"), _("cosine with position {pos}", pos=view.pos)),
        tuple((i, trace.tokens[i].label, float(row[i])) for i in shown),
        table_note(len(trace.tokens), shown),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The cell in focus, with dot product and lengths."""
    other = nearest_other(trace, view)
    other = view.pos if other is None else other
    a, b = trace[_ROWS][view.pos].astype(float), trace[_ROWS][other].astype(float)
    lengths = f"{number(float(norms(a)))} · {number(float(norms(b)))}"
    token, beside = (quoted(trace.tokens[pos].label) for pos in (view.pos, other))
    return "\n".join(
        (
            _("a = row of {token}, b = row of {other}", token=token, other=beside),
            "cos(a, b) = a·b / (‖a‖ · ‖b‖)",
            f"= {number(float(a @ b))} / ({lengths}) = {cosine(float(with_all(trace, view)[other]))}",
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
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
)

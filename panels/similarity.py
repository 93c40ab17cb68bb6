"""How alike the embedding rows of the text's tokens are, each with each."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from anatomy.language import N_, _
from anatomy.measure import cosine_matrix, norms
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.snippet import TABLE, opening
from viz.format import cosine, many, number, quoted
from viz.grid import Grid

_ROWS = Want("tok_embed")


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The rows of the text's tokens."""
    return (_ROWS,)


def matrix(trace: Trace) -> Float[np.ndarray, "pos pos"]:
    """Cosine between every two tokens' rows."""
    return cosine_matrix(trace[_ROWS]).astype(np.float32)


def nearest_other(trace: Trace, view: Fitted) -> int | None:
    """The place most like the chosen one that holds another token; None when the text has no other."""
    ids = np.array([token.id for token in trace.tokens])
    others = ids != ids[view.pos]
    if not others.any():
        return None
    return int(np.where(others, matrix(trace)[view.pos], -np.inf).argmax())


def draw(trace: Trace, view: Fitted) -> Grid:
    """The matrix, on the same scale for every text: −1 opposite, 0 unrelated, 1 the same direction."""
    other = nearest_other(trace, view)
    return Grid(
        z=matrix(trace),
        rows=trace.labels,
        cols=trace.labels,
        row_axis=_("token"),
        col_axis=_("token"),
        unit=_("cosine"),
        title=_("Embedding rows: cosine"),
        low=-1.0,
        high=1.0,
        signed=True,
        focus=(view.pos, view.pos if other is None else other),
        selects="token",
    )


def says(trace: Trace, view: Fitted) -> str:
    """The most alike other token of the text, and the average over all pairs of different tokens."""
    other, values = nearest_other(trace, view), matrix(trace)
    name = quoted(trace.tokens[view.pos].label)
    if other is None:
        return _(
            "The text holds no token but {token}: its row has cosine 1 with itself and nothing to compare it with.",
            token=name,
        )
    ids = np.array([token.id for token in trace.tokens])
    pairs = values[np.triu(ids[:, None] != ids[None, :])]
    return _(
        "Before any context, {token} is most like {other} among the tokens of this text (cosine {cosine}); the {pairs} "
        "of different tokens average {average}. Equal tokens have equal rows, so their cosine is 1.",
        token=name,
        other=quoted(trace.tokens[other].label),
        cosine=cosine(float(values[view.pos, other])),
        pairs=many(len(pairs), "pair"),
        average=cosine(float(pairs.mean(dtype=np.float64))),
    )


def table(trace: Trace, view: Fitted) -> Table:
    """The chosen token's row of the matrix."""
    row = matrix(trace)[view.pos]
    return Table(
        (_("position"), _("token"), _("cosine with position {pos}", pos=view.pos)),
        tuple((i, label, float(value)) for i, (label, value) in enumerate(zip(trace.labels, row, strict=True))),
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
            f"= {number(float(a @ b))} / ({lengths}) = {cosine(float(matrix(trace)[view.pos, other]))}",
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The whole matrix."""
    return f"""{opening(spec, view)}
{TABLE}unit = torch.nn.functional.normalize(table[ids], dim=-1)
result = unit @ unit.T
print(result[{view.pos}])
"""


PANEL = Panel(
    id="similarity",
    stage="embedding",
    order=2,
    name=N_("Similarity"),
    title=N_("How alike are the tokens before they meet?"),
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
)

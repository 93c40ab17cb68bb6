"""How large the rows of a learned position table are beside the token's own rows that they are added to."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from anatomy.language import N_, _
from anatomy.measure import cosines, norms
from anatomy.request import Want
from anatomy.spec import LearnedPositions, ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.columns import Columns, columns_of, table_note, table_rows
from panels.common.snippet import TABLE, opening
from panels.panel import Panel, Table
from viz.format import cosine, number, quoted
from viz.pairs import Pairs

_ALONE = 1_024  # positions that have bars of their own; more stand together in columns
_TOKENS, _PLACES = Want("tok_embed"), Want("pos_embed")


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Rows of both tables."""
    return (_TOKENS, _PLACES)


def applies(spec: ModelSpec) -> str | None:
    """None, or that the model has no learned position table."""
    if isinstance(spec.position, LearnedPositions):
        return None
    return _("This model adds nothing for a position: it has no position table.")


def sizes(trace: Trace) -> Float[np.ndarray, "2 pos"]:
    """L2 norms: of each token's row, then of its position's row."""
    return np.stack([norms(trace[_TOKENS]), norms(trace[_PLACES])])


def draw(trace: Trace, view: Fitted) -> Pairs:
    """Two bars per position; in a long text the means of several side by side."""
    columns = _columns(trace)
    values = columns.mean(sizes(trace))
    names = (_("row of the token"), _("row of the position"))
    labels = columns.labels([f"{pos} {label}" for pos, label in enumerate(trace.labels)])
    return Pairs(
        values=values.astype(np.float32),
        names=names,
        notes=_means(labels, values) if columns.pooled else _lengths(labels, names, values),
        x_axis=_("position"),
        y_axis=_("length (L2 norm)"),
        focus=columns.of(view.pos),
        places=_ticks(columns),
    )


def _lengths(
    labels: Sequence[str], names: tuple[str, str], values: Float[np.ndarray, "2 pos"]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the hover boxes say of single positions."""
    token, place = (
        tuple(f"{label}: {name} {number(float(size))}" for label, size in zip(labels, row, strict=True))
        for name, row in zip(names, values, strict=True)
    )
    return token, place


def _means(places: Sequence[str], values: Float[np.ndarray, "2 column"]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What they say of several side by side."""
    tokens, rows = ([number(float(mean)) for mean in row] for row in values)
    return (
        tuple(
            _("positions {places}: mean length of the tokens' rows {length}", places=where, length=mean)
            for where, mean in zip(places, tokens, strict=True)
        ),
        tuple(
            _("positions {places}: mean length of the positions' rows {length}", places=where, length=mean)
            for where, mean in zip(places, rows, strict=True)
        ),
    )


def _columns(trace: Trace) -> Columns:
    return columns_of(len(trace.tokens), alone=_ALONE)


def _ticks(columns: Columns) -> tuple[str, ...] | None:
    """What the places are called where they are not counted one by one."""
    return tuple(map(str, columns.edges[:-1])) if columns.pooled else None


def caption(trace: Trace, view: Fitted) -> str:
    """Both lengths at the chosen position, their angle, and the means over the text."""
    token, row = (float(value) for value in sizes(trace)[:, view.pos])
    means = sizes(trace).mean(axis=1)
    lengths = _(
        "{token} at position {pos}: the token's row has length {own}, the position's {added}, with cosine {cosine} "
        "between them. Over this text the means are {mean_own} and {mean_added}.",
        token=quoted(trace.labels[view.pos]),
        pos=view.pos,
        own=number(token),
        added=number(row),
        cosine=cosine(float(cosines(trace[_TOKENS][view.pos], trace[_PLACES][view.pos]))),
        mean_own=number(float(means[0])),
        mean_added=number(float(means[1])),
    )
    return " ".join(sentence for sentence in (lengths, _columns(trace).caption()) if sentence)


def table(trace: Trace, view: Fitted) -> Table:
    """One row per position."""
    angles, shown = cosines(trace[_TOKENS], trace[_PLACES]), table_rows(len(trace.tokens), view.pos)
    values = np.stack([*sizes(trace), angles], axis=1)  # [pos 3]
    return Table(
        (
            _("position"),
            _("token"),
            _("token's row (L2 norm)"),
            _("position's row (L2 norm)"),
            _("cosine between them"),
        ),
        tuple((pos, trace.tokens[pos].label, *map(float, values[pos])) for pos in shown),
        table_note(len(trace.tokens), shown),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The two lengths and the length of the sum."""
    token, row = trace[_TOKENS][view.pos].astype(np.float64), trace[_PLACES][view.pos].astype(np.float64)
    return "\n".join(
        (
            _(
                "token {token}: ‖t‖ = {length}",
                token=quoted(trace.labels[view.pos]),
                length=number(float(norms(token))),
            ),
            _("position {pos}: ‖p‖ = {length}", pos=view.pos, length=number(float(norms(row)))),
            f"‖t + p‖ = √(‖t‖² + ‖p‖² + 2 t·p) = {number(float(norms(token + row)))},   t·p = "
            f"{number(float(token @ row))}",
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Both lengths at every position: [2, pos]."""
    return f"""{opening(spec, view)}
{TABLE}places = model.base_model.get_submodule("{spec.paths.positions}").weight.detach()
result = torch.stack([table[ids].norm(dim=-1), places[: len(ids)].norm(dim=-1)])
print(result)
"""


PANEL = Panel(
    id="position_sizes",
    stage="position",
    order=4,
    name=N_("Sizes"),
    title=N_("How large is a position beside its token?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
)

"""How large the rows of a learned position table are beside the token's own rows that they are added to."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from anatomy import interventions
from anatomy.language import N_, _
from anatomy.measure import cosines, norms
from anatomy.request import Want
from anatomy.spec import LearnedPositions, ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.bars import Row
from panels.common.columns import table_note, table_rows
from panels.common.snippet import TABLE, opening
from panels.panel import Panel, Table
from viz.format import cosine, number, quoted
from viz.marks import Stands
from viz.pairs import Pairs

_TOKENS, _PLACES = Want("tok_embed"), Want("pos_embed")


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Rows of both tables."""
    return (_TOKENS, _PLACES)


def applies(spec: ModelSpec) -> str | None:
    """None, or that the model has no learned position table."""
    if isinstance(spec.position, LearnedPositions):
        return None
    return _("This model adds nothing for a position: it has no position table.")


@dataclass(frozen=True)
class Lengths:
    """The rows of both tables that the text uses, and how long they are.

    pos     the chosen token
    place   its position number
    labels  of the tokens
    tokens  each token's row, activations
    places  each position's row, activations
    norm    L2 norm of each; row 0 the tokens', row 1 the positions'
    """

    pos: int
    place: int
    labels: tuple[str, ...]
    tokens: Float[np.ndarray, "pos d_model"]
    places: Float[np.ndarray, "pos d_model"]
    norm: Float[np.ndarray, "2 pos"]

    @cached_property
    def row(self) -> Row:
        """Which positions have bars of their own."""
        return Row(len(self.labels), self.pos)

    @property
    def chosen(self) -> tuple[Float[np.ndarray, " d_model"], Float[np.ndarray, " d_model"]]:
        """The chosen token's row, and its position's."""
        return self.tokens[self.pos], self.places[self.pos]


def read(trace: Trace, view: Fitted) -> Lengths:
    """Rows of both tables, and how long each is."""
    place = interventions.place(trace.run.interventions, view.pos)
    return Lengths(view.pos, place, trace.labels, trace[_TOKENS], trace[_PLACES], sizes(trace))


def sizes(trace: Trace) -> Float[np.ndarray, "2 pos"]:
    """L2 norms: of each token's row, then of its position's row."""
    return np.stack([norms(trace[_TOKENS]), norms(trace[_PLACES])])


def draw(lengths: Lengths) -> Pairs:
    """Two bars per position; in a long text those around the chosen one, above the tokens' rows of all."""
    row, names = lengths.row, (_("row of the token"), _("row of the position"))
    near = slice(row.near.start, row.near.stop)
    values, labels = lengths.norm[:, near], [f"{pos} {lengths.labels[pos]}" for pos in row.near]
    return Pairs(
        values=values.astype(np.float32),
        names=names,
        notes=_lengths(labels, names, values),
        x_axis=_("position"),
        y_axis=_("length (L2 norm)"),
        focus=lengths.pos - row.near.start,
        places=tuple(map(str, row.near)) if row.long else None,
        whole=row.whole(lengths.norm[0], _column, _("position"), names[0]),
        stands=(Stands("pos", row.places),),
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


def _column(places: str, length: float) -> str:
    """What the hover box of a column of the whole says."""
    if "–" in places:
        return _("positions {places}: mean length of the tokens' rows {length}", places=places, length=number(length))
    return _("position {place}: length of the token's row {length}", place=places, length=number(length))


def caption(lengths: Lengths) -> str:
    """Both lengths at the chosen position, their angle, and the means over the text."""
    (own, added), means = lengths.norm[:, lengths.pos].tolist(), lengths.norm.mean(axis=1)
    here = _(
        "{token} at position {pos}: the token's row has length {own}, the position's {added}, with cosine {cosine} "
        "between them. Over this text the means are {mean_own} and {mean_added}.",
        token=quoted(lengths.labels[lengths.pos]),
        pos=lengths.place,
        own=number(own),
        added=number(added),
        cosine=cosine(float(cosines(*lengths.chosen))),
        mean_own=number(float(means[0])),
        mean_added=number(float(means[1])),
    )
    return " ".join(sentence for sentence in (here, lengths.row.caption()) if sentence)


def table(lengths: Lengths) -> Table:
    """One row per position."""
    shown = table_rows(len(lengths.labels), lengths.pos)
    listed = slice(shown.start, shown.stop)
    return Table.of(
        (_("position"), shown),
        (_("token"), lengths.labels[listed]),
        (_("token's row (L2 norm)"), lengths.norm[0, listed]),
        (_("position's row (L2 norm)"), lengths.norm[1, listed]),
        (_("cosine between them"), cosines(lengths.tokens[listed], lengths.places[listed])),
        note=table_note(len(lengths.labels), shown),
    )


def formula(lengths: Lengths) -> str:
    """The two lengths and the length of the sum."""
    token, row = (vector.astype(np.float64) for vector in lengths.chosen)
    own, added = lengths.norm[:, lengths.pos].tolist()
    return "\n".join(
        (
            _("token {token}: ‖t‖ = {length}", token=quoted(lengths.labels[lengths.pos]), length=number(own)),
            _("position {pos}: ‖p‖ = {length}", pos=lengths.place, length=number(added)),
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
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
)

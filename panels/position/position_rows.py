"""Learned positions: the rows of the model's position table, each held against every other."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from anatomy.language import _
from anatomy.measure import cosine_matrix, cosines, norms
from anatomy.request import Want
from anatomy.rounding import largest_at
from anatomy.spec import LearnedPositions, ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.columns import Columns, columns_of, table_note, table_rows
from panels.common.snippet import opening
from panels.panel import Table
from viz.format import cosine, number, quoted, thousands
from viz.grid import Grid, Part

TABLE = Want("pos_embed")
_ALONE = 400  # positions that are drawn each with each; more stand together in columns


@dataclass(frozen=True)
class Learned:
    """The rows of the position table that the text uses.

    pos      the chosen position
    labels   of the tokens, by position
    trained  how many rows the table holds
    rows     as they are added to the embedding, activations
    alike    cosine of the chosen position's row with each
    """

    pos: int
    labels: tuple[str, ...]
    trained: int
    rows: Float[np.ndarray, "pos d_model"]
    alike: Float[np.ndarray, " pos"]

    @cached_property
    def columns(self) -> Columns:
        """The positions as the figure has room for them."""
        return columns_of(len(self.rows), alone=_ALONE)

    @cached_property
    def most_like(self) -> int:
        """The other position whose row points most nearly the way of the chosen one; itself where there is no other."""
        others = self.alike.copy()
        others[self.pos] = -np.inf
        return largest_at(others)


def read(trace: Trace, view: Fitted) -> Learned:
    """The rows that the text uses, and how the chosen one lies to them."""
    rows, position = trace[TABLE], trace.spec.position
    trained = position.rows if isinstance(position, LearnedPositions) else 0
    return Learned(view.pos, trace.labels, trained, rows, cosines(rows, rows[view.pos]).astype(np.float32))


def draw(learned: Learned) -> Grid:
    """Cosine between the rows of every two positions, the chosen one framed with the one that is most like it."""
    columns, chosen = learned.columns, (learned.pos, learned.most_like)
    labels = columns.labels([str(pos) for pos in range(columns.count)])
    return Grid(
        z=_matrix(learned),
        rows=labels,
        cols=labels,
        row_axis=_("position"),
        col_axis=_("position"),
        unit=_("cosine"),
        title=_("Position rows: cosine"),
        low=-1.0,
        high=1.0,
        signed=True,
        focus=(columns.of(chosen[0]), columns.of(chosen[1])),
        selects="token",
        part=Part(columns.edges, columns.edges, chosen, columns.count) if columns.pooled else None,
        measure=_("mean") if columns.pooled else None,
    )


def _matrix(learned: Learned) -> Float[np.ndarray, "column column"]:
    """Cosines between the rows of every two positions; of columns of several their mean, which is what the means of
    unit vectors come to when they are multiplied."""
    rows, columns = learned.rows, learned.columns
    if not columns.pooled:
        return cosine_matrix(rows).astype(np.float32)
    lengths = norms(rows)[:, None]
    unit = np.divide(rows, lengths, out=np.zeros(rows.shape), where=lengths > 0)
    means = columns.mean(unit.T)  # [d_model column]
    return (means.T @ means).astype(np.float32)


def caption(learned: Learned) -> str:
    """How many rows the text uses, which is most like the chosen one, and what a cell is."""
    used = _(
        "Each position has a trained row of {width} numbers, added to the embedding: this text uses {used} of {rows}.",
        width=thousands(learned.rows.shape[1]),
        used=thousands(len(learned.rows)),
        rows=thousands(learned.trained),
    )
    if len(learned.rows) < 2:
        return used
    alike = _(
        "Row {pos} is most like row {other} (cosine {cosine}).",
        pos=learned.pos,
        other=learned.most_like,
        cosine=cosine(float(learned.alike[learned.most_like])),
    )
    return " ".join(sentence for sentence in (used, alike, _cells(learned.columns)) if sentence)


def _cells(columns: Columns) -> str:
    """What a cell is of a text that is too long for one per pair of positions."""
    if not columns.pooled:
        return ""
    return _(
        "Each cell is the mean of up to {side} × {side} pairs of positions.", side=thousands(int(columns.sizes.max()))
    )


def table(learned: Learned) -> Table:
    """The chosen position against every other."""
    shown = table_rows(len(learned.rows), learned.pos)
    listed = slice(shown.start, shown.stop)
    return Table.of(
        (_("position"), shown),
        (_("token"), learned.labels[listed]),
        (_("length of its row (L2 norm)"), norms(learned.rows[listed])),
        (_("cosine with position {pos}", pos=learned.pos), learned.alike[listed]),
        note=table_note(len(learned.rows), shown),
    )


def formula(learned: Learned) -> str:
    """The two rows that enter layer 0, and the chosen one's numbers."""
    row = learned.rows[learned.pos]
    return "\n".join(
        (
            _(
                "into layer 0: row of {token} in the embedding table + row {pos} of the position table",
                token=quoted(learned.labels[learned.pos]),
                pos=learned.pos,
            ),
            _(
                "row {pos} = ({first}, … {width} numbers)   length {length}",
                pos=learned.pos,
                first=", ".join(map(number, row[:4].tolist())),
                width=thousands(len(row)),
                length=number(float(norms(row))),
            ),
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Cosine between the position rows used, in the figure's cells."""
    count = max(view.length, view.pos + 1)  # nobody may have counted them: then it is a short text
    columns = columns_of(count, alone=_ALONE)
    return f"""{opening(spec, view)}
table = model.base_model.get_submodule("{spec.paths.positions}").weight.detach()
unit = torch.nn.functional.normalize(table[: len(ids)], dim=-1)
{_pooling(columns)}result = unit @ unit.T
print(result[{columns.of(view.pos)}])
"""


def _pooling(columns: Columns) -> str:
    """Python that takes the means of rows side by side: the mean of their cosines is the product of these."""
    if not columns.pooled:
        return ""
    return f"""edges = [i * {columns.count} // {len(columns)} for i in range({len(columns)} + 1)]
unit = torch.stack([unit[a:b].mean(dim=0) for a, b in zip(edges, edges[1:])])  # [cell, d_model]
"""

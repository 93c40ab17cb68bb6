"""Learned positions: the rows of the model's position table, each held against every other."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from anatomy.interventions import place
from anatomy.language import _
from anatomy.measure import cosines, norms
from anatomy.request import Want
from anatomy.rounding import largest_at
from anatomy.shuffled import row_of
from anatomy.spec import LearnedPositions, ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.alike import Alike, alike, program
from panels.common.columns import table_note, table_rows
from panels.common.snippet import opening
from panels.common.zoomed import NEAR, WHOLE, ZOOM
from panels.panel import Table
from viz.format import cosine, number, quoted, thousands
from viz.grid import Grid

TABLE = Want("pos_embed")


@dataclass(frozen=True)
class Learned:
    """The rows of the position table that the text uses.

    pos      the chosen token
    numbers  position number of each token, the row that it gets
    labels   of the tokens
    trained  how many rows the table holds
    rows     as they are added to the embedding, activations
    alike    cosine of the chosen position's row with each
    shown    cosines between every two rows, as the figure has room for them
    given    number of the row of the embedding table that the chosen token is given, where it is not its own
    """

    pos: int
    numbers: tuple[int, ...]
    labels: tuple[str, ...]
    trained: int
    rows: Float[np.ndarray, "pos d_model"]
    alike: Float[np.ndarray, " pos"]
    shown: Alike
    given: int | None = None

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
    own = cosines(rows, rows[view.pos]).astype(np.float32)
    numbers = tuple(place(trace.run.interventions, token) for token in range(len(rows)))
    token = trace.tokens[view.pos].id
    given = row_of(trace.run.interventions, token, trace.spec.vocab)
    shuffled = given if given != token else None
    return Learned(view.pos, numbers, trace.labels, trained, rows, own, alike(rows, view), shuffled)


def draw(learned: Learned) -> Grid:
    """Cosine between the rows of every two positions, the chosen one framed with the one that is most like it."""
    shown, chosen = learned.shown, (learned.pos, learned.most_like)
    rows, cols = shown.labels([str(pos) for pos in range(len(learned.rows))], str)
    return Grid(
        z=shown.values,
        rows=rows,
        cols=cols,
        row_axis=_("position"),
        col_axis=_("position"),
        unit=_("cosine"),
        title=_("Position rows: cosine"),
        low=-1.0,
        high=1.0,
        signed=True,
        focus=shown.focus(chosen),
        selects="token",
        part=shown.part(chosen),
        measure=_("mean") if shown.pooled else None,
        opens=(ZOOM, NEAR) if shown.pooled else None,
        leaves=(ZOOM, WHOLE) if shown.near else None,
        sight=shown.seen((learned.pos, learned.most_like)),
    )


def caption(learned: Learned) -> str:
    """How many rows the text uses, which is most like the chosen one, and what a cell is."""
    used = _(
        "The model knows the order by a vector for each position: a trained row of {width} numbers, added to the "
        "embedding of the token that stands there. This text uses {used} of {rows} rows.",
        width=thousands(learned.rows.shape[1]),
        used=thousands(len(set(learned.numbers))),
        rows=thousands(learned.trained),
    )
    if len(set(learned.numbers)) < 2:
        return used
    alike = _(
        "Row {pos} is most like row {other} (cosine {cosine}).",
        pos=learned.numbers[learned.pos],
        other=learned.numbers[learned.most_like],
        cosine=cosine(float(learned.alike[learned.most_like])),
    )
    return " ".join(sentence for sentence in (used, alike, learned.shown.told) if sentence)


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
    enters = _(
        "into layer 0: row of {token} in the embedding table + row {pos} of the position table",
        token=quoted(learned.labels[learned.pos]),
        pos=learned.numbers[learned.pos],
    )
    if learned.given is not None:
        enters = _(
            "into layer 0: row {row} of the embedding table, which {token} is given in this run, + row "
            "{pos} of the position table",
            row=thousands(learned.given),
            token=quoted(learned.labels[learned.pos]),
            pos=learned.numbers[learned.pos],
        )
    return "\n".join(
        (
            enters,
            _(
                "row {pos} = ({first}, … {width} numbers)   length {length}",
                pos=learned.numbers[learned.pos],
                first=", ".join(map(number, row[:4].tolist())),
                width=thousands(len(row)),
                length=number(float(norms(row))),
            ),
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Cosine between the position rows used, in the figure's cells."""
    count = max(view.length, view.pos + 1)  # nobody may have counted them: then it is a short text
    return f"""{opening(spec, view)}
table = model.base_model.get_submodule("{spec.paths.positions}").weight.detach()
unit = torch.nn.functional.normalize(table[: len(ids)], dim=-1)
{program(count, view)}print(result)
"""

"""The chosen token's row of the embedding table: its real numbers, and its length beside those of the text."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from anatomy import facts
from anatomy.control import Choice
from anatomy.language import N_, _, ngettext
from anatomy.measure import norms
from anatomy.request import Want
from anatomy.rounding import largest_at, largest_first
from anatomy.shuffled import row_of
from anatomy.spec import ModelSpec
from anatomy.trace import Token, Trace
from anatomy.view import Fitted
from panels.common.columns import Columns, columns_of, table_note, table_rows
from panels.common.snippet import TABLE, opening
from panels.panel import Panel, Table
from viz import nouns
from viz.dots import Dots
from viz.format import number, percent, quoted, thousands
from viz.grid import Grid
from viz.level import Level
from viz.marks import Stands
from viz.scale import ceiling

SHOWN = Choice(
    "row",
    N_("Show"),
    ("values", "lengths"),
    (N_("its numbers"), N_("lengths of all rows")),
    says=N_(
        "Its numbers: the chosen token's row of the embedding table. Lengths of all rows: how long that of every "
        "token in the text is."
    ),
)
_ROWS = Want("tok_embed")
_NARROW, _WIDE = 32, 64  # numbers in a line of the strip, and where there are many
_MANY = 1024
_LARGEST = 20  # numbers in the table
_ALONE = 1_024  # tokens that have a dot each


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The rows of the text's tokens."""
    return (_ROWS,)


@dataclass(frozen=True)
class Row:
    """The chosen token's row of the table, and the lengths of all rows of the text.

    spec        of the model
    given       number of the row that the chosen token is given: its id, unless the run shuffles rows
    tokens      of the text
    pos         the chosen token
    as_lengths  whether the lengths are drawn instead of the numbers
    numbers     of the chosen row (activation), in float64
    highest     size of the largest number in all rows (activation)
    lengths     L2 norm of each token's row
    """

    spec: ModelSpec
    given: int
    tokens: tuple[Token, ...]
    pos: int
    as_lengths: bool
    numbers: Float[np.ndarray, " d_model"]
    highest: float
    lengths: Float[np.ndarray, " pos"]

    @property
    def token(self) -> Token:
        """The chosen token."""
        return self.tokens[self.pos]

    @cached_property
    def top(self) -> int:
        """The dimension of the largest number."""
        return largest_at(np.abs(self.numbers))

    @cached_property
    def different(self) -> dict[int, float]:
        """Length of each different token's row, by its id."""
        return dict(zip((token.id for token in self.tokens), self.lengths.tolist(), strict=True))

    @property
    def median(self) -> float:
        """Of these lengths."""
        return float(np.median(list(self.different.values())))

    @cached_property
    def columns(self) -> Columns:
        """What has a dot: each token, or several side by side in a long text."""
        return columns_of(len(self.tokens), alone=_ALONE)


def read(trace: Trace, view: Fitted) -> Row:
    """The row's numbers and every row's length."""
    rows = trace[_ROWS]
    return Row(
        spec=trace.spec,
        given=row_of(trace.run.interventions, trace.tokens[view.pos].id, trace.spec.vocab),
        tokens=trace.tokens,
        pos=view.pos,
        as_lengths=view[SHOWN] == "lengths",
        numbers=rows[view.pos].astype(np.float64),
        highest=float(np.abs(rows).max()),
        lengths=norms(rows),
    )


def draw(row: Row) -> Grid | Dots:
    """The row's numbers in lines of a strip, or the length of every token's row."""
    return _lengths(row) if row.as_lengths else _strip(row)


def folded(numbers: Float[np.ndarray, " d_model"]) -> Float[np.ndarray, "line place"]:
    """The numbers in lines of equal length, 32 each or, of more than 1,024, 64; NaN fills up the last."""
    width = min(_NARROW if len(numbers) <= _MANY else _WIDE, len(numbers))
    lines = np.full((-(-len(numbers) // width), width), np.nan, np.float32)
    lines.ravel()[: len(numbers)] = numbers
    return lines


def _strip(row: Row) -> Grid:
    """Colours have the same scale for every token of the text."""
    lines = folded(row.numbers)
    width = lines.shape[1]
    return Grid(
        z=lines,
        rows=tuple(str(first) for first in range(0, lines.size, width)),
        cols=tuple(f"+{i}" for i in range(width)),
        row_axis=_("dimension"),
        col_axis=_("dimension, counted on"),
        unit=_("activation"),
        title=_("Row {row} of the embedding table", row=thousands(row.given)),
        high=ceiling(row.highest),
        signed=True,
        focus=divmod(row.top, width),
        empty=_("no such dimension"),
    )


def _lengths(row: Row) -> Dots:
    columns = row.columns
    x, y = columns.middles, columns.mean(row.lengths)
    notes = tuple(_note(row, i, length) for i, length in enumerate(y.tolist()))
    accent = tuple(i == row.pos for i in range(len(y)))
    if columns.pooled:  # the chosen token has a dot of its own
        own = float(row.lengths[row.pos])
        x, y = np.append(x, row.pos), np.append(y, own)
        notes = (*notes, _("{pos} {token}: length {length}", pos=row.pos, token=row.token.label, length=number(own)))
        accent = (*(False for _column in columns.sizes), True)
    return Dots(
        x=x.astype(np.float32),
        y=y,
        notes=notes,
        accent=accent,
        x_axis=_("position in the text"),
        y_axis=_("length of the row (L2 norm)"),
        levels=[Level(row.median, _("median of the different tokens"))],
        logarithmic=False,
        above=columns.pooled,
        stands=(Stands("pos", (*columns.firsts, *([row.pos] if columns.pooled else []))),),
    )


def _note(row: Row, column: int, length: float) -> str:
    if row.columns.pooled:
        span = row.columns.span(column)
        return _("positions {places}: mean length {length}", places=span, length=number(length))
    return _("{pos} {token}: length {length}", pos=column, token=row.tokens[column].label, length=number(length))


def caption(row: Row) -> str:
    """How many numbers, their range, the row's length among the text's, and what else the table is used for."""
    return " ".join(part for part in (_enters(row), _ranked(row), _tied(row), _dots(row)) if part)


def _dots(row: Row) -> str:
    """What a dot is where not every token has one."""
    if not row.as_lengths or not row.columns.pooled:
        return ""
    return _("Each grey dot is the mean of {tokens} side by side.", tokens=row.columns.covers)


def _enters(row: Row) -> str:
    """How many numbers, from where to where, and how many of them are nothing."""
    zeros, count = int((row.numbers == 0).sum()), len(row.numbers)
    values = {
        "token": quoted(row.token.label),
        "low": number(float(row.numbers.min())),
        "high": number(float(row.numbers.max())),
    }
    if not zeros:
        return ngettext(
            "{token} enters as {count} number from {low} to {high}; it is not exactly 0.",
            "{token} enters as {count} numbers from {low} to {high}; none is exactly 0.",
            count,
            **values,
        )
    return ngettext(
        "{token} enters as {numbers} from {low} to {high}; {count} is exactly 0.",
        "{token} enters as {numbers} from {low} to {high}; {count} are exactly 0.",
        zeros,
        numbers=nouns.numbers(count),
        **values,
    )


def _ranked(row: Row) -> str:
    """The row's length among those of the text's different tokens."""
    by_id = row.different
    own = by_id[row.token.id]
    if len(by_id) == 1:
        return _("The row's length is {length}.", length=number(own))
    rank = 1 + sum(length > own for length in by_id.values())
    different, values = len(by_id), {"length": number(own), "median": number(row.median)}
    if rank == 1:
        return ngettext(
            "The row's length is {length}, the longest of the text's {count} different token; its median is {median}.",
            "The row's length is {length}, the longest of the text's {count} different tokens; their median is "
            "{median}.",
            different,
            **values,
        )
    if rank == len(by_id):
        return ngettext(
            "The row's length is {length}, the shortest of the text's {count} different token; its median is {median}.",
            "The row's length is {length}, the shortest of the text's {count} different tokens; their median is "
            "{median}.",
            different,
            **values,
        )
    return ngettext(
        "The row's length is {length}, number {rank} by length of the text's {count} different token; its median is "
        "{median}.",
        "The row's length is {length}, number {rank} by length of the text's {count} different tokens; their median is "
        "{median}.",
        different,
        rank=rank,
        **values,
    )


def _tied(row: Row) -> str:
    if row.spec.head is None:
        return _("This model has no output layer that could share the table.")
    if row.spec.tied and row.given != row.token.id:
        return _(
            "The output layer is the same table (tied), but there {token} keeps row {own}, its own: in this run it "
            "enters with another token's.",
            token=quoted(row.token.label),
            own=thousands(row.token.id),
        )
    if row.spec.tied:
        return _("The output layer is the same table (tied): the row is also what the last vector is scored against.")
    return _("The output layer has a table of its own (untied): this row serves the way in alone.")


def table(row: Row) -> Table:
    """The numbers of largest size, or the length of every token's row."""
    if row.as_lengths:
        shown = table_rows(len(row.tokens), row.pos)
        listed = slice(shown.start, shown.stop)
        return Table.of(
            (_("position"), shown),
            (_("token"), (token.label for token in row.tokens[listed])),
            (_("id"), (token.id for token in row.tokens[listed])),
            (_("length (L2 norm)"), row.lengths[listed]),
            note=table_note(len(row.tokens), shown),
        )
    squares = row.numbers**2
    order = largest_first(np.abs(row.numbers))[:_LARGEST]
    return Table.of(
        (_("dimension"), order),
        (_("value (activation)"), row.numbers[order]),
        (_("share of the squared length"), squares[order] / (squares.sum() or 1.0)),
    )


def formula(row: Row) -> str:
    """The row's length from its numbers, and how much of it its largest number makes."""
    numbers, scale = row.numbers, row.spec.embed_scale
    squared, largest = float((numbers**2).sum()), float(numbers[row.top])
    first = " + ".join(f"({number(value)})²" for value in numbers[:3].tolist())
    mean, spread = number(float(numbers.mean())), number(float(numbers.std()))
    lines = [
        ngettext(
            "‖row‖ = √({first} + … {count} number) = √{squared} = {length}",
            "‖row‖ = √({first} + … {count} numbers) = √{squared} = {length}",
            len(numbers),
            first=first,
            squared=number(squared),
            length=number(squared**0.5),
        ),
        _(
            "largest: dimension {dim}, ({value})² / {squared} = {share} of the squared length",
            dim=row.top,
            value=number(largest),
            squared=number(squared),
            share=percent(largest**2 / (squared or 1.0)),
        ),
        _("mean {mean}, standard deviation {spread}", mean=mean, spread=spread),
        _("the model multiplies the row by {factor} before it enters", factor=number(scale)) if scale != 1 else "",
    ]
    return "\n".join(line for line in lines if line)


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The row, or the lengths of all rows of the text."""
    what = f"ids[{view.pos}]]  # [d_model]" if view[SHOWN] == "values" else "ids].norm(dim=-1)  # [pos]"
    return f"""{opening(spec, view)}
{TABLE}result = table[{what}
print(result)
output = model.get_output_embeddings()
print("tied:", output is not None and output.weight is model.get_input_embeddings().weight)
"""


PANEL = Panel(
    id="row",
    stage="embedding",
    order=3,
    name=N_("Row"),
    title=N_("What are the numbers of a token?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    facts=(facts.EMBEDDING,),
    controls=(SHOWN,),
)

"""The chosen token's row of the embedding table: its real numbers, and its length beside those of the text."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from anatomy.control import Choice
from anatomy.language import N_, _, ngettext
from anatomy.measure import norms
from anatomy.request import Want
from anatomy.rounding import largest_at, largest_first
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.columns import Columns, columns_of, table_note, table_rows
from panels.common.snippet import TABLE, opening
from panels.panel import Figure, Panel, Table
from viz import nouns
from viz.dots import Dots
from viz.format import number, percent, quoted, thousands
from viz.grid import Grid
from viz.level import Level
from viz.scale import ceiling

SHOWN = Choice("row", N_("Show"), ("values", "lengths"), (N_("its numbers"), N_("lengths of all rows")))
_ROWS = Want("tok_embed")
_NARROW, _WIDE = 32, 64  # numbers in a line of the strip, and where there are many
_MANY = 1024
_LARGEST = 20  # numbers in the table
_ALONE = 1_024  # tokens that have a dot each


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The rows of the text's tokens."""
    return (_ROWS,)


def draw(trace: Trace, view: Fitted) -> Figure:
    """The row's numbers in lines of a strip, or the length of every token's row."""
    return _strip(trace, view) if view[SHOWN] == "values" else _lengths(trace, view)


def folded(row: Float[np.ndarray, " d_model"]) -> Float[np.ndarray, "line place"]:
    """The numbers in lines of equal length, 32 each or, of more than 1,024, 64; NaN fills up the last."""
    width = min(_NARROW if len(row) <= _MANY else _WIDE, len(row))
    lines = np.full((-(-len(row) // width), width), np.nan, np.float32)
    lines.ravel()[: len(row)] = row
    return lines


def _strip(trace: Trace, view: Fitted) -> Grid:
    """Colours have the same scale for every token of the text."""
    rows = trace[_ROWS]
    lines = folded(rows[view.pos])
    width = lines.shape[1]
    line, place = divmod(largest_at(np.abs(rows[view.pos])), width)
    return Grid(
        z=lines,
        rows=tuple(str(first) for first in range(0, lines.size, width)),
        cols=tuple(f"+{i}" for i in range(width)),
        row_axis=_("dimension"),
        col_axis=_("dimension, counted on"),
        unit=_("activation"),
        title=_("Row {row} of the embedding table", row=thousands(trace.tokens[view.pos].id)),
        high=ceiling(float(np.abs(rows).max())),
        signed=True,
        focus=(line, place),
        empty=_("no such dimension"),
    )


def _columns(trace: Trace) -> Columns:
    """What has a dot: each token, or several side by side in a long text."""
    return columns_of(len(trace.tokens), alone=_ALONE)


def _lengths(trace: Trace, view: Fitted) -> Dots:
    lengths, columns = norms(trace[_ROWS]), _columns(trace)
    x, y = columns.middles, columns.mean(lengths)
    notes = tuple(_note(trace, columns, i, float(length)) for i, length in enumerate(y))
    accent = tuple(i == view.pos for i in range(len(y)))
    if columns.pooled:  # the chosen token has a dot of its own
        own, name = float(lengths[view.pos]), trace.tokens[view.pos].label
        x, y = np.append(x, view.pos), np.append(y, own)
        notes = (*notes, _("{pos} {token}: length {length}", pos=view.pos, token=name, length=number(own)))
        accent = (*(False for _column in columns.sizes), True)
    return Dots(
        x=x.astype(np.float32),
        y=y,
        notes=notes,
        accent=accent,
        x_axis=_("position in the text"),
        y_axis=_("length of the row (L2 norm)"),
        levels=[Level(float(np.median(lengths)), _("median of the text"))],
        logarithmic=False,
        above=columns.pooled,
    )


def _note(trace: Trace, columns: Columns, column: int, length: float) -> str:
    if columns.pooled:
        span = columns.span(column)
        return _("positions {places}: mean length {length}", places=span, length=number(length))
    return _("{pos} {token}: length {length}", pos=column, token=trace.tokens[column].label, length=number(length))


def caption(trace: Trace, view: Fitted) -> str:
    """How many numbers, their range, the row's length among the text's, and what else the table is used for."""
    return " ".join(
        part for part in (_enters(trace, view), _ranked(trace, view), _tied(trace.spec), _dots(trace, view)) if part
    )


def _dots(trace: Trace, view: Fitted) -> str:
    """What a dot is where not every token has one."""
    columns = _columns(trace)
    if view[SHOWN] == "values" or not columns.pooled:
        return ""
    return _("Each grey dot is the mean of {tokens} side by side.", tokens=columns.covers)


def _enters(trace: Trace, view: Fitted) -> str:
    """How many numbers, from where to where, and how many of them are nothing."""
    row = trace[_ROWS][view.pos]
    zeros = int((row == 0).sum())
    values = {
        "token": quoted(trace.tokens[view.pos].label),
        "low": number(float(row.min())),
        "high": number(float(row.max())),
    }
    if not zeros:
        return ngettext(
            "{token} enters as {count} number from {low} to {high}; it is not exactly 0.",
            "{token} enters as {count} numbers from {low} to {high}; none is exactly 0.",
            len(row),
            **values,
        )
    return ngettext(
        "{token} enters as {numbers} from {low} to {high}; {count} is exactly 0.",
        "{token} enters as {numbers} from {low} to {high}; {count} are exactly 0.",
        zeros,
        numbers=nouns.numbers(len(row)),
        **values,
    )


def _ranked(trace: Trace, view: Fitted) -> str:
    """The row's length among those of the text's different tokens."""
    by_id = {token.id: float(length) for token, length in zip(trace.tokens, norms(trace[_ROWS]), strict=True)}
    own = by_id[trace.tokens[view.pos].id]
    if len(by_id) == 1:
        return _("The row's length is {length}.", length=number(own))
    rank = 1 + sum(length > own for length in by_id.values())
    different, values = len(by_id), {"length": number(own), "median": number(float(np.median(list(by_id.values()))))}
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


def _tied(spec: ModelSpec) -> str:
    if spec.head is None:
        return _("This model has no output layer that could share the table.")
    if spec.tied:
        return _("The output layer is the same table (tied): the row is also what the last vector is scored against.")
    return _("The output layer has a table of its own (untied): this row serves the way in alone.")


def table(trace: Trace, view: Fitted) -> Table:
    """The numbers of largest size, or the length of every token's row."""
    if view[SHOWN] == "lengths":
        lengths, shown = norms(trace[_ROWS]).tolist(), table_rows(len(trace.tokens), view.pos)
        rows = ((pos, trace.tokens[pos].label, trace.tokens[pos].id, lengths[pos]) for pos in shown)
        columns = (_("position"), _("token"), _("id"), _("length (L2 norm)"))
        return Table(columns, tuple(rows), table_note(len(lengths), shown))
    row = trace[_ROWS][view.pos].astype(np.float64)
    total = float((row**2).sum()) or 1.0
    order = largest_first(np.abs(row))[:_LARGEST]
    return Table(
        (_("dimension"), _("value (activation)"), _("share of the squared length")),
        tuple((int(i), float(row[i]), float(row[i] ** 2 / total)) for i in order),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The row's length from its numbers, and how much of it its largest number makes."""
    row = trace[_ROWS][view.pos].astype(np.float64)
    squared, top = float((row**2).sum()), largest_at(np.abs(row))
    first = " + ".join(f"({number(float(value))})²" for value in row[:3])
    scale = trace.spec.embed_scale
    lines = [
        ngettext(
            "‖row‖ = √({first} + … {count} number) = √{squared} = {length}",
            "‖row‖ = √({first} + … {count} numbers) = √{squared} = {length}",
            len(row),
            first=first,
            squared=number(squared),
            length=number(squared**0.5),
        ),
        _(
            "largest: dimension {dim}, ({value})² / {squared} = {share} of the squared length",
            dim=top,
            value=number(float(row[top])),
            squared=number(squared),
            share=percent(float(row[top] ** 2) / (squared or 1.0)),
        ),
        _("mean {mean}, standard deviation {spread}", mean=number(float(row.mean())), spread=number(float(row.std()))),
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
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(SHOWN,),
)

"""The chosen token's row of the embedding table: its real numbers, and its length beside those of the text."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.control import Choice
from anatomy.measure import norms
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Figure, Panel, Table
from panels.snippet import TABLE, opening
from viz.dots import Dots, Level, dots
from viz.format import many, number, percent, quoted, thousands
from viz.grid import Grid
from viz.scale import ceiling

SHOWN = Choice("row", "Show", ("values", "lengths"), ("its numbers", "lengths of all rows"))
_ROWS = Want("tok_embed")
_NARROW, _WIDE = 32, 64  # numbers in a line of the strip, and where there are many
_MANY = 1024
_LARGEST = 20  # numbers in the table


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The rows of the text's tokens."""
    return (_ROWS,)


def draw(trace: Trace, view: Fitted) -> Figure:
    """The row's numbers in lines of a strip, or the length of every token's row."""
    return _strip(trace, view) if view[SHOWN] == "values" else _lengths(trace, view)


def folded(row: Float[np.ndarray, " d_model"]) -> Float[np.ndarray, "line place"]:
    """The numbers in lines of equal length; NaN fills the last."""
    width = min(_NARROW if len(row) <= _MANY else _WIDE, len(row))
    lines = np.full((-(-len(row) // width), width), np.nan, np.float32)
    lines.ravel()[: len(row)] = row
    return lines


def _strip(trace: Trace, view: Fitted) -> Grid:
    """Colours have the same scale for every token of the text."""
    rows = trace[_ROWS]
    lines = folded(rows[view.pos])
    width = lines.shape[1]
    line, place = divmod(int(np.abs(rows[view.pos]).argmax()), width)
    return Grid(
        z=lines,
        rows=tuple(str(first) for first in range(0, lines.size, width)),
        cols=tuple(f"+{i}" for i in range(width)),
        row_axis="dimension",
        col_axis="dimension, counted on",
        unit="activation",
        title=f"Row {thousands(trace.tokens[view.pos].id)} of the embedding table",
        high=ceiling(float(np.abs(rows).max())),
        signed=True,
        focus=(line, place),
        empty="no such dimension",
    )


def _lengths(trace: Trace, view: Fitted) -> go.Figure:
    lengths = norms(trace[_ROWS])
    return dots(
        Dots(
            x=np.arange(len(lengths), dtype=np.float32),
            y=lengths,
            notes=tuple(
                f"{i} {label}: length {number(float(length))}"
                for i, (label, length) in enumerate(zip(trace.labels, lengths, strict=True))
            ),
            accent=tuple(i == view.pos for i in range(len(lengths))),
            x_axis="position in the text",
            y_axis="length of the row (L2 norm)",
            levels=[Level(float(np.median(lengths)), "median of the text")],
            logarithmic=False,
        )
    )


def says(trace: Trace, view: Fitted) -> str:
    """How many numbers, their range, the row's length among the text's, and what else the table is used for."""
    token, row = trace.tokens[view.pos], trace[_ROWS][view.pos]
    zeros = int((row == 0).sum())
    return (
        f"{quoted(token.label)} enters as {many(len(row), 'number')} from {number(float(row.min()))} to "
        f"{number(float(row.max()))}; {_zeros(zeros)} exactly 0. {_ranked(trace, view)} {_tied(trace.spec)}"
    )


def _zeros(count: int) -> str:
    return {0: "none is", 1: "1 is"}.get(count, f"{thousands(count)} are")


def _ranked(trace: Trace, view: Fitted) -> str:
    """The row's length among those of the text's different tokens."""
    by_id = {token.id: float(length) for token, length in zip(trace.tokens, norms(trace[_ROWS]), strict=True)}
    own = by_id[trace.tokens[view.pos].id]
    if len(by_id) == 1:
        return f"The row's length is {number(own)}."
    rank = 1 + sum(length > own for length in by_id.values())
    place = "the longest" if rank == 1 else "the shortest" if rank == len(by_id) else f"number {rank} by length"
    return (
        f"The row's length is {number(own)}, {place} of the text's {len(by_id)} different tokens; their median is "
        f"{number(float(np.median(list(by_id.values()))))}."
    )


def _tied(spec: ModelSpec) -> str:
    if spec.head is None:
        return "This model has no output layer that could share the table."
    if spec.tied:
        return "The output layer is the same table (tied): the row is also what the last vector is scored against."
    return "The output layer has a table of its own (untied): this row serves the way in alone."


def table(trace: Trace, view: Fitted) -> Table:
    """The numbers of largest size, or the length of every token's row."""
    if view[SHOWN] == "lengths":
        lengths = norms(trace[_ROWS]).tolist()
        rows = zip(range(len(lengths)), trace.labels, (token.id for token in trace.tokens), lengths, strict=True)
        return Table(("position", "token", "id", "length (L2 norm)"), tuple(rows))
    row = trace[_ROWS][view.pos].astype(np.float64)
    total = float((row**2).sum()) or 1.0
    order = np.argsort(-np.abs(row), kind="stable")[:_LARGEST]
    return Table(
        ("dimension", "value (activation)", "share of the squared length"),
        tuple((int(i), float(row[i]), float(row[i] ** 2 / total)) for i in order),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The row's length from its numbers, and how much of it its largest number makes."""
    row = trace[_ROWS][view.pos].astype(np.float64)
    squared, top = float((row**2).sum()), int(np.abs(row).argmax())
    first = " + ".join(f"({number(float(value))})²" for value in row[:3])
    scale = trace.spec.embed_scale
    lines = [
        f"‖row‖ = √({first} + … {many(len(row), 'number')}) = √{number(squared)} = {number(squared**0.5)}",
        f"largest: dimension {top}, ({number(float(row[top]))})² / {number(squared)} = "
        f"{percent(float(row[top] ** 2) / (squared or 1.0))} of the squared length",
        f"mean {number(float(row.mean()))}, standard deviation {number(float(row.std()))}",
        f"the model multiplies the row by {number(scale)} before it enters" if scale != 1 else "",
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
    name="Row",
    title="What are the numbers of a token?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(SHOWN,),
)

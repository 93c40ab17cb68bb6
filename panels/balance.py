"""The balance sheet of the stream: how much of the final vector each write of attention and FFN makes up."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table, sheet
from panels.balance_snippet import through_layers, within_layers
from panels.normed import follows_sum
from panels.sheet import Sheet, entrance
from viz.format import many, number, quoted, signed_percent
from viz.pairs import Lead, Pairs, paired

_PARTS = ("attention", "FFN")


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Every write to the chosen token, and the streams that the sums begin and end with."""
    return sheet.needs(spec, view)


def draw(trace: Trace, view: Fitted) -> go.Figure:
    """Two bars per layer, up for what points along the sum, down for what points away; the chosen layer framed."""
    found = sheet.sheet(trace, view)
    notes = tuple(_notes(part, found, i) for i, part in enumerate(_PARTS))
    lead = None
    if found.lead is not None:
        name, (share, length) = entrance(trace.spec), found.lead
        lead = Lead(name, "in", 100 * share, f"{name}: length {number(length)}, {signed_percent(share)}")
    whole = "each sum's" if found.lead is None else "the final stream's"
    return paired(
        Pairs(
            values=100 * found.shares,
            names=_PARTS,
            notes=(notes[0], notes[1]),
            x_axis="layer" if lead is None else "layer (in: before layer 0)",
            y_axis=f"share of {whole} squared length (%)",
            focus=view.layer,
            lead=lead,
        )
    )


def _notes(part: str, found: Sheet, which: int) -> tuple[str, ...]:
    """Words for the hover boxes of attention or FFN."""
    return tuple(
        f"layer {layer}: {part} adds length {number(float(length))}, {signed_percent(float(share))}"
        for layer, (length, share) in enumerate(zip(found.lengths[which], found.shares[which], strict=True))
    )


def says(trace: Trace, view: Fitted) -> str:
    """Whether the sheet adds up, with its error, and who wrote most."""
    found = sheet.sheet(trace, view)
    token = quoted(trace.tokens[view.pos].label)
    error = f"largest difference {number(found.off, 2)}, numbers up to {number(found.size)}"
    which, layer = np.unravel_index(found.shares.argmax(), found.shares.shape)
    largest = f"{_PARTS[which]} in layer {layer} ({signed_percent(float(found.shares[which, layer]))})"
    if found.lead is None:
        attention, ffn = (signed_percent(float(share)) for share in found.shares[:, view.layer])
        return (
            f"Here the sheet does not add up over layers: each sum is normalized before the next begins. Within layer "
            f"{view.layer} norm(stream + write) is the stream that follows ({error}). Of the sums for {token} "
            f"attention's write makes up {attention}, the FFN's {ffn}, the stream the rest; the largest is {largest}."
        )
    attention, ffn = (signed_percent(float(share)) for share in found.shares.sum(axis=1))
    return (
        f"{entrance(trace.spec).capitalize()} and {many(found.shares.size, 'write')} add up to the final stream of "
        f"{token} ({error}). Of its squared length what enters makes up {signed_percent(found.lead[0])}, attention "
        f"{attention}, the FFNs {ffn}; the largest part is {largest}.{_against(found)}"
    )


def _against(found: Sheet) -> str:
    """How many writes point away from the final stream, and what they take back."""
    away = found.shares[found.shares < 0]
    if not away.size:
        return ""
    verb = "points" if away.size == 1 else "point"
    return f" {many(away.size, 'write')} {verb} away from it: {signed_percent(float(away.sum()))}."


def table(trace: Trace, view: Fitted) -> Table:
    """Every entry in the order in which it is added: length, share, and the shares so far where they add up."""
    found = sheet.sheet(trace, view)
    entries = [] if found.lead is None else [(entrance(trace.spec), None, found.lead[1], found.lead[0])]
    entries += [
        (part, layer, float(found.lengths[which, layer]), float(found.shares[which, layer]))
        for layer in range(trace.spec.layers)
        for which, part in enumerate(_PARTS)
    ]
    columns = ("entry", "layer", "length (L2 norm)", "share of the sum's squared length")
    if found.lead is None:
        return Table(columns, tuple(entries))
    running = np.cumsum([entry[-1] for entry in entries])
    return Table(
        (*columns, "running sum of shares"),
        tuple((*entry, float(so_far)) for entry, so_far in zip(entries, running, strict=True)),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The sum with its error, and the share of the chosen layer's writes."""
    found = sheet.sheet(trace, view)
    return "\n".join(_sums(trace, view, found) if found.lead is None else _sum(trace, view, found))


def _sum(trace: Trace, view: Fitted, found: Sheet) -> list[str]:
    width = many(trace.spec.d_model, "number")
    attention, ffn = (float(share) for share in found.shares.sum(axis=1))
    enters = found.lead[0] if found.lead else 0.0
    squared = found.total or 0.0
    lines = [
        f"final = {entrance(trace.spec)} + Σ attention + Σ FFN, {width} each",
        f"largest difference from the model's own final stream: {number(found.off, 2)} "
        f"(its numbers go up to {number(found.size)})",
        f"share of a write = write · final / ‖final‖², ‖final‖² = {number(squared)}",
    ]
    lines += [
        f"layer {view.layer}, {part}: {number(share * squared)} / {number(squared)} = {signed_percent(share)}"
        for part, share in zip(_PARTS, found.shares[:, view.layer].tolist(), strict=True)
    ]
    shares = " + ".join(signed_percent(share) for share in (enters, attention, ffn))
    return [*lines, f"what enters + Σ attention + Σ FFN = {shares} = {signed_percent(enters + attention + ffn)}"]


def _sums(trace: Trace, view: Fitted, found: Sheet) -> list[str]:
    lines = [
        f"layer {view.layer}, {quoted(trace.tokens[view.pos].label)}",
        "after attention = norm(stream + attention)",
        "after the FFN = norm(after attention + FFN)",
        f"largest difference from the model's own: {number(found.off, 2)} (its numbers go up to {number(found.size)})",
    ]
    return lines + [
        f"share of {part} = {part} · (stream + {part}) / ‖stream + {part}‖² = {signed_percent(float(share))}"
        for part, share in zip(_PARTS, found.shares[:, view.layer], strict=True)
    ]


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The share of every write for the chosen token, and the error of the sum."""
    return within_layers(spec, view) if follows_sum(spec) else through_layers(spec, view)


PANEL = Panel(
    id="balance",
    stage="residual",
    order=2,
    name="Balance sheet",
    title="What is the final vector made of?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    places=("layer",),
)

"""The balance sheet of the stream: how much of the final vector each write of attention and FFN makes up."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.rounding import largest_place
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import residual_decomposition
from panels.common.normed import follows_sum
from panels.common.residual_decomposition import ResidualDecomposition, entrance
from panels.panel import Panel, Table
from panels.residual.balance_snippet import through_layers, within_layers
from viz.format import many, number, quoted, rounding, signed_percent
from viz.pairs import Lead, Pairs, paired

_PARTS = (N_("attention"), N_("FFN"))


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Every write to the chosen token, and the streams that the sums begin and end with."""
    return residual_decomposition.needs(spec, view)


def draw(trace: Trace, view: Fitted) -> go.Figure:
    """Two bars per layer, up for what points along the sum, down for what points away; the chosen layer framed."""
    found = residual_decomposition.residual_decomposition(trace, view)
    through = found.lead is not None
    return paired(
        Pairs(
            values=100 * found.shares,
            names=(_(_PARTS[0]), _(_PARTS[1])),
            notes=(_notes(found, 0), _notes(found, 1)),
            x_axis=_("layer (in: before layer 0)") if through else _("layer"),
            y_axis=_("share of the final stream's squared length (%)")
            if through
            else _("share of each sum's squared length (%)"),
            focus=view.layer,
            lead=_lead(trace.spec, found),
        )
    )


def _lead(spec: ModelSpec, found: ResidualDecomposition) -> Lead | None:
    """The bar of what enters layer 0."""
    if found.lead is None:
        return None
    name, (share, length) = entrance(spec), found.lead
    note = _("{part}: length {length}, {share}", part=name, length=number(length), share=signed_percent(share))
    return Lead(name, _("in"), 100 * share, note)


def _notes(found: ResidualDecomposition, which: int) -> tuple[str, ...]:
    """Words for the hover boxes of attention or FFN."""
    return tuple(
        _(
            "layer {layer}: {part} adds length {length}, {share}",
            layer=layer,
            part=_(_PARTS[which]),
            length=number(float(length)),
            share=signed_percent(float(share)),
        )
        for layer, (length, share) in enumerate(zip(found.lengths[which], found.shares[which], strict=True))
    )


def caption(trace: Trace, view: Fitted) -> str:
    """Whether the sheet adds up, with its error, and who wrote most."""
    found = residual_decomposition.residual_decomposition(trace, view)
    told = {
        "token": quoted(trace.tokens[view.pos].label),
        "off": rounding(found.off, found.size, found.added),
        "size": number(found.size),
        "largest": _largest(found),
    }
    if found.lead is None:
        attention, ffn = (signed_percent(float(share)) for share in found.shares[:, view.layer])
        return _(
            "Here the sheet does not add up over layers: each sum is normalized before the next begins. Within layer "
            "{layer} norm(stream + write) is the stream that follows (largest difference {off}, numbers up to {size}). "
            "Of the sums for {token} attention's write makes up {attention}, the FFN's {ffn}, the stream the rest; the "
            "largest is {largest}.",
            layer=view.layer,
            attention=attention,
            ffn=ffn,
            **told,
        )
    attention, ffn = (signed_percent(float(share)) for share in found.shares.sum(axis=1))
    summed = _(
        "{enters} and {writes} add up to the final stream of {token} (largest difference {off}, numbers up to {size}). "
        "Of its squared length what enters makes up {share}, attention {attention}, the FFNs {ffn}; the largest part "
        "is {largest}.",
        enters=entrance(trace.spec).capitalize(),
        writes=many(found.shares.size, "write"),
        share=signed_percent(found.lead[0]),
        attention=attention,
        ffn=ffn,
        **told,
    )
    return " ".join(sentence for sentence in (summed, _against(found)) if sentence)


def _largest(found: ResidualDecomposition) -> str:
    """Who wrote most, and how much."""
    which, layer = largest_place(found.shares)
    share = signed_percent(float(found.shares[which, layer]))
    return _("{part} in layer {layer} ({share})", part=_(_PARTS[which]), layer=layer, share=share)


def _against(found: ResidualDecomposition) -> str:
    """How many writes point away from the final stream, and what they take back."""
    away = found.shares[found.shares < 0]
    if not away.size:
        return ""
    return ngettext(
        "{writes} points away from it: {share}.",
        "{writes} point away from it: {share}.",
        away.size,
        writes=many(away.size, "write"),
        share=signed_percent(float(away.sum())),
    )


def table(trace: Trace, view: Fitted) -> Table:
    """Every entry in the order in which it is added: length, share, and the shares so far where they add up."""
    found = residual_decomposition.residual_decomposition(trace, view)
    entries = [] if found.lead is None else [(entrance(trace.spec), None, found.lead[1], found.lead[0])]
    entries += [
        (_(part), layer, float(found.lengths[which, layer]), float(found.shares[which, layer]))
        for layer in range(trace.spec.layers)
        for which, part in enumerate(_PARTS)
    ]
    columns = (_("entry"), _("layer"), _("length (L2 norm)"), _("share of the sum's squared length"))
    if found.lead is None:
        return Table(columns, tuple(entries))
    running = np.cumsum([entry[-1] for entry in entries])
    return Table(
        (*columns, _("running sum of shares")),
        tuple((*entry, float(so_far)) for entry, so_far in zip(entries, running, strict=True)),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The sum with its error, and the share of the chosen layer's writes."""
    found = residual_decomposition.residual_decomposition(trace, view)
    return "\n".join(_sums(trace, view, found) if found.lead is None else _sum(trace, view, found))


def _sum(trace: Trace, view: Fitted, found: ResidualDecomposition) -> list[str]:
    width = many(trace.spec.d_model, "number")
    attention, ffn = (float(share) for share in found.shares.sum(axis=1))
    enters = found.lead[0] if found.lead else 0.0
    squared = found.total or 0.0
    lines = [
        _("final = {enters} + Σ attention + Σ FFN, {width} each", enters=entrance(trace.spec), width=width),
        _(
            "largest difference from the model's own final stream: {off} (its numbers go up to {size})",
            off=rounding(found.off, found.size, found.added),
            size=number(found.size),
        ),
        _("share of a write = write · final / ‖final‖², ‖final‖² = {squared}", squared=number(squared)),
    ]
    lines += [
        _("layer {layer}, {part}: {ratio}", layer=view.layer, part=_(part), ratio=_ratio(share, squared))
        for part, share in zip(_PARTS, found.shares[:, view.layer].tolist(), strict=True)
    ]
    shares = " + ".join(signed_percent(share) for share in (enters, attention, ffn))
    whole = signed_percent(enters + attention + ffn)
    return [*lines, _("what enters + Σ attention + Σ FFN = {shares} = {sum}", shares=shares, sum=whole)]


def _ratio(share: float, squared: float) -> str:
    return f"{number(share * squared)} / {number(squared)} = {signed_percent(share)}"


def _sums(trace: Trace, view: Fitted, found: ResidualDecomposition) -> list[str]:
    lines = [
        _("layer {layer}, {token}", layer=view.layer, token=quoted(trace.tokens[view.pos].label)),
        _("after attention = norm(stream + attention)"),
        _("after the FFN = norm(after attention + FFN)"),
        _(
            "largest difference from the model's own: {off} (its numbers go up to {size})",
            off=rounding(found.off, found.size, found.added),
            size=number(found.size),
        ),
    ]
    return lines + [
        _(
            "share of {part} = {part} · (stream + {part}) / ‖stream + {part}‖² = {share}",
            part=_(part),
            share=signed_percent(float(share)),
        )
        for part, share in zip(_PARTS, found.shares[:, view.layer], strict=True)
    ]


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The share of every write for the chosen token, and the error of the sum."""
    return within_layers(spec, view) if follows_sum(spec) else through_layers(spec, view)


PANEL = Panel(
    id="balance",
    stage="residual",
    order=2,
    name=N_("Balance sheet"),
    title=N_("What is the final vector made of?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    places=("layer",),
)

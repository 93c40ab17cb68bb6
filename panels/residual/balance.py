"""The balance sheet of the stream: how much of the final vector each write of attention and FFN makes up."""

from collections.abc import Sequence

import numpy as np

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
from viz.format import number, quoted, rounding, signed_percent
from viz.pairs import Lead, Pairs

_PARTS = (N_("attention"), N_("FFN"))


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Every write to the chosen token, and the streams that the sums begin and end with."""
    return residual_decomposition.needs(spec, view)


def draw(trace: Trace, view: Fitted) -> Pairs:
    """Two bars per layer, in % of the sum's squared length: up for what points along the sum, down for what points
    away; the chosen layer framed."""
    decomposition = residual_decomposition.residual_decomposition(trace, view)
    through = decomposition.lead is not None
    return Pairs(
        values=100 * decomposition.shares,
        names=(_(_PARTS[0]), _(_PARTS[1])),
        notes=(_notes(decomposition, 0), _notes(decomposition, 1)),
        x_axis=_("layer (in: before layer 0)") if through else _("layer"),
        y_axis=_("share of the final stream's squared length (%)")
        if through
        else _("share of each sum's squared length (%)"),
        focus=view.layer,
        lead=_lead(trace.spec, decomposition),
    )


def _lead(spec: ModelSpec, decomposition: ResidualDecomposition) -> Lead | None:
    """The bar of what enters layer 0."""
    if decomposition.lead is None:
        return None
    name, (share, length) = entrance(spec), decomposition.lead
    note = _("{part}: length {length}, {share}", part=name, length=number(length), share=signed_percent(share))
    return Lead(name, _("in"), 100 * share, note)


def _notes(decomposition: ResidualDecomposition, which: int) -> tuple[str, ...]:
    """Words for the hover boxes of attention or FFN."""
    return tuple(
        _(
            "layer {layer}: {part} adds length {length}, {share}",
            layer=layer,
            part=_(_PARTS[which]),
            length=number(float(length)),
            share=signed_percent(float(share)),
        )
        for layer, (length, share) in enumerate(
            zip(decomposition.lengths[which], decomposition.shares[which], strict=True)
        )
    )


def caption(trace: Trace, view: Fitted) -> str:
    """Whether the sheet adds up, with its error, and who wrote most."""
    decomposition = residual_decomposition.residual_decomposition(trace, view)
    values = {
        "token": quoted(trace.tokens[view.pos].label),
        "off": rounding(decomposition.off, decomposition.size, decomposition.added),
        "size": number(decomposition.size),
        "largest": _largest(decomposition),
    }
    if decomposition.lead is None:
        attention, ffn = (signed_percent(float(share)) for share in decomposition.shares[:, view.layer])
        return _(
            "Here the sheet does not add up over layers: each sum is normalized before the next begins. Within layer "
            "{layer} norm(stream + write) is the stream that follows (largest difference {off}, numbers up to {size}). "
            "Of the sums for {token} attention's write makes up {attention}, the FFN's {ffn}, the stream the rest; the "
            "largest is {largest}.",
            layer=view.layer,
            attention=attention,
            ffn=ffn,
            **values,
        )
    attention, ffn = (signed_percent(float(share)) for share in decomposition.shares.sum(axis=1))
    summed = ngettext(
        "{enters} and {count} write add up to the final stream of {token} (largest difference {off}, numbers up to "
        "{size}). Of its squared length what enters makes up {share}, attention {attention}, the FFNs {ffn}; the "
        "largest part is {largest}.",
        "{enters} and {count} writes add up to the final stream of {token} (largest difference {off}, numbers up to "
        "{size}). Of its squared length what enters makes up {share}, attention {attention}, the FFNs {ffn}; the "
        "largest part is {largest}.",
        decomposition.shares.size,
        enters=entrance(trace.spec).capitalize(),
        share=signed_percent(decomposition.lead[0]),
        attention=attention,
        ffn=ffn,
        **values,
    )
    return " ".join(sentence for sentence in (summed, _against(decomposition)) if sentence)


def _largest(decomposition: ResidualDecomposition) -> str:
    """Who wrote most, and how much."""
    which, layer = largest_place(decomposition.shares)
    share = signed_percent(float(decomposition.shares[which, layer]))
    return _("{part} in layer {layer} ({share})", part=_(_PARTS[which]), layer=layer, share=share)


def _against(decomposition: ResidualDecomposition) -> str:
    """How many writes point away from the final stream, and what they take back."""
    away = decomposition.shares[decomposition.shares < 0]
    if not away.size:
        return ""
    return ngettext(
        "{count} write points away from it: {share}.",
        "{count} writes point away from it: {share}.",
        away.size,
        share=signed_percent(float(away.sum())),
    )


def table(trace: Trace, view: Fitted) -> Table:
    """Every entry in the order in which it is added: length, share, and the shares so far where they add up."""
    decomposition = residual_decomposition.residual_decomposition(trace, view)
    lead = decomposition.lead
    entries = [] if lead is None else [(entrance(trace.spec), None, lead[1], lead[0])]
    entries += [
        (_(part), layer, float(decomposition.lengths[which, layer]), float(decomposition.shares[which, layer]))
        for layer in range(trace.spec.layers)
        for which, part in enumerate(_PARTS)
    ]
    columns = (_("entry"), _("layer"), _("length (L2 norm)"), _("share of the sum's squared length"))
    if lead is None:
        return Table(columns, tuple(entries))
    running = np.cumsum([entry[-1] for entry in entries])
    return Table(
        (*columns, _("running sum of shares")),
        tuple((*entry, float(so_far)) for entry, so_far in zip(entries, running, strict=True)),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The sum with its error, and the share of the chosen layer's writes."""
    decomposition = residual_decomposition.residual_decomposition(trace, view)
    lines = _sums if decomposition.lead is None else _sum
    return "\n".join(lines(trace, view, decomposition))


def _sum(trace: Trace, view: Fitted, decomposition: ResidualDecomposition) -> list[str]:
    attention, ffn = (float(share) for share in decomposition.shares.sum(axis=1))
    enters = decomposition.lead[0] if decomposition.lead else 0.0
    squared = decomposition.total or 0.0
    lines = [
        ngettext(
            "final = {enters} + Σ attention + Σ FFN, {count} number each",
            "final = {enters} + Σ attention + Σ FFN, {count} numbers each",
            trace.spec.d_model,
            enters=entrance(trace.spec),
        ),
        _(
            "largest difference from the model's own final stream: {off} (its numbers go up to {size})",
            off=rounding(decomposition.off, decomposition.size, decomposition.added),
            size=number(decomposition.size),
        ),
        _("share of a write = write · final / ‖final‖², ‖final‖² = {squared}", squared=number(squared)),
    ]
    lines += [
        _("layer {layer}, {part}: {ratio}", layer=view.layer, part=_(part), ratio=_ratio(share, squared))
        for part, share in zip(_PARTS, decomposition.shares[:, view.layer].tolist(), strict=True)
    ]
    shares = " + ".join(signed_percent(share) for share in (enters, attention, ffn))
    whole = signed_percent(enters + attention + ffn)
    return [*lines, _("what enters + Σ attention + Σ FFN = {shares} = {sum}", shares=shares, sum=whole)]


def _ratio(share: float, squared: float) -> str:
    return f"{number(share * squared)} / {number(squared)} = {signed_percent(share)}"


def _sums(trace: Trace, view: Fitted, decomposition: ResidualDecomposition) -> list[str]:
    lines = [
        _("layer {layer}, {token}", layer=view.layer, token=quoted(trace.tokens[view.pos].label)),
        _("after attention = norm(stream + attention)"),
        _("after the FFN = norm(after attention + FFN)"),
        _(
            "largest difference from the model's own: {off} (its numbers go up to {size})",
            off=rounding(decomposition.off, decomposition.size, decomposition.added),
            size=number(decomposition.size),
        ),
    ]
    return lines + [
        _(
            "share of {part} = {part} · (stream + {part}) / ‖stream + {part}‖² = {share}",
            part=_(part),
            share=signed_percent(float(share)),
        )
        for part, share in zip(_PARTS, decomposition.shares[:, view.layer], strict=True)
    ]


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The share of every write for the chosen token; where all add up to one sum, its error too."""
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

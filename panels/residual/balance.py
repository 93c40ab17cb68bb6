"""The balance sheet of the stream: how much of the final vector each write of attention and FFN makes up."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

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
from panels.common.touched import Touched
from panels.panel import Panel, Table
from panels.residual.balance_snippet import through_layers, within_layers
from viz.format import number, quoted, rounding, signed_percent
from viz.marks import Stands
from viz.pairs import Lead, Pairs

_PARTS = (N_("attention"), N_("FFN"))


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Every write to the chosen token, and the streams that the sums begin and end with."""
    return residual_decomposition.needs(spec, view)


@dataclass(frozen=True)
class Sheet:
    """The balance sheet of the chosen token's stream.

    layer, token  the chosen layer, and the token's label
    spec          the model's: what enters layer 0, and how many layers and dimensions there are
    entries       what was written and what it adds up to: shares of a squared length, lengths as L2 norms
    """

    layer: int
    token: str
    spec: ModelSpec
    entries: ResidualDecomposition

    @cached_property
    def wholes(self) -> tuple[float, float]:
        """The shares of all of attention's writes together, and of all the FFNs'."""
        attention, ffn = self.entries.shares.sum(axis=1).tolist()
        return attention, ffn

    @property
    def error(self) -> dict[str, str]:
        """How far the sums are from the model's own streams and how large those are, by the names that sentences
        use."""
        entries = self.entries
        return {"off": rounding(entries.off, entries.size, entries.added), "size": number(entries.size)}


def read(trace: Trace, view: Fitted) -> Sheet:
    """The sum of the chosen token's stream."""
    entries = residual_decomposition.residual_decomposition(trace, view)
    return Sheet(view.layer, trace.tokens[view.pos].label, trace.spec, entries)


def draw(sheet: Sheet) -> Pairs:
    """Two bars per layer, in % of the sum's squared length: up for what points along the sum, down for what points
    away; the chosen layer framed."""
    through = sheet.entries.lead is not None
    return Pairs(
        values=100 * sheet.entries.shares,
        names=(_(_PARTS[0]), _(_PARTS[1])),
        notes=(_notes(sheet.entries, 0), _notes(sheet.entries, 1)),
        x_axis=_("layer (in: before layer 0)") if through else _("layer"),
        y_axis=_("share of the final stream's squared length (%)")
        if through
        else _("share of each sum's squared length (%)"),
        focus=sheet.layer,
        lead=_lead(sheet),
        stands=(Stands.each("layer", sheet.entries.shares.shape[1]),),
    )


def _lead(sheet: Sheet) -> Lead | None:
    """The bar of what enters layer 0."""
    if sheet.entries.lead is None:
        return None
    name, (share, length) = entrance(sheet.spec), sheet.entries.lead
    note = _("{part}: length {length}, {share}", part=name, length=number(length), share=signed_percent(share))
    return Lead(name, _("in"), 100 * share, note)


def _notes(entries: ResidualDecomposition, which: int) -> tuple[str, ...]:
    """Words for the hover boxes of attention or FFN."""
    return tuple(
        _(
            "layer {layer}: {part} adds length {length}, {share}",
            layer=layer,
            part=_(_PARTS[which]),
            length=number(length),
            share=signed_percent(share),
        )
        for layer, (length, share) in enumerate(
            zip(entries.lengths[which].tolist(), entries.shares[which].tolist(), strict=True)
        )
    )


def caption(sheet: Sheet) -> str:
    """Whether the sheet adds up, with its error, and who wrote most."""
    entries = sheet.entries
    values = {"token": quoted(sheet.token), "largest": _largest(entries)} | sheet.error
    if entries.lead is None:
        return _within_layers(sheet, values)
    if entries.total == 0:
        return _nothing_left(sheet, values)
    attention, ffn = sheet.wholes
    summed = ngettext(
        "{enters} and {count} write add up to the final stream of {token} (largest difference {off}, numbers up to "
        "{size}). Of its squared length what enters makes up {share}, attention {attention}, the FFNs {ffn}; the "
        "largest write is {largest}.",
        "{enters} and {count} writes add up to the final stream of {token} (largest difference {off}, numbers up to "
        "{size}). Of its squared length what enters makes up {share}, attention {attention}, the FFNs {ffn}; the "
        "largest write is {largest}.",
        entries.shares.size,
        enters=entrance(sheet.spec).capitalize(),
        share=signed_percent(entries.lead[0]),
        attention=signed_percent(attention),
        ffn=signed_percent(ffn),
        **values,
    )
    return " ".join(sentence for sentence in (summed, _against(entries)) if sentence)


def _nothing_left(sheet: Sheet, values: dict[str, str]) -> str:
    """That what is written cancels, so that nothing has a share in the sum."""
    return ngettext(
        "{enters} and {count} write add up to the final stream of {token}, and that is 0 (largest difference {off}): "
        "nothing has a share in it.",
        "{enters} and {count} writes add up to the final stream of {token}, and that is 0 (largest difference {off}): "
        "nothing has a share in it.",
        sheet.entries.shares.size,
        enters=entrance(sheet.spec).capitalize(),
        **values,
    )


def _within_layers(sheet: Sheet, values: dict[str, str]) -> str:
    """The chosen layer's two sums, each normalized, where the sheet does not go through all layers."""
    attention, ffn = sheet.entries.shares[:, sheet.layer].tolist()
    values = values | {"attention": signed_percent(attention), "ffn": signed_percent(ffn)}
    if sheet.entries.parts:
        alone = _("Where a skip connection is left out, the write is all of the sum.")
        parted = _(
            "Here the sheet does not add up over layers: each sum is normalized before the next begins. Within layer "
            "{layer} a change of this run comes at the norm or after it ({change}): norm(stream + write) is not the "
            "stream that follows (largest difference {off}, numbers up to {size}). Of the sums for {token} attention's "
            "write makes up {attention}, the FFN's {ffn}, the stream the rest; the largest write of all layers is "
            "{largest}.",
            layer=sheet.layer,
            change=(sheet.entries.changed + sheet.entries.alone).says,
            **values,
        )
        return f"{parted} {alone}" if sheet.entries.alone.made else parted
    if sheet.entries.alone.made:
        return _(
            "Here the sheet does not add up over layers: each sum is normalized before the next begins. Within layer "
            "{layer} a skip connection is left out in this run ({change}): the norm there reads the write alone, and "
            "what it gives is the stream that follows (largest difference {off}, numbers up to {size}). Of the sums "
            "for {token} attention's write makes up {attention}, the FFN's {ffn}, the stream the rest; the largest "
            "write of all layers is {largest}.",
            layer=sheet.layer,
            change=sheet.entries.alone.says,
            **values,
        )
    return _(
        "Here the sheet does not add up over layers: each sum is normalized before the next begins. Within layer "
        "{layer} norm(stream + write) is the stream that follows (largest difference {off}, numbers up to {size}). "
        "Of the sums for {token} attention's write makes up {attention}, the FFN's {ffn}, the stream the rest; the "
        "largest write of all layers is {largest}.",
        layer=sheet.layer,
        **values,
    )


def _largest(entries: ResidualDecomposition) -> str:
    """Who wrote most, and how much."""
    which, layer = largest_place(entries.shares)
    share = signed_percent(float(entries.shares[which, layer]))
    return _("{part} in layer {layer} ({share})", part=_(_PARTS[which]), layer=layer, share=share)


def _against(entries: ResidualDecomposition) -> str:
    """How many writes point away from the final stream, and what they take back."""
    away = entries.shares[entries.shares < 0]
    if not away.size:
        return ""
    return ngettext(
        "{count} write points away from it: {share}.",
        "{count} writes point away from it: {share}.",
        away.size,
        share=signed_percent(float(away.sum())),
    )


def table(sheet: Sheet) -> Table:
    """Every entry in the order in which it is added: length, share, and the shares so far where they add up."""
    lead, lengths, shares = sheet.entries.lead, sheet.entries.lengths, sheet.entries.shares
    rows = [] if lead is None else [(entrance(sheet.spec), None, lead[1], lead[0])]
    rows += [
        (_(part), layer, float(lengths[which, layer]), float(shares[which, layer]))
        for layer in range(sheet.spec.layers)
        for which, part in enumerate(_PARTS)
    ]
    columns = (_("entry"), _("layer"), _("length (L2 norm)"), _("share of the sum's squared length"))
    if lead is None:
        return Table(columns, tuple(rows))
    running = np.cumsum([row[-1] for row in rows]).tolist()
    return Table(
        (*columns, _("running sum of shares")),
        tuple((*row, so_far) for row, so_far in zip(rows, running, strict=True)),
    )


def formula(sheet: Sheet) -> str:
    """The sum with its error, and the share of the chosen layer's writes."""
    return "\n".join(_sums(sheet) if sheet.entries.lead is None else _sum(sheet))


def _sum(sheet: Sheet) -> list[str]:
    entries = sheet.entries
    enters = entries.lead[0] if entries.lead else 0.0
    squared = entries.total or 0.0
    lines = [
        ngettext(
            "final = {enters} + Σ attention + Σ FFN, {count} number each",
            "final = {enters} + Σ attention + Σ FFN, {count} numbers each",
            sheet.spec.d_model,
            enters=entrance(sheet.spec),
        ),
        _("largest difference from the model's own final stream: {off} (its numbers go up to {size})", **sheet.error),
        _("share of a write = write · final / ‖final‖², ‖final‖² = {squared}", squared=number(squared)),
    ]
    if not squared:
        return lines
    lines += [
        _("layer {layer}, {part}: {ratio}", layer=sheet.layer, part=_(part), ratio=_ratio(share, squared))
        for part, share in zip(_PARTS, entries.shares[:, sheet.layer].tolist(), strict=True)
    ]
    attention, ffn = sheet.wholes
    shares = " + ".join(signed_percent(share) for share in (enters, attention, ffn))
    whole = signed_percent(enters + attention + ffn)
    return [*lines, _("what enters + Σ attention + Σ FFN = {shares} = {sum}", shares=shares, sum=whole)]


def _ratio(share: float, squared: float) -> str:
    return f"{number(share * squared)} / {number(squared)} = {signed_percent(share)}"


def _normed(summed: str, bare: Touched) -> str:
    """A sum as the next part reads it: normalized, unless the norm is left out."""
    return summed if bare.made else f"norm({summed})"


def _sums(sheet: Sheet) -> list[str]:
    (attention, ffn), bare = sheet.entries.skipped, sheet.entries.bare
    read = (
        _("attention") if attention.made else _("stream + attention"),
        "FFN" if ffn.made else _("after attention + FFN"),
    )
    lines = [
        _("layer {layer}, {token}", layer=sheet.layer, token=quoted(sheet.token)),
        _("after attention = {sum}", sum=_normed(read[0], bare[0])),
        _("after the FFN = {sum}", sum=_normed(read[1], bare[1])),
        _compared(sheet),
    ]
    shares = sheet.entries.shares[:, sheet.layer].tolist()
    return lines + [
        _(_SHARE[bool(alone.made)], part=_(part), share=signed_percent(share))
        for part, share, alone in zip(_PARTS, shares, sheet.entries.skipped, strict=True)
    ]


# By whether the sum is the write alone.
_SHARE = {
    False: N_("share of {part} = {part} · (stream + {part}) / ‖stream + {part}‖² = {share}"),
    True: N_("share of {part} = {part} · {part} / ‖{part}‖² = {share}"),
}


def _compared(sheet: Sheet) -> str:
    """How far the two sums are from the streams that follow, unless something is changed in between."""
    if sheet.entries.parts:
        return _(
            "a change of this run comes after that ({change}): largest difference {off} from what goes on (its numbers "
            "go up to {size})",
            change=sheet.entries.changed.says,
            **sheet.error,
        )
    return _("largest difference from the model's own: {off} (its numbers go up to {size})", **sheet.error)


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
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    places=("layer",),
)

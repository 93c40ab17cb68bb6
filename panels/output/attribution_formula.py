"""The logit shared out, with its numbers put in: how a write becomes logits, and what everything adds up to."""

from anatomy.language import _, ngettext
from panels.common.logit_decomposition import summed
from panels.output import attribution_neurons as neurons
from panels.output.attributions import Attribution
from viz.format import number, quoted


def formula(attribution: Attribution) -> str:
    """How a write becomes logits, the sum with its error, and the chosen layer's parts or the strongest neurons."""
    decomposition = attribution.decomposition
    label, whole = quoted(attribution.token), number(decomposition.own, 4)
    lines = [
        _("{quantity}, after {token}: {value}", quantity=decomposition.quantity, token=label, value=whole),
        *_rule(attribution),
        summed(decomposition, attribution.spec),
    ]
    own = _layer_lines(attribution) if attribution.movers is None else neurons.formula(attribution.movers)
    return "\n".join((*lines, *own))


def _rule(attribution: Attribution) -> tuple[str, ...]:
    """What turns a write into logits."""
    decomposition = attribution.decomposition
    row = _("row of {token}", token=quoted(decomposition.best))
    if decomposition.rival is not None:
        row = _(
            "(row of {token} − row of {rival})", token=quoted(decomposition.best), rival=quoted(decomposition.rival)
        )
    if not attribution.spec.paths.final_norm:
        return (
            _("part = write · {row} of the output layer", row=row),
            _("the final norm is left out in this run: nothing is divided, and there is no gain"),
        )
    divisor = number(decomposition.divisor, 4)
    if attribution.spec.norm.kind == "layer":
        return (
            _("part = (write − its mean) · (gain of the final norm × {row} of the output layer) / divisor", row=row),
            _(
                "divisor = deviation of the final stream = {divisor}, kept as it was in this run: only so do the parts "
                "add up",
                divisor=divisor,
            ),
        )
    return (
        _("part = write · (gain of the final norm × {row} of the output layer) / divisor", row=row),
        _(
            "divisor = root mean square of the final stream = {divisor}, kept as it was in this run: only so do the "
            "parts add up",
            divisor=divisor,
        ),
    )


def _layer_lines(attribution: Attribution) -> list[str]:
    """The chosen layer's parts, its heads' sum, and what belongs to none of them."""
    layer = attribution.layer
    attention, ffn = attribution.decomposition.writes[:, layer].tolist()
    heads = attribution.decomposition.heads[layer]  # [head]
    together = float(heads.sum())
    lines = [
        _parts(attribution, number(attention), number(ffn)),
        ngettext(
            "Σ over the {count} head of layer {layer} = {total}",
            "Σ over the {count} heads of layer {layer} = {total}",
            len(heads),
            layer=layer,
            total=number(together),
        ),
    ]
    if abs(attention - together) > 1e-4 * max(1.0, abs(attention)):
        lines.append(_of_no_head(attribution, number(attention - together)))
    return lines


def _of_no_head(attribution: Attribution, rest: str) -> str:
    """What attention adds besides its heads. rest: logits."""
    if attribution.changed.made:
        return _(
            "what a change of this run puts in ({change}), and a bias, which belong to no head: {value}",
            change=attribution.changed.says,
            value=rest,
        )
    return _("the output projection's bias, which belongs to no head: {value}", value=rest)


def _parts(attribution: Attribution, attention: str, ffn: str) -> str:
    """What the chosen layer's attention and FFN add; where heads are shown, the chosen head's part too."""
    layer, head = attribution.layer, attribution.head
    if not attribution.as_heads:
        return _("layer {layer}: attention {attention}, FFN {ffn}", layer=layer, attention=attention, ffn=ffn)
    return _(
        "layer {layer}: attention {attention}, of which head {head} {own}; FFN {ffn}",
        layer=layer,
        attention=attention,
        head=head,
        own=number(float(attribution.decomposition.heads[layer, head])),
        ffn=ffn,
    )

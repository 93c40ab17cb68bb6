"""Before and after a norm: what dividing by the vector's size and multiplying by the gain do to its largest numbers."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from anatomy.control import Choice
from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.rounding import largest_first
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import normed
from panels.common.normed import ATTENTION, FFN, Normed, follows_sum
from panels.common.snippet import LAYERS, opening
from panels.panel import Panel, Table
from viz.format import number, quoted, rounding
from viz.measures import Column, Measures

WHICH = Choice("norm", N_("Norm"), ("attention", "ffn"), (N_("attention's"), N_("the FFN's")))
SHOWN = 12
_KINDS = {"rms": N_("an RMSNorm"), "layer": N_("a LayerNorm")}
_PARTS = (N_("attention"), N_("the FFN"))


def _which(view: Fitted) -> int:
    return ATTENTION if view[WHICH] == "attention" else FFN


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """What the norm reads and gives at the chosen token, and its parameters."""
    return normed.needs(spec, _which(view), view.layer, view.pos)


def normed_token(trace: Trace, view: Fitted) -> Normed:
    """The chosen token's vector on its way through the chosen layer's chosen norm."""
    return normed.normed(trace, _which(view), view.layer, view.pos)


def largest(before: Float[np.ndarray, " d_model"]) -> Int[np.ndarray, " shown"]:
    """The SHOWN dimensions of largest size before the norm, largest first; all of a narrower model."""
    return largest_first(np.abs(before))[:SHOWN]


def _place(spec: ModelSpec, view: Fitted) -> str:
    """Where the norm stands in the block, in words."""
    values = {"layer": view.layer, "norm": _(_KINDS[spec.norm.kind]), "part": _(_PARTS[_which(view)])}
    if follows_sum(spec):
        return _("In layer {layer} {norm} follows the sum of the stream and {part}'s write.", **values)
    return _(
        "In layer {layer} {norm} stands before {part}, which reads its result; the stream itself goes on unchanged.",
        **values,
    )


def _columns(given: Normed) -> dict[str, Float[np.ndarray, " d_model"]]:
    """Each measure by its title, in the order of the computation."""
    bias = {} if given.bias is None else {_("bias"): given.bias}
    steps = {_("before"): given.before, _("normalized"): given.unit, _("gain"): given.gain}
    return steps | bias | {_("after"): given.after}


def draw(trace: Trace, view: Fitted) -> Measures:
    """The dimensions that are largest before, with every step to what they are after."""
    given = normed_token(trace, view)
    top = largest(given.before)
    measures = [
        Column(title, values[top], tuple(number(float(value), 2) for value in values[top]))
        for title, values in _columns(given).items()
    ]
    return Measures([_("dim {dim}", dim=dim) for dim in top.tolist()], measures)


def caption(trace: Trace, view: Fitted) -> str:
    """Where the norm stands, what it divides by, and what becomes of the largest number."""
    given, spec = normed_token(trace, view), trace.spec
    top = int(largest(given.before)[0])
    before, gain, after = (number(float(part[top])) for part in (given.before, given.gain, given.after))
    token = quoted(trace.tokens[view.pos].label)
    sizes = largest_first(np.abs(given.after))
    largest_one = _(
        "Dim {dim}, the largest before ({before}), has gain {gain} and is number {rank} by size after it ({after}).",
        dim=top,
        before=before,
        gain=gain,
        rank=int(np.flatnonzero(sizes == top)[0]) + 1,
        after=after,
    )
    return " ".join((_place(spec, view), _divides(spec, given, token), largest_one))


def _divides(spec: ModelSpec, given: Normed, token: str) -> str:
    if spec.norm.kind == "rms":
        size = number(_rms(given.before))
        return _("It divides every number of {token} by their root mean square, {size}.", token=token, size=size)
    return _(
        "It takes the mean, {mean}, from every number of {token} and divides by their deviation, {deviation}.",
        mean=number(float(given.before.mean())),
        token=token,
        deviation=number(float(given.before.std())),
    )


def _rms(vector: Float[np.ndarray, " d_model"]) -> float:
    return float(np.sqrt((vector.astype(np.float64) ** 2).mean()))


def table(trace: Trace, view: Fitted) -> Table:
    """The dimensions that are largest before, step by step."""
    given = normed_token(trace, view)
    steps = _columns(given)
    titles = (_("before (activation)"), *list(steps)[1:-1], _("after (activation)"))
    return Table(
        (_("dimension"), *titles),
        tuple((int(dim), *(float(values[dim]) for values in steps.values())) for dim in largest(given.before)),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The norm's formula (RMSNorm, Zhang and Sennrich 2019, eq. 4; LayerNorm, Ba, Kiros and Hinton 2016, eq. 4), the
    numbers of the largest dimension, and how far the whole is from the model's own."""
    given, spec = normed_token(trace, view), trace.spec
    top = int(largest(given.before)[0])
    before, unit, gain, after = (float(part[top]) for part in (given.before, given.unit, given.gain, given.after))
    if spec.norm.kind == "rms":
        general = _("after = x / √(mean(x²) + ε) · gain")
        steps = f"{number(before)} / {number(before / unit) if unit else '…'} · {number(gain)}"
    else:
        general = _("after = (x − mean) / √(variance + ε) · gain + bias")
        centred = before - float(given.before.mean())
        bias = 0.0 if given.bias is None else float(given.bias[top])
        steps = f"{number(centred)} / {number(centred / unit) if unit else '…'} · {number(gain)} + {number(bias)}"
    return "\n".join(
        (
            _(
                "layer {layer}, norm of {part}, {token}",
                layer=view.layer,
                part=_(_PARTS[_which(view)]),
                token=quoted(trace.tokens[view.pos].label),
            ),
            f"{general}, ε = {number(spec.norm.eps, 1)}",
            _("dim {dim}: {steps} = {after}", dim=top, steps=steps, after=number(after)),
            _(
                "root mean square: {before} before, {normalized} normalized, {after} after the gain",
                before=number(_rms(given.before)),
                normalized=number(_rms(given.unit)),
                after=number(_rms(given.after)),
            ),
            ngettext(
                "over the {count} number: largest difference from the model's own norm {off}",
                "over all {count} numbers: largest difference from the model's own norm {off}",
                len(given.before),
                off=rounding(given.off, given.after),
            ),
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """What the norm reads, its steps and what it gives, for the dimensions that are largest before."""
    path = spec.paths.norms[_which(view)]
    centre, rows = "x", "before, normalized, gain, after"
    parts = "x, unit, norm.weight, own"
    if spec.norm.kind == "layer":
        centre, rows, parts = (
            "(x - x.mean())",
            "before, normalized, gain, bias, after",
            "x, unit, norm.weight, norm.bias, own",
        )
    bias = " + norm.bias" if spec.norm.kind == "layer" else ""
    return f'''{opening(spec, view)}
{LAYERS}
seen = []
norm = layers[{view.layer}].get_submodule("{path}")
norm.register_forward_hook(lambda module, given, out: seen.extend((given[0][0, {view.pos}], out[0, {view.pos}])))
with torch.no_grad():
    model(**inputs)

x, own = seen
unit = {centre} / ({centre}.pow(2).mean() + {spec.norm.eps!r}).sqrt()
print("largest difference:", (unit * norm.weight{bias} - own).abs().max().item())
top = x.abs().argsort(descending=True, stable=True)[:{SHOWN}]
result = torch.stack([{parts}]).detach()[:, top]  # {rows}
print(top.tolist(), result)
'''


PANEL = Panel(
    id="normalization",
    stage="residual",
    order=5,
    name=N_("Normalization"),
    title=N_("What does the norm change?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(WHICH,),
    places=("layer",),
    wide=True,
)

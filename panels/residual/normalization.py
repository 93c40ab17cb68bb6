"""Before and after a norm: what dividing by the vector's size and multiplying by the gain do to its largest numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

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

WHICH = Choice(
    "norm",
    N_("Norm"),
    ("attention", "ffn"),
    (N_("attention's"), N_("the FFN's")),
    says=N_("Which of the layer's two norms is drawn: the one of attention or the one of the FFN."),
)
SHOWN = 12
_KINDS = {"rms": N_("an RMSNorm"), "layer": N_("a LayerNorm")}
_PARTS = (N_("attention"), N_("the FFN"))


def _which(view: Fitted) -> int:
    return ATTENTION if view[WHICH] == "attention" else FFN


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """What the norm reads and gives at the chosen token, and its parameters."""
    return normed.needs(spec, _which(view), view.layer, view.pos)


@dataclass(frozen=True)
class NormedToken:
    """The chosen token at the chosen layer's chosen norm.

    label  the token's
    layer  the chosen one
    which  whose norm: ATTENTION or FFN
    spec   the model's: kind of norm, its ε, and where it stands
    steps  the token's vector on its way through the norm (activation)
    top    the SHOWN dimensions of largest size before the norm, largest first; all of a narrower model
    """

    label: str
    layer: int
    which: int
    spec: ModelSpec
    steps: Normed
    top: Int[np.ndarray, " shown"]

    @property
    def columns(self) -> dict[str, Float[np.ndarray, " d_model"]]:
        """Each measure by its title, in the order of the computation."""
        steps = self.steps
        bias = {} if steps.bias is None else {_("bias"): steps.bias}
        first = {_("before"): steps.before, _("normalized"): steps.unit, _("gain"): steps.gain}
        return first | bias | {_("after"): steps.given}

    @property
    def largest(self) -> tuple[float, float, float, float]:
        """The dimension that is largest before: its number before, normalized, its gain, its number after the norm, or
        after one that is left out if it were there."""
        steps, top = self.steps, int(self.top[0])
        return float(steps.before[top]), float(steps.unit[top]), float(steps.gain[top]), float(self.normed[top])

    @property
    def normed(self) -> Float[np.ndarray, " d_model"]:
        """What the norm gives, or would give where it is left out."""
        return self.steps.by_formula if self.steps.left_out.made else self.steps.given

    @cached_property
    def mean(self) -> float:
        """Mean of the numbers before."""
        return float(self.steps.before.mean())

    @cached_property
    def size(self) -> float:
        """Root mean square of the numbers before."""
        return _rms(self.steps.before)

    @cached_property
    def deviation(self) -> float:
        """Standard deviation of the numbers before."""
        return float(self.steps.before.astype(np.float64).std())

    @property
    def divisor(self) -> float:
        """What each number is divided by: √(size² + ε), or √(deviation² + ε) where the mean is taken off first."""
        size = self.size if self.spec.norm.kind == "rms" else self.deviation
        return float(np.sqrt(size**2 + self.spec.norm.eps))


def _rms(vector: Float[np.ndarray, " d_model"]) -> float:
    return float(np.sqrt((vector.astype(np.float64) ** 2).mean()))


def read(trace: Trace, view: Fitted) -> NormedToken:
    """The chosen token's vector on its way through the norm."""
    steps = normed.normed(trace, _which(view), view.layer, view.pos)
    top = largest_first(np.abs(steps.before))[:SHOWN]
    return NormedToken(trace.tokens[view.pos].label, view.layer, _which(view), trace.spec, steps, top)


def draw(token: NormedToken) -> Measures:
    """The dimensions that are largest before, with every step to what they are after."""
    measures = [
        Column(title, values[token.top], tuple(number(float(value), 2) for value in values[token.top]))
        for title, values in token.columns.items()
    ]
    return Measures([_("dim {dim}", dim=dim) for dim in token.top.tolist()], measures)


def caption(token: NormedToken) -> str:
    """Where the norm stands, what it divides by, and what becomes of the largest number."""
    top, (before, _unit, gain, after) = int(token.top[0]), token.largest
    if token.steps.left_out.made:
        would = _(
            "With its gain, {gain}, the norm would make {after} of dim {dim}, the largest ({before}).",
            dim=top,
            before=number(before),
            gain=number(gain),
            after=number(after),
        )
        return f"{_place(token)} {would}"
    sizes = largest_first(np.abs(token.steps.given))
    largest_one = _(
        "Dim {dim}, the largest before ({before}), has gain {gain} and is number {rank} by size after it ({after}).",
        dim=top,
        before=number(before),
        gain=number(gain),
        rank=int(np.flatnonzero(sizes == top)[0]) + 1,
        after=number(after),
    )
    return " ".join((_place(token), _divides(token), largest_one))


def _place(token: NormedToken) -> str:
    """Where the norm stands in the block, in words."""
    values = {"layer": token.layer, "norm": _(_KINDS[token.spec.norm.kind]), "part": _(_PARTS[token.which])}
    if token.steps.left_out.made:
        return _left_out(token, values)
    if token.steps.skipped.made:
        return _alone(token, values)
    if follows_sum(token.spec):
        return _("In layer {layer} {norm} follows the sum of the stream and {part}'s write.", **values)
    return _(
        "In layer {layer} {norm} stands before {part}, which reads its result; the stream itself goes on unchanged.",
        **values,
    )


def _left_out(token: NormedToken, values: dict[str, object]) -> str:
    """The same where this run leaves the norm out. values: what the plain sentence names."""
    template = N_(
        "In layer {layer} {norm} stands before {part} and is left out in this run ({change}): {part} reads the stream "
        "as it is."
    )
    if follows_sum(token.spec):
        template = N_(
            "In layer {layer} {norm} follows {part} and is left out in this run ({change}): what it would read goes on "
            "as it is."
        )
    return _(template, change=token.steps.left_out.says, **values)


def _alone(token: NormedToken, values: dict[str, object]) -> str:
    """The same where this run leaves out the skip connection around the part. values: what the plain sentence names."""
    template = N_(
        "In layer {layer} {norm} stands before {part}, which reads its result; the stream itself ends here, as the "
        "skip connection around {part} is left out in this run."
    )
    if follows_sum(token.spec):
        template = N_(
            "In layer {layer} {norm} follows {part}'s write alone: the skip connection around {part} is left out in "
            "this run."
        )
    return _(template, **values)


def _divides(token: NormedToken) -> str:
    name = quoted(token.label)
    size, epsilon = number(token.size), number(token.spec.norm.eps, 1)
    if token.spec.norm.kind == "rms" and number(token.divisor) != size:
        return _(
            "It divides every number of {token} by {divisor}: their root mean square is {size}, and ε = {epsilon} is "
            "added to its square.",
            token=name,
            divisor=number(token.divisor),
            size=size,
            epsilon=epsilon,
        )
    if token.spec.norm.kind == "rms":
        return _("It divides every number of {token} by their root mean square, {size}.", token=name, size=size)
    mean, deviation = number(token.mean), number(token.deviation)
    if number(token.divisor) != deviation:
        return _(
            "It takes the mean, {mean}, from every number of {token} and divides by {divisor}: their deviation is "
            "{deviation}, and ε = {epsilon} is added to its square.",
            mean=mean,
            token=name,
            divisor=number(token.divisor),
            deviation=deviation,
            epsilon=epsilon,
        )
    return _(
        "It takes the mean, {mean}, from every number of {token} and divides by their deviation, {deviation}.",
        mean=mean,
        token=name,
        deviation=deviation,
    )


def table(token: NormedToken) -> Table:
    """The dimensions that are largest before, step by step."""
    columns = token.columns
    titles = (_("before (activation)"), *list(columns)[1:-1], _("after (activation)"))
    values = (values[token.top] for values in columns.values())
    return Table.of((_("dimension"), token.top), *zip(titles, values, strict=True))


def formula(token: NormedToken) -> str:
    """The norm's formula (RMSNorm, Zhang and Sennrich 2019, eq. 4; LayerNorm, Ba, Kiros and Hinton 2016, eq. 4), the
    numbers of the largest dimension, and how far the whole is from the model's own."""
    steps = token.steps
    return "\n".join(
        (
            _(
                "layer {layer}, norm of {part}, {token}",
                layer=token.layer,
                part=_(_PARTS[token.which]),
                token=quoted(token.label),
            ),
            *_with_numbers(token),
            _(
                "root mean square: {before} before, {normalized} normalized, {after} after the gain",
                before=number(token.size),
                normalized=number(_rms(steps.unit)),
                after=number(_rms(token.normed)),
            ),
            _compared(steps),
        )
    )


def _compared(steps: Normed) -> str:
    """The formula's result against the model's own, unless something is changed in between."""
    off = rounding(steps.off, steps.after)
    if steps.left_out.made:
        return ngettext(
            "the norm is left out in this run ({change}): over the {count} number, largest difference {off} from what "
            "goes on in its place",
            "the norm is left out in this run ({change}): over all {count} numbers, largest difference {off} from what "
            "goes on in its place",
            len(steps.before),
            change=steps.left_out.says,
            off=off,
        )
    if steps.parts:
        return ngettext(
            "a change of this run comes after the norm ({change}): over the {count} number, largest difference {off} "
            "from what goes on",
            "a change of this run comes after the norm ({change}): over all {count} numbers, largest difference {off} "
            "from what goes on",
            len(steps.before),
            change=steps.changed.says,
            off=off,
        )
    return ngettext(
        "over the {count} number: largest difference from the model's own norm {off}",
        "over all {count} numbers: largest difference from the model's own norm {off}",
        len(steps.before),
        off=off,
    )


def _with_numbers(token: NormedToken) -> tuple[str, str]:
    """The formula in general, and with the numbers of the largest dimension."""
    top, (before, unit, gain, after) = int(token.top[0]), token.largest
    if token.spec.norm.kind == "rms":
        general = _("after = x / √(mean(x²) + ε) · gain")
        numbers = f"{number(before)} / {number(before / unit) if unit else '…'} · {number(gain)}"
    else:
        general = _("after = (x − mean) / √(variance + ε) · gain + bias")
        centred = before - token.mean
        bias = 0.0 if token.steps.bias is None else float(token.steps.bias[top])
        numbers = f"{number(centred)} / {number(centred / unit) if unit else '…'} · {number(gain)} + {number(bias)}"
    return (
        f"{general}, ε = {number(token.spec.norm.eps, 1)}",
        _("dim {dim}: {steps} = {after}", dim=top, steps=numbers, after=number(after)),
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
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(WHICH,),
    places=("layer",),
    wide=True,
)

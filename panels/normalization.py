"""Before and after a norm: what dividing by the vector's size and multiplying by the gain do to its largest numbers."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from anatomy.control import Choice
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table, normed
from panels.normed import ATTENTION, FFN, Normed, follows_sum
from panels.snippet import LAYERS, opening, paths
from viz.bars import Column, columns
from viz.format import many, number, quoted

WHICH = Choice("norm", "Norm", ("attention", "ffn"), ("attention's", "the FFN's"))
SHOWN = 12
_KINDS = {"rms": "an RMSNorm", "layer": "a LayerNorm"}
_PARTS = ("attention", "the FFN")


def _which(view: Fitted) -> int:
    return ATTENTION if view[WHICH] == "attention" else FFN


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """What the norm reads and gives at the chosen token, and its parameters."""
    return normed.needs(spec, _which(view), view.layer, view.pos)


def found(trace: Trace, view: Fitted) -> Normed:
    """The chosen token at the chosen norm."""
    return normed.normed(trace, _which(view), view.layer, view.pos)


def largest(before: Float[np.ndarray, " d_model"]) -> Int[np.ndarray, " shown"]:
    """Dimensions of largest size before the norm, largest first."""
    return np.argsort(-np.abs(before), kind="stable")[:SHOWN]


def place(spec: ModelSpec, which: int) -> str:
    """Where the norm stands in the block, in words."""
    if follows_sum(spec):
        return f"follows the sum of the stream and {_PARTS[which]}'s write"
    return f"stands before {_PARTS[which]}, which reads its result; the stream itself goes on unchanged"


def _columns(given: Normed) -> dict[str, Float[np.ndarray, " d_model"]]:
    """Each measure by its title, in the order of the computation."""
    bias = {} if given.bias is None else {"bias": given.bias}
    return {"before": given.before, "normalized": given.unit, "gain": given.gain, **bias, "after": given.after}


def draw(trace: Trace, view: Fitted) -> go.Figure:
    """The dimensions that are largest before, with every step to what they are after."""
    given = found(trace, view)
    top = largest(given.before)
    measures = [
        Column(title, values[top], tuple(number(float(value), 2) for value in values[top]))
        for title, values in _columns(given).items()
    ]
    return columns([f"dim {dim}" for dim in top], measures)


def says(trace: Trace, view: Fitted) -> str:
    """Where the norm stands, what it divides by, and what becomes of the largest number."""
    given, spec = found(trace, view), trace.spec
    top = int(largest(given.before)[0])
    before, gain, after = (number(float(part[top])) for part in (given.before, given.gain, given.after))
    token = quoted(trace.tokens[view.pos].label)
    sizes = np.argsort(-np.abs(given.after), kind="stable")
    rank = int(np.flatnonzero(sizes == top)[0]) + 1
    return (
        f"In layer {view.layer} {_KINDS[spec.norm.kind]} {place(spec, _which(view))}. {_divides(spec, given, token)} "
        f"Dim {top}, the largest before ({before}), has gain {gain} and is number {rank} by size after it ({after})."
    )


def _divides(spec: ModelSpec, given: Normed, token: str) -> str:
    if spec.norm.kind == "rms":
        return f"It divides every number of {token} by their root mean square, {number(_rms(given.before))}."
    mean, deviation = float(given.before.mean()), float(given.before.std())
    return (
        f"It takes the mean, {number(mean)}, from every number of {token} and divides by their deviation, "
        f"{number(deviation)}."
    )


def _rms(vector: Float[np.ndarray, " d_model"]) -> float:
    return float(np.sqrt((vector.astype(np.float64) ** 2).mean()))


def table(trace: Trace, view: Fitted) -> Table:
    """The dimensions that are largest before, step by step."""
    given = found(trace, view)
    steps = _columns(given)
    return Table(
        ("dimension", *(f"{title} (activation)" if title in ("before", "after") else title for title in steps)),
        tuple((int(dim), *(float(values[dim]) for values in steps.values())) for dim in largest(given.before)),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The norm's formula, the numbers of the largest dimension, and how far the whole is from the model's own."""
    given, spec = found(trace, view), trace.spec
    top = int(largest(given.before)[0])
    before, unit, gain, after = (float(part[top]) for part in (given.before, given.unit, given.gain, given.after))
    if spec.norm.kind == "rms":
        general = "after = x / √(mean(x²) + ε) · gain"
        steps = f"{number(before)} / {number(before / unit) if unit else '…'} · {number(gain)}"
    else:
        general = "after = (x − mean) / √(variance + ε) · gain + bias"
        centred = before - float(given.before.mean())
        bias = 0.0 if given.bias is None else float(given.bias[top])
        steps = f"{number(centred)} / {number(centred / unit) if unit else '…'} · {number(gain)} + {number(bias)}"
    return "\n".join(
        (
            f"layer {view.layer}, norm of {_PARTS[_which(view)]}, {quoted(trace.tokens[view.pos].label)}",
            f"{general}, ε = {number(spec.norm.eps, 1)}",
            f"dim {top}: {steps} = {number(after)}",
            f"root mean square: {number(_rms(given.before))} before, {number(_rms(given.unit))} normalized, "
            f"{number(_rms(given.after))} after the gain",
            f"over all {many(len(given.before), 'number')}: largest difference from the model's own norm "
            f"{number(given.off, 2)}",
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """What the norm reads, its steps and what it gives, for the dimensions that are largest before."""
    path = paths(spec).norms[_which(view)]
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
    name="Normalization",
    title="What does the norm change?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(WHICH,),
    places=("layer",),
)

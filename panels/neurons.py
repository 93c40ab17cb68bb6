"""Which neurons of one layer's FFN respond most to the chosen token."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from anatomy.measure import ACTIVATIONS
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.snippet import LAYERS, opening, paths
from viz.bars import Column, columns
from viz.format import many, number, percent, quoted, thousands

SHOWN = 12
_FUNCTIONS = {
    "silu": "SiLU",
    "swish": "SiLU",
    "relu": "ReLU",
    "gelu": "GELU",
    "gelu_new": "GELU (tanh)",
    "gelu_fast": "GELU (tanh)",
    "gelu_pytorch_tanh": "GELU (tanh)",
}
_GATED = {"SiLU": "SwiGLU", "ReLU": "ReGLU", "GELU": "GeGLU", "GELU (tanh)": "GeGLU"}


def function_name(spec: ModelSpec) -> str:
    """The activation function as papers write it."""
    return _FUNCTIONS.get(spec.ffn.act, spec.ffn.act)


def ffn_name(spec: ModelSpec) -> str:
    """The kind of FFN: SwiGLU and its kin where it is gated (Shazeer 2020), else the activation function."""
    function = function_name(spec)
    return _GATED.get(function, f"gated {function}") if spec.ffn.gated else function


_OPENED = "opened"  # the function of the gate: no site, as act = opened × up holds it


def _measures(spec: ModelSpec) -> tuple[str, ...]:
    """Sites shown, the neurons' own value first."""
    return ("act", "gate", "up") if spec.ffn.gated else ("act", "up")


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The chosen layer's neurons at the chosen token, and what they are made from."""
    return tuple(Want(site, layer=view.layer, pos=view.pos) for site in _measures(spec))


def values(trace: Trace, view: Fitted) -> dict[str, Float[np.ndarray, " d_ff"]]:
    """Each site's values for all neurons, and for a gated FFN what its function makes of the gate."""
    found = {want.site: trace[want] for want in needs(trace.spec, view)}
    if trace.spec.ffn.gated and trace.spec.ffn.act in ACTIVATIONS:
        opened = ACTIVATIONS[trace.spec.ffn.act](found["gate"])
        return {"act": found["act"], "gate": found["gate"], _OPENED: opened, "up": found["up"]}
    return found


def strongest(act: Float[np.ndarray, " d_ff"]) -> Int[np.ndarray, " k"]:
    """Numbers of the neurons of largest size, largest first."""
    return np.argsort(-np.abs(act), kind="stable")[:SHOWN]


def _title(site: str, spec: ModelSpec) -> str:
    function = function_name(spec)
    if site == "act":
        return f"{function}(gate) × up (activation)" if spec.ffn.gated else f"{function}(up) (activation)"
    return {"gate": "gate (activation)", "up": "up (activation)", _OPENED: f"{function}(gate)"}[site]


def draw(trace: Trace, view: Fitted) -> go.Figure:
    """The strongest neurons, with the factors of each beside it."""
    found = values(trace, view)
    top = strongest(found["act"])
    measures = [
        Column(_title(site, trace.spec), array[top], tuple(number(float(value), 2) for value in array[top]))
        for site, array in found.items()
    ]
    return columns([f"neuron {neuron}" for neuron in top], measures)


def says(trace: Trace, view: Fitted) -> str:
    """The strongest neuron, and how much of the layer's activity those drawn hold."""
    act = values(trace, view)["act"].astype(np.float64)
    top = strongest(act)
    total = float((act**2).sum())
    share = float((act[top] ** 2).sum()) / total if total > 0 else 0.0
    positive = int((act > 0).sum())
    return (
        f"In layer {view.layer} neuron {top[0]} responds most to {quoted(trace.tokens[view.pos].label)} "
        f"({number(float(act[top[0]]))}). The {many(len(top), 'neuron')} shown, of {thousands(len(act))}, hold "
        f"{percent(share)} of the squared length of what enters the down projection; {thousands(positive)} are above 0."
    )


def table(trace: Trace, view: Fitted) -> Table:
    """The strongest neurons with the factors of each."""
    found = values(trace, view)
    names = tuple(_title(site, trace.spec) for site in found)
    return Table(
        ("neuron", *names),
        tuple((int(i), *(float(array[i]) for array in found.values())) for i in strongest(found["act"])),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """How the strongest neuron's value comes about."""
    found = values(trace, view)
    top = int(strongest(found["act"])[0])
    at = {site: float(array[top]) for site, array in found.items()}
    function = function_name(trace.spec)
    here = f"layer {view.layer}, neuron {top}, {quoted(trace.tokens[view.pos].label)}"
    if not trace.spec.ffn.gated:
        return f"{here}\nneuron = {function}(up) = {function}({number(at['up'])}) = {number(at['act'])}"
    up = number(at["up"])
    lines = [here, f"neuron = {function}(gate) × up"]
    if _OPENED not in found:
        return "\n".join((*lines, f"= {function}({number(at['gate'])}) × {up} = {number(at['act'])}"))
    off = float(np.abs(found[_OPENED] * found["up"] - found["act"]).max())
    return "\n".join(
        (
            *lines,
            f"= {function}({number(at['gate'])}) × {up} = {number(at[_OPENED])} × {up} = {number(at['act'])}",
            f"over all {many(trace.spec.d_ff, 'neuron')}: largest difference from the model's own {number(off, 2)}",
        )
    )


_IMPORT = "from transformers.activations import ACT2FN\n\n"


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The neurons at the chosen token and layer, and their factors, for the strongest."""
    where, rows, parts = paths(spec), "neuron, up", "neurons, up"
    if spec.ffn.gated:
        rows, parts = (
            f"neuron, gate, {function_name(spec)}(gate), up",
            f'neurons, gate, ACT2FN["{spec.ffn.act}"](gate), up',
        )
    return f'''{opening(spec, view)}
{LAYERS}
{_IMPORT if spec.ffn.gated else ""}layer, seen = layers[{view.layer}], []
layer.get_submodule("{where.ffn}").register_forward_pre_hook(lambda module, given: seen.append(given[0][0, {view.pos}]))
for path in {list(where.inner)!r}:
    layer.get_submodule(path).register_forward_hook(lambda module, given, out: seen.append(out[0, {view.pos}]))
with torch.no_grad():
    model(**inputs)

{"gate, up" if spec.ffn.gated else "up"}, neurons = seen
strongest = neurons.abs().argsort(descending=True, stable=True)[:{SHOWN}]
result = torch.stack([{parts}])[:, strongest]  # {rows}
print(dict(zip(strongest.tolist(), result[0].tolist())))
'''


PANEL = Panel(
    id="neurons",
    stage="ffn",
    order=0,
    name="Neurons",
    title="Which neurons respond?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    places=("layer",),
)

"""The activation function of the FFN, with the inputs that it gets in one layer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from anatomy.language import N_, _, ngettext
from anatomy.measure import ACTIVATIONS
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.names import function_name
from panels.common.snippet import LAYERS, opening
from panels.common.touched import Touched
from panels.ffn.neurons import changed_neurons, strongest
from panels.panel import Panel, Table
from viz.activation import Activation
from viz.format import listed, number, percent, quoted, rounding
from viz.marks import Stands

_POINTS = 241  # of the curve


def applies(spec: ModelSpec) -> str | None:
    """None, or why the curve of this model's function cannot be drawn."""
    if spec.ffn.act in ACTIVATIONS:
        return None
    return _(
        "This model's activation function is “{function}”; a curve can be drawn of these: {known}.",
        function=spec.ffn.act,
        known=listed(sorted(ACTIVATIONS)),
    )


def _site(spec: ModelSpec) -> str:
    """What the function is applied to."""
    return "gate" if spec.ffn.gated else "up"


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The chosen layer's inputs of every token, and the chosen token's neurons."""
    return (Want(_site(spec), view.layer), Want("act", view.layer, pos=view.pos))


@dataclass(frozen=True)
class Inputs:
    """What the activation function of one layer gets, and what it makes of the chosen token's inputs.

    spec          of the model
    layer, token  the chosen layer, and the token's label
    all           the inputs of every token and neuron (activation)
    own           those of the chosen token
    own_y         the function of these
    act           the chosen token's neurons, as the model has them
    top           numbers of the strongest, as `strongest` has them
    chosen        the neuron that the reader has chosen; None for none
    made          changes between the function and the neurons
    """

    spec: ModelSpec
    layer: int
    token: str
    all: Float[np.ndarray, "pos d_ff"]
    own: Float[np.ndarray, " d_ff"]
    own_y: Float[np.ndarray, " d_ff"]
    act: Float[np.ndarray, " d_ff"]
    top: Int[np.ndarray, " k"]
    chosen: int | None
    made: Touched

    @property
    def listed(self) -> list[int]:
        """Numbers of the strongest, and of the chosen one last where it is none of them."""
        strongest = self.top.tolist()
        return strongest if self.chosen in (None, *strongest) else [*strongest, self.chosen]


def read(trace: Trace, view: Fitted) -> Inputs:
    """The inputs, and the function of the chosen token's."""
    given, act = (trace[want] for want in needs(trace.spec, view))
    own = given[view.pos]
    return Inputs(
        spec=trace.spec,
        layer=view.layer,
        token=trace.tokens[view.pos].label,
        all=given,
        own=own,
        own_y=ACTIVATIONS[trace.spec.ffn.act](own),
        act=act,
        top=strongest(act),
        chosen=view.neuron,
        made=Touched.of(trace, view.layer, "act", pos=view.pos),
    )


def draw(inputs: Inputs) -> Activation:
    """The curve, the chosen token's inputs on it, and how often each input occurs in the text."""
    x, name, site = _curve(inputs.all), function_name(inputs.spec), _site(inputs.spec)
    count, pairs = len(inputs.own), zip(inputs.own.tolist(), inputs.own_y.tolist(), strict=True)
    return Activation(
        x=x,
        y=ACTIVATIONS[inputs.spec.ffn.act](x),
        all=inputs.all.ravel(),
        own=inputs.own,
        own_y=inputs.own_y,
        notes=tuple(_neuron(i, name, a, b) for i, (a, b) in enumerate(pairs)),
        accent=tuple(inputs.top.tolist()),
        x_axis=_("{site} (activation)", site=site),
        y_axis=f"{name}({site})",
        own_name=_("neurons of {token}", token=quoted(inputs.token)),
        chosen=inputs.chosen,
        stands=(Stands.each("neuron", count, also=Stands("layer", (inputs.layer,) * count)),),
    )


def _curve(given: Float[np.ndarray, "pos d_ff"]) -> Float[np.ndarray, " point"]:
    """Places to draw the curve at: a little beyond all inputs, and 0 among them."""
    low, high = min(float(given.min()), -1.0), max(float(given.max()), 1.0)
    room = 0.04 * (high - low)
    return np.linspace(low - room, high + room, _POINTS)


def _neuron(place: int, function: str, x: float, y: float) -> str:
    """What one neuron's function makes of its input."""
    return _("neuron {neuron}: {value}", neuron=place, value=f"{function}({number(x)}) = {number(y)}")


def caption(inputs: Inputs) -> str:
    """Which share of the inputs is below 0 and what the function makes of those; the range of the token's inputs, and
    how much of their size is left on average."""
    size = _(
        "The token's inputs run from {low} to {high}; on average the function gives them {share} of their size.",
        low=number(float(inputs.own.min())),
        high=number(float(inputs.own.max())),
        share=percent(_passed(inputs)),
    )
    return " ".join(part for part in (_below(inputs), size, _chosen(inputs)) if part)


def _chosen(inputs: Inputs) -> str:
    """What the function makes of the chosen neuron's input; "" where none is chosen."""
    if inputs.chosen is None:
        return ""
    x, y = float(inputs.own[inputs.chosen]), float(inputs.own_y[inputs.chosen])
    said = _neuron(inputs.chosen, function_name(inputs.spec), x, y)
    return _("The chosen one is {neuron}.", neuron=said)


def _below(inputs: Inputs) -> str:
    """How many inputs are below 0, and what the function makes of those."""
    lowest = float(ACTIVATIONS[inputs.spec.ffn.act](np.linspace(-10, 0, 10_001)).min())
    values = {
        "layer": inputs.layer,
        "share": percent(float((inputs.all < 0).mean())),
        "function": function_name(inputs.spec),
        "token": quoted(inputs.token),
        "own": percent(float((inputs.own < 0).mean())),
    }
    if lowest == 0:
        return ngettext(
            "In layer {layer}, {share} of {count} input is below 0, where {function} gives exactly 0; for {token} "
            "{own}.",
            "In layer {layer}, {share} of all {count} inputs are below 0, where {function} gives exactly 0; for "
            "{token} {own}.",
            inputs.all.size,
            **values,
        )
    return ngettext(
        "In layer {layer}, {share} of {count} input is below 0, where {function} gives no less than {lowest}; for "
        "{token} {own}.",
        "In layer {layer}, {share} of all {count} inputs are below 0, where {function} gives no less than {lowest}; "
        "for {token} {own}.",
        inputs.all.size,
        lowest=number(math.floor(1_000 * lowest) / 1_000),
        **values,
    )


def _passed(inputs: Inputs) -> float:
    """Sum of the sizes after the function over the sum before it; 0 where all inputs are 0."""
    before = float(np.abs(inputs.own).sum(dtype=np.float64))
    return float(np.abs(inputs.own_y).sum()) / before if before > 0 else 0.0


def table(inputs: Inputs) -> Table:
    """The chosen token's strongest neurons and the chosen one: input, the function of it, and how many tokens' inputs
    are below 0."""
    name, site, top = function_name(inputs.spec), _site(inputs.spec), inputs.listed
    return Table.of(
        (_("neuron"), top),
        (_("{site} (activation)", site=site), inputs.own[top]),
        (f"{name}({site})", inputs.own_y[top]),
        (_("share of tokens with an input below 0"), (inputs.all[:, top] < 0).mean(axis=0)),
    )


_FORMULAS = {
    "ReLU": "ReLU(x) = max(x, 0)",
    "SiLU": "SiLU(x) = x / (1 + e^−x)",
    "GELU": "GELU(x) = x · Φ(x), Φ(x) = (1 + erf(x / √2)) / 2",
    "GELU (tanh)": "GELU(x) ≈ x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))",
}


def formula(inputs: Inputs) -> str:
    """The function, its value for the strongest neuron, and the difference from the model's own neurons where no second
    factor follows."""
    top, name = int(inputs.top[0]), function_name(inputs.spec)
    lines = [
        _("layer {layer}, {token}", layer=inputs.layer, token=quoted(inputs.token)),
        _FORMULAS[name],
        _neuron(top, name, float(inputs.own[top]), float(inputs.own_y[top])),
    ]
    if inputs.spec.ffn.gated:
        return "\n".join((*lines, _("neuron = {function}(gate) × up: the second factor follows", function=name)))
    gap = float(np.abs(inputs.own_y - inputs.act).max())
    if inputs.made.part(gap, inputs.act):
        return "\n".join((*lines, changed_neurons(inputs.made, len(inputs.own), gap, inputs.act)))
    off = ngettext(
        "over the {count} neuron: largest difference from the model's own {off}",
        "over all {count} neurons: largest difference from the model's own {off}",
        len(inputs.own),
        off=rounding(gap, inputs.act),
    )
    return "\n".join((*lines, off))


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The chosen token's inputs and what the model's own function makes of them: [2, d_ff]."""
    path = spec.paths.inner[0]
    return f'''{opening(spec, view)}
{LAYERS}
from transformers.activations import ACT2FN

seen = []
layers[{view.layer}].get_submodule("{path}").register_forward_hook(lambda module, given, out: seen.append(out[0]))
with torch.no_grad():
    model(**inputs)

inputs_of_function = seen[0]  # [pos, d_ff]
print("below 0:", (inputs_of_function < 0).float().mean().item())
own = inputs_of_function[{view.pos}]
result = torch.stack([own, ACT2FN["{spec.ffn.act}"](own)])  # [2, d_ff]
print(result)
'''


PANEL = Panel(
    id="activation",
    stage="ffn",
    order=1,
    name=N_("Activation"),
    title=N_("What does the activation function let through?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
    places=("layer",),
)

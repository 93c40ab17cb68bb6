"""The activation function of the FFN, with the inputs that it gets in one layer."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from anatomy.language import N_, _, ngettext
from anatomy.measure import ACTIVATIONS
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.names import function_name
from panels.common.snippet import LAYERS, opening
from panels.ffn.neurons import strongest
from panels.panel import Panel, Table
from viz.activation import Activation
from viz.format import listed, number, percent, quoted, rounding

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


def inputs(trace: Trace, view: Fitted) -> Float[np.ndarray, "pos d_ff"]:
    """What goes into the function, for every token and neuron of the chosen layer."""
    return trace[Want(_site(trace.spec), view.layer)]


def _curve(given: Float[np.ndarray, "pos d_ff"]) -> Float[np.ndarray, " point"]:
    """Places to draw the curve at: a little beyond all inputs, and 0 among them."""
    low, high = min(float(given.min()), -1.0), max(float(given.max()), 1.0)
    room = 0.04 * (high - low)
    return np.linspace(low - room, high + room, _POINTS)


def draw(trace: Trace, view: Fitted) -> Activation:
    """The curve, the chosen token's inputs on it, and how often each input occurs in the text."""
    given, function = inputs(trace, view), ACTIVATIONS[trace.spec.ffn.act]
    own, act = given[view.pos], trace[Want("act", view.layer, pos=view.pos)]
    x, y = _curve(given), function(own)
    name, site = function_name(trace.spec), _site(trace.spec)
    return Activation(
        x=x,
        y=function(x),
        all=given.ravel(),
        own=own,
        own_y=y,
        notes=tuple(_neuron(i, name, float(a), float(b)) for i, (a, b) in enumerate(zip(own, y, strict=True))),
        accent=tuple(strongest(act).tolist()),
        x_axis=_("{site} (activation)", site=site),
        y_axis=f"{name}({site})",
        own_name=_("neurons of {token}", token=quoted(trace.tokens[view.pos].label)),
    )


def _neuron(place: int, function: str, x: float, y: float) -> str:
    """What one neuron's function makes of its input."""
    return _("neuron {neuron}: {value}", neuron=place, value=f"{function}({number(x)}) = {number(y)}")


def caption(trace: Trace, view: Fitted) -> str:
    """Which share of the inputs is below 0 and what the function makes of those; the range of the token's inputs, and
    how much of their size is left on average."""
    own = inputs(trace, view)[view.pos]
    size = _(
        "The token's inputs run from {low} to {high}; on average the function gives them {share} of their size.",
        low=number(float(own.min())),
        high=number(float(own.max())),
        share=percent(_passed(trace.spec, own)),
    )
    return f"{_below(trace, view)} {size}"


def _below(trace: Trace, view: Fitted) -> str:
    """How many inputs are below 0, and what the function makes of those."""
    given, spec = inputs(trace, view), trace.spec
    lowest = float(ACTIVATIONS[spec.ffn.act](np.linspace(-10, 0, 10_001)).min())
    values = {
        "layer": view.layer,
        "share": percent(float((given < 0).mean())),
        "function": function_name(spec),
        "token": quoted(trace.tokens[view.pos].label),
        "own": percent(float((given[view.pos] < 0).mean())),
    }
    if lowest == 0:
        return ngettext(
            "In layer {layer}, {share} of {count} input is below 0, where {function} gives exactly 0; for {token} "
            "{own}.",
            "In layer {layer}, {share} of all {count} inputs are below 0, where {function} gives exactly 0; for "
            "{token} {own}.",
            given.size,
            **values,
        )
    return ngettext(
        "In layer {layer}, {share} of {count} input is below 0, where {function} gives no less than {lowest}; for "
        "{token} {own}.",
        "In layer {layer}, {share} of all {count} inputs are below 0, where {function} gives no less than {lowest}; "
        "for {token} {own}.",
        given.size,
        lowest=number(lowest),
        **values,
    )


def _passed(spec: ModelSpec, own: Float[np.ndarray, " d_ff"]) -> float:
    """Sum of the sizes after the function over the sum before it; 0 where all inputs are 0."""
    before = float(np.abs(own).sum(dtype=np.float64))
    return float(np.abs(ACTIVATIONS[spec.ffn.act](own)).sum()) / before if before > 0 else 0.0


def table(trace: Trace, view: Fitted) -> Table:
    """The chosen token's strongest neurons: input, the function of it, and how many tokens' inputs are below 0."""
    given = inputs(trace, view)
    own = given[view.pos]
    y = ACTIVATIONS[trace.spec.ffn.act](own)
    name, site = function_name(trace.spec), _site(trace.spec)
    top = strongest(trace[Want("act", view.layer, pos=view.pos)]).tolist()
    return Table(
        (
            _("neuron"),
            _("{site} (activation)", site=site),
            f"{name}({site})",
            _("share of tokens with an input below 0"),
        ),
        tuple((i, float(own[i]), float(y[i]), float((given[:, i] < 0).mean())) for i in top),
    )


_FORMULAS = {
    "ReLU": "ReLU(x) = max(x, 0)",
    "SiLU": "SiLU(x) = x / (1 + e^−x)",
    "GELU": "GELU(x) = x · Φ(x), Φ(x) = (1 + erf(x / √2)) / 2",
    "GELU (tanh)": "GELU(x) ≈ x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))",
}


def formula(trace: Trace, view: Fitted) -> str:
    """The function, its value for the strongest neuron, and the difference from the model's own neurons where no second
    factor follows."""
    spec, own = trace.spec, inputs(trace, view)[view.pos]
    act = trace[Want("act", view.layer, pos=view.pos)]
    y = ACTIVATIONS[spec.ffn.act](own)
    top, name = int(strongest(act)[0]), function_name(spec)
    lines = [
        _("layer {layer}, {token}", layer=view.layer, token=quoted(trace.tokens[view.pos].label)),
        _FORMULAS[name],
        _neuron(top, name, float(own[top]), float(y[top])),
    ]
    if spec.ffn.gated:
        return "\n".join((*lines, _("neuron = {function}(gate) × up: the second factor follows", function=name)))
    off = ngettext(
        "over the {count} neuron: largest difference from the model's own {off}",
        "over all {count} neurons: largest difference from the model's own {off}",
        len(own),
        off=rounding(float(np.abs(y - act).max()), act),
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
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
    places=("layer",),
)

"""How long each token's vector in the residual stream is, from the embedding through every layer."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.shared import FIRST, NORM_SCALE
from panels.snippet import LAYERS, opening
from viz.format import many, number, quoted, thousands
from viz.lines import Lines, banded, lines

_PRE, _POST = Want("norm_pre"), Want("norm_post")


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Lengths entering and leaving every layer."""
    return (_PRE, _POST)


def lengths(trace: Trace) -> Float[np.ndarray, "pos place"]:
    """L2 norm of each token's stream: as it enters layer 0, then as it leaves each layer."""
    return np.concatenate([trace[_PRE][:1], trace[_POST]]).T


def _drawn(trace: Trace, view: Fitted) -> list[int]:
    """Positions drawn: without the first token where it is left out, unless it is the chosen one."""
    return [i for i in range(len(trace.tokens)) if view[FIRST] or i > 0 or view.pos == 0]


def _lines(trace: Trace, view: Fitted) -> Lines:
    drawn, logarithmic = _drawn(trace, view), view[NORM_SCALE] == "log"
    return Lines(
        values=lengths(trace)[drawn],
        names=tuple(trace.tokens[i].label for i in drawn),
        places=("in", *(str(layer) for layer in range(trace.spec.layers))),
        chosen=drawn.index(view.pos),
        marked=0 if drawn[0] == 0 and view.pos != 0 else None,
        x_axis="after layer (in: before layer 0)",
        y_axis=f"length of the stream (L2 norm{', log scale' if logarithmic else ''})",
        lead=True,
        logarithmic=logarithmic,
    )


def draw(trace: Trace, view: Fitted) -> go.Figure:
    """A line per token over the layers; for long texts the range and median of the others."""
    return lines(_lines(trace, view))


def says(trace: Trace, view: Fitted) -> str:
    """The chosen token's length at both ends, the longest stream of the text, and what is drawn."""
    values = lengths(trace)
    chosen = values[view.pos]
    last = trace.spec.layers - 1
    told = (
        f"{quoted(trace.tokens[view.pos].label)} enters with length {number(float(chosen[0]))} and leaves layer {last} "
        f"with {number(float(chosen[-1]))}."
    )
    given = _lines(trace, view)
    band = (
        f" The {thousands(len(given.others))} other tokens are drawn as their range and median."
        if banded(given) and given.others
        else ""
    )
    return told + _longest(trace, values) + band


def _longest(trace: Trace, values: Float[np.ndarray, "pos place"]) -> str:
    """Which token's stream is the longest anywhere, against the median of the others at that place."""
    if len(values) < 2:
        return ""
    token, place = np.unravel_index(values.argmax(), values.shape)
    median = float(np.median(np.delete(values[:, place], token)))
    name = "the first token" if token == 0 else quoted(trace.tokens[int(token)].label)
    where = "before layer 0" if place == 0 else f"after layer {place - 1}"
    top = float(values[token, place])
    times = f", {number(top / median, 2)} × the median of the others" if median > 0 else ""
    return f" The longest is {name} with {number(top)} {where}{times}."


def table(trace: Trace, view: Fitted) -> Table:
    """One row per place: the chosen token, and the smallest, middle and largest of all tokens drawn."""
    values = lengths(trace)[_drawn(trace, view)]
    chosen = lengths(trace)[view.pos]
    places = ("in", *range(trace.spec.layers))
    return Table(
        ("after layer", "chosen token (L2 norm)", "smallest", "median", "largest"),
        tuple(
            (place, float(own), float(row.min()), float(np.median(row)), float(row.max()))
            for place, own, row in zip(places, chosen, values.T, strict=True)
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """What a length is, and the step that changes the chosen token's most."""
    values = lengths(trace)[view.pos]
    steps = np.abs(np.diff(np.log(np.maximum(values, 1e-30))))
    layer = int(steps.argmax())
    before, after = float(values[layer]), float(values[layer + 1])
    return "\n".join(
        (
            f"‖x‖ = √(x₁² + x₂² + …), {many(trace.spec.d_model, 'number')}",
            f"{quoted(trace.tokens[view.pos].label)} enters with ‖x‖ = {number(float(values[0]))} and leaves layer "
            f"{trace.spec.layers - 1} with {number(float(values[-1]))}",
            f"largest step: layer {layer}, {number(before)} → {number(after)}"
            + (f", × {number(after / before)}" if before > 0 else ""),
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The lengths of every token's stream: entering the first layer, then leaving each."""
    return f"""{opening(spec, view)}
{LAYERS}
streams = []
layers[0].register_forward_pre_hook(
    lambda layer, given, named: streams.append(given[0] if given else named["hidden_states"]), with_kwargs=True
)
for layer in layers:
    layer.register_forward_hook(lambda layer, given, out: streams.append(out[0] if isinstance(out, tuple) else out))
with torch.no_grad():
    model(**inputs)

result = torch.stack([stream[0].norm(dim=-1) for stream in streams], dim=1)  # [pos, layers + 1]
print(result[{view.pos}])
"""


PANEL = Panel(
    id="residual",
    stage="residual",
    order=0,
    name="Length",
    title="How does the stream grow?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(FIRST, NORM_SCALE),
)

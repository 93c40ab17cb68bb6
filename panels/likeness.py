"""How alike the layers leave one token: cosine between its streams after every two layers."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from anatomy.measure import cosine_matrix, norms
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.snippet import LAYERS, opening
from viz.format import cosine, number, percent, quoted
from viz.grid import Grid


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The chosen token's stream after every layer."""
    return tuple(Want("resid_post", layer, pos=view.pos) for layer in range(spec.layers))


def streams(trace: Trace, view: Fitted) -> Float[np.ndarray, "layer d_model"]:
    """The chosen token's stream after every layer."""
    return np.stack([trace[want] for want in needs(trace.spec, view)])


def matrix(trace: Trace, view: Fitted) -> Float[np.ndarray, "layer layer"]:
    """Cosine between the streams after every two layers."""
    return cosine_matrix(streams(trace, view)).astype(np.float32)


def least_alike(trace: Trace, view: Fitted) -> int:
    """The layer whose stream points farthest away from the chosen layer's."""
    return int(matrix(trace, view)[view.layer].argmin())


def largest_share(trace: Trace, view: Fitted) -> tuple[int, float]:
    """(dimension, its share of the squared length) of the largest number in the chosen layer's stream."""
    squares = streams(trace, view)[view.layer].astype(np.float64) ** 2
    largest = int(squares.argmax())
    return largest, float(squares[largest] / (squares.sum() or 1.0))


def draw(trace: Trace, view: Fitted) -> Grid:
    """The matrix, on the same scale for every text: −1 opposite, 0 unrelated, 1 the same direction."""
    layers = tuple(map(str, range(trace.spec.layers)))
    return Grid(
        z=matrix(trace, view),
        rows=layers,
        cols=layers,
        row_axis="after layer",
        col_axis="after layer",
        unit="cosine",
        title="One token's stream after every two layers: cosine",
        low=-1.0,
        high=1.0,
        signed=True,
        focus=(view.layer, least_alike(trace, view)),
    )


def says(trace: Trace, view: Fitted) -> str:
    """How alike neighbours are and where the stream turns most; the chosen layer; how much one dimension decides."""
    values, name = matrix(trace, view), quoted(trace.tokens[view.pos].label)
    if len(values) == 1:
        return f"The model has a single layer: the stream of {name} after it has nothing to be compared with."
    steps = np.diag(values, 1)
    turn, far = int(steps.argmin()), least_alike(trace, view)
    dimension, share = largest_share(trace, view)
    return (
        f"From one layer to the next the stream of {name} keeps a cosine of {cosine(float(steps.mean()))} on average; "
        f"it turns most in layer {turn + 1} ({cosine(float(steps[turn]))} with layer {turn}'s). After layer "
        f"{view.layer} it is least like after layer {far} ({cosine(float(values[view.layer, far]))}). Layers add to "
        f"what is there, so neighbours are alike, and a few large dimensions can decide a cosine: dimension "
        f"{dimension} holds {percent(share)} of the squared length after layer {view.layer}."
    )


def table(trace: Trace, view: Fitted) -> Table:
    """The chosen layer's row of the matrix, and each layer's cosine with the one before."""
    values = matrix(trace, view)
    before = [None, *np.diag(values, 1).tolist()]
    return Table(
        ("after layer", f"cosine with layer {view.layer}", "cosine with the layer before"),
        tuple((layer, *pair) for layer, pair in enumerate(zip(values[view.layer].tolist(), before, strict=True))),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The cell in focus, with dot product and lengths, and what it is without the largest dimension."""
    far, found = least_alike(trace, view), streams(trace, view).astype(np.float64)
    a, b = found[view.layer], found[far]
    dimension, _ = largest_share(trace, view)
    rest = cosine_matrix(np.delete(found[[view.layer, far]], dimension, axis=1))[0, 1]
    return "\n".join(
        (
            f"a = stream of {quoted(trace.tokens[view.pos].label)} after layer {view.layer}, b = after layer {far}",
            "cos(a, b) = a·b / (‖a‖ · ‖b‖)",
            f"= {number(float(a @ b))} / ({number(float(norms(a)))} · {number(float(norms(b)))}) = "
            f"{cosine(float(matrix(trace, view)[view.layer, far]))}",
            f"without dimension {dimension}, the largest of a: {cosine(float(rest))}",
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The whole matrix."""
    return f"""{opening(spec, view)}
{LAYERS}
streams = []
for layer in layers:
    layer.register_forward_hook(lambda layer, given, out: streams.append(out[0] if isinstance(out, tuple) else out))
with torch.no_grad():
    model(**inputs)

unit = torch.nn.functional.normalize(torch.stack([stream[0, {view.pos}] for stream in streams]), dim=-1)
result = unit @ unit.T  # [layers, layers]
print(result[{view.layer}])
"""


PANEL = Panel(
    id="likeness",
    stage="stack",
    order=3,
    name="Alike",
    title="How alike do the layers leave a token?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    places=("layer",),
)

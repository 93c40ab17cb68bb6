"""How alike the layers leave one token: cosine between its streams after every two layers."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from anatomy.language import N_, _
from anatomy.measure import cosine_matrix, norms
from anatomy.request import Want
from anatomy.rounding import largest_at, smallest_at
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.snippet import layer_streams, opening
from panels.panel import Panel, Table
from viz.format import cosine, number, percent, quoted
from viz.grid import Grid


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The chosen token's stream after every layer."""
    return tuple(Want("resid_post", layer, pos=view.pos) for layer in range(spec.layers))


def streams(trace: Trace, view: Fitted) -> Float[np.ndarray, "layer d_model"]:
    """The chosen token's stream after every layer."""
    return np.stack([trace[want] for want in needs(trace.spec, view)])


def matrix(trace: Trace, view: Fitted) -> Float[np.ndarray, "layer layer"]:
    """Cosine between the chosen token's streams after every two layers."""
    return cosine_matrix(streams(trace, view)).astype(np.float32)


def least_alike(trace: Trace, view: Fitted) -> int:
    """The layer whose stream points farthest away from the chosen layer's."""
    return smallest_at(matrix(trace, view)[view.layer])


def largest_share(trace: Trace, view: Fitted) -> tuple[int, float]:
    """(dimension, its share of the squared length) of the largest number in the chosen layer's stream."""
    squares = streams(trace, view)[view.layer].astype(np.float64) ** 2
    largest = largest_at(squares)
    return largest, float(squares[largest] / (squares.sum() or 1.0))


def draw(trace: Trace, view: Fitted) -> Grid:
    """The matrix of cosines, on the same scale for every text: −1 opposite, 0 unrelated, 1 the same direction."""
    layers = tuple(map(str, range(trace.spec.layers)))
    return Grid(
        z=matrix(trace, view),
        rows=layers,
        cols=layers,
        row_axis=_("after layer"),
        col_axis=_("after layer"),
        unit=_("cosine"),
        title=_("One token's stream after every two layers: cosine"),
        low=-1.0,
        high=1.0,
        signed=True,
        focus=(view.layer, least_alike(trace, view)),
    )


def caption(trace: Trace, view: Fitted) -> str:
    """How alike neighbours are and where the stream turns most; the chosen layer; how much one dimension decides."""
    values, name = matrix(trace, view), quoted(trace.tokens[view.pos].label)
    if len(values) == 1:
        return _(
            "The model has a single layer: the stream of {token} after it has nothing to be compared with.", token=name
        )
    return " ".join((_steps(values, name), _least(trace, view, values), _caution(trace, view)))


def _steps(values: Float[np.ndarray, "layer layer"], name: str) -> str:
    """How alike neighbouring layers are, and where the stream turns most."""
    steps = np.diag(values, 1)
    turn = smallest_at(steps)
    return _(
        "From one layer to the next the stream of {token} keeps a cosine of {mean} on average; it turns most in layer "
        "{layer} ({least} with layer {before}'s).",
        token=name,
        mean=cosine(float(steps.mean())),
        layer=turn + 1,
        least=cosine(float(steps[turn])),
        before=turn,
    )


def _least(trace: Trace, view: Fitted, values: Float[np.ndarray, "layer layer"]) -> str:
    """The layer that is least like the chosen one."""
    far = least_alike(trace, view)
    return _(
        "After layer {layer} it is least like after layer {far} ({cosine}).",
        layer=view.layer,
        far=far,
        cosine=cosine(float(values[view.layer, far])),
    )


def _caution(trace: Trace, view: Fitted) -> str:
    """What a cosine can rest on."""
    dimension, share = largest_share(trace, view)
    return _(
        "Layers add to what is there, so neighbours are alike, and a few large dimensions can decide a cosine: "
        "dimension {dimension} holds {share} of the squared length after layer {layer}.",
        dimension=dimension,
        share=percent(share),
        layer=view.layer,
    )


def table(trace: Trace, view: Fitted) -> Table:
    """The chosen layer's row of the matrix, and each layer's cosine with the one before."""
    values = matrix(trace, view)
    before = [None, *np.diag(values, 1).tolist()]
    return Table(
        (_("after layer"), _("cosine with layer {layer}", layer=view.layer), _("cosine with the layer before")),
        tuple((layer, *pair) for layer, pair in enumerate(zip(values[view.layer].tolist(), before, strict=True))),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The cell in focus, with dot product and lengths, and what it is without the largest dimension."""
    far, stream = least_alike(trace, view), streams(trace, view).astype(np.float64)
    a, b = stream[view.layer], stream[far]
    dimension = largest_share(trace, view)[0]
    rest = cosine_matrix(np.delete(stream[[view.layer, far]], dimension, axis=1))[0, 1]
    token = quoted(trace.tokens[view.pos].label)
    return "\n".join(
        (
            _(
                "a = stream of {token} after layer {layer}, b = after layer {far}",
                token=token,
                layer=view.layer,
                far=far,
            ),
            "cos(a, b) = a·b / (‖a‖ · ‖b‖)",
            f"= {number(float(a @ b))} / ({number(float(norms(a)))} · {number(float(norms(b)))}) = "
            f"{cosine(float(matrix(trace, view)[view.layer, far]))}",
            _(
                "without dimension {dimension}, the largest of a: {cosine}",
                dimension=dimension,
                cosine=cosine(float(rest)),
            ),
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The whole matrix of cosines: [layers, layers]."""
    return f"""{opening(spec, view)}
{layer_streams(view.pos)}
unit = torch.nn.functional.normalize(stream, dim=-1)
result = unit @ unit.T  # [layers, layers]
print(result[{view.layer}])
"""


PANEL = Panel(
    id="likeness",
    stage="stack",
    order=3,
    name=N_("Alike"),
    title=N_("How alike do the layers leave a token?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    places=("layer",),
)

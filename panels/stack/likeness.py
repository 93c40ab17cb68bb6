"""How alike the layers leave one token: cosine between its streams after every two layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

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


@dataclass(frozen=True)
class Likeness:
    """The chosen token's streams after every layer, compared with each other.

    layer, token  the chosen layer, and the token's label
    streams       the token's stream after every layer (activation)
    cosine        between the streams after every two layers, −1 to 1
    """

    layer: int
    token: str
    streams: Float[np.ndarray, "layer d_model"]
    cosine: Float[np.ndarray, "layer layer"]

    @cached_property
    def far(self) -> int:
        """The other layer whose stream points farthest away from the chosen layer's; of a single layer itself."""
        row = self.cosine[self.layer].astype(np.float64)
        return self.layer if len(row) == 1 else smallest_at(np.where(np.arange(len(row)) == self.layer, np.nan, row))

    @cached_property
    def largest(self) -> tuple[int, float]:
        """(dimension, its share of the squared length) of the largest number in the chosen layer's stream."""
        squares = self.streams[self.layer].astype(np.float64) ** 2
        largest = largest_at(squares)
        return largest, float(squares[largest] / (squares.sum() or 1.0))


def read(trace: Trace, view: Fitted) -> Likeness:
    """The chosen token's streams, and the cosine of every two."""
    streams = np.stack([trace[want] for want in needs(trace.spec, view)])
    return Likeness(view.layer, trace.tokens[view.pos].label, streams, cosine_matrix(streams).astype(np.float32))


def draw(likeness: Likeness) -> Grid:
    """The matrix of cosines, on the same scale for every text: −1 opposite, 0 unrelated, 1 the same direction."""
    layers = tuple(map(str, range(len(likeness.cosine))))
    return Grid(
        z=likeness.cosine,
        rows=layers,
        cols=layers,
        row_axis=_("after layer"),
        col_axis=_("after layer"),
        unit=_("cosine"),
        title=_("One token's stream after every two layers: cosine"),
        low=-1.0,
        high=1.0,
        signed=True,
        focus=(likeness.layer, likeness.far),
    )


def caption(likeness: Likeness) -> str:
    """How alike neighbours are and where the stream turns most; the chosen layer; how much one dimension decides."""
    if len(likeness.cosine) == 1:
        return _(
            "The model has a single layer: the stream of {token} after it has nothing to be compared with.",
            token=quoted(likeness.token),
        )
    return " ".join(filter(None, (_steps(likeness), _least(likeness), _caution(likeness))))


def _steps(likeness: Likeness) -> str:
    """How alike neighbouring layers are, and where the stream turns most."""
    steps = np.diag(likeness.cosine, 1)
    turn = smallest_at(steps)
    if cosine(float(steps.min())) == cosine(float(steps.max())):
        return _(
            "From each layer to the next the stream of {token} keeps a cosine of {mean}.",
            token=quoted(likeness.token),
            mean=cosine(float(steps.mean())),
        )
    return _(
        "From one layer to the next the stream of {token} keeps a cosine of {mean} on average; it turns most in layer "
        "{layer} ({least} with layer {before}'s).",
        token=quoted(likeness.token),
        mean=cosine(float(steps.mean())),
        layer=turn + 1,
        least=cosine(float(steps[turn])),
        before=turn,
    )


def _least(likeness: Likeness) -> str:
    """The layer that is least like the chosen one."""
    if len(likeness.cosine) == 2:  # the one step that there is has been told
        return ""
    others = np.delete(likeness.cosine[likeness.layer], likeness.layer)
    if cosine(float(others.min())) == cosine(float(others.max())):
        return _(
            "After layer {layer} it is equally like after every other layer ({cosine}).",
            layer=likeness.layer,
            cosine=cosine(float(others.mean())),
        )
    return _(
        "After layer {layer} it is least like after layer {far} ({cosine}).",
        layer=likeness.layer,
        far=likeness.far,
        cosine=cosine(float(likeness.cosine[likeness.layer, likeness.far])),
    )


def _caution(likeness: Likeness) -> str:
    """What a cosine can rest on."""
    dimension, share = likeness.largest
    return _(
        "A few large dimensions can decide a cosine: dimension {dimension} holds {share} of the squared length after "
        "layer {layer}.",
        dimension=dimension,
        share=percent(share),
        layer=likeness.layer,
    )


def table(likeness: Likeness) -> Table:
    """The chosen layer's row of the matrix, and each layer's cosine with the one before."""
    return Table.of(
        (_("after layer"), range(len(likeness.cosine))),
        (_("cosine with layer {layer}", layer=likeness.layer), likeness.cosine[likeness.layer]),
        (_("cosine with the layer before"), [None, *np.diag(likeness.cosine, 1).tolist()]),
    )


def formula(likeness: Likeness) -> str:
    """The cell in focus, with dot product and lengths, and what it is without the largest dimension."""
    layer, far, (dimension, _share) = likeness.layer, likeness.far, likeness.largest
    pair = likeness.streams[[layer, far]].astype(np.float64)
    rest = cosine_matrix(np.delete(pair, dimension, axis=1))[0, 1]
    a, b = pair
    return "\n".join(
        (
            _(
                "a = stream of {token} after layer {layer}, b = after layer {far}",
                token=quoted(likeness.token),
                layer=layer,
                far=far,
            ),
            "cos(a, b) = a·b / (‖a‖ · ‖b‖)",
            f"= {number(float(a @ b))} / ({number(float(norms(a)))} · {number(float(norms(b)))}) = "
            f"{cosine(float(likeness.cosine[layer, far]))}",
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
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    places=("layer",),
)

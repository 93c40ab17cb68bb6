"""Outlier dimensions: the few numbers of a stream vector that hold most of its squared length."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from anatomy.control import Choice
from anatomy.language import N_, _, ngettext
from anatomy.measure import nucleus
from anatomy.request import Want
from anatomy.rounding import largest_at, largest_first
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.snippet import LAYERS, opening
from panels.panel import Panel, Table
from viz.description import Description
from viz.format import listed, number, percent, quoted, thousands
from viz.grid import Grid
from viz.measures import Column, Measures

OVER = Choice("outliers", N_("Show"), ("layer", "layers"), (N_("one layer"), N_("all layers")))
SHOWN = 14


@dataclass(frozen=True)
class Outliers:
    """The chosen token's stream as it leaves the chosen layer.

    top      the SHOWN dimensions of largest size, largest first
    vector   [d_model] its numbers, activations
    shares   [d_model] each number's square over the sum of squares; zeros where there is no length
    half     how many dimensions it takes to hold half of the squared length; all of them where there is no length
    """

    top: Int[np.ndarray, " shown"]
    vector: Float[np.ndarray, " d_model"]
    shares: Float[np.ndarray, " d_model"]
    half: int


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The chosen token's stream at every place, and every token's as it leaves the chosen layer."""
    leaving = [Want("resid_post", layer, pos=view.pos) for layer in range(spec.layers)]
    return (Want("resid_pre", 0, pos=view.pos), *leaving, Want("resid_post", view.layer))


def outliers(trace: Trace, view: Fitted) -> Outliers:
    """The chosen token's stream after the chosen layer, with the dimensions that stand out in it."""
    vector = trace[Want("resid_post", view.layer, pos=view.pos)]
    shares = squared_shares(vector)
    top = largest_first(np.abs(vector))[:SHOWN]
    return Outliers(top, vector, shares, nucleus(shares, 0.5) if shares.any() else len(shares))


def squared_shares(vectors: Float[np.ndarray, "... d_model"]) -> Float[np.ndarray, "... d_model"]:
    """Each number's square over the sum of its vector's squares, 0 to 1; zeros where a vector has no length."""
    squares = vectors.astype(np.float64) ** 2
    total = squares.sum(axis=-1, keepdims=True)
    return np.divide(squares, total, out=np.zeros_like(squares), where=total > 0)


def by_layer(trace: Trace, view: Fitted) -> Float[np.ndarray, "place shown"]:
    """Shares of the chosen layer's largest dimensions, before layer 0 and after every layer."""
    places = [Want("resid_pre", 0, pos=view.pos)]
    places += [Want("resid_post", layer, pos=view.pos) for layer in range(trace.spec.layers)]
    return squared_shares(np.stack([trace[place] for place in places]))[:, outliers(trace, view).top]


def _medians(trace: Trace, view: Fitted) -> Float[np.ndarray, " shown"]:
    """The middle size of the same dimensions over the text's tokens."""
    return np.median(np.abs(trace[Want("resid_post", view.layer)][:, outliers(trace, view).top]), axis=0)


def draw(trace: Trace, view: Fitted) -> Description:
    """The largest numbers of one layer's stream as bars, or the share of the same dimensions through all layers."""
    return _bars(trace, view) if view[OVER] == "layer" else _grid(trace, view)


def _bars(trace: Trace, view: Fitted) -> Measures:
    stream = outliers(trace, view)
    measures = [
        _column(_("after layer {layer} (activation)", layer=view.layer), stream.vector[stream.top]),
        _column(_("share of the squared length (%)"), 100 * stream.shares[stream.top]),
    ]
    if _several(trace):
        measures.append(_column(_("median size of all tokens"), _medians(trace, view)))
    return Measures([_("dim {dim}", dim=dim) for dim in stream.top.tolist()], measures)


def _column(title: str, values: Float[np.ndarray, " shown"]) -> Column:
    return Column(title, values, tuple(number(float(value), 2) for value in values))


def _several(trace: Trace) -> bool:
    return len(trace.tokens) > 1


def _grid(trace: Trace, view: Fitted) -> Grid:
    """Places by dimensions; the scale is that of every text and layer: 0 to 100 %."""
    return Grid(
        z=by_layer(trace, view).astype(np.float32),
        rows=(_("in"), *map(str, range(trace.spec.layers))),
        cols=tuple(map(str, outliers(trace, view).top.tolist())),
        row_axis=_("after layer (in: before layer 0)"),
        col_axis=_("dimension (largest after layer {layer} first)", layer=view.layer),
        unit=_("share of the squared length"),
        title=_("Dimensions of {token}", token=quoted(trace.tokens[view.pos].label)),
        percent=True,
        focus=(view.layer + 1, 0),
    )


def caption(trace: Trace, view: Fitted) -> str:
    """The largest dimensions by name, how few hold half, and whether the other tokens have the same."""
    stream = outliers(trace, view)
    width = trace.spec.d_model
    first = listed(
        _("dim {dim} ({share})", dim=dim, share=percent(float(stream.shares[dim]))) for dim in stream.top[:3].tolist()
    )
    half = ngettext(
        "After layer {layer}, a single dimension holds half or more of the squared length of {token}: the largest are "
        "{first}.",
        "After layer {layer}, {count} dimensions hold half of the squared length of {token}: the largest are {first}.",
        stream.half,
        layer=view.layer,
        token=quoted(trace.tokens[view.pos].label),
        first=first,
    )
    even = _("Evenly spread, each of {count} would hold {share}.", count=thousands(width), share=percent(1 / width))
    return " ".join(sentence for sentence in (half, even, _shared(trace, view)) if sentence)


def _shared(trace: Trace, view: Fitted) -> str:
    """In how many of the other tokens the same dimension is the largest."""
    if not _several(trace):
        return ""
    sizes = np.abs(trace[Want("resid_post", view.layer)])
    largest = np.array([largest_at(row) for row in sizes])
    own = int(largest[view.pos])
    others = len(sizes) - 1
    same = int((largest == own).sum()) - 1
    return ngettext(
        "Dim {dim} is the largest in {same} of the {count} other token too.",
        "Dim {dim} is the largest in {same} of the {count} other tokens too.",
        others,
        dim=own,
        same=thousands(same),
    )


def table(trace: Trace, view: Fitted) -> Table:
    """The largest dimensions of the chosen layer, or their shares at every place."""
    stream = outliers(trace, view)
    dims = stream.top.tolist()
    if view[OVER] == "layers":
        places = (_("in"), *range(trace.spec.layers))
        rows = zip(places, by_layer(trace, view).tolist(), strict=True)
        columns = (_("after layer"), *(_("dim {dim} (share)", dim=dim) for dim in dims))
        return Table(columns, tuple((at, *row) for at, row in rows))
    running = np.cumsum(stream.shares[stream.top])
    medians = _medians(trace, view)
    return Table(
        (
            _("dimension"),
            _("value (activation)"),
            _("share of the squared length"),
            _("running sum"),
            _("median size of all tokens"),
        ),
        tuple(
            (dim, float(stream.vector[dim]), float(stream.shares[dim]), float(so_far), float(median))
            for dim, so_far, median in zip(dims, running, medians, strict=True)
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The share of the largest dimension, with the numbers."""
    stream = outliers(trace, view)
    top = int(stream.top[0])
    value = float(stream.vector[top])
    total = float((stream.vector.astype(np.float64) ** 2).sum())
    return "\n".join(
        (
            ngettext(
                "stream x of {token} after layer {layer}, {count} number",
                "stream x of {token} after layer {layer}, {count} numbers",
                len(stream.vector),
                token=quoted(trace.tokens[view.pos].label),
                layer=view.layer,
            ),
            _(
                "share of dim {dim} = x² / ‖x‖² = ({value})² / {total} = {square} / {total} = {share}",
                dim=top,
                value=number(value),
                total=number(total),
                square=number(value**2),
                share=percent(float(stream.shares[top])),
            ),
            f"‖x‖ = √{number(total)} = {number(float(np.sqrt(total)))}",
            _(
                "the largest {count} of {all} hold half of ‖x‖² or more",
                count=thousands(stream.half),
                all=thousands(len(stream.vector)),
            ),
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The largest dimensions after one layer, with their shares there or through all layers."""
    last = "result = torch.stack([streams[at][top], shares[at][top]])  # value and share"
    if view[OVER] == "layers":
        last = "result = shares[:, top]  # [layers + 1, dimensions]: before the first layer, then after each"
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

streams = torch.stack([stream[0, {view.pos}] for stream in streams]).double()  # [layers + 1, d_model]
shares = streams**2 / (streams**2).sum(dim=-1, keepdim=True)
at = {view.layer + 1}  # after layer {view.layer}
top = streams[at].abs().argsort(descending=True, stable=True)[:{SHOWN}]
{last}
print(top.tolist(), result)
"""


PANEL = Panel(
    id="outliers",
    stage="residual",
    order=4,
    name=N_("Outliers"),
    title=N_("Which dimensions stand out?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(OVER,),
    places=("layer",),
    wide=True,
)

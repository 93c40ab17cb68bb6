"""Outlier dimensions: the few numbers of a stream vector that hold most of its squared length."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

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
from viz.format import listed, number, percent, quoted, thousands
from viz.grid import Grid
from viz.measures import Column, Measures

OVER = Choice(
    "outliers",
    N_("Show"),
    ("layer", "layers"),
    (N_("one layer"), N_("all layers")),
    says=N_(
        "One layer: the largest dimensions of the stream after the chosen layer. All layers: how the same dimensions "
        "grow from layer to layer."
    ),
)
SHOWN = 14


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The chosen token's stream at every place, and every token's as it leaves the chosen layer."""
    return (*_places(spec, view), Want("resid_post", view.layer))


def _places(spec: ModelSpec, view: Fitted) -> list[Want]:
    """The chosen token's stream as it enters layer 0, then as it leaves every layer."""
    leaving = [Want("resid_post", layer, pos=view.pos) for layer in range(spec.layers)]
    return [Want("resid_pre", 0, pos=view.pos), *leaving]


@dataclass(frozen=True)
class Outliers:
    """The dimensions that stand out in the chosen token's stream as it leaves the chosen layer.

    layer, pos, token  the chosen layer; the chosen token's place, and its label
    through            whether they are followed through all layers
    streams            the token's stream (activation) as it enters layer 0, then as it leaves each layer
    every_token        every token's stream (activation) as it leaves the chosen layer
    top                the SHOWN dimensions of largest size, largest first
    """

    layer: int
    pos: int
    token: str
    through: bool
    streams: Float[np.ndarray, "place d_model"]
    every_token: Float[np.ndarray, "pos d_model"]
    top: Int[np.ndarray, " shown"]

    @property
    def vector(self) -> Float[np.ndarray, " d_model"]:
        """The token's stream as it leaves the chosen layer (activation)."""
        return self.streams[self.layer + 1]

    @cached_property
    def shares_by_place(self) -> Float[np.ndarray, "place d_model"]:
        """Each number's square over the sum of its vector's squares, 0 to 1; zeros where a vector has no length."""
        squares = self.streams.astype(np.float64) ** 2
        total = squares.sum(axis=-1, keepdims=True)
        return np.divide(squares, total, out=np.zeros_like(squares), where=total > 0)

    @property
    def shares(self) -> Float[np.ndarray, " d_model"]:
        """The same as the stream leaves the chosen layer."""
        return self.shares_by_place[self.layer + 1]

    @cached_property
    def half(self) -> int:
        """How many dimensions it takes to hold half of the squared length; all of them where there is no length."""
        return nucleus(self.shares, 0.5) if self.shares.any() else len(self.shares)

    @cached_property
    def medians(self) -> Float[np.ndarray, " shown"]:
        """The middle size of the largest dimensions over the text's tokens."""
        return np.median(np.abs(self.every_token[:, self.top]), axis=0)


def read(trace: Trace, view: Fitted) -> Outliers:
    """The chosen token's streams, with the dimensions that stand out after the chosen layer."""
    streams = np.stack([trace[place] for place in _places(trace.spec, view)])
    return Outliers(
        layer=view.layer,
        pos=view.pos,
        token=trace.tokens[view.pos].label,
        through=view[OVER] == "layers",
        streams=streams,
        every_token=trace[Want("resid_post", view.layer)],
        top=largest_first(np.abs(streams[view.layer + 1]))[:SHOWN],
    )


def draw(outliers: Outliers) -> Measures | Grid:
    """The largest numbers of one layer's stream as bars, or the share of the same dimensions through all layers."""
    return _grid(outliers) if outliers.through else _bars(outliers)


def _bars(outliers: Outliers) -> Measures:
    measures = [
        _column(_("after layer {layer} (activation)", layer=outliers.layer), outliers.vector[outliers.top]),
        _column(_("share of the squared length (%)"), 100 * outliers.shares[outliers.top]),
    ]
    if len(outliers.every_token) > 1:
        measures.append(_column(_("median size of all tokens"), outliers.medians))
    return Measures([_("dim {dim}", dim=dim) for dim in outliers.top.tolist()], measures)


def _column(title: str, values: Float[np.ndarray, " shown"]) -> Column:
    return Column(title, values, tuple(number(float(value), 2) for value in values))


def _grid(outliers: Outliers) -> Grid:
    """Places by dimensions; the scale is that of every text and layer: 0 to 100 %."""
    return Grid(
        z=outliers.shares_by_place[:, outliers.top].astype(np.float32),
        rows=(_("in"), *map(str, range(len(outliers.streams) - 1))),
        cols=tuple(map(str, outliers.top.tolist())),
        row_axis=_("after layer (in: before layer 0)"),
        col_axis=_("dimension (largest after layer {layer} first)", layer=outliers.layer),
        unit=_("share of the squared length"),
        title=_("Dimensions of {token}", token=quoted(outliers.token)),
        percent=True,
        focus=(outliers.layer + 1, 0),
    )


def caption(outliers: Outliers) -> str:
    """The largest dimensions by name, how few hold half, and whether the other tokens have the same."""
    width = len(outliers.vector)
    if not outliers.shares.any():
        return _(
            "After layer {layer}, the stream of {token} has no length: all of its {count} numbers are 0.",
            layer=outliers.layer,
            token=quoted(outliers.token),
            count=thousands(width),
        )
    first = listed(
        _("dim {dim} ({share})", dim=dim, share=percent(float(outliers.shares[dim])))
        for dim in outliers.top[:3].tolist()
    )
    half = ngettext(
        "After layer {layer}, a single dimension holds half or more of the squared length of {token}: the largest are "
        "{first}.",
        "After layer {layer}, {count} dimensions hold half or more of the squared length of {token}: the largest are "
        "{first}.",
        outliers.half,
        layer=outliers.layer,
        token=quoted(outliers.token),
        first=first,
    )
    even = _("Evenly spread, each of {count} would hold {share}.", count=thousands(width), share=percent(1 / width))
    return " ".join(sentence for sentence in (half, even, _shared(outliers)) if sentence)


def _shared(outliers: Outliers) -> str:
    """In how many of the other tokens the same dimension is the largest."""
    if len(outliers.every_token) == 1:
        return ""
    largest = np.array([largest_at(row) for row in np.abs(outliers.every_token)])
    own = int(largest[outliers.pos])
    return ngettext(
        "Dim {dim} is the largest in {same} of the {count} other token too.",
        "Dim {dim} is the largest in {same} of the {count} other tokens too.",
        len(largest) - 1,
        dim=own,
        same=thousands(int((largest == own).sum()) - 1),
    )


def table(outliers: Outliers) -> Table:
    """The largest dimensions of the chosen layer, or their shares at every place."""
    top = outliers.top
    if outliers.through:
        places = (_("in"), *range(len(outliers.streams) - 1))
        dims = ((_("dim {dim} (share)", dim=dim), outliers.shares_by_place[:, dim]) for dim in top.tolist())
        return Table.of((_("after layer"), places), *dims)
    return Table.of(
        (_("dimension"), top),
        (_("value (activation)"), outliers.vector[top]),
        (_("share of the squared length"), outliers.shares[top]),
        (_("running sum"), np.cumsum(outliers.shares[top])),
        (_("median size of all tokens"), outliers.medians),
    )


def formula(outliers: Outliers) -> str:
    """The share of the largest dimension, with the numbers."""
    top = int(outliers.top[0])
    value = float(outliers.vector[top])
    total = float((outliers.vector.astype(np.float64) ** 2).sum())
    return "\n".join(
        (
            ngettext(
                "stream x of {token} after layer {layer}, {count} number",
                "stream x of {token} after layer {layer}, {count} numbers",
                len(outliers.vector),
                token=quoted(outliers.token),
                layer=outliers.layer,
            ),
            _(
                "share of dim {dim} = x² / ‖x‖² = ({value})² / {total} = {square} / {total} = {share}",
                dim=top,
                value=number(value),
                total=number(total),
                square=number(value**2),
                share=percent(float(outliers.shares[top])),
            ),
            f"‖x‖ = √{number(total)} = {number(float(np.sqrt(total)))}",
            _(
                "the largest {count} of {all} hold half of ‖x‖² or more",
                count=thousands(outliers.half),
                all=thousands(len(outliers.vector)),
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
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(OVER,),
    places=("layer",),
    wide=True,
)

"""What attention and the FFN each add to the chosen token's stream, layer by layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from anatomy.control import Choice
from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.snippet import LAYERS, opening
from panels.panel import Panel, Table
from viz.format import cosine, number, percent, quoted
from viz.marks import Stands
from viz.pairs import Pairs

AMOUNT = Choice(
    "writes",
    N_("Show"),
    ("share", "length"),
    (N_("share"), N_("length")),
    says=N_(
        "How much attention and FFN write into the stream. Length: the L2 norm of each; share: the part of the two "
        "lengths together that each has."
    ),
)
_NORMS = (Want("norm_attn"), Want("norm_ffn"))
_COSINES = (Want("cos_attn"), Want("cos_ffn"))


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Lengths of both writes, and their directions against the stream."""
    return (*_NORMS, *_COSINES)


@dataclass(frozen=True)
class Writes:
    """The two writes of every layer into the chosen token's stream; row 0 attention's, row 1 the FFN's.

    layer, token  the chosen layer, and the token's label
    as_share      whether shares are drawn instead of lengths
    norm          L2 norm of each write
    cosine        with the stream that it is added to
    """

    layer: int
    token: str
    as_share: bool
    norm: Float[np.ndarray, "2 layer"]
    cosine: Float[np.ndarray, "2 layer"]

    @cached_property
    def share(self) -> Float[np.ndarray, "2 layer"]:
        """Each norm over the sum of its layer's two, 0 to 1; halves where nothing is written."""
        total = self.norm.sum(axis=0, dtype=np.float64)
        return np.divide(self.norm, total, out=np.full(self.norm.shape, 0.5), where=total > 0)

    @property
    def nothing(self) -> bool:
        """Whether the chosen layer adds nothing at all."""
        return not self.norm[:, self.layer].any()

    @property
    def chosen(self) -> dict[str, str]:
        """The chosen layer's numbers in words, by the names that sentences use."""
        (attention, ffn), (a, f) = self.norm[:, self.layer].tolist(), self.cosine[:, self.layer].tolist()
        return {
            "token": quoted(self.token),
            "attention": number(attention),
            "ffn": number(ffn),
            "a": cosine(a),
            "f": cosine(f),
            "share": percent(float(self.share[0, self.layer])),
        }


def read(trace: Trace, view: Fitted) -> Writes:
    """Lengths and directions of both writes at the chosen token."""
    norm, cosines = (np.stack([trace[want][:, view.pos] for want in wants]) for wants in (_NORMS, _COSINES))
    return Writes(view.layer, trace.tokens[view.pos].label, view[AMOUNT] == "share", norm, cosines)


def draw(writes: Writes) -> Pairs:
    """Two bars per layer, or their shares one on the other; the chosen layer framed."""
    attention, ffn = _("attention"), _("FFN")
    return Pairs(
        values=100 * writes.share if writes.as_share else writes.norm,
        names=(attention, ffn),
        notes=(_notes(writes, 0, attention), _notes(writes, 1, ffn)),
        x_axis=_("layer"),
        y_axis=_("share of the two lengths (%)") if writes.as_share else _("length of what is added (L2 norm)"),
        focus=writes.layer,
        stacked=writes.as_share,
        stands=(Stands.each("layer", writes.norm.shape[1]),),
    )


def _notes(writes: Writes, row: int, name: str) -> tuple[str, ...]:
    """Words for the hover boxes of one part."""
    return tuple(
        _(
            "layer {layer}: {part} adds length {length}, cosine with the stream {cosine}",
            layer=layer,
            part=name,
            length=number(length),
            cosine=cosine(direction),
        )
        for layer, (length, direction) in enumerate(
            zip(writes.norm[row].tolist(), writes.cosine[row].tolist(), strict=True)
        )
    )


def caption(writes: Writes) -> str:
    """The chosen layer's two lengths and directions, and in how many layers the FFN adds more."""
    if writes.nothing:
        more = int((writes.norm[1] > writes.norm[0]).sum())
        nothing = _(
            "In layer {layer} neither attention nor the FFN adds anything to {token}.",
            layer=writes.layer,
            token=quoted(writes.token),
        )
        longer = ngettext(
            "The FFN adds the longer vector in {more} of {count} layer.",
            "The FFN adds the longer vector in {more} of {count} layers.",
            writes.norm.shape[1],
            more=more,
        )
        return f"{nothing} {longer}"
    return ngettext(
        "In layer {layer} attention adds a vector of length {attention} to {token} (cosine with the stream {a}), the "
        "FFN one of {ffn} ({f}): attention's share, ‖attention‖ / (‖attention‖ + ‖FFN‖), is {share}. The FFN adds the "
        "longer vector in {more} of {count} layer.",
        "In layer {layer} attention adds a vector of length {attention} to {token} (cosine with the stream {a}), the "
        "FFN one of {ffn} ({f}): attention's share, ‖attention‖ / (‖attention‖ + ‖FFN‖), is {share}. The FFN adds the "
        "longer vector in {more} of {count} layers.",
        writes.norm.shape[1],
        layer=writes.layer,
        more=int((writes.norm[1] > writes.norm[0]).sum()),
        **writes.chosen,
    )


def table(writes: Writes) -> Table:
    """Per layer: both lengths, attention's share, both cosines with the stream."""
    return Table.of(
        (_("layer"), range(writes.norm.shape[1])),
        (_("attention (L2 norm)"), writes.norm[0]),
        (_("FFN (L2 norm)"), writes.norm[1]),
        (_("attention's share"), writes.share[0]),
        (_("attention (cosine)"), writes.cosine[0]),
        (_("FFN (cosine)"), writes.cosine[1]),
    )


def formula(writes: Writes) -> str:
    """The share at the chosen layer, with the numbers."""
    chosen = writes.chosen
    if writes.nothing:
        return "\n".join(
            (
                _("layer {layer}, {token}", layer=writes.layer, token=chosen["token"]),
                _("share of attention = ‖attention‖ / (‖attention‖ + ‖FFN‖)"),
                _("‖attention‖ + ‖FFN‖ = 0: of nothing there are no shares"),
            )
        )
    return "\n".join(
        (
            _("layer {layer}, {token}", layer=writes.layer, token=chosen["token"]),
            _("share of attention = ‖attention‖ / (‖attention‖ + ‖FFN‖)"),
            f"= {chosen['attention']} / ({chosen['attention']} + {chosen['ffn']}) = {chosen['share']}",
            _("cos(attention, stream it is added to) = {cosine}", cosine=chosen["a"]),
            _("cos(FFN, stream it is added to) = {cosine}", cosine=chosen["f"]),
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The lengths of both writes, for the chosen token, in every layer."""
    where = spec.paths
    return f'''{opening(spec, view)}
{LAYERS}
written = {{"attention": [], "ffn": []}}
for layer in layers:
    for name, path in (("attention", "{where.attention}"), ("ffn", "{where.ffn}")):
        layer.get_submodule(path).register_forward_hook(
            lambda module, given, out, name=name: written[name].append(out[0, {view.pos}].norm())
        )
with torch.no_grad():
    model(**inputs)

result = torch.stack([torch.stack(written["attention"]), torch.stack(written["ffn"])])  # [2, layers]
print(result[0] / result.sum(dim=0))  # attention's share
'''


PANEL = Panel(
    id="writes",
    stage="residual",
    order=1,
    name=N_("Writes"),
    title=N_("Which part adds more?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(AMOUNT,),
    places=("layer",),
)

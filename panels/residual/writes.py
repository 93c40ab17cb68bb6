"""What attention and the FFN each add to the chosen token's stream, layer by layer."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
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
from viz.pairs import Pairs, paired

AMOUNT = Choice("writes", N_("Show"), ("share", "length"), (N_("share"), N_("length")))
_ATTENTION, _FFN = Want("norm_attn"), Want("norm_ffn")
_ATTENTION_COS, _FFN_COS = Want("cos_attn"), Want("cos_ffn")


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Lengths of both writes, and their directions against the stream."""
    return (_ATTENTION, _FFN, _ATTENTION_COS, _FFN_COS)


def lengths(trace: Trace, view: Fitted) -> Float[np.ndarray, "2 layer"]:
    """L2 norm of what attention and the FFN add to the chosen token in each layer."""
    return np.stack([trace[_ATTENTION][:, view.pos], trace[_FFN][:, view.pos]])


def shares(written: Float[np.ndarray, "2 layer"]) -> Float[np.ndarray, "2 layer"]:
    """Each length over the sum of its layer's two, 0 to 1; halves where nothing is written."""
    total = written.sum(axis=0, dtype=np.float64)
    return np.divide(written, total, out=np.full(written.shape, 0.5), where=total > 0)


def _directions(trace: Trace, view: Fitted) -> Float[np.ndarray, "2 layer"]:
    return np.stack([trace[_ATTENTION_COS][:, view.pos], trace[_FFN_COS][:, view.pos]])


def draw(trace: Trace, view: Fitted) -> go.Figure:
    """Two bars per layer, or their shares one on the other; the chosen layer framed."""
    written, toward = lengths(trace, view), _directions(trace, view)
    as_share = view[AMOUNT] == "share"
    names = (_("attention"), _("FFN"))
    notes = tuple(_notes(name, written[i], toward[i]) for i, name in enumerate(names))
    return paired(
        Pairs(
            values=100 * shares(written) if as_share else written,
            names=names,
            notes=(notes[0], notes[1]),
            x_axis=_("layer"),
            y_axis=_("share of the two lengths (%)") if as_share else _("length of what is added (L2 norm)"),
            focus=view.layer,
            stacked=as_share,
        )
    )


def _notes(name: str, written: Float[np.ndarray, " layer"], toward: Float[np.ndarray, " layer"]) -> tuple[str, ...]:
    """Words for the hover boxes of one part."""
    return tuple(
        _(
            "layer {layer}: {part} adds length {length}, cosine with the stream {cosine}",
            layer=i,
            part=name,
            length=number(float(length)),
            cosine=cosine(float(direction)),
        )
        for i, (length, direction) in enumerate(zip(written, toward, strict=True))
    )


def caption(trace: Trace, view: Fitted) -> str:
    """The chosen layer's two lengths and directions, and in how many layers the FFN adds more."""
    written, toward = lengths(trace, view), _directions(trace, view)
    (attention, ffn), (a, f) = written[:, view.layer], toward[:, view.layer]
    more = int((written[1] > written[0]).sum())
    return ngettext(
        "In layer {layer} attention adds a vector of length {attention} to {token} (cosine with the stream {a}), the "
        "FFN one of {ffn} ({f}): attention's share, ‖attention‖ / (‖attention‖ + ‖FFN‖), is {share}. The FFN adds the "
        "longer vector in {more} of {count} layer.",
        "In layer {layer} attention adds a vector of length {attention} to {token} (cosine with the stream {a}), the "
        "FFN one of {ffn} ({f}): attention's share, ‖attention‖ / (‖attention‖ + ‖FFN‖), is {share}. The FFN adds the "
        "longer vector in {more} of {count} layers.",
        written.shape[1],
        layer=view.layer,
        attention=number(float(attention)),
        token=quoted(trace.tokens[view.pos].label),
        a=cosine(float(a)),
        ffn=number(float(ffn)),
        f=cosine(float(f)),
        share=percent(float(shares(written)[0, view.layer])),
        more=more,
    )


def table(trace: Trace, view: Fitted) -> Table:
    """Per layer: both lengths, attention's share, both cosines with the stream."""
    written, toward = lengths(trace, view), _directions(trace, view)
    share = shares(written)
    return Table(
        (
            _("layer"),
            _("attention (L2 norm)"),
            _("FFN (L2 norm)"),
            _("attention's share"),
            _("attention (cosine)"),
            _("FFN (cosine)"),
        ),
        tuple(
            (layer, *map(float, (*written[:, layer], share[0, layer], *toward[:, layer])))
            for layer in range(written.shape[1])
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The share at the chosen layer, with the numbers."""
    attention, ffn = (float(value) for value in lengths(trace, view)[:, view.layer])
    share = float(shares(lengths(trace, view))[0, view.layer])
    a, f = (float(value) for value in _directions(trace, view)[:, view.layer])
    return "\n".join(
        (
            _("layer {layer}, {token}", layer=view.layer, token=quoted(trace.tokens[view.pos].label)),
            _("share of attention = ‖attention‖ / (‖attention‖ + ‖FFN‖)"),
            f"= {number(attention)} / ({number(attention)} + {number(ffn)}) = {percent(share)}",
            _("cos(attention, stream it is added to) = {cosine}", cosine=cosine(a)),
            _("cos(FFN, stream it is added to) = {cosine}", cosine=cosine(f)),
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
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(AMOUNT,),
    places=("layer",),
)

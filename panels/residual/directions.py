"""In which direction attention and FFN write: along the stream, across it, or against it."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from anatomy.control import Choice
from anatomy.language import N_, _, ngettext
from anatomy.measure import cosines, norms
from anatomy.request import Want
from anatomy.rounding import largest_at, smallest_at
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.residual_decomposition import WRITES, written
from panels.common.snippet import LAYERS, opening
from panels.panel import Panel, Table
from viz import nouns
from viz.format import cosine, number, quoted, rounding
from viz.pairs import Pairs

TOWARD = Choice("toward", N_("Compare with"), ("stream", "write"), (N_("the stream"), N_("the write before it")))
_PARTS = (N_("attention"), N_("FFN"))
_REDUCED = (Want("cos_attn"), Want("cos_ffn"))


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Cosines with the stream in every layer and the chosen layer's vectors; or every write of the chosen token."""
    if view[TOWARD] == "stream":
        return (*_REDUCED, *(want for pair in _vectors(view) for want in pair))
    writes = [Want(site, layer, pos=view.pos) for site in WRITES for layer in range(spec.layers)]
    return (*writes, Want("resid_pre", 0, pos=view.pos))


def _vectors(view: Fitted) -> tuple[tuple[Want, Want], tuple[Want, Want]]:
    """For attention and FFN: the write, and the stream that it is added to."""
    attention, enters, ffn, between = (
        Want(site, view.layer, pos=view.pos) for site in ("attn_out", "resid_pre", "ffn_out", "resid_mid")
    )
    return (attention, enters), (ffn, between)


def directions(trace: Trace, view: Fitted) -> Float[np.ndarray, "2 layer"]:
    """Cosine, −1 to 1, of each write of attention and FFN with the stream before it, or with the write before it."""
    if view[TOWARD] == "stream":
        return np.stack([trace[want][:, view.pos] for want in _REDUCED])
    now, before = _in_turn(trace, view)
    return cosines(now, before).reshape(-1, 2).T


def _in_turn(trace: Trace, view: Fitted) -> tuple[Float[np.ndarray, "write d"], Float[np.ndarray, "write d"]]:
    """Every write in the order of the model, and what was written before it: by layer, attention and FFN in turn."""
    writes = written(trace, view).swapaxes(0, 1).reshape(-1, trace.spec.d_model)  # [2 · layer, d_model]
    return writes, np.concatenate([trace[Want("resid_pre", 0, pos=view.pos)][None], writes[:-1]])


def draw(trace: Trace, view: Fitted) -> Pairs:
    """Two bars per layer from −1 (against) over 0 (at a right angle) to 1 (along); the chosen layer framed."""
    toward, other = directions(trace, view), _other(view)
    notes = tuple(
        tuple(_note(_(part), i, other, float(value)) for i, value in enumerate(row))
        for part, row in zip(_PARTS, toward, strict=True)
    )
    return Pairs(
        values=toward,
        names=(_(_PARTS[0]), _(_PARTS[1])),
        notes=(notes[0], notes[1]),
        x_axis=_("layer"),
        y_axis=_("cosine with {other}", other=other),
        focus=view.layer,
        ends=(-1.0, 1.0),
    )


def _other(view: Fitted) -> str:
    """What writes are compared with, in words."""
    return _(TOWARD.shown(view[TOWARD]))


def _note(part: str, layer: int, other: str, value: float) -> str:
    return _(
        "layer {layer}: {part}'s write, cosine with {other} {cosine}",
        layer=layer,
        part=part,
        other=other,
        cosine=cosine(value),
    )


def caption(trace: Trace, view: Fitted) -> str:
    """The chosen layer's two directions in words, and the writes that lie most along and most against."""
    toward, other = directions(trace, view), _other(view)
    attention, ffn = (float(value) for value in toward[:, view.layer])
    token = quoted(trace.tokens[view.pos].label)
    values = {"layer": view.layer, "token": token, "other": other, "cosine": cosine(attention)}
    below = int((toward < 0).sum())
    counted = ngettext(
        "Of {writes} {count} has a cosine below 0; highest is {highest}, lowest {lowest}.",
        "Of {writes} {count} have a cosine below 0; highest is {highest}, lowest {lowest}.",
        below,
        writes=nouns.writes(toward.size),
        highest=_place(toward, largest_at(toward)),
        lowest=_place(toward, smallest_at(toward)),
    )
    second = _(_FFN_POINTS[_way(ffn)], other=other, cosine=cosine(ffn))
    return " ".join((_(_ATTENTION_POINTS[_way(attention)], **values), second, counted))


_ATTENTION_POINTS = {
    "along": N_("In layer {layer} attention's write to {token} points along {other} (cosine {cosine})."),
    "against": N_("In layer {layer} attention's write to {token} points against {other} (cosine {cosine})."),
    "across": N_("In layer {layer} attention's write to {token} points mostly across {other} (cosine {cosine})."),
}
_FFN_POINTS = {
    "along": N_("The FFN's points along {other} ({cosine})."),
    "against": N_("The FFN's points against {other} ({cosine})."),
    "across": N_("The FFN's points mostly across {other} ({cosine})."),
}


def _way(value: float) -> str:
    """Where a cosine points: within 60° of it, of its opposite, or of neither."""
    return "along" if value >= 0.5 else "against" if value <= -0.5 else "across"


def _place(toward: Float[np.ndarray, "2 layer"], flat: int) -> str:
    which, layer = np.unravel_index(flat, toward.shape)
    value = cosine(float(toward[which, layer]))
    return _("{part} in layer {layer} ({cosine})", part=_(_PARTS[which]), layer=layer, cosine=value)


def table(trace: Trace, view: Fitted) -> Table:
    """Per layer both cosines, and the angles that they are."""
    toward = directions(trace, view)
    angles = np.degrees(np.arccos(np.clip(toward, -1, 1)))
    return Table(
        (
            _("layer"),
            _("attention (cosine)"),
            _("FFN (cosine)"),
            _("attention (degrees)"),
            _("FFN (degrees)"),
        ),
        tuple((layer, *map(float, (*toward[:, layer], *angles[:, layer]))) for layer in range(toward.shape[1])),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """Both cosines of the chosen layer from their vectors, with the numbers."""
    toward = directions(trace, view)
    lines = [
        _("layer {layer}, {token}", layer=view.layer, token=quoted(trace.tokens[view.pos].label)),
        _("cosine = write · other / (‖write‖ ‖other‖), other: {other}", other=_other(view)),
    ]
    for i, (write, against) in enumerate(_pairs(trace, view)):
        dot = float(write.astype(np.float64) @ against.astype(np.float64))
        lengths = f"{number(float(norms(write)))} × {number(float(norms(against)))}"
        off = abs(float(cosines(write, against)) - float(toward[i, view.layer]))
        lines.append(
            _(
                "{part}: {ratio} = {cosine} (difference from the figure {off})",
                part=_(_PARTS[i]),
                ratio=f"{number(dot)} / ({lengths})",
                cosine=cosine(float(toward[i, view.layer])),
                off=rounding(off, 1.0),
            )
        )
    return "\n".join(lines)


def _pairs(trace: Trace, view: Fitted) -> list[tuple[np.ndarray, np.ndarray]]:
    """The chosen layer's writes, each with what it is compared with."""
    if view[TOWARD] == "stream":
        return [(trace[write], trace[stream]) for write, stream in _vectors(view)]
    now, before = _in_turn(trace, view)
    return [(now[i], before[i]) for i in (2 * view.layer, 2 * view.layer + 1)]


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The cosines of both writes in every layer, for the chosen token."""
    return f"""{opening(spec, view)}
{LAYERS}
{_seen(spec, view)}
with torch.no_grad():
    model(**inputs)

writes = torch.stack(writes)  # [2 · layers, d_model]: attention and FFN in turn
{_OTHERS[view[TOWARD]]}
result = torch.cosine_similarity(writes, others, dim=-1).view(-1, 2).T  # [2, layers]
print(result)
"""


_OTHERS = {
    "stream": "others = torch.stack(streams)  # what each is added to",
    "write": "others = torch.cat([streams[0][None], writes[:-1]])  # what was written before each",
}


def _seen(spec: ModelSpec, view: Fitted) -> str:
    """Hooks that collect the writes, and the streams that they are added to."""
    where = spec.paths
    between = where.norms[1] if spec.norm.place == "pre" else where.inner[0]
    return f'''writes, streams = [], []
for layer in layers:
    layer.register_forward_pre_hook(
        lambda layer, given, named: streams.append((given[0] if given else named["hidden_states"])[0, {view.pos}]),
        with_kwargs=True,
    )
    layer.get_submodule("{between}").register_forward_pre_hook(
        lambda module, given: streams.append(given[0][0, {view.pos}])
    )
    for path in ("{where.attention}", "{where.ffn}"):
        layer.get_submodule(path).register_forward_hook(lambda module, given, out: writes.append(out[0, {view.pos}]))'''


PANEL = Panel(
    id="directions",
    stage="residual",
    order=3,
    name=N_("Directions"),
    title=N_("Which way does each part write?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(TOWARD,),
    places=("layer",),
)

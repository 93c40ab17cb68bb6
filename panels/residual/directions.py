"""In which direction attention and FFN write: along the stream, across it, or against it."""

from collections.abc import Sequence
from dataclasses import dataclass

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
from viz.marks import Stands
from viz.pairs import Pairs

TOWARD = Choice(
    "toward",
    N_("Compare with"),
    ("stream", "write"),
    (N_("the stream"), N_("the write before it")),
    says=N_(
        "What the direction of each write is compared with: the stream that it is added to, or what the part before "
        "it wrote."
    ),
)
_PARTS = (N_("attention"), N_("FFN"))
_REDUCED = (Want("cos_attn"), Want("cos_ffn"))
_STREAMS = ("resid_pre", "resid_mid")  # what attention's write and the FFN's are added to


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Cosines with the stream in every layer and the chosen layer's vectors; or every write of the chosen token."""
    if view[TOWARD] == "stream":
        return (*_REDUCED, *_vectors(view, WRITES + _STREAMS))
    writes = [Want(site, layer, pos=view.pos) for site in WRITES for layer in range(spec.layers)]
    return (*writes, Want("resid_pre", 0, pos=view.pos))


def _vectors(view: Fitted, sites: tuple[str, ...]) -> list[Want]:
    """The chosen token's vectors at these sites of the chosen layer."""
    return [Want(site, view.layer, pos=view.pos) for site in sites]


@dataclass(frozen=True)
class Directions:
    """Which way attention (row 0) and the FFN (row 1) write to the chosen token.

    layer, token   the chosen layer, and the token's label
    toward         what writes are compared with, as `TOWARD` names it
    cosine         −1 to 1, of each write with the stream before it, or with the write before it
    write, before  of the chosen layer: the writes, and what each is compared with (activation)
    """

    layer: int
    token: str
    toward: str
    cosine: Float[np.ndarray, "2 layer"]
    write: Float[np.ndarray, "2 d_model"]
    before: Float[np.ndarray, "2 d_model"]

    @property
    def other(self) -> str:
        """What writes are compared with, in words."""
        return _(TOWARD.shown(self.toward))


def read(trace: Trace, view: Fitted) -> Directions:
    """The engine's cosines with the stream and the chosen layer's vectors; or every write beside the one before it."""
    if view[TOWARD] == "stream":
        toward = np.stack([trace[want][:, view.pos] for want in _REDUCED])
        now, before = (np.stack([trace[want] for want in _vectors(view, sites)]) for sites in (WRITES, _STREAMS))
    else:
        writes = written(trace, view).swapaxes(0, 1).reshape(-1, trace.spec.d_model)  # [2 · layer, d_model]
        others = np.concatenate([trace[Want("resid_pre", 0, pos=view.pos)][None], writes[:-1]])
        toward = cosines(writes, others).reshape(-1, 2).T
        now, before = (each[2 * view.layer : 2 * view.layer + 2] for each in (writes, others))
    return Directions(view.layer, trace.tokens[view.pos].label, view[TOWARD], toward, now, before)


def draw(directions: Directions) -> Pairs:
    """Two bars per layer from −1 (against) over 0 (at a right angle) to 1 (along); the chosen layer framed."""
    return Pairs(
        values=directions.cosine,
        names=(_(_PARTS[0]), _(_PARTS[1])),
        notes=(_notes(directions, 0), _notes(directions, 1)),
        x_axis=_("layer"),
        y_axis=_("cosine with {other}", other=directions.other),
        focus=directions.layer,
        ends=(-1.0, 1.0),
        stands=(Stands.each("layer", directions.cosine.shape[1]),),
    )


def _notes(directions: Directions, row: int) -> tuple[str, ...]:
    """Words for the hover boxes of one part."""
    return tuple(
        _(
            "layer {layer}: {part}'s write, cosine with {other} {cosine}",
            layer=layer,
            part=_(_PARTS[row]),
            other=directions.other,
            cosine=cosine(value),
        )
        for layer, value in enumerate(directions.cosine[row].tolist())
    )


def caption(directions: Directions) -> str:
    """The chosen layer's two directions in words, and the writes that lie most along and most against."""
    toward, other = directions.cosine, directions.other
    attention, ffn = toward[:, directions.layer].tolist()
    token = quoted(directions.token)
    values = {"layer": directions.layer, "token": token, "other": other, "cosine": cosine(attention)}
    below = int((toward < 0).sum())
    counted = ngettext(
        "Of {writes} {count} has a cosine below 0; highest is {highest}, lowest {lowest}.",
        "Of {writes} {count} have a cosine below 0; highest is {highest}, lowest {lowest}.",
        below,
        writes=nouns.writes(toward.size),
        highest=_place(toward, largest_at(toward)),
        lowest=_place(toward, smallest_at(toward)),
    )
    first, then = (
        _way(value) if write.any() else "nowhere"
        for value, write in zip((attention, ffn), directions.write, strict=True)
    )
    second = _(_FFN_POINTS[then], other=other, cosine=cosine(ffn))
    return " ".join((_(_ATTENTION_POINTS[first], **values), second, counted))


_ATTENTION_POINTS = {
    "along": N_("In layer {layer} attention's write to {token} points along {other} (cosine {cosine})."),
    "against": N_("In layer {layer} attention's write to {token} points against {other} (cosine {cosine})."),
    "across": N_("In layer {layer} attention's write to {token} points mostly across {other} (cosine {cosine})."),
    "nowhere": N_("In layer {layer} attention writes nothing to {token}, which has no direction."),
}
_FFN_POINTS = {
    "along": N_("The FFN's points along {other} ({cosine})."),
    "against": N_("The FFN's points against {other} ({cosine})."),
    "across": N_("The FFN's points mostly across {other} ({cosine})."),
    "nowhere": N_("The FFN writes nothing."),
}


def _way(value: float) -> str:
    """Where a cosine points: within 60° of it, of its opposite, or of neither."""
    return "along" if value >= 0.5 else "against" if value <= -0.5 else "across"


def _place(toward: Float[np.ndarray, "2 layer"], flat: int) -> str:
    which, layer = np.unravel_index(flat, toward.shape)
    value = cosine(float(toward[which, layer]))
    return _("{part} in layer {layer} ({cosine})", part=_(_PARTS[which]), layer=layer, cosine=value)


def table(directions: Directions) -> Table:
    """Per layer both cosines, and the angles that they are."""
    toward = directions.cosine
    angles = np.degrees(np.arccos(np.clip(toward, -1, 1)))
    return Table.of(
        (_("layer"), range(toward.shape[1])),
        (_("attention (cosine)"), toward[0]),
        (_("FFN (cosine)"), toward[1]),
        (_("attention (degrees)"), angles[0]),
        (_("FFN (degrees)"), angles[1]),
    )


def formula(directions: Directions) -> str:
    """Both cosines of the chosen layer from their vectors, with the numbers."""
    lines = [
        _("layer {layer}, {token}", layer=directions.layer, token=quoted(directions.token)),
        _("cosine = write · other / (‖write‖ ‖other‖), other: {other}", other=directions.other),
    ]
    shown = directions.cosine[:, directions.layer].tolist()
    for part, write, before, value in zip(_PARTS, directions.write, directions.before, shown, strict=True):
        dot = float(write.astype(np.float64) @ before.astype(np.float64))
        lengths = f"{number(float(norms(write)))} × {number(float(norms(before)))}"
        lines.append(
            _(
                "{part}: {ratio} = {cosine} (difference from the figure {off})",
                part=_(part),
                ratio=f"{number(dot)} / ({lengths})",
                cosine=cosine(value),
                off=rounding(abs(float(cosines(write, before)) - value), 1.0),
            )
        )
    return "\n".join(lines)


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
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(TOWARD,),
    places=("layer",),
)

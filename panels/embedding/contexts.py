"""The same token at two places of the text: one row of the table, two vectors ever less alike as context comes in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy.language import N_, _, ngettext
from anatomy.measure import cosines, norms
from anatomy.request import Want
from anatomy.rounding import smallest_at
from anatomy.spec import LearnedPositions, ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.snippet import LAYERS, TABLE, opening
from panels.panel import Panel, Table
from viz.description import Description
from viz.format import fixed, number, quoted
from viz.lines import Lines, banded

_ENTERING = Want("resid_pre", 0)
_BEFORE = """layers[0].register_forward_pre_hook(
    lambda layer, given, named: streams.append(given[0] if given else named["hidden_states"]), with_kwargs=True
)
"""


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The chosen token's row and stream, and its stream's cosine with every other token's, layer by layer."""
    entering = (_ENTERING,) if _changed(spec) else ()
    return (_row(view), _alike(view), *entering, *_leaving(spec, view))


def _changed(spec: ModelSpec) -> bool:
    """Whether something (a vector for the position) is added to the row before layer 0."""
    return isinstance(spec.position, LearnedPositions)


def _leaving(spec: ModelSpec, view: Fitted) -> list[Want]:
    return [Want("resid_post", layer, pos=view.pos) for layer in range(spec.layers)]


def _row(view: Fitted) -> Want:
    return Want("tok_embed", pos=view.pos)


def _alike(view: Fitted) -> Want:
    return Want("cos_tokens", pos=view.pos)


@dataclass(frozen=True)
class Paths:
    """Cosines at every place on the way: the table, the stream entering layer 0 where that is another vector, the
    stream leaving each layer.

    others  the positions of the same token, the nearest first
    same    against the streams of those
    own     against the token's own row
    """

    others: tuple[int, ...]
    same: Float[np.ndarray, "other place"]
    own: Float[np.ndarray, " place"]


def paths(trace: Trace, view: Fitted) -> Paths:
    """Cosines of the chosen token's stream with those of the same token elsewhere, and with its own row."""
    token = trace.tokens[view.pos].id
    elsewhere = [i for i, other in enumerate(trace.tokens) if other.id == token and i != view.pos]
    others = sorted(elsewhere, key=lambda i: (i != view.src, abs(i - view.pos)))
    same = [np.ones(len(others)), *trace[_alike(view)][:, others]]  # [place] [other]
    stream = [trace[want] for want in _leaving(trace.spec, view)]
    if _changed(trace.spec):
        entering = trace[_ENTERING]
        same.insert(1, cosines(entering[others], entering[view.pos, None]))
        stream.insert(0, entering[view.pos])
    own = cosines(np.stack(stream), trace[_row(view)][None, :])
    return Paths(tuple(others), np.clip(np.array(same).T, -1, 1), np.clip([1.0, *own], -1, 1))


def _places(spec: ModelSpec) -> tuple[str, ...]:
    """Names of the places."""
    return (_("row"), *((_("in"),) if _changed(spec) else ()), *(str(layer) for layer in range(spec.layers)))


def draw(trace: Trace, view: Fitted) -> Description:
    """A line per other place of the token, the nearest in the accent; dashed, the cosine with the token's own row."""
    return _lines(trace, paths(trace, view))


def _lines(trace: Trace, similarity: Paths) -> Lines:
    axis = _("after layer (row: the table)")
    if _changed(trace.spec):
        axis = _("after layer (row: the table; in: before layer 0)")
    return Lines(
        values=np.vstack([similarity.same, similarity.own]),
        names=(*(_("at {pos}", pos=other) for other in similarity.others), _("own row")),
        places=_places(trace.spec),
        chosen=0,
        marked=len(similarity.others) or None,
        x_axis=axis,
        y_axis=_("cosine"),
        lead=True,
    )


def caption(trace: Trace, view: Fitted) -> str:
    """How alike the two places stay, or how to get a second place."""
    similarity = paths(trace, view)
    spec, name = trace.spec, quoted(trace.tokens[view.pos].label)
    if not similarity.others:
        return _(
            "{token} stands only once in this text: write it a second time to compare two contexts. The line shows how "
            "far its vector moves from its own row: {moved}.",
            token=name,
            moved=_moved(spec, similarity.own),
        )
    parted = _(
        "With the layers the two vectors become those of two contexts: {parted}. With its own row the one at {pos} has "
        "{own}.",
        parted=_moved(spec, similarity.same[0]),
        pos=view.pos,
        own=_("cosine {end} after layer {last}", end=_three(similarity.own[-1]), last=spec.layers - 1),
    )
    sentences = (_same(spec, similarity, name, view.pos), parted, _band(_lines(trace, similarity)))
    return " ".join(sentence for sentence in sentences if sentence)


def _band(given: Lines) -> str:
    """What became of the lines that are not drawn one by one."""
    if not banded(given):
        return ""
    return ngettext(
        "Its {count} other place is drawn as its range and median.",
        "Its {count} other places are drawn as their range and median.",
        len(given.others),
    )


def _three(value: float) -> str:
    """A cosine with three decimals: these differ from 1 by little."""
    return fixed(value, 3)


def _same(spec: ModelSpec, similarity: Paths, name: str, pos: int) -> str:
    """That both places begin with one row, and what positions that are added do before the first layer."""
    values = {"token": name, "pos": pos, "other": similarity.others[0]}
    if not _changed(spec):
        return _("{token} at {pos} and at {other} has the same row (cosine 1.000).", **values)
    return _(
        "{token} at {pos} and at {other} has the same row (cosine 1.000); what is added before layer 0 (positions) "
        "brings it to {entering}.",
        entering=_three(similarity.same[0, 1]),
        **values,
    )


def _moved(spec: ModelSpec, path: Float[np.ndarray, " place"]) -> str:
    """The cosine at the end, and where it is smallest."""
    place = smallest_at(path)
    values = {"end": _three(path[-1]), "last": spec.layers - 1}
    if place == len(path) - 1:
        return _("cosine {end} after layer {last}, the least of all", **values)
    values["least"] = _three(path[place])
    if place == 0:
        return _("cosine {end} after layer {last}, the least {least} in the table", **values)
    layer = place - 1 - _changed(spec)
    if layer < 0:
        return _("cosine {end} after layer {last}, the least {least} before layer 0", **values)
    return _("cosine {end} after layer {last}, the least {least} after layer {layer}", layer=layer, **values)


def table(trace: Trace, view: Fitted) -> Table:
    """Per place on the way: the nearest other place, the range over all other places, the own row."""
    similarity = paths(trace, view)
    columns = [_("after layer")]
    values = [similarity.own]
    if similarity.others:
        columns += [
            _("cosine with the token at {pos}", pos=similarity.others[0]),
            _("least of all its places"),
            _("most"),
        ]
        values = [similarity.same[0], similarity.same.min(axis=0), similarity.same.max(axis=0), similarity.own]
    return Table(
        (*columns, _("cosine with its own row")),
        tuple((place, *map(float, row)) for place, row in zip(_places(trace.spec), np.array(values).T, strict=True)),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The cosine with the own row after the last layer, with dot product and lengths; then the other place's."""
    similarity, last = paths(trace, view), trace.spec.layers - 1
    token = quoted(trace.tokens[view.pos].label)
    row = trace[_row(view)].astype(float)
    stream = trace[Want("resid_post", last, pos=view.pos)].astype(float)
    lines = [
        _("a = stream of {token} after layer {layer}, b = its row of the table", token=token, layer=last),
        "cos(a, b) = a·b / (‖a‖ · ‖b‖)",
        f"= {number(float(stream @ row))} / ({number(float(norms(stream)))} · {number(float(norms(row)))}) "
        f"= {_three(similarity.own[-1])}",
    ]
    if similarity.others:
        lines.append(
            _(
                "a with the stream at {pos} after the same layer: {cosine}",
                pos=similarity.others[0],
                cosine=_three(similarity.same[0, -1]),
            )
        )
    return "\n".join(lines)


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Cosines of the chosen token's stream with those of its other places, in the order of the text, then its row."""
    return f"""{opening(spec, view)}
{TABLE}{LAYERS}
streams = []
{_BEFORE if _changed(spec) else ""}for layer in layers:
    layer.register_forward_hook(lambda layer, given, out: streams.append(out[0] if isinstance(out, tuple) else out))
with torch.no_grad():
    model(**inputs)

rows = [table[ids][None], *streams]
here = torch.stack([stream[0, {view.pos}] for stream in rows])  # [place, d_model]
result = []
for other in [i for i, token in enumerate(ids) if token == ids[{view.pos}] and i != {view.pos}]:
    there = torch.stack([stream[0, other] for stream in rows])
    result.append(torch.cosine_similarity(here, there, dim=-1))
result.append(torch.cosine_similarity(here, here[:1], dim=-1))  # with its own row
result = torch.stack(result)
print(result)
"""


PANEL = Panel(
    id="contexts",
    stage="embedding",
    order=4,
    name=N_("Contexts"),
    title=N_("Is the same word the same vector everywhere?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
)

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
from viz.format import fixed, number, quoted
from viz.lines import Lines, banded
from viz.marks import Stands

_ENTERING = Want("resid_pre", 0)
_ALIKE = 0.99  # cosine from which two vectors count as nearly the same
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
    """The chosen token's vector on its way: the table, the stream entering layer 0 where that is another vector, the
    stream leaving each layer.

    pos, token  the chosen token's position and label
    entering    whether the stream entering layer 0 is a place of its own
    others      the positions of the same token, the nearest first
    cosines     with the streams of those, and in the last line with the token's own row
    row         the token's own (activation)
    stream      leaving the last layer (activation)
    """

    pos: int
    token: str
    entering: bool
    others: tuple[int, ...]
    cosines: Float[np.ndarray, "line place"]
    row: Float[np.ndarray, " d_model"]
    stream: Float[np.ndarray, " d_model"]

    @property
    def same(self) -> Float[np.ndarray, "other place"]:
        """Cosines with the streams of the same token elsewhere."""
        return self.cosines[:-1]

    @property
    def own(self) -> Float[np.ndarray, " place"]:
        """Cosines with the token's own row."""
        return self.cosines[-1]

    @property
    def last(self) -> int:
        """The last layer."""
        return len(self.own) - 2 - self.entering

    @property
    def places(self) -> tuple[str, ...]:
        """Names of the places."""
        return (_("row"), *((_("in"),) if self.entering else ()), *map(str, range(self.last + 1)))


def read(trace: Trace, view: Fitted) -> Paths:
    """Cosines of the chosen token's stream with those of the same token elsewhere, and with its own row."""
    token, row, entering = trace.tokens[view.pos], trace[_row(view)], _changed(trace.spec)
    elsewhere = [i for i, other in enumerate(trace.tokens) if other.id == token.id and i != view.pos]
    others = sorted(elsewhere, key=lambda i: (i != view.src, abs(i - view.pos)))
    same = [np.ones(len(others)), *trace[_alike(view)][:, others]]  # [place] [other]
    stream = [trace[want] for want in _leaving(trace.spec, view)]
    if entering:
        before = trace[_ENTERING]
        same.insert(1, cosines(before[others], before[view.pos, None]))
        stream.insert(0, before[view.pos])
    own = [1.0, *cosines(np.stack(stream), row[None, :])]
    lines = np.clip(np.vstack([np.array(same).T, own]), -1, 1)
    return Paths(view.pos, token.label, entering, tuple(others), lines, row, stream[-1])


def draw(paths: Paths) -> Lines:
    """A line per other place of the token, the nearest in the accent; dashed, the cosine with the token's own row."""
    axis = _("after layer (row: the table)")
    if paths.entering:
        axis = _("after layer (row: the table; in: before layer 0)")
    return Lines(
        values=paths.cosines,
        names=(*(_("at {pos}", pos=other) for other in paths.others), _("own row")),
        places=paths.places,
        chosen=0,
        marked=len(paths.others) or None,
        x_axis=axis,
        y_axis=_("cosine"),
        lead=True,
        stands=(Stands("src", paths.others), Stands.each("layer", paths.last + 1, before=1 + paths.entering)),
    )


def caption(paths: Paths) -> str:
    """How alike the two places stay, or how to get a second place."""
    if not paths.others:
        return _(
            "{token} stands only once in this text: write it a second time to compare two contexts. The line shows how "
            "far its vector moves from its own row: {moved}.",
            token=quoted(paths.token),
            moved=_moved(paths, paths.own),
        )
    values = {
        "parted": _moved(paths, paths.same[0]),
        "pos": paths.pos,
        "own": _("cosine {end} after layer {last}", end=_three(paths.own[-1]), last=paths.last),
    }
    if _three(paths.same[0].min()) == _three(1.0):
        parted = _(
            "The two vectors stay the same: {parted}. With its own row the one at {pos} has {own}.",
            **values,
        )
    elif paths.same[0].min() >= _ALIKE:
        parted = _(
            "The two vectors stay nearly the same: {parted}. With its own row the one at {pos} has {own}.",
            **values,
        )
    else:
        parted = _(
            "With the layers the two vectors become those of two contexts: {parted}. With its own row the one at {pos} "
            "has {own}.",
            **values,
        )
    return " ".join(sentence for sentence in (_same(paths), parted, _band(len(paths.others))) if sentence)


def _band(places: int) -> str:
    """What became of the lines of so many other places that are not drawn one by one: all but the nearest's."""
    if not banded(places + 1):
        return ""
    return ngettext(
        "Its {count} other place is drawn as its range and median.",
        "Its {count} other places are drawn as their range and median.",
        places - 1,
    )


def _three(value: float) -> str:
    """A cosine with three decimals: these differ from 1 by little."""
    return fixed(value, 3)


def _same(paths: Paths) -> str:
    """That both places begin with one row, and what positions that are added do before the first layer."""
    values = {"token": quoted(paths.token), "pos": paths.pos, "other": paths.others[0]}
    if not paths.entering:
        return _("{token} at {pos} and at {other} has the same row (cosine 1.000).", **values)
    return _(
        "{token} at {pos} and at {other} has the same row (cosine 1.000); what is added before layer 0 (positions) "
        "brings it to {entering}.",
        entering=_three(paths.same[0, 1]),
        **values,
    )


def _moved(paths: Paths, path: Float[np.ndarray, " place"]) -> str:
    """The cosine at the end, and where it is smallest."""
    place = smallest_at(path)
    values = {"end": _three(path[-1]), "last": paths.last}
    if _three(path[place]) == _three(path.max()):
        return _("cosine {end} all the way to layer {last}", **values)
    if _three(path[place]) == values["end"]:
        return _("cosine {end} after layer {last}, the least of all", **values)
    values["least"] = _three(path[place])
    layer = place - 1 - paths.entering
    if layer < 0:
        return _("cosine {end} after layer {last}, the least {least} before layer 0", **values)
    return _("cosine {end} after layer {last}, the least {least} after layer {layer}", layer=layer, **values)


def table(paths: Paths) -> Table:
    """Per place on the way: the nearest other place, the range over all other places, the own row."""
    others = []
    if paths.others:
        others = [
            (_("cosine with the token at {pos}", pos=paths.others[0]), paths.same[0]),
            (_("least of all its places"), paths.same.min(axis=0)),
            (_("most"), paths.same.max(axis=0)),
        ]
    return Table.of((_("after layer"), paths.places), *others, (_("cosine with its own row"), paths.own))


def formula(paths: Paths) -> str:
    """The cosine with the own row after the last layer, with dot product and lengths; then the other place's."""
    row, stream = paths.row.astype(float), paths.stream.astype(float)
    lines = [
        _(
            "a = stream of {token} after layer {layer}, b = its row of the table",
            token=quoted(paths.token),
            layer=paths.last,
        ),
        "cos(a, b) = a·b / (‖a‖ · ‖b‖)",
        f"= {number(float(stream @ row))} / ({number(float(norms(stream)))} · {number(float(norms(row)))}) "
        f"= {_three(paths.own[-1])}",
    ]
    if paths.others:
        lines.append(
            _(
                "a with the stream at {pos} after the same layer: {cosine}",
                pos=paths.others[0],
                cosine=_three(paths.same[0, -1]),
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
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
)

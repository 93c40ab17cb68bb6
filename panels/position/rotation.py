"""The rotary lab: one pair of components of the model's own query and key, before and after their turn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from anatomy import facts, rotary
from anatomy.control import Control, Slider
from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import requires
from panels.common.snippet import opening
from panels.panel import Panel, Table
from panels.position.position_waves import rope_of
from panels.position.unturned import Unturned, before_turn, unturned, wants
from viz.format import number, quoted, rounding, thousands
from viz.plane import Planes, Turn

PAIR = Slider(
    "pair",
    N_("Pair of components"),
    0,
    255,
    1,
    8,
    says=N_(
        "Which two dimensions of query and key are drawn as an arrow: pair 0 turns fastest with the position, the "
        "last one most slowly."
    ),
)
SHIFT = Slider(
    "shift",
    N_("Move both tokens on by"),
    0,
    512,
    1,
    0,
    says=N_("By how many positions both tokens move on together: both arrows turn, and their score stays the same."),
)


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The layer's queries and keys, before the turn and after it; its weights, for the key that gets most where none
    is chosen."""
    return wants(view)


def fitting(spec: ModelSpec, view: Fitted, control: Control) -> Control:
    """The pairs that the model has."""
    return _pairs(spec) if control == PAIR else control


def _pairs(spec: ModelSpec) -> Slider:
    return PAIR.up_to(len(rope_of(spec).frequencies) - 1)


@dataclass(frozen=True)
class Side:
    """The query or the key, activations.

    position  where it is turned to
    pairs     how many there are
    plain     before the turn
    turned    after it
    model     at its own position, as the model turned it
    """

    position: int
    pairs: int
    plain: Float[np.ndarray, " d_head"]
    turned: Float[np.ndarray, " d_head"]
    model: Float[np.ndarray, " d_head"]

    @cached_property
    def before(self) -> Float[np.ndarray, "pair 2"]:
        """Its pairs before the turn."""
        return rotary.in_pairs(self.plain, self.pairs)

    @cached_property
    def after(self) -> Float[np.ndarray, "pair 2"]:
        """Its pairs after the turn."""
        return rotary.in_pairs(self.turned, self.pairs)

    @cached_property
    def own(self) -> Float[np.ndarray, "pair 2"]:
        """Its pairs as the model turned them."""
        return rotary.in_pairs(self.model, self.pairs)


@dataclass(frozen=True)
class Lab:
    """The chosen query and key on the table.

    given   before the turn, as the projections give them, and as the model turned them
    pair    the pair shown
    shift   by how many tokens both were moved
    sides   query and key, turned to their positions + shift
    moved   q·k there, all pairs together
    """

    given: Unturned
    pair: int
    shift: int
    sides: tuple[Side, Side]
    moved: float

    @property
    def pairs(self) -> int:
        """How many pairs the model has."""
        return len(self.given.frequencies)

    @property
    def frequency(self) -> float:
        """Radians per token of the pair shown."""
        return float(self.given.frequencies[self.pair])

    @cached_property
    def own(self) -> float:
        """q·k of query and key as the model turned them."""
        return float(self.given.cell.q @ self.given.cell.k)

    @property
    def parts(self) -> bool:
        """Whether query or key is changed after the turn, so that the two are not one."""
        return self.given.changed.part(self.moved - self.own, self.given.products)

    @property
    def difference(self) -> str:
        """How far `moved` is from the model's own q·k: in words, as the bound that it keeps."""
        return rounding(self.moved - self.own, self.given.products)

    def angle(self, side: Side) -> float:
        """Radians by which the pair is turned, whole turns included."""
        return side.position * self.frequency

    def names(self) -> tuple[str, str]:
        """What the two sides are called."""
        return (
            _("query of {token}", token=quoted(self.given.looking)),
            _("key of {token}", token=quoted(self.given.looked)),
        )


def read(trace: Trace, view: Fitted) -> Lab:
    """The query and key before the turn, turned to the shifted positions (RoFormer, Su et al. 2021, sec. 3.2.2). Raises
    TypeError for a model without rotary positions."""
    given, shift = unturned(trace, view), int(view[SHIFT])
    query = _side(given, given.q, given.places[0] + shift, given.cell.q)
    key = _side(given, given.k, given.places[1] + shift, given.cell.k)
    pair = int(view[_pairs(trace.spec)])
    return Lab(given, pair, shift, (query, key), float(query.turned @ key.turned))


def _side(
    given: Unturned, plain: Float[np.ndarray, " d_head"], position: int, model: Float[np.ndarray, " d_head"]
) -> Side:
    turned = rotary.turned(plain, rotary.angles(position, given.frequencies), given.rope.stretch)
    return Side(position, len(given.frequencies), plain, turned, model)


def draw(lab: Lab) -> Planes:
    """The pair of the query and that of the key, each on a plane of its own."""
    turns = [_turn(lab, side, whose) for side, whose in zip(lab.sides, lab.names(), strict=True)]
    axes = [_("component {component}", component=component) for component in (lab.pair, lab.pair + lab.pairs)]
    return Planes(turns, *axes)


def _turn(lab: Lab, side: Side, whose: str) -> Turn:
    before, after, angle = side.before[lab.pair], side.after[lab.pair], lab.angle(side)
    return Turn(
        title=_("{whose}: turned by {angle}", whose=whose, angle=_degrees(angle)),
        x=float(before[0]),
        y=float(before[1]),
        angle=angle,
        before=_("{whose} before the turn: {point}", whose=whose, point=_point(before)),
        after=_("{whose} at position {position}: {point}", whose=whose, position=side.position, point=_point(after)),
    )


def _point(pair: Float[np.ndarray, " 2"]) -> str:
    return f"({number(float(pair[0]))}, {number(float(pair[1]))})"


def _length(pair: Float[np.ndarray, " 2"]) -> float:
    return float(np.hypot(*pair))


def _degrees(radians: float) -> str:
    return f"{number(math.degrees(radians))}°"


def caption(lab: Lab) -> str:
    """By how much the pair turns at the two positions, that its length stays, and that only the distance counts."""
    query, key = lab.sides
    turns = _(
        "In layer {layer}, head {head}, pair {pair} of {pairs} turns by {step} per token: the query of {looking} at "
        "position {pos} by {query_angle}, the key of {looked} at {src} by {key_angle}.",
        layer=lab.given.layer,
        head=lab.given.head,
        pair=lab.pair,
        pairs=lab.pairs,
        step=_degrees(lab.frequency),
        looking=quoted(lab.given.looking),
        pos=query.position,
        query_angle=_degrees(lab.angle(query)),
        looked=quoted(lab.given.looked),
        src=key.position,
        key_angle=_degrees(lab.angle(key)),
    )
    return f"{turns} {_lengths(lab)} {_moved(lab)}"


def _lengths(lab: Lab) -> str:
    """What the turn does to the pairs' lengths: nothing, in most models."""
    query, key = (number(_length(side.before[lab.pair])) for side in lab.sides)
    if lab.given.rope.stretch == 1:
        return _("Their lengths stay {query} and {key}.", query=query, key=key)
    return _(
        "Their lengths, {query} and {key}, are multiplied by {stretch}: this model's turn changes them as well.",
        query=query,
        key=key,
        stretch=number(lab.given.rope.stretch),
    )


def _changed(lab: Lab) -> str:
    """That something is changed after the turn, and what becomes of q·k."""
    return _(
        "A change of this run comes after the turn ({change}): by the turn alone q·k is {product}, in the run it is "
        "{own}.",
        change=lab.given.changed.says,
        product=number(lab.moved),
        own=number(lab.own),
    )


def _moved(lab: Lab) -> str:
    if lab.parts:
        moved = ngettext(
            "Both stand {count} token further on than in the text.",
            "Both stand {count} tokens further on than in the text.",
            lab.shift,
        )
        return f"{moved} {_changed(lab)}" if lab.shift else _changed(lab)
    further = max(side.position for side in lab.sides) + 1  # tokens of a text that ends there
    served = lab.given.rope.served(further)
    if lab.shift and served < further:
        return ngettext(
            "Both stand {count} token further on than in the text. A text that long is turned by other angles in "
            "this model (more than {original} tokens); by those of this one, q·k is {product} (difference {off}).",
            "Both stand {count} tokens further on than in the text. A text that long is turned by other angles in "
            "this model (more than {original} tokens); by those of this one, q·k is {product} (difference {off}).",
            lab.shift,
            original=thousands(served),
            product=number(lab.moved),
            off=lab.difference,
        )
    if lab.shift:
        return ngettext(
            "Both stand {count} token further on than in the text, and q·k is still {product} (difference {off}).",
            "Both stand {count} tokens further on than in the text, and q·k is still {product} (difference {off}).",
            lab.shift,
            product=number(lab.moved),
            off=lab.difference,
        )
    distance = lab.given.distance
    return ngettext(
        "Of the two angles only the difference enters q·k: {angle}, for {count} token of distance.",
        "Of the two angles only the difference enters q·k: {angle}, for {count} tokens of distance.",
        abs(distance),
        angle=_degrees(distance * lab.frequency),
    )


def table(lab: Lab) -> Table:
    """Every pair: frequency, both angles, both vectors before and after, and what the pair adds to q·k."""
    query, key = lab.sides
    return Table.of(
        (_("pair"), range(lab.pairs)),
        (_("frequency (radians per token)"), lab.given.frequencies),
        (_("angle of q (degrees)"), np.degrees(query.position * lab.given.frequencies)),
        (_("angle of k (degrees)"), np.degrees(key.position * lab.given.frequencies)),
        (_("q before, first"), query.before[:, 0]),
        (_("q before, second"), query.before[:, 1]),
        (_("q at position {position}, first", position=query.position), query.after[:, 0]),
        (_("q at position {position}, second", position=query.position), query.after[:, 1]),
        (_("k before, first"), key.before[:, 0]),
        (_("k before, second"), key.before[:, 1]),
        (_("k at position {position}, first", position=key.position), key.after[:, 0]),
        (_("k at position {position}, second", position=key.position), key.after[:, 1]),
        (_("share of q·k"), (query.after * key.after).sum(axis=-1)),
    )


def formula(lab: Lab) -> str:
    """The turn of both vectors, their lengths, and q·k here and further on, against the model's own."""
    query, key = lab.sides
    return "\n".join(
        (
            lab.given.title,
            _("pair (a, b) → (a cos α − b sin α, a sin α + b cos α),   α = position × frequency"),
            *_stretched(lab),
            *(line for side, whose in zip(lab.sides, lab.names(), strict=True) for line in _turned(lab, side, whose)),
            ngettext(
                "q·k over the {count} pair at positions {pos} and {src} = {product}",
                "q·k over all {count} pairs at positions {pos} and {src} = {product}",
                lab.pairs,
                pos=query.position,
                src=key.position,
                product=number(lab.moved),
            ),
            _own(lab),
            _score(lab),
        )
    )


def _own(lab: Lab) -> str:
    """The model's own q·k, at its own positions."""
    pos, src = lab.given.places
    if lab.parts:
        return _(
            "a change of this run comes after the turn ({change}), and q·k at {pos} and {src} is {product}",
            change=lab.given.changed.says,
            pos=pos,
            src=src,
            product=number(lab.own),
        )
    return _(
        "the model's own q·k, at {pos} and {src}: {product}, difference {off}",
        pos=pos,
        src=src,
        product=number(lab.own),
        off=lab.difference,
    )


def _stretched(lab: Lab) -> tuple[str, ...]:
    """That the turn also lengthens, where it does."""
    stretch = lab.given.rope.stretch
    return () if stretch == 1 else (_("and both numbers × {stretch} (rope scaling)", stretch=number(stretch)),)


def _turned(lab: Lab, side: Side, whose: str) -> tuple[str, str]:
    """The turn of one side and its two ends; at its own position how far the end is from the model's."""
    before, after, angle = side.before[lab.pair], side.after[lab.pair], lab.angle(side)
    turn = _(
        "{whose}: α = {position} × {frequency} = {radians} radians = {angle}",
        whose=whose,
        position=side.position,
        frequency=number(lab.frequency),
        radians=number(angle),
        angle=_degrees(angle),
    )
    ends = {"before": _point(before), "after": _point(after)}
    lengths = {"length_before": number(_length(before)), "length_after": number(_length(after))}
    if lab.shift:
        return turn, "  " + _("{before} → {after}, length {length_before} → {length_after}", **ends, **lengths)
    own = side.own[lab.pair]
    off, size = float(np.abs(after - own).max()), before * lab.given.rope.stretch
    if lab.given.changed.part(off, size):
        changed = _(
            "{before} → {after}, length {length_before} → {length_after}; changed in this run after the turn: {own}",
            **ends,
            **lengths,
            own=_point(own),
        )
        return turn, f"  {changed}"
    points = _(
        "{before} → {after}, length {length_before} → {length_after}; the model's own: {own}, difference {off}",
        **ends,
        **lengths,
        own=_point(own),
        off=rounding(off, size),
    )
    return turn, f"  {points}"


def _score(lab: Lab) -> str:
    """What becomes of q·k: the model's score, unless the mask forbids it."""
    if lab.given.masked:
        return _("masked in the model: the score becomes −∞")
    factor, score = lab.given.factor, lab.given.cell.score
    scaled = lab.moved * factor.value
    product = factor.symbols().replace("q·k", number(lab.moved))
    values = {"product": product, "scaled": number(scaled), "score": number(score)}
    if lab.parts:
        return _("{product} = {scaled}; in the run, after its changes, the score is {score}", **values)
    return _(
        "{product} = {scaled}; the model's own score {score}, difference {off}",
        **values,
        off=rounding(scaled - score, lab.given.products * factor.value),
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The pair of q and of k, before and after: [q or k, before or after, 2]."""
    pair = int(view[_pairs(spec)])
    return f"""{opening(spec, view)}
{before_turn(spec, view)}pair, shift = {pair}, {int(view[SHIFT])}


def turn(vector, angle):
    a, b = vector.view(2, pairs)  # component i goes with i + pairs
    return stretch * torch.stack([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()])


result = []
for vector, position in ((query, pos), (key, src)):
    before = vector.view(2, pairs)
    after = turn(vector, (position + shift) * frequency)
    result.append(torch.stack([before[:, pair], after[:, pair]]))
result = torch.stack(result)  # [q or k, before or after, 2]
print(result)
print(result.norm(dim=-1))  # lengths before and after
"""


PANEL = Panel(
    id="rotation",
    stage="position",
    order=1,
    name=N_("Rotary lab"),
    title=N_("What does a position do to a query and a key?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(PAIR, SHIFT),
    fitting=fitting,
    applies=requires.rotation,
    facts=(facts.ROTATION, facts.SCALE),
    places=("layer", "head"),
    wide=True,
)

"""The rotary lab: one pair of components of the model's own query and key, before and after their turn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy import rotary
from anatomy.control import Slider
from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.spec import ModelSpec, Rope
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import chosen_cell, requires
from panels.common.chosen_cell import Cell, cell_of, place
from panels.common.snippet import opening
from panels.panel import Panel, Table
from viz.format import number, quoted, rounding
from viz.plane import Planes, Turn

PAIR = Slider("pair", N_("Pair of components"), 0, 63, 1, 8)
SHIFT = Slider("shift", N_("Move both tokens on by"), 0, 512, 1, 0)


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The layer's queries and keys; its weights, for the key that gets most where none is chosen."""
    return chosen_cell.wants(view)


@dataclass(frozen=True)
class Side:
    """A query or key, called `whose`. position: where it is turned to; plain: before the turn; turned: after it."""

    whose: str
    label: str
    position: int
    plain: Float[np.ndarray, " d_head"]
    turned: Float[np.ndarray, " d_head"]


@dataclass(frozen=True)
class Lab:
    """The chosen cell on the table.

    pair       the pair shown: the chosen one, or the model's last
    pairs      how many the model has
    frequency  radians per token of that pair
    shift      by how many tokens both were moved
    sides      query and key, turned to their positions + shift
    moved      q·k there, all pairs together
    """

    cell: Cell
    pair: int
    pairs: int
    frequency: float
    shift: int
    sides: tuple[Side, Side]
    moved: float

    @property
    def own(self) -> float:
        """q·k of query and key as the model turned them."""
        return float(self.cell.q @ self.cell.k)

    def angle(self, side: Side) -> float:
        """Radians by which the pair is turned, whole turns included."""
        return side.position * self.frequency


def lab(trace: Trace, view: Fitted) -> Lab:
    """Undo the model's own turn of the chosen query and key, and turn them to the shifted positions (RoFormer, Su et
    al. 2021, sec. 3.2.2). Raises TypeError for a model without rotary positions."""
    frequencies = np.array(_rope(trace.spec).frequencies)
    cell, shift = cell_of(trace, view), int(view[SHIFT])
    looking, looked = (quoted(trace.labels[place]) for place in (cell.pos, cell.src))
    query = _side(trace, _("query of {token}", token=looking), cell.q, cell.pos, shift, frequencies)
    key = _side(trace, _("key of {token}", token=looked), cell.k, cell.src, shift, frequencies)
    pair = min(int(view[PAIR]), len(frequencies) - 1)
    moved = float(query.turned @ key.turned)
    return Lab(cell, pair, len(frequencies), float(frequencies[pair]), shift, (query, key), moved)


def _side(trace: Trace, whose: str, own: np.ndarray, position: int, shift: int, frequencies: np.ndarray) -> Side:
    plain = rotary.turned(own, -rotary.angles(position, frequencies))
    there = position + shift
    return Side(whose, trace.labels[position], there, plain, rotary.turned(plain, rotary.angles(there, frequencies)))


def _rope(spec: ModelSpec) -> Rope:
    if not isinstance(spec.position, Rope):
        raise TypeError(f"{spec.name} has no rotary positions: ask applies() first")
    return spec.position


def draw(trace: Trace, view: Fitted) -> Planes:
    """The pair of the query and that of the key, each on a plane of its own."""
    shown = lab(trace, view)
    turns = [_turn(shown, side) for side in shown.sides]
    axes = [_("component {component}", component=component) for component in (shown.pair, shown.pair + shown.pairs)]
    return Planes(turns, *axes)


def _turn(shown: Lab, side: Side) -> Turn:
    before, after = _pair(shown, side.plain), _pair(shown, side.turned)
    return Turn(
        title=_("{whose}: turned by {angle}", whose=side.whose, angle=_degrees(shown.angle(side))),
        x=float(before[0]),
        y=float(before[1]),
        angle=shown.angle(side),
        before=_("{whose} before the turn: {point}", whose=side.whose, point=_point(before)),
        after=_(
            "{whose} at position {position}: {point}", whose=side.whose, position=side.position, point=_point(after)
        ),
    )


def _pair(shown: Lab, vector: Float[np.ndarray, " d_head"]) -> Float[np.ndarray, " 2"]:
    return rotary.in_pairs(vector, shown.pairs)[shown.pair]


def _point(pair: Float[np.ndarray, " 2"]) -> str:
    return f"({number(float(pair[0]))}, {number(float(pair[1]))})"


def _length(pair: Float[np.ndarray, " 2"]) -> float:
    return float(np.hypot(*pair))


def _degrees(radians: float) -> str:
    return f"{number(math.degrees(radians))}°"


def caption(trace: Trace, view: Fitted) -> str:
    """By how much the pair turns at the two positions, that its length stays, and that only the distance counts."""
    shown = lab(trace, view)
    query, key = shown.sides
    lengths = [number(_length(_pair(shown, side.plain))) for side in shown.sides]
    turns = _(
        "In layer {layer}, head {head}, pair {pair} of {pairs} turns by {step} per token: the query of {looking} at "
        "position {pos} by {query_angle}, the key of {looked} at {src} by {key_angle}. Their lengths stay "
        "{query_length} and {key_length}.",
        layer=view.layer,
        head=view.head,
        pair=shown.pair,
        pairs=shown.pairs,
        step=_degrees(shown.frequency),
        looking=quoted(query.label),
        pos=query.position,
        query_angle=_degrees(shown.angle(query)),
        looked=quoted(key.label),
        src=key.position,
        key_angle=_degrees(shown.angle(key)),
        query_length=lengths[0],
        key_length=lengths[1],
    )
    return f"{turns} {_moved(shown)}"


def _moved(shown: Lab) -> str:
    if shown.shift:
        return ngettext(
            "Both stand {count} token further on than in the text, and q·k is still {product} (difference {off}).",
            "Both stand {count} tokens further on than in the text, and q·k is still {product} (difference {off}).",
            shown.shift,
            product=number(shown.moved),
            off=rounding(shown.moved - shown.own, shown.cell.q * shown.cell.k),
        )
    distance = shown.cell.pos - shown.cell.src
    return ngettext(
        "Of the two angles only the difference enters q·k: {angle}, for {count} token of distance.",
        "Of the two angles only the difference enters q·k: {angle}, for {count} tokens of distance.",
        abs(distance),
        angle=_degrees(distance * shown.frequency),
    )


def table(trace: Trace, view: Fitted) -> Table:
    """Every pair: frequency, both angles, both vectors before and after, and what the pair adds to q·k."""
    shown = lab(trace, view)
    frequencies = np.array(_rope(trace.spec).frequencies)
    vectors = [rotary.in_pairs(v, shown.pairs) for side in shown.sides for v in (side.plain, side.turned)]
    parts = (vectors[1] * vectors[3]).sum(axis=-1)  # [pair]
    places = [side.position for side in shown.sides]
    return Table(
        (
            _("pair"),
            _("frequency (radians per token)"),
            _("angle of q (degrees)"),
            _("angle of k (degrees)"),
            _("q before, first"),
            _("q before, second"),
            _("q at position {position}, first", position=places[0]),
            _("q at position {position}, second", position=places[0]),
            _("k before, first"),
            _("k before, second"),
            _("k at position {position}, first", position=places[1]),
            _("k at position {position}, second", position=places[1]),
            _("share of q·k"),
        ),
        tuple(
            (
                pair,
                float(frequency),
                *(math.degrees(position * frequency) for position in places),
                *(float(value) for vector in vectors for value in vector[pair]),
                float(parts[pair]),
            )
            for pair, frequency in enumerate(frequencies)
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The turn of both vectors, their lengths, and q·k here and further on, against the model's own."""
    shown = lab(trace, view)
    query, key = shown.sides
    return "\n".join(
        (
            place(trace, view, shown.cell),
            _("pair (a, b) → (a cos α − b sin α, a sin α + b cos α),   α = position × frequency"),
            *(line for side in shown.sides for line in _turn_lines(shown, side)),
            ngettext(
                "q·k over the {count} pair at positions {pos} and {src} = {product}",
                "q·k over all {count} pairs at positions {pos} and {src} = {product}",
                shown.pairs,
                pos=query.position,
                src=key.position,
                product=number(shown.moved),
            ),
            _(
                "the model's own q·k, at {pos} and {src}: {product}, difference {off}",
                pos=shown.cell.pos,
                src=shown.cell.src,
                product=number(shown.own),
                off=rounding(shown.moved - shown.own, shown.cell.q * shown.cell.k),
            ),
            *_score_line(trace, shown),
        )
    )


def _score_line(trace: Trace, shown: Lab) -> list[str]:
    """What becomes of q·k: the model's score, unless the mask forbids it."""
    if not np.isfinite(shown.cell.score):
        return [_("masked in the model: the score becomes −∞")]
    width = trace.spec.d_head
    scaled = shown.moved / math.sqrt(width)
    return [
        _(
            "{product} / √{width} = {scaled}; the model's own score {score}, difference {off}",
            product=number(shown.moved),
            width=width,
            scaled=number(scaled),
            score=number(shown.cell.score),
            off=rounding(scaled - shown.cell.score, shown.cell.q * shown.cell.k / math.sqrt(width)),
        )
    ]


def _turn_lines(shown: Lab, side: Side) -> tuple[str, str]:
    before, after = _pair(shown, side.plain), _pair(shown, side.turned)
    turn = _(
        "{whose}: α = {position} × {frequency} = {radians} radians = {angle}",
        whose=side.whose,
        position=side.position,
        frequency=number(shown.frequency),
        radians=number(shown.angle(side)),
        angle=_degrees(shown.angle(side)),
    )
    points = _(
        "{before} → {after}, length {length_before} → {length_after}, difference {off}",
        before=_point(before),
        after=_point(after),
        length_before=number(_length(before)),
        length_after=number(_length(after)),
        off=rounding(_length(after) - _length(before), _length(before)),
    )
    return turn, f"  {points}"


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The pair of q and of k, before and after: [q or k, before or after, 2]."""
    pair = min(int(view[PAIR]), len(_rope(spec).frequencies) - 1)
    return f"""{opening(spec, view)}
{chosen_cell.snippet(view)}rotary = next(module for module in model.modules() if hasattr(module, "inv_freq"))
pairs, pair, shift = len(rotary.inv_freq), {pair}, {int(view[SHIFT])}


def turn(vector, angle):
    a, b = vector.double().view(2, pairs)  # component i goes with i + pairs
    return torch.stack([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()])


result = []
for vector, position in ((q[{view.head}, pos], pos), (k[group, src], src)):
    before = turn(vector, -position * rotary.inv_freq.double())
    after = turn(before.flatten(), (position + shift) * rotary.inv_freq.double())
    result.append(torch.stack([before[:, pair], after[:, pair]]))
result = torch.stack(result)  # [q or k, before or after, 2]
print(result)
print(result.norm(dim=-1))  # the turn keeps the length
"""


PANEL = Panel(
    id="rotation",
    stage="position",
    order=1,
    name=N_("Rotary lab"),
    title=N_("What does a position do to a query and a key?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(PAIR, SHIFT),
    applies=requires.rotation,
    places=("layer", "head"),
    wide=True,
)

"""How the score of one query and one key would change with the distance between them: the rotation alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from anatomy import facts, rotary
from anatomy.control import Choice, Control
from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.rounding import largest_at
from anatomy.spec import ModelSpec, Rope
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import chosen_cell, requires
from panels.common.columns import ROWS
from panels.common.snippet import opening
from panels.panel import Panel, Table
from panels.position.position_waves import rope_of
from panels.position.unturned import Unturned, before_turn, unturned, wants
from viz.curves import Curve, Curves, Mark
from viz.format import number, quoted, rounding, thousands
from viz.level import Level
from viz.marks import Stands

REACH = Choice(
    "reach",
    N_("Distances"),
    ("near", "far"),
    (N_("to 256 tokens"), N_("to the longest text")),
    says=N_(
        "How far apart query and key are drawn: up to 256 tokens, or up to the longest text that the model is made for."
    ),
)
_NEAR = 256


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The layer's queries and keys before the turn; its scores, for the model's own."""
    return wants(view)


def idle(spec: ModelSpec, view: Fitted) -> Sequence[Control]:
    """There is no farther distance where the longest text is a near one."""
    near = not isinstance(spec.position, Rope) or rope_of(spec).served(spec.max_pos) - 1 <= _NEAR
    return (REACH,) if near else ()


@dataclass(frozen=True)
class Fall:
    """Scores of the chosen query and key by distance: q·k × the layer's factor, logits.

    given      the query and key before the turn, and the model's own score
    distances  0 … the farthest shown, in tokens
    scores     at each of them
    distance   how far apart they are in the text; negative where the key stands later
    here       the formula's score at that distance
    tokens     how many the text has
    """

    given: Unturned
    distances: Float[np.ndarray, " distance"]
    scores: Float[np.ndarray, " distance"]
    distance: int
    here: float
    tokens: int

    @cached_property
    def mean(self) -> float:
        """Of the scores shown."""
        return float(self.scores.mean())

    @property
    def off(self) -> float:
        """How far the formula's score is from the model's own, in logits; infinite where that is masked."""
        return abs(self.here - self.given.cell.score)

    @property
    def parts(self) -> bool:
        """Whether query or key is changed after the turn, so that the two scores are not one."""
        return self.given.changed.part(self.off, self.scores, self.given.products * self.given.factor.value)

    @property
    def difference(self) -> str:
        """The same in words, as the bound that it keeps."""
        return rounding(self.off, self.scores, self.given.products * self.given.factor.value)


def read(trace: Trace, view: Fitted) -> Fall:
    """The query and key before the turn, turned to every distance shown (Su et al. 2021, eq. 16). Raises TypeError for
    a model without rotary positions."""
    given = unturned(trace, view)
    distance = given.distance
    distances = np.arange(_farthest(trace.spec, view, distance) + 1, dtype=np.float64)
    places, rope = np.append(distances, distance), given.rope
    scores = rotary.dots_by_distance(given.q, given.k, given.frequencies, places, rope.stretch) * given.factor.value
    return Fall(given, distances, scores[:-1], distance, float(scores[-1]), len(trace.tokens))


def _farthest(spec: ModelSpec, view: Fitted, distance: int) -> int:
    """The last distance drawn: at least the cell's own, never beyond the model's longest text, nor beyond the longest
    that this text's angles serve."""
    most = rope_of(spec).served(spec.max_pos) - 1
    return most if view[REACH] == "far" else min(most, max(_NEAR, distance))


def draw(fall: Fall) -> Curves:
    """The score over the distance, the text's own distance marked."""
    marks = []
    if not fall.given.masked:
        marks = [Mark(fall.distance, fall.here, _note(fall))]
    return Curves(
        curves=[Curve(_("score"), fall.distances, fall.scores)],
        x_axis=_("distance from key to query (tokens)"),
        y_axis=_("score (logit)"),
        marks=marks,
        levels=[Level(fall.mean, _("mean {value}", value=number(fall.mean)))],
        stands=(Stands("src", _looked(fall)),),
    )


def _note(fall: Fall) -> str:
    """What the marked distance is."""
    if fall.given.moved:
        return ngettext(
            "in this run: {count} position apart", "in this run: {count} positions apart", abs(fall.distance)
        )
    return ngettext("in this text: {count} token apart", "in this text: {count} tokens apart", abs(fall.distance))


def _looked(fall: Fall) -> tuple[int | None, ...]:
    """The key at each distance before the query, None before the text begins; behind it where the chosen key is."""
    pos, way = fall.given.cell.pos, -1 if fall.distance < 0 else 1
    if fall.distance != pos - fall.given.cell.src:  # all stand at one position
        return tuple(fall.given.cell.src if distance == fall.distance else None for distance in fall.distances)
    places = (pos - way * distance for distance in range(len(fall.distances)))
    return tuple(place if 0 <= place < fall.tokens else None for place in places)


def caption(fall: Fall) -> str:
    """The score here, at no distance and at the far end, and the distance that this pair likes most."""
    best = largest_at(fall.scores)
    over_distance = _(
        "In layer {layer}, head {head}, the query of {looking} and the key of {looked} would score {at_once} at "
        "distance 0 and most, {most}, at distance {best}; the mean up to {farthest} is {mean}.",
        layer=fall.given.layer,
        head=fall.given.head,
        looking=quoted(fall.given.looking),
        looked=quoted(fall.given.looked),
        at_once=number(float(fall.scores[0])),
        most=number(float(fall.scores[best])),
        best=thousands(best),
        farthest=thousands(int(fall.distances[-1])),
        mean=number(fall.mean),
    )
    return f"{over_distance} {_here(fall)}"


def _here(fall: Fall) -> str:
    if fall.given.masked:
        return _("In this text {looked} is masked for this query: there is no score.", looked=quoted(fall.given.looked))
    values = {"score": number(fall.here), "off": fall.difference}
    if fall.parts:
        return ngettext(
            "In this run they stand {count} position apart: {score} by the turn alone. A change of the run comes after "
            "it ({change}), and the score is {own}.",
            "In this run they stand {count} positions apart: {score} by the turn alone. A change of the run comes "
            "after it ({change}), and the score is {own}.",
            abs(fall.distance),
            change=fall.given.changed.says,
            own=number(fall.given.cell.score),
            **values,
        )
    if fall.given.moved:
        return ngettext(
            "In this run they stand {count} position apart: {score}, the model's own score (difference {off}).",
            "In this run they stand {count} positions apart: {score}, the model's own score (difference {off}).",
            abs(fall.distance),
            **values,
        )
    if fall.distance < 0:
        return ngettext(
            "In this text the key stands {count} token after the query, at {distance}: {score}, the model's own score "
            "(difference {off}).",
            "In this text the key stands {count} tokens after the query, at {distance}: {score}, the model's own score "
            "(difference {off}).",
            -fall.distance,
            distance=number(fall.distance),
            **values,
        )
    return ngettext(
        "In this text they stand {count} token apart: {score}, the model's own score (difference {off}).",
        "In this text they stand {count} tokens apart: {score}, the model's own score (difference {off}).",
        abs(fall.distance),
        **values,
    )


def table(fall: Fall) -> Table:
    """Distance and score; every one as far as a table goes, else in equal steps."""
    step = -(-len(fall.distances) // ROWS)
    return Table.of(
        (_("distance (tokens)"), range(0, len(fall.distances), step)),
        (_("score (logit)"), fall.scores[::step]),
        note=_("Listed is every distance that is a multiple of {step}.", step=step) if step > 1 else None,
    )


def formula(fall: Fall) -> str:
    """The score by distance (Su et al. 2021, eq. 16), its value at the text's own, and the model's score beside it."""
    rule = ngettext(
        "score(d) = Σ [(q₁k₁ + q₂k₂) cos dω + (q₁k₂ − q₂k₁) sin dω] {factor},   summed over {count} pair, q and k "
        "before the turn",
        "score(d) = Σ [(q₁k₁ + q₂k₂) cos dω + (q₁k₂ − q₂k₁) sin dω] {factor},   summed over {count} pairs, q and k "
        "before the turn",
        len(fall.given.frequencies),
        factor=_factor(fall.given),
    )
    lengthened = (
        ()
        if fall.given.rope.stretch == 1
        else (_("{stretch}: by so much the turn also multiplies q and k", stretch=number(fall.given.rope.stretch)),)
    )
    here = _("d = {distance}: score = {score}", distance=thousands(fall.distance), score=number(fall.here))
    return "\n".join((fall.given.title, rule, *lengthened, here, _own(fall)))


def _factor(given: Unturned) -> str:
    """What the sum is multiplied with: / √64, and s² where the turn lengthens by s."""
    stretch = "" if given.rope.stretch == 1 else f"× {number(given.rope.stretch)}²"
    return f"{stretch}{given.factor.symbols().removeprefix('q·k')}".strip()


def _own(fall: Fall) -> str:
    """The model's own score of this cell."""
    if fall.given.masked:
        return _("in the model: masked, −∞")
    if fall.parts:
        return _(
            "a change of this run comes after the turn ({change}), and the score is {score}",
            change=fall.given.changed.says,
            score=number(fall.given.cell.score),
        )
    return _(
        "the model's own score: {score}, difference {off}", score=number(fall.given.cell.score), off=fall.difference
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Scores by distance, from 0 on."""
    farthest = f"max({min(_NEAR, spec.max_pos - 1)}, pos - src)" if view[REACH] == "near" else f"{spec.max_pos - 1}"
    return f"""{opening(spec, view)}
{before_turn(spec, view)}

def turn(vector, angle):
    a, b = vector.view(2, pairs)  # component i goes with i + pairs
    return stretch * torch.stack([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()])


key = turn(key, 0 * frequency)
dots = torch.stack([(turn(query, distance * frequency) * key).sum() for distance in range({farthest} + 1)])
result = dots{chosen_cell.scaled(spec, view.layer)}
print(result)
"""


PANEL = Panel(
    id="distance",
    stage="position",
    order=2,
    name=N_("Distance"),
    title=N_("How does a score change with distance?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(REACH,),
    idle=idle,
    applies=requires.rotation,
    facts=(facts.ROTATION, facts.SCALE),
    places=("layer", "head"),
)

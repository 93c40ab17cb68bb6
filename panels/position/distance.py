"""How the score of one query and one key would change with the distance between them: the rotation alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy import rotary
from anatomy.control import Choice
from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.rounding import largest_at
from anatomy.spec import ModelSpec, Rope
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import chosen_cell, requires
from panels.common.chosen_cell import Cell, cell_of, place
from panels.common.columns import ROWS
from panels.common.snippet import opening
from panels.panel import Panel, Table
from viz.curves import Curve, Curves, Mark
from viz.format import number, quoted, rounding, thousands
from viz.level import Level

REACH = Choice("reach", N_("Distances"), ("near", "far"), (N_("to 256 tokens"), N_("to the longest text")))
_NEAR = 256


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The layer's queries and keys; its scores, for the model's own."""
    return chosen_cell.wants(view)


@dataclass(frozen=True)
class Fall:
    """Scores of the cell's query and key by distance.

    distances  0 … the farthest shown
    scores     q·k / √d_head at each of them, logits
    distance   how far apart they are in the text; negative where the key stands later
    here       the formula's score at that distance
    """

    cell: Cell
    distances: Float[np.ndarray, " distance"]
    scores: Float[np.ndarray, " distance"]
    distance: int
    here: float

    @property
    def masked(self) -> bool:
        """Whether the model's mask forbids this cell: then it has no score to compare with."""
        return not np.isfinite(self.cell.score)

    @property
    def terms(self) -> Float[np.ndarray, " d_head"]:
        """One per component, logits: what adds up to the cell's score."""
        return self.cell.q * self.cell.k / math.sqrt(len(self.cell.q))

    @property
    def off(self) -> float:
        """How far the formula's score is from the model's own, in logits; infinite where that is masked."""
        return abs(self.here - self.cell.score)


def fall(trace: Trace, view: Fitted) -> Fall:
    """Undo the turn of the chosen query and key, then turn them to every distance shown (Su et al. 2021, eq. 16).
    Raises TypeError for a model without rotary positions."""
    frequencies = np.array(_frequencies(trace.spec))
    cell = cell_of(trace, view)
    q = rotary.turned(cell.q, -rotary.angles(cell.pos, frequencies))
    k = rotary.turned(cell.k, -rotary.angles(cell.src, frequencies))
    distance = cell.pos - cell.src
    distances = np.arange(_farthest(trace.spec, view, distance) + 1, dtype=np.float64)
    dots = rotary.dots_by_distance(q, k, frequencies, np.append(distances, distance))
    scores = dots / np.sqrt(trace.spec.d_head)
    return Fall(cell, distances, scores[:-1], distance, float(scores[-1]))


def _frequencies(spec: ModelSpec) -> tuple[float, ...]:
    if not isinstance(spec.position, Rope):
        raise TypeError(f"{spec.name} has no rotary positions: ask applies() first")
    return spec.position.frequencies


def _farthest(spec: ModelSpec, view: Fitted, distance: int) -> int:
    """The last distance drawn: at least the cell's own, never beyond the model's longest text."""
    most = spec.max_pos - 1
    return most if view[REACH] == "far" else min(most, max(_NEAR, distance))


def draw(trace: Trace, view: Fitted) -> Curves:
    """The score over the distance, the text's own distance marked."""
    shown = fall(trace, view)
    marks = []
    if not shown.masked:
        note = ngettext("in this text: {count} token apart", "in this text: {count} tokens apart", shown.distance)
        marks = [Mark(shown.distance, shown.here, note)]
    mean = float(shown.scores.mean())
    return Curves(
        curves=[Curve(_("score"), shown.distances, shown.scores)],
        x_axis=_("distance from key to query (tokens)"),
        y_axis=_("score (logit)"),
        marks=marks,
        levels=[Level(mean, _("mean {value}", value=number(mean)))],
    )


def caption(trace: Trace, view: Fitted) -> str:
    """The score here, at no distance and at the far end, and the distance that this pair likes most."""
    shown = fall(trace, view)
    looking, looked = (quoted(trace.labels[place]) for place in (shown.cell.pos, shown.cell.src))
    best = largest_at(shown.scores)
    over_distance = _(
        "In layer {layer}, head {head}, the query of {looking} and the key of {looked} would score {at_once} at "
        "distance 0 and most, {most}, at distance {best}; the mean up to {farthest} is {mean}.",
        layer=view.layer,
        head=view.head,
        looking=looking,
        looked=looked,
        at_once=number(float(shown.scores[0])),
        most=number(float(shown.scores[best])),
        best=thousands(best),
        farthest=thousands(int(shown.distances[-1])),
        mean=number(float(shown.scores.mean())),
    )
    return f"{over_distance} {_here(trace, shown)}"


def _here(trace: Trace, shown: Fall) -> str:
    if shown.masked:
        return _(
            "In this text {looked} is masked for this query: there is no score.",
            looked=quoted(trace.labels[shown.cell.src]),
        )
    return ngettext(
        "In this text they stand {count} token apart: {score}, the model's own score (difference {off}).",
        "In this text they stand {count} tokens apart: {score}, the model's own score (difference {off}).",
        shown.distance,
        score=number(shown.here),
        off=rounding(shown.off, shown.scores, shown.terms),
    )


def table(trace: Trace, view: Fitted) -> Table:
    """Distance and score; every one as far as a table goes, else in equal steps."""
    shown = fall(trace, view)
    step = -(-len(shown.distances) // ROWS)
    return Table(
        (_("distance (tokens)"), _("score (logit)")),
        tuple(
            (int(distance), float(score))
            for distance, score in zip(shown.distances[::step], shown.scores[::step], strict=True)
        ),
        _("Listed is every distance that is a multiple of {step}.", step=step) if step > 1 else None,
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The score by distance (Su et al. 2021, eq. 16), its value at the text's own, and the model's score beside it."""
    shown, pairs = fall(trace, view), len(_frequencies(trace.spec))
    width = trace.spec.d_head
    lines = [
        place(trace, view, shown.cell),
        ngettext(
            "score(d) = Σ [(q₁k₁ + q₂k₂) cos dω + (q₁k₂ − q₂k₁) sin dω] / √{width},   summed over {count} pair, q and "
            "k before the turn",
            "score(d) = Σ [(q₁k₁ + q₂k₂) cos dω + (q₁k₂ − q₂k₁) sin dω] / √{width},   summed over {count} pairs, q "
            "and k before the turn",
            pairs,
            width=width,
        ),
        _("d = {distance}: score = {score}", distance=thousands(shown.distance), score=number(shown.here)),
    ]
    own = (
        _("in the model: masked, −∞")
        if shown.masked
        else _(
            "the model's own score: {score}, difference {off}",
            score=number(shown.cell.score),
            off=rounding(shown.off, shown.scores, shown.terms),
        )
    )
    return "\n".join([*lines, own])


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Scores by distance, from 0 on."""
    farthest = f"max({min(_NEAR, spec.max_pos - 1)}, pos - src)" if view[REACH] == "near" else f"{spec.max_pos - 1}"
    return f"""{opening(spec, view)}
{chosen_cell.snippet(view)}rotary = next(module for module in model.modules() if hasattr(module, "inv_freq"))
pairs, frequency = len(rotary.inv_freq), rotary.inv_freq.double()


def turn(vector, angle):
    a, b = vector.double().view(2, pairs)  # component i goes with i + pairs
    return torch.stack([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()])


query = turn(q[{view.head}, pos], -pos * frequency).flatten()  # before the turn
key = turn(k[group, src], -src * frequency)
result = torch.stack([(turn(query, d * frequency) * key).sum() for d in range({farthest} + 1)]) / {spec.d_head} ** 0.5
print(result)
"""


PANEL = Panel(
    id="distance",
    stage="position",
    order=2,
    name=N_("Distance"),
    title=N_("How does a score change with distance?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(REACH,),
    applies=requires.rotation,
    places=("layer", "head"),
)

"""The chosen query and key of a rotary model as they were before the model turned them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from anatomy import rotary
from anatomy.language import _
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.chosen_cell import Cell, cell_of
from panels.position.position_waves import rope_of
from viz.format import quoted


@dataclass(frozen=True)
class Unturned:
    """The chosen cell of a rotary model, its query and key turned back to position 0; in float64.

    layer, head      of the cell
    looking, looked  labels of the token that looks and of the one looked at
    cell             query and key as the model turned them, and its own score (logit)
    frequencies      radians per token of each pair
    q, k             before the turn
    """

    layer: int
    head: int
    looking: str
    looked: str
    cell: Cell
    frequencies: Float[np.ndarray, " pair"]
    q: Float[np.ndarray, " d_head"]
    k: Float[np.ndarray, " d_head"]

    @property
    def width(self) -> int:
        """Components of a head: d_head."""
        return len(self.q)

    @property
    def masked(self) -> bool:
        """Whether the model's mask forbids this cell: then it has no score to compare with."""
        return not np.isfinite(self.cell.score)

    @cached_property
    def products(self) -> Float[np.ndarray, " d_head"]:
        """One per component: what adds up to the model's q·k."""
        return self.cell.q * self.cell.k

    @property
    def place(self) -> str:
        """Which cell it is, as the first line of a formula: layer 17, head 5: “·of” → “·France”."""
        return _(
            "layer {layer}, head {head}: {looking} → {looked}",
            layer=self.layer,
            head=self.head,
            looking=quoted(self.looking),
            looked=quoted(self.looked),
        )


def unturned(trace: Trace, view: Fitted) -> Unturned:
    """Undo the model's own turn of the chosen query and key (RoFormer, Su et al. 2021, sec. 3.2.2). Raises TypeError
    for a model without rotary positions."""
    frequencies, cell = np.array(rope_of(trace.spec).frequencies), cell_of(trace, view)
    return Unturned(
        layer=view.layer,
        head=view.head,
        looking=trace.labels[cell.pos],
        looked=trace.labels[cell.src],
        cell=cell,
        frequencies=frequencies,
        q=rotary.turned(cell.q, -rotary.angles(cell.pos, frequencies)),
        k=rotary.turned(cell.k, -rotary.angles(cell.src, frequencies)),
    )

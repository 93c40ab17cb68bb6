"""One cell's arithmetic (Vaswani et al. 2017, sec. 3.2.1), step by step, beside the model's own numbers."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy.measure import softmax
from anatomy.request import Want
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.attention_row import at
from panels.common.chosen_cell import Cell, Scored, cell_of, scored


@dataclass(frozen=True)
class Steps:
    """The chosen cell's arithmetic, in float64, beside the model's own numbers.

    cell      the chosen query and key
    products  q × k by component; their sum is q·k            [d_head]
    row       the scores of every key before the mask: q·k / √d_head, or as this model has it
    scores    the model's own: −∞ where masked                [src]
    weights   softmax of the row's scores that may be seen    [src]
    pattern   the model's own weights                         [src]
    values    of every key                                    [src d_head]
    z         the model's own result                          [d_head]
    """

    cell: Cell
    products: Float[np.ndarray, " d_head"]
    row: Scored
    scores: Float[np.ndarray, " src"]
    weights: Float[np.ndarray, " src"]
    pattern: Float[np.ndarray, " src"]
    values: Float[np.ndarray, "src d_head"]
    z: Float[np.ndarray, " d_head"]

    @property
    def dot(self) -> float:
        """q·k of the cell."""
        return float(self.products.sum())

    @property
    def scaled(self) -> Float[np.ndarray, " src"]:
        """The row's scores before the mask (logit)."""
        return self.row.values

    @property
    def seen(self) -> np.ndarray:
        """[src] True where the mask lets the token look."""
        return np.isfinite(self.scores)

    @property
    def write(self) -> Float[np.ndarray, " d_head"]:
        """Weight × value of the chosen key."""
        return self.weights[self.cell.src] * self.values[self.cell.src]

    @property
    def total(self) -> Float[np.ndarray, " d_head"]:
        """Weight × value, summed over the row."""
        return self.weights @ self.values

    @property
    def off(self) -> float:
        """Largest difference between the row's sum and the model's own z."""
        return float(np.abs(self.total - self.z).max())


def steps_of(trace: Trace, view: Fitted) -> Steps:
    """Every step of the chosen cell and its row, made from q, k, v and the mask alone."""
    cell = cell_of(trace, view)
    row = scored(trace, view)
    scores = at(trace, view, "scores")[view.head].astype(np.float64)  # [src]
    return Steps(
        cell=cell,
        products=cell.q * cell.k,
        row=row,
        scores=scores,
        weights=softmax(np.where(np.isfinite(scores), row.values, -np.inf)),
        pattern=at(trace, view, "pattern")[view.head].astype(np.float64),
        values=trace[Want("v", view.layer)][cell.group].astype(np.float64),
        z=at(trace, view, "z")[view.head].astype(np.float64),
    )

"""One cell's arithmetic (Vaswani et al. 2017, sec. 3.2.1), step by step, beside the model's own numbers."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from anatomy.measure import softmax
from anatomy.request import Want
from anatomy.rounding import largest_first
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.attention.cell_snippet import STEP
from panels.common.attention_change import of_weights
from panels.common.attention_row import at
from panels.common.chosen_cell import Cell, Scored, cell_of, rule, scored
from panels.common.touched import Touched
from viz.format import quoted

MOST_ROWS = 16  # keys of a row that are drawn, besides the chosen one


@dataclass(frozen=True)
class Steps:
    """The chosen cell's arithmetic in float64, beside the model's own numbers.

    layer, head  the chosen ones
    step         which step is drawn
    labels       of the text's tokens
    rule         what goes into the softmax, in symbols
    cell         the chosen query and key
    products     q × k by component; their sum is q·k
    row          how the scores of every key are made: q·k / √d_head, or as this model has it
    scaled       these scores, before the mask (logit)
    scores       the model's own (logit): −∞ where masked
    weights      softmax of the row's scores that may be seen (probability)
    pattern      the model's own weights
    values       of every key (activation), as the model gives them: not in float64
    z            the model's own result (activation)
    weighed      changes between the row's scores and its weights
    summed       changes between its scores and z, those of the weights among them
    """

    layer: int
    head: int
    step: str
    labels: tuple[str, ...]
    rule: str
    cell: Cell
    products: Float[np.ndarray, " d_head"]
    row: Scored
    scaled: Float[np.ndarray, " src"]
    scores: Float[np.ndarray, " src"]
    weights: Float[np.ndarray, " src"]
    pattern: Float[np.ndarray, " src"]
    values: Float[np.ndarray, "src d_head"]
    z: Float[np.ndarray, " d_head"]
    weighed: Touched
    summed: Touched

    @property
    def looking(self) -> str:
        """The token that looks, in quotation marks."""
        return quoted(self.labels[self.cell.pos])

    @property
    def looked(self) -> str:
        """The token looked at, in quotation marks."""
        return quoted(self.labels[self.cell.src])

    @cached_property
    def dot(self) -> float:
        """q·k of the cell."""
        return float(self.products.sum())

    @cached_property
    def running(self) -> Float[np.ndarray, " d_head"]:
        """Sum of the products up to each component."""
        return np.cumsum(self.products)

    @property
    def score(self) -> float:
        """The cell's score before the mask (logit)."""
        return float(self.scaled[self.cell.src])

    @property
    def weight(self) -> float:
        """The cell's weight (probability)."""
        return float(self.weights[self.cell.src])

    @cached_property
    def seen(self) -> Bool[np.ndarray, " src"]:
        """True where the mask lets the token look."""
        return np.isfinite(self.scores)

    @property
    def masked(self) -> bool:
        """Whether the mask forbids the chosen cell."""
        return not self.seen[self.cell.src]

    @cached_property
    def shown(self) -> list[int]:
        """Keys of the row that are drawn, in the order of the text: all that may be seen, else those that get most and
        the chosen one."""
        seen = np.flatnonzero(self.seen)
        best = seen[largest_first(self.weights[seen])][:MOST_ROWS].tolist()
        extra = [] if self.masked or self.cell.src in best else [self.cell.src]
        return sorted([*best, *extra])

    @property
    def value(self) -> Float[np.ndarray, " d_head"]:
        """The chosen key's value."""
        return self.values[self.cell.src].astype(np.float64)

    @property
    def write(self) -> Float[np.ndarray, " d_head"]:
        """Weight × value of the chosen key."""
        return self.weight * self.value

    @cached_property
    def total(self) -> Float[np.ndarray, " d_head"]:
        """Weight × value, summed over the row."""
        return self.weights @ self.values.astype(np.float64)

    @property
    def off(self) -> float:
        """Largest difference between the row's sum and the model's own z."""
        return float(np.abs(self.total - self.z).max())

    @property
    def z_parts(self) -> bool:
        """Whether something is changed between that sum and z, so that they are not one."""
        return self.summed.part(self.off, self.largest)

    @cached_property
    def largest(self) -> float:
        """The largest size of a component of any value: what decides how far rounding may bring the sum."""
        return float(np.abs(self.values).max())


def read(trace: Trace, view: Fitted) -> Steps:
    """Every step of the chosen cell and its row, made from q, k, v and the mask alone."""
    cell = cell_of(trace, view)
    row = scored(trace, view)
    scaled = row.values
    scores = at(trace, view, "scores")[view.head].astype(np.float64)  # [src]
    here = {"head": view.head, "kv": cell.group, "pos": view.pos}
    return Steps(
        layer=view.layer,
        head=view.head,
        step=view[STEP],
        labels=trace.labels,
        rule=rule(trace.spec, view.layer),
        cell=cell,
        products=cell.q * cell.k,
        row=row,
        scaled=scaled,
        scores=scores,
        weights=softmax(np.where(np.isfinite(scores), scaled, -np.inf)),
        pattern=at(trace, view, "pattern")[view.head].astype(np.float64),
        values=trace[Want("v", view.layer)][cell.group],
        z=at(trace, view, "z")[view.head].astype(np.float64),
        weighed=of_weights(trace, view),
        summed=of_weights(trace, view) + Touched.of(trace, view.layer, "z", **here),
    )

"""What one head's attention map shows: weights, or the lengths of weight × value, between tokens or between words."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy.control import Choice
from anatomy.language import N_
from anatomy.request import Want
from anatomy.trace import Trace
from anatomy.view import Fitted
from anatomy.words import Words, attention, averaged
from panels.attention_row import seen, shares, without_first
from panels.joined import words_of
from panels.shared import FIRST
from viz.scale import ceiling

WEIGHT, LENGTH = "weight", "value"
# What the cells of the map hold.
MEASURE = Choice("measure", N_("Cells"), (WEIGHT, LENGTH), (N_("weight"), N_("weight × value")))


@dataclass(frozen=True)
class Map:
    """One head's map. A row and a column per word, or per token; NaN where masked.

    words         which tokens stand together
    labels        of the rows, and of the columns
    shown         what is drawn: the first token left out where the reader wants it so
    weights       the model's own, nothing left out
    lengths       L2 norm of weight × value through the output projection, nothing left out; None where not shown
    row           the one that looks
    col           the one looked at: the chosen one, or the one that gets most; None without one
    strongest     the one that gets most of what is shown; None where nothing is shown
    first         the first token's weight in the chosen row
    first_length  the first token's length there; 0 where lengths are not shown
    left_out      the first token is left out
    """

    words: Words
    labels: tuple[str, ...]
    shown: Float[np.ndarray, "row col"]
    weights: Float[np.ndarray, "row col"]
    lengths: Float[np.ndarray, "row col"] | None
    row: int
    col: int | None
    strongest: int | None
    first: float
    first_length: float
    left_out: bool

    def weight(self, col: int) -> float:
        """A weight of the chosen row, 0 where masked; of a word that lost its first token what is left."""
        whole = float(np.nan_to_num(self.weights[self.row, col]))
        return whole - self.first if self._lost_one(col) else whole

    def length(self, col: int) -> float:
        """The same of the lengths; 0 where they are not shown."""
        whole = 0.0 if self.lengths is None else float(np.nan_to_num(self.lengths[self.row, col]))
        return whole - self.first_length if self._lost_one(col) else whole

    def _lost_one(self, col: int) -> bool:
        return self.left_out and col == 0 and self.words.ends[0] > 1

    def share(self, length: float) -> float:
        """A length of the chosen row in its sum of lengths; NaN where that is 0."""
        total = 0.0 if self.lengths is None else float(np.nansum(self.lengths[self.row]))
        return length / total if total > 0 else math.nan


def by_length(view: Fitted) -> bool:
    """Whether the cells hold the lengths of weight × value."""
    return view[MEASURE] == LENGTH


def map_of(trace: Trace, view: Fitted) -> Map:
    """The chosen head's map."""
    words = words_of(trace, view)
    weights = seen(trace, view, trace[Want("pattern", view.layer)][view.head])  # [pos src]
    lengths = seen(trace, view, _contribution(trace, view)[view.head]) if by_length(view) else None
    shown = _shown(view, weights if lengths is None else lengths, words)
    row = words.of(view.pos)
    strongest = None if np.isnan(shown[row]).all() else int(np.nanargmax(shown[row]))
    return Map(
        words=words,
        labels=words.labels(trace.tokens),
        shown=shown,
        weights=attention(weights, words),
        lengths=None if lengths is None else attention(lengths, words),
        row=row,
        col=strongest if view.src is None else words.of(view.src),
        strongest=strongest,
        first=_first(weights, words, row),
        first_length=0.0 if lengths is None else _first(lengths, words, row),
        left_out=not view[FIRST],
    )


def _contribution(trace: Trace, view: Fitted) -> Float[np.ndarray, "head pos src"]:
    return trace[Want("contribution", view.layer)]


def _shown(view: Fitted, values: Float[np.ndarray, "pos src"], words: Words) -> Float[np.ndarray, "row col"]:
    """Merged numbers; without the first token, weights are shares of the rest, and lengths stay what they are."""
    if view[FIRST]:
        return attention(values, words)
    left = attention(without_first(values), words)
    return left if by_length(view) else shares(left)


def _first(values: Float[np.ndarray, "pos src"], words: Words, row: int) -> float:
    """What the chosen row gives to the first token; 0 where that is out of its sight."""
    return float(np.nan_to_num(averaged(values[:, 0], words)[row]))


def longest(trace: Trace, view: Fitted) -> float:
    """The next round number above every length that any head of this layer shows: all have one scale."""
    words = words_of(trace, view)
    heads = (_shown(view, lengths.astype(np.float64), words) for lengths in _contribution(trace, view))
    return ceiling(max(float(np.nan_to_num(lengths).max()) for lengths in heads))


def lowest(high: float) -> float:
    """Where a logarithmic scale of lengths begins: the power of ten that is at most a thousandth of its end."""
    return 10.0 ** math.floor(math.log10(high) - 3 + 1e-9)

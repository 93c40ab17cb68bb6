"""The chosen row of an attention map as it is shown: weights, or the lengths of weight × value, of tokens or words."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from anatomy.control import Choice
from anatomy.language import N_
from anatomy.measure import POOLED
from anatomy.request import Want
from anatomy.rounding import largest_at
from anatomy.trace import Token, Trace
from anatomy.view import Fitted
from anatomy.words import Words, averaged, summed
from panels.attention import attention_long as far
from panels.common.attention_row import at, seen_by_chosen, shares, without_first
from panels.common.joined import words_of
from panels.common.shared import FIRST
from viz.format import quoted, thousands

WEIGHT, LENGTH = "weight", "value"
# What the cells of the map hold.
MEASURE = Choice(
    "measure",
    N_("Cells"),
    (WEIGHT, LENGTH),
    (N_("weight"), N_("weight × value")),
    says=N_(
        "Weight: the share of its attention that a token gives to another. Weight × value: the length of what it gets "
        "from there, which is small where the value is small."
    ),
)
Merge = Callable[[np.ndarray, Words], np.ndarray]


def by_length(view: Fitted) -> bool:
    """Whether the cells hold lengths of weight × value (Kobayashi et al. 2020, "Attention is Not Only a Weight")."""
    return view[MEASURE] == LENGTH


@dataclass(frozen=True)
class ShownRow:
    """The chosen row as the map shows it: of tokens or words, of weights or lengths. (`attention_row.Row` is always of
    tokens and their weights.) NaN where masked.

    words         which tokens stand together
    tokens        of the text
    shown         what is drawn: the first token left out where the reader wants it so
    weights       the model's own (probability), nothing left out
    lengths       L2 norm of weight × value through the output projection, nothing left out; None where not shown
    apart         the lengths, or else the weights, of each token of the one that looks with each of the text
    looking       the one that looks
    looked        the one looked at: the chosen one, or the one that gets most (of those on view); None without one
    strongest     the one that gets most of what is shown; None where nothing is shown
    first         the first token's weight in the chosen row
    first_length  the first token's length there; 0 where lengths are not shown
    left_out      the first token is left out
    """

    words: Words
    tokens: Sequence[Token]
    shown: Float[np.ndarray, " col"]
    weights: Float[np.ndarray, " col"]
    lengths: Float[np.ndarray, " col"] | None
    apart: Float[np.ndarray, "pos src"]
    looking: int
    looked: int | None
    strongest: int | None
    first: float
    first_length: float
    left_out: bool

    @property
    def key(self) -> int:
        """The one looked at; the one that looks where there is none."""
        return self.looking if self.looked is None else self.looked

    def is_level(self, place: int) -> bool:
        """Whether this one gets most, or differs from the one that does by no more than rounding."""
        return self.strongest is not None and largest_at(self.shown[[place, self.strongest]]) == 0

    def label(self, place: int) -> str:
        """A word or token as figures print it."""
        return self.words.label(self.tokens, place)

    def named(self, place: int) -> str:
        """The same as a sentence names it: of a long text, where many are alike, with its place."""
        label = quoted(self.label(place))
        return f"{label} ({thousands(place)})" if len(self.tokens) > POOLED else label

    def weight(self, col: int) -> float:
        """A weight of the row, 0 where masked; of a word that lost its first token what is left."""
        whole = float(np.nan_to_num(self.weights[col]))
        return whole - self.first if self._lost_one(col) else whole

    def length(self, col: int) -> float:
        """A length of the row, in the same way; 0 where lengths are not shown."""
        whole = 0.0 if self.lengths is None else float(np.nan_to_num(self.lengths[col]))
        return whole - self.first_length if self._lost_one(col) else whole

    def _lost_one(self, col: int) -> bool:
        return self.left_out and col == 0 and self.words.ends[0] > 1

    @cached_property
    def total_length(self) -> float:
        """The sum of the row's lengths; 0 where they are not shown."""
        return 0.0 if self.lengths is None else float(np.nansum(self.lengths))

    def share(self, length: float) -> float:
        """A length in the row's sum of lengths; NaN where that is 0."""
        return length / self.total_length if self.total_length > 0 else math.nan


def shown_row(trace: Trace, view: Fitted) -> ShownRow:
    """The chosen row of the chosen head's map."""
    words = words_of(trace, view)
    looking = words.of(view.pos)
    weights = _rows(trace, view, "pattern", words.tokens(looking))
    lengths = _rows(trace, view, "contribution", words.tokens(looking)) if by_length(view) else None
    apart = weights if lengths is None else lengths
    shown = shown_as(view, apart, words, _one)[0]
    return ShownRow(
        words=words,
        tokens=trace.tokens,
        shown=shown,
        weights=_one(weights, words)[0],
        lengths=None if lengths is None else _one(lengths, words)[0],
        apart=apart,
        looking=looking,
        looked=_on_view(view, shown) if view.src is None else words.of(view.src),
        strongest=None if np.isnan(shown).all() else largest_at(shown),
        first=_first(weights),
        first_length=0.0 if lengths is None else _first(lengths),
        left_out=not view[FIRST],
    )


def _rows(trace: Trace, view: Fitted, site: str, places: range) -> Float[np.ndarray, "pos src"]:
    """These tokens' rows of the chosen head, NaN where masked; a token alone is the chosen one."""
    if len(places) == 1:
        return seen_by_chosen(trace, view, at(trace, view, site)[view.head])[None]
    scores, values = (trace[Want(name, view.layer)][view.head, places.start : places.stop] for name in ("scores", site))
    return np.where(np.isneginf(scores), np.nan, values.astype(np.float64))


def _one(values: Float[np.ndarray, "pos src"], words: Words) -> Float[np.ndarray, "1 col"]:
    """Rows of one word: summed over the tokens looked at, averaged over those that look."""
    over_keys = summed(values.T, words)  # [col pos]
    return averaged(over_keys.T, Words((0,), len(values)))


def _on_view(view: Fitted, shown: Float[np.ndarray, " col"]) -> int | None:
    """The one that gets most of those that the map shows; None where it shows none. A window that was moved away from
    the chosen row shows nothing of it: then of all."""
    top, bottom, left, right = far.window(view)
    if not far.is_near(view) or not top <= view.pos < bottom:
        left, right = 0, len(shown)
    on_view = shown[left:right]
    return None if np.isnan(on_view).all() else left + largest_at(on_view)


def _first(values: Float[np.ndarray, "pos src"]) -> float:
    """What the chosen row gives to the first token; 0 where that is out of its sight."""
    return float(np.nan_to_num(values[:, 0]).mean())


def shown_as(
    view: Fitted, values: Float[np.ndarray, "pos src"], words: Words, merged: Merge
) -> Float[np.ndarray, "row col"]:
    """Merged numbers [row col]; without the first token, weights are shares of the rest, and lengths stay what they
    are."""
    if view[FIRST]:
        return merged(values, words)
    left = merged(without_first(values), words)
    return left if by_length(view) else shares(left)

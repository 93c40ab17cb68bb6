"""What one head's attention map shows: weights, or the lengths of weight × value, between tokens or between words."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from anatomy.control import Choice, Switch
from anatomy.language import N_
from anatomy.measure import POOLED
from anatomy.request import Want
from anatomy.rounding import largest_at
from anatomy.spec import ModelSpec
from anatomy.trace import Token, Trace
from anatomy.view import Fitted
from anatomy.words import Words, attention, averaged, summed
from panels.attention import attention_long as far
from panels.common.attention_row import at, seen, seen_by_chosen, shares, without_first
from panels.common.joined import words_of
from panels.common.shared import FIRST, WORDS
from viz.format import quoted, thousands
from viz.scale import ceiling

WEIGHT, LENGTH = "weight", "value"
# What the cells of the map hold.
MEASURE = Choice("measure", N_("Cells"), (WEIGHT, LENGTH), (N_("weight"), N_("weight × value")))
MOST_JOINED = 1024  # tokens of a text whose words are shown: every pair of its tokens is needed for that
Merge = Callable[[np.ndarray, Words], np.ndarray]
_MAPS = 128 << 20  # bytes of a layer's maps that are asked for at once


def most_joined(spec: ModelSpec) -> int:
    """Tokens of the longest text whose words are shown."""
    return min(MOST_JOINED, math.isqrt(_MAPS // (4 * spec.n_heads)))


def settled(spec: ModelSpec, view: Fitted) -> Fitted:
    """The view without the settings that its length rules out."""
    ruled_out = {control.name for control in idle(spec, view)}
    return replace(view, settings=tuple(setting for setting in view.settings if setting[0] not in ruled_out))


def idle(spec: ModelSpec, view: Fitted) -> Sequence[Choice | Switch]:
    """The controls that change nothing: words in a long text; zoom and cells in a short one, or where words are shown;
    what a cell shows of its pairs where it is a pair."""
    if view.length > most_joined(spec):
        return (WORDS, far.CELLS) if view[far.ZOOM] != far.WHOLE else (WORDS,)
    if not far.is_far(view):
        return (far.ZOOM, far.CELLS)
    return (far.CELLS,) if far.is_near(view) else ()


@dataclass(frozen=True)
class ShownRow:
    """The chosen row as the map shows it: of tokens or words, of weights or lengths. (`attention_row.Row` is always of
    tokens and their weights, with the scores that they come from.) NaN where masked.

    words         which tokens stand together
    tokens        of the text
    shown         what is drawn: the first token left out where the reader wants it so
    weights       the model's own (probability), nothing left out
    lengths       L2 norm of weight × value through the output projection, nothing left out; None where not shown
    row           the one that looks
    col           the one looked at: the chosen one, or the one that gets most (of those on view); None without one
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
    row: int
    col: int | None
    strongest: int | None
    first: float
    first_length: float
    left_out: bool

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

    def share(self, length: float) -> float:
        """A length in the row's sum of lengths; NaN where that is 0."""
        total = 0.0 if self.lengths is None else float(np.nansum(self.lengths))
        return length / total if total > 0 else math.nan


def by_length(view: Fitted) -> bool:
    """Whether the cells hold lengths of weight × value (Kobayashi et al. 2020, "Attention is Not Only a Weight")."""
    return view[MEASURE] == LENGTH


def shown_row(trace: Trace, view: Fitted) -> ShownRow:
    """The chosen row of the chosen head's map."""
    words = words_of(trace, view)
    row = words.of(view.pos)
    weights = _rows(trace, view, "pattern", words.tokens(row))  # [pos of the word, src]
    lengths = _rows(trace, view, "contribution", words.tokens(row)) if by_length(view) else None
    shown = _shown(view, weights if lengths is None else lengths, words, _one)[0]
    strongest = None if np.isnan(shown).all() else largest_at(shown)
    return ShownRow(
        words=words,
        tokens=trace.tokens,
        shown=shown,
        weights=_one(weights, words)[0],
        lengths=None if lengths is None else _one(lengths, words)[0],
        row=row,
        col=_on_view(view, shown) if view.src is None else words.of(view.src),
        strongest=strongest,
        first=_first(weights),
        first_length=0.0 if lengths is None else _first(lengths),
        left_out=not view[FIRST],
    )


def _rows(trace: Trace, view: Fitted, site: str, places: range) -> Float[np.ndarray, "row src"]:
    """These tokens' rows of the chosen head, NaN where masked; a token alone is the chosen one."""
    if len(places) == 1:
        return seen_by_chosen(trace, view, at(trace, view, site)[view.head])[None]
    scores, values = (trace[Want(name, view.layer)][view.head, places.start : places.stop] for name in ("scores", site))
    return np.where(np.isneginf(scores), np.nan, values.astype(np.float64))


def _one(values: Float[np.ndarray, "row src"], words: Words) -> Float[np.ndarray, "1 col"]:
    """Rows of one word: summed over the tokens looked at, averaged over those that look."""
    over_keys = summed(values.T, words)  # [col row]
    return averaged(over_keys.T, Words((0,), len(values)))


def _on_view(view: Fitted, shown: Float[np.ndarray, " col"]) -> int | None:
    """The one that gets most of those that the map shows; None where it shows none."""
    left, right = far.window(view)[2:] if far.is_near(view) else (0, len(shown))
    on_view = shown[left:right]
    return None if np.isnan(on_view).all() else left + largest_at(on_view)


def cells_of(trace: Trace, view: Fitted) -> Float[np.ndarray, "row col"]:
    """What is drawn of a text whose every pair is on view: a row and a column per word, or per token. NaN where masked
    or left out; without the first token a row's weights are shares of the rest."""
    words = words_of(trace, view)
    site = "contribution" if by_length(view) else "pattern"
    return _shown(view, seen(trace, view, trace[Want(site, view.layer)][view.head]), words, attention)


def _shown(view: Fitted, values: Float[np.ndarray, "pos src"], words: Words, merged: Merge) -> np.ndarray:
    """Merged numbers [row col]; without the first token, weights are shares of the rest, and lengths stay what they
    are."""
    if view[FIRST]:
        return merged(values, words)
    left = merged(without_first(values), words)
    return left if by_length(view) else shares(left)


def _first(values: Float[np.ndarray, "row src"]) -> float:
    """What the chosen row gives to the first token; 0 where that is out of its sight."""
    return float(np.nan_to_num(values[:, 0]).mean())


def longest(trace: Trace, view: Fitted) -> float:
    """The next round number above every length (L2 norm) that any head of this layer shows: all have one scale."""
    words = words_of(trace, view)
    heads = (
        _shown(view, lengths.astype(np.float64), words, attention)
        for lengths in trace[Want("contribution", view.layer)]
    )
    return ceiling(max(float(np.nan_to_num(lengths).max()) for lengths in heads))


def lowest(high: float) -> float:
    """Where a logarithmic scale of lengths begins: the power of ten that is at most a thousandth of its end."""
    return 10.0 ** math.floor(math.log10(high) - 3 + 1e-9)

"""Surprisals of the tokens or words of a text, and which of them are drawn one by one."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from anatomy.request import Want
from anatomy.trace import Token, Trace
from anatomy.view import Fitted
from anatomy.words import Words, summed
from panels.common.columns import Columns, around, columns_of
from panels.common.joined import words_of

SURPRISAL = Want("surprisal")
_ALONE = 1_024  # tokens or words of the longest text in which each has a bar of its own
_NEAR = 40  # of a longer one: those around the chosen one that have
_MOST_NATS = 700.0  # that e can be raised to


def surprisals(trace: Trace) -> Float[np.ndarray, " pos"]:
    """−log p of each token, in nats; NaN for the first, which nothing precedes."""
    return trace[SURPRISAL].astype(np.float64)


@dataclass(frozen=True)
class Read:
    """What is drawn: surprisals of tokens, or of words, which are the sums of their tokens'.

    values  in nats; NaN where nothing is predicted
    chosen  place of the token or word that the view chooses
    """

    words: Words
    tokens: tuple[Token, ...]
    values: Float[np.ndarray, " word"]
    chosen: int

    def label(self, place: int) -> str:
        """What a figure prints for a token or word."""
        return self.words.label(self.tokens, place)

    @cached_property
    def columns(self) -> Columns:
        """Columns of the whole text: one for each token or word; in a long text one for several."""
        return columns_of(len(self.values), alone=_ALONE)

    @property
    def near(self) -> range:
        """Places of the tokens or words that have a bar of their own."""
        return around(len(self.values), self.chosen, _NEAR if self.columns.pooled else len(self.values))

    @property
    def known(self) -> Float[np.ndarray, " known"]:
        """The values that are numbers, in nats."""
        return self.values[~np.isnan(self.values)]

    @property
    def mean(self) -> float:
        """Mean over those that are numbers, in nats; NaN where none is."""
        return float(self.known.mean()) if len(self.known) else math.nan

    @property
    def perplexity(self) -> float:
        """e to the mean; infinite where that is beyond all numbers, as in a text that is one very long word."""
        return math.exp(self.mean) if self.mean < _MOST_NATS else math.inf

    def in_part(self, place: int) -> bool:
        """Whether only a part of it has a surprisal: the word that begins with the text's first token and goes on."""
        return place == 0 and self.words.ends[0] > 1


def read(trace: Trace, view: Fitted) -> Read:
    """Surprisals of the tokens, or of the words where the view joins their tokens."""
    words = words_of(trace, view)
    return Read(words, trace.tokens, summed(surprisals(trace), words), words.of(view.pos))

"""Surprisals of the tokens or words of a text, and which of them are drawn one by one; where the text is one token, of
those that may come next."""

import math
import sys
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from anatomy.measure import softmax
from anatomy.request import Want
from anatomy.trace import Token, Trace
from anatomy.view import Fitted
from anatomy.words import Words, summed
from panels.common.bars import Row
from panels.common.joined import words_of
from panels.common.shared import WORDS

SURPRISAL = Want("surprisal")
AHEAD = 10  # tokens that may come after the only one
_MOST_NATS = 700.0  # that e can be raised to


@dataclass(frozen=True)
class Surprisals:
    """−log p of the tokens of a text, or of its words, which are the sums of their tokens'.

    tokens    of the text
    words     which of them belong together: each by itself where tokens are shown
    as_words  whether words are shown
    chosen    place of the token or word that the view chooses
    of_token  in nats, of each token; NaN for the first, which nothing precedes
    values    in nats, of what is shown; NaN where nothing is predicted
    ahead     name and nats of the tokens likeliest to come next, after a text of one token; of others none
    at_once   whether each token is predicted with the whole text in sight, as in a run without the causal mask
    vocab     tokens of the vocabulary
    """

    tokens: tuple[Token, ...]
    words: Words
    as_words: bool
    chosen: int
    of_token: Float[np.ndarray, " pos"]
    values: Float[np.ndarray, " word"]
    ahead: tuple[tuple[str, float], ...] = ()
    at_once: bool = False
    vocab: int = 0

    def label(self, place: int) -> str:
        """What a figure prints for a token or word."""
        return self.words.label(self.tokens, place)

    @property
    def own(self) -> float:
        """That of the chosen token or word, in nats; NaN where nothing predicts it."""
        return float(self.values[self.chosen])

    @cached_property
    def row(self) -> Row:
        """Which tokens or words have a bar of their own."""
        return Row(len(self.values), self.chosen)

    @cached_property
    def known(self) -> Float[np.ndarray, " known"]:
        """The values that are numbers, in nats."""
        return self.values[~np.isnan(self.values)]

    @cached_property
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


def read(trace: Trace, view: Fitted) -> Surprisals:
    """Surprisals of the tokens, or of the words where the view joins their tokens."""
    words, nats = words_of(trace, view), trace[SURPRISAL].astype(np.float64)
    return Surprisals(
        tokens=trace.tokens,
        words=words,
        as_words=view[WORDS],
        chosen=words.of(view.pos),
        of_token=nats,
        values=summed(nats, words),
        ahead=_ahead(trace, view),
        at_once=not trace.spec.stack().causal,
        vocab=trace.spec.vocab,
    )


def wants_ahead(view: Fitted) -> tuple[Want, ...]:
    """What tells which tokens may come next: asked for where no token of the text has a surprisal."""
    return (Want("logits", pos=0), Want("next_ids", pos=0)) if view.length == 1 else ()


def _ahead(trace: Trace, view: Fitted) -> tuple[tuple[str, float], ...]:
    if not (wants := wants_ahead(view)):
        return ()
    logits, ids = (trace[want] for want in wants)
    best = ids[:AHEAD].tolist()
    nats = -np.log(np.maximum(softmax(logits)[best], sys.float_info.min))
    return tuple(zip((trace.following(token_id, 0) for token_id in best), nats.tolist(), strict=True))

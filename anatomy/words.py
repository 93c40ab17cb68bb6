"""Words instead of pieces: which tokens spell one word, and what their numbers come to together."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from anatomy.trace import Token, readable

Array = np.ndarray


@dataclass(frozen=True)
class Words:
    """Neighbouring tokens in groups: those of one word together, any other by itself.

    starts  first token of each word, in order; the first is 0
    count   how many tokens there are; ValueError where the words do not cover just these
    """

    starts: tuple[int, ...]
    count: int

    def __post_init__(self) -> None:
        edges = (*self.starts, self.count)
        if edges[0] != 0 or any(a >= b for a, b in pairwise(edges)):
            raise ValueError(f"words that start at {self.starts} do not cover {self.count} tokens: begin at 0 and rise")

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """One past the last token of each word."""
        return (*self.starts[1:], self.count)

    @cached_property
    def sizes(self) -> Int[Array, " word"]:
        """How many tokens each word has."""
        return np.diff([*self.starts, self.count])

    @property
    def last(self) -> tuple[int, ...]:
        """The last token of each word."""
        return tuple(end - 1 for end in self.ends)

    def tokens(self, word: int) -> range:
        """The tokens of a word."""
        return range(self.starts[word], self.ends[word])

    def of(self, token: int) -> int:
        """The word that a token belongs to."""
        return int(np.searchsorted(self.starts, token, side="right")) - 1

    def labels(self, tokens: Sequence[Token]) -> tuple[str, ...]:
        """What a figure prints for each word: its pieces as one text; a token alone has its own label."""
        return tuple(self.label(tokens, word) for word in range(len(self)))

    def label(self, tokens: Sequence[Token], word: int) -> str:
        """What a figure prints for one word, as in `labels`."""
        return _label(tokens[self.starts[word] : self.ends[word]])


def apart(count: int) -> Words:
    """Every token as a word of its own."""
    return Words(tuple(range(count)), count)


def joined(tokens: Sequence[Token], spans: Sequence[tuple[int, int]]) -> Words:
    """Tokens that hold characters of one of these (start, end) spans, or parts of one character, side by side as one.

    What lies outside of all spans (punctuation, characters of scripts without spaces) and special tokens stand alone.
    """
    ends = [end for _, end in spans] + [token.end for token in tokens]
    owner = list(range(max(ends, default=0)))  # of each character: the first one of its word, or itself
    for start, end in spans:
        owner[start:end] = [start] * (end - start)
    held = [set() if token.special else set(owner[token.start : token.end]) for token in tokens]
    starts = (
        place
        for place in range(len(tokens))
        if place == 0 or not (held[place - 1] & held[place] or _go_on(tokens[place - 1], tokens[place]))
    )
    return Words(tuple(starts), len(tokens))


def summed(values: Float[Array, "token ..."], words: Words) -> Float[Array, "word ..."]:
    """Sum over the tokens of each word, in float64. NaN adds nothing; a word of nothing else is NaN."""
    there = ~np.isnan(values)
    total = np.add.reduceat(np.where(there, values, 0.0).astype(np.float64), words.starts, axis=0)
    return np.where(np.logical_or.reduceat(there, words.starts, axis=0), total, np.nan)


def averaged(values: Float[Array, "token ..."], words: Words) -> Float[Array, "word ..."]:
    """Mean over the tokens of each word. NaN counts as 0 among others; a word of nothing else is NaN."""
    sizes = words.sizes.reshape(-1, *[1] * (values.ndim - 1))  # [word 1 …]
    return summed(values, words) / sizes


def attention(pattern: Float[Array, "pos src"], words: Words) -> Float[Array, "word word_src"]:
    """Summed over the tokens looked at, averaged over those that look: rows that sum to 1 still do. NaN is masked."""
    if len(words) == words.count:
        return pattern.astype(np.float64)
    over_keys = summed(pattern.T, words)  # [word_src pos]
    return averaged(over_keys.T, words)


def _go_on(before: Token, token: Token) -> bool:
    """Whether a token holds the next part of the character that the one before it holds a part of."""
    last, first = before.shares[-1:], token.shares[:1]
    return bool(last and first) and (last[0].character, last[0].part + 1) == (first[0].character, first[0].part)


def _label(tokens: Sequence[Token]) -> str:
    if len(tokens) == 1:
        return tokens[0].label
    raw = b"".join(token.bytes for token in tokens)
    try:
        return readable(raw.decode(), raw)
    except UnicodeDecodeError:
        return readable(None, raw)

"""A word as byte-level BPE builds it: its bytes, the steps that join them, the tokens that are left."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int

from anatomy.request import Want
from anatomy.trace import Trace, readable
from anatomy.view import Fitted
from viz.tokens import spelled

STEP, RULE = Want("merge_step"), Want("merge_rule")
MOST_BYTES = 32  # shown of a word
_MOST_OTHER_BYTES = 22  # of one with characters beyond ASCII, whose bytes have longer labels
_NEW_WORD = -2


@dataclass(frozen=True)
class Merge:
    """One step: its number in the word, from 1; the two pieces as (first byte, end); its rule, 0 the table's first."""

    step: int
    left: tuple[int, int]
    right: tuple[int, int]
    rule: int


@dataclass(frozen=True)
class Word:
    """Bytes that are merged among themselves alone, and how.

    step   for each byte the step that joined it to the one before, from 1; 0 where they were one piece from the
           start, below 0 where they stay apart
    rule   the rule of that step, 0 the table's first; below 0 where there is no step
    first  position of its first token in the text
    """

    raw: bytes
    step: Int[np.ndarray, " byte"]
    rule: Int[np.ndarray, " byte"]
    first: int

    def pieces(self, done: int) -> list[tuple[int, int]]:
        """(first byte, end) of every piece after so many steps."""
        if not self.raw:
            return [(0, 0)]
        cuts = [i for i, step in enumerate(self.step.tolist()) if step < 0 or step > done]
        return list(zip(cuts, [*cuts[1:], len(self.raw)], strict=True))

    @cached_property
    def count(self) -> int:
        """How many merges there are."""
        return int((self.step > 0).sum())

    @cached_property
    def merges(self) -> tuple[Merge, ...]:
        """Every step, in order."""
        order = np.argsort(self.step, kind="stable")
        return tuple(self.merge(int(place)) for place in order[len(order) - self.count :])

    def merge(self, place: int) -> Merge:
        """The step that joined the byte at `place` to the one before; asked only where there is one."""
        before = self.pieces(int(self.step[place]) - 1)
        right = next(piece for piece in before if piece[0] == place)
        left = next(piece for piece in before if piece[1] == place)
        return Merge(int(self.step[place]), left, right, int(self.rule[place]))

    @cached_property
    def tokens(self) -> list[tuple[int, int]]:
        """(first byte, end) of each piece that is left when no rule joins any more."""
        return self.pieces(len(self.raw))

    def token(self, byte: int) -> int:
        """Position in the text of the token that a byte is in."""
        return self.first + next((i for i, (_begin, end) in enumerate(self.tokens) if byte < end), 0)

    def label(self, piece: tuple[int, int]) -> str:
        """A piece as figures print it; one that holds a part of a character by its bytes, which are what is joined."""
        text, raw = _text(self.raw[piece[0] : piece[1]])
        return f"‹{spelled(raw)}›" if text is None else readable(text, raw)

    def around(self, place: int) -> "Word":
        """The word; of one of more than MOST_BYTES bytes (fewer where not all are ASCII) the token at this place among
        its own and those around it that fit, as if it held these alone. Steps keep their numbers."""
        low = high = place
        most = MOST_BYTES if self.raw.isascii() else _MOST_OTHER_BYTES
        while True:
            wider = [(a, b) for a, b in ((low, high + 1), (low - 1, high)) if a >= 0 and b < len(self.tokens)]
            fitting = [(a, b) for a, b in wider if self.tokens[b][1] - self.tokens[a][0] <= most]
            if not fitting:
                first, end = self.tokens[low][0], self.tokens[high][1]
                return Word(self.raw[first:end], self.step[first:end], self.rule[first:end], self.first + low)
            low, high = fitting[0]


def _text(raw: bytes) -> tuple[str | None, bytes]:
    try:
        return raw.decode(), raw
    except UnicodeDecodeError:
        return None, raw


def word_of(trace: Trace, view: Fitted) -> Word:
    """The word that the chosen token belongs to; of no bytes for a token without spelling, as rows of the vocabulary
    that no text is cut into."""
    if not trace.tokens[view.pos].bytes:
        return Word(b"", np.zeros(0, int), np.zeros(0, int), view.pos)
    lengths = [len(token.bytes) for token in trace.tokens]
    begins = np.cumsum([0, *lengths]).tolist()
    steps = trace[STEP]
    edges = [*np.flatnonzero(steps == _NEW_WORD).tolist(), len(steps)]
    start = max(edge for edge in edges if edge <= begins[view.pos])
    end = min(edge for edge in edges if edge > start)
    raw = b"".join(token.bytes for token in trace.tokens)[start:end]
    return Word(raw, steps[start:end], trace[RULE][start:end], begins.index(start))

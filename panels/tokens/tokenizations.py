"""One text under several tokenizers: how each cuts it, and which words come in other pieces."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from anatomy.trace import Token, Trace
from panels.common import columns
from viz.tokens import Cut, cut, units


@dataclass(frozen=True)
class Tokenization:
    """A text as one tokenizer cuts it.

    name    of the model that it belongs to
    kind    "byte-level BPE", "WordPiece" …; "" where that is not known
    vocab   how many tokens that model knows
    lost    what its vocabulary cannot spell, each once: words that an unknown-token stands for, characters left out
    """

    name: str
    kind: str
    vocab: int
    text: str
    tokens: tuple[Token, ...]
    lost: tuple[str, ...]

    @cached_property
    def cut(self) -> Cut:
        """What kind of piece of the text each token is."""
        return cut(self.text, self.tokens)

    def pieces(self, unit: tuple[int, int]) -> tuple[Token, ...]:
        """The tokens that hold any character of a word, in order. unit: (start, end) of the word in the text."""
        positions = {pos for place in range(*unit) for pos in self._holding.get(place, ())}
        return tuple(self.tokens[pos] for pos in sorted(positions))

    def holder(self, token: Token) -> int | None:
        """Position of the one that holds the first character of another tokenizer's token; None where none does."""
        held = self._holding.get(token.start) if token.end > token.start else None
        return held[-1] if held else None

    @cached_property
    def _holding(self) -> dict[int, list[int]]:
        return holding(self.tokens)

    def edges(self, unit: tuple[int, int]) -> tuple[object, ...]:
        """How a word is cut: where its pieces begin inside it, how many there are, and which are not spelled."""
        pieces = self.pieces(unit)
        return (len(pieces), *((max(token.start, unit[0]), token.special) for token in pieces))


def holding(tokens: Sequence[Token]) -> dict[int, list[int]]:
    """Positions of the tokens that hold each character, in order; a character that none holds is missing."""
    held: dict[int, list[int]] = {}
    for pos, token in enumerate(tokens):
        for place in range(token.start, token.end):
            held.setdefault(place, []).append(pos)
    return held


def tokenizations(trace: Trace) -> tuple[Tokenization, ...]:
    """The loaded model's, without the tokens that follow the text; then those of the other models at hand."""
    several = (trace, *trace.of_others)
    titles = Counter(_title(one) for one in several)
    return tuple(_cutting(one, trace.run.text, alone=titles[_title(one)] == 1) for one in several)


def _title(trace: Trace) -> str:
    return trace.spec.weights.title or trace.spec.name


def _cutting(trace: Trace, text: str, alone: bool) -> Tokenization:
    """alone: no other model has its title."""
    tokens = trace.tokens[: len(trace.tokens) - len(trace.run.tail)]
    unknown = [text[token.start : token.end] for token in tokens if token.special and token.end > token.start]
    lost = tuple(dict.fromkeys((*unknown, *trace.lost)))
    title = _title(trace) if alone else "/".join(trace.spec.name.split("/")[-2:])
    return Tokenization(title, trace.spec.tokenizer, trace.spec.vocab, text, tokens, lost)


def differing(one: Tokenization, other: Tokenization) -> tuple[tuple[int, int], ...]:
    """The words, and characters of scripts without spaces, that the two do not cut alike."""
    return tuple(unit for unit in units(one.text) if one.edges(unit) != other.edges(unit))


def around(text: str, place: int, most: int) -> tuple[int, int]:
    """(start, end) of at most `most` characters of a text, with the place in the middle as far as it goes."""
    span = columns.around(len(text), place, most)
    return span.start, span.stop


def within(tokens: Sequence[Token], span: tuple[int, int]) -> Iterator[tuple[int, Token]]:
    """(position, token) of those that stand for any of these characters, or that were added there."""
    start, end = span
    for pos, token in enumerate(tokens):
        if (token.start < end and start < token.end) or (token.start == token.end and start <= token.start <= end):
            yield pos, token

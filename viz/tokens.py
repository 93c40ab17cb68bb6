"""How tokens relate to words and characters: what kind of piece each one is, and the chips that show it."""

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from anatomy.characters import clusters
from anatomy.language import N_
from viz.format import fixed

WHOLE, PART, CHARACTER, BYTES, BETWEEN, SPECIAL = range(6)
KINDS = (
    N_("whole word"),
    N_("part of a word"),
    N_("character of a script without spaces"),
    N_("part of a character"),
    N_("punctuation, symbol or space"),
    N_("special"),
)
# First and last code points of scripts that do not put spaces between words: Thai, Lao · Myanmar · Khmer · Kana ·
# Han (ideographs, extensions, compatibility).
_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
_APOSTROPHES = "'’"


class Piece(Protocol):
    """What is read of a token: `anatomy.trace.Token` has all of it."""

    @property
    def id(self) -> int: ...
    @property
    def label(self) -> str: ...
    @property
    def text(self) -> str | None: ...
    @property
    def bytes(self) -> bytes: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def special(self) -> bool: ...


@dataclass(frozen=True)
class Cut:
    """How a text was cut: a kind (index into KINDS) per token, the words as (start, end), and its characters.

    own          tokens that stand for some of the text: all but those that the model adds
    words        runs of letters, digits and marks in scripts with spaces; an apostrophe inside does not end one
    characters   how many characters, as a reader counts them, are not white space
    unspaced     how many of those belong to a script that does not put spaces between words
    """

    kinds: tuple[int, ...]
    own: int
    words: tuple[tuple[int, int], ...]
    characters: int
    unspaced: int

    @property
    def per_word(self) -> float | None:
        """Tokens per word; None for a text with words that are not set apart, or with none."""
        return self.own / len(self.words) if self.words and not self.unspaced else None

    @property
    def per_character(self) -> float | None:
        """Tokens per character that is not white space; None where there is none."""
        return self.own / self.characters if self.characters else None


def rated(rate: float) -> str:
    """How many tokens a word or a character takes, as every panel writes it."""
    return fixed(rate, 2)


def cut(text: str, tokens: Sequence[Piece]) -> Cut:
    """What kind of piece of the text each token is."""
    spans = words(text)
    ends = [end for _start, end in spans]
    return Cut(
        kinds=tuple(_kind(text, token, spans, ends) for token in tokens),
        own=sum(token.end > token.start for token in tokens),
        words=spans,
        characters=sum(not text[start:end].isspace() for start, end in clusters(text)),
        unspaced=sum(text[start].isalnum() and _is_unspaced(text[start]) for start, _end in clusters(text)),
    )


@lru_cache(maxsize=8)
def words(text: str) -> tuple[tuple[int, int], ...]:
    """(start, end) of each word, in characters."""
    spans: list[tuple[int, int]] = []
    start = None
    for i, c in enumerate(text + " "):
        inside = _begins(c) or (start is not None and _goes_on(text, i))
        if inside and start is None:
            start = i
        elif not inside and start is not None:
            spans.append((start, i))
            start = None
    return tuple(spans)


@lru_cache(maxsize=8)
def units(text: str) -> tuple[tuple[int, int], ...]:
    """(start, end) of each word and of each character of a script without spaces, in order; of every character that is
    not white space where the text has neither."""
    alone = [(i, i + 1) for i, c in enumerate(text) if c.isalnum() and _is_unspaced(c)]
    return tuple(sorted((*words(text), *alone))) or tuple((i, i + 1) for i, c in enumerate(text) if not c.isspace())


def _begins(c: str) -> bool:
    """Letters, digits and underscores of scripts with spaces."""
    return (c.isalnum() or c == "_") and not _is_unspaced(c)


def _goes_on(text: str, i: int) -> bool:
    """Whether a mark stands on a letter there, or an apostrophe between two."""
    if i >= len(text) or _is_unspaced(text[i]):
        return False
    between = text[i] in _APOSTROPHES and i + 1 < len(text) and _begins(text[i + 1])
    return between or unicodedata.category(text[i]).startswith("M")


def _is_unspaced(c: str) -> bool:
    return ord(c) >= _UNSPACED[0][0] and any(first <= ord(c) <= last for first, last in _UNSPACED)


def _kind(text: str, token: Piece, spans: Sequence[tuple[int, int]], ends: Sequence[int]) -> int:
    """Its index in KINDS. spans: the words in order; ends: where each ends."""
    if token.special or token.start == token.end:
        return SPECIAL
    if token.text is None:
        return BYTES
    written = text[token.start : token.end]
    start = token.start + len(written) - len(written.lstrip())
    end = token.end - len(written) + len(written.rstrip())
    touched = spans[bisect_right(ends, start) : bisect_left(spans, (end,))]
    if touched:
        return WHOLE if all(start <= first and last <= end for first, last in touched) else PART
    return CHARACTER if any(_is_unspaced(c) for c in written) else BETWEEN


def spelled(raw: bytes) -> str:
    """Bytes in hexadecimal, two digits each: E2 96 81."""
    return raw.hex(" ").upper()

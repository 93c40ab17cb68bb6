"""Characters as readers see them, and those of a text that its tokens hold in parts."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from unicodedata import category

import regex

Span = tuple[int, int]  # first character, one past the last
# Code points of one character, at most: a family of four has 7, a flag of a region 7. What is longer is a letter under
# a heap of marks, of which each stands for itself.
LONGEST = 16


@dataclass(frozen=True)
class Share:
    """A part of a character that several tokens hold together.

    character  as it was written: a grapheme cluster (Unicode Annex 29), such as 患 or 👩‍👩‍👧‍👦
    part       which of its tokens this is, counted from 1
    of         how many tokens hold it
    """

    character: str
    part: int
    of: int


Covered = tuple[str | Share, ...]  # what a token covers, in order: whole characters side by side, parts of others


@lru_cache(maxsize=64)
def clusters(text: str) -> tuple[Span, ...]:
    """(start, end) of each character of a text as a reader counts them, in code points."""
    found: list[Span] = []
    for match in regex.finditer(r"\X", text):
        start, end = match.span()
        found += [(start, end)] if end - start <= LONGEST else [(i, i + 1) for i in range(start, end)]
    return tuple(found)


@lru_cache(maxsize=64)
def covered(text: str, spans: tuple[Span, ...]) -> tuple[Covered, ...]:
    """What each token covers, for those that hold a part of a character; () for all others.

    spans  of the tokens, (start, end) in code points; start == end for one that covers none
    """
    if text.isascii():  # a character of several tokens has more than one byte
        return ((),) * len(spans)
    places = clusters(text)
    starts = [start for start, _end in places]
    touched = [_touched(places, starts, span) for span in spans]
    holders: dict[int, list[int]] = {}
    for token, held in enumerate(touched):
        for place in held:
            holders.setdefault(place, []).append(token)
    split = {place: tokens for place, tokens in holders.items() if len(tokens) > 1 and _is_one(text, places[place])}
    return tuple(_covered(text, places, held, split, token) for token, held in enumerate(touched))


def _touched(places: Sequence[Span], starts: Sequence[int], span: Span) -> range:
    """Which characters a token covers, wholly or in part."""
    start, end = span
    first = bisect_right(starts, start) - 1
    return range(first, bisect_right(starts, end - 1)) if start < end and places else range(0)


def _is_one(text: str, place: Span) -> bool:
    """Whether several tokens that hold it hold one character together: a line's two ends are no character to see, and
    U+FFFD stands for bytes that are none."""
    return text[slice(*place)] not in ("\r\n", "\ufffd")


def _covered(text: str, places: Sequence[Span], held: range, split: dict[int, list[int]], token: int) -> Covered:
    """What one token covers; () where it holds no part of a character. held: the characters that it touches."""
    if not any(place in split for place in held):
        return ()
    found: list[str | Share] = []
    for place in held:
        character = text[slice(*places[place])]
        if place in split:
            found.append(Share(character, split[place].index(token) + 1, len(split[place])))
        elif found and isinstance(found[-1], str):
            found[-1] += character
        else:
            found.append(character)
    return tuple(found)


def stands_alone(text: str | None) -> bool:
    """Whether a part of a character can be read by itself, unlike bytes, marks and what joins."""
    return bool(text) and category(text[0])[0] != "M" and category(text[0]) != "Cf"


@dataclass(frozen=True)
class Bytes:
    """Bytes that need not be whole characters, in order.

    ends    the last bytes of a character of which the first are not here
    text    whole characters
    begins  the first bytes of a character of which the last are not here
    """

    ends: bytes
    text: str
    begins: bytes


def parted(raw: bytes) -> Bytes | None:
    """The whole characters among some bytes, and what stands before and after them; None for bytes that no text in
    UTF-8 has side by side."""
    start = next((i for i, byte in enumerate(raw) if byte & 0xC0 != 0x80), len(raw))
    stop = max((i for i, byte in enumerate(raw) if byte >= 0xC0), default=len(raw))
    if _is_whole(raw[stop:]) or any(byte & 0xC0 != 0x80 for byte in raw[stop + 1 :]):
        stop = len(raw)
    if start > 3 or not _is_whole(raw[start:stop]):
        return None
    return Bytes(raw[:start], raw[start:stop].decode(), raw[stop:])


def _is_whole(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


@lru_cache(maxsize=512)
def begun(first: bytes) -> tuple[str, str] | None:
    """The first and the last character that begin with these bytes, of those that can be seen; None for no such."""
    missing = _LENGTHS.get(first[0] >> 3, 0) - len(first) if first else 0
    if missing < 1:
        return None
    bits = first[0] & (0x7F >> (len(first) + missing))
    for byte in first[1:]:
        bits = bits << 6 | byte & 0x3F
    least = (0x80, 0x800, 0x10000)[len(first) + missing - 2]
    points = range(max(bits << 6 * missing, least), min((bits + 1) << 6 * missing, 0x110000))
    ends = (next((chr(point) for point in way if _is_seen(chr(point))), None) for way in (points, reversed(points)))
    low, high = ends
    return None if low is None or high is None else (low, high)


# Bytes of a character by the first five bits of its first one (RFC 3629, sec. 3).
_LENGTHS = dict.fromkeys(range(0b11000, 0b11100), 2) | {0b11100: 3, 0b11101: 3, 0b11110: 4}


def _is_seen(character: str) -> bool:
    return character.isprintable() and not character.isspace() and category(character)[0] != "M"

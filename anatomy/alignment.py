"""Alignment: which tokens of two runs belong together."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

from anatomy.trace import Token, Trace

Partner = tuple[int | None, int | None]
_EQUAL, _REPLACED = 3, 1  # what a pair of equal tokens counts for, and one of a token and what stands in its place
_WORDS = re.compile(r"\w+|\W")


@dataclass(frozen=True)
class Alignment:
    """The tokens of two runs in pairs, in the order of both texts.

    pairs  (place in A, place in B) from 0; None where a token has no partner
    equal  per pair: both tokens are the same, or have read the same word up to the same character
    """

    pairs: tuple[Partner, ...]
    equal: tuple[bool, ...]

    @cached_property
    def in_b(self) -> dict[int, int]:
        """Place in A → place in B, of those that have a partner."""
        return {i: j for i, j in self.pairs if i is not None and j is not None}

    @cached_property
    def in_a(self) -> dict[int, int]:
        """Place in B → place in A, of those that have a partner."""
        return {j: i for i, j in self.in_b.items()}

    @property
    def both(self) -> tuple[tuple[int, int], ...]:
        """The pairs that are whole."""
        return tuple(self.in_b.items())

    @property
    def whole(self) -> bool:
        """Every token has a partner in the same place."""
        return all(i == j for i, j in self.pairs)

    def near_b(self, place: int) -> int:
        """The partner of a place in A; where it has none, the partner of the last one before it that has one, else of
        the first one after it; the last token where none has one."""
        return _near(self.in_b, place, max((j for _i, j in self.pairs if j is not None), default=0))

    def near_a(self, place: int) -> int:
        """The same for a place in B."""
        return _near(self.in_a, place, max((i for i, _j in self.pairs if i is not None), default=0))

    def swapped(self) -> "Alignment":
        """The same with A and B in each other's place."""
        return Alignment(tuple((j, i) for i, j in self.pairs), self.equal)


def _near(partners: dict[int, int], place: int, last: int) -> int:
    places = list(partners)
    before = bisect_right(places, place)
    if before:
        return partners[places[before - 1]]
    return partners[places[0]] if places else last


def identity(length: int) -> Alignment:
    """Of a run with itself."""
    return Alignment(tuple((i, i) for i in range(length)), (True,) * length)


def aligned(a: Trace, b: Trace) -> Alignment:
    """The tokens of two runs, aligned.

    With one vocabulary equal tokens are matched in order, as many as can be without a crossing. Where as many are left
    over on both sides between two matches, each stands in the place of the other; where pairing the texts place by
    place is as good, that is taken. Across vocabularies two tokens are partners that end at the same character of the
    same word: what both have read up to there is the same. The same pairs whichever run comes first.
    """
    if one_vocabulary(a, b):
        mine, theirs = (tuple((token.id, token.piece) for token in trace.tokens) for trace in (a, b))
        return by_token(mine, theirs)
    first = (a.text, a.spec.id) <= (b.text, b.spec.id)
    return _by_end(a, b) if first else _by_end(b, a).swapped()


def one_vocabulary(a: Trace, b: Trace) -> bool:
    """Whether an id means the same in both runs, as far as their tokens tell: where they have none in common, it does
    not matter, as no token is matched by its id."""
    if a.spec.id == b.spec.id:
        return True
    pieces, ids = {token.id: token.piece for token in a.tokens}, {token.piece: token.id for token in a.tokens}
    shared = [token for token in b.tokens if token.id in pieces or token.piece in ids]
    alike = all(pieces.get(token.id) == token.piece for token in shared)
    return a.spec.vocab == b.spec.vocab and bool(shared) and alike


@lru_cache(maxsize=16)  # each part of the page that comes back asks again
def by_token(a: tuple[Hashable, ...], b: tuple[Hashable, ...]) -> Alignment:
    """Two sequences of which equal entries belong together, and those that stand in each other's place. The same pairs
    whichever comes first."""
    return _matched(a, b) if repr(a) <= repr(b) else _matched(b, a).swapped()


def _matched(a: tuple[Hashable, ...], b: tuple[Hashable, ...]) -> Alignment:
    matched = _filled([(-1, -1), *longest(a, b), (len(a), len(b))])
    score = sum(_EQUAL if a[i] == b[j] else _REPLACED for i, j in matched if i is not None and j is not None)
    if len(a) == len(b):
        same = sum(one == other for one, other in zip(a, b, strict=True))
        if _EQUAL * same + _REPLACED * (len(a) - same) >= score:
            matched = [(i, i) for i in range(len(a))]
    return _of(matched, a, b)


def _of(pairs: Sequence[Partner], a: Sequence[Hashable], b: Sequence[Hashable]) -> Alignment:
    equal = (i is not None and j is not None and a[i] == b[j] for i, j in pairs)
    return Alignment(tuple(pairs), tuple(equal))


def _filled(anchors: Sequence[tuple[int, int]]) -> list[Partner]:
    """All places of both sides in order. anchors: the matches, between one before the first and one past the last."""
    pairs: list[Partner] = []
    for (i, j), (next_i, next_j) in pairwise(anchors):
        first, second = list(range(i + 1, next_i)), list(range(j + 1, next_j))
        if len(first) == len(second):
            pairs += zip(first, second, strict=True)
        else:
            pairs += [*((k, None) for k in first), *((None, k) for k in second)]
        pairs.append((next_i, next_j))
    return pairs[:-1]


def _by_end(a: Trace, b: Trace) -> Alignment:
    """Tokens that end at the same character of a word that both texts have; special ones by their order at each end."""
    mine, theirs = _ends(a), _ends(b)
    matched = longest([key for _place, key in mine], [key for _place, key in theirs])
    anchors = [(mine[i][0], theirs[j][0]) for i, j in matched]
    pairs: list[Partner] = []
    for (i, j), (next_i, next_j) in pairwise([(-1, -1), *anchors, (len(a.tokens), len(b.tokens))]):
        pairs += [*((k, None) for k in range(i + 1, next_i)), *((None, k) for k in range(j + 1, next_j))]
        pairs.append((next_i, next_j))
    return Alignment(tuple(pairs[:-1]), tuple(i is not None and j is not None for i, j in pairs[:-1]))


def _ends(trace: Trace) -> list[tuple[int, Hashable]]:
    """(place, what it has read of which word) of the tokens that can have a partner under another vocabulary: of
    several that end within one character the last one, and those that the model adds."""
    words = list(_WORDS.finditer(trace.text))
    starts = [word.start() for word in words]
    found: list[tuple[int, Hashable]] = []
    for place, token in enumerate(trace.tokens):
        if token.special or token.end <= token.start:
            found.append((place, _added(trace.tokens, place)))
        elif (
            place + 1 == len(trace.tokens)
            or trace.tokens[place + 1].end != token.end
            or trace.tokens[place + 1].special
        ):
            word = words[max(0, bisect_left(starts, token.end) - 1)]
            found.append((place, (word.group(), token.end - word.start())))
    return found


def _added(tokens: Sequence[Token], place: int) -> str:
    """What is said of a token that covers no text: that it opens the text, or closes it."""
    return "opens" if all(token.special for token in tokens[:place]) else "closes"


def in_order(first: Sequence[str], second: Sequence[str], chosen: Partner = (None, None)) -> list[Partner]:
    """(place in the first, place in the second) of labels whose order counts, such as the tokens of two texts: as many
    equal ones as can be matched without crossing, those between without a partner. The same pairs whichever comes
    first. chosen: the chosen place of each; where their labels are equal, these two belong together."""
    i, j = chosen
    if i is not None and j is not None and first[i] == second[j]:
        after = in_order(first[i + 1 :], second[j + 1 :])
        return [*in_order(first[:i], second[:j]), (i, j), *((_on(k, i + 1), _on(n, j + 1)) for k, n in after)]
    if tuple(second) < tuple(first):
        return [(one, other) for other, one in in_order(second, first)]
    pairs: list[Partner] = []
    begun, other_begun = 0, 0
    for i, j in [*longest(first, second), (len(first), len(second))]:
        pairs += [(k, None) for k in range(begun, i)]
        pairs += [(None, n) for n in range(other_begun, j)]
        pairs += [(i, j)] if i < len(first) else []
        begun, other_begun = i + 1, j + 1
    return pairs


def _on(place: int | None, by: int) -> int | None:
    return None if place is None else place + by


def longest(first: Sequence[Hashable], second: Sequence[Hashable]) -> list[tuple[int, int]]:
    """The longest common subsequence, as pairs of places. Bit i of a row is 0 where a match ends at place i of the
    first (Crochemore et al. 2001): texts of 8,192 tokens take well under a second."""
    places: dict[Hashable, int] = {}
    for i, name in enumerate(first):
        places[name] = places.get(name, 0) | 1 << i
    every = (1 << len(first)) - 1
    rows = [every]
    for name in second:
        there = rows[-1] & places.get(name, 0)
        rows.append(((rows[-1] + there) | (rows[-1] - there)) & every)
    pairs, i, j = [], len(first), len(second)
    while i and j:
        if rows[j] >> (i - 1) & 1:
            i -= 1
        elif not rows[j - 1] >> (i - 1) & 1:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]

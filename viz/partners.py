"""Partners: which parts of two descriptions of a kind belong together, and how those without a partner are marked."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float

from anatomy.language import _
from anatomy.rounding import bound
from viz.format import listed, number

FIRST, SECOND = "◧", "◨"  # only in the first, only in the second
Partner = tuple[int | None, int | None]
_MOST_NAMED = 6
_LONGEST = 120  # letters of a value that a message holds


class Unlike(ValueError):
    """Two descriptions that have no difference: their kinds or axes are not the same."""


def meet(first: object, second: object, *fields: str, **axes: tuple[object, object]) -> None:
    """Nothing, where two descriptions are of one kind and each of these fields, and of these axes by name, is the same
    in both; else Unlike, which names what differs."""
    if type(first) is not type(second):
        raise Unlike(f"a {type(first).__name__} and a {type(second).__name__} have no difference: give two of one kind")
    named = {name: (getattr(first, name), getattr(second, name)) for name in fields}
    for name, (one, other) in {**named, **axes}.items():
        if one != other:
            what, values = name.replace("_", " "), (repr(one), repr(other))
            if max(map(len, values)) > _LONGEST:
                raise Unlike(f"{what}: not the same in both")
            raise Unlike(f"{what} is {values[0]} in the first and {values[1]} in the second")


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
    for i, j in [*_longest(first, second), (len(first), len(second))]:
        pairs += [(k, None) for k in range(begun, i)]
        pairs += [(None, n) for n in range(other_begun, j)]
        pairs += [(i, j)] if i < len(first) else []
        begun, other_begun = i + 1, j + 1
    return pairs


def _on(place: int | None, by: int) -> int | None:
    return None if place is None else place + by


def _longest(first: Sequence[str], second: Sequence[str]) -> list[tuple[int, int]]:
    """The longest common subsequence, as pairs of places. Bit i of a row is 0 where a match ends at place i of the
    first (Crochemore et al. 2001): texts of 8,192 tokens take well under a second."""
    places: dict[str, int] = {}
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


def by_name(first: Sequence[str], second: Sequence[str]) -> list[Partner]:
    """The same of labels whose order does not count, such as the rows of a ranking: the n-th of a name belongs to the
    n-th of that name. Those of the first in their order, then what only the second has."""
    places = {name: i for i, name in enumerate(_numbered(second))}
    pairs: list[Partner] = [(i, places.pop(name, None)) for i, name in enumerate(_numbered(first))]
    return pairs + [(None, j) for j in sorted(places.values())]


def _numbered(names: Iterable[str]) -> list[tuple[str, int]]:
    """Each name with how many of it came before."""
    seen: Counter[str] = Counter()
    numbered = []
    for name in names:
        numbered.append((name, seen[name]))
        seen[name] += 1
    return numbered


def by_name_or_order(first: Sequence[str], second: Sequence[str], chosen: Partner = (None, None)) -> list[Partner]:
    """By name where each stands once on its side, as in a ranking; else in order, as in a text."""
    once = len(set(first)) == len(first) and len(set(second)) == len(second)
    return by_name(first, second) if once else in_order(first, second, chosen)


def place_of(pairs: Sequence[Partner], place: int | None) -> int | None:
    """Where a place of the first stands among the pairs; None for none."""
    return None if place is None else next(at for at, (i, _j) in enumerate(pairs) if i == place)


def both(pairs: Iterable[Partner]) -> list[tuple[int, int]]:
    """The pairs that are whole."""
    return [(i, j) for i, j in pairs if i is not None and j is not None]


def common(pairs: Iterable[Partner], what: str) -> tuple[list[int], list[int]]:
    """The places of the whole pairs in the first and in the second; Unlike where there is none. what: they are."""
    whole = both(pairs)
    if not whole:
        raise Unlike(f"no {what} of the first is in the second")
    return [i for i, _j in whole], [j for _i, j in whole]


def label(pair: Partner, first: Sequence[str], second: Sequence[str]) -> str:
    """The label of a pair, with a mark where it has no partner."""
    i, j = pair
    if i is None:
        return f"{SECOND} {second[j or 0]}"
    return first[i] if j is not None else f"{FIRST} {first[i]}"


def labels(pairs: Iterable[Partner], first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    """The labels of all pairs."""
    return tuple(label(pair, first, second) for pair in pairs)


def taken(values: Float[np.ndarray, "... place"], places: Iterable[int | None]) -> Float[np.ndarray, "... pair"]:
    """The values at some places of the last axis, in double precision; NaN for None."""
    chosen = list(places)
    there = np.array([place is not None for place in chosen], bool)
    out = np.full((*values.shape[:-1], len(chosen)), np.nan)
    out[..., there] = values[..., np.array([place for place in chosen if place is not None], np.int64)]
    return out


def difference(
    pairs: Sequence[Partner], first: Float[np.ndarray, "... a"], second: Float[np.ndarray, "... b"]
) -> Float[np.ndarray, "... pair"]:
    """The first's value less the second's for each pair; NaN where one has none."""
    return taken(first, (i for i, _j in pairs)) - taken(second, (j for _i, j in pairs))


def ratio(first: Float[np.ndarray, "*any"], second: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """log₁₀(first / second); 0 where both are equal, NaN where one is not above 0."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    there = (first > 0) & (second > 0)
    logs = np.full(there.shape, np.nan)
    logs[there] = np.log10(first[there]) - np.log10(second[there])
    return np.where(first == second, 0.0, logs)


def alone(*groups: tuple[Iterable[Partner], Sequence[str], Sequence[str]]) -> str:
    """A sentence that names what has no partner, of groups (pairs, labels of the first, of the second); "" where
    everything has one."""
    lone = [label(pair, first, second) for pairs, first, second in groups for pair in pairs if None in pair]
    if not lone:
        return ""
    named = listed(lone[:_MOST_NAMED]) + (" …" if len(lone) > _MOST_NAMED else "")
    return _("Without a partner ({first} in the first only, {second} in the second only): {names}.",
             first=FIRST, second=SECOND, names=named)  # fmt: skip


def marked(lone: Iterable[bool]) -> str:
    """A sentence that says what the marks on labels mean; "" where none is marked."""
    if not any(lone):
        return ""
    return _("{first} only in the first, {second} only in the second: no difference.", first=FIRST, second=SECOND)


UNITS = np.ones(1)  # what logarithms of ratios are compared with: a relative rounding


def largest(values: Float[np.ndarray, "*any"], *compared: Float[np.ndarray, "*any"]) -> float:
    """The end of a symmetric scale that holds these values, and what is only rounding of the numbers that were compared
    (`anatomy.rounding`), so that this does not fill it; 1 where all are 0 or there are none."""
    end = _size(values)
    return max(end, *(bound(_size(numbers)) for numbers in compared)) if end and compared else end or 1.0


def _size(values: Float[np.ndarray, "*any"]) -> float:
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def signed(value: float) -> str:
    """A difference in words, with its sign: +0.42, −3.1, 0."""
    return f"+{number(value)}" if value > 0 else number(value)


def of_axis(axis: str, logarithmic: bool = False) -> str:
    """The title of an axis whose numbers are subtracted; on a logarithmic one what is shown is the ratio's log."""
    return _("log₁₀ of the ratio: {axis}", axis=axis) if logarithmic else _("difference: {axis}", axis=axis)


def of_titles(first: str, second: str) -> str:
    """The title of a figure that shows a difference."""
    return of_axis(first) if first == second else f"{first} − {second}"

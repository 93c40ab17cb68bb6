"""Partners: which parts of two descriptions of a kind belong together, and how those without a partner are marked."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
from jaxtyping import Float

from anatomy.alignment import Partner as Partner
from anatomy.alignment import in_order as by_order
from anatomy.language import _
from anatomy.rounding import bound
from viz.format import listed, number

FIRST, SECOND = "◧", "◨"  # only in the first, only in the second
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


@contextmanager
def aligning(first: Sequence[str], second: Sequence[str], pairs: Sequence[Partner]) -> Iterator[None]:
    """Inside this `with`, what stands along the tokens of these two texts is paired as the texts are, also where the
    labels of two partners are not the same.

    first, second  the labels of all tokens of what is subtracted from, and of what is subtracted
    pairs          (place in the first, place in the second), in order
    """
    before = _texts.set((tuple(first), tuple(second), tuple(pairs)))
    try:
        yield
    finally:
        _texts.reset(before)


_texts: ContextVar[tuple[tuple[str, ...], tuple[str, ...], tuple[Partner, ...]] | None] = ContextVar(
    "texts", default=None
)


def in_order(first: Sequence[str], second: Sequence[str], chosen: Partner = (None, None)) -> list[Partner]:
    """Pairs of labels whose order counts: those of the two texts inside `aligning`, else as in `anatomy.alignment`."""
    texts = _texts.get()
    if texts is not None and (tuple(first), tuple(second)) == texts[:2]:
        return list(texts[2])
    return by_order(first, second, chosen)


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
    """The label of a pair, with a mark where it has no partner; of two that stand in each other's place what stood
    there in the second and what stands there in the first."""
    i, j = pair
    if i is None:
        return f"{SECOND} {second[j or 0]}"
    if j is None:
        return f"{FIRST} {first[i]}"
    return first[i] if first[i] == second[j] else f"{second[j]} → {first[i]}"


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

"""Partners: which parts of two descriptions of a kind belong together, and how those without a partner are marked."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy.alignment import Partner as Partner
from anatomy.alignment import in_order as by_order
from anatomy.language import N_, _
from anatomy.rounding import bound
from viz.format import listed, number
from viz.marks import Stands

FIRST, SECOND = "◧", "◨"  # only in the first, only in the second
_MOST_NAMED = 6
_LONGEST = 120  # letters of a value that a message holds
Places = Sequence[int | None] | None  # the token of its text that each label stands for; None where they are no tokens


@dataclass(frozen=True)
class Called:
    """How the two of a difference are called: marks of what one alone has, and messages, which are said when needed.

    first, second  marks: what is subtracted from, and what is subtracted
    alone          {names} have no partner
    marked         what the marks mean
    only           legend of what the first, and the second, has alone
    more           legend of what the first, and the second, has more of
    axis, ratio    title of an {axis} whose numbers are subtracted, and whose logarithms are
    """

    first: str
    second: str
    alone: str
    marked: str
    only: tuple[str, str]
    more: tuple[str, str]
    axis: str
    ratio: str

    @property
    def marks(self) -> dict[str, str]:
        """Both marks by the places that messages have for them."""
        return {"first": self.first, "second": self.second}


_FIGURES = Called(
    FIRST,
    SECOND,
    N_("Without a partner ({first} in the first only, {second} in the second only): {names}."),
    N_("{first} only in the first, {second} only in the second: no difference."),
    (N_("{mark} only in the first"), N_("{mark} only in the second")),
    (N_("more in the first"), N_("more in the second")),
    N_("difference: {axis}"),
    N_("log₁₀ of the ratio: {axis}"),
)
RUNS = Called(
    "[B]",
    "[A]",
    N_("Without a partner ({first} shown in B only, {second} in A only): {names}."),
    N_("{first} shown in B only, {second} in A only: no difference."),
    (N_("{mark} shown in B only"), N_("{mark} shown in A only")),
    (N_("more in B"), N_("more in A")),
    N_("B − A: {axis}"),
    N_("log₁₀(B / A): {axis}"),
)
_called: ContextVar[Called] = ContextVar("called", default=_FIGURES)


def called() -> Called:
    """How the two of a difference are called here: two runs inside `aligning`, else the first and the second."""
    return _called.get()


class Unlike(ValueError):
    """Two descriptions that have no difference: their kinds or axes are not the same. Its message is for Python.

    sentence  the same for a reader, and what would help
    """

    def __init__(self, message: str, sentence: str = "") -> None:
        super().__init__(message)
        self.sentence = sentence or message


# By the field that differs; {first} and {second} are what it is.
_SAID = {
    "logarithmic": N_("One of the two is drawn on a logarithmic scale and the other is not: choose one scale."),
    "measure": N_("A cell of the one is “{first}”, a cell of the other “{second}”: choose the same in both."),
    "tokens_of_the_cells": N_(
        "Each cell stands for several tokens, and the two texts are not cut at the same places: zoom in, so that each "
        "cell stands for one pair of tokens."
    ),
    "cells_with_names": N_("One of the two has its cells in order of size and the other has not: choose one order."),
    "names_of_cells": N_("The two do not have the same cells to put in an order: have them shown by layer instead."),
    "number_of_planes": N_("The two do not have as many planes: {first} and {second}."),
    "strips": N_("The two do not have as many components: their heads are of different width."),
}
_ELSE = N_("One figure shows “{first}”, the other “{second}”: only numbers of one kind can be subtracted.")


def meet(first: object, second: object, *fields: str, **axes: tuple[object, object]) -> None:
    """Nothing, where two descriptions are of one kind and each of these fields, and of these axes by name, is the same
    in both; else Unlike, which names what differs."""
    if type(first) is not type(second):
        raise Unlike(
            f"a {type(first).__name__} and a {type(second).__name__} have no difference: give two of one kind",
            _("The two are figures of different kinds, which have no difference: choose the same settings in both."),
        )
    named = {name: (getattr(first, name), getattr(second, name)) for name in fields}
    for name, (one, other) in {**named, **axes}.items():
        if one != other:
            said = _(_SAID.get(name, _ELSE), first=one, second=other)
            what, values = name.replace("_", " "), (repr(one), repr(other))
            if max(map(len, values)) > _LONGEST:
                raise Unlike(f"{what}: not the same in both", said)
            raise Unlike(f"{what} is {values[0]} in the first and {values[1]} in the second", said)


@contextmanager
def aligning(first: Sequence[str], second: Sequence[str], pairs: Sequence[Partner]) -> Iterator[None]:
    """Inside this `with`, a difference is that of two runs, B − A, and is called so (`RUNS`); what stands along the
    tokens of their texts is paired as the texts are, also where the labels of two partners are not the same.

    first, second  the labels of all tokens of what is subtracted from, and of what is subtracted
    pairs          (place in the first, place in the second), in order
    """
    before, before_called = _texts.set((tuple(first), tuple(second), tuple(pairs))), _called.set(RUNS)
    try:
        yield
    finally:
        _texts.reset(before)
        _called.reset(before_called)


_texts: ContextVar[tuple[tuple[str, ...], tuple[str, ...], tuple[Partner, ...]] | None] = ContextVar(
    "texts", default=None
)


def in_order(
    first: Sequence[str],
    second: Sequence[str],
    chosen: Partner = (None, None),
    places: tuple[Places, Places] = (None, None),
) -> list[Partner]:
    """Pairs of labels whose order counts. Inside `aligning` those of tokens are paired as the texts are, whatever part
    of them is drawn; all others as in `anatomy.alignment`.

    places  the tokens that the labels of each side stand for, where they are tokens or words
    """
    texts, (mine, theirs) = _texts.get(), places
    if texts is not None and (tuple(first), tuple(second)) == texts[:2]:
        return list(texts[2])
    if texts is not None and mine is not None and theirs is not None:
        own, others = _filled(mine, first), _filled(theirs, second)
        if _each_once(own) and _each_once(others) and not _positions(first, own):
            return _by_place(first, second, own, others, texts[2])
    return by_order(first, second, chosen)


def along(
    first: Sequence[str],
    second: Sequence[str],
    chosen: Partner = (None, None),
    places: tuple[Places, Places] = (None, None),
) -> list[Partner]:
    """The same along an axis that may hold anything: labels that are no tokens, stand once on either side and in
    another order there, as in a ranking, are paired by name."""
    pairs = in_order(first, second, chosen, places)
    if places == (None, None) and _texts.get() is not None and _once(first) and _once(second):
        named = by_name(first, second)
        return named if len(both(named)) > len(both(pairs)) else pairs
    return pairs


def _once(names: Sequence[str]) -> bool:
    return len(set(names)) == len(names)


def _each_once(places: Iterable[int | None]) -> bool:
    known = [place for place in places if place is not None]
    return len(set(known)) == len(known)


def _positions(labels: Sequence[str], places: Sequence[int | None]) -> bool:
    """Whether labels are numbers alone, of positions or of those that a column covers: 7, 32–63. Such an axis is one of
    positions, not of tokens."""
    return all(re.fullmatch(rf"{place}(–\d+)?", label) for place, label in zip(places, labels, strict=False))


def _filled(places: Sequence[int | None], labels: Sequence[str]) -> list[int | None]:
    """As many places as labels."""
    return [*places[: len(labels)], *[None] * (len(labels) - len(places))]


def _by_place(
    first: Sequence[str],
    second: Sequence[str],
    mine: Sequence[int | None],
    theirs: Sequence[int | None],
    pairs: Sequence[Partner],
) -> list[Partner]:
    """Labels whose tokens are partners in the texts; those that stand for no token by their names."""
    partners, there = dict(both(pairs)), {place: j for j, place in enumerate(theirs) if place is not None}
    others, own = ([i for i, place in enumerate(side) if place is None] for side in (theirs, mine))
    found = {own[i]: others[j] for i, j in both(by_name([first[i] for i in own], [second[j] for j in others]))}
    for i, place in enumerate(mine):
        if place is not None and partners.get(place) in there:
            found[i] = there[partners[place]]
    return _merged(found, len(first), len(second))


def _merged(found: dict[int, int], first: int, second: int) -> list[Partner]:
    """All places of both sides in the order of the first, what only the second has before its next pair."""
    lone = sorted({*range(second)} - {*found.values()}, reverse=True)
    pairs: list[Partner] = []
    for i in range(first):
        while i in found and lone and lone[-1] < found[i]:
            pairs.append((None, lone.pop()))
        pairs.append((i, found.get(i)))
    return pairs + [(None, j) for j in reversed(lone)]


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


def by_name_or_order(
    first: Sequence[str],
    second: Sequence[str],
    chosen: Partner = (None, None),
    places: tuple[Places, Places] = (None, None),
) -> list[Partner]:
    """By name where each stands once on its side, as in a ranking; else in order, as in a text. Inside `aligning` what
    stands for tokens is paired as the texts are."""
    named = _once(first) and _once(second) and (_texts.get() is None or None in places)
    return by_name(first, second) if named else in_order(first, second, chosen, places)


def ranked(first: Sequence[str], second: Sequence[str], places: tuple[Places, Places] = (None, None)) -> list[Partner]:
    """Rows of a ranking by name; inside `aligning` those that stand for tokens as the texts are."""
    aligned = _texts.get() is not None and None not in places
    return in_order(first, second, places=places) if aligned else by_name(first, second)


@dataclass(frozen=True, eq=False)
class Subtracted:
    """What a difference, or a part of it, was made of: before a logarithm, in the order of its numbers.

    title          what the numbers are, with their unit
    first, second  NaN where one has none
    ratio          the logarithm of their ratio is shown, not their difference
    """

    title: str
    first: Float[np.ndarray, " number"]
    second: Float[np.ndarray, " number"]
    ratio: bool = False

    @classmethod
    def of(
        cls, title: str, first: Float[np.ndarray, "*any"], second: Float[np.ndarray, "*any"], *, ratio: bool = False
    ) -> "Subtracted":
        """The numbers in a row, in double precision."""
        return cls(title, np.ravel(first).astype(np.float64), np.ravel(second).astype(np.float64), ratio)


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
        raise Unlike(
            f"no {what} of the first is in the second",
            _(
                "Nothing that the one figure shows is in the other, so that there is nothing to subtract: choose what "
                "both have, such as a token that stands in both texts."
            ),
        )
    return [i for i, _j in whole], [j for _i, j in whole]


def label(pair: Partner, first: Sequence[str], second: Sequence[str]) -> str:
    """The label of a pair, with a mark where it has no partner; of two that stand in each other's place what stood
    there in the second and what stands there in the first."""
    i, j = pair
    if i is None:
        return f"{called().second} {second[j or 0]}"
    if j is None:
        return f"{called().first} {first[i]}"
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
    return _(called().alone, names=named, **called().marks)


def marked(lone: Iterable[bool]) -> str:
    """A sentence that says what the marks on labels mean; "" where none is marked."""
    if not any(lone):
        return ""
    return _(called().marked, **called().marks)


def stood(second: Sequence[Stands | None], *directions: Sequence[Partner]) -> tuple[Stands | None, ...]:
    """What the marks of a difference stand for: what they stand for in what is subtracted, run A, whose places a
    reader chooses; nothing where only the first has them.

    second      what the marks of what is subtracted stand for
    directions  the pairs that are drawn along each direction
    """
    return tuple(
        None if along is None else along.taken([j for _i, j in pairs])
        for along, pairs in zip(second, directions, strict=False)
    )


UNITS = np.ones(1)  # what logarithms of ratios are compared with: a relative rounding


def largest(values: Float[np.ndarray, "*any"], *compared: Float[np.ndarray, "*any"]) -> float:
    """The end of a symmetric scale that holds these values, and what is only rounding of the numbers that were compared
    (`anatomy.rounding`), so that this does not fill it; 1 where all are 0 or there are none."""
    end = _size(values)
    return max(end, residue(*compared)) if end and compared else end or 1.0


def residue(*compared: Float[np.ndarray, "*any"]) -> float:
    """What a difference of these numbers may reach by rounding alone."""
    return max(bound(_size(numbers)) for numbers in compared)


def _size(values: Float[np.ndarray, "*any"]) -> float:
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def signed(value: float) -> str:
    """A difference in words, with its sign: +0.42, −3.1, 0."""
    return f"+{number(value)}" if value > 0 else number(value)


def of_axis(axis: str, logarithmic: bool = False) -> str:
    """The title of an axis whose numbers are subtracted; on a logarithmic one what is shown is the ratio's log."""
    title = called().ratio if logarithmic else called().axis
    return _(title, axis=axis)


def of_titles(first: str, second: str) -> str:
    """The title of a figure, or of an axis, that shows a difference; both where they name different things."""
    title = one_or_both(first, second)
    return of_axis(title) if first == second or called() is RUNS else title


def one_or_both(first: str, second: str) -> str:
    """The title of what is subtracted: of both, where they name different things."""
    return first if first == second else f"{first} − {second}"


def without(title: str, about: str) -> str:
    """A title with a gap in place of what it is about, such as a token of one text: what has to be the same in both."""
    return title.replace(about, "…") if about else title

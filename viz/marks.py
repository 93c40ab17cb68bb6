"""Marks: what the bars, points and lines of a figure stand for among the reader's choices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Choice = Literal["pos", "src", "layer", "head", "neuron"]


@dataclass(frozen=True)
class Stands:
    """What the marks along one direction of a figure stand for.

    choice   the reader's choice that a mark makes: a token of the text ("pos"), a token looked at ("src"), a layer, a
             head, a neuron
    numbers  which one each mark stands for, counted from 0; None for none
    also     what the same marks choose besides, as a neuron's mark its layer; None for nothing
    """

    choice: Choice
    numbers: tuple[int | None, ...]
    also: "Stands | None" = None

    @classmethod
    def each(cls, choice: Choice, count: int, before: int = 0, also: "Stands | None" = None) -> "Stands":
        """One mark for each of so many, in order, after so many that stand for none."""
        return cls(choice, (*[None] * before, *range(count)), also)

    def number(self, place: int) -> int | None:
        """Which one the mark at a place stands for; None for none, and where there is no such place."""
        return self.numbers[place] if 0 <= place < len(self.numbers) else None

    @property
    def choices(self) -> tuple["Stands", ...]:
        """All that its marks choose, this first."""
        return (self, *(self.also.choices if self.also else ()))

    def taken(self, places: Sequence[int | None]) -> "Stands":
        """What marks that are those at some places of these stand for; None for one that is none of them."""
        also = None if self.also is None else self.also.taken(places)
        return Stands(self.choice, tuple(None if at is None else self.number(at) for at in places), also)


def tokens(stands: Sequence[Stands | None], direction: int) -> tuple[int | None, ...] | None:
    """The token of its text that each mark along a direction stands for; None where they stand for something else."""
    along = stands[direction] if direction < len(stands) else None
    return None if along is None or along.choice not in ("pos", "src") else along.numbers


def chosen(stands: Sequence[Stands | None], place: Sequence[int | None] | None) -> dict[Choice, int]:
    """What choosing the mark at this place along each direction means; empty for nothing.

    place  None for a mark that has no place, and None along a direction in which it stands for none
    """
    meant: dict[Choice, int] = {}
    for direction, at in zip(stands, place or (), strict=False):
        if direction is None or at is None:
            continue
        for each in direction.choices:
            if (number := each.number(at)) is not None:
                meant[each.choice] = number
    return meant


def nth(group: Sequence[int], point: int) -> tuple[int] | None:
    """The place of a trace's point, where the trace draws these of a figure's marks; None where it has no such point.

    group  the marks that the trace draws, in its order
    """
    return (group[point],) if 0 <= point < len(group) else None


def in_groups(groups: Sequence[Sequence[int]], trace: int, point: int) -> tuple[int] | None:
    """The same where each trace draws a group of them; None where there is no such trace.

    groups  the marks of each trace
    """
    return nth(groups[trace], point) if 0 <= trace < len(groups) else None

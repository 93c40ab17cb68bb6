"""Tokens of two runs that belong together: what they are called, and how many of them share a bar."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from anatomy.language import _
from anatomy.parting import Places
from viz.format import quoted

MOST_BARS = 160  # of a longer text the largest of every few pairs is drawn


@dataclass(frozen=True)
class Names:
    """What the tokens of a pair are called in sentences: "·John → ·Mary" where they are not the same, and with the
    position in the first run where a text has such a token twice.

    labels  of all tokens, of the first run and of the second
    """

    labels: tuple[tuple[str, ...], tuple[str, ...]]

    def pair(self, places: Places) -> str:
        """Both tokens of a pair."""
        first, second = (labels[place] for labels, place in zip(self.labels, places, strict=True))
        name = quoted(first if first == second else f"{first} → {second}")
        again = any(labels.count(labels[place]) > 1 for labels, place in zip(self.labels, places, strict=True))
        return _("{token} at {pos}", token=name, pos=places[0]) if again else name


def groups(count: int) -> Sequence[tuple[int, int]]:
    """(first, one past the last) of the pairs that share a bar."""
    bars = min(count, MOST_BARS)
    return list(pairwise(i * count // bars for i in range(bars + 1)))


def share(value: float, high: float) -> float:
    """How high a bar is, of the highest: 0 to 1."""
    return min(value / high, 1.0)

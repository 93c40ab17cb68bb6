"""Round ends for colour scales, and ticks that do not collide."""

import math
import unicodedata
from collections.abc import Iterator

MOST_PLACES = 8  # named on the axis below: as many as a phone has room for beside each other
_ROUND = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


def ceiling(value: float) -> float:
    """The next round number at or above a positive value (0.64 → 0.8); 1 where there is nothing to measure."""
    if not math.isfinite(value) or value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    step = next((step for step in _ROUND if step * power >= value * (1 - 1e-9)), 10.0)
    return float(f"{step * power:.2g}")


def thinned(count: int, most: int) -> list[int]:
    """At most `most` evenly spaced positions out of 0 … count − 1, the first among them."""
    step = next(step for step in _sizes(1) if count <= step * max(most, 1))
    return list(range(0, count, int(step)))


def steps(low: float, high: float) -> list[float]:
    """Round numbers from low to high, three to seven of them, evenly spaced; high has to be above low."""
    least = 10.0 ** math.floor(math.log10(high - low) - 1)
    step = next(step for step in _sizes(least) if (high - low) / step <= 5 + 1e-9)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{place * step:.6g}") for place in range(first, last + 1)]


def _sizes(least: float) -> Iterator[float]:
    """1, 2, 5, 10, 20, 50, … times `least`."""
    while True:
        yield from (least, 2 * least, 5 * least)
        least *= 10


def decades(low: float, high: float) -> list[float]:
    """The powers of ten from low to high, both above 0."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    return [10.0**power for power in range(first, last + 1)]


def columns(label: str) -> int:
    """How many character cells a label takes in a fixed-width font; Chinese and emoji take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in label)


def clipped(label: str, most: int = 16) -> str:
    """The label, cut with … where it is wider than `most` character cells."""
    if columns(label) <= most:
        return label
    kept = label
    while columns(kept) > most - 1:
        kept = kept[:-1]
    return kept + "…"

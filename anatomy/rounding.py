"""What is only rounding: how large it may be, and which of two nearly equal numbers comes first.

The last digits of a sum depend on the processor that adds it up. So nothing on the page, and no test, rests on them:
what ought to be 0 is compared with a bound, and numbers that differ by less than rounding can explain count as equal.
"""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

Array = np.ndarray
FRACTION = 1e-5  # of the largest number compared: what a long sum may be off, with room to spare
NEAR = 1e-6  # of the numbers of a list: some eight times the spacing of float32


def bound(size: float) -> float:
    """The power of ten next to FRACTION of this size: what a difference between numbers of it may reach by rounding.

    size: the largest number that is compared or added up, in any unit; the bound is in the same. Sizes from 0.316 to
    3.16 have 10⁻⁵, those from 3.16 to 31.6 have 10⁻⁴. The steps lie at √10, away from sizes that are round by nature,
    such as probabilities that sum to 1. 0 has the bound 0. ValueError for a size below 0 or not finite.
    """
    if not (math.isfinite(size) and size >= 0):
        raise ValueError(f"the size is {size}: it has to be finite and not below 0")
    return 10.0 ** round(math.log10(size * FRACTION)) if size else 0.0


def largest_first(values: Float[Array, " n"]) -> Int[Array, " n"]:
    """Where the numbers stand, the largest first. From the top down, what is near the largest that is left counts as
    equal to it (`nearness`), and equal ones keep their order. NaN comes last."""
    return grouped(values, *nearness(values))


def largest_few(values: Float[Array, " n"], count: int) -> Int[Array, " k"]:
    """The first `count` of `largest_first`, without ordering the rest: for lists as long as a vocabulary."""
    if count >= len(values):
        return largest_first(values)
    if count <= 0:
        return np.zeros(0, dtype=int)
    (near, share), falling = nearness(values), np.where(np.isnan(values), -np.inf, values)
    least = float(np.partition(falling, -count)[-count])  # the last that is surely among them
    among = np.flatnonzero(falling >= least - max(near, share * abs(least) if np.isfinite(least) else 0.0))
    return among[grouped(values[among], near, share)][:count]


def grouped(values: Float[Array, " n"], near: float, share: float = 0.0) -> Int[Array, " n"]:
    """`largest_first` for a nearness that is given: what `nearness` returns, in the same order."""
    values = np.asarray(values, dtype=np.float64)
    order = np.argsort(np.where(np.isnan(values), np.inf, -values), kind="stable")
    ranked = values[order]
    with np.errstate(invalid="ignore"):  # ∞ − ∞
        within = np.maximum(near, np.where(np.isfinite(ranked), share * np.abs(ranked), 0.0))
        joined = np.append(ranked[:-1] - ranked[1:] <= within[:-1], False)
    end = 0
    for first in np.flatnonzero(joined).tolist():
        if first < end:
            continue
        end = first + 1
        while end < len(ranked) and ranked[first] - ranked[end] <= within[first]:
            end += 1
        order[first:end].sort()
    return order


def nearness(values: Float[Array, "..."]) -> tuple[float, float]:
    """(how far apart two numbers of this list may be and still count as equal, the same as a share of the larger).

    Lengths, weights and probabilities are near by their own size. Numbers of both signs are so by the way from the
    list's smallest to its largest: where they cancel, so do the digits that they have. Whole numbers are never near.
    """
    values = np.asarray(values)
    if np.issubdtype(values.dtype, np.integer):
        return 0.0, 0.0
    finite = values[np.isfinite(values)].astype(np.float64)
    if not finite.size or finite.min() >= 0:
        return 0.0, NEAR
    return NEAR * float(finite.max() - finite.min()), 0.0


def largest_at(values: Array) -> int:
    """Where the largest number stands, in the flattened array: the first of those that count as equal to it. NaN counts
    as absent. Any shape. ValueError where there is no number."""
    return _extreme(np.ravel(values), nearness(values), np.greater_equal, np.nanmax, -1)


def smallest_at(values: Array) -> int:
    """Where the smallest number stands, in the flattened array, by the rule of `largest_at`."""
    return _extreme(np.ravel(values), nearness(values), np.less_equal, np.nanmin, 1)


def _extreme(
    flat: Array, near: tuple[float, float], beyond: Callable[..., Array], extreme: Callable[..., float], inwards: int
) -> int:
    if np.isnan(flat).all():
        raise ValueError("there is no largest and no smallest of no numbers")
    end = float(extreme(flat))
    within, share = near
    reach = max(within, share * abs(end)) if math.isfinite(end) else 0.0
    return int(np.flatnonzero(beyond(flat, end + inwards * reach))[0])


def largest_place(values: Array) -> tuple[int, ...]:
    """Where the largest number stands, as an index into each axis."""
    return tuple(int(at) for at in np.unravel_index(largest_at(values), np.shape(values)))


def smallest_place(values: Array) -> tuple[int, ...]:
    """Where the smallest number stands, as an index into each axis."""
    return tuple(int(at) for at in np.unravel_index(smallest_at(values), np.shape(values)))

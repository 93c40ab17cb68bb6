"""Whether a number is the end of others, but for rounding."""

import numpy as np

from anatomy.rounding import nearness


def level(values: np.ndarray, value: float) -> np.ndarray:
    """True where a number is above this one by no more than rounding."""
    near, share = nearness(values)
    return values <= value + max(near, share * abs(value)) + 1e-9 * abs(value)


def near(value: float, end: float, values: np.ndarray) -> bool:
    """Whether a number is this end of a list."""
    return abs(value - end) <= 2e-6 * float(np.ptp(values) or abs(end))

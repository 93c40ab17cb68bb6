"""Numbers that are the same but for rounding, whose last digits differ from processor to processor."""

import re

import numpy as np

from anatomy.rounding import bound


def assert_alike(found: np.ndarray, expected: np.ndarray, name: str = "") -> None:
    """Equal to within what rounding allows between numbers of this size (`anatomy.rounding.bound`)."""
    sizes = np.abs(np.asarray(expected, dtype=np.float64))
    allowed = bound(float(sizes.max(where=np.isfinite(sizes), initial=0.0)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=allowed, err_msg=name)


def assert_rounding(told: str, most: str = "10⁻⁴") -> None:
    """A sentence's difference that is rounding alone, "below 10⁻⁵": of numbers as large as those of tiny models, and
    below no more than that."""
    assert re.fullmatch(r"below 10⁻[⁴⁵⁶⁷⁸⁹]", told) or told == f"below {most}", told

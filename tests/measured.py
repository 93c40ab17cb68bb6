"""Which whole numbers on the page are measurements.

A count has to be exact; a measurement, such as a length of 1,391, may differ by one in its last place on another
processor. Only who prints it knows which it is, so `viz.format.number` is listened to.
"""

import math
from collections.abc import Iterator
from functools import wraps

import pytest

import viz.format

whole: set[str] = set()  # what the running test has printed of measurements without a decimal point


def _listen() -> None:
    """Note down every such number from now on."""
    plain = viz.format.number

    @wraps(plain)
    def number(value: float, digits: int = 3) -> str:
        told = plain(value, digits)
        if "." not in told and math.isfinite(value) and value != round(value):
            whole.add(told.removeprefix("−"))
        return told

    viz.format.number = number


_listen()


@pytest.fixture(autouse=True)
def _measured_by_this_test() -> Iterator[None]:
    yield
    whole.clear()

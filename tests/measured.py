"""Which whole numbers on the page are measurements.

A count has to be exact; a measurement, such as a length of 1,391, may differ by one in its last place on another
processor. Only who prints it knows which it is, so `viz.format.number` is listened to.
"""

import math
from functools import wraps

import viz.format

whole: set[str] = set()  # what the running test has printed of measurements without a decimal point


def listen() -> None:
    """Note down every such number from now on. Called before anything imports `number` by its name."""
    plain = viz.format.number

    @wraps(plain)
    def number(value: float, digits: int = 3) -> str:
        told = plain(value, digits)
        if "." not in told and math.isfinite(value) and value != round(value):
            whole.add(told.removeprefix("−"))
        return told

    viz.format.number = number

"""A value to hold a figure's numbers against."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Level:
    """A value to hold the numbers against: a dashed line across, with words on it."""

    value: float
    text: str

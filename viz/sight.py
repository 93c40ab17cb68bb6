"""Sight: how near a map of a long text stands and where, and the whole that its window is a part of."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy.control import Choice, Place

OVERVIEW = 128  # cells a side, at most, of the small picture of the whole


@dataclass(frozen=True)
class Sight:
    """What lets a reader zoom a grid and move its window.

    zoom     the setting that says how near; its options, from the whole text to the fewest tokens, are the levels
    shown    the option that is shown
    place    the setting that says where the window lies: the token in the middle of its rows, the one in the middle of
             its columns, and the token that was chosen when it was moved there
    chosen   (token of the row, token of the column) that are chosen
    length   tokens of the text
    whole    the cells of the whole text in the grid's unit, NaN where empty; None where the grid itself shows them
    pooled   what a cell of the whole is, in words
    """

    zoom: Choice
    shown: str
    place: Place
    chosen: tuple[int, int]
    length: int
    whole: Float[np.ndarray, "row col"] | None = None
    pooled: str = ""

    @property
    def level(self) -> int:
        """How near: 0 is the whole text."""
        return self.zoom.options.index(self.shown)

    @property
    def sides(self) -> tuple[int, ...]:
        """Tokens on a side of each level."""
        return (self.length, *map(int, self.zoom.options[1:]))

    def moved(self, middle: tuple[int, int], level: int) -> tuple[tuple[Choice, str], tuple[Choice, str]]:
        """The settings of another level, with its window around two tokens; of the whole no place is kept."""
        level = max(0, min(level, len(self.zoom.options) - 1))
        where = self.place.at(*middle, self.chosen[0]) if level else self.place.default
        return (self.zoom, self.zoom.options[level]), (self.place, where)

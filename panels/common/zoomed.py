"""How near a map of a long text stands: the whole of it in cells of many tokens, or a window token by token.

Where a window lies follows from the chosen tokens, until a reader moves it. Both stand in the link.
"""

import numpy as np
from jaxtyping import Float, Int

from anatomy.control import Choice, Place
from anatomy.language import N_, _
from anatomy.measure import POOLED, edges
from anatomy.view import Fitted
from viz.format import thousands
from viz.sight import OVERVIEW, Sight

WHOLE, NEAR, NEARER = "whole", "256", "64"
# How much of a long text a map shows: all of it, or so many tokens of it, one by one.
ZOOM = Choice(
    "zoom",
    N_("Zoom (tokens)"),
    (WHOLE, NEAR, "128", NEARER, "32"),
    (N_("whole text"),),
    says=N_(
        "How much of a long text the map shows: all of it, many tokens to a cell, or a window of so many tokens "
        "around the chosen ones, a cell for each pair."
    ),
)
# Where the reader has moved the window: the tokens in the middle of its rows and columns, and the one then chosen.
MOVED = Place("at", N_("Place of the window"), ("",), count=3)
Window = tuple[int, int, int, int]
assert int(NEAR) <= POOLED, "a window of more tokens than a map has cells would be pooled"


def window(view: Fitted, col: int) -> Window:
    """The tokens of a window: (first of the rows, one past the last, first of the columns, one past the last).

    col: the chosen token of the columns; that of the rows is the view's. A window lies where the reader has moved it,
    as long as it holds both, or no other token has been chosen since. Else each side holds the chosen token, at least a
    quarter of the side away from an end beyond which the text goes on: it stays where it is while the choice moves
    within its middle half, then moves on by that half.
    """
    side, place = int(view[ZOOM]), MOVED.numbers(view[MOVED])
    if place is not None:
        row, column, pos = place
        top, bottom = _centred(row, side, view.length)
        left, right = _centred(column, side, view.length)
        if pos == view.pos or (top <= view.pos < bottom and left <= col < right):
            return top, bottom, left, right
    return (*_around(view.pos, side, view.length), *_around(col, side, view.length))


def _around(place: int, side: int, length: int) -> tuple[int, int]:
    half = side // 2
    return _from(place // half * half - side // 4, side, length)


def _centred(middle: int, side: int, length: int) -> tuple[int, int]:
    return _from(middle - side // 2, side, length)


def _from(start: int, side: int, length: int) -> tuple[int, int]:
    start = max(0, min(start, length - side))
    return start, min(start + side, length)


def overview_edges(cut: Int[np.ndarray, " edge"]) -> Int[np.ndarray, " few"]:
    """Which of a map's borders are those of the cells of its small picture: places in `cut`."""
    return edges(len(cut) - 1, OVERVIEW)


def overview(
    how: np.ufunc, values: Float[np.ndarray, "row col"], rows: Int[np.ndarray, " edge"], cols: Int[np.ndarray, " edge"]
) -> Float[np.ndarray, "few few"]:
    """The small picture of a map with these borders: its cells joined by `how`, such as np.fmax, NaN where all are."""
    for axis, cut in enumerate((rows, cols)):
        values = how.reduceat(values, overview_edges(cut)[:-1], axis=axis)
    return values


def largest_of(rows: Int[np.ndarray, " edge"], cols: Int[np.ndarray, " edge"]) -> str:
    """What a cell of a small picture is, in words. rows, cols: borders of the map that it was made of."""
    cuts = (cut[overview_edges(cut)] for cut in (rows, cols))
    return _("the whole text; each cell: the largest of up to {rows} × {columns} pairs", **_sizes(*cuts))


def mean_of(rows: Int[np.ndarray, " edge"], cols: Int[np.ndarray, " edge"]) -> str:
    """The same of a picture of means with these borders."""
    return _("the whole text; each cell: the mean of up to {rows} × {columns} pairs", **_sizes(rows, cols))


def _sizes(rows: Int[np.ndarray, " edge"], cols: Int[np.ndarray, " edge"]) -> dict[str, str]:
    return {name: thousands(int(np.diff(cut).max())) for name, cut in (("rows", rows), ("columns", cols))}


def sight(
    view: Fitted, chosen: tuple[int, int], whole: Float[np.ndarray, "row col"] | None = None, pooled: str = ""
) -> Sight:
    """How near a grid stands. chosen: the tokens of row and column; whole, pooled: of a window, see `Sight`."""
    return Sight(ZOOM, view[ZOOM], MOVED, chosen, view.length, whole, pooled)


def settings() -> tuple[Choice, Choice]:
    """The controls of a panel whose map can be zoomed."""
    return ZOOM, MOVED

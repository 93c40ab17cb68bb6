"""Where the cells of a grid stand: their size in pixels, and their places in units of one cell, with gaps between."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from viz.cells import Cells

# Pixels: longest and shortest side of all cells together, largest cell of a square and of an oblong grid, gap between
# groups of columns.
_SIDE, _LEAST, _SQUARE, _WIDE, _HIGH, _GAP = 640, 100, 34, 46, 22, 6


@dataclass(frozen=True)
class Lattice:
    """xs, ys: the middle of each column and row; a cell reaches half a unit to each side, what lies between is gap.

    width, height   pixels of one cell
    """

    xs: Float[np.ndarray, " col"]
    ys: Float[np.ndarray, " row"]
    width: float
    height: float

    @property
    def pixels(self) -> tuple[float, float]:
        """Width and height from the first cell to the last."""
        return float(np.ptp(self.xs) + 1) * self.width, float(np.ptp(self.ys) + 1) * self.height


def lattice(grid: Cells) -> Lattice:
    """Square cells where rows are columns, and for small pictures; wide ones else. Groups of columns stand apart."""
    rows, cols = grid.z.shape
    height, width = min(_HIGH, _SIDE / rows), min(_WIDE, _SIDE / cols)
    if rows == cols:
        width = height = min(max(_SQUARE, _LEAST / rows), _SIDE / rows)
    groups = np.arange(cols) // (grid.groups or cols)
    if grid.tiles is None:
        return Lattice(np.arange(cols) + groups * (_GAP / width), np.arange(rows, dtype=float), width, height)
    down, across = grid.tiles.shape[2:]
    width = height = max(width, height)
    thin, thick = (max(1, round(pixels * across / width)) for pixels in (2, _GAP))  # in points of a small picture
    xs = (np.arange(cols) * (across + thin) + groups * (thick - thin)) / across
    return Lattice(xs, np.arange(rows) * (down + thin) / down, width, height)


def gaps(places: Float[np.ndarray, " cell"]) -> list[tuple[float, float]]:
    """(start, end) of every gap between neighbours."""
    apart = np.flatnonzero(np.diff(places) > 1 + 1e-9)
    return [(float(places[i]) + 0.5, float(places[i + 1]) - 0.5) for i in apart]


def edges(places: Float[np.ndarray, " cell"]) -> Float[np.ndarray, " edge"]:
    """Borders of cells and gaps, from first to last."""
    return np.unique(np.round(np.concatenate([places - 0.5, places + 0.5]), 6))


def spread(values: np.ndarray, places: Float[np.ndarray, " col"], empty: float | str) -> np.ndarray:
    """The array [row col] with an empty column for every gap between columns."""
    after: Int[np.ndarray, " gap"] = np.flatnonzero(np.diff(places) > 1 + 1e-9) + 1
    return np.insert(values, after, empty, axis=1)


def sheet(tiles: UInt8[np.ndarray, "row col h w"], at: Lattice) -> UInt8[np.ndarray, "y x"]:
    """All small pictures as one, with points of value 0 in the gaps."""
    rows, cols, height, width = tiles.shape
    tops = np.rint((at.ys - at.ys[0]) * height).astype(int)
    lefts = np.rint((at.xs - at.xs[0]) * width).astype(int)
    whole = np.zeros((tops[-1] + height, lefts[-1] + width), np.uint8)
    for row, col in np.ndindex(rows, cols):
        whole[tops[row] : tops[row] + height, lefts[col] : lefts[col] + width] = tiles[row, col]
    return whole

"""All heads by the place of their score instead of their layer: which one stands where."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, UInt8

from anatomy.control import Choice
from anatomy.language import N_, _
from anatomy.rounding import largest_first
from viz.grid import Grid

LAYER, SCORE = "layer", "score"
ORDER = Choice(
    "order",
    N_("Order"),
    (LAYER, SCORE),
    (N_("by layer"), N_("strongest first")),
    says=N_(
        "By layer: a row per layer, the first on top. Strongest first: the heads with the highest scores come first, "
        "whatever their layer."
    ),
)
_MOST = 300  # cells: more are too small to be named
_NAMED, _WIDE = 12, 10  # heads in a row: a layer's number up to the first, else the second


@dataclass(frozen=True)
class Ranking:
    """Heads from the highest score to the lowest, those without one last; equal scores in the order of the layers."""

    values: Float[np.ndarray, "layer head"]

    @cached_property
    def heads(self) -> tuple[tuple[int, int], ...]:
        """(layer, head) of each."""
        flat = self.values.ravel()
        order = largest_first(flat)
        return tuple((int(i) // self.values.shape[1], int(i) % self.values.shape[1]) for i in order)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the picture; where not all have room there, the strongest fill it."""
        heads = self.values.shape[1]
        columns = heads if heads <= _NAMED else _WIDE
        return min(-(-self.values.size // columns), _MOST // columns), columns

    @property
    def shown(self) -> tuple[tuple[int, int], ...]:
        """(layer, head) of those in the picture."""
        rows, columns = self.shape
        return self.heads[: rows * columns]


def ranked(grid: Grid, ranking: Ranking) -> Grid:
    """A grid's cells [layer head] in the order of a ranking, row after row, each with the name of its head."""
    (rows, columns), shown = ranking.shape, ranking.shown
    left = rows * columns - len(shown)
    return replace(
        grid,
        z=np.append([grid.z[place] for place in shown], np.full(left, np.nan)).reshape(rows, columns).astype("f4"),
        rows=tuple(str(1 + row * columns) for row in range(rows)),
        cols=("",) * columns,
        row_axis=_("rank"),
        col_axis=_("from left to right, row after row"),
        focus=divmod(shown.index(grid.focus), columns) if grid.focus in shown else None,
        tiles=None if grid.tiles is None else _tiles(grid.tiles, ranking),
        groups=0,
        names=(*(name(*place) for place in shown), *[""] * left),
        places=(*shown, *[None] * left),
    )


def name(layer: int, head: int) -> str:
    """A head as the field writes it."""
    return f"L{layer} H{head}"


def _tiles(tiles: UInt8[np.ndarray, "layer head h w"], ranking: Ranking) -> UInt8[np.ndarray, "row col h w"]:
    """The small pictures in the order of the heads."""
    rows, columns = ranking.shape
    pictures = np.zeros((rows * columns, *tiles.shape[2:]), np.uint8)
    pictures[: len(ranking.shown)] = [tiles[place] for place in ranking.shown]
    return pictures.reshape(rows, columns, *tiles.shape[2:])

"""Cells: the plain values of a grid, before it knows its pictures."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8

from anatomy.control import Control
from anatomy.language import _
from viz.partners import Subtracted
from viz.sight import Sight

Setting = tuple[Control, str]


@dataclass(frozen=True)
class Part:
    """Which tokens the cells of a grid of a long text stand for.

    rows, cols   where the tokens of each row and column begin, and where the last ones end
    chosen       (row, column) of the tokens that the grid's focus stands for
    length       tokens of the whole text
    """

    rows: tuple[int, ...]
    cols: tuple[int, ...]
    chosen: tuple[int, int] | None
    length: int

    @property
    def middle(self) -> tuple[int, int]:
        """The tokens in the middle of rows and columns."""
        top, bottom, left, right = self.window
        return top + (bottom - top) // 2, left + (right - left) // 2

    @property
    def window(self) -> tuple[int, int, int, int]:
        """First token of the rows, one past their last, and the same of the columns."""
        return self.rows[0], self.rows[-1], self.cols[0], self.cols[-1]

    def pair(self, cell: tuple[int, int], focus: tuple[int, int] | None) -> tuple[int, int]:
        """The tokens that choosing a cell means: the chosen ones as far as it covers them; else its last that looks and
        its first looked at, which sees it wherever any pair of the cell does."""
        row, col = self.rows[cell[0] + 1] - 1, self.cols[cell[1]]
        if focus is None or self.chosen is None:
            return row, col
        return (self.chosen[0] if cell[0] == focus[0] else row, self.chosen[1] if cell[1] == focus[1] else col)


@dataclass(frozen=True)
class Cells:
    """z: [row col], row 0 on top; NaN is an empty cell ("masked" or "no case", see `empty`).

    rows, cols      labels, one per row and column; equal labels stay apart
    row_axis …      axis titles
    unit            of the numbers in z
    low, high       ends of the colour scale; a signed scale runs from −high to high
    signed          diverging colours around 0
    logarithmic     colours follow log10(z), low > 0; what is smaller than low has its colour
    percent         numbers print as whole percents
    focus           the chosen cell
    empty           what an empty cell means, in words
    hidden          what an empty cell counts as beside one that has a number: 0 for a weight that a mask bars; None:
                    nothing
    tiles           [row col h w] a small picture per cell instead of its colour, 255 = high; z is still read out
    groups          columns between which a wider gap stands (every `groups`; 0: none)
    selects         what choosing cell (r, c) means: "cell" token r looking at token c, "head" head c of layer r,
                    "token" token r, "none" nothing
    names           cells by name, row after row: printed in them and read out in place of row and column; "": no cell
    inside          words that each cell holds, row after row: printed in it where there is room, cut to its width, and
                    read out before its number
    places          the (r, c) that choosing a cell means, row after row, where it is not the cell's own; None: nothing
    part            which tokens the cells stand for, where they are not each token of the text by itself
    measure         what the numbers are, where they stand for several: "largest weight"; read out before the number
    opens           the setting that a click or Enter on a cell makes besides choosing it
    leaves          the setting that Escape makes
    sight           how near it stands to a long text, and where; None where there is nothing to zoom
    tokens          the token of the text that each row, and each column, stands for, where choosing cells does not say
                    so; None where they are no tokens
    subtracted      of a difference, what its numbers were made of; None for any other

    ValueError where shapes do not fit, the scale's ends do not rise, or the focus is no cell.
    """

    z: Float[np.ndarray, "row col"]
    rows: tuple[str, ...]
    cols: tuple[str, ...]
    row_axis: str
    col_axis: str
    unit: str
    title: str
    low: float = 0.0
    high: float = 1.0
    signed: bool = False
    logarithmic: bool = False
    percent: bool = False
    focus: tuple[int, int] | None = None
    empty: str = field(default_factory=lambda: _("masked"))
    hidden: float | None = None
    tiles: UInt8[np.ndarray, "row col h w"] | None = None
    groups: int = 0
    selects: Literal["cell", "head", "token", "none"] = "none"
    names: tuple[str, ...] | None = None
    places: tuple[tuple[int, int] | None, ...] | None = None
    inside: tuple[str, ...] | None = None
    part: Part | None = None
    measure: str | None = None
    opens: Setting | None = None
    leaves: Setting | None = None
    sight: Sight | None = None
    tokens: tuple[tuple[int, ...] | None, tuple[int, ...] | None] | None = None
    subtracted: Subtracted | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        shape = (len(self.rows), len(self.cols))
        if self.z.shape != shape:
            raise ValueError(f"z is {self.z.shape}, the labels say {shape}")
        if self.tiles is not None and self.tiles.shape[:2] != shape:
            raise ValueError(f"tiles are {self.tiles.shape[:2]}, the labels say {shape}")
        if self.part is not None and (len(self.part.rows), len(self.part.cols)) != (shape[0] + 1, shape[1] + 1):
            raise ValueError(
                f"a grid of {shape} cannot stand for {len(self.part.rows) - 1} by {len(self.part.cols) - 1}"
            )
        for what, given in (("names", self.names), ("places", self.places), ("words inside", self.inside)):
            if given is not None and len(given) != self.z.size:
                raise ValueError(f"there are {len(given)} {what} for {self.z.size} cells")
        if self.logarithmic and (self.low <= 0 or self.signed):
            raise ValueError(f"a logarithmic scale cannot start at {self.low} or be signed: give a low above 0")
        if not self.signed and self.low >= self.high:
            raise ValueError(f"the scale runs from {self.low} to {self.high}: give a high above the low")
        if self.focus is not None and not all(0 <= i < n for i, n in zip(self.focus, shape, strict=True)):
            raise ValueError(f"the focus {self.focus} is outside of a grid of {shape}")

    @property
    def ends(self) -> tuple[float, float]:
        """What the two ends of the colour scale stand for."""
        return (-self.high, self.high) if self.signed else (self.low, self.high)

    @property
    def holes(self) -> bool:
        """Whether any cell is empty; those without a name are no cells."""
        empty = np.isnan(self.z)
        if self.names is not None:
            empty &= np.array([name != "" for name in self.names]).reshape(self.z.shape)
        return bool(empty.any())

    @property
    def along(self) -> tuple[tuple[int | None, ...] | None, tuple[int | None, ...] | None]:
        """The token that each row, and each column, stands for; None where they are no tokens, or several to a cell."""
        if self.part is not None:
            cuts = (self.part.rows, self.part.cols)
            rows, cols = (cut[:-1] if cut[-1] - cut[0] == len(cut) - 1 else None for cut in cuts)
            return rows, cols
        if self.selects not in ("cell", "token"):
            return self.tokens or (None, None)
        if self.places is None:
            return tuple(range(len(self.rows))), tuple(range(len(self.cols)))
        first_col, first_row = self.places[:: len(self.cols)], self.places[: len(self.cols)]
        return tuple(at and at[0] for at in first_col), tuple(at and at[1] for at in first_row)

    def place(self, cell: tuple[int, int]) -> tuple[int, int] | None:
        """What choosing a cell means, in the words of `selects`; None for nothing."""
        if self.part is not None:
            return self.part.pair(cell, self.focus)
        return cell if self.places is None else self.places[cell[0] * len(self.cols) + cell[1]]

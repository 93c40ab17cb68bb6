"""Grid: a table of coloured cells described as plain values. One description, two pictures: the page's own
component, where cells are chosen by click and key, and a plotly figure for export, notebooks and snapshots."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.language import N_, _
from viz.cells import Cells
from viz.cells import Part as Part
from viz.cells import Setting as Setting
from viz.description import Description
from viz.heatmap import heatmap
from viz.partners import Partner, by_name, difference, in_order, labels, largest, meet, of_axis, of_titles, taken
from viz.table import Table


@dataclass(frozen=True)
class Grid(Cells, Description):
    """A table of coloured cells; its fields are those of `viz.cells.Cells`."""

    kind: ClassVar[str] = N_("Heat map")

    def plotly(self, dark: bool = False) -> go.Figure:
        """A heat map with the numbers in its cells, in the colours of the light or dark theme."""
        return heatmap(self, dark)

    @property
    def axes(self) -> str:
        """Rows, columns and unit."""
        return _("{rows} × {columns}: {unit}", rows=self.row_axis, columns=self.col_axis, unit=self.unit)

    def numbers(self) -> Float[np.ndarray, " number"]:
        """The cells, row after row."""
        return self.z.ravel()

    def name(self, i: int) -> str:
        """A cell's name, or its row and column, with the words inside it."""
        row, col = divmod(i, len(self.cols))
        place = self.names[i] if self.names is not None else f"{self.rows[row]} × {self.cols[col]}"
        return place if self.inside is None else f"{place}: {self.inside[i]}"

    def table(self) -> Table:
        """A row per row of cells; of cells with names or words, a row per cell."""
        if self.names is not None:
            there = [i for i, name in enumerate(self.names) if name]
            return Table.of((_("cell"), [self.names[i] for i in there]), (self.unit, self.z.ravel()[there]))
        if self.inside is not None:
            return Table.of(
                (self.row_axis, [row for row in self.rows for _col in self.cols]),
                (self.col_axis, [col for _row in self.rows for col in self.cols]),
                (_("inside"), self.inside),
                (self.unit, self.z.ravel()),
            )
        return Table.of((self.row_axis, self.rows), *zip(self.cols, self.z.T, strict=True))

    def minus(self, other: Self) -> "Grid":
        """Cell less cell: rows and columns matched in order, cells with names by these. Words inside stand once where
        both have the same, else both. Marked rows and columns are empty, as is what is empty in either."""
        meet(self, other, "row_axis", "col_axis", "unit", "measure")
        meet(self, other, cells_with_names=(self.names is None, other.names is None))
        if self.names is not None and other.names is not None:
            return self._by_cell(other)
        rows, cols = in_order(self.rows, other.rows), in_order(self.cols, other.cols)
        z = taken(taken(self.z, [i for i, _j in cols]).T, [i for i, _j in rows]).T
        z -= taken(taken(other.z, [j for _i, j in cols]).T, [j for _i, j in rows]).T
        focus = None
        if self.focus is not None:
            focus = tuple(
                next(at for at, (i, _j) in enumerate(pairs) if i == place)
                for pairs, place in zip((rows, cols), self.focus, strict=True)
            )
        return self._apart(
            other,
            z,
            rows=labels(rows, self.rows, other.rows),
            cols=labels(cols, self.cols, other.cols),
            focus=focus,
            inside=None if self.inside is None else _words(self, other, rows, cols),
            part=self.part if self.part == other.part else None,
        )

    def _by_cell(self, other: "Grid") -> "Grid":
        """Cells matched by their names, where this grid has them."""
        names, theirs = self.names or (), other.names or ()
        meet(self, other, names_of_cells=(sorted(names), sorted(theirs)))
        pairs = by_name(names, theirs)
        return self._apart(other, difference(pairs, self.z.ravel(), other.z.ravel()).reshape(self.z.shape))

    def _apart(self, other: "Grid", z: Float[np.ndarray, "row col"], **changed: object) -> "Grid":
        return replace(
            self,
            z=z,
            unit=of_axis(self.unit),
            title=of_titles(self.title, other.title),
            high=largest(z),
            signed=True,
            logarithmic=False,
            empty=_("not in both"),
            tiles=None,
            selects="none",
            places=None,
            opens=None,
            leaves=None,
            **changed,
        )


def _words(first: Grid, second: Grid, rows: Sequence[Partner], cols: Sequence[Partner]) -> tuple[str, ...]:
    """The words inside each cell: once where both have the same; of one alone these; else both, one after the other."""

    def inside(grid: Grid, row: int | None, col: int | None) -> str:
        there = grid.inside is not None and row is not None and col is not None
        return grid.inside[row * len(grid.cols) + col] if there else ""  # type: ignore[index,operator]

    cells = (tuple(dict.fromkeys((inside(first, i, k), inside(second, j, n)))) for i, j in rows for k, n in cols)
    return tuple(" | ".join(word for word in words if word) for words in cells)

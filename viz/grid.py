"""Grid: a table of coloured cells described as plain values. One description, two pictures: the page's own
component, where cells are chosen by click and key, and a plotly figure for export, notebooks and snapshots."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from anatomy.language import N_, _
from anatomy.measure import edges
from viz.cells import Cells
from viz.cells import Part as Part
from viz.cells import Setting as Setting
from viz.description import Description
from viz.heatmap import heatmap
from viz.partners import Partner, by_name, difference, in_order, labels, largest, meet, of_axis, of_titles, taken
from viz.table import Table

_MOST = (96, 64)  # rows and columns of lighter grids


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

    def lighter(self) -> Iterator["Grid"]:
        """Of plain cells the means of ever larger blocks."""
        yield self
        if self.names is None and self.inside is None and self.tiles is None:
            for most in _MOST:
                if max(self.z.shape) > most:
                    yield self._pooled(most)

    def _pooled(self, most: int) -> "Grid":
        """At most so many rows and columns: each cell the mean of a block, without its empty cells."""
        rows, cols = (edges(count, min(count, most)) for count in self.z.shape)
        there = np.isfinite(self.z)
        total, count = (
            np.add.reduceat(np.add.reduceat(values, rows[:-1], axis=0), cols[:-1], axis=1)
            for values in (np.where(there, self.z, 0.0).astype(np.float64), there.astype(np.int64))
        )
        sizes = {"rows": int(np.diff(rows).max()), "columns": int(np.diff(cols).max())}
        words = _("each cell: the mean of up to {rows} × {columns}", **sizes)
        return replace(
            self,
            z=np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0).astype(np.float32),
            rows=_spans(self.rows, rows),
            cols=_spans(self.cols, cols),
            title=f"{self.title} · {words}",
            focus=None if self.focus is None else (_block(rows, self.focus[0]), _block(cols, self.focus[1])),
            selects="none",
            groups=0,
            places=None,
            part=None,
        )


def _spans(names: Sequence[str], ends: Int[np.ndarray, " edge"]) -> tuple[str, ...]:
    """The labels of blocks: the first and the last of each."""
    blocks = [list(names[first:last]) for first, last in pairwise(ends.tolist())]
    return tuple(
        block[0] if len(block) == 1 else f"{block[0].partition('–')[0]}–{block[-1].rpartition('–')[2]}"
        for block in blocks
    )


def _block(ends: Int[np.ndarray, " edge"], place: int) -> int:
    return int(np.searchsorted(ends, place, side="right")) - 1


def _words(first: Grid, second: Grid, rows: Sequence[Partner], cols: Sequence[Partner]) -> tuple[str, ...]:
    """The words inside each cell: once where both have the same; of one alone these; else both, one after the other."""

    def inside(grid: Grid, row: int | None, col: int | None) -> str:
        there = grid.inside is not None and row is not None and col is not None
        return grid.inside[row * len(grid.cols) + col] if there else ""  # type: ignore[index,operator]

    cells = (tuple(dict.fromkeys((inside(first, i, k), inside(second, j, n)))) for i, j in rows for k, n in cols)
    return tuple(" | ".join(word for word in words if word) for words in cells)

"""Grid: a table of coloured cells described as plain values. One description, two pictures: the page's own
component, where cells are chosen by click and key, and a plotly figure for export, notebooks and snapshots."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool, Float, Int

from anatomy.language import N_, _
from anatomy.measure import edges
from viz.cells import Cells
from viz.cells import Part as Part
from viz.cells import Setting as Setting
from viz.description import Description
from viz.heatmap import heatmap
from viz.partners import (
    Partner,
    Subtracted,
    along,
    by_name,
    common,
    labels,
    largest,
    meet,
    of_axis,
    of_titles,
    place_of,
    taken,
)
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
        """Cell less cell: rows and columns matched in order, the chosen one of each with the other's, cells with names
        by these. A cell is empty where either has none, unless the cells that one hides count as a number, in marked
        rows and columns, and where the two hold different words: these then stand one after the other."""
        meet(self, other, "row_axis", "col_axis", "unit", "measure")
        meet(self, other, cells_with_names=(self.names is None, other.names is None))
        meet(self, other, tokens_of_the_cells=(_several(self), _several(other)))
        if self.names is not None and other.names is not None:
            return self._by_cell(other)
        rows, cols = (
            along(mine, theirs, (_at(self.focus, axis), _at(other.focus, axis)), (self.along[axis], other.along[axis]))
            for axis, (mine, theirs) in enumerate(((self.rows, other.rows), (self.cols, other.cols)))
        )
        common(rows, "row")
        common(cols, "column")
        first, second = (_spread(given.z, rows, cols, side) for side, given in enumerate((self, other)))
        both = np.outer([None not in pair for pair in rows], [None not in pair for pair in cols])
        one = _counted(first, np.isfinite(second) & both, self.hidden)
        two = _counted(second, np.isfinite(first) & both, other.hidden)
        words = _words(self, other, rows, cols)
        z = one - two
        if words:
            z = np.where(np.array([len(inside) > 1 for inside in words]).reshape(z.shape), np.nan, z)
        return self._apart(
            other,
            z,
            rows=labels(rows, self.rows, other.rows),
            cols=labels(cols, self.cols, other.cols),
            focus=self.focus and (place_of(rows, self.focus[0]) or 0, place_of(cols, self.focus[1]) or 0),
            inside=tuple(" | ".join(inside) for inside in words) or None,
            subtracted=Subtracted.of(self.unit, one, two),
            **_chooses(self, other, rows, cols),
        )

    def _by_cell(self, other: "Grid") -> "Grid":
        """Cells matched by their names, where this grid has them."""
        names, theirs = self.names or (), other.names or ()
        meet(self, other, names_of_cells=(sorted(names), sorted(theirs)))
        pairs = by_name(names, theirs)
        one, two = taken(self.z.ravel(), (i for i, _j in pairs)), taken(other.z.ravel(), (j for _i, j in pairs))
        cells = [None if j is None else other.place(divmod(j, len(other.cols))) for _i, j in pairs]
        return self._apart(
            other,
            (one - two).reshape(self.z.shape),
            subtracted=Subtracted.of(self.unit, one, two),
            places=tuple(cells),
            selects=other.selects,
        )

    def _apart(self, other: "Grid", z: Float[np.ndarray, "row col"], **changed: object) -> "Grid":
        return replace(
            self,
            z=z,
            unit=of_axis(self.unit),
            title=of_titles(self.title, other.title),
            high=largest(z, self.z, other.z),
            signed=True,
            logarithmic=False,
            empty=_("not in both"),
            tiles=None,
            opens=None,
            leaves=None,
            sight=None,
            tokens=None,
            **changed,
        )

    def lighter(self) -> Iterator["Grid"]:
        """Of plain cells ever larger blocks."""
        yield self
        if self.names is None and self.inside is None and self.tiles is None:
            for most in _MOST:
                if max(self.z.shape) > most:
                    yield self._pooled(most)

    def _pooled(self, most: int) -> "Grid":
        """At most so many rows and columns: each cell the mean of a block, without its empty cells; the largest, where
        the numbers are largest ones already."""
        rows, cols = (edges(count, min(count, most)) for count in self.z.shape)
        there = np.isfinite(self.z)
        if self.measure is None:
            total, count = (
                _blocks(np.add, values, rows, cols)
                for values in (np.where(there, self.z, 0.0).astype(np.float64), there.astype(np.int64))
            )
            z = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
            words = _("each cell: the mean of up to {rows} × {columns}", **_sizes(rows, cols))
        else:
            z = _blocks(np.fmax, self.z, rows, cols)
            words = _("each cell: the largest of up to {rows} × {columns}", **_sizes(rows, cols))
        part = self.part or Part(tuple(range(len(self.rows) + 1)), tuple(range(len(self.cols) + 1)), None, 0)
        part = replace(part, rows=tuple(part.rows[i] for i in rows), cols=tuple(part.cols[i] for i in cols))
        return replace(
            self,
            z=z.astype(np.float32),
            rows=_spans(self.rows, rows),
            cols=_spans(self.cols, cols),
            title=f"{self.title} · {words}",
            focus=None if self.focus is None else (_block(rows, self.focus[0]), _block(cols, self.focus[1])),
            selects="none",
            groups=0,
            places=None,
            opens=None,
            leaves=None,
            sight=None,
            tokens=None,
            subtracted=None,
            part=part,
        )


def _blocks(
    how: np.ufunc, values: Float[np.ndarray, "row col"], rows: Int[np.ndarray, " edge"], cols: Int[np.ndarray, " edge"]
) -> Float[np.ndarray, "block block"]:
    return how.reduceat(how.reduceat(values, rows[:-1], axis=0), cols[:-1], axis=1)


def _sizes(rows: Int[np.ndarray, " edge"], cols: Int[np.ndarray, " edge"]) -> dict[str, int]:
    return {"rows": int(np.diff(rows).max()), "columns": int(np.diff(cols).max())}


def _spans(names: Sequence[str], ends: Int[np.ndarray, " edge"]) -> tuple[str, ...]:
    """The labels of blocks: the first and the last of each."""
    blocks = [list(names[first:last]) for first, last in pairwise(ends.tolist())]
    return tuple(
        block[0] if len(block) == 1 else f"{block[0].partition('–')[0]}–{block[-1].rpartition('–')[2]}"
        for block in blocks
    )


def _block(ends: Int[np.ndarray, " edge"], place: int) -> int:
    return int(np.searchsorted(ends, place, side="right")) - 1


def _at(focus: tuple[int, int] | None, axis: int) -> int | None:
    return None if focus is None else focus[axis]


def _several(given: Grid) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Where the tokens of each row and column begin and end, where a cell stands for several pairs; else None."""
    if given.part is None or None not in given.along:
        return None
    return given.part.rows, given.part.cols


def _chooses(first: Grid, second: Grid, rows: Sequence[Partner], cols: Sequence[Partner]) -> dict[str, object]:
    """What choosing a cell of a difference means: what it means in the second, whose places a reader chooses (those of
    run A). Rows and columns that only the first has choose nothing."""
    if all(i == j for i, j in (*rows, *cols)) and (len(rows), len(cols)) == second.z.shape:
        same = first.part is not None and second.part is not None and _cuts(first.part) == _cuts(second.part)
        if second.part is None or same:
            return {"part": second.part, "places": second.places, "selects": second.selects}
    cells = ((i, j) for _own, i in rows for _own_col, j in cols)
    places = tuple(None if i is None or j is None else second.place((i, j)) for i, j in cells)
    return {"part": None, "places": None if second.selects == "none" else places, "selects": second.selects}


def _cuts(part: Part) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return part.rows, part.cols


def _spread(
    z: Float[np.ndarray, "row col"], rows: Sequence[Partner], cols: Sequence[Partner], side: int
) -> Float[np.ndarray, "pair pair"]:
    """The cells at the rows and columns of one side of the pairs, NaN where it has none."""
    return taken(taken(z, [pair[side] for pair in cols]).T, [pair[side] for pair in rows]).T


def _counted(
    z: Float[np.ndarray, "pair pair"], where: Bool[np.ndarray, "pair pair"], hidden: float | None
) -> Float[np.ndarray, "pair pair"]:
    """The cells, those that are hidden as a number where the other figure has one."""
    return z if hidden is None else np.where(np.isnan(z) & where, hidden, z)


def _words(first: Grid, second: Grid, rows: Sequence[Partner], cols: Sequence[Partner]) -> list[tuple[str, ...]]:
    """The words inside each cell: once where both have the same; of one alone these; else both, one after the other.
    None where the grids have none."""
    if first.inside is None or second.inside is None:
        return []

    def inside(words: tuple[str, ...], width: int, row: int | None, col: int | None) -> str:
        return "" if row is None or col is None else words[row * width + col]

    one, two = (first.inside, len(first.cols)), (second.inside, len(second.cols))
    cells = ((inside(*one, i, k), inside(*two, j, n)) for i, j in rows for k, n in cols)
    return [tuple(dict.fromkeys(word for word in words if word)) for words in cells]

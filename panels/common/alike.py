"""Cosines between the vectors of a text's tokens, each with each: of a long text means of many pairs, or a window."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, starmap

import numpy as np
from jaxtyping import Float, Int

from anatomy.language import _
from anatomy.measure import POOLED, cosine_matrix, edges, norms
from anatomy.view import Fitted
from panels.common import zoomed
from panels.common.columns import span
from panels.common.zoomed import WHOLE, ZOOM
from viz.cells import Part
from viz.format import thousands
from viz.sight import OVERVIEW, Sight

ALONE = POOLED  # tokens that are drawn each with each; more stand together in cells, or some of them in a window


@dataclass(frozen=True)
class Alike:
    """A matrix of cosines as a figure has room for it.

    values  [row col]
    rows    where the tokens of each row begin, and where the last ones end
    cols    the same of the columns
    sight   how near it stands; None where every token of the text has a row and a column
    """

    values: Float[np.ndarray, "row col"]
    rows: Int[np.ndarray, " row_edge"]
    cols: Int[np.ndarray, " col_edge"]
    sight: Sight | None

    @property
    def pooled(self) -> bool:
        """Whether a cell stands for several pairs."""
        return self.sight is not None and self.sight.level == 0

    @property
    def near(self) -> bool:
        """Whether a window is shown."""
        return self.sight is not None and self.sight.level > 0

    @property
    def columns(self) -> range:
        """The tokens that have a column, or share one."""
        return range(int(self.cols[0]), int(self.cols[-1]))

    def focus(self, pair: tuple[int, int]) -> tuple[int, int] | None:
        """The cell of a pair of tokens; None where none stands for it."""
        cuts = (self.rows, self.cols)
        if not all(cut[0] <= token < cut[-1] for cut, token in zip(cuts, pair, strict=True)):
            return None
        row, col = (int(np.searchsorted(cut, token, "right")) - 1 for cut, token in zip(cuts, pair, strict=True))
        return row, col

    def part(self, pair: tuple[int, int]) -> Part | None:
        """Which tokens the cells stand for. pair: the chosen tokens; None where each stands for its own."""
        if self.sight is None:
            return None
        chosen = None if self.focus(pair) is None else pair
        return Part(tuple(self.rows.tolist()), tuple(self.cols.tolist()), chosen, self.sight.length)

    def seen(self, pair: tuple[int, int]) -> Sight | None:
        """How near it stands, with the tokens that are chosen: where zooming leads."""
        return None if self.sight is None else replace(self.sight, chosen=pair)

    def labels(self, names: Sequence[str], placed: Callable[[int], str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Labels of rows and columns. names: of the text's tokens; placed: of one of a window."""
        if self.sight is None:
            return tuple(names), tuple(names)
        rows, cols = (self._named(cut, placed) for cut in (self.rows, self.cols))
        return rows, cols

    def _named(self, cut: Int[np.ndarray, " edge"], placed: Callable[[int], str]) -> tuple[str, ...]:
        return tuple(map(placed, cut[:-1].tolist())) if self.near else tuple(starmap(span, pairwise(cut.tolist())))

    @property
    def told(self) -> str:
        """What a cell stands for, or where a window lies, as a sentence; "" where every token is drawn."""
        if self.pooled:
            side = thousands(int(np.diff(self.rows).max()))
            return _("Each cell is the mean of up to {side} × {side} pairs of positions.", side=side)
        if self.sight is None:
            return ""
        return _(
            "Shown pair by pair: positions {rows} beside {columns}, of {tokens} tokens.",
            rows=span(int(self.rows[0]), int(self.rows[-1])),
            columns=span(int(self.cols[0]), int(self.cols[-1])),
            tokens=thousands(self.sight.length),
        )


def is_long(count: int) -> bool:
    """Whether a text has more tokens than are drawn each with each."""
    return count > ALONE


def borders(count: int, view: Fitted) -> tuple[Int[np.ndarray, " row_edge"], Int[np.ndarray, " col_edge"]]:
    """Where the tokens of each row and of each column begin, and where the last ones end. count: tokens of the text."""
    if is_long(count) and view[ZOOM] != WHOLE:
        top, bottom, left, right = zoomed.window(_counted(view, count), view.pos)
        return np.arange(top, bottom + 1), np.arange(left, right + 1)
    cut = edges(count, POOLED if is_long(count) else count)
    return cut, cut


def _counted(view: Fitted, count: int) -> Fitted:
    return replace(view, length=count)


def alike(vectors: Float[np.ndarray, "pos d_model"], view: Fitted) -> Alike:
    """The cosines on view between a text's vectors, float32."""
    count = len(vectors)
    rows, cols = borders(count, view)
    if not is_long(count):
        return Alike(cosine_matrix(vectors).astype(np.float32), rows, cols, None)
    lengths = norms(vectors)[:, None]
    unit = np.divide(vectors, lengths, out=np.zeros(vectors.shape), where=lengths > 0)
    values, sight = _products(unit, rows, cols), zoomed.sight(_counted(view, count), (view.pos, view.pos))
    if sight.level:
        cut = edges(count, OVERVIEW)
        sight = replace(sight, whole=_products(unit, cut, cut), pooled=zoomed.mean_of(cut, cut))
    return Alike(values, rows, cols, sight)


def _products(
    unit: Float[np.ndarray, "pos d_model"], rows: Int[np.ndarray, " row_edge"], cols: Int[np.ndarray, " col_edge"]
) -> Float[np.ndarray, "row col"]:
    """Means of cosines: the mean of the products of two groups of vectors is the product of their means."""
    one, two = (
        np.add.reduceat(unit[: cut[-1]], cut[:-1], axis=0) / np.diff(cut)[:, None] for cut in (rows, cols)
    )  # [row d_model], [col d_model]
    return (one @ two.T).astype(np.float32)


def program(count: int, view: Fitted) -> str:
    """Python that makes `result` of `unit` [pos, d_model]: the cosines on view."""
    rows, cols = (range(int(cut[0]), int(cut[-1])) for cut in borders(count, view))
    if is_long(count) and view[ZOOM] == WHOLE:
        return f"""edges = [i * {count} // {POOLED} for i in range({POOLED} + 1)]
unit = torch.stack([unit[a:b].mean(dim=0) for a, b in zip(edges, edges[1:])])  # [cell, d_model]
result = unit @ unit.T
"""
    if is_long(count):
        return f"result = unit[{rows.start}:{rows.stop}] @ unit[{cols.start}:{cols.stop}].T  # the tokens on view\n"
    return "result = unit @ unit.T\n"

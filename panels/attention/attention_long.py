"""A long text's attention map: cells that cover many pairs of tokens, or a window of it pair by pair.

A map of 8,192 tokens has 67 million cells, and a screen shows some hundred thousand. The engine pools it
(`anatomy.sites`: pattern_max and its kin) into at most POOLED cells a side, or gives a window of no more tokens as it
is (`panels.common.zoomed`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, starmap

import numpy as np
from jaxtyping import Bool, Float, Int

from anatomy.control import Choice
from anatomy.language import N_, _
from anatomy.measure import POOLED, edges
from anatomy.request import Want
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import zoomed
from panels.common.attention_row import is_long
from panels.common.columns import span
from panels.common.shared import FIRST, WORDS
from panels.common.zoomed import WHOLE, ZOOM
from viz.sight import Sight

LARGEST, MEAN = "max", "mean"
# What a cell that covers several pairs of tokens shows of them.
CELLS = Choice(
    "pool",
    N_("Each cell"),
    (LARGEST, MEAN),
    (N_("largest"), N_("mean")),
    says=N_(
        "What a cell shows that stands for many pairs of tokens: the largest of their values, or the mean of all of "
        "them."
    ),
)
_NOTHING = 1e-6  # what is left of a row beside the first token below this is the rounding of its weight


@dataclass(frozen=True)
class Cells:
    """A map's cells, and the tokens that each of them covers.

    values  numbers of the cells, float64; NaN where all that a cell covers is masked or left out
    rows    where the tokens of each row begin, and where the last ones end
    cols    the same of the columns
    """

    values: Float[np.ndarray, "row col"]
    rows: Int[np.ndarray, " row_edge"]
    cols: Int[np.ndarray, " col_edge"]

    def at(self, pos: int, src: int | None) -> tuple[int, int] | None:
        """The cell that covers this pair of tokens; None where none does."""
        if src is None:
            return None
        if not (self.rows[0] <= pos < self.rows[-1] and self.cols[0] <= src < self.cols[-1]):
            return None
        return int(np.searchsorted(self.rows, pos, "right")) - 1, int(np.searchsorted(self.cols, src, "right")) - 1


def is_far(view: Fitted) -> bool:
    """Whether the map is one of cells or of a window, not of all pairs of tokens or words."""
    return is_long(view) and not view[WORDS]


def is_near(view: Fitted) -> bool:
    """Whether a window is shown, pair by pair."""
    return is_far(view) and view[ZOOM] != WHOLE


def in_cells(view: Fitted) -> bool:
    """Whether cells of many pairs are shown."""
    return is_far(view) and not is_near(view)


def is_mean(view: Fitted) -> bool:
    """Whether each cell shows the mean of its pairs."""
    return in_cells(view) and view[CELLS] == MEAN


def window(view: Fitted) -> tuple[int, int, int, int]:
    """The tokens on view: (first that looks, one past the last, first looked at, one past the last)."""
    if not is_near(view):
        return _all(view)
    return zoomed.window(view, view.pos if view.src is None else view.src)


def borders(view: Fitted) -> tuple[np.ndarray, np.ndarray]:
    """Where the cells' rows and columns begin, and where the last ones end: the `rows` and `cols` of `Cells`."""
    top, bottom, left, right = window(view)
    return edges(bottom - top, POOLED, top), edges(right - left, POOLED, left)


def wants(view: Fitted, lengths: bool) -> Sequence[Want]:
    """The map's cells, of a window those of the whole besides, and what shares without the first token take. lengths:
    whether the cells hold lengths instead of weights."""
    shown = _cells(view, lengths)
    if not is_near(view):
        return (shown,)
    both = (shown, _largest(view, lengths))
    return both if lengths or view[FIRST] else (*both, _firsts(view))


def _cells(view: Fitted, lengths: bool) -> Want:
    site = "contribution" if lengths else "pattern"
    how = LARGEST if is_near(view) else view[CELLS]
    return Want(f"{site}_{how}", view.layer, head=view.head, window=window(view))


def _largest(view: Fitted, lengths: bool) -> Want:
    """The cells of the whole text: their largest length ends the scale of every window."""
    site = "contribution_max" if lengths else "pattern_max"
    return Want(site, view.layer, head=view.head, window=_all(view))


def _all(view: Fitted) -> zoomed.Window:
    return 0, view.length, 0 if view[FIRST] else 1, view.length


def _firsts(view: Fitted) -> Want:
    """What each token of a window gives to the first one."""
    top, bottom, *_columns = window(view)
    return Want("pattern_max", view.layer, head=view.head, window=(top, bottom, 0, 1))


def sight(trace: Trace, view: Fitted) -> int | None:
    """How many tokens each sees in this layer, itself and those before it; None where it sees all of them."""
    return trace.spec.windows[view.layer] if trace.spec.windows else None


def cells_of(trace: Trace, view: Fitted, lengths: bool) -> Cells:
    """The cells on view. Without the first token a window's weights are shares of the rest; cells of many pairs keep
    the model's weights, which no one factor could turn into shares."""
    rows, cols = borders(view)
    values = _unmasked(trace, view, _cells(view, lengths), rows, cols)
    if view[FIRST] or not is_near(view):
        return Cells(values, rows, cols)
    if cols[0] == 0:
        values[:, 0] = np.nan
    if not lengths:
        left = 1 - trace[_firsts(view)].astype(np.float64)  # [row 1]
        values = np.divide(values, left, out=np.full_like(values, np.nan), where=left > _NOTHING)
    return Cells(values, rows, cols)


def whole_of(trace: Trace, view: Fitted, lengths: bool) -> Cells | None:
    """The cells of the whole text beside a window, the largest of each; None where no window is shown."""
    if not is_near(view):
        return None
    top, bottom, left, right = _all(view)
    rows, cols = edges(bottom - top, POOLED, top), edges(right - left, POOLED, left)
    return Cells(_unmasked(trace, view, _largest(view, lengths), rows, cols), rows, cols)


def _unmasked(
    trace: Trace, view: Fitted, want: Want, rows: Int[np.ndarray, " row_edge"], cols: Int[np.ndarray, " col_edge"]
) -> Float[np.ndarray, "row col"]:
    """Cells in float64, NaN where the mask lets no pair look."""
    seen = visible(trace.spec.stack().causal, sight(trace, view), rows, cols)
    return np.where(seen, trace[want].astype(np.float64), np.nan)


def nearness(view: Fitted, chosen: tuple[int, int], whole: Cells | None) -> Sight:
    """How near the map stands, and where: chosen as in `viz.sight.Sight`, whole as `whole_of` gives it."""
    if whole is None:
        return zoomed.sight(view, chosen)
    small = zoomed.overview(np.fmax, whole.values, whole.rows, whole.cols)
    return zoomed.sight(view, chosen, small, zoomed.largest_of(whole.rows, whole.cols))


def visible(causal: bool, sight: int | None, rows: np.ndarray, cols: np.ndarray) -> Bool[np.ndarray, "row col"]:
    """True where a cell covers any pair of tokens that the mask lets look. rows, cols: as in `Cells`; sight: as `sight`
    gives it."""
    shape = (len(rows) - 1, len(cols) - 1)
    last_row, first_row = rows[1:, None] - 1, rows[:-1, None]
    last_col, first_col = cols[None, 1:] - 1, cols[None, :-1]
    seen = np.ones(shape, dtype=bool)
    if causal:
        seen &= first_col <= last_row
    if sight is not None:
        seen &= first_row - last_col < sight
    return seen


def most(trace: Trace, view: Fitted) -> float:
    """The largest length (L2 norm) of the whole map of a view by length."""
    return float(trace[_largest(view, True) if is_near(view) else _cells(view, True)].max())


def measured(view: Fitted, lengths: bool) -> str | None:
    """What a cell's number is among those of its pairs; None where it is a pair's own."""
    if is_near(view):
        return None
    if lengths:
        return _("largest length") if view[CELLS] == LARGEST else _("mean length")
    return _("largest weight") if view[CELLS] == LARGEST else _("mean weight")


def spans(cut: np.ndarray) -> tuple[str, ...]:
    """Labels of rows or columns by the positions that each covers: 7, 32–63."""
    return tuple(starmap(span, pairwise(cut.tolist())))

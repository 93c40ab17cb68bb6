"""The weights that the attention map and its kin show, token by token, and the row of the chosen one.

Up to POOLED tokens a layer is asked for whole, so that other heads and tokens of it are there already; of a longer text
only the chosen token's row is, which is cheap at any length.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy.measure import POOLED
from anatomy.request import Want
from anatomy.rounding import largest_at
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.shared import FIRST
from viz.format import percent


@dataclass(frozen=True)
class Row:
    """What the chosen token sees, token by token.

    pos, src   the token that looks, and the one looked at: the chosen one, or the one that gets most; None without one
    strongest  the token that gets most of what is shown; None when nothing is shown
    scores     before the softmax (logit); −∞ where masked
    pattern    the model's weights (probability)
    weights    as shown: NaN where masked; without the first token, shares of the rest
    first      the first token's weight in `pattern`
    """

    pos: int
    src: int | None
    strongest: int | None
    scores: Float[np.ndarray, " src"]
    pattern: Float[np.ndarray, " src"]
    weights: Float[np.ndarray, " src"]
    first: float


def level(values: Float[np.ndarray, " src"]) -> int:
    """Among how many tokens attention is spread so evenly that their shares read the same; 0 where it is not, or goes
    to one alone. values: NaN for a token that gets none."""
    seen = values[~np.isnan(values)]
    even = len(seen) > 1 and seen.max() > 0 and percent(float(seen.max())) == percent(float(seen.min()))
    return len(seen) if even else 0


def is_long(view: Fitted) -> bool:
    """Whether the text has more than POOLED tokens: more than a map has cells a side."""
    return view.length > POOLED


def wanted(view: Fitted, site: str) -> Want:
    """A site of the chosen layer: of every token, in a long text of the chosen one."""
    return Want(site, view.layer, pos=view.pos if is_long(view) else None)


def at(trace: Trace, view: Fitted, site: str) -> Float[np.ndarray, "head n"]:
    """The chosen token's part of a site of the chosen layer [head pos n], whichever way it was asked for."""
    alone = Want(site, view.layer, pos=view.pos)
    return trace[alone] if alone in trace else trace[Want(site, view.layer)][:, view.pos]


def seen(trace: Trace, view: Fitted, values: Float[np.ndarray, "pos src"]) -> Float[np.ndarray, "pos src"]:
    """The chosen head's numbers in float64, NaN where the mask forbids; the layer's scores have to be there whole."""
    return _unmasked(values, trace[Want("scores", view.layer)][view.head])


def seen_by_chosen(trace: Trace, view: Fitted, values: Float[np.ndarray, " src"]) -> Float[np.ndarray, " src"]:
    """The chosen token's row of such numbers; that row of the scores is enough for it."""
    return _unmasked(values, at(trace, view, "scores")[view.head])


def _unmasked(
    values: Float[np.ndarray, "... src"], scores: Float[np.ndarray, "... src"]
) -> Float[np.ndarray, "... src"]:
    return np.where(np.isneginf(scores), np.nan, values.astype(np.float64))


def without_first(values: Float[np.ndarray, "pos src"]) -> Float[np.ndarray, "pos src"]:
    """A copy with NaN in the first token's column."""
    left = values.copy()
    left[:, 0] = np.nan
    return left


def shares(values: Float[np.ndarray, "row col"]) -> Float[np.ndarray, "row col"]:
    """Each row divided by its sum; a row of nothing is NaN. Numbers below 0, as a change may leave weights, keep their
    sign and count in the sum by their size."""
    total = np.nansum(np.abs(values), axis=1, keepdims=True)
    return np.divide(values, total, out=np.full_like(values, np.nan), where=total > 0)


def weights(trace: Trace, view: Fitted) -> Float[np.ndarray, "pos src"]:
    """The chosen head's weights (probability), NaN where masked. Without the first token its column is NaN, too, and
    each row sums to 1 again, unless nothing is left of it. The layer's scores and weights have to be there whole."""
    return _left(view, seen(trace, view, trace[Want("pattern", view.layer)][view.head]))


def _left(view: Fitted, shown: Float[np.ndarray, "row src"]) -> Float[np.ndarray, "row src"]:
    return shown if view[FIRST] else shares(without_first(shown))


def row_of(trace: Trace, view: Fitted) -> Row:
    """The chosen token's row in the chosen head, from its scores and weights."""
    pattern = at(trace, view, "pattern")[view.head]
    shown = _left(view, seen_by_chosen(trace, view, pattern)[None])[0]
    strongest = None if np.isnan(shown).all() else largest_at(shown)
    return Row(
        pos=view.pos,
        src=strongest if view.src is None else view.src,
        strongest=strongest,
        scores=at(trace, view, "scores")[view.head],
        pattern=pattern,
        weights=shown,
        first=float(pattern[0]),
    )

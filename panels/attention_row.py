"""The weights that the attention map shows, and the row of the chosen token."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy.request import Want
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.shared import FIRST


@dataclass(frozen=True)
class Row:
    """What the chosen token sees.

    pos, src   the token that looks, and the one looked at: the chosen one, or the one that gets most; None without one
    strongest  the token that gets most of what is shown; None when nothing is shown
    scores     before the softmax; −∞ where masked
    pattern    the model's weights
    weights    as shown: NaN where masked; without the first token, shares of the rest
    first      the first token's weight
    """

    pos: int
    src: int | None
    strongest: int | None
    scores: Float[np.ndarray, " src"]
    pattern: Float[np.ndarray, " src"]
    weights: Float[np.ndarray, " src"]
    first: float


def weights(trace: Trace, view: Fitted) -> Float[np.ndarray, "pos src"]:
    """The head's weights, NaN where masked. Without the first token its column is empty and each row sums to 1 again,
    unless nothing is left of it."""
    scores = trace[Want("scores", view.layer)][view.head]
    pattern = trace[Want("pattern", view.layer)][view.head].astype(np.float64)
    shown = np.where(np.isneginf(scores), np.nan, pattern)  # [pos src]
    if view[FIRST]:
        return shown
    shown[:, 0] = np.nan
    rest = np.nansum(shown, axis=1, keepdims=True)
    return np.divide(shown, rest, out=np.full_like(shown, np.nan), where=rest > 0)


def row_of(trace: Trace, view: Fitted) -> Row:
    """The chosen token's row."""
    shown = weights(trace, view)[view.pos]
    strongest = None if np.isnan(shown).all() else int(np.nanargmax(shown))
    pattern = trace[Want("pattern", view.layer)][view.head, view.pos]
    return Row(
        pos=view.pos,
        src=strongest if view.src is None else view.src,
        strongest=strongest,
        scores=trace[Want("scores", view.layer)][view.head, view.pos],
        pattern=pattern,
        weights=shown,
        first=float(pattern[0]),
    )

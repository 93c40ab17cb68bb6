"""What arrays that are already there hold besides themselves: one position of all, and the token ids they mention."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Shaped

from anatomy.request import Want
from anatomy.sites import SITES


def at_position(array: Shaped[np.ndarray, "..."], want: Want) -> Shaped[np.ndarray, "..."]:
    """Of a site's array with all positions: the whole, or the wanted position as an array of its own."""
    if want.pos is None:
        return array
    return np.asarray(array.take(want.pos, axis=SITES[want.site].axes.index("pos")))


def found(held: Callable[[Want], np.ndarray | None], want: Want) -> np.ndarray | None:
    """The array of a want, itself held or cut out of the held array with all positions; None when neither is there."""
    array = held(want)
    if array is None and want.pos is not None:
        whole = held(replace(want, pos=None))
        array = None if whole is None else at_position(whole, want)
    return array


def mentioned(arrays: Mapping[Want, np.ndarray]) -> list[int]:
    """The ids of every token of the vocabulary that the arrays mention, in order."""
    ids = [array.ravel() for want, array in arrays.items() if SITES[want.site].unit == "token"]
    return np.unique(np.concatenate(ids)).tolist() if ids else []

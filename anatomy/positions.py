"""What arrays that are already there hold besides themselves: one position of all, and the token ids they mention."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Shaped

from anatomy.request import Want
from anatomy.sites import SITES


def positions(wants: Iterable[Want], length: int) -> list[int]:
    """The positions of a text that any of the wants asks for, in order."""
    chosen = {want.pos for want in wants}
    return list(range(length)) if None in chosen else sorted(pos for pos in chosen if pos is not None)


def at_position(
    array: Shaped[np.ndarray, "..."], want: Want, held: list[int] | None = None
) -> Shaped[np.ndarray, "..."]:
    """Of a site's array: the whole, or the wanted position as an array of its own.

    held  the positions that the array has, in order; None: all of them. ValueError where the wanted one is not there
    """
    if want.pos is None:
        return array
    row = want.pos if held is None else held.index(want.pos)
    return np.asarray(array.take(row, axis=SITES[want.site].axes.index("pos")))


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

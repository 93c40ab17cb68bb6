"""Relative position bias: which distances share a bucket, and so the number that is added to the scores."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from anatomy.spec import RelativeBias


class Span(NamedTuple):
    """Signed distances that share a bucket, from first to last."""

    bucket: int
    first: int
    last: int


def buckets(distances: Int[np.ndarray, " distance"], bias: RelativeBias) -> Int[np.ndarray, " distance"]:
    """The bucket of each signed distance: place of the token looked at − place of the token that looks.

    Half of a side's buckets hold one distance each, the others ever more, up to max_distance (T5, Raffel et al. 2020,
    sec. 2.1). In float32, as the models compute it: the edges lie where the logarithm is rounded.
    """
    side, far = bias.buckets, np.maximum(-distances, 0)
    offset = np.zeros_like(distances)
    if bias.bidirectional:
        side, far = bias.buckets // 2, np.abs(distances)
        offset = np.where(distances > 0, side, 0)
    exact = side // 2
    scale = np.float32(np.log(bias.max_distance / exact))
    with np.errstate(divide="ignore"):
        steps = np.log(far.astype(np.float32) / np.float32(exact)) / scale * np.float32(side - exact)
    wide = np.minimum(exact + np.maximum(steps, 0).astype(np.int64), side - 1)
    return offset + np.where(far < exact, far, wide)


def spans(tokens: int, bias: RelativeBias) -> tuple[Span, ...]:
    """The distances of a text of so many tokens by bucket, from the farthest back to the farthest on."""
    distances = np.arange(1 - tokens, tokens)
    by_distance = buckets(distances, bias)
    starts = [0, *(np.flatnonzero(by_distance[1:] != by_distance[:-1]) + 1).tolist()]
    ends = [*(start - 1 for start in starts[1:]), len(distances) - 1]
    return tuple(
        Span(int(by_distance[start]), int(distances[start]), int(distances[end]))
        for start, end in zip(starts, ends, strict=True)
    )

"""The largest numbers of each row, by the rule that no last digit decides (`anatomy.rounding`)."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anatomy.rounding import NEAR, grouped

GROUP = 64  # neighbours of which only the largest is looked at first


def nearness(numbers: Float[Tensor, "row n"]) -> Float[Tensor, " row"]:
    """How far apart two numbers of a row may be and still count as equal: NEAR of the way from the row's smallest
    to its largest, so that logits and log probabilities, which differ by a constant, are ranked alike."""
    low, high = numbers.aminmax(dim=-1)
    if not low.isfinite().all():
        low = numbers.masked_fill(~numbers.isfinite(), torch.inf).amin(dim=-1)
    return NEAR * (high - low)


def largest(numbers: Float[Tensor, "row n"], k: int) -> tuple[Float[Tensor, "row k"], Int[Tensor, "row k"]]:
    """(the k largest of each row, where they stand), largest first. What is near the largest that is left counts as
    equal to it, and the first of equal ones comes first. All where a row has fewer than k."""
    n, near = numbers.shape[-1], nearness(numbers)
    values, places = _topk(numbers, min(k + 1, n))
    tied = (values[:, :-1] - values[:, 1:] <= near[:, None]).any(dim=-1)
    for row in tied.nonzero().flatten().tolist():
        _settle(numbers[row], float(near[row]), values[row], places[row])
    return values[:, :k], places[:, :k]


def largest_at(numbers: Float[Tensor, "row n"]) -> Int[Tensor, " row"]:
    """Where the largest number of each row stands, by the same rule."""
    return largest(numbers, 1)[1][:, 0]


def _settle(row: Float[Tensor, " n"], near: float, values: Float[Tensor, " k"], places: Int[Tensor, " k"]) -> None:
    """Put what counts as equal in the order of its places; writes into values and places."""
    among = (row >= values[-1] - near).nonzero().flatten() if values[-2] - values[-1] <= near else places.sort().values
    held = row[among].double().numpy()
    order = among[torch.from_numpy(grouped(held, near).astype(np.int64))][: len(places)]
    places.copy_(order)
    values.copy_(row[order])


def _topk(numbers: Float[Tensor, "row n"], k: int) -> tuple[Float[Tensor, "row k"], Int[Tensor, "row k"]]:
    """As torch's: looked for in the k groups of neighbours with the largest maxima, which hold them, where the row is
    much longer than that."""
    if numbers.shape[-1] % GROUP or numbers.shape[-1] < 4 * GROUP * k:
        best = numbers.topk(k, dim=-1)
        return best.values, best.indices
    groups = numbers.unflatten(-1, (-1, GROUP))  # [row group member]
    chosen = groups.amax(-1).topk(k, dim=-1).indices  # [row k]
    members = groups.gather(1, chosen[..., None].expand(-1, -1, GROUP)).flatten(1)  # [row k·member]
    values, picked = members.topk(k, dim=-1)
    return values, chosen.gather(1, picked // GROUP) * GROUP + picked % GROUP

"""Matrices of which the smallest numbers are set to 0 (Han et al. 2015, sec. 3)."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def smallest_out(matrix: Float[Tensor, "output input"], share: float) -> Float[Tensor, "output input"]:
    """The matrix with that share of its numbers, rounded to a whole number of them, set to 0: those nearest to 0, and
    of equally near ones those that come first. share: 0 to 1."""
    count = round(share * matrix.numel())
    if count == 0:
        return matrix
    sizes = matrix.abs().flatten().numpy()
    farthest = np.partition(sizes, count - 1)[count - 1]  # of those that go
    gone = sizes < farthest
    gone[np.flatnonzero(sizes == farthest)[: count - np.count_nonzero(gone)]] = True
    return matrix.masked_fill(torch.from_numpy(gone).reshape(matrix.shape), 0.0)

"""A site's tensor as the array that answers a want."""

import numpy as np
import torch
from torch import Tensor

from anatomy.request import Want
from anatomy.sites import SITES


def array_of(tensor: Tensor, want: Want) -> np.ndarray:
    """A site's tensor at the positions that the want names, contiguous: float32, or the whole numbers that it holds."""
    if want.pos is not None:
        tensor = tensor.select(SITES[want.site].axes.index("pos"), want.pos).clone()
    if tensor.is_floating_point():
        tensor = tensor.to(torch.float32)
    return tensor.contiguous().numpy()

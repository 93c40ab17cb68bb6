"""A site's tensor as the array that answers a want."""

import numpy as np
import torch
from torch import Tensor

from anatomy.request import Want
from anatomy.sites import SITES


def array_of(tensor: Tensor, want: Want) -> np.ndarray:
    """A site's tensor as the array that answers the want: float32 or whole numbers, rows one after the other."""
    if want.pos is not None:
        tensor = tensor.select(SITES[want.site].axes.index("pos"), want.pos).clone()
    if tensor.is_floating_point():
        tensor = tensor.to(torch.float32)
    return tensor.contiguous().numpy()

"""Whether layers share their matrices: how far those of each layer are from those of the layer before."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.measure import Measure
from models.reading.precision import widened

MEASURES = (Measure(("weight_gap",), forward=False),)


def gaps(layers: Sequence[nn.Module]) -> Float[np.ndarray, " layer"]:
    """Largest difference between the matrices of a layer and those of the same names in the layer before it; the first
    is held against the last. 0: shared. NaN for a layer that has no other."""
    if len(layers) == 1:
        return np.full(1, np.nan, np.float32)
    held = [_matrices(layer) for layer in layers]
    return np.array([_gap(held[number], held[number - 1]) for number in range(len(held))], np.float32)


def _matrices(layer: nn.Module) -> dict[str, Tensor]:
    """Attention's and the FFN's matrices by name: the parameters of a layer that have more than one axis."""
    return {name: weight.detach() for name, weight in layer.named_parameters() if weight.dim() > 1}


def _gap(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Layers of one kind have equal names; a matrix that one layer alone has (T5's table of distances) is left out."""
    return max(
        float(torch.dist(widened(one[name]), widened(other[name]), p=torch.inf)) for name in one.keys() & other.keys()
    )

"""The two matrices of a layer that write into the stream: attention's output and the FFN's down projection."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from models.loaded.model import LoadedModel
from models.reading.precision import widened

_ATTENTION, _FFN = 0, 1
# Of each output projection: where its numbers are and how often they were changed, when the factors were made from
# them, and the factors.
_FACTORS: WeakKeyDictionary[nn.Module, tuple[tuple[int, int], Float[Tensor, "head rank d_head"]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Projection:
    """rows: the vector that each input is multiplied with; bias: what is added in any case, 0 where there is none. Both
    of a model in half precision in float32."""

    rows: Float[Tensor, "input d_model"]
    bias: Float[Tensor, " d_model"]


def out_projection(loaded: LoadedModel, layer: int) -> Projection:
    """Attention's output projection, with d_head rows for each query head. TypeError for a kind of module not known."""
    return _projection(loaded, layer, _ATTENTION)


def head_factors(loaded: LoadedModel, layer: int) -> Float[Tensor, "head rank d_head"]:
    """For each query head a small matrix R, so that a vector z of the head becomes as long through its rows W of
    attention's output projection as ‖R z‖: Wᵀ = Q R with orthonormal columns of Q, and ‖Wᵀ z‖ = ‖R z‖ (QR, Golub and
    Van Loan 2013, sec. 5.2). float32; made once for each state of the weights."""
    module = loaded.layer(layer).get_submodule(loaded.family.writes[_ATTENTION])
    weight = module.get_parameter("weight")
    now = weight.data_ptr(), weight._version
    held, factors = _FACTORS.get(module, (None, None))
    if factors is None or held != now:
        heads = _rows(module).float().unflatten(0, (loaded.spec.n_heads, loaded.spec.d_head))  # [head d_head d_model]
        factors = torch.linalg.qr(heads.transpose(1, 2)).R
        _FACTORS[module] = (now, factors)
    return factors


def down_projection(loaded: LoadedModel, layer: int) -> Projection:
    """The FFN's down projection, with a row for each neuron. TypeError for a kind of module not known."""
    return _projection(loaded, layer, _FFN)


def _projection(loaded: LoadedModel, layer: int, part: int) -> Projection:
    module = loaded.layer(layer).get_submodule(loaded.family.writes[part])
    rows = _rows(module)
    bias = getattr(module, "bias", None)
    return Projection(rows, torch.zeros(rows.shape[1]) if bias is None else widened(bias.detach()))


def _rows(module: nn.Module) -> Float[Tensor, "input d_model"]:
    """The library's Linear keeps a row per output, GPT-2's Conv1D a row per input."""
    weight = widened(module.get_parameter("weight").detach())
    if isinstance(module, Conv1D):
        return weight
    if isinstance(module, nn.Linear):
        return weight.T
    raise TypeError(f"{type(module).__name__} is no matrix that models/loaded/projections.py knows: it has to learn it")

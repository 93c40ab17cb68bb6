"""Attention weighed by what it moves: weight × length of the value after the head's part of the output projection.

A large weight on a short vector moves little (Kobayashi et al. 2020, "Attention is Not Only a Weight: Analyzing
Transformers with Vector Norms", sec. 3). The projection's bias belongs to no head and is left out.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.request import Want
from anatomy.spec import ModelSpec
from models.loaded.model import LoadedModel
from models.loaded.projections import head_factors
from models.measure import Measure
from models.measures import arriving
from models.measures.context import RunContext
from models.measures.reductions import Moved

MEASURES = (Measure(("contribution",), frozenset({"pattern", "v", "z", "attn_out"})),)


def basis(want: Want, spec: ModelSpec) -> list[Want]:
    """The layer's weights at the wanted positions, and its values."""
    return [Want("pattern", want.layer, pos=want.pos), Want("v", want.layer)]


def missing(spec: ModelSpec) -> dict[str, str]:
    """Every model with attention has it."""
    return {}


def answer(context: RunContext, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
    """The wanted arrays among MEASURES."""
    return {want: _contribution(context, want).numpy() for want in wants}


def lengths(loaded: LoadedModel, layer: int, values: Float[Tensor, "kv src d_head"]) -> Float[Tensor, "head src"]:
    """Length of what each value adds to the stream through each query head when its weight is 1 (activation)."""
    factors = head_factors(loaded, layer).unflatten(0, (len(values), -1))  # [kv group rank d_head]
    return torch.linalg.vector_norm(values.float()[:, None] @ factors.transpose(2, 3), dim=-1).flatten(0, 1)


def moved(loaded: LoadedModel, layer: int, values: Float[Tensor, "kv src d_head"]) -> Moved:
    """These lengths, and how much arrives."""
    shares = arriving.of_values(loaded, layer, values.shape[1])
    return Moved(lengths(loaded, layer, values), None if shares is None else shares.abs())


def _contribution(context: RunContext, want: Want) -> Float[Tensor, "head ... src"]:
    assert want.layer is not None, f"{want} has passed axes_of, so it names a layer"
    pattern = context.tensor(Want("pattern", want.layer, pos=want.pos))  # [head (pos) src]
    v = context.tensor(Want("v", want.layer))  # [kv src d_head]
    by = moved(context.loaded, want.layer, v).by
    return by(pattern, 0) if want.pos is None else by(pattern[:, None], want.pos)[:, 0]

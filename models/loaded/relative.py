"""The relative position bias: what its table adds to the scores of a text, and why other models add nothing."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.language import N_
from anatomy.relative import buckets
from anatomy.spec import LearnedPositions, ModelSpec, RelativeBias, Rope
from models.measure import Measure

SITE, TABLE = "pos_bias", "bias_table"
MEASURES = (Measure((TABLE,), forward=False),)
_ROTATED = N_("This model adds nothing to its scores for a distance: it rotates queries and keys instead (RoPE).")
_ADDED = N_(
    "This model adds nothing to its scores for a distance: it adds a row for each position to the embedding instead."
)
_NOTHING = N_("This model adds nothing to its scores for a distance.")


def missing(spec: ModelSpec) -> dict[str, str]:
    """The sites, where nothing is added, with the sentence that says what is done instead."""
    match spec.position:
        case RelativeBias():
            return {}
        case Rope():
            return dict.fromkeys((SITE, TABLE), _ROTATED)
        case LearnedPositions():
            return dict.fromkeys((SITE, TABLE), _ADDED)
    return dict.fromkeys((SITE, TABLE), _NOTHING)


def added(bias: RelativeBias, table: Float[Tensor, "bucket head"], length: int) -> Float[Tensor, "head pos src"]:
    """What is added to the scores: the table's number for the bucket of each pair's distance (Raffel et al. 2020,
    sec. 2.1)."""
    place = np.arange(length)
    distances = (place[None, :] - place[:, None]).ravel()
    rows = torch.from_numpy(buckets(distances, bias)).unflatten(0, (length, length))  # [pos src]
    return table[rows].permute(2, 0, 1)

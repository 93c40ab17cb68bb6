"""Models that compute in half precision: what is theirs stays so, what is worked out here is worked out in float32.

bfloat16 has 8 binary digits and the range of float32, float16 has 11 and ends at 65,504. Streams, writes and logits are
the numbers that the library's model computes in that precision; float32 holds each of them exactly. Scores, attention
weights and sums over heads or neurons are formed from them in float32, so that nothing is rounded a second time.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anatomy.language import N_
from anatomy.refused import Refused

HALVES = (torch.bfloat16, torch.float16)
ROWS = 1 << 13  # of a matrix in half precision that are widened at a time
_OVERFLOWN = N_(
    "The numbers of this run become too large for {precision}, in layer {layer}: take the model in bfloat16 or float32."
)
_LOGITS_OVERFLOWN = N_(
    "The logits of this run become too large for {precision}: take the model in bfloat16 or float32."
)


def named(dtype: torch.dtype) -> str:
    """What a precision is called: "float32", "bfloat16", "float16"."""
    return str(dtype).removeprefix("torch.")


def widened(numbers: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Half precision in float32, every number as it was; all others, float32 and wider, as they are."""
    return numbers.float() if numbers.dtype in HALVES else numbers


def as_read_by(module: nn.Module, numbers: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Numbers in the precision of a module's weights, which is the one that it reads: what was given in half precision,
    and widened, as it was."""
    given = next((weight.dtype for weight in module.parameters() if weight.is_floating_point()), numbers.dtype)
    return numbers.to(given) if given in HALVES else numbers


def product(rows: Float[Tensor, "row d_model"], matrix: Float[Tensor, "output d_model"]) -> Float[Tensor, "row output"]:
    """rows · matrixᵀ; of a matrix in half precision in float32, without a copy of all of it."""
    if matrix.dtype not in HALVES:
        return rows @ matrix.T
    return torch.cat([rows @ some.float().T for some in matrix.split(ROWS)], dim=-1)


def held(numbers: Float[Tensor, "..."], layer: int) -> Float[Tensor, "..."]:
    """The numbers that pass a site of a layer. Refused where float16, which ends soon, does not hold them: whatever
    stands in their place is not the model's."""
    if numbers.dtype == torch.float16 and not bool(numbers.isfinite().all()):
        raise Refused(_OVERFLOWN, precision=named(numbers.dtype), layer=layer)
    return numbers


def held_logits(logits: Float[Tensor, "row vocab"]) -> Float[Tensor, "row vocab"]:
    """The same for logits."""
    if logits.dtype == torch.float16 and not bool(logits.isfinite().all()):
        raise Refused(_LOGITS_OVERFLOWN, precision=named(logits.dtype))
    return logits

"""Matrices in few bits: what they are once they were stored so and read again."""

import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.variants import BLOCK


def by_block(
    matrix: Float[Tensor, "output input"], bits: int, symmetric: bool = False, block: int = BLOCK
) -> Float[Tensor, "output input"]:
    """Each number as the nearest level of its block: so many numbers of a row, next to one another; the last block of a
    row may be shorter.

    not symmetric  2^bits levels, the least and the largest number of the block the first and the last: a scale and a
                   least value per block, as GGUF's Q4_1 has them (there these are float16, here float32)
    symmetric      2^bits − 1 levels around 0, the farthest as far as the number farthest from 0: a scale per block
    """
    width = matrix.shape[1]
    rest = -width % block
    filled = torch.nn.functional.pad(matrix[None], (0, rest), mode="replicate")[0] if rest else matrix
    blocks = filled.reshape(len(matrix), -1, block)  # [output block within]
    found = _symmetric(blocks, bits) if symmetric else _between(blocks, bits)
    return found.reshape(len(matrix), -1)[:, :width].to(matrix.dtype)


def by_row(matrix: Float[Tensor, "output input"], bits: int = 8) -> Float[Tensor, "output input"]:
    """The same, symmetric, with a scale for each row."""
    return _symmetric(matrix, bits).to(matrix.dtype)


def _between(numbers: Float[Tensor, "*block within"], bits: int) -> Float[Tensor, "*block within"]:
    least, most = numbers.aminmax(dim=-1, keepdim=True)
    return _on_levels(numbers, least, (most - least) / (2**bits - 1))


def _symmetric(numbers: Float[Tensor, "*block within"], bits: int) -> Float[Tensor, "*block within"]:
    farthest = numbers.abs().amax(dim=-1, keepdim=True)
    return _on_levels(numbers, torch.zeros_like(farthest), farthest / (2 ** (bits - 1) - 1))


def _on_levels(
    numbers: Float[Tensor, "*block within"], start: Float[Tensor, "*block 1"], step: Float[Tensor, "*block 1"]
) -> Float[Tensor, "*block within"]:
    """The nearest of the levels start, start ± step, …; where the step is 0, all numbers are the start already."""
    levels = ((numbers - start) / torch.where(step == 0, 1.0, step)).round()
    return levels * step + start

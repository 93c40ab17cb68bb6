"""Numbers rounded to int8 by torchao, an independent reference: python -m tests.models.variants.torchao_levels

It writes torchao.json, which the tests read, as torchao is not among what they install (`bench.quantized.quantization`
says why). Of two symmetric ways that torchao has, both with a scale per row or block:

row, block   its primitives from −127 to 127 (8 bits), and for blocks of 32 from −(2^(b−1) − 1) to 2^(b−1) − 1
weights      what Int8WeightOnlyConfig makes of a linear layer
"""

import json
from pathlib import Path
from typing import Any

import torch

from bench.quantized import TORCHAO, quantization

FILE = Path(__file__).with_name("torchao.json")
BITS = (8, 6, 5, 4, 3, 2)
BLOCK = 32


def matrix() -> torch.Tensor:
    """[output input], numbers that JSON and float32 hold exactly."""
    drawn = torch.randn(4, 3 * BLOCK, generator=torch.Generator().manual_seed(0))
    return (drawn * 1024).round() / 1024


def by_primitives(numbers: torch.Tensor, most: int, block: int) -> torch.Tensor:
    """Symmetric levels from −most to most, a scale for each block of a row, and back to numbers."""
    quantization()
    from torchao.quantization import quant_primitives as ao  # pyright: ignore[reportMissingImports]

    shape, ends = (1, block), (-most, most)
    tiny = torch.finfo(torch.float32).tiny
    scale, zero = ao.choose_qparams_affine(numbers, ao.MappingType.SYMMETRIC, shape, torch.int8, *ends, eps=tiny)
    levels = ao.quantize_affine(numbers, shape, scale, zero, torch.int8, *ends)
    return ao.dequantize_affine(levels, shape, scale, zero, torch.int8, *ends)


def of_a_layer(numbers: torch.Tensor) -> torch.Tensor:
    """The weights of a linear layer in int8, and back to numbers."""
    ao = quantization()
    layer = torch.nn.Linear(numbers.shape[1], len(numbers), bias=False)
    layer.weight = torch.nn.Parameter(numbers.clone(), requires_grad=False)
    ao.quantize_(layer, ao.Int8WeightOnlyConfig(set_inductor_config=False))
    return layer.weight.dequantize()


def written() -> dict[str, Any]:
    """All that the file holds."""
    numbers = matrix()
    made = {
        "matrix": numbers,
        "row": by_primitives(numbers, 127, numbers.shape[1]),
        **{f"block {bits}": by_primitives(numbers, 2 ** (bits - 1) - 1, BLOCK) for bits in BITS},
        "weights": of_a_layer(numbers),
    }
    return {"by": TORCHAO} | {name: _listed(tensor) for name, tensor in made.items()}


def _listed(tensor: torch.Tensor) -> list[list[float]]:
    """With the nine digits that tell any two float32 numbers apart."""
    return [[float(f"{number:.9g}") for number in row] for row in tensor.tolist()]


if __name__ == "__main__":
    FILE.write_text(json.dumps(written()) + "\n", "utf-8")

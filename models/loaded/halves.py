"""A model's weights in half precision, as the library loads them with `dtype=`."""

from collections.abc import Iterator

import torch
from torch import nn
from transformers import PreTrainedModel

from models.reading.precision import HALVES, named


def in_half(model: PreTrainedModel, dtype: torch.dtype) -> PreTrainedModel:
    """The same model, its parameters rounded to bfloat16 or float16 in place. ValueError for another precision.

    `model.to(dtype)` would round more than `from_pretrained(dtype=…)` does: the frequencies of rotary positions, which
    no checkpoint holds, and matrices that the library keeps in float32 (T5's second of the FFN in float16).
    """
    if dtype not in HALVES:
        raise ValueError(f"{named(dtype)} is no half precision: give one of {', '.join(map(named, HALVES))}")
    kept = {id(weight) for module in _in_float32(model, dtype) for weight in module.parameters()}
    for weight in model.parameters():
        if id(weight) not in kept:
            weight.data = weight.data.to(dtype)
    model.config.dtype = dtype
    return model


def _in_float32(model: PreTrainedModel, dtype: torch.dtype) -> Iterator[nn.Module]:
    """The modules that the library keeps in float32: some in float16 alone, some always."""
    named_so = {*(getattr(model, "_keep_in_fp32_modules_strict", None) or ())}
    if dtype == torch.float16:
        named_so |= {*(getattr(model, "_keep_in_fp32_modules", None) or ())}
    for path, module in model.named_modules():
        if named_so.intersection(path.split(".")):
            yield module

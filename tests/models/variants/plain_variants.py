"""Models altered in the plain way: copies of the library's own, changed in place, with none of our code."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

# What the names of an FFN's modules begin with inside a layer, in the library's own models.
_FFN = ("mlp.", "intermediate.", "output.", "layer.1.")


def plain_variant(model: PreTrainedModel, layers: list[nn.Module], kind: str, value: str) -> PreTrainedModel:
    """The model, one of its own, altered in place. layers: its layers, first to last."""
    with torch.no_grad():
        if kind == "untrained":
            torch.manual_seed(int(value or 0))
            return type(model)(model.config).eval()
        if kind == "shared":
            for number, layer in enumerate(layers):
                first = dict(layers[number - number % int(value)].named_parameters())
                for name, parameter in layer.named_parameters():
                    parameter.copy_(first[name])
        else:
            words = value.split(",")
            part = words.pop() if words[-1] in ("ffn", "attention") else ""
            for module in _matrices(layers, part):
                _WAYS[kind](module, ",".join(words))
    return model


def _matrices(layers: list[nn.Module], part: str) -> list[nn.Module]:
    return [
        module
        for layer in layers
        for name, module in layer.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and part in ("", "ffn" if name.startswith(_FFN) else "attention")
    ]


def _pruned(module: nn.Module, share: str) -> None:
    """By the library of torch, which takes the smallest numbers out by its own way."""
    prune.l1_unstructured(module, "weight", amount=float(share))
    prune.remove(module, "weight")


def _by_rows(module: nn.Module, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Change the rows of outputs, number by number in double precision."""
    turned = isinstance(module, Conv1D)
    weight = module.weight.double().numpy()
    matrix = weight.T if turned else weight
    changed = np.array([change(row) for row in matrix])
    module.weight.copy_(torch.from_numpy(changed.T if turned else changed))


def _int8(module: nn.Module, value: str) -> None:
    _by_rows(module, lambda row: np.round(row / (np.abs(row).max() / 127)) * (np.abs(row).max() / 127))


def _bits(bits: int) -> Callable[[nn.Module, str], None]:
    def change(module: nn.Module, value: str) -> None:
        _by_rows(module, lambda row: np.concatenate([block(row[i : i + 32], value) for i in range(0, len(row), 32)]))

    def block(numbers: np.ndarray, value: str) -> np.ndarray:
        if value == "sym":
            step = np.abs(numbers).max() / (2 ** (bits - 1) - 1)
            return np.round(numbers / step) * step
        levels = np.linspace(numbers.min(), numbers.max(), 2**bits)
        return levels[np.abs(numbers[:, None] - levels).argmin(1)]

    return change


_WAYS: dict[str, Callable[[nn.Module, str], None]] = {
    "prune": _pruned,
    "int8": _int8,
    **{f"{bits}bit": _bits(bits) for bits in (8, 6, 5, 4, 3, 2)},
}

"""How many parameters each part of a model has, and how many batch norms, counted from the loaded modules."""

from collections.abc import Iterable, Iterator

from torch import nn
from transformers import PreTrainedModel

from models.families import Family

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def parameters(model: PreTrainedModel, family: Family) -> tuple[tuple[str, int], ...]:
    """(part, parameters) of every part, 0 included; what two parts share counts to the first of them.

    They add up to all that the model has. An output layer that is the embedding table counts nothing; weights that
    layers share count in each of these, as each computes with them.
    """
    seen: set[int] = set()
    return tuple((part, _new(groups, seen)) for part, groups in _parts(model, family))


def batch_norms(model: nn.Module) -> int:
    """Modules that normalize over a batch; 0 in every transformer that is known here."""
    return sum(isinstance(module, _BATCH_NORMS) for module in model.modules())


def _parts(model: PreTrainedModel, family: Family) -> Iterator[tuple[str, list[list[nn.Module]]]]:
    """Modules by part, those of one layer together. Of two parts that have the same module, the first takes it."""
    body, layers = model.base_model, family.layers_of(model)
    yield "embedding", [[body.get_submodule(family.tokens)]]
    yield "positions", [[body.get_submodule(path) for path in (family.positions, family.bias) if path]]
    yield "output", [[model.get_submodule(family.head)] if family.has_head(model) else []]
    yield "norms", [[module] for module in body.modules() if type(module).__name__.endswith("Norm")]
    yield "attention", _inside(layers, (family.attention, family.writes[0]))
    yield "ffn", _inside(layers, family.ffn)
    yield "other", [[model]]


def _inside(layers: Iterable[nn.Module], paths: tuple[str, ...]) -> list[list[nn.Module]]:
    return [[layer.get_submodule(path) for path in paths] for layer in layers]


def _new(groups: Iterable[list[nn.Module]], seen: set[int]) -> int:
    """Parameters that no part before has counted: each once in a group, and in every group that has it."""
    total, counted = 0, set()
    for modules in groups:
        weights = {id(weight): weight.numel() for module in modules for weight in module.parameters()}
        counted |= weights.keys()
        total += sum(size for key, size in weights.items() if key not in seen)
    seen |= counted
    return total

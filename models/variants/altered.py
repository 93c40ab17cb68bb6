"""The alterations of a variant carried out: the weights of a model that come out as others."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from anatomy.language import N_
from anatomy.refused import Settled
from anatomy.variants import PRECISIONS, Alteration
from models.families import Family
from models.loaded.halves import in_half
from models.loaded.judged import ONE_AT_A_TIME
from models.progress import report_progress
from models.variants.alike import alike
from models.variants.pruned import smallest_out
from models.variants.rounded import by_block, by_row

_TOO_FAR = N_("{count} layers cannot share weights: the model has {layers}.")
_UNLIKE = N_("Layers {layer} and {other} are built differently: they cannot share weights.")
_MATRICES = (nn.Linear, Conv1D)
Weights = dict[str, Tensor]
Merged = Callable[[PreTrainedModel, str], Weights]


@dataclass(frozen=True)
class Task:
    """One alteration of a model.

    model    as it was before all alterations
    family   the table of where it keeps what, fitted to it
    weights  of all its parameters by name, as they are before this alteration
    made     the alteration
    merged   see `altered`
    """

    model: PreTrainedModel
    family: Family
    weights: Mapping[str, Tensor]
    made: Alteration
    merged: Merged

    @property
    def layers(self) -> tuple[tuple[str, nn.Module], ...]:
        """The model's layers, first to last, and what the names of their parameters begin with."""
        named = {module: name for name, module in self.model.named_modules()}
        return tuple((named[layer], layer) for layer in self.family.layers_of(self.model))

    def matrices(self) -> Iterator[tuple[str, Tensor]]:
        """The matrices of the layers that are to be altered, [output input], and their names; between two layers is
        told how far it is."""
        layers = self.layers
        for number, (prefix, layer) in enumerate(layers):
            report_progress(N_("altering the weights"), number, len(layers))
            for path, module in layer.named_modules():
                if isinstance(module, _MATRICES) and self.made.part in ("", self.part(path)):
                    name = f"{prefix}.{path}.weight"
                    yield name, _upright(module, self.weights[name])

    def part(self, path: str) -> str:
        """The part of a layer that a matrix belongs to, one of `anatomy.variants.PARTS`. path: inside the layer."""
        return "ffn" if any(f"{path}.".startswith(f"{inside}.") for inside in self.family.ffn) else "attention"

    def each(self, change: Callable[[Tensor], Tensor]) -> Weights:
        """What becomes of these matrices. One that several layers share is changed once: they share what it becomes."""
        modules = dict(self.model.named_modules())
        made: dict[int, Tensor] = {}
        found: Weights = {}
        for name, matrix in self.matrices():
            before = id(self.weights[name])
            if before not in made:
                made[before] = _upright(modules[name.removesuffix(".weight")], change(matrix))
            found[name] = made[before]
        return found


def _upright(module: nn.Module, weight: Tensor) -> Tensor:
    """A matrix with a row per output where the module has one per input, and the other way round."""
    return weight.T if isinstance(module, Conv1D) else weight


@torch.no_grad()  # not in inference mode: weights are read in other modes, too
def altered(
    model: PreTrainedModel, family: Family, alterations: tuple[Alteration, ...], merged: Merged
) -> PreTrainedModel:
    """A model like this one with the alterations made, one after the other. Tensors that come out as they were, bit by
    bit, are the other model's own; all others lie in memory as those whose places they take. What is no matter of
    weights (`anatomy.variants.in_every_run`) is left to each run.

    merged  (a model, the value of "lora") → the weights that an adapter changes in it

    Refused where an alteration does not fit the model; `models.engine.Cancelled` where nobody wants it any more.
    """
    own = dict(model.named_parameters(remove_duplicate=False))
    changed: Weights = {}
    precision = None
    for one in alterations:
        if make := _MADE.get(one.kind):
            changed |= make(Task(model, family, {**own, **changed}, one, merged))
        precision = PRECISIONS.get(one.kind, precision)
    _settle(changed, own)
    others = {id(own[name]) for name, tensor in changed.items() if tensor is not own[name]}
    made = alike(model, {name: tensor for name, tensor in changed.items() if id(own[name]) in others})
    return made if precision is None else in_half(made, getattr(torch, precision))


def _settle(changed: Weights, own: Mapping[str, Tensor]) -> None:
    """Put the model's own tensors where equal ones stand, and let the others lie in memory as those do whose places
    they take. What is the same tensor under several names stays so."""
    of_tensor: dict[int, list[str]] = {}
    for name, tensor in changed.items():
        of_tensor.setdefault(id(tensor), []).append(name)
    for names in of_tensor.values():
        tensor = changed[names[0]]
        equal = next((own[name] for name in names if _same(tensor, own[name])), None)
        settled = _lying(tensor, own[names[0]]) if equal is None else equal
        changed.update(dict.fromkeys(names, settled))


def _same(tensor: Tensor, other: Tensor) -> bool:
    return tensor is other or torch.equal(tensor, other)


def _lying(tensor: Tensor, other: Tensor) -> Tensor:
    """The same numbers in the order in which the other tensor of that shape has them in memory: products take as long
    as with that one."""
    if tensor.shape != other.shape or tensor.stride() == other.stride():
        return tensor
    return torch.empty_strided(other.shape, other.stride(), dtype=tensor.dtype).copy_(tensor)


def _untrained(task: Task) -> Weights:
    """As the library draws them for a model of this configuration."""
    report_progress(N_("drawing random weights"), 0, 0)
    with ONE_AT_A_TIME, torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(task.made.amount))
        fresh = type(task.model)._from_config(deepcopy(task.model.config), dtype=torch.float32)
    drawn = {id(parameter): parameter.detach() for parameter in fresh.parameters()}
    return {name: drawn[id(parameter)] for name, parameter in fresh.named_parameters(remove_duplicate=False)}


def _adapted(task: Task) -> Weights:
    report_progress(N_("adding the adapter"), 0, 0)
    return task.merged(alike(task.model, task.weights), task.made.value)


def _shared(task: Task) -> Weights:
    """So many layers in a row with the weights of the first of them."""
    count, layers = int(task.made.amount), task.layers
    if count > len(layers):
        raise Settled(_TOO_FAR, count=count, layers=len(layers))
    made: Weights = {}
    for number, (prefix, layer) in enumerate(layers):
        first = number - number % count
        source = {
            name: task.weights[f"{layers[first][0]}.{name}"] for name, _own in layers[first][1].named_parameters()
        }
        for name, own in layer.named_parameters():
            if name not in source or source[name].shape != own.shape:
                raise Settled(_UNLIKE, layer=first, other=number)
            made[f"{prefix}.{name}"] = source[name]
    return made


def _pruned(task: Task) -> Weights:
    """The numbers nearest to 0 set to 0, in each matrix by itself."""
    return task.each(lambda matrix: smallest_out(matrix, task.made.amount))


def _by_block(task: Task) -> Weights:
    bits = int(task.made.kind.removesuffix("bit"))
    return task.each(lambda matrix: by_block(matrix, bits, task.made.symmetric))


def _by_row(task: Task) -> Weights:
    return task.each(by_row)


_MADE: Mapping[str, Callable[[Task], Weights]] = {
    "untrained": _untrained,
    "lora": _adapted,
    "shared": _shared,
    "prune": _pruned,
    "int8": _by_row,
    **{f"{bits}bit": _by_block for bits in (8, 6, 5, 4, 3, 2)},
}

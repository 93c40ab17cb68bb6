"""A model of the library built like another one, out of that one's own tensors but for those that are changed."""

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from models.loaded.judged import ONE_AT_A_TIME


def alike(model: PreTrainedModel, changed: Mapping[str, Tensor]) -> PreTrainedModel:
    """A model of the same class and configuration, for reading only, without the hooks of the other.

    Its parameters are objects of its own. What they hold is the other model's memory, but for those in `changed`;
    parameters that are one in the other model, such as a tied output layer, are one in it, too. Nothing may be changed
    in place in it.

    changed  the name of a parameter → what stands there, of the same shape. Names that are given the same tensor share
             one parameter; two names of one parameter that are given different ones are two from then on

    KeyError for a name that the model does not have, ValueError for another shape.
    """
    own = dict(model.named_parameters(remove_duplicate=False))
    if strays := sorted(changed.keys() - own.keys()):
        raise KeyError(f"{type(model).__name__} has no parameter {strays[0]!r}")
    with ONE_AT_A_TIME, torch.device("meta"):  # no memory is taken, and no random numbers are drawn
        made = type(model)._from_config(deepcopy(model.config), dtype=torch.float32)
    there = _there(own, changed)
    parameters: dict[int, nn.Parameter] = {}  # by what they hold: what is shared stays so
    for name, tensor in there.items():
        parameter = parameters.setdefault(id(tensor), nn.Parameter(tensor.detach(), requires_grad=False))
        _put(made, name, parameter)
    _with_other_tensors(model, made)
    _check(made)
    return made.eval()


def _there(own: Mapping[str, Tensor], changed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What stands under each name: a parameter with two names is changed under both, unless each is given."""
    of_parameter = {id(own[name]): tensor for name, tensor in changed.items()}
    for name, tensor in changed.items():
        if tensor.shape != own[name].shape:
            raise ValueError(f"{name} has the shape {tuple(own[name].shape)}, not {tuple(tensor.shape)}")
    there = {name: of_parameter.get(id(parameter), parameter) for name, parameter in own.items()}
    return {**there, **changed}


def _put(made: nn.Module, name: str, parameter: nn.Parameter) -> None:
    path, _dot, leaf = name.rpartition(".")
    made.get_submodule(path).register_parameter(leaf, parameter)


def _with_other_tensors(model: nn.Module, made: nn.Module) -> None:
    """Buffers, and tensors that modules keep without a name for them, such as the frequencies of rotations: they follow
    from the configuration, which both have."""
    for theirs, own in zip(model.modules(), made.modules(), strict=True):
        for name, buffer in theirs._buffers.items():
            own._buffers[name] = buffer
        for name, value in vars(theirs).items():
            if isinstance(value, Tensor):
                setattr(own, name, value)


def _check(made: PreTrainedModel) -> None:
    """Nothing is left that was built without memory."""
    tensors = (*made.named_parameters(), *made.named_buffers())
    empty = [name for name, tensor in tensors if tensor.is_meta]
    assert not empty, f"{type(made).__name__} was left without {empty}"

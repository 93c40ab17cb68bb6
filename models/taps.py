"""Hooks on a model's layers, installed once: each asks whether this thread records, and shows it what passes."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from models import seam
from models.families import Family
from models.recorder import current

_INSTALLED = "stagelight_family"  # attribute of a model whose hooks are in place


def install(model: PreTrainedModel, family: Family) -> tuple[nn.Module, ...]:
    """The model's layers, with the hooks in place and attention routed through the seam.

    ValueError where hooks are already in place (they would record twice) or the table finds no layers.
    """
    if hasattr(model, _INSTALLED):
        raise ValueError(f"this model already has the hooks of family {getattr(model, _INSTALLED)!r}: share its engine")
    layers = family.layers_of(model)
    if not layers or not all(isinstance(layer, GradientCheckpointingLayer) for layer in layers):
        raise ValueError(f"family {family.name!r} finds no layers at {family.layers!r} in {type(model).__name__}")
    setattr(model, _INSTALLED, family.name)
    model.set_attn_implementation(seam.NAME)
    for number, layer in enumerate(layers):
        seam.mark(layer.get_submodule(family.attention), number)
        layer.register_forward_pre_hook(_enter(number), with_kwargs=True)
        for site, tap in family.taps.items():
            module = layer.get_submodule(tap.module)
            if tap.side == "in":
                module.register_forward_pre_hook(_before(number, site), with_kwargs=True)
            else:
                module.register_forward_hook(_after(number, site))
        layer.register_forward_hook(_leave(number))
    return layers


def _enter(layer: int) -> Callable[..., None]:
    def hook(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        if (recorder := current()) is not None:
            recorder.enter(layer, args, kwargs)

    return hook


def _before(layer: int, site: str) -> Callable[..., None]:
    def hook(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        if (recorder := current()) is not None:
            recorder.keep(layer, site, args[0] if args else kwargs["hidden_states"])

    return hook


def _after(layer: int, site: str) -> Callable[..., None]:
    def hook(module: nn.Module, args: tuple, output: Any) -> None:
        if (recorder := current()) is not None:
            recorder.keep(layer, site, _first(output))

    return hook


def _leave(layer: int) -> Callable[..., None]:
    def hook(module: nn.Module, args: tuple, output: Any) -> None:
        if (recorder := current()) is not None:
            recorder.leave(layer, _first(output))

    return hook


def _first(output: Any) -> Tensor:
    """A module's output, or the first of several."""
    return output[0] if isinstance(output, tuple) else output

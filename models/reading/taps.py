"""Hooks on a model's layers, installed once: each asks whether this thread records, and shows it what passes."""

from collections.abc import Callable
from typing import Any

from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from anatomy.interventions import ATTENTION_NORM, ATTENTION_SKIP, FFN_NORM, FFN_SKIP, FINAL_NORM
from models.families import Family
from models.reading import architecture, attention_interface, interventions
from models.reading.recorder import ATTENTION, FFN, NORM, current, first_output

_NORMS, _SKIPS = (ATTENTION_NORM, FFN_NORM), (ATTENTION_SKIP, FFN_SKIP)
_INSTALLED = "stagelight_family"  # attribute of a model whose hooks are in place


def install(model: PreTrainedModel, family: Family) -> tuple[nn.Module, ...]:
    """The model's layers, with the hooks in place and attention called through the attention interface. Interventions
    come before taps, so that what is recorded is what was computed.

    ValueError where hooks are already in place (they would record twice) or the table finds no layers.
    """
    if hasattr(model, _INSTALLED):
        raise ValueError(f"this model already has the hooks of family {getattr(model, _INSTALLED)!r}: share its engine")
    layers = family.layers_of(model)
    if not layers or not all(isinstance(layer, GradientCheckpointingLayer) for layer in layers):
        raise ValueError(f"family {family.name!r} finds no layers at {family.layers!r} in {type(model).__name__}")
    setattr(model, _INSTALLED, family.name)
    model.set_attn_implementation(attention_interface.NAME)
    _install_around(model.base_model, family)
    architecture.let_swap(layers)
    for number, layer in enumerate(layers):
        _install_parts(layer, number, family)
        attention_interface.mark(layer.get_submodule(family.attention), number)
        layer.register_forward_pre_hook(interventions.enter_hook(number), with_kwargs=True)
        layer.register_forward_pre_hook(_enter(number), with_kwargs=True)
        for site, tap in family.taps.items():
            module = layer.get_submodule(tap.module)
            if tap.side == "in":
                module.register_forward_pre_hook(_before(number, site), with_kwargs=True)
            else:
                module.register_forward_hook(_after(number, site, tap.head))
        layer.register_forward_hook(interventions.leave_hook(number))
        layer.register_forward_hook(_leave(number))
    return layers


def _install_around(body: nn.Module, family: Family) -> None:
    """Let changes reach the embedding table, and the position numbers and the final norm where the model has them."""
    table = body.get_submodule(family.tokens).get_parameter("weight")
    for module in body.modules():
        if isinstance(module, nn.Embedding) and module.weight is table:
            module.register_forward_pre_hook(architecture.embedding_hook)
    path = family.positions or family.rotary
    if path is not None:
        body.get_submodule(path).register_forward_pre_hook(interventions.position_hook, with_kwargs=True)
    if family.final_norm is not None:
        hook = architecture.norm_hook(None, FINAL_NORM)
        body.get_submodule(family.final_norm).register_forward_hook(hook)


def _install_parts(layer: nn.Module, number: int, family: Family) -> None:
    """Let changes reach neurons, what the layer's two parts write, the stream between them and the norms, and note the
    order in which its parts are called."""
    folds = family.taps["resid_mid"].side == "in"  # the stream between is a sum, and nothing's output
    for path, norm, skip in zip(family.norms, _NORMS, _SKIPS, strict=True):
        module = layer.get_submodule(path)
        module.register_forward_hook(architecture.norm_hook(number, norm, after_sum=not folds))
        if not folds:
            module.register_forward_pre_hook(architecture.norm_input_hook(number, skip))
    middle = layer.get_submodule(family.taps["resid_mid"].module)
    if folds:
        middle.register_forward_pre_hook(interventions.middle_hook)
    else:
        middle.register_forward_hook(interventions.output_hook(number, "resid_mid"))
    neurons = layer.get_submodule(family.taps["act"].module)
    neurons.register_forward_pre_hook(interventions.input_hook(number, "act"))
    for site in ("attn_out", "ffn_out"):
        tap = family.taps[site]
        if tap.side == "in":
            raise ValueError(f"family {family.name!r} reads {site} where it goes in: name the module that makes it")
        layer.get_submodule(tap.module).register_forward_hook(interventions.write_hook(number, site, folds))
    parts = {NORM: family.norms, ATTENTION: (family.attention,), FFN: family.ffn[:1]}
    for part, paths in parts.items():
        for path in paths:
            layer.get_submodule(path).register_forward_pre_hook(_part(part))


def _part(part: int) -> Callable[..., None]:
    def hook(module: nn.Module, args: tuple) -> None:
        if (recorder := current()) is not None:
            recorder.part(part)

    return hook


def _enter(layer: int) -> Callable[..., None]:
    def hook(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        if (recorder := current()) is not None:
            recorder.enter(layer, args, kwargs)

    return hook


def _before(layer: int, site: str) -> Callable[..., None]:
    def hook(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        if (recorder := current()) is not None:
            recorder.keep(interventions.place_of(layer), site, args[0] if args else kwargs["hidden_states"])

    return hook


def _after(layer: int, site: str, head: int) -> Callable[..., None]:
    def hook(module: nn.Module, args: tuple, output: Any) -> None:
        if (recorder := current()) is not None:
            passed = first_output(output)  # [1 pos …]
            place = interventions.place_of(layer)
            recorder.keep(place, site, passed.unflatten(-1, (-1, head)).transpose(1, 2) if head else passed)

    return hook


def _leave(layer: int) -> Callable[..., None]:
    def hook(module: nn.Module, args: tuple, output: Any) -> None:
        if (recorder := current()) is not None:
            recorder.leave(layer, first_output(output))

    return hook

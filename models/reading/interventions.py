"""Changes to a forward pass, for what-if questions. A ContextVar holds them, so that they are of one run alone.

Hooks are installed once per model and ask here whether anything is to be changed; a layer that is run again from
the layer inputs of a changed run is changed as it was then. What comes after a change is what the changed model really
computed.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from anatomy.language import N_, Count
from anatomy.refused import Refused
from anatomy.request import Intervention
from anatomy.spec import LearnedPositions, ModelSpec, Rope

_PARTS = ("attn_out", "ffn_out")
POSITIONS = "positions"


def _zero(values: Tensor, intervention: Intervention) -> Tensor:
    """A part writes nothing; all tokens stand at position 0."""
    return torch.zeros_like(values)


def _add(values: Tensor, intervention: Intervention) -> Tensor:
    """Every token stands so much further on."""
    return values + intervention.amount


_OPS: dict[str, dict[str, Callable[[Tensor, Intervention], Tensor]]] = {
    "attn_out": {"zero": _zero},
    "ffn_out": {"zero": _zero},
    POSITIONS: {"zero": _zero, "add": _add},
}

_current: ContextVar[tuple[Intervention, ...]] = ContextVar("interventions", default=())


@contextmanager
def intervening(interventions: tuple[Intervention, ...]) -> Iterator[None]:
    """While this is open, what runs on this thread is changed so."""
    before = _current.set(interventions)
    try:
        yield
    finally:
        _current.reset(before)


def changed(values: Tensor, site: str, layer: int | None = None) -> Tensor:
    """What becomes of the values at a site under the changes that hold on this thread; themselves where none does."""
    for intervention in _current.get():
        if (intervention.site, intervention.layer) == (site, layer):
            values = _OPS[site][intervention.op](values, intervention)
    return values


def write_hook(layer: int, site: str) -> Callable[..., Any]:
    """A forward hook for the module that makes what attention or the FFN of a layer writes."""

    def hook(module: nn.Module, args: tuple, output: Any) -> Any:
        if isinstance(output, tuple):
            return (changed(output[0], site, layer), *output[1:])
        return changed(output, site, layer)

    return hook


def position_hook(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """A forward pre-hook for the module that is given position numbers: the only or the last of what it is given.

    They are changed here and not handed to the model from outside, which takes numbers that do not count on for
    several texts in a row and builds another mask.
    """
    if "position_ids" in kwargs:
        return args, kwargs | {"position_ids": changed(kwargs["position_ids"], POSITIONS)}
    return (*args[:-1], changed(args[-1], POSITIONS)), kwargs


def places(tokens: int) -> Tensor:
    """The position number of each token under the changes that hold on this thread."""
    return changed(torch.arange(tokens), POSITIONS)


def check(interventions: Iterable[Intervention], spec: ModelSpec, tokens: int) -> None:
    """Refused for a change that this model or a text of so many tokens does not allow."""
    asked = tuple(interventions)
    for intervention in asked:
        _unknown(intervention)
        if intervention.site == POSITIONS:
            _without_positions(intervention, spec)
        elif intervention.layer is None or not 0 <= intervention.layer < spec.layers:
            template = N_("{model} has layers 0 to {last}, not {layer}: no part of that layer can be left out.")
            raise Refused(template, model=spec.name, last=spec.layers - 1, layer=intervention.layer)
    with intervening(asked):
        _out_of_range(places(tokens), spec)


def _unknown(intervention: Intervention) -> None:
    if intervention.op not in _OPS.get(intervention.site, {}):
        known = ", ".join(f"{site} {op}" for site, ops in _OPS.items() for op in ops)
        template = N_("“{site} {op}” is no change to a run that is known here. These are: {known}.")
        raise Refused(template, site=intervention.site, op=intervention.op, known=known)


def _without_positions(intervention: Intervention, spec: ModelSpec) -> None:
    if intervention.layer is not None:
        template = N_("Position numbers are the same in every layer: leave layer {layer} out of the change.")
        raise Refused(template, layer=intervention.layer)
    if not isinstance(spec.position, Rope | LearnedPositions):
        raise Refused(N_("This model gives its tokens no position numbers, so there are none to change."))


def _out_of_range(numbers: Tensor, spec: ModelSpec) -> None:
    first, last = int(numbers.min()), int(numbers.max())
    if first < 0 or last >= spec.max_pos:
        template = N_("This change puts tokens at positions {first} to {last}; {model} has 0 to {most}: add less.")
        named = {"first": first, "last": last, "most": spec.max_pos - 1}
        raise Refused(template, model=spec.name, **{name: Count(value) for name, value in named.items()})

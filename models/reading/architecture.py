"""Parts of the architecture that a changed run is made without, or has in another order: norms, skip connections, the
causal mask, layers, rows of the embedding table. See `models/reading/interventions.py`.

Layers are numbered by the places in which they run. Where two are swapped, the module of one runs when the model calls
the other, and whatever stands there, weights among it, is that place's.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from anatomy import shuffled
from anatomy.interventions import EMBEDDING, LAYER, MASK
from models.reading import interventions
from models.reading.interventions import holding, place_of

_PLACE = "stagelight_place"  # attribute of a layer: its number


def norm_input_hook(number: int, skip: str) -> Callable[..., Any]:
    """A forward pre-hook for a norm that stands after the sum of a skip connection and what its part wrote."""

    def hook(module: nn.Module, args: tuple) -> tuple | None:
        wrote = interventions.wrote()
        if wrote is None or not holding().without(skip, place_of(number)):
            return None
        return wrote, *args[1:]

    return hook


def norm_hook(number: int | None, norm: str, after_sum: bool = False) -> Callable[..., Any]:
    """A forward hook for a norm: what goes in comes out where it is left out, in the precision in which the norm gives
    what it makes (T5 in float16 has a stream in float32). A layer whose norms stand after its sums is left out with
    them. number: of the layer; None for the final norm; after_sum: it stands there."""

    def hook(module: nn.Module, args: tuple, output: Tensor) -> Tensor:
        changes = holding()
        layer = None if number is None else place_of(number)
        with_layer = after_sum and changes.without(LAYER, layer)
        return args[0].to(output.dtype) if with_layer or changes.without(norm, layer) else output

    return hook


def embedding_hook(module: nn.Module, args: tuple) -> tuple:
    """A forward pre-hook for the embedding table: the ids of the tokens whose rows are read."""
    return rows_of(args[0], len(module.get_parameter("weight"))), *args[1:]


def rows_of(ids: Tensor, vocab: int) -> Tensor:
    """For each token of a vocabulary of so many the one whose embedding it is given."""
    given = _given(vocab)
    return ids if given is None else given[ids]


def tokens_of(rows: Tensor, vocab: int) -> Tensor:
    """The other way round: for each row of the table the token that is given it."""
    given = _given(vocab)
    return rows if given is None else given.argsort()[rows]


def _given(vocab: int) -> Tensor | None:
    """Of each token the row of the table that it is given; None where it is its own."""
    made = [one.intervention for one in holding().at(EMBEDDING, None)]
    return torch.from_numpy(shuffled.rows(made, vocab).copy()) if made else None


def masked() -> bool:
    """Whether a causal model keeps its mask."""
    return not holding().without(MASK)


def let_swap(layers: Sequence[nn.Module]) -> None:
    """Let layers run in each other's place: what the model calls as one may be the forward pass of another.

    Each becomes one of a class derived from its own, so that a copy of the model is whole by itself, and no layer holds
    another. A forward pass that somebody has put on the layer itself goes on being called.
    """
    for place, layer in enumerate(layers):
        setattr(layer, _PLACE, place)
        layer.__class__ = _swappable(type(layer))


def can_swap(layer: nn.Module) -> bool:
    """Whether a layer's forward pass is its class's, and none that was put on it."""
    return "forward" not in vars(layer)


class _Swappable(nn.Module):
    """A layer that hands on to the one which runs in its place."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        running = holding().running(getattr(self, _PLACE))
        if not isinstance(running, _Swappable):  # None: it stands in its own place
            return super().forward(*args, **kwargs)
        return super(_Swappable, running).forward(*args, **kwargs)


@cache
def _swappable(of: type[nn.Module]) -> type[nn.Module]:
    return type(of.__name__, (_Swappable, of), {})

"""Changes to a forward pass, for what-if questions. A ContextVar holds them, so that they are of one run alone.

Hooks are installed once per model and ask here whether anything is to be changed; a layer that is run again from
the layer inputs of a changed run is changed as it was then. What comes after a change is what the changed model really
computed.

Where norms stand before the parts, the stream between and after them is changed by way of what the part before it
writes: the stream stays the sum of all writes, and what a change puts in counts to that write. So it is where a skip
connection is left out: what the stream brought is taken off in that write.

Layers are numbered by the places in which they run (`models/reading/architecture.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anatomy.interventions import (
    ATTENTION_SKIP,
    FFN_SKIP,
    LAYER,
    POSITIONS,
    in_every_layer,
    of_itself,
    stepwise,
    swapped,
)
from anatomy.language import N_
from anatomy.refused import Refused
from anatomy.request import Intervention
from models.reading.attended import Attended
from models.reading.operations import ChangedWeights, Made
from models.reading.precision import named

_BEFORE, _MIDDLE, _AFTER = "resid_pre", "resid_mid", "resid_post"
_WRITES = ("attn_out", "ffn_out")
OVERFLOWN = N_(
    "With these changes the numbers of the run become too large for {precision}, in layer {layer}: change less, or at "
    "fewer places."
)
_SKIPS = {_MIDDLE: ATTENTION_SKIP, _AFTER: FFN_SKIP}  # what the stream is a sum by


@dataclass(frozen=True, eq=False)
class Changes:
    """The interventions of one run, with all that they take from elsewhere.

    made    in their order
    layers  those of the model, first to last: where two are swapped, one is called in the place of the other
    """

    made: tuple[Made, ...] = ()
    layers: Sequence[nn.Module] = ()

    @classmethod
    def of(cls, interventions: Sequence[Intervention]) -> "Changes":
        """Of interventions that take nothing from elsewhere and name no heads."""
        return cls(tuple(map(Made, interventions)))

    def at(self, site: str, layer: int | None) -> tuple[Made, ...]:
        """Those at one site. What is done to the stream that enters a layer is done where it leaves the one before."""
        found = tuple(made.in_layer(layer) for made in self.made if _done(made.intervention, site, layer))
        if site == _AFTER and layer is not None:
            return found + tuple(made for made in self.made if _done(made.intervention, _BEFORE, layer + 1))
        return () if site == _BEFORE and layer != 0 else found

    def without(self, part: str, layer: int | None = None) -> bool:
        """Whether a part of the architecture is left out, in that layer where it is one of a layer."""
        return any(made.intervention.op == "drop" and _done(made.intervention, part, layer) for made in self.made)

    def layer_at(self, place: int) -> int:
        """The layer of the model that runs at a place; the inverse of `place_of`."""
        return self._running.get(place, place)

    def running(self, place: int) -> nn.Module | None:
        """The same as a module; None where it is the one that stands there."""
        layer = self.layer_at(place)
        return None if layer == place else self.layers[layer]

    def place_of(self, layer: int) -> int:
        """The place at which a layer of the model runs."""
        return next((place for place, running in self._running.items() if running == layer), layer)

    @cached_property
    def _running(self) -> dict[int, int]:
        return swapped(made.intervention for made in self.made)

    @property
    def of_function(self) -> "Changes":
        """Those under which a part is still a function of what it reads, the same at every position."""
        kept = (made for made in self.made if of_itself(made.intervention))
        return replace(self, made=tuple(kept))

    @property
    def stepwise(self) -> bool:
        """A text may go on token by token: no change depends on which tokens are there besides."""
        return stepwise(made.intervention for made in self.made)


def _done(one: Intervention, site: str, layer: int | None) -> bool:
    """Whether it is done at a site of a layer: a layer that is left out writes nothing."""
    here = one.site == site or (one.site == LAYER and one.op == "drop" and site in _WRITES)
    return here and (one.layer == layer or in_every_layer(one))


@dataclass(eq=False)
class _Pass:
    """The changes that hold on this thread, and what has to be known of the pass to make them.

    entered  the stream of the first layer has been changed already: a layer is run again
    before   the stream that entered the layer that is running; middle: after its attention
    after    what its stream is to become
    wrote    what the part of it wrote that has run last
    """

    changes: Changes = field(default_factory=Changes)
    entered: bool = False
    before: Tensor | None = None
    middle: Tensor | None = None
    after: Tensor | None = None
    wrote: Tensor | None = None


_current: ContextVar[_Pass | None] = ContextVar("interventions", default=None)
_NONE = Changes()


@contextmanager
def intervening(changes: Changes, entered: bool = False) -> Iterator[None]:
    """While this is open, what runs on this thread is changed so."""
    before = _current.set(_Pass(changes, entered))
    try:
        yield
    finally:
        _current.reset(before)


def holding() -> Changes:
    """The changes that hold on this thread."""
    now = _current.get()
    return _NONE if now is None else now.changes


def wrote() -> Tensor | None:
    """What the part of a layer wrote that has run last, in the layer that is running."""
    now = _current.get()
    return None if now is None else now.wrote


@contextmanager
def entered() -> Iterator[None]:
    """While this is open, layers are run again: what enters the first was changed when it was kept."""
    with intervening(holding(), entered=True):
        yield


@contextmanager
def of_function() -> Iterator[None]:
    """While this is open, parts run by themselves on other rows than the text's: what holds for every row holds."""
    with intervening(holding().of_function):
        yield


def changed(values: Float[Tensor, "text ..."], site: str, layer: int | None = None) -> Float[Tensor, "text ..."]:
    """What becomes of the values of some texts at a site, [text (head) pos width], under the changes that hold on this
    thread; themselves where none does."""
    made = holding().at(site, layer)
    if not made:
        return values
    texts = []
    for text in values:
        for one in made:
            text = one(text)
        texts.append(text)
    return _held(torch.stack(texts), layer)


def _held(values: Tensor, layer: int | None) -> Tensor:
    """The values. Refused where their precision does not hold them: whatever stands in their place further on, nothing
    that is shown of the layer would be the model's."""
    if not bool(values.isfinite().all()):
        raise Refused(OVERFLOWN, precision=named(values.dtype), layer=0 if layer is None else layer)
    return values


def changed_weights(attended: Attended, layer: int) -> ChangedWeights | None:
    """What becomes of the weights of a layer's attention; None where nothing does."""
    made = holding().at("pattern", layer)
    return ChangedWeights(attended, made) if made else None


def share(sites: Sequence[str], layer: int, heads: int, positions: int) -> Float[Tensor, "head pos"] | None:
    """How much of what came about before these sites of a layer goes on after the changes there, by head and position:
    0 where something else stands in its place. What a change adds belongs to no head. None where all goes on."""
    made = [one for site in sites for one in holding().at(site, layer)]
    if not made:
        return None
    return torch.stack([one.share(heads, positions) for one in made]).prod(0)


def whole(layer: int) -> bool:
    """Whether what the layer's FFN wrote is what it makes of what it read, changes of the function itself among it."""
    made = [one.intervention for site in ("act", "ffn_out", _AFTER) for one in holding().at(site, layer)]
    if holding().without(FFN_SKIP, layer):
        return False
    return all(of_itself(one) and one.site in ("act", "ffn_out") for one in made)


def write_hook(number: int, site: str, folds: bool) -> Callable[..., Any]:
    """A forward hook for the module that makes what attention or the FFN of a layer writes.

    folds  the stream after it is the sum of what entered it and this: it is changed by way of it
    """
    written = _attention_written if site == "attn_out" else _ffn_written

    def hook(module: nn.Module, args: tuple, output: Any) -> Any:
        now = _current.get()
        if now is None:
            return output
        layer = now.changes.place_of(number)
        first = output[0] if isinstance(output, tuple) else output
        made = now.wrote = changed(first, site, layer)
        made = written(made, layer) if folds else made
        return (made, *output[1:]) if isinstance(output, tuple) else made

    return hook


def _attention_written(write: Tensor, layer: int) -> Tensor:
    """What attention writes, so that the stream after it becomes what the changes make of it."""
    now = _current.get()
    if now is None or now.before is None:
        return write
    stream = write if now.changes.without(ATTENTION_SKIP, layer) else now.before + write
    now.middle = changed(stream, _MIDDLE, layer)
    return _write(write, now.before, now.middle)


def _ffn_written(write: Tensor, layer: int) -> Tensor:
    now = _current.get()
    if now is None or now.middle is None or not _follows(now.changes, _AFTER, layer):
        return write
    stream = write if now.changes.without(FFN_SKIP, layer) else now.middle + write
    now.after = changed(stream, _AFTER, layer)
    return _write(write, now.middle, now.after)


def _write(write: Tensor, stream: Tensor, wanted: Tensor) -> Tensor:
    """What is to be added to the stream to get what is wanted: the write itself where that does."""
    return torch.where(wanted == stream + write, write, wanted - stream)


def _follows(changes: Changes, site: str, layer: int) -> bool:
    """Whether the stream between the parts of a layer, or after them, is another than their sum."""
    return bool(changes.at(site, layer)) or changes.without(_SKIPS[site], layer)


def middle_hook(module: nn.Module, args: tuple) -> None:
    """A forward pre-hook for the norm that reads the sum of the stream and what attention wrote: it becomes, to the
    last bit, what the changes make of it. A short stream after a long one (the first token's is often a thousand times
    as long as others) would else keep few digits of itself in a sum. The library goes on with the same tensor."""
    now = _current.get()
    if now is not None and now.middle is not None and not torch.equal(args[0], now.middle):
        args[0].copy_(now.middle)


def layer_at(place: int) -> int:
    """The layer of the model that runs at a place, under the changes that hold on this thread."""
    return holding().layer_at(place)


def place_of(layer: int) -> int:
    """The place at which a layer of the model runs."""
    return holding().place_of(layer)


def enter_hook(layer: int) -> Callable[..., Any]:
    """A forward pre-hook for a layer."""

    def hook(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
        now = _current.get()
        if now is None or not now.changes.made:
            return None
        stream = args[0] if args else kwargs["hidden_states"]
        if not now.entered:
            stream = changed(stream, _BEFORE, layer)
        following = any(_follows(now.changes, site, layer) for site in _SKIPS)
        now.before, now.middle, now.after, now.wrote = stream if following else None, None, None, None
        return ((stream, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": stream})

    return hook


def leave_hook(layer: int) -> Callable[..., Any]:
    """A forward hook for a layer: the stream that leaves it is, to the last bit, what the changes make of it."""

    def hook(module: nn.Module, args: tuple, output: Any) -> Any:
        now = _current.get()
        if now is None or not now.changes.made:
            return output
        first = output[0] if isinstance(output, tuple) else output
        if not _follows(now.changes, _AFTER, layer):
            _held(first, layer)
            return output
        after = changed(first, _AFTER, layer) if now.after is None else now.after
        return (after, *output[1:]) if isinstance(output, tuple) else after

    return hook


def output_hook(number: int, site: str) -> Callable[..., Any]:
    """A forward hook for a module whose output is what stands at a site."""

    def hook(module: nn.Module, args: tuple, output: Tensor) -> Tensor:
        return changed(output, site, place_of(number))

    return hook


def input_hook(number: int, site: str) -> Callable[..., Any]:
    """A forward pre-hook for a module whose input is what stands at a site."""

    def hook(module: nn.Module, args: tuple) -> tuple:
        return (changed(args[0], site, place_of(number)), *args[1:])

    return hook


def position_hook(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """A forward pre-hook for the module that is given position numbers: the only or the last of what it is given.

    They are changed here and not handed to the model from outside, which takes numbers that do not count on for
    several texts in a row and builds another mask.
    """
    if "position_ids" in kwargs:
        return args, kwargs | {"position_ids": _moved(kwargs["position_ids"])}
    return (*args[:-1], _moved(args[-1])), kwargs


def places(tokens: int) -> Tensor:
    """The position number of each token under the changes that hold on this thread."""
    return _moved(torch.arange(tokens))


def _moved(places: Tensor) -> Tensor:
    """Position numbers as the changes leave them."""
    for made in holding().at(POSITIONS, None):
        amount = int(made.intervention.amount)
        places = torch.zeros_like(places) if made.intervention.op == "zero" else places + amount
    return places

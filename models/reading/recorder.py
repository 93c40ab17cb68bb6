"""What one thread wants to see while a model runs. A ContextVar holds it, so no other thread's run is touched."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor

from anatomy.language import N_
from models.progress import report_progress
from models.reading.attended import Attended
from models.reading.precision import held, widened

ATTENDED = "attended"  # wanted like a site: how the layer's attention was called
ORDER = "order"  # wanted like a site: the parts of a layer as they were called, [event]
NORM, ATTENTION, FFN = range(3)  # the parts, in an order
MOST_PARTS = 4  # of a layer: two norms, attention and the FFN


class Sites(dict[str, Tensor]):
    """Name of a site → its tensor, without the batch axis, in float32 where the model is in half precision. attended:
    the layer's attention, where it was wanted."""

    def __init__(self, tensors: Mapping[str, Tensor], attended: Attended | None = None) -> None:
        super().__init__(tensors)
        self._attended = attended

    @property
    def attended(self) -> Attended:
        """How the layer's attention was called."""
        assert self._attended is not None, f"{ATTENDED!r} is not among the sites that were wanted of this layer"
        return self._attended


Visit = Callable[[int, Sites], None]  # called when a layer is done, with the layer's number and its sites


@dataclass(frozen=True)
class Call:
    """How a layer was called: enough to call it again."""

    args: tuple
    kwargs: Mapping[str, object]

    @property
    def stream(self) -> Tensor:
        """The stream entering the layer: [1 pos d_model]."""
        stream = self._stream
        assert isinstance(stream, Tensor), "the stream of this call was left out: see LayerInputs.call"
        return stream

    @property
    def held(self) -> bool:
        """The stream is there; it may be left out to save memory."""
        return self._stream is not None

    def on(self, stream: Tensor | None) -> "Call":
        """The same call on another stream, or on none."""
        if self.args:
            return Call((stream, *self.args[1:]), self.kwargs)
        return Call((), {**self.kwargs, "hidden_states": stream})

    @property
    def _stream(self) -> object:
        return self.args[0] if self.args else self.kwargs["hidden_states"]


class Recorder:
    """Keeps each layer's call, and of each layer the wanted sites until the layer is done and they are visited.

    wanted  sites to keep by layer; layers that are not named are not visited
    calls   how each layer was called, first to last
    last    the stream that left the last of them: [1 pos d_model]
    kept    the wanted sites of the layer that is running
    layers  how many the model has, for those who follow how far it is
    every   of so many calls one keeps its stream; 0: none but that of the layer that is running
    visit   called at the end of every wanted layer; `resid_pre` and `resid_post` are always among its sites
    """

    def __init__(self, wanted: Mapping[int, frozenset[str]], visit: Visit, *, layers: int = 0, every: int = 1) -> None:
        self.calls: list[Call] = []
        self.last: Tensor | None = None
        self._wanted = wanted
        self._visit = visit
        self.kept: dict[str, Tensor] = {}
        self._attended: Attended | None = None
        self._layers, self._every = layers, every
        self._order: list[int] = []

    def wants(self, layer: int, *sites: str) -> bool:
        """Is any of these sites wanted in this layer?"""
        return not self._wanted.get(layer, frozenset()).isdisjoint(sites)

    def enter(self, layer: int, args: tuple, kwargs: Mapping[str, object]) -> None:
        """A layer begins. Cancelled where nobody waits for the run any more."""
        report_progress(N_("running the model, layer by layer"), layer, self._layers)
        self.calls.append(Call(args, kwargs))
        self.kept, self._attended, self._order = {}, None, []

    def part(self, part: int) -> None:
        """A part of the layer begins: NORM, ATTENTION or FFN."""
        self._order.append(part)

    def keep(self, layer: int, site: str, tensor: Tensor) -> None:
        """A tensor [1 …] passes a site. Refused where float16 does not hold it."""
        if self.wants(layer, site):
            self.kept[site] = widened(held(tensor[0], layer))

    def attend(self, layer: int, attended: Attended) -> None:
        """The layer's attention is called."""
        if self.wants(layer, ATTENDED):
            self._attended = attended

    def leave(self, layer: int, stream: Tensor) -> None:
        """A layer is done; stream: [1 pos d_model]. Refused where float16 does not hold it."""
        self.last = held(stream, layer)
        if layer in self._wanted:
            ends = {"resid_pre": widened(self.calls[-1].stream[0]), "resid_post": widened(stream[0])}
            order = {ORDER: torch.tensor(self._order)} if self.wants(layer, ORDER) else {}
            self._visit(layer, Sites(self.kept | order | ends, self._attended))
        self.kept, self._attended = {}, None
        if self._every == 0 or (len(self.calls) - 1) % self._every:
            self.calls[-1] = self.calls[-1].on(None)


def first_output(output: Tensor | tuple) -> Tensor:
    """A module's output, or the first of several: of a layer the stream."""
    return output[0] if isinstance(output, tuple) else output


def silent(layers: int) -> Recorder:
    """Shows no site and keeps no stream but the last: says how far the run is, and stops it where nobody waits."""
    return Recorder({}, lambda layer, sites: None, layers=layers, every=0)


_current: ContextVar[Recorder | None] = ContextVar("recorder", default=None)


def current() -> Recorder | None:
    """The recorder of the run on this thread, if one is going on."""
    return _current.get()


@contextmanager
def recording(recorder: Recorder) -> Iterator[Recorder]:
    """While this is open, what runs on this thread is shown to the recorder."""
    with _being(recorder):
        yield recorder


@contextmanager
def unseen() -> Iterator[None]:
    """While this is open, what runs on this thread is shown to nobody: for a part that is run by itself."""
    with _being(None):
        yield


@contextmanager
def _being(recorder: Recorder | None) -> Iterator[None]:
    before = _current.set(recorder)
    try:
        yield
    finally:
        _current.reset(before)

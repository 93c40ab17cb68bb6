"""The layer inputs of a forward pass: how every layer was called. Any one layer can be run again from them, exactly.

They hold the stream entering each layer, [layer pos d_model], and nothing of the size pos × src × heads, so 512 tokens
of a 135M model take 36 MB where all attention patterns would take 283. (T5's layers share one bias of that size, which
is held once.) Where even that is too much, they hold one stream in so many and find the others again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.progress import stop_if_cancelled
from models.reading.interventions import entered
from models.reading.recorder import Call, Recorder, Visit, first_output, recording, silent, unseen


@dataclass(frozen=True)
class LayerInputs:
    """How the layers were called, first to last.

    calls   one per layer; to save memory, only one in so many has its stream
    last    the stream leaving the last layer, [1 pos d_model]
    layers  those that were called, to run between the streams that are held
    """

    calls: tuple[Call, ...]
    last: Tensor
    layers: Sequence[nn.Module] = ()
    _latest: dict[int, Tensor] = field(default_factory=dict, repr=False, compare=False)  # the one found again last

    def stream(self, layer: int) -> Float[Tensor, "pos d_model"]:
        """The stream entering a layer; with the number of layers, the one that leaves the last."""
        return (self.last if layer == len(self.calls) else self.call(layer).stream)[0]

    def call(self, layer: int) -> Call:
        """How a layer was called, its stream found again where it was left out: exactly as it was."""
        call = self.calls[layer]
        return call if call.held else call.on(self._again(layer))

    def _again(self, layer: int) -> Float[Tensor, "1 pos d_model"]:
        """The stream entering a layer, from the nearest before it that is there; the next one is then a step away."""
        known = [number for number in range(layer + 1) if self.calls[number].held or number in self._latest]
        stream = self._latest[known[-1]] if known[-1] in self._latest else self.calls[known[-1]].stream
        with torch.inference_mode(), unseen(), entered():
            for number in range(known[-1], layer):
                stop_if_cancelled()
                call = self.calls[number].on(stream)
                stream = first_output(self.layers[number](*call.args, **call.kwargs))
        self._latest.clear()
        self._latest[layer] = stream
        return stream

    @property
    def nbytes(self) -> int:
        """Bytes held, tensors that several layers share counted once."""
        held = [self.last, *(tensor for call in self.calls for tensor in _tensors((call.args, call.kwargs)))]
        storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in held}
        return sum(storages.values())


def _tensors(value: object) -> Iterator[Tensor]:
    """Every tensor in nested tuples, lists and mappings."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from _tensors(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _tensors(part)


def record(
    body: nn.Module,
    layers: Sequence[nn.Module],
    ids: Int[Tensor, " pos"],
    wanted: Mapping[int, frozenset[str]],
    visit: Visit,
    every: int = 1,
) -> LayerInputs:
    """Run the model without its head; visit the wanted sites layer by layer on the way. One call in `every` keeps its
    stream. ValueError where none of the layers is called, Cancelled where nobody waits for the run any more."""
    recorder = Recorder(wanted, visit, layers=len(layers), every=every)
    last = _run(body, ids[None], recorder)
    return LayerInputs(tuple(recorder.calls), last, tuple(layers))


def final_stream(body: nn.Module, ids: Int[Tensor, "batch pos"], layers: int) -> Float[Tensor, "batch pos d_model"]:
    """The stream leaving the last layer of a model of so many layers, run without its head on several texts at once.
    It raises what `record` does."""
    return _run(body, ids, silent(layers))


def _run(body: nn.Module, ids: Int[Tensor, "batch pos"], recorder: Recorder) -> Float[Tensor, "batch pos d_model"]:
    """One forward pass, shown to the recorder; the stream leaving the last layer."""
    with torch.inference_mode(), recording(recorder):
        body(input_ids=ids, use_cache=False)
    if recorder.last is None:
        raise ValueError(f"{type(body).__name__} ran without calling one of its layers: its family table is wrong")
    return recorder.last


def replay(layers: Sequence[nn.Module], inputs: LayerInputs, layer: int, wanted: frozenset[str], visit: Visit) -> None:
    """Run one layer again as it was called, and visit its wanted sites."""
    call = inputs.call(layer)
    with torch.inference_mode(), recording(Recorder({layer: wanted}, visit, layers=len(layers))), entered():
        layers[layer](*call.args, **call.kwargs)

"""The tape of a forward pass: how every layer was called. Any one layer can be run again from it, exactly.

It holds the stream entering each layer, [layer pos d_model], and nothing of the size pos × src × heads, so the tape of
512 tokens of a 135M model takes 36 MB where all attention patterns would take 283. (T5's layers share one bias of that
size, which is held once.)
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.recorder import Call, Recorder, Visit, recording


@dataclass(frozen=True)
class Tape:
    """calls: one per layer, first to last. last: the stream leaving the last layer, [1 pos d_model]."""

    calls: tuple[Call, ...]
    last: Tensor

    def stream(self, layer: int) -> Float[Tensor, "pos d_model"]:
        """The stream entering a layer; with the number of layers, the one that leaves the last."""
        return (self.last if layer == len(self.calls) else self.calls[layer].stream)[0]

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


def record(body: nn.Module, ids: Int[Tensor, " pos"], wanted: Mapping[int, frozenset[str]], visit: Visit) -> Tape:
    """Run the model without its head; visit the wanted sites layer by layer on the way."""
    recorder = Recorder(wanted, visit)
    last = _run(body, ids[None], recorder)
    return Tape(tuple(recorder.calls), last)


def final_stream(body: nn.Module, ids: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
    """Run the model without its head on several texts at once; the stream leaving its last layer."""
    return _run(body, ids, Recorder({}, lambda layer, sites: None))


def _run(body: nn.Module, ids: Int[Tensor, "batch pos"], recorder: Recorder) -> Float[Tensor, "batch pos d_model"]:
    """One forward pass, shown to the recorder; the stream leaving the last layer."""
    with torch.inference_mode(), recording(recorder):
        body(input_ids=ids, use_cache=False)
    if recorder.last is None:
        raise ValueError(f"{type(body).__name__} ran without calling one of its layers: its family table is wrong")
    return recorder.last


def replay(layers: Sequence[nn.Module], tape: Tape, layer: int, wanted: frozenset[str], visit: Visit) -> None:
    """Run one layer again as the tape says it was called, and visit its wanted sites."""
    call = tape.calls[layer]
    with torch.inference_mode(), recording(Recorder({layer: wanted}, visit)):
        layers[layer](*call.args, **call.kwargs)

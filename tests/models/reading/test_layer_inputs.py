"""A layer run again from the layer inputs gives what it gave, and layer inputs know their own size."""

import numpy as np
import pytest
import torch

from anatomy.spec import Weights
from models.families import family_of
from models.loaded.model import LoadedModel
from models.reading.layer_inputs import LayerInputs
from models.reading.recorder import ATTENDED, Call, Recorder, Sites, recording
from tests.models.tiny import MODELS, tiny_config, tiny_model

IDS = np.frombuffer(b"a short text", dtype=np.uint8).astype(np.int64)


def loaded(kind: str) -> LoadedModel:
    family = family_of(tiny_config(kind).model_type)
    return LoadedModel(tiny_model(kind), family, kind, "0", Weights("", "", "", "", 0))


def nothing(layer: int, sites: Sites) -> None:
    """Nobody looks."""


@pytest.mark.parametrize("kind", MODELS)
def test_every_layer_replays_exactly(kind: str) -> None:
    model, outputs = loaded(kind), {}
    inputs = model.record(IDS, {}, nothing)
    wanted = dict.fromkeys(range(3), frozenset({"attn_out"}))
    model.replay(inputs, wanted, lambda layer, sites: outputs.update({layer: sites["resid_post"]}))
    for layer in range(3):
        assert torch.equal(outputs[layer], inputs.stream(layer + 1)), layer


@pytest.mark.parametrize("kind", MODELS)
def test_the_inside_of_a_replayed_layer_is_that_of_the_first_run(kind: str) -> None:
    model, first, again = loaded(kind), {}, {}
    sites = frozenset({"q", "k", "v", "z", "attn_in", "resid_mid", "act", "ffn_out"})
    wanted = {1: sites | {ATTENDED}}

    def maps(seen: Sites) -> dict[str, torch.Tensor]:
        return {"scores": seen.attended.scored, "pattern": seen.attended.whole}

    inputs = model.record(IDS, wanted, lambda layer, seen: first.update(seen | maps(seen)))
    model.replay(inputs, wanted, lambda layer, seen: again.update(seen | maps(seen)))
    assert set(first) == sites | {"scores", "pattern", "resid_pre", "resid_post"}
    for site in first:
        torch.testing.assert_close(again[site], first[site], rtol=0, atol=0)


@pytest.mark.parametrize("kind", [*MODELS, "qwen2-mixed"])
@pytest.mark.parametrize("every", [2, 3])
def test_a_stream_that_was_left_out_is_found_again_exactly(kind: str, every: int) -> None:
    model, inside, again = loaded(kind), {}, {}
    wanted = dict.fromkeys(range(3), frozenset({"act"}))
    whole = model.record(IDS, wanted, lambda layer, sites: inside.update({layer: sites["act"]}))
    thin = model.record(IDS, {}, nothing, every)
    assert [call.held for call in thin.calls] == [layer % every == 0 for layer in range(3)]
    assert thin.nbytes < whole.nbytes
    for layer in (3, 1, 2, 0, 2, 1):
        assert torch.equal(thin.stream(layer), whole.stream(layer)), layer
    model.replay(thin, wanted, lambda layer, sites: again.update({layer: sites["act"]}))
    assert all(torch.equal(again[layer], inside[layer]) for layer in range(3))


def test_layers_that_see_in_different_ways_are_called_with_their_own_arguments() -> None:
    """A window in the middle layer alone: with another layer's mask its stream would be another one."""
    inputs = loaded("qwen2-mixed").record(IDS, {}, nothing)
    first, windowed, last = (call.kwargs["attention_mask"] for call in inputs.calls)
    assert first is last is None  # causal attention needs no mask
    assert not windowed[0, 0, -1, 0]  # the last token does not look back to the first
    assert windowed[0, 0, -1, -4:].all()


def test_walking_along_thinned_layer_inputs_runs_each_layer_once() -> None:
    model, ran = loaded("llama"), []
    thin = model.record(IDS, {}, nothing, 3)
    for number, layer in enumerate(model.layers):
        layer.register_forward_hook(lambda *call, number=number: ran.append(number))
    for layer in (0, 1, 2, 3):
        thin.stream(layer)
    assert ran == [0, 1]


def test_a_run_of_which_only_the_end_is_read_keeps_no_stream() -> None:
    model = loaded("llama")
    seen = Recorder({}, nothing, every=0)
    with torch.inference_mode(), recording(seen):
        model.model.base_model(input_ids=torch.from_numpy(IDS)[None], use_cache=False)
    assert [call.held for call in seen.calls] == [False] * 3
    last = model.record(IDS, {}, nothing).last
    assert torch.equal(model.final_stream(torch.from_numpy(IDS)[None]), last)


def test_the_streams_are_given_without_running_a_layer() -> None:
    model, ran = loaded("llama"), []
    inputs = model.record(IDS, {}, nothing)
    model.layers[1].register_forward_hook(lambda *call: ran.append(1))
    seen = {}
    model.replay(inputs, {1: frozenset()}, lambda layer, sites: seen.update(sites))
    assert ran == []
    assert torch.equal(seen["resid_post"], inputs.stream(2))


def test_a_tensor_that_layers_share_is_counted_once() -> None:
    stream, angles = torch.zeros(1, 4, 8), torch.zeros(4, 8)
    calls = tuple(Call((stream,), {"position_embeddings": (angles, angles)}) for _ in range(3))
    assert LayerInputs(calls, stream).nbytes == (32 + 32) * 4


def test_layer_inputs_of_the_tiny_model_are_little_more_than_its_streams() -> None:
    inputs = loaded("llama").record(IDS, {}, nothing)
    streams = 4 * len(IDS) * 32 * 4
    assert streams <= inputs.nbytes < 1.5 * streams


def test_a_model_that_never_calls_its_layers_is_an_error() -> None:
    model = loaded("llama")
    model.model.base_model.layers = torch.nn.ModuleList()
    with pytest.raises(ValueError, match="without calling one of its layers"):
        model.record(IDS, {}, nothing)

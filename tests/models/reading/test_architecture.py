"""Layers that can run in each other's place leave the model as it was: what was put on it, its copies, its memory."""

import gc
import weakref
from copy import deepcopy

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from anatomy.refused import Refused
from anatomy.request import Intervention, Run, Want
from models.local.engine import LocalEngine
from tests.models.reading.broken import swapped
from tests.models.tiny import MODELS, TEXT, ByteTokenizer, new_tiny_engine, run_of, tiny_engine, tiny_model

LARGE = 9e8
END = Want("resid_post", 2)


def layers_of(model: PreTrainedModel) -> list[nn.Module]:
    return list(model.model.layers)


def test_a_forward_pass_that_was_put_on_a_layer_goes_on_being_called() -> None:
    model, plain = tiny_model("llama"), tiny_model("llama")
    for each in (model, plain):
        own = layers_of(each)[1].forward
        layers_of(each)[1].forward = lambda *args, own=own, **kwargs: own(*args, **kwargs) * 1.5
    engine = LocalEngine(model, ByteTokenizer(), name="patched")
    ids = torch.tensor([[token.id for token in engine.run(run_of(engine)).tokens]])
    with torch.inference_mode():
        expected = plain(ids, output_hidden_states=True).logits[0, -1]
    found = engine.run(run_of(engine), [want := Want("logits", pos=ids.shape[1] - 1)])[want]
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-5, atol=1e-5)


def test_layers_with_a_forward_pass_of_their_own_are_not_swapped() -> None:
    model = tiny_model("llama")
    own = layers_of(model)[1].forward
    layers_of(model)[1].forward = lambda *args, **kwargs: own(*args, **kwargs)
    engine = LocalEngine(model, ByteTokenizer(), name="patched")
    with pytest.raises(Refused, match="another forward pass cannot be swapped"):
        engine.run(Run(engine.spec.id, TEXT, interventions=(swapped(1, 2),)), [END])
    engine.run(Run(engine.spec.id, TEXT, interventions=(swapped(0, 2),)), [END])


@pytest.mark.parametrize("kind", MODELS)
def test_an_engine_that_nobody_holds_is_gone_at_once(kind: str) -> None:
    gc.collect()
    gc.disable()
    try:
        engine = new_tiny_engine(kind)
        model, engine = weakref.ref(engine.model), None
        assert model() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "t5"])
def test_a_copy_of_a_model_runs_its_own_layers(kind: str) -> None:
    model = new_tiny_engine(kind).model
    copied, ids = deepcopy(model), torch.arange(1, 9)[None]
    with torch.inference_mode():
        before = model(ids)[0]
        torch.testing.assert_close(copied(ids)[0], before, rtol=0, atol=0)
        for weight in model.parameters():
            weight.zero_()
        torch.testing.assert_close(copied(ids)[0], before, rtol=0, atol=0)


INNER = {
    "between the parts": (("resid_mid", 1), ("resid_post", 1)),
    "neurons": (("act", 1), ("ffn_out", 1)),
    "values": (("v", 1), ("z", 1)),
    "a layer further on": (("resid_post", 0), ("resid_post", 1)),
}


@pytest.mark.parametrize("thin", [False, True], ids=["whole", "thinned"])
@pytest.mark.parametrize("inner", INNER)
def test_numbers_too_large_are_refused_whatever_stands_in_their_place_further_on(inner: str, thin: bool) -> None:
    engine = new_tiny_engine("llama", inputs_bytes=1) if thin else tiny_engine("llama").again()
    (site, layer), (later, at) = INNER[inner]
    grown = [Intervention(site, "scale", layer, amount=LARGE)] * 5
    run = Run(engine.spec.id, TEXT, interventions=(*grown, Intervention(later, "zero", at)))
    with pytest.raises(Refused, match=f"in layer {layer}"):
        engine.run(run, [END])


def test_a_run_without_a_mask_is_estimated_with_all_pairs() -> None:
    engine = tiny_engine("llama")
    plain, wants = run_of(engine), [Want("pattern", 1)]
    unmasked = plain.intervened(Intervention("mask", "drop"))
    fresh = engine.again()
    assert fresh.estimate(unmasked, wants).seconds > fresh.estimate(plain, wants).seconds

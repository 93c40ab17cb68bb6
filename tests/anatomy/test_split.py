"""A model on several devices: every part is held, nothing is lost, and the parts add up to what the whole computes."""

import numpy as np
import pytest
import torch

from anatomy import costs
from anatomy.costs import configuration
from anatomy.published import LLAMA_31
from anatomy.request import Run, Want
from anatomy.split import devices, most, shares, traffic
from tests.models.tiny import MODELS, tiny_engine, tiny_model

LARGEST = LLAMA_31[-1].configuration
WAYS = ("layers", "rows")


def together(ranges) -> list[int]:
    return [place for places in ranges for place in places]


def test_shares_cover_everything_once_and_differ_by_one_at_most():
    for whole, count in ((126, 16), (9, 8), (7, 7), (5, 1)):
        found = shares(whole, count)
        assert together(found) == list(range(whole))
        assert {len(part) for part in found} <= {whole // count, whole // count + 1}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", MODELS)
def test_one_device_holds_the_model(kind, way):
    given = configuration(tiny_engine(kind).spec)
    (only,) = devices(given, 1, way)
    assert only.parameters == costs.total(given)


@pytest.mark.parametrize("kind", MODELS)
def test_split_by_layers_only_a_tied_table_stands_twice(kind):
    given = configuration(tiny_engine(kind).spec)
    found = devices(given, 3, "layers")
    again = given.vocab * given.d_model if given.tied else 0
    assert sum(device.parameters for device in found) == costs.total(given) + again
    assert together(device.layers for device in found) == list(range(given.layers))


def test_split_by_rows_llama_405b_holds_twice_only_its_norms():
    found = devices(LARGEST, 8, "rows")
    assert sum(device.parameters for device in found) == costs.total(LARGEST) + 7 * costs.parameters(LARGEST)["norms"]
    assert {len(device.heads) for device in found} == {16}
    assert {len(device.kv) for device in found} == {1}


def test_with_more_devices_than_key_value_heads_some_stand_twice():
    found = devices(LARGEST, 16, "rows")
    assert [device.kv.start for device in found] == [i // 2 for i in range(16)]
    assert {len(device.kv) for device in found} == {1}


def test_each_device_has_the_key_value_heads_that_its_query_heads_read():
    given = configuration(tiny_engine("llama").spec)
    for device in devices(given, 3, "rows"):
        assert set(device.kv) == {head // 2 for head in device.heads}


def test_what_the_devices_compute_adds_up_to_attention_and_ffn():
    """Each device multiplies its heads and neurons with its own columns; the sum is what the layer writes."""
    engine, layer = tiny_engine("llama"), 1
    wants = [Want(site, layer) for site in ("z", "act", "attn_out", "ffn_out")]
    trace = engine.run(Run(engine.spec.id, "the cat sat"), wants)
    z, act, attention, ffn = (torch.from_numpy(np.array(trace[want])) for want in wants)
    block = tiny_model("llama").model.layers[layer]
    heads, neurons = 0.0, 0.0
    for device in devices(configuration(engine.spec), 3, "rows"):
        columns = slice(device.heads.start * engine.spec.d_head, device.heads.stop * engine.spec.d_head)
        own = z[list(device.heads)].transpose(0, 1).flatten(1)  # [pos, head × d_head]
        heads += own @ block.self_attn.o_proj.weight[:, columns].T
        some = slice(device.neurons.start, device.neurons.stop)
        neurons += act[:, some] @ block.mlp.down_proj.weight[:, some].T
    np.testing.assert_allclose(heads.detach(), attention, atol=1e-5)
    np.testing.assert_allclose(neurons.detach(), ffn, atol=1e-5)


def test_traffic_grows_with_devices_and_is_none_on_one():
    assert [traffic(LARGEST, 1, way) for way in WAYS] == [0, 0]
    assert traffic(LARGEST, 16, "layers") == 15 * 16_384
    assert traffic(LARGEST, 8, "rows") == 2 * 126 * 2 * 7 * 16_384


def test_no_device_is_left_with_nothing():
    assert (most(LARGEST, "layers"), most(LARGEST, "rows")) == (126, 128)
    for way in WAYS:
        given = configuration(tiny_engine("gpt2").spec)
        found = devices(given, most(given, way), way)
        assert all(device.layers and device.heads and device.neurons for device in found)

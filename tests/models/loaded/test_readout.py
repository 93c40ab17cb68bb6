"""The way out: chunks change nothing, and only what is asked for is scored."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from anatomy.request import Run, Want
from models.families import load
from models.loaded import readout
from models.loaded.readout import Readout
from tests.models.tiny import tiny_engine, tiny_model


@pytest.fixture
def way_out() -> Readout:
    return Readout(tiny_model("llama"), load()["llama"])


def rows(count: int) -> torch.Tensor:
    return torch.randn(count, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("count", [1, 64, 65, 200])
def test_chunks_give_what_all_rows_at_once_give(way_out: Readout, count: int) -> None:
    with torch.inference_mode():
        logp = way_out.logits(rows(count)).log_softmax(-1)
        best = way_out.best(rows(count), k=5)
    torch.testing.assert_close(best.logp, logp.topk(5).values)
    assert torch.equal(best.ids, logp.topk(5).indices)
    torch.testing.assert_close(best.entropy, -(logp.exp() * logp).sum(-1))


def test_never_more_than_a_chunk_of_rows_is_scored_at_once(way_out: Readout) -> None:
    scored = []
    way_out._head.register_forward_pre_hook(lambda module, args: scored.append(len(args[0])))
    with torch.inference_mode():
        way_out.best(rows(150), k=5)
    assert scored == [64, 64, 22]


def test_asking_for_more_tokens_than_there_are_gives_them_all(way_out: Readout) -> None:
    with torch.inference_mode():
        assert way_out.best(rows(1), k=1000).ids.shape == (1, 256)


def test_only_the_positions_that_are_asked_for_are_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, scored = tiny_engine("gpt2"), []
    plain = Readout.logits
    monkeypatch.setattr(Readout, "logits", lambda self, rows: scored.append(len(rows)) or plain(self, rows))
    wants = [Want("next_ids", pos=4), Want("next_logp", pos=4), Want("entropy", pos=1), Want("lens_ids", pos=2)]
    engine.run(Run(engine.spec.id, "some words"), wants)
    assert scored == [3, 2]  # one position of three layers; positions 1 and 4 of the last stream


def test_a_position_whose_logits_are_wanted_is_scored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, scored = tiny_engine("gpt2"), []
    plain = Readout.logits
    monkeypatch.setattr(Readout, "logits", lambda self, rows: scored.append(len(rows)) or plain(self, rows))
    wants = [Want("logits", pos=4), Want("next_ids", pos=4), Want("entropy", pos=4), Want("next_logp", pos=4)]
    trace = engine.run(Run(engine.spec.id, "some words"), wants)
    assert scored == [1]
    assert trace[wants[0]].argmax() == trace[wants[1]][0]


def test_a_position_that_the_lens_reads_is_scored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, scored = tiny_engine("gpt2"), []
    plain = Readout.logits
    monkeypatch.setattr(Readout, "logits", lambda self, rows: scored.append(len(rows)) or plain(self, rows))
    wants = [Want("lens_ids", pos=4), Want("logits", pos=4), Want("next_ids", pos=4)]
    trace = engine.run(Run(engine.spec.id, "some words"), wants)
    assert scored == [3]  # of the three layers, the last of which is the prediction
    assert trace[wants[1]].argmax() == trace[wants[2]][0] == trace[wants[0]][-1, 0]


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
def test_one_position_is_the_row_of_all_positions(kind: str) -> None:
    engine = tiny_engine(kind)
    run = Run(engine.spec.id, "some words")
    sites = sorted(readout.SITES - {"logits"})
    whole = engine.run(run, [Want(site) for site in sites])
    one = engine.run(run, [Want(site, pos=3) for site in sites])
    for site in sites:
        axis = 1 if site.startswith("lens") else 0
        expected = whole[Want(site)].take(3, axis=axis)
        np.testing.assert_allclose(one[Want(site, pos=3)], expected, rtol=1e-5, atol=1e-5)


def test_the_last_layer_of_the_lens_is_the_prediction() -> None:
    engine = tiny_engine("llama")
    trace = engine.run(
        Run(engine.spec.id, "some words"), [Want("lens_ids"), Want("lens_logp"), Want("next_ids"), Want("next_logp")]
    )
    np.testing.assert_array_equal(trace[Want("lens_ids")][-1], trace[Want("next_ids")][:, :10])
    np.testing.assert_allclose(trace[Want("lens_logp")][-1], trace[Want("next_logp")][:, :10], atol=1e-5)


WIDE = """
from resource import RUSAGE_SELF, getrusage
import numpy as np
import torch
from transformers import AutoModelForCausalLM
from anatomy.request import Want
from models.local.engine import LocalEngine
from tests.models.tiny import ByteTokenizer, tiny_config

config = tiny_config("llama")
config.update({"vocab_size": 49_152, "max_position_embeddings": 2_048})
loaded = LocalEngine(AutoModelForCausalLM.from_config(config).eval(), ByteTokenizer(), name="wide")._loaded
inputs = loaded.record(np.arange(2_048) % 256, {}, lambda *visited: None)
with torch.inference_mode():
    loaded.readout.answer(inputs, [Want("lens_ids", pos=9)])
    before = getrusage(RUSAGE_SELF).ru_maxrss
    found = loaded.readout.answer(inputs, [Want("lens_ids"), Want("lens_logp")])
print(found[Want("lens_ids")].shape, getrusage(RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the setting of the allocator is that of Linux's")
def test_what_is_found_chunk_by_chunk_does_not_hold_the_chunks_apart() -> None:
    """With an allocator that gives nothing back but the end of its memory, as this one does once it has seen a few
    large blocks."""
    told = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "1000000000", "OMP_NUM_THREADS": "1"}
    ran = subprocess.run([sys.executable, "-c", WIDE], env=told, capture_output=True, text=True, check=True)
    assert int(ran.stdout.split()[-1]) < 100_000  # kB; 96 chunks of 13 MB went by

"""A second run of a text: in a batch nothing changes unless texts leak, in bfloat16 the output changes a little."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from anatomy.refused import Refused
from anatomy.request import Run, Want
from models.local.engine import LocalEngine
from models.measures import rerun
from tests.models.tiny import MODELS, ByteTokenizer, new_tiny_engine, tiny_engine, tiny_model

TEXT = "some words, some"
WITH_HEAD = ("llama", "gpt2", "bert")
GAP, HALF = Want("batch_gap"), Want("half_kl")


def asked(engine: LocalEngine, *wants: Want) -> dict[Want, np.ndarray]:
    return dict(engine.run(Run(engine.spec.id, TEXT), wants).arrays)


@pytest.mark.parametrize("kind", MODELS)
def test_a_text_in_a_batch_is_the_same_text(kind: str) -> None:
    assert asked(tiny_engine(kind), GAP)[GAP].max() < 1e-5


def test_a_model_whose_texts_leak_into_one_another_is_noticed() -> None:
    model = tiny_model("llama")
    model.model.layers[1].mlp.register_forward_hook(lambda module, args, out: out + out.flip(0) / 10)
    gap = asked(LocalEngine(model, ByteTokenizer(), name="leaky"), GAP)[GAP]
    assert gap.min() > 0.01


@pytest.mark.parametrize("kind", WITH_HEAD)
def test_half_precision_changes_the_output_and_not_by_much(kind: str) -> None:
    found = asked(tiny_engine(kind), HALF)[HALF]
    assert (found >= 0).all()
    assert 1e-6 < found.max() < 1e-2


def test_the_divergence_of_half_precision_is_weighed_by_the_exact_distribution() -> None:
    logits = SimpleNamespace(readout=SimpleNamespace(logits=lambda rows: rows))
    exact, half = (torch.tensor(p).log()[None] for p in ([0.5, 0.25, 0.25], [0.8, 0.1, 0.1]))
    expected = 0.5 * math.log(0.5 / 0.8) + 0.5 * math.log(0.25 / 0.1)  # Σ p · log(p / q)
    assert float(rerun._divergence(logits, exact, half)) == pytest.approx(expected, rel=1e-5)


def test_half_precision_leaves_nothing_behind() -> None:
    engine = new_tiny_engine("llama")
    want = Want("next_logp")
    before = asked(engine, want)[want]
    np.testing.assert_array_equal(asked(engine, want, HALF)[want], before)
    assert not torch.is_autocast_enabled("cpu")


def test_one_position_is_that_of_all() -> None:
    engine = tiny_engine("llama")
    whole = asked(engine, GAP, HALF)
    part = asked(engine, Want("batch_gap", pos=3), Want("half_kl", pos=3))
    assert part[Want("half_kl", pos=3)] == pytest.approx(whole[HALF][3])
    assert part[Want("batch_gap", pos=3)] == pytest.approx(whole[GAP][3], abs=1e-6)


def test_a_model_without_an_output_layer_has_no_output_to_compare() -> None:
    with pytest.raises(Refused, match="no output layer"):
        asked(tiny_engine("bert-headless"), HALF)
    assert asked(tiny_engine("bert-headless"), GAP)[GAP].shape == (16,)

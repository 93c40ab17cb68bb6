"""Rotary maths: turning keeps lengths and distances, and Llama 3.1's frequencies are the library's own."""

import numpy as np
import pytest
import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from anatomy import rotary

RNG = np.random.default_rng(3)
FREQUENCIES = rotary.plain_frequencies(10_000.0, 16)
Q, K = RNG.normal(size=(2, 16))


def at(vector: np.ndarray, position: int) -> np.ndarray:
    return rotary.turned(vector, rotary.angles(position, FREQUENCIES))


def test_a_turn_is_the_one_of_the_library():
    angles = torch.from_numpy(np.tile(rotary.angles(7, FREQUENCIES), 2))[None, None]
    q, _ = apply_rotary_pos_emb(torch.from_numpy(Q)[None, None], torch.zeros(1, 1, 16), angles.cos(), angles.sin())
    np.testing.assert_allclose(at(Q, 7), q[0, 0, 0].numpy(), atol=1e-12)


def test_turning_back_gives_the_vector_and_no_turn_changes_a_length():
    np.testing.assert_allclose(rotary.turned(at(Q, 1000), -rotary.angles(1000, FREQUENCIES)), Q, atol=1e-12)
    assert np.linalg.norm(at(Q, 1000)) == pytest.approx(np.linalg.norm(Q))


def test_components_beyond_the_pairs_stay():
    longer = np.append(Q, [5.0, 6.0])
    assert rotary.turned(longer, rotary.angles(3, FREQUENCIES))[16:].tolist() == [5, 6]


@pytest.mark.parametrize("shift", [1, 100, 10_000])
def test_shifting_both_positions_leaves_the_product(shift):
    assert at(Q, 9 + shift) @ at(K, 4 + shift) == pytest.approx(at(Q, 9) @ at(K, 4))


def test_the_formula_by_distance_is_the_product_of_turned_vectors():
    distances = np.arange(-5, 300)
    found = rotary.dots_by_distance(np.append(Q, 2.0), np.append(K, 3.0), FREQUENCIES, distances)
    expected = [at(Q, 300) @ at(K, 300 - d) + 6 for d in distances]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_llama_31_is_rescaled_as_by_the_library():
    rule = rotary.LLAMA_31_RESCALING
    config = LlamaConfig(
        head_dim=rotary.LLAMA_31_WIDTH,
        max_position_embeddings=rotary.LLAMA_31_CONTEXT,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": rotary.LLAMA_31_THETA,
            "factor": rule.factor,
            "low_freq_factor": rule.low,
            "high_freq_factor": rule.high,
            "original_max_position_embeddings": rule.original,
        },
    )
    expected, scale = ROPE_INIT_FUNCTIONS["llama3"](config, device="cpu")
    plain = rotary.plain_frequencies(rotary.LLAMA_31_THETA, rotary.LLAMA_31_WIDTH)
    found = rotary.rescaled(plain, rule)
    assert scale == 1.0
    np.testing.assert_allclose(found, expected.numpy(), rtol=2e-6)
    assert {round(float(r)) for r in (plain / found)[[0, -1]]} == {1, 8}

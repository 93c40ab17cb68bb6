"""What is reduced while the model runs equals the plain numpy of `anatomy.measure`."""

import numpy as np
import pytest
import torch

from anatomy.measure import as_bytes, cosines, head_scores, max_pool, near_zero, norms
from models import reduce
from models.reduce import KINDS, MAP_SIDE, REDUCED, Text


def attention(length: int, causal: bool = True, seed: int = 0) -> np.ndarray:
    """Three random heads, one of them sharp."""
    scores = np.random.default_rng(seed).normal(0, 2, (3, length, length)).astype(np.float32)
    scores[2] *= 20
    if causal:
        scores = np.where(np.tri(length, dtype=bool), scores, -np.inf)
    return torch.from_numpy(scores).softmax(-1).numpy()


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("length", [1, 2, 7, 40, 200])
@pytest.mark.parametrize("kinds_of_token", [1, 5, 10_000])
def test_head_scores_equal_those_of_measure(length: int, kinds_of_token: int, causal: bool) -> None:
    ids = np.random.default_rng(1).integers(0, kinds_of_token, length)
    pattern = attention(length, causal)
    expected = head_scores(pattern, ids)
    for kind, found in zip(KINDS, reduce.head_scores(torch.from_numpy(pattern), Text(ids)), strict=True):
        np.testing.assert_allclose(found, expected[kind], rtol=1e-5, atol=1e-6, err_msg=kind)
    assert set(KINDS) == set(expected)


@pytest.mark.parametrize("length", [1, 5, 31, 32, 33, 64, 100, 257])
def test_thumbnails_equal_pooling_by_measure(length: int) -> None:
    pattern = attention(length)
    expected = as_bytes(max_pool(pattern, MAP_SIDE))
    found = reduce.thumbnails(torch.from_numpy(pattern))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


def test_lengths_and_directions_equal_those_of_measure() -> None:
    source = np.random.default_rng(0)
    a, b = source.normal(0, 1000, (2, 6, 50)).astype(np.float32)
    b[2] = 0
    np.testing.assert_allclose(reduce.lengths(torch.from_numpy(a)), norms(a), rtol=1e-6)
    found = reduce.directions(torch.from_numpy(a), torch.from_numpy(b))
    np.testing.assert_allclose(found, cosines(a, b), atol=1e-6)
    assert found[2] == 0


def test_the_share_of_idle_neurons_equals_that_of_measure() -> None:
    act = np.random.default_rng(0).normal(0, 1, (6, 400)).astype(np.float32) ** 5
    act[2] = 0
    found = reduce.small(torch.from_numpy(act))
    np.testing.assert_allclose(found, near_zero(act), atol=1e-6)
    assert found[2] == 1
    assert 0.1 < found[0] < 0.99


def test_every_reduced_site_is_found_under_its_name() -> None:
    assert {site for site, reduction in REDUCED.items() if site not in reduction.gives} == set()
    assert len(REDUCED) == 16

"""What is reduced while the model runs equals the plain numpy of `anatomy.measure`."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from anatomy.measure import apart, as_bytes, cosines, exactly_zero, head_scores, max_pool, near_zero, norms, reach
from models import reduce
from models.reduce import KINDS, MAP_SIDE, REDUCED, Seen, Text


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


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("length", [1, 2, 40, 200])
def test_reach_and_difference_of_heads_equal_those_of_measure(length: int, causal: bool) -> None:
    pattern = attention(length, causal)
    found = reduce.apart(torch.from_numpy(pattern))
    np.testing.assert_allclose(found, apart(pattern), atol=1e-6)
    assert found.max() < np.log(2)
    assert length == 1 or found.min() > 0.001
    shares = reduce.reach(torch.from_numpy(pattern), Text(np.zeros(length, int)))
    np.testing.assert_allclose(shares, reach(pattern), rtol=1e-5, atol=1e-9)
    assert shares.sum() == pytest.approx(1.0, abs=1e-6)


def test_heads_that_are_equal_are_not_apart_and_those_that_share_no_token_are_as_far_as_can_be() -> None:
    one, other = np.eye(4, dtype=np.float32), np.roll(np.eye(4, dtype=np.float32), 1, axis=1)
    found = reduce.apart(torch.from_numpy(np.stack([one, one, other])))
    np.testing.assert_allclose(found, [np.log(2) / 2, np.log(2) / 2, np.log(2)], atol=1e-6)
    assert reduce.apart(torch.from_numpy(one[None])) == [0]


def test_reach_counts_the_weight_at_each_distance_on_either_side() -> None:
    pattern = torch.tensor([[[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.75, 0.25, 0.0]]])
    np.testing.assert_allclose(reduce.reach(pattern, Text(np.arange(3))), [1.5 / 3, 0.5 / 3, 1.0 / 3])


def test_only_neurons_that_are_0_count_as_0() -> None:
    act = np.random.default_rng(0).normal(0, 1, (6, 400)).astype(np.float32)
    act[:, ::4], act[2, 1] = 0.0, 1e-30
    found = reduce.exactly_zero(torch.from_numpy(act))
    np.testing.assert_allclose(found, exactly_zero(act))
    assert found.tolist() == [0.25] * 6


def seen(read: torch.Tensor, ffn: Callable[[torch.Tensor], torch.Tensor]) -> Seen:
    return Seen({"ffn_in": read, "ffn_out": ffn(read)}, Text(np.arange(len(read))), ffn)


def test_a_linear_map_does_not_bend_even_with_a_bias() -> None:
    source = torch.Generator().manual_seed(0)
    matrix, read = torch.randn(8, 8, generator=source), torch.randn(5, 8, generator=source)
    assert reduce.bend(seen(read, lambda rows: rows @ matrix + 3.0)).max() < 1e-6


def test_the_bend_of_a_square_is_that_of_the_binomial() -> None:
    """(x+y)² − x² − y² = 2xy, beside (x+y)²."""
    read = torch.tensor([[3.0, 0.0], [1.0, 2.0]])
    expected = 6 / np.hypot(16, 4)
    np.testing.assert_allclose(reduce.bend(seen(read, torch.square)), [expected, expected], rtol=1e-6)
    assert reduce.bend(seen(read, torch.zeros_like)).tolist() == [0, 0]


def test_every_reduced_site_is_found_under_its_name() -> None:
    assert {site for site, reduction in REDUCED.items() if site not in reduction.gives} == set()
    assert len(REDUCED) == 22

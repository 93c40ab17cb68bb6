"""What is reduced while the model runs equals the plain numpy of `anatomy.measure`."""

from collections.abc import Callable

import numpy as np
import torch

from anatomy.measure import cosines, exactly_zero, near_zero, norms
from models.measures import reductions as reduce
from models.measures.reductions import REDUCED, Seen


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


def test_only_neurons_that_are_0_count_as_0() -> None:
    act = np.random.default_rng(0).normal(0, 1, (6, 400)).astype(np.float32)
    act[:, ::4], act[2, 1] = 0.0, 1e-30
    found = reduce.exactly_zero(torch.from_numpy(act))
    np.testing.assert_allclose(found, exactly_zero(act))
    assert found.tolist() == [0.25] * 6


def seen(read: torch.Tensor, ffn: Callable[[torch.Tensor], torch.Tensor]) -> Seen:
    return Seen({"ffn_in": read, "ffn_out": ffn(read)}, ffn)


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
    assert len(REDUCED) == 11

"""The way in: nearest rows of the embedding table, by brute force and by the engine."""

import numpy as np
import pytest
import torch

from models.loaded.vocabulary import Vocabulary


def table(rows: int = 200, width: int = 16) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(0))


def test_neighbours_are_those_of_brute_force() -> None:
    rows = table()
    ids = torch.arange(100)  # more than one chunk
    near, cosines = Vocabulary(rows, None).near(ids, 8)
    unit = rows / rows.norm(dim=1, keepdim=True)
    full = unit[ids] @ unit.T
    full[ids, ids] = -2
    torch.testing.assert_close(cosines, full.topk(8).values)
    assert torch.equal(near, full.topk(8).indices)


def test_a_token_is_never_its_own_neighbour_but_its_twin_is() -> None:
    rows = table()
    rows[7] = rows[3]
    near, cosines = Vocabulary(rows, None).near(torch.tensor([3]), 8)
    assert 3 not in near
    assert near[0, 0] == 7
    assert cosines[0, 0] == pytest.approx(1.0)


def test_a_repeated_token_has_the_same_neighbours_each_time() -> None:
    near, _ = Vocabulary(table(), None).near(torch.tensor([5, 9, 5]), 8)
    assert torch.equal(near[0], near[2])
    assert not torch.equal(near[0], near[1])


def test_a_row_of_zeros_points_nowhere() -> None:
    rows = table()
    rows[4] = 0
    _, cosines = Vocabulary(rows, None).near(torch.tensor([4]), 8)
    np.testing.assert_array_equal(cosines, np.zeros((1, 8)))


def test_a_vocabulary_of_three_has_two_neighbours() -> None:
    near, _ = Vocabulary(table(rows=3), None).near(torch.tensor([1]), 8)
    assert sorted(near[0].tolist()) == [0, 2]

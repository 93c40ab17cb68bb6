"""Top k by the rule for near-ties, and ranks."""

import numpy as np
import pytest
import torch

from anatomy.rounding import NEAR, grouped
from models.loaded import ranked

NOISE = 1e-7


@pytest.mark.parametrize(("vocab", "k"), [(64 * 40, 10), (64 * 41, 10), (64 * 40, 11), (64 * 40 + 1, 10), (5, 10)])
def test_the_best_of_a_long_row_are_found_among_the_best_of_its_groups(vocab: int, k: int) -> None:
    numbers = torch.randn(7, vocab, generator=torch.Generator().manual_seed(0))
    numbers[0, 640:704] += 10.0  # the best in one group, the others next to each other
    values, ids = ranked.largest(numbers, k)
    expected = numbers.topk(min(k, vocab), dim=-1)
    assert torch.equal(values, expected.values)
    assert torch.equal(ids, expected.indices)


@pytest.mark.parametrize("vocab", [64 * 40, 30])
def test_nearly_equal_numbers_come_in_the_order_of_the_vocabulary(vocab: int) -> None:
    row = torch.full((vocab,), -3.0)
    row[[20, 9, 27]] = torch.tensor([2.0 + NOISE, 2.0, 2.0 + 2 * NOISE])
    row[5] = 1.0
    values, ids = ranked.largest(row[None], 5)
    assert ids[0].tolist() == [9, 20, 27, 5, 0]
    assert torch.equal(values[0], row[ids[0]])
    assert ranked.largest_at(row[None]).tolist() == [9]


@pytest.mark.parametrize("k", [1, 3, 8])
def test_where_more_are_equal_than_are_asked_for_the_first_are_taken(k: int) -> None:
    numbers = torch.ones(3, 64 * 40)
    numbers[1] += NOISE * torch.randn(64 * 40, generator=torch.Generator().manual_seed(0))
    numbers[:, -1] = -1.0
    assert ranked.largest(numbers, k)[1].tolist() == [list(range(k))] * 3


@pytest.mark.parametrize("seed", range(4))
def test_the_rule_is_that_of_the_arrays(seed: int) -> None:
    numbers = torch.randint(0, 6, (5, 100), generator=torch.Generator().manual_seed(seed)) * 1.0
    numbers += NOISE * torch.randn(5, 100, generator=torch.Generator().manual_seed(seed + 10))
    expected = [grouped(row.double().numpy(), NEAR * 5)[:7] for row in numbers]
    np.testing.assert_array_equal(ranked.largest(numbers, 7)[1], expected)


def test_a_constant_that_is_added_changes_no_order() -> None:
    logits = torch.randn(40, 256, generator=torch.Generator().manual_seed(1)) * 4
    logits[:, 7] = logits[:, 200]
    assert torch.equal(ranked.largest(logits, 20)[1], ranked.largest(logits.log_softmax(-1), 20)[1])


def test_numbers_that_are_not_finite_have_their_places() -> None:
    row = torch.tensor([[-torch.inf, 1.0, 3.0, -torch.inf]])
    assert ranked.largest(row, 2)[1].tolist() == [[2, 1]]
    tied = torch.tensor([[-torch.inf, -1.0 + NOISE, -3.0, -1.0 + 3 * NOISE]])
    assert ranked.largest_at(tied).tolist() == [1]

"""Matrices in few bits are what numbers stored in those bits can say, and no farther off than half a level."""

import json

import gguf
import numpy as np
import pytest
import torch

from models.variants.pruned import smallest_out
from models.variants.rounded import by_block, by_row
from tests.models.variants import torchao_levels

BITS = (8, 6, 5, 4, 3, 2)


def _matrix(rows: int = 6, width: int = 96, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))


def _blocks(matrix: torch.Tensor) -> np.ndarray:
    return matrix.double().numpy().reshape(len(matrix), -1, 32)


@pytest.mark.parametrize("bits", BITS)
def test_each_number_goes_to_the_nearest_level_between_the_least_and_the_largest(bits: int) -> None:
    matrix = _matrix()
    blocks, found = _blocks(matrix), _blocks(by_block(matrix, bits))
    least, most = blocks.min(-1, keepdims=True), blocks.max(-1, keepdims=True)
    levels = least + (most - least) * np.arange(2**bits)[None, None] / (2**bits - 1)  # [row block level]
    nearest = np.abs(blocks[..., None] - levels[:, :, None]).argmin(-1)
    np.testing.assert_allclose(found, np.take_along_axis(levels, nearest, axis=-1), atol=1e-6)


@pytest.mark.parametrize("bits", BITS)
def test_symmetric_levels_lie_around_0_and_reach_the_farthest_number(bits: int) -> None:
    matrix = _matrix()
    blocks, found = _blocks(matrix), _blocks(by_block(matrix, bits, symmetric=True))
    step = np.abs(blocks).max(-1, keepdims=True) / (2 ** (bits - 1) - 1)
    np.testing.assert_allclose(found, np.round(blocks / step) * step, atol=1e-6)
    assert np.abs(found - blocks).max() <= step.max() / 2 + 1e-6
    assert len(np.unique(np.round(found[0, 0] / step[0, 0]))) <= 2**bits - 1


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("symmetric", [False, True])
def test_what_is_stored_in_few_bits_already_stays_as_it_is(bits: int, symmetric: bool) -> None:
    once = by_block(_matrix(), bits, symmetric)
    torch.testing.assert_close(by_block(once, bits, symmetric), once, atol=1e-6, rtol=0)


def test_numbers_of_q4_1_stay_bit_by_bit_where_a_block_uses_both_of_its_ends() -> None:
    """The default checkpoint's own kind of blocks, as the `gguf` package writes and reads them."""
    written = gguf.quants.quantize(_matrix(64, 256).numpy(), gguf.GGMLQuantizationType.Q4_1)
    stored = torch.from_numpy(gguf.quants.dequantize(written, gguf.GGMLQuantizationType.Q4_1))
    found = by_block(stored, 4)
    torch.testing.assert_close(found, stored, atol=2e-6, rtol=0)
    assert (found == stored).float().mean() > 0.5


def test_the_last_block_of_a_row_may_be_shorter() -> None:
    matrix = _matrix(3, 40)
    found = by_block(matrix, 3)
    assert torch.equal(found[:, :32], by_block(matrix[:, :32].contiguous(), 3))
    tail = matrix[:, 32:].double()
    least, most = tail.amin(-1, keepdim=True), tail.amax(-1, keepdim=True)
    expected = ((tail - least) / (most - least) * 7).round() * (most - least) / 7 + least
    torch.testing.assert_close(found[:, 32:].double(), expected, atol=1e-6, rtol=0)


def test_equal_numbers_stay_what_they_are() -> None:
    for matrix in (torch.zeros(2, 64), torch.full((2, 64), 0.37)):
        assert torch.equal(by_block(matrix, 2), matrix)
    assert torch.equal(by_row(torch.zeros(2, 64)), torch.zeros(2, 64))


def test_a_row_of_int8_has_one_scale() -> None:
    matrix = _matrix()
    step = matrix.abs().amax(-1, keepdim=True) / 127
    torch.testing.assert_close(by_row(matrix), (matrix / step).round() * step, atol=1e-6, rtol=0)


# torchao, which rounds by code of its own (`torchao_levels`)


@pytest.fixture(scope="module")
def torchao() -> dict[str, torch.Tensor]:
    """A matrix, and what torchao made of it, by way."""
    held = json.loads(torchao_levels.FILE.read_text("utf-8"))
    return {name: torch.tensor(numbers) for name, numbers in held.items() if name != "by"}


def _same_but_for_ties(found: torch.Tensor, other: torch.Tensor, matrix: torch.Tensor, step: torch.Tensor) -> None:
    """Equal but for float32's rounding: torchao multiplies by 1 / step where we divide, so that a number in the middle
    of two levels may go to either."""
    place = matrix / step
    middle = (place - place.floor() - 0.5).abs() < 1e-4
    assert middle.float().mean() < 0.02
    assert bool((((found - other).abs() <= 1e-6 * matrix.abs().max()) | middle).all())
    assert bool(((found - other).abs() <= 1.001 * step).all())


def test_levels_of_int8_are_those_of_torchao_from_minus_127_to_127(torchao: dict[str, torch.Tensor]) -> None:
    matrix = torchao["matrix"]
    step = matrix.abs().amax(-1, keepdim=True) / 127
    _same_but_for_ties(by_row(matrix), torchao["row"], matrix, step)


@pytest.mark.parametrize("bits", BITS)
def test_symmetric_levels_of_blocks_are_those_of_torchao(torchao: dict[str, torch.Tensor], bits: int) -> None:
    matrix = torchao["matrix"]
    step = np.abs(_blocks(matrix)).max(-1).repeat(32, 1) / (2 ** (bits - 1) - 1)
    found = by_block(matrix, bits, symmetric=True)
    _same_but_for_ties(found, torchao[f"block {bits}"], matrix, torch.from_numpy(step).float())


def test_int8_weights_of_torchao_have_a_level_more_and_cut_the_largest_off(torchao: dict[str, torch.Tensor]) -> None:
    """What Int8WeightOnlyConfig makes of a layer is not `~int8`, but lies up to a level from it. It has 256 levels,
    −128 to 127, each farthest / 127.5 wide, so that a largest number above 0, which would be level 127.5, is cut off at
    127; ours are 255, −127 to 127, farthest / 127 wide, and the farthest number is one of them. Both put a number half
    of a level off at most."""
    matrix, theirs = torchao["matrix"], torchao["weights"]
    ours, farthest = by_row(matrix), matrix.abs().amax(-1, keepdim=True)
    step = farthest / 127.5
    _same_but_for_ties(theirs, (matrix / step).round().clamp(-128, 127) * step, matrix, step)
    for found, wide in ((theirs, step), (ours, farthest / 127)):
        assert bool(((found - matrix).abs() <= 0.5001 * wide).all())
    largest = matrix == farthest  # in rows whose farthest number is above 0
    assert bool(largest.any())
    torch.testing.assert_close(ours[largest], matrix[largest], rtol=1e-6, atol=0)
    torch.testing.assert_close(theirs[largest], matrix[largest] * (127 / 127.5), rtol=1e-6, atol=0)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_the_share_that_is_nearest_to_0_is_set_to_0(share: float) -> None:
    matrix = _matrix(50, 40)
    found = smallest_out(matrix, share)
    gone = found == 0
    assert int(gone.sum()) == round(share * matrix.numel())
    assert torch.equal(found[~gone], matrix[~gone])
    if share > 0:
        assert matrix[gone].abs().max() <= matrix[~gone].abs().min()


def test_of_equally_near_ones_no_more_go_than_were_asked_for() -> None:
    matrix = torch.tensor([[1.0, -1.0, 1.0, 2.0], [1.0, 3.0, -1.0, 1.0]])
    assert torch.equal(smallest_out(matrix, 0.25), torch.tensor([[0.0, 0.0, 1.0, 2.0], [1.0, 3.0, -1.0, 1.0]]))
    assert smallest_out(matrix, 0.0) is matrix

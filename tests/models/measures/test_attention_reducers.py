"""What is kept of attention tile by tile equals the plain numpy of `anatomy.measure` on the whole map."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from anatomy.measure import apart, as_bytes, edges, head_scores, max_pool, reach, strongest
from anatomy.request import Want
from models.measures import attention_reducers as reducers
from models.measures.attention_reducers import KINDS, MAP_SIDE, Grid, Moved, StreamingReducer, Text
from models.measures.collect import Collection
from models.measures.reductions import ATTENTION_REDUCED
from models.reading import attended
from models.reading.attended import Attended, Tile
from models.reading.recorder import Sites

LENGTHS = [1, 2, 7, 40, 200]
ROWS = [1, 7, 1000]  # in a tile


def attention(length: int, causal: bool = True, seed: int = 0) -> np.ndarray:
    """Three random heads, one of them sharp."""
    scores = np.random.default_rng(seed).normal(0, 2, (3, length, length)).astype(np.float32)
    scores[2] *= 20
    if causal:
        scores = np.where(np.tri(length, dtype=bool), scores, -np.inf)
    return torch.from_numpy(scores).softmax(-1).numpy()


def tiles(pattern: np.ndarray, rows: int, causal: bool) -> Iterator[Tile]:
    """A map cut into tiles as the engine cuts them: no columns beyond what the rows can see."""
    for first in range(0, pattern.shape[1], rows):
        end = min(first + rows, pattern.shape[1])
        yield as_tile(first, torch.from_numpy(pattern[:, first:end, : end if causal else None]).contiguous())


def as_tile(first: int, weights: torch.Tensor) -> Tile:
    """Weights as a tile: their logarithms are exponents that give them, divided by 1."""
    return Tile(first, weights, weights.clamp(min=1e-30).log(), torch.ones(weights.shape[:2]))


def reduced(reducer: StreamingReducer, pattern: np.ndarray, rows: int, causal: bool = True) -> tuple[np.ndarray, ...]:
    for part in tiles(pattern, rows, causal):
        reducer.add(part)
    return reducer.done()


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("kinds_of_token", [1, 5, 10_000])
def test_head_scores_equal_those_of_measure(length: int, rows: int, kinds_of_token: int, causal: bool) -> None:
    ids = np.random.default_rng(1).integers(0, kinds_of_token, length)
    pattern = attention(length, causal)
    expected = head_scores(pattern, ids)
    found = reduced(reducers.HeadScores(Text(ids), 3), pattern, rows, causal)
    for kind, row in zip(KINDS, found, strict=True):
        np.testing.assert_allclose(row, expected[kind], rtol=1e-5, atol=1e-6, err_msg=kind)
    assert set(KINDS) == set(expected)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("length", [1, 5, 31, 32, 33, 64, 100, 257])
def test_thumbnails_equal_pooling_by_measure(length: int, rows: int) -> None:
    pattern = attention(length)
    (found,) = reduced(reducers.Thumbnails(Text(np.zeros(length, int)), 3), pattern, rows)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, as_bytes(max_pool(pattern, MAP_SIDE)))


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("length", [1, 2, 40, 200])
def test_reach_and_difference_of_heads_equal_those_of_measure(length: int, rows: int, causal: bool) -> None:
    pattern, text = attention(length, causal), Text(np.zeros(length, int))
    (found,) = reduced(reducers.Apart(text, 3), pattern, rows, causal)
    np.testing.assert_allclose(found, apart(pattern), atol=1e-6)
    assert found.max() < np.log(2)
    assert length == 1 or found.min() > 0.001
    (shares,) = reduced(reducers.Reach(text, 3), pattern, rows, causal)
    np.testing.assert_allclose(shares, reach(pattern), rtol=1e-5, atol=1e-9)
    assert shares.sum() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("length", LENGTHS)
def test_the_strongest_contribution_is_that_of_measure(length: int, rows: int, causal: bool) -> None:
    pattern = attention(length, causal)
    moved = np.random.default_rng(2).uniform(0.1, 3, (3, length)).astype(np.float32)
    reducer = reducers.Strongest(Text(np.zeros(length, int)), Moved(torch.from_numpy(moved)))
    sources, heads, weights, lengths = reduced(reducer, pattern, rows, causal)
    brought = pattern * moved[:, None]
    expected_sources, expected_heads = strongest(brought)
    np.testing.assert_array_equal(sources, expected_sources)
    np.testing.assert_array_equal(heads, expected_heads)
    each, there = np.arange(length), expected_sources >= 0
    np.testing.assert_allclose(weights[there], pattern[expected_heads, each, expected_sources][there])
    np.testing.assert_allclose(lengths[there], brought[expected_heads, each, expected_sources][there], rtol=1e-6)
    assert there.sum() == (max(0, length - 2) if causal else {1: 0, 2: 1}.get(length, length))


def test_of_equal_contributions_the_first_heads_first_source_is_named() -> None:
    """The last token looks at four others; two heads bring it as much, but for the last bits of a float."""
    pattern = np.zeros((2, 5, 5), np.float32)
    pattern[0, 4] = [0.2, 0.2, 0.2, 0.2 * (1 + 3e-6), 0.2]
    pattern[1, 4] = [0.2, 0.1, 0.2 * (1 + 6e-6), 0.2, 0.3]
    assert pattern[0, 4, 1] < pattern[0, 4, 3] < pattern[1, 4, 2]
    reducer = reducers.Strongest(Text(np.arange(5)), Moved(torch.ones(2, 5)))
    sources, heads, weights, lengths = reduced(reducer, pattern, 2)
    assert (sources.tolist(), heads.tolist()) == ([-1] * 4 + [1], [-1] * 4 + [0])
    assert weights.tolist() == lengths.tolist() == [0, 0, 0, 0, pytest.approx(0.2)]


def test_contributions_that_overflow_name_a_source_and_none_that_is_no_number() -> None:
    """As `anatomy.measure.strongest` has it: what is endless is largest, what is no number counts as nothing."""
    pattern = attention(5)
    moved = np.array([[1.0, 1.0, np.nan, 1.0, 1.0], [1.0, np.inf, 1.0, 1.0, 1.0], [1.0] * 5], np.float32)
    found = reduced(reducers.Strongest(Text(np.arange(5)), Moved(torch.from_numpy(moved))), pattern, 2)
    with np.errstate(invalid="ignore"):
        expected = strongest(pattern * moved[:, None])
    np.testing.assert_array_equal(found[:2], expected)
    assert found[0].tolist() == [-1, -1, 1, 1, 1]
    assert found[1].tolist() == [-1, -1, 1, 1, 1]
    nothing = reducers.Strongest(Text(np.arange(5)), Moved(torch.full((3, 5), torch.nan)))
    assert reduced(nothing, pattern, 2)[0].tolist() == [-1] * 5


def test_heads_that_are_equal_are_not_apart_and_those_that_share_no_token_are_as_far_as_can_be() -> None:
    one, other, text = np.eye(4, dtype=np.float32), np.roll(np.eye(4, dtype=np.float32), 1, axis=1), Text(np.arange(4))
    (found,) = reduced(reducers.Apart(text, 3), np.stack([one, one, other]), 2, causal=False)
    np.testing.assert_allclose(found, [np.log(2) / 2, np.log(2) / 2, np.log(2)], atol=1e-6)
    assert reduced(reducers.Apart(text, 1), one[None], 2)[0] == [0]


def test_reach_counts_the_weight_at_each_distance_on_either_side() -> None:
    pattern = np.array([[[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.75, 0.25, 0.0]]], np.float32)
    (found,) = reduced(reducers.Reach(Text(np.arange(3)), 1), pattern, 2, causal=False)
    np.testing.assert_allclose(found, [1.5 / 3, 0.5 / 3, 1.0 / 3])


def changed(how: str, length: int = 40) -> np.ndarray:
    """What changes may leave of three heads' weights: below 0, rows of any sum, rows of zeros."""
    pattern = attention(length)
    noise = np.random.default_rng(3).normal(0, 0.3, pattern.shape).astype(np.float32)
    some = np.arange(length) % 3 == 0
    return {
        "negative": -pattern,
        "twice": 2 * pattern,
        "noise": np.where(np.tri(length, dtype=bool), pattern + noise, 0).astype(np.float32),
        "one head at 0": pattern * np.array([1, 0, 1], np.float32)[:, None, None],
        "some rows at 0": np.where(some[:, None], 0, pattern).astype(np.float32),
        "all at 0": np.zeros_like(pattern),
    }[how]


def changed_tiles(pattern: np.ndarray, rows: int) -> Iterator[Tile]:
    """Such weights as `Attended` cuts them into tiles."""
    for first in range(0, pattern.shape[1], rows):
        weights = torch.from_numpy(pattern[:, first : first + rows])
        shares = attended.shares_of(weights)
        yield Tile(first, weights, shares.log().clamp(min=-80.0), torch.ones(weights.shape[:2]), shares)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("how", ["negative", "twice", "noise", "one head at 0", "some rows at 0", "all at 0"])
def test_of_changed_weights_entropy_distance_and_difference_are_of_their_sizes_as_shares(how: str, rows: int) -> None:
    pattern, ids = changed(how), np.arange(40) % 7
    scores, apart_, reach_ = (
        reducers.HeadScores(Text(ids), 3),
        reducers.Apart(Text(ids), 3),
        reducers.Reach(Text(ids), 3),
    )
    for tile in changed_tiles(pattern, rows):
        for reducer in (scores, apart_, reach_):
            reducer.add(tile)
    for kind, row in zip(KINDS, scores.done(), strict=True):
        np.testing.assert_allclose(row, head_scores(pattern, ids)[kind], rtol=1e-4, atol=1e-5, err_msg=kind)
    np.testing.assert_allclose(apart_.done()[0], apart(pattern), atol=1e-5)
    np.testing.assert_allclose(reach_.done()[0], reach(pattern), rtol=1e-4, atol=1e-6)
    if how in ("negative", "twice"):
        plain = attention(40)
        np.testing.assert_allclose(apart(pattern), apart(plain), atol=1e-9)
        np.testing.assert_allclose(head_scores(pattern, ids)["entropy"], head_scores(plain, ids)["entropy"], rtol=1e-6)


def test_a_head_that_reads_nothing_is_0_apart_from_one_like_it_and_half_as_far_as_can_be_from_one_that_reads() -> None:
    one, none, text = np.eye(4, dtype=np.float32), np.zeros((4, 4), np.float32), Text(np.arange(4))
    for maps, expected in (((none, none), [0, 0]), ((one, none), [np.log(2) / 2] * 2)):
        reducer = reducers.Apart(text, 2)
        for tile in changed_tiles(np.stack(maps), 3):
            reducer.add(tile)
        np.testing.assert_allclose(reducer.done()[0], expected, atol=1e-6)


def test_weights_that_are_a_distribution_are_their_own_shares_to_the_last_bit() -> None:
    weights = torch.from_numpy(attention(200))
    assert torch.equal(attended.shares_of(weights), weights)
    assert torch.equal(attended.shares_of(-weights), weights)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("how", ["negative", "noise"])
def test_a_contribution_is_a_length_and_the_strongest_may_come_with_a_weight_below_0(how: str, rows: int) -> None:
    pattern, text = changed(how), Text(np.zeros(40, int))
    lengths = np.random.default_rng(2).uniform(0.1, 3, (3, 40)).astype(np.float32)
    reducer = reducers.Strongest(text, Moved(torch.from_numpy(lengths)))
    for tile in changed_tiles(pattern, rows):
        reducer.add(tile)
    sources, heads, weights, moved = reducer.done()
    brought = np.abs(pattern) * lengths[:, None]
    expected = strongest(brought)
    np.testing.assert_array_equal((sources, heads), expected)
    each, there = np.arange(40), expected[0] >= 0
    np.testing.assert_allclose(weights[there], pattern[expected[1], each, expected[0]][there])
    np.testing.assert_allclose(moved[there], brought[expected[1], each, expected[0]][there], rtol=1e-6)
    assert (weights[there] < 0).any()
    assert (moved[there] > 0).all()


@pytest.mark.parametrize("window", [(0, 100, 0, 100), (10, 97, 3, 50), (60, 61, 0, 61), (0, 20, 70, 100)])
@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("side", [8, 200])
def test_cells_of_a_window_equal_those_of_the_map_cut_out(window: tuple, largest: bool, side: int) -> None:
    top, bottom, left, right = window
    pattern = attention(100)
    cut = edges(bottom - top, side, top), edges(right - left, side, left)
    grid = Grid(3, *cut, largest=largest)
    for part in tiles(pattern, 7, causal=True):
        grid.add(part.weights, part.first)
    how = np.max if largest else np.mean
    expected = [[how(pattern[:, a:b, c:d], axis=(1, 2)) for c, d in pairwise(cut[1])] for a, b in pairwise(cut[0])]
    np.testing.assert_allclose(grid.cells, np.array(expected).transpose(2, 0, 1), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("how", ["causal", "both ways", "window", "biased"])
@pytest.mark.parametrize("head", [None, 3])
def test_tiles_are_rows_of_the_whole_map(how: str, head: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    source = torch.Generator().manual_seed(0)
    query, key = torch.randn(4, 30, 8, generator=source), torch.randn(2, 30, 8, generator=source)
    mask = torch.ones(1, 30, 30, dtype=torch.bool).tril().triu(-4) if how == "window" else None
    bias = torch.randn(4, 30, 30, generator=source) if how == "biased" else None
    call = Attended(query, key, mask, None, how in ("causal", "window"), bias)
    whole = call.whole if head is None else call.whole[head, None]
    monkeypatch.setattr(attended, "CELLS", 3 * 30 * len(whole))  # tiles of at most 3 rows
    monkeypatch.setattr(attended, "ROWS", 6)
    firsts = []
    for tile in call.tiles(head):
        first, (rows, width) = tile.first, tile.weights.shape[1:]
        firsts.append(first)
        assert width == (6 * (first // 6 + 1) if how == "causal" else 30)  # as wide as its block has to be
        expected = whole[:, first : first + rows]
        torch.testing.assert_close(tile.weights, expected[..., :width])
        assert expected[..., width:].count_nonzero() == 0
        entropies = torch.special.entr(expected.double()).sum((1, 2)).float()
        torch.testing.assert_close(tile.entropy, entropies, rtol=1e-5, atol=1e-6)
    assert firsts == ([0, 6, *range(12, 30, 3)] if how == "causal" else [*range(0, 30, 3)])


def test_a_weight_that_is_next_to_nothing_is_0_as_is_what_may_not_be_looked_at() -> None:
    query = torch.tensor([[[300.0], [300.0]]])
    (tile,) = Attended(query, torch.tensor([[[0.0], [1.0]]]), None, 1.0, causal=True).tiles()
    assert tile.weights.tolist() == [[[1.0, 0.0], [0.0, 1.0]]]
    assert tile.entropy.tolist() == [0.0]


def test_only_layers_that_form_their_scores_alike_are_taken_together() -> None:
    query, key, mask = torch.zeros(2, 3, 4), torch.zeros(1, 3, 4), torch.ones(1, 3, 3, dtype=torch.bool)
    plain = Attended(query, key, None, 0.5, causal=True)
    assert attended.together([plain, plain]).query.shape == (4, 3, 4)
    for other in (replace(plain, scaling=0.25), replace(plain, mask=mask), replace(plain, causal=False)):
        with pytest.raises(ValueError, match="of its own"):
            attended.together([plain, other])


def test_layers_that_differ_in_their_scale_are_reduced_apart() -> None:
    source, ids = torch.Generator().manual_seed(0), np.arange(5)
    layers = [
        Attended(
            torch.randn(2, 5, 4, generator=source), torch.randn(1, 5, 4, generator=source), None, scale, causal=True
        )
        for scale in (0.5, 0.5, 4.0)
    ]
    collection = Collection([Want("head_entropy")], 3, ids, lambda layer, rows: rows)
    for number, one in enumerate(layers):
        collection.visit(number, Sites({}, one))
    expected = np.stack([head_scores(one.whole.numpy(), ids)["entropy"] for one in layers])
    np.testing.assert_allclose(collection.arrays()[Want("head_entropy")], expected, rtol=1e-5)


def test_every_reduced_site_is_found_under_its_name() -> None:
    assert {site for site, reduction in ATTENTION_REDUCED.items() if site not in reduction.gives} == set()
    assert len(ATTENTION_REDUCED) == len(KINDS) + 7

"""The maths: each measure against a plain second way, or a case whose answer is known."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from transformers.activations import ACT2FN

from anatomy import measure

RNG = np.random.default_rng(7)


def test_softmax_sums_to_one_at_any_temperature_and_size_of_logit():
    logits = np.array([1000.0, 999.0, -1000.0], np.float32)
    for temperature in (0.1, 1.0, 2.0):
        assert measure.softmax(logits, temperature).sum() == pytest.approx(1.0, abs=1e-15)
    assert measure.softmax(logits)[0] == pytest.approx(1 / (1 + np.exp(-1)))
    with pytest.raises(ValueError, match="above 0"):
        measure.softmax(logits, 0.0)


def test_entropy_of_equal_chances_is_the_log_of_their_number():
    assert measure.entropy(np.full(8, 1 / 8)) == pytest.approx(np.log(8))
    assert measure.entropy(np.array([1.0, 0.0])) == 0.0


def test_nucleus_counts_the_tokens_that_hold_a_mass():
    p = np.array([0.05, 0.6, 0.05, 0.3])
    assert [measure.nucleus(p, mass) for mass in (0.5, 0.6, 0.9, 0.91, 1.0)] == [1, 1, 2, 3, 4]


def test_cosines_of_a_vector_without_length_are_zero():
    assert measure.cosines(np.zeros((1, 3)), np.ones((1, 3))) == 0
    matrix = measure.cosine_matrix(np.array([[1.0, 0], [0, 2], [0, 0]]))
    assert matrix[0, 0] == 1
    assert matrix[0, 1] == 0
    assert matrix[2].tolist() == [0, 0, 0]


def test_principal_plane_keeps_the_distances_of_a_flat_cloud():
    flat = RNG.normal(size=(9, 2))
    turn = np.linalg.qr(RNG.normal(size=(6, 6)))[0][:2]
    plane, shares = measure.principal_plane(flat @ turn)
    between = np.linalg.norm(flat[:, None] - flat[None], axis=-1)
    assert np.allclose(np.linalg.norm(plane[:, None] - plane[None], axis=-1), between)
    assert sum(shares) == pytest.approx(1.0)
    assert shares[0] >= shares[1]


@pytest.mark.parametrize("shape", [(4, 9), (9, 9), (30, 9), (5, 1), (1, 9)])
def test_principal_plane_is_that_of_the_singular_vectors(shape):
    points = RNG.normal(size=shape)
    plane, shares = measure.principal_plane(points)
    left, sizes, _ = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    kept = min(2, len(sizes))
    assert np.allclose(np.abs(plane[:, :kept]), np.abs(left[:, :kept] * sizes[:kept]), atol=1e-7)
    assert np.allclose(plane[:, kept:], 0)
    variance = (sizes**2).sum() or 1.0
    assert np.allclose(shares[:kept], sizes[:kept] ** 2 / variance)
    assert all(axis[np.abs(axis).argmax()] >= 0 for axis in plane.T)


def test_principal_plane_of_one_point_or_equal_points_is_the_origin():
    for points in (np.ones((1, 4)), np.ones((3, 4))):
        plane, shares = measure.principal_plane(points)
        assert np.allclose(plane, 0)
        assert shares == pytest.approx((0.0, 0.0))


def causal(n, heads=3):
    weights = np.tril(RNG.random((heads, n, n)))
    return weights / weights.sum(-1, keepdims=True)


def slowly(pattern, ids):
    """The same scores written out as loops."""
    n, scores = len(ids), {}
    rows = range(1, n)
    scores["previous"] = np.mean([pattern[i, i - 1] for i in rows])
    scores["first"] = np.mean([pattern[i, 0] for i in rows])
    scores["distance"] = np.mean([sum(pattern[i, j] * abs(i - j) for j in range(n)) for i in rows])
    twins = {i: [j for j in range(n) if j != i and ids[j] == ids[i]] for i in range(n)}
    scores["duplicate"] = np.mean([sum(pattern[i, j] for j in twins[i]) for i in twins if twins[i]])
    after = {i: [j + 1 for j in twins[i] if j < i and ids[j + 1] != ids[i]] for i in twins}
    scores["induction"] = np.mean([sum(pattern[i, j] for j in after[i]) for i in after if after[i]])
    late = range(measure.LOCAL + 1, n)
    close = {i: [j for j in range(n) if abs(i - j) <= measure.LOCAL] for i in late}
    scores["local"] = np.mean([sum(pattern[i, j] for j in close[i]) for i in late])
    return scores


def test_head_scores_are_those_of_the_definition_written_as_loops():
    ids = np.array([3, 1, 4, 1, 5, 9, 3, 1, 4])
    pattern = causal(len(ids))
    scores = measure.head_scores(pattern, ids)
    for head in range(3):
        for name, value in slowly(pattern[head], ids).items():
            assert scores[name][head] == pytest.approx(value, abs=1e-6), name


def test_a_head_that_copies_scores_one_for_induction():
    ids = np.array([1, 2, 3, 1, 2, 3])
    pattern = np.zeros((1, 6, 6))
    for row, source in enumerate((0, 0, 0, 1, 2, 3)):
        pattern[0, row, source] = 1.0
    assert measure.head_scores(pattern, ids)["induction"][0] == 1.0


@pytest.mark.parametrize("length", [3, 4, 600])
def test_in_a_row_of_equal_tokens_nothing_can_be_copied(length):
    assert np.isnan(measure.head_scores(causal(length), np.full(length, 7))["induction"]).all()


def test_where_the_text_offers_no_case_the_score_is_not_a_number():
    scores = measure.head_scores(causal(3), np.array([1, 2, 3]))
    assert np.isnan(scores["induction"]).all()
    assert np.isnan(scores["duplicate"]).all()
    assert np.isnan(measure.head_scores(causal(5), np.arange(5))["local"]).all()
    alone = measure.head_scores(np.ones((2, 1, 1)), np.array([4]))
    assert np.isnan(alone["previous"]).all()
    assert alone["entropy"].tolist() == [0, 0]


@given(arrays(np.float32, st.tuples(st.integers(1, 70), st.integers(1, 70)), elements=st.floats(0, 1, width=32)))
def test_pooling_keeps_every_peak_and_never_grows(weights):
    pooled = measure.max_pool(weights, 32)
    assert pooled.shape == (min(32, weights.shape[0]), min(32, weights.shape[1]))
    assert pooled.max() == weights.max()
    if max(weights.shape) <= 32:
        assert (pooled == weights).all()


def test_bytes_are_off_by_half_a_step_at_most():
    weights = RNG.random((4, 5))
    assert np.abs(measure.as_bytes(weights) / 255 - weights).max() <= 0.5 / 255 + 1e-12


def test_what_is_next_to_nothing_is_measured_against_the_tokens_own_strongest():
    act = np.array([[10.0, -0.1, 0.11, 0.0], [0.01, 0.005, -0.02, 1.0], [0.0, 0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(measure.near_zero(act), [0.5, 0.5, 1.0])


def test_a_normalized_vector_has_a_root_mean_square_of_one():
    x = RNG.normal(3, 5, (4, 64)).astype(np.float32)
    plain, centred = measure.rms_normalized(x, 1e-6), measure.layer_normalized(x, 1e-6)
    for normalized in (plain, centred):
        np.testing.assert_allclose((normalized**2).mean(axis=-1), 1, atol=1e-6)
    assert abs(plain.mean(axis=-1)).min() > 0.3
    np.testing.assert_allclose(centred.mean(axis=-1), 0, atol=1e-12)
    np.testing.assert_array_equal(measure.rms_normalized(np.zeros((1, 8), np.float32), 1e-6), np.zeros((1, 8)))


def test_contributions_add_up_to_one_and_what_points_away_is_below_zero():
    parts = RNG.normal(0, 1, (5, 7, 16)).astype(np.float32)
    np.testing.assert_allclose(measure.contributions(parts).sum(axis=-1), 1)
    np.testing.assert_allclose(measure.contributions(np.array([[3.0, 0.0], [-1.0, 5.0], [0.0, -5.0]])), [1.5, -0.5, 0])
    np.testing.assert_array_equal(measure.contributions(np.array([[1.0, 2.0], [-1.0, -2.0]])), [0, 0])


@pytest.mark.parametrize("name", measure.ACTIVATIONS)
def test_an_activation_function_is_the_librarys_own(name):
    x = np.concatenate([np.linspace(-12, 12, 2001), [-800.0, 800.0, 0.0]]).astype(np.float32)
    expected = ACT2FN[name](torch.from_numpy(x).double()).numpy()
    np.testing.assert_allclose(measure.ACTIVATIONS[name](x), expected, atol=1e-7, rtol=1e-6)


def test_a_gap_is_told_as_a_share_of_the_largest_number_and_is_0_between_zeros() -> None:
    assert measure.relative_gap(np.array([0.1, -0.21]), np.array([0.1, -0.2])) == pytest.approx(0.05)
    assert measure.relative_gap(np.zeros(3), np.zeros(3)) == 0

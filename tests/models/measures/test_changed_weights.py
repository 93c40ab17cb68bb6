"""Measures of attention in runs whose weights are below 0, times a factor or noisy; and what such runs refuse."""

import numpy as np
import pytest

from anatomy.measure import apart, head_scores
from anatomy.refused import Refused
from anatomy.request import Intervention, Run, Want
from models.local.engine import LocalEngine
from tests.models.tiny import tiny_engine

TEXT = "the cat, the café sat"
KINDS = ("llama", "gpt2", "bert", "mistral", "t5")
LAYER = 1


def run_of(engine: LocalEngine, *interventions: Intervention) -> Run:
    return Run(engine.spec.id, TEXT, interventions=interventions)


def scaled(amount: float, **where: int) -> Intervention:
    return Intervention("pattern", "scale", LAYER, amount=amount, **where)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("amount", [-1.0, 2.0, -0.5])
def test_heads_whose_weights_are_times_a_factor_keep_entropy_distance_and_difference(kind: str, amount: float) -> None:
    engine = tiny_engine(kind)
    sites = ("head_entropy", "head_distance", "head_apart", "head_reach")
    plain, changed = (
        engine.run(run, [Want(site) for site in sites]) for run in (run_of(engine), run_of(engine, scaled(amount)))
    )
    for site in sites:
        np.testing.assert_allclose(changed[Want(site)][LAYER], plain[Want(site)][LAYER], atol=2e-6, err_msg=site)


@pytest.mark.parametrize("kind", KINDS)
def test_noise_on_weights_leaves_no_number_of_a_head_undefined(kind: str) -> None:
    engine = tiny_engine(kind)
    noise = Intervention("pattern", "noise", LAYER, amount=2.0)
    wants = [Want("head_entropy"), Want("head_apart"), Want("head_reach"), Want("pattern", LAYER)]
    trace = engine.run(run_of(engine, noise), wants)
    pattern, ids = trace[wants[-1]], np.array([token.id for token in trace.tokens])
    assert (pattern < 0).any()
    np.testing.assert_allclose(trace[wants[0]][LAYER], head_scores(pattern, ids)["entropy"], rtol=1e-4)
    np.testing.assert_allclose(trace[wants[1]][LAYER], apart(pattern), atol=1e-5)
    assert (trace[wants[0]] >= 0).all()
    assert trace[wants[2]][LAYER].sum() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_of_weights_leaves_no_number_of_a_head_undefined(kind: str) -> None:
    """Rows may lose all of their weights, as the first token's do that has one."""
    engine = tiny_engine(kind)
    made = Intervention("pattern", "dropout", LAYER, amount=0.9)
    wants = [Want("head_entropy"), Want("head_apart"), Want("head_reach"), Want("pattern", LAYER)]
    trace = engine.run(run_of(engine, made), wants)
    pattern, ids = trace[wants[-1]], np.array([token.id for token in trace.tokens])
    assert (pattern.sum(-1) == 0).any()
    np.testing.assert_allclose(trace[wants[0]][LAYER], head_scores(pattern, ids)["entropy"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(trace[wants[1]][LAYER], apart(pattern), atol=1e-5)
    assert np.isfinite(trace[wants[2]][LAYER]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_contributions_of_negative_weights_are_the_lengths_of_before(kind: str) -> None:
    engine = tiny_engine(kind)
    wants = [Want("contribution", LAYER), Want("contribution", LAYER, pos=7)]
    pooled = [Want(f"contribution_{how}", LAYER, head=1) for how in ("max", "mean")]
    plain, changed = (engine.run(run, [*wants, *pooled]) for run in (run_of(engine), run_of(engine, scaled(-1.0))))
    assert plain[wants[0]].max() > 0
    for want in (*wants, *pooled):
        np.testing.assert_allclose(changed[want], plain[want], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(changed[wants[1]], changed[wants[0]][:, 7], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "mistral"])
def test_the_strongest_contribution_may_come_with_a_negative_weight(kind: str) -> None:
    engine = tiny_engine(kind)
    wants = [Want(f"top_{site}") for site in ("src", "head", "moved", "weight")]
    plain, changed = (engine.run(run, wants) for run in (run_of(engine), run_of(engine, scaled(-1.0))))
    for want in wants[:2]:
        np.testing.assert_array_equal(changed[want][LAYER], plain[want][LAYER])
    np.testing.assert_allclose(changed[wants[2]][LAYER], plain[wants[2]][LAYER], rtol=1e-5)
    np.testing.assert_allclose(changed[wants[3]][LAYER], -plain[wants[3]][LAYER], rtol=1e-5)
    assert (changed[wants[3]][LAYER] < 0).any()


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize(
    "one",
    [
        Intervention("pattern", "scale", LAYER, amount=2.0),
        Intervention("ffn_out", "noise", LAYER, amount=0.5),
        Intervention("ffn_out", "dropout", LAYER, amount=0.5),
        Intervention("resid_post", "mean", LAYER),
        Intervention("z", "zero", LAYER, pos=3),
    ],
    ids=lambda one: f"{one.site}-{one.op}",
)
def test_the_cache_is_not_compared_where_a_change_depends_on_the_text(kind: str, one: Intervention) -> None:
    engine = tiny_engine(kind)
    with pytest.raises(Refused, match="alone over the cache"):
        engine.run(run_of(engine, one), [Want("cache_gap", pos=7)])


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_cache_changes_nothing_where_each_token_is_changed_by_itself(kind: str) -> None:
    engine = tiny_engine(kind)
    changes = (
        Intervention("positions", "add", amount=9.0),
        Intervention("z", "zero", LAYER, head=1),
        Intervention("q", "scale", 0, amount=2.0),
    )
    want = Want("cache_gap", pos=7)
    assert engine.run(run_of(engine, *changes), [want])[want] < 1e-4


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
@pytest.mark.parametrize(
    "one",
    [
        Intervention("pattern", "noise", LAYER, amount=0.5),
        Intervention("pattern", "dropout", amount=0.5),
        Intervention("act", "dropout", amount=0.1, seed=1),
        Intervention("resid_post", "mean", LAYER),
        Intervention("z", "zero", LAYER, pos=3),
        Intervention("positions", "add", amount=9.0),
    ],
    ids=lambda one: f"{one.site}-{one.op}",
)
def test_a_changed_run_is_the_same_in_a_batch_and_nearly_so_in_half_precision(kind: str, one: Intervention) -> None:
    engine = tiny_engine(kind)
    gap, half = Want("batch_gap"), Want("half_kl")
    trace = engine.run(run_of(engine, one), [gap, half, Want("resid_post", engine.spec.layers - 1)])
    assert trace[gap].max() <= 1e-5 * np.abs(trace[Want("resid_post", engine.spec.layers - 1)]).max()
    assert trace[half].max() < 0.01

"""Sampling steps: token by token what the library's logits processors give, and what is left adds up."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import GenerationConfig
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from anatomy.request import Run, Want
from anatomy.sampling import Settings, heated, min_p, penalized, steps, top_k, top_p
from anatomy.view import DEFAULT_TEXT
from tests.models.real import real_engine
from tests.models.tiny import tiny_model

IDS = [3, 17, 17, 40]
NAMES = ["the model's own", "repetition penalty", "temperature", "top-k", "top-p", "min-p"]
# What the sliders can say.
SETTINGS = st.builds(
    Settings,
    penalty=st.floats(1, 2),
    temperature=st.floats(0.1, 2),
    top_k=st.integers(0, 60),
    top_p=st.floats(0.05, 1),
    min_p=st.floats(0, 0.5),
)


def random_logits(seed: int, vocab: int = 5000) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=vocab) * 4).astype(np.float32)


def theirs(processor, logits: np.ndarray, ids: list[int] = IDS) -> np.ndarray:
    return processor(torch.tensor([ids]), torch.from_numpy(logits)[None])[0].numpy()


def alike(ours: np.ndarray, other: np.ndarray) -> None:
    """The same tokens are excluded, the others have the same score."""
    np.testing.assert_array_equal(np.isneginf(ours), np.isneginf(other))
    np.testing.assert_array_equal(ours, other)


@pytest.mark.parametrize("seed", range(3))
def test_each_step_alone_gives_what_the_library_gives(seed: int) -> None:
    logits = random_logits(seed)
    for t in (0.1, 0.7, 1.5):
        alike(heated(logits, t), theirs(TemperatureLogitsWarper(t), logits))
    for k in (1, 7, 50, 9999):
        alike(top_k(logits, k), theirs(TopKLogitsWarper(k), logits))
    for p in (0.0, 0.05, 0.5, 0.9, 0.99):
        alike(top_p(logits, p), theirs(TopPLogitsWarper(p), logits))
    for p in (0.0, 0.01, 0.3, 1.0):
        alike(min_p(logits, p), theirs(MinPLogitsWarper(p), logits))
    for r in (0.5, 1.0, 1.3, 2.0):
        alike(penalized(logits, np.unique(IDS), r), theirs(RepetitionPenaltyLogitsProcessor(r), logits))


CASES = [
    Settings(),
    Settings(temperature=0.7, top_k=50, top_p=0.9),
    Settings(penalty=1.3, temperature=1.5, top_k=20, top_p=0.8, min_p=0.1),
    Settings(penalty=1.1, top_p=0.95),
    Settings(temperature=2.0, min_p=0.05),
]


def library_order(chosen: Settings) -> list:
    """The processors that `generate()` itself puts together for these settings, in its order."""
    config = GenerationConfig(
        do_sample=True,
        repetition_penalty=chosen.penalty,
        temperature=chosen.temperature,
        top_k=chosen.top_k,
        top_p=chosen.top_p,
        min_p=chosen.min_p,
    )
    model = tiny_model("llama")
    return model._get_logits_processor(config, input_ids_seq_length=len(IDS))


@pytest.mark.parametrize("chosen", CASES)
def test_all_steps_give_what_generate_draws_from(chosen: Settings) -> None:
    logits = random_logits(9)
    alike(steps(logits, IDS, chosen)[-1].scores, theirs(library_order(chosen), logits))


@pytest.mark.real
@pytest.mark.parametrize("chosen", CASES)
def test_all_steps_agree_on_the_logits_of_the_default_model(chosen: Settings) -> None:
    engine = real_engine("smollm2-135m")
    trace = engine.run(Run(engine.spec.id, DEFAULT_TEXT), [Want("logits", pos=pos) for pos in (0, 3, 8, 11)])
    ids = [token.id for token in trace.tokens]
    for want, logits in trace.arrays.items():
        before = ids[: want.pos + 1]
        alike(steps(logits, before, chosen)[-1].scores, theirs(library_order(chosen), np.array(logits), before))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1000), chosen=SETTINGS)
def test_what_is_left_shrinks_and_its_probability_is_what_was_not_removed(seed: int, chosen: Settings) -> None:
    found = steps(random_logits(seed, 200), IDS, chosen)
    assert [step.name for step in found] == NAMES
    assert found[-1].kept >= 1
    for before, after in pairwise(found):
        assert after.kept <= before.kept
        left = float(before.probabilities[~np.isneginf(after.scores)].sum())
        assert after.removed == pytest.approx(1 - left, abs=1e-6)
        assert after.probabilities.sum() == pytest.approx(1)


def test_steps_that_are_off_change_nothing() -> None:
    logits = random_logits(1)
    for step in steps(logits, IDS, Settings()):
        np.testing.assert_array_equal(step.scores, logits)
        assert (step.kept, step.removed) == (5000, 0)


def test_tokens_that_tie_with_the_last_of_the_best_stay() -> None:
    assert (~np.isneginf(top_k(np.array([1.0, 3.0, 2.0, 2.0], np.float32), 2))).tolist() == [False, True, True, True]


@pytest.mark.parametrize(
    ("field", "name", "numbers"),
    [
        ("penalty", "the repetition penalty", (0.0, -1.0, np.inf, np.nan)),
        ("temperature", "temperature", (0.0, -1.0, np.inf, np.nan)),
        ("top_k", "top-k", (-1,)),
        ("top_p", "top-p", (0.0, -0.1, 1.1, np.nan)),
        ("min_p", "min-p", (-0.1, 2.0, np.nan)),
    ],
)
def test_a_setting_out_of_its_range_is_named_before_anything_is_computed(field: str, name: str, numbers: tuple) -> None:
    for number in numbers:
        with pytest.raises(ValueError, match=f"^{name} is {number}: it has to be "):
            Settings(**{field: number})

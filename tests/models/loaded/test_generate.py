"""A text going on: the library's own continuation, the same in one go and step by step, cached and not."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import DynamicCache

from anatomy.memory import cache_bytes
from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.sampling import Settings, steps
from models.loaded.generate import Choosing, distribution, end_tokens
from models.local.engine import LocalEngine
from models.serving.recorded import RecordedEngine
from models.serving.store import Store
from tests.anatomy.test_sampling import SETTINGS
from tests.models.real import real_engine
from tests.models.tiny import ByteTokenizer, new_tiny_engine, tiny_engine, tiny_model

TEXT = "some words, some"
CAUSAL = ("llama", "mistral", "qwen2", "gpt2")


def run_of(engine: LocalEngine, text: str = TEXT, tail: tuple[int, ...] = ()) -> Run:
    return Run(engine.spec.id, text, tail=tail)


# a tail


@pytest.mark.parametrize("kind", CAUSAL)
def test_a_tail_of_the_texts_own_tokens_is_the_text(kind: str) -> None:
    engine = tiny_engine(kind)
    wants = [Want("resid_post", 2), Want("next_ids"), Want("surprisal")]
    whole, cut = engine.run(run_of(engine), wants), engine.run(run_of(engine, TEXT[:10], (*TEXT[10:].encode(),)), wants)
    assert cut.tokens == whole.tokens
    assert cut.text == TEXT
    for want in wants:
        np.testing.assert_array_equal(cut[want], whole[want])


def test_a_tail_is_never_cut_anew() -> None:
    class Pairs(ByteTokenizer):
        def tokenize(self, text: str, special_tokens: bool = False):
            found = super().tokenize(text)
            return found[:1] if text == "aa" else found  # as if “aa” were one token

    engine = LocalEngine(tiny_model("llama"), Pairs(), name="pairs")
    tokens = engine.run(run_of(engine, "a", (97,))).tokens
    assert [(token.id, token.start, token.end) for token in tokens] == [(97, 0, 1), (97, 1, 2)]


def test_a_tail_counts_towards_the_limit() -> None:
    engine = tiny_engine()
    with pytest.raises(Refused, match="The text has 65 tokens and the limit is 64"):
        engine.run(run_of(engine, "x" * 60, (1,) * 5), [Want("entropy")])


@pytest.mark.parametrize("token", [-1, 256])
def test_a_tail_of_tokens_that_the_model_does_not_have_is_refused(token: int) -> None:
    engine = tiny_engine()
    with pytest.raises(Refused, match=f"has tokens 0 to 255, not {token}: take it off the tail"):
        engine.run(run_of(engine, tail=(token,)))


def test_runs_with_other_tails_are_kept_apart() -> None:
    engine = new_tiny_engine("llama")
    want = Want("next_logp", pos=15)
    one, other = (engine.run(run_of(engine, TEXT[:-1], (tail,)), [want])[want] for tail in (5, 6))
    assert not np.array_equal(one, other)


# going on


@pytest.mark.parametrize("kind", CAUSAL)
def test_without_settings_the_text_goes_on_as_the_library_lets_it(kind: str) -> None:
    engine = tiny_engine(kind)
    ids = torch.tensor([list(TEXT.encode())])
    theirs = tiny_model(kind).generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=9, do_sample=False)
    assert engine.extend(run_of(engine), 9).tail == tuple(theirs[0, ids.shape[1] :].tolist())


@pytest.mark.parametrize(
    ("how", "seed"), [(None, 0), (Settings(temperature=1.5), 3), (Settings(temperature=0.7, top_k=20, top_p=0.9), 0)]
)
def test_step_by_step_gives_what_one_go_gives(how: Settings | None, seed: int) -> None:
    engine = tiny_engine()
    at_once, stepped = engine.extend(run_of(engine), 6, how, seed=seed), run_of(engine)
    for _ in range(6):
        stepped = engine.extend(stepped, 1, how, seed=seed)
    assert stepped == at_once
    assert len(at_once.tail) == 6


def test_the_best_token_is_the_one_that_the_prediction_names() -> None:
    engine = tiny_engine()
    want = Want("next_ids", pos=15)
    assert engine.extend(run_of(engine)).tail == (int(engine.run(run_of(engine), [want])[want][0]),)


def test_one_token_more_of_a_run_that_was_looked_at_needs_no_pass() -> None:
    engine, ran = new_tiny_engine("llama"), []
    engine.run(run_of(engine), [Want("entropy")])
    engine.model.base_model.register_forward_hook(lambda *call: ran.append(1))
    assert engine.extend(run_of(engine)) == tiny_engine().extend(run_of(tiny_engine()))
    assert ran == []


def test_another_seed_draws_other_tokens_and_the_same_one_the_same() -> None:
    engine = tiny_engine()
    drawn = [engine.extend(run_of(engine), 12, Settings(temperature=2.0), seed=seed).tail for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_each_step_is_drawn_anew() -> None:
    even, chosen = torch.zeros(1000), Choosing(Settings(), seed=3)
    assert len({chosen.token(even, torch.zeros(length, dtype=torch.int64)) for length in range(1, 9)}) > 4


def test_tokens_are_drawn_as_often_as_they_are_probable() -> None:
    logits = torch.log(torch.tensor([0.5, 0.3, 0.2]))
    drawn = [Choosing(Settings(), seed).token(logits, torch.arange(4)) for seed in range(2000)]
    np.testing.assert_allclose(np.bincount(drawn) / 2000, [0.5, 0.3, 0.2], atol=0.03)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (Settings(top_k=2), [0.625, 0.375, 0]),
        (Settings(top_p=0.7), [0.625, 0.375, 0]),
        (Settings(top_p=0.4), [1, 0, 0]),
        (Settings(temperature=0.5), [25 / 38, 9 / 38, 4 / 38]),
        (Settings(temperature=0.5, top_k=2, top_p=0.5), [1, 0, 0]),
    ],
)
def test_the_distribution_is_cut_before_a_token_is_drawn(how: Settings, expected: list[float]) -> None:
    found = distribution(torch.log(torch.tensor([0.5, 0.3, 0.2])), torch.arange(4), how)
    np.testing.assert_allclose(found, expected, atol=1e-7)


@given(seed=st.integers(0, 1000), how=SETTINGS)
def test_a_token_is_drawn_from_the_distribution_that_the_sampling_panel_shows(seed: int, how: Settings) -> None:
    logits, ids = np.random.default_rng(seed).normal(0, 3, 50).astype(np.float32), torch.tensor([3, 7, 3])
    shown = steps(logits, ids.tolist(), how)[-1].probabilities
    np.testing.assert_array_equal(distribution(torch.from_numpy(logits), ids, how), shown)
    assert shown[Choosing(how, seed).token(torch.from_numpy(logits), ids)] > 0


def test_min_p_leaves_the_best_and_a_penalty_moves_what_stands_in_the_text() -> None:
    logits = torch.log(torch.tensor([0.5, 0.3, 0.2])) + 2
    assert distribution(logits, torch.arange(1), Settings(min_p=0.7)).tolist() == [1, 0, 0]
    plain, moved = (distribution(logits, torch.arange(1), Settings(penalty=r)) for r in (1.0, 2.0))
    assert moved[0] < plain[0]
    assert moved[1] > plain[1]


def test_the_text_ends_where_the_model_ends_it() -> None:
    engine = new_tiny_engine("llama")
    assert end_tokens(engine._loaded) == frozenset()
    tail = engine.extend(run_of(engine), 8).tail
    engine.model.generation_config.eos_token_id = [tail[2], 999]
    assert engine.extend(run_of(engine), 8).tail == tail[: tail.index(tail[2]) + 1]


@pytest.mark.parametrize(
    ("kind", "text", "count", "sentence"),
    [
        ("bert", TEXT, 1, "does not go on with a text"),
        ("bert-headless", TEXT, 1, "does not go on with a text"),
        ("llama", "x" * 60, 5, "has 60 tokens and the limit is 64: 4 can be added, not 5"),
        ("llama", "", 1, "There is no text to run"),
    ],
)
def test_what_cannot_go_on_is_refused_in_a_sentence(kind: str, text: str, count: int, sentence: str) -> None:
    engine = tiny_engine(kind)
    with pytest.raises(Refused, match=sentence):
        engine.extend(run_of(engine, text), count)


@pytest.mark.parametrize(("how", "sentence"), [({"seed": -1}, "0 or more"), ({"count": 0}, "1 or more")])
def test_numbers_that_mean_nothing_are_a_mistake_of_the_asker(how: dict, sentence: str) -> None:
    engine = tiny_engine()
    with pytest.raises(ValueError, match=sentence):
        engine.extend(run_of(engine), **how)


def test_a_text_can_go_on_to_the_limit() -> None:
    engine = tiny_engine()
    run = engine.extend(run_of(engine, "x" * 60), 4)
    assert len(engine.run(run, [Want("next_ids", pos=63)]).tokens) == 64


@pytest.mark.parametrize("how", [None, Settings(), Settings(1.3, 0.9, 200, 0.95, 0.01)])
def test_a_store_goes_on_as_its_engine_does(how: Settings | None) -> None:
    engine = tiny_engine()
    assert Store(engine, 1 << 20).extend(run_of(engine), 3, how, seed=4) == engine.extend(
        run_of(engine), 3, how, seed=4
    )


def test_a_recording_does_not_go_on() -> None:
    from models.serving.recorded import FIRST_VIEW, NotRecorded

    engine = RecordedEngine(FIRST_VIEW)
    with pytest.raises(NotRecorded, match="open the model"):
        engine.extend(engine.recorded)


# the cache


def gaps(engine: LocalEngine, tail: tuple[int, ...] = ()) -> list[float]:
    """The largest difference of the logits with the cache from those without, at the last five tokens."""
    last = len(TEXT) + len(tail)
    wants = [Want("cache_gap", pos=pos) for pos in range(last - 5, last)]
    trace = engine.run(run_of(engine, tail=tail), wants)
    return [float(trace[want]) for want in wants]


@pytest.mark.parametrize("kind", CAUSAL)
@pytest.mark.parametrize("tail", [(), (1, 2, 3, 4)], ids=["text", "tail"])
def test_logits_with_the_cache_are_those_without(kind: str, tail: tuple[int, ...]) -> None:
    assert max(gaps(tiny_engine(kind), tail)) < 1e-5


def test_a_cache_that_forgets_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, plain = tiny_engine(), DynamicCache.update

    def forgetful(self, key, value, *more, **named):
        return plain(self, key * 0.9, value, *more, **named)

    monkeypatch.setattr(DynamicCache, "update", forgetful)
    assert min(gaps(engine, (1, 2))) > 1e-3


@pytest.mark.parametrize(("kind", "sentence"), [("bert", "keeps no keys and values"), ("bert-headless", "no logits")])
def test_a_model_without_a_cache_has_no_gap(kind: str, sentence: str) -> None:
    engine = tiny_engine(kind)
    with pytest.raises(Refused, match=sentence):
        engine.run(run_of(engine), [Want("cache_gap", pos=0)])


@pytest.mark.parametrize("kind", CAUSAL)
@pytest.mark.parametrize("tokens", [1, 3, 4, 13])
def test_the_bytes_of_the_cache_are_those_that_the_library_holds(kind: str, tokens: int) -> None:
    model, cache = tiny_model(kind), DynamicCache(config=tiny_model(kind).config)
    with torch.inference_mode():
        model(torch.arange(tokens)[None], past_key_values=cache, use_cache=True)
    held = sum(part.nbytes for layer in cache.layers for part in (layer.keys, layer.values))
    assert cache_bytes(tiny_engine(kind).spec, tokens) == held


def test_only_a_model_whose_every_layer_slides_has_a_window() -> None:
    assert {kind: tiny_engine(kind).spec.window for kind in CAUSAL} == {
        "llama": None,
        "mistral": 4,
        "qwen2": None,
        "gpt2": None,
    }


@pytest.mark.real
def test_the_default_model_goes_on_about_capitals() -> None:
    engine = real_engine("smollm2-135m")
    run = engine.extend(run_of(engine, "Paris is the capital of France. Berlin is the capital of"), 4)
    trace = engine.run(run, [Want("cache_gap", pos=15)])
    assert trace.text.endswith("Berlin is the capital of Germany. Paris is")
    assert trace[Want("cache_gap", pos=15)] < 1e-3

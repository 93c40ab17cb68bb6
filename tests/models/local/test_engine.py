"""The engine: what it refuses, what it computes, what it does not compute twice."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.sites import SITES
from anatomy.trace import Token
from models.local.engine import LocalEngine
from models.local.load import load
from tests.models.real import real_engine
from tests.models.tiny import MODELS, ByteTokenizer, asked_of, new_tiny_engine, tiny_engine, tiny_model

TEXT = "some words, some"


def run_of(engine: LocalEngine, text: str = TEXT) -> Run:
    return Run(engine.spec.id, text)


@pytest.fixture
def counted() -> tuple[LocalEngine, list[str]]:
    """An engine of one's own and the names of what has run: "model" or "layer N"."""
    engine, ran = new_tiny_engine("llama"), []
    engine.model.base_model.register_forward_hook(lambda *call: ran.append("model"))
    for number, layer in enumerate(engine.model.base_model.layers):
        layer.register_forward_hook(lambda *call, number=number: ran.append(f"layer {number}"))
    return engine, ran


# what it does not answer


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "There is no text to run: type at least one character."),
        ("x" * 65, "The text has 65 tokens and the limit is 64: take out at least 1."),
        ("x" * 100_001, "The text has 100,001 characters and the limit is 100,000: shorten it."),
        ("ab\ud83d", "Character 3 of the text is an unpaired surrogate (U+D83D): delete it or type it again."),
    ],
)
def test_a_text_that_cannot_be_run_is_refused_with_what_to_do(text: str, sentence: str) -> None:
    engine = tiny_engine()
    with pytest.raises(Refused) as refused:
        engine.run(run_of(engine, text), [Want("pattern", 0)])
    assert str(refused.value) == sentence


def test_the_limit_is_never_more_than_the_positions_of_the_model() -> None:
    assert new_tiny_engine("gpt2", max_tokens=1024).max_tokens == 64
    assert new_tiny_engine("gpt2", max_tokens=10).max_tokens == 10


def test_a_run_of_another_model_is_refused() -> None:
    with pytest.raises(Refused, match="runs tiny-llama@0/float32, the question is for other@1/float32"):
        tiny_engine().run(Run("other@1/float32", TEXT))


@pytest.mark.parametrize(
    ("kind", "want", "sentence"),
    [
        ("llama", Want("pos_embed"), "rotates queries and keys"),
        ("gpt2", Want("gate", 0), "have no gate"),
        ("bert", Want("gate", 0), "have no gate"),
        ("bert-headless", Want("next_ids"), "no output layer"),
        ("bert-headless", Want("lens_ids", pos=0), "no output layer"),
        ("llama", Want("pattern", 3), "has layers 0 to 2, not 3"),
        ("llama", Want("resid_pre", -1), "has layers 0 to 2, not -1"),
        ("llama", Want("entropy", pos=16), "has tokens 0 to 15, not 16"),
        ("llama", Want("logits"), "one position at a time"),
    ],
)
def test_a_want_without_an_answer_is_refused_in_a_sentence(kind: str, want: Want, sentence: str) -> None:
    engine = tiny_engine(kind)
    with pytest.raises(Refused, match=sentence):
        engine.run(run_of(engine), [want])


@pytest.mark.parametrize(
    ("want", "message"),
    [
        (Want("patern", 0), "no site is called 'patern'"),
        (Want("pattern"), "exists in every layer"),
        (Want("entropy", 1), "exists once per model"),
    ],
)
def test_a_want_that_no_model_could_answer_is_a_mistake_of_the_asker(want: Want, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny_engine().run(run_of(tiny_engine()), [want])


def test_a_tokenizer_of_another_model_is_noticed() -> None:
    class Larger(ByteTokenizer):
        def tokenize(self, text: str, special_tokens: bool = False) -> tuple[Token, ...]:
            return tuple(replace(token, id=token.id + 200) for token in super().tokenize(text))

    with pytest.raises(Refused, match="the model's table has 256 rows: the two files do not belong together"):
        LocalEngine(tiny_model("llama"), Larger(), name="mixed")


@pytest.mark.parametrize("text", ["\x00", "a\x1b[31mb\r\n\t", "‮\u2028", "日本語 🙂"])
def test_control_characters_and_other_scripts_are_text(text: str) -> None:
    trace = tiny_engine().run(run_of(tiny_engine(), text), [Want("entropy")])
    assert len(trace.tokens) == len(text.encode())
    assert np.isfinite(trace[Want("entropy")]).all()


# what it answers


@pytest.mark.parametrize("kind", MODELS)
def test_every_site_that_is_not_missing_is_answered_in_its_shape(kind: str) -> None:
    engine = tiny_engine(kind)
    wants = [
        Want(
            site.name,
            1 if site.per_layer else None,
            pos=0 if site.one_pos else None,
            token=5 if site.for_token else None,
            head=1 if site.one_head else None,
            of=asked_of(site),
        )
        for site in SITES.values()
        if site.name not in engine.missing
    ]
    trace = engine.run(run_of(engine), wants)  # a Trace checks every shape against the table
    assert set(trace.arrays) == set(wants)
    assert not any(array.flags.writeable for array in trace.arrays.values())
    kinds = {array.dtype.name for want, array in trace.arrays.items() if SITES[want.site].unit not in _COUNTED}
    assert kinds <= {"float32", "uint8"}


_COUNTED = {"token", "neuron", "rank", "part", "position", "head"}


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_a_position_is_a_slice_of_all_positions(kind: str) -> None:
    engine = tiny_engine(kind)
    there = [site for site in SITES.values() if "pos" in site.axes and site.name not in engine.missing]
    sites = [site for site in there if not site.of]
    layered = [(site, 1 if site.per_layer else None) for site in sites if not site.one_pos]
    wants = [Want(site.name, layer, pos=pos) for site, layer in layered for pos in (None, 2)]
    trace = engine.run(run_of(engine), wants)
    assert len(layered) > 20
    for site, layer in layered:
        whole = trace[Want(site.name, layer)].take(2, axis=site.axes.index("pos"))
        np.testing.assert_allclose(trace[Want(site.name, layer, pos=2)], whole, rtol=1e-5, atol=1e-5)


def test_every_token_id_in_the_arrays_has_a_name() -> None:
    engine = tiny_engine()
    trace = engine.run(run_of(engine), [Want("next_ids", pos=2), Want("near_ids")])
    ids = {*trace[Want("next_ids", pos=2)].tolist(), *trace[Want("near_ids")].ravel().tolist()}
    assert set(trace.names) == ids
    assert {row: name for row, name in trace.names.items() if 33 <= row < 127} == {
        row: chr(row) for row in ids if 33 <= row < 127
    }


def test_the_order_and_number_of_times_of_the_wants_do_not_matter() -> None:
    engine = tiny_engine()
    wants = [Want("pattern", 2), Want("next_ids"), Want("pattern", 0), Want("pattern", 2)]
    one, other = engine.run(run_of(engine), wants), engine.run(run_of(engine), reversed(wants))
    assert one.arrays.keys() == other.arrays.keys()
    for want in one.arrays:
        np.testing.assert_array_equal(one[want], other[want])


def test_the_rotation_frequencies_are_those_of_the_model() -> None:
    position = tiny_engine().spec.position
    expected = [10_000 ** (-2 * i / 8) for i in range(4)]  # RoFormer (Su et al. 2021), sec. 3.2.2
    np.testing.assert_allclose(position.frequencies, expected, rtol=1e-6)
    assert (position.theta, position.scaling) == (10_000, None)


def test_specs_say_what_kind_of_model_each_is() -> None:
    llama, gpt2, bert, bare = (tiny_engine(kind).spec for kind in ("llama", "gpt2", "bert", "bert-headless"))
    assert (llama.n_heads, llama.n_kv, llama.head, llama.tied, llama.ffn.gated) == (4, 2, "causal", True, True)
    assert (gpt2.n_heads, gpt2.n_kv, gpt2.head, gpt2.tied, gpt2.ffn.gated) == (4, 4, "causal", True, False)
    assert (bert.head, bert.tied, bert.norm.place, bert.stack().causal) == ("masked", True, "post", False)
    assert (bare.head, bare.tied) == (None, False)
    assert llama.weights.parameters == sum(weight.numel() for weight in tiny_model("llama").parameters())
    assert not tiny_engine("qwen2").spec.tied or tiny_engine("qwen2").model.config.tie_word_embeddings


# what it does not compute twice


def test_no_wants_run_nothing(counted: tuple[LocalEngine, list[str]]) -> None:
    engine, ran = counted
    assert len(engine.run(run_of(engine)).tokens) == len(TEXT)
    assert ran == []


def test_the_embedding_needs_no_forward_pass(counted: tuple[LocalEngine, list[str]]) -> None:
    engine, ran = counted
    engine.run(run_of(engine), [Want("tok_embed"), Want("near_rows", pos=1)])
    assert ran == []


def test_one_forward_pass_answers_everything_asked_at_once(counted: tuple[LocalEngine, list[str]]) -> None:
    engine, ran = counted
    engine.run(run_of(engine), [Want("head_maps"), Want("norm_mid"), Want("pattern", 1), Want("logits", pos=0)])
    assert ran == ["layer 0", "layer 1", "layer 2", "model"]


def test_another_layer_runs_that_layer_alone(counted: tuple[LocalEngine, list[str]]) -> None:
    engine, ran = counted
    engine.run(run_of(engine), [Want("pattern", 0)])
    ran.clear()
    engine.run(run_of(engine), [Want("pattern", 2), Want("act", 2), Want("resid_pre", 1), Want("next_ids")])
    assert ran == ["layer 2"]


def test_lengths_of_the_streams_come_from_the_layer_inputs(counted: tuple[LocalEngine, list[str]]) -> None:
    engine, ran = counted
    engine.run(run_of(engine), [Want("resid_post", 0)])
    ran.clear()
    engine.run(run_of(engine), [Want("norm_pre"), Want("norm_post", pos=3), Want("lens_ids", pos=1)])
    assert ran == []
    engine.run(run_of(engine), [Want("norm_mid")])
    assert ran == ["layer 0", "layer 1", "layer 2"]


def test_an_answer_is_the_same_during_the_forward_pass_and_from_the_layer_inputs() -> None:
    wants = [Want("pattern", 1), Want("head_maps"), Want("cos_ffn"), Want("head_induction"), Want("act", 2)]
    first, second = new_tiny_engine("llama"), new_tiny_engine("llama")
    at_once = first.run(run_of(first), wants)
    second.run(run_of(second), [Want("next_ids")])
    later = second.run(run_of(second), wants)
    for want in wants:
        np.testing.assert_array_equal(at_once[want], later[want])


def test_the_tape_used_longest_ago_goes_when_the_budget_is_spent() -> None:
    engine = new_tiny_engine("llama", inputs_bytes=20_000)  # those of two texts of 16 tokens, not of three
    ran = []
    engine.model.base_model.register_forward_hook(lambda *call: ran.append(1))
    for text in ("a" * 16, "b" * 16, "a" * 16, "c" * 16, "a" * 16):
        engine.run(run_of(engine, text), [Want("resid_pre", 1)])
    assert len(ran) == 3
    engine.run(run_of(engine, "b" * 16), [Want("resid_pre", 1)])
    assert len(ran) == 4


def test_eight_threads_get_what_one_gets() -> None:
    engine, alone = new_tiny_engine("llama"), new_tiny_engine("llama")
    texts = [f"text number {number}" for number in range(6)]
    wants = [Want("pattern", 1), Want("next_logp"), Want("head_entropy"), Want("resid_mid", 2)]
    truth = {text: alone.run(run_of(alone, text), wants) for text in texts}

    def ask(number: int) -> bool:
        text = texts[number % len(texts)]
        trace = engine.run(run_of(engine, text), wants)
        return all(np.allclose(trace[want], truth[text][want], atol=1e-6) for want in wants)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(96)))


def test_only_one_thread_computes_at_a_time() -> None:
    engine, inside, most = new_tiny_engine("llama"), [], []
    engine.model.base_model.register_forward_pre_hook(lambda *call: inside.append(1) or most.append(len(inside)))
    engine.model.base_model.register_forward_hook(lambda *call: inside.pop() and None)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: engine.run(run_of(engine, f"text {n}"), [Want("entropy")]), range(40)))
    assert len(most) == 40
    assert max(most) == 1


@pytest.mark.slow
def test_importing_the_engine_changes_no_setting_of_torch() -> None:
    program = (
        "import torch; before = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()\n"
        "import models.local.engine\n"
        "assert (torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()) == before\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


# the default model


@pytest.fixture
def smollm2() -> LocalEngine:
    return real_engine("smollm2-135m")


@pytest.mark.real
def test_the_default_model_passes_every_identity(smollm2: LocalEngine) -> None:
    assert [identity for identity in smollm2.identities if not identity.holds] == []
    assert len(smollm2.identities) == 20


@pytest.mark.real
def test_the_default_model_knows_what_berlin_is_the_capital_of(smollm2: LocalEngine) -> None:
    run = Run(smollm2.spec.id, "Paris is the capital of France. Berlin is the capital of")
    best, pattern = Want("next_ids", pos=11), Want("pattern", 17)
    trace = smollm2.run(run, [best, Want("next_logp", pos=11), pattern])
    assert trace.name(int(trace[best][0])) == "·Germany"
    assert np.exp(trace[Want("next_logp", pos=11)][0]) == pytest.approx(0.94, abs=0.01)
    assert trace.tokens[5].text == " France"
    assert trace[pattern][5, 11, 5] == pytest.approx(0.73, abs=0.01)


@pytest.mark.real
def test_the_default_model_replays_a_long_text_exactly(smollm2: LocalEngine) -> None:
    run = Run(smollm2.spec.id, "The quick brown fox jumps over the lazy dog. " * 20)
    at_once = smollm2.run(run, [Want("act", 12), Want("pattern", 12)])
    smollm2._inputs.put(run, smollm2._loaded.record(np.array([t.id for t in at_once.tokens]), {}, lambda *_: None), 1)
    later = smollm2.run(run, [Want("act", 12), Want("pattern", 12)])
    np.testing.assert_array_equal(at_once[Want("act", 12)], later[Want("act", 12)])
    np.testing.assert_array_equal(at_once[Want("pattern", 12)], later[Want("pattern", 12)])


def test_an_unknown_checkpoint_is_refused_in_a_sentence() -> None:
    with pytest.raises(Refused, match="No checkpoint is called 'smollm3'"):
        load("smollm3")

"""Runs on token ids: exactly these tokens reach the model, as they reach the library's own; and runs computed again."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from transformers import AutoModelForCausalLM

from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.wire import pack
from models.local.engine import LocalEngine
from models.serving.recorded import NotRecorded, RecordedEngine
from models.serving.store import Store
from models.text.tokenizer import Tokenizer
from tests.models.real import plain_model, real_engine
from tests.models.text.made_checkpoints import meta_space, word_pieces, words
from tests.models.tiny import MODELS, TEXT, ByteTokenizer, new_tiny_engine, tiny_config, tiny_engine, tiny_model
from tests.models.toy import SPECIAL, toy_engine, toy_tokenizer

WANTS = (Want("resid_post", 2), Want("pattern", 1), Want("norm_pre"))
LOGITS = Want("logits", pos=-1)
CAUSAL = ("llama", "mistral", "qwen2", "gpt2")
TOLERANCE = 1e-4


@pytest.mark.parametrize("kind", MODELS)
def test_the_ids_of_a_text_give_its_arrays(kind: str) -> None:
    engine = tiny_engine(kind)
    given = engine.run(engine.on_ids(TEXT.encode()), WANTS)
    whole = engine.run(Run(engine.spec.id, TEXT), WANTS)
    assert (given.tokens, given.text) == (whole.tokens, TEXT)
    for want in WANTS:
        assert_array_equal(given[want], whole[want])


@pytest.mark.parametrize("kind", CAUSAL)
def test_any_ids_reach_the_model_as_they_reach_the_library_s(kind: str) -> None:
    ids = np.random.default_rng(3).integers(0, 256, 12).tolist()
    engine = tiny_engine(kind)
    with torch.no_grad():
        logits = tiny_model(kind)(input_ids=torch.tensor([ids])).logits[0]
    for pos in (0, 7, 11):
        want = Want("logits", pos=pos)
        np.testing.assert_allclose(engine.run(engine.on_ids(ids), [want])[want], logits[pos], atol=TOLERANCE)


@pytest.mark.real
def test_control_tokens_among_the_ids_are_what_they_are_for_the_default_model() -> None:
    engine, want = real_engine("smollm2-135m"), Want("logits", pos=6)
    backend = engine._tokenizer
    assert isinstance(backend, Tokenizer)
    ids = [token.id for token in backend.tokenize("<|im_start|>user\nHello<|im_end|>\n", special_tokens=True)]
    trace = engine.run(engine.on_ids([*ids, ids[0]]), [want])
    assert [token.id for token in trace.tokens] == [*ids, ids[0]]
    assert [token.special for token in trace.tokens] == [True, False, False, False, True, False, True]
    assert trace.text == "user\nHello\n"
    with torch.no_grad():
        plain = plain_model("smollm2-135m")(input_ids=torch.tensor([[*ids, ids[0]]])).logits[0, 6]
    np.testing.assert_allclose(trace[want], plain, atol=TOLERANCE)


def test_nothing_is_added_to_ids() -> None:
    engine = _engine(word_pieces().to_str())
    text = engine.run(Run(engine.spec.id, "the cats"))
    assert [token.piece for token in text.tokens] == ["[CLS]", "the", "cat", "##s", "[SEP]"]
    ids = [token.id for token in text.tokens]
    assert engine.run(engine.on_ids(ids)).tokens == text.tokens
    assert [token.piece for token in engine.run(engine.on_ids(ids[1:3])).tokens] == ["the", "cat"]


@pytest.mark.parametrize(
    ("made", "pieces", "text"),
    [
        (word_pieces, ["[CLS]", "the", "cat", "##s", "[SEP]", "the", "[SEP]"], "the cats the"),
        (word_pieces, ["##s", "the", "."], "s the ."),
        (meta_space, ["<s>", "▁the", "c", "▁", "b", "<0xE6>", "<0x82>", "<0xA3>"], " thec b患"),
        (words, ["the", "cat"], "the cat"),
    ],
)
def test_the_text_of_ids_is_what_they_spell(made: Callable, pieces: list[str], text: str) -> None:
    backend = made()
    engine = _engine(backend.to_str())
    run = engine.on_ids([backend.token_to_id(piece) for piece in pieces])
    trace = engine.run(run)
    assert run.text == trace.text == text
    assert [token.piece for token in trace.tokens] == pieces
    for token in trace.tokens:
        if token.text and not token.special:
            assert text[token.start : token.end] == token.text


def _engine(definition: str) -> LocalEngine:
    """A tiny model with a row for each entry of the vocabulary, whatever the tokenizer."""
    config = tiny_config("llama")
    config.vocab_size = 300
    model = AutoModelForCausalLM.from_config(config).eval()
    return LocalEngine(model, Tokenizer(definition), name="made")


def test_ids_that_spell_the_same_text_are_other_runs() -> None:
    engine = toy_engine()
    tokens = engine.run(Run(engine.spec.id, "the")).tokens
    letters = [toy_tokenizer()._obeying.token_to_id(letter) for letter in "the"]
    assert len(tokens) == 2
    store, want = Store(engine, 1 << 24), Want("norm_post")
    whole, cut = store.on_ids([token.id for token in tokens]), store.on_ids(letters)
    assert whole.text == cut.text == "the"
    assert [store.get(run, [want])[want].shape[1] for run in (whole, cut, whole)] == [2, 3, 2]


def test_ids_are_taken_whole_and_not_merged() -> None:
    engine, want = toy_engine(), Want("merge_step")
    cut = engine.run(Run(engine.spec.id, "able"))
    given = engine.run(engine.on_ids([0, *(token.id for token in cut.tokens)]), [want])
    assert given[want].shape == (len(SPECIAL[0]) + 4,)
    assert not (given[want] > 0).any()


@pytest.mark.parametrize(
    ("ids", "sentence"),
    [
        ((), "There are no token ids to run: give at least one"),
        ((1, 256), "has tokens 0 to 255: the id at place 1, 256, is none of them"),
        ((-1,), "has tokens 0 to 255: the id at place 0, -1, is none of them"),
        ((1,) * 65, "The text has 65 tokens and the limit is 64"),
        ((97,) * 100_001, "100,001 characters and the limit is 100,000"),
    ],
)
def test_ids_that_cannot_be_run_are_refused_in_a_sentence(ids: tuple[int, ...], sentence: str) -> None:
    engine = tiny_engine()
    with pytest.raises(Refused, match=sentence):
        engine.run(engine.on_ids(ids), [Want("entropy")])


def test_a_run_whose_text_is_not_what_its_ids_spell_is_a_mistake_of_the_asker() -> None:
    with pytest.raises(ValueError, match="these ids spell 'a', the run says 'b': let `on_ids` make the run"):
        tiny_engine().run(Run(tiny_engine().spec.id, "b", ids=(97,)))
    with pytest.raises(Refused, match="the id at place 0, 999, is none of them"):
        tiny_engine().run(Run(tiny_engine().spec.id, "b", ids=(999,)))


def test_ids_go_on_as_a_text_does() -> None:
    engine = tiny_engine()
    run = engine.extend(engine.on_ids(TEXT.encode()), 3)
    assert run.tail == engine.extend(Run(engine.spec.id, TEXT), 3).tail
    assert [token.id for token in engine.run(run).tokens] == [*TEXT.encode(), *run.tail]


def test_another_text_is_not_on_the_ids() -> None:
    engine = tiny_engine()
    assert engine.on_ids(b"a").on("other") == Run(engine.spec.id, "other")


def test_a_recording_holds_the_ids_that_were_run(tmp_path: Path) -> None:
    engine = toy_engine()
    run = engine.on_ids([0, 41, 42, 1])
    file = tmp_path / "ids.npz"
    file.write_bytes(pack(engine.run(run, WANTS)))
    recorded = RecordedEngine(file)
    assert recorded.on_ids([0, 41, 42, 1]) == run == recorded.recorded
    assert_array_equal(recorded.run(run, WANTS)[WANTS[0]], engine.run(run, WANTS)[WANTS[0]])
    with pytest.raises(NotRecorded, match="Only “HI” by toy@0/float32 is recorded"):
        recorded.on_ids([41, 42])
    with pytest.raises(NotRecorded, match="A recording computes nothing"):
        recorded.again()


# computed again


def test_again_computes_everything_once_more_and_finds_the_same() -> None:
    passes = []
    engine = new_tiny_engine()
    engine.model.base_model.register_forward_hook(lambda *call: passes.append(1))
    store, run = Store(engine, 1 << 24), Run(engine.spec.id, TEXT)
    first = store.get(run, WANTS)
    once = len(passes)
    assert store.get(run, WANTS)[WANTS[0]] is not None
    assert len(passes) == once >= 1
    again = store.again()
    second = again.get(run, WANTS)
    assert len(passes) == 2 * once
    for want in WANTS:
        assert_array_equal(first[want], second[want])
        assert not np.shares_memory(first[want], second[want])
    assert store.get(run, [Want("pattern", 0)])
    assert len(passes) == 2 * once, "what the first one keeps is kept"


def test_again_cuts_the_text_once_more() -> None:
    cuts = []

    class Counting(ByteTokenizer):
        def tokenize(self, text: str, special_tokens: bool = False):
            cuts.append(text)
            return super().tokenize(text, special_tokens)

    engine = LocalEngine(tiny_model("llama"), Counting(), name="counting")
    run = Run(engine.spec.id, TEXT)
    for one in (engine, engine, engine.again()):
        one.run(run)
    assert cuts.count(TEXT) == 2


@pytest.mark.parametrize("to_readers", [True, False])
def test_a_store_tells_readers_of_errors_again_as_before(to_readers: bool) -> None:
    again = Store(tiny_engine(), 1 << 24, to_readers=to_readers).again()
    run = Run(tiny_engine().spec.id, "b", ids=(97,))
    with pytest.raises(Refused if to_readers else ValueError, match=r"error of the program|these ids spell"):
        again.get(run)

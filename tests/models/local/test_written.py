"""What the engine hands on from the tokenizer: facts of the spec, merges and conversations, without a forward pass."""

import pytest

from anatomy.refused import Refused
from anatomy.request import Run, Want
from models.local.engine import LocalEngine
from tests.models.tiny import tiny_engine, tiny_model
from tests.models.toy import SPECIAL, toy_engine, toy_tokenizer

WANTS = (Want("merge_step"), Want("merge_rule"), Want("chat_ids"), Want("chat_role"))


def test_the_spec_says_how_text_is_cut() -> None:
    toy, tiny = toy_engine().spec, tiny_engine().spec
    assert (toy.tokenizer, toy.special, toy.chat) == ("byte-level BPE", SPECIAL, True)
    assert (tiny.tokenizer, tiny.special, tiny.chat) == ("", (), False)


def test_the_tokenizer_alone_answers() -> None:
    engine, ran = LocalEngine(tiny_model("llama"), toy_tokenizer(), name="toy"), []
    engine.model.base_model.register_forward_hook(lambda *call: ran.append(1))
    trace = engine.run(Run(engine.spec.id, "the unable cat"), WANTS)
    assert ran == []
    assert set(trace.arrays) == set(WANTS)
    assert set(trace.names) == set(trace[WANTS[2]].tolist())


@pytest.mark.parametrize("want", WANTS)
def test_what_a_tokenizer_does_not_have_is_refused_in_its_words(want: Want) -> None:
    engine = tiny_engine()
    with pytest.raises(Refused, match="One token per byte"):
        engine.run(Run(engine.spec.id, "a"), [want])


def test_bytes_of_generated_tokens_count_too() -> None:
    engine = toy_engine()
    the = engine.run(Run(engine.spec.id, " the")).tokens[0].id
    trace = engine.run(Run(engine.spec.id, "a").plus(the), [Want("merge_step")])
    assert len(trace[Want("merge_step")]) == len("a the")

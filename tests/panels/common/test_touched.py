"""Which changes of a run lie between two numbers, and whether they part them."""

import pytest

from anatomy.request import Intervention, Run
from anatomy.trace import Trace
from panels.common.touched import NOTHING, Touched, of_attention, of_ffn
from tests.models.tiny import tiny_engine

TEXT = "the cat"
HEAD = Intervention("z", "zero", 1, head=1)
SHARED = Intervention("z", "mean", 1, kv=0)
TOKEN = Intervention("z", "zero", 1, pos=3)
LATER = Intervention("z", "zero", 2)
ADDED = Intervention("ffn_out", "add", 1, amount=2.0, token=99)
AFTER = Intervention("resid_pre", "noise", 2, amount=0.5)


def trace(kind: str = "llama", *made: Intervention) -> Trace:
    engine = tiny_engine(kind)
    return engine.run(Run(engine.spec.id, TEXT, interventions=made))


def test_changes_of_another_layer_head_or_token_are_left_out():
    changed = trace("llama", HEAD, SHARED, TOKEN, LATER)
    assert Touched.of(changed, 1, "z").made == (HEAD, SHARED, TOKEN)
    assert Touched.of(changed, 1, "z", head=1, kv=0, pos=2).made == (HEAD, SHARED)
    assert Touched.of(changed, 1, "z", head=3, kv=1, pos=3).made == (TOKEN,)
    assert Touched.of(changed, 0, "z", "pattern") == NOTHING
    assert Touched.of(trace(), 1, "z") == NOTHING


def test_two_numbers_part_only_where_a_change_lies_between_and_they_differ_by_more_than_rounding():
    touched = Touched((HEAD,), ("",))
    assert touched.part(0.5, 3.0)
    assert touched.part(float("nan"), 3.0)
    assert not touched.part(1e-6, 3.0)
    assert not touched.part(0.0, 0.0)
    assert not NOTHING.part(0.5, 3.0)


def test_what_is_changed_is_said_in_one_line():
    touched = Touched((HEAD,), ("",))
    assert touched.says == "layer 1 · head 1: head output (z) set to 0"
    assert (touched + Touched((ADDED,), ("cat",))).says == f"{touched.says}, and 1 more change"
    assert Touched((ADDED,), ("cat",)).says == "layer 1: what the FFN writes + 2 × the direction of “cat”"


def test_those_of_some_operations_alone_keep_the_names_of_their_tokens():
    both = Touched((HEAD, ADDED), ("", "cat"))
    assert both.of_ops("zero", "mean") == Touched((HEAD,), ("",))
    assert both.of_ops("add") == Touched((ADDED,), ("cat",))


@pytest.mark.parametrize(("kind", "counts"), [("llama", True), ("gpt2", True), ("bert", False)])
def test_a_change_of_the_stream_counts_to_the_write_before_it_where_norms_stand_before_the_parts(kind, counts):
    wrote = Intervention("ffn_out", "scale", 1, amount=2.0)
    assert of_ffn(trace(kind, wrote, AFTER), 1, 3).made == ((wrote, AFTER) if counts else (wrote,))
    between = Intervention("resid_mid", "mean", 1, pos=3)
    assert of_attention(trace(kind, between), 1, 3).made == ((between,) if counts else ())
    assert of_attention(trace(kind, between), 1, 2) == NOTHING

"""Wire: what was packed comes back equal, and anything else is refused."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest

from anatomy import wire
from anatomy.request import Intervention, Run, Want
from anatomy.spec import LearnedPositions, RelativeBias, Rope
from anatomy.trace import Token, Trace
from tests.anatomy.spec import SPEC, spec

TOKENS = (Token(5, "Ġ患", None, b"\xe6\x82", 0, 1), Token(6, "</s>", "", b"", 1, 1, special=True))
ARRAYS = {
    Want("tok_embed"): np.arange(16, dtype=np.float32).reshape(2, 8),
    Want("pattern", 2, "dec"): np.full((4, 2, 2), 0.5, np.float32),
    Want("dla_parts", pos=1, token=-1, against=0): np.arange(8, dtype=np.float32),
    Want("logits", pos=1): np.linspace(-3, 3, 50, dtype=np.float32),
    Want("pattern_max", 2, "dec", head=1, window=(0, 2, 0, 1)): np.ones((2, 1), np.float32),
}


@pytest.mark.parametrize("position", [SPEC.position, LearnedPositions(64), None])
def test_a_trace_comes_back_equal(position):
    trace = Trace(Run(SPEC.id, "患\x00", True, (6,)), spec(position=position), TOKENS, ARRAYS)
    back = wire.unpack(wire.pack(trace))
    assert (back.run, back.spec, back.tokens) == (trace.run, trace.spec, trace.tokens)
    assert set(back.arrays) == set(ARRAYS)
    for want, array in ARRAYS.items():
        assert back[want].dtype == array.dtype
        assert (back[want] == array).all()


def test_a_run_that_came_back_is_a_key_like_the_one_that_went():
    run = Run(SPEC.id, "患", tail=(6,))
    assert {wire.unpack(wire.pack(Trace(run, SPEC, TOKENS, {}))).run: 1}[run] == 1


def test_a_run_on_ids_comes_back_equal_and_others_than_its_tokens_are_refused():
    ids = tuple(token.id for token in TOKENS[:-1])
    run = Run(SPEC.id, "患", tail=(TOKENS[-1].id,), ids=ids)
    assert wire.unpack(wire.pack(Trace(run, SPEC, TOKENS, {}))).run == run
    for wrong in ((7,), (*ids, 7)):
        with pytest.raises(ValueError, match="its tokens are not those that its run names"):
            wire.unpack(wire.pack(Trace(replace(run, ids=wrong), SPEC, TOKENS, {})))


def test_a_trace_of_another_version_is_refused_with_what_to_do(monkeypatch):
    monkeypatch.setattr(wire, "VERSION", 1)
    written = wire.pack(Trace(Run(SPEC.id, "患"), SPEC, TOKENS, {}))
    monkeypatch.undo()
    with pytest.raises(ValueError, match="written in version 1, this program reads 3: record it again"):
        wire.unpack(written)


def test_what_a_header_leaves_out_takes_its_default():
    plain = Trace(Run(SPEC.id, "患"), SPEC, TOKENS, {})
    with np.load(io.BytesIO(wire.pack(plain))) as file:
        header = json.loads(file["header"].tobytes())
    del header["run"]["tail"], header["run"]["interventions"], header["spec"]["special"]
    back = wire.unpack(_packed(header))
    assert (back.run, back.spec) == (plain.run, plain.spec)


def test_a_header_without_its_run_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match="not a recorded trace"):
        wire.unpack(_packed({"version": wire.VERSION}))


def _packed(header):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, header=np.frombuffer(json.dumps(header).encode(), np.uint8))
    return buffer.getvalue()


def test_a_run_with_interventions_comes_back_equal():
    run = Run(SPEC.id, "患").intervened(Intervention("attn_out", "zero", 0))
    assert wire.unpack(wire.pack(Trace(run, SPEC, TOKENS, {}))).run == run


def test_a_run_whose_changes_are_taken_out_of_other_changed_runs_comes_back_equal():
    zero = Intervention("z", "zero", 1, head=2)
    other = Run(SPEC.id, "another", tail=(3,)).intervened(zero)
    every = (
        Intervention("resid_post", "patch", 2, pos=1, sources=(other,)),
        Intervention("attn_out", "mean", 0, sources=(Run(SPEC.id, "a\x00b"), Run(SPEC.id, "", ids=(1, 2)))),
        Intervention("ffn_out", "add", 1, amount=-2.5, token=7),
        Intervention("act", "noise", 1, neuron=3, amount=0.1, seed=12),
        Intervention("k", "scale", 0, kv=1, amount=2.0),
        Intervention("positions", "add", amount=7),
        Intervention("layer", "swap", 0, other=2),
        Intervention("attn_norm", "drop"),
        Intervention("embedding", "shuffle", seed=3),
        Intervention("pattern", "average", 1, kv=0),
    )
    run = Run(SPEC.id, "患").intervened(*every)
    back = wire.unpack(wire.pack(Trace(run, SPEC, TOKENS, {}))).run
    assert back == run
    assert hash(back) == hash(run)
    assert back.interventions[0].sources[0].interventions == (zero,)


@pytest.mark.parametrize("position", [None, LearnedPositions(64), RelativeBias(32, 128, True), Rope(1e4, (1.0,))])
def test_every_kind_of_position_comes_back_equal(position):
    model = spec(position=position)
    assert wire.unpack(wire.pack(Trace(Run(model.id, "患"), model, TOKENS, {}))).spec == model


def test_a_spec_with_special_tokens_comes_back_equal():
    model = spec(tokenizer="BPE", special=("<s>", "</s>"), chat=True)
    assert wire.unpack(wire.pack(Trace(Run(model.id, "患"), model, TOKENS, {}))).spec == model


def test_the_same_trace_gives_the_same_bytes():
    trace = Trace(Run(SPEC.id, "x"), SPEC, TOKENS, ARRAYS)
    assert wire.pack(trace) == wire.pack(trace)


def test_pickled_arrays_are_never_loaded():
    buffer = io.BytesIO()
    np.savez(buffer, header=np.array([{"version": wire.VERSION}], dtype=object))
    with pytest.raises(ValueError, match="holds object of shape"):
        wire.unpack(buffer.getvalue())


@pytest.mark.parametrize("data", [b"", b"not a zip at all", b"PK\x03\x04 cut short"])
def test_other_bytes_are_refused_with_a_sentence(data):
    with pytest.raises(ValueError, match="not a recorded trace"):
        wire.unpack(data)

"""Wire: what was packed comes back equal, and anything else is refused."""

import io

import numpy as np
import pytest

from anatomy import wire
from anatomy.request import Intervention, Run, Want
from anatomy.spec import LearnedPositions
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


def test_a_trace_written_before_runs_had_tails_and_wants_had_tokens_can_be_read(monkeypatch):
    plain = wire.asdict
    new = {"tail", "token", "against"}
    monkeypatch.setattr(wire, "asdict", lambda v: {key: item for key, item in plain(v).items() if key not in new})
    trace = Trace(Run(SPEC.id, "患"), SPEC, TOKENS, {Want("logits", pos=1): ARRAYS[Want("logits", pos=1)]})
    back = wire.unpack(wire.pack(trace))
    assert (back.run, set(back.arrays)) == (trace.run, set(trace.arrays))


def test_a_trace_written_when_interventions_were_called_edits_can_be_read(monkeypatch):
    plain, names = wire.asdict, {"interventions": "edits"}
    monkeypatch.setattr(wire, "asdict", lambda v: {names.get(key, key): item for key, item in plain(v).items()})
    run = Run(SPEC.id, "患").intervened(Intervention("attn_out", "zero", 0))
    written = wire.pack(Trace(run, SPEC, TOKENS, {}))
    with np.load(io.BytesIO(written)) as file:
        assert b'"edits": [{' in file["header"].tobytes()
    assert wire.unpack(written).run == run


def test_a_spec_with_special_tokens_comes_back_equal():
    model = spec(tokenizer="BPE", special=("<s>", "</s>"), chat=True)
    assert wire.unpack(wire.pack(Trace(Run(model.id, "患"), model, TOKENS, {}))).spec == model


def test_a_spec_written_before_it_knew_the_tokenizer_can_be_read(monkeypatch):
    plain = wire.asdict
    new = {"tokenizer", "special", "chat"}
    monkeypatch.setattr(wire, "asdict", lambda v: {key: item for key, item in plain(v).items() if key not in new})
    assert wire.unpack(wire.pack(Trace(Run(SPEC.id, "患"), SPEC, TOKENS, {}))).spec == SPEC


def test_the_same_trace_gives_the_same_bytes():
    trace = Trace(Run(SPEC.id, "x"), SPEC, TOKENS, ARRAYS)
    assert wire.pack(trace) == wire.pack(trace)


def test_pickled_arrays_are_never_loaded():
    buffer = io.BytesIO()
    np.savez(buffer, header=np.array([{"version": wire.VERSION}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        wire.unpack(buffer.getvalue())


@pytest.mark.parametrize("data", [b"", b"not a zip at all", b"PK\x03\x04 cut short"])
def test_other_bytes_are_refused_with_a_sentence(data):
    with pytest.raises(ValueError, match="not a recorded trace"):
        wire.unpack(data)

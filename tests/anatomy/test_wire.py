"""Wire: what was packed comes back equal, and anything else is refused."""

import io

import numpy as np
import pytest

from anatomy import wire
from anatomy.request import Run, Want
from anatomy.spec import LearnedPositions
from anatomy.trace import Token, Trace
from tests.anatomy.spec import SPEC, spec

TOKENS = (Token(5, "Ġ患", None, b"\xe6\x82", 0, 1), Token(6, "</s>", "", b"", 1, 1, special=True))
ARRAYS = {
    Want("tok_embed"): np.arange(16, dtype=np.float32).reshape(2, 8),
    Want("pattern", 2, "dec"): np.full((4, 2, 2), 0.5, np.float32),
    Want("logits", pos=1): np.linspace(-3, 3, 50, dtype=np.float32),
}


@pytest.mark.parametrize("position", [SPEC.position, LearnedPositions(64), None])
def test_a_trace_comes_back_equal(position):
    trace = Trace(Run(SPEC.id, "患\x00", True), spec(position=position), TOKENS, ARRAYS)
    back = wire.unpack(wire.pack(trace))
    assert (back.run, back.spec, back.tokens) == (trace.run, trace.spec, trace.tokens)
    assert set(back.arrays) == set(ARRAYS)
    for want, array in ARRAYS.items():
        assert back[want].dtype == array.dtype
        assert (back[want] == array).all()


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

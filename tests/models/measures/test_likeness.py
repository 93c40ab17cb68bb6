"""Cosines between the streams of tokens: those of the streams themselves, one position at a time."""

import numpy as np
import pytest
import torch

from anatomy.measure import cosine_matrix
from anatomy.refused import Refused
from anatomy.request import Run, Want
from models.measures import likeness
from models.measures.context import RunContext
from models.reading.layer_inputs import LayerInputs
from models.reading.recorder import Call
from tests.models.tiny import new_tiny_engine, tiny_engine

TEXT = "some words, some"


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
def test_each_layer_has_the_cosines_of_the_streams_that_leave_it(kind: str) -> None:
    engine = tiny_engine(kind)
    streams = [Want("resid_post", layer) for layer in range(3)]
    trace = engine.run(Run(engine.spec.id, TEXT), [Want("cos_tokens", pos=5), *streams])
    expected = [cosine_matrix(trace[want])[5] for want in streams]
    np.testing.assert_allclose(trace[Want("cos_tokens", pos=5)], expected, atol=1e-5)


def test_a_token_is_like_itself_in_every_layer() -> None:
    engine = tiny_engine()
    trace = engine.run(Run(engine.spec.id, TEXT), [Want("cos_tokens", pos=5), Want("cos_tokens", pos=2)])
    np.testing.assert_allclose(trace[Want("cos_tokens", pos=5)][:, 5], 1, atol=1e-6)
    np.testing.assert_allclose(
        trace[Want("cos_tokens", pos=2)][:, 5], trace[Want("cos_tokens", pos=5)][:, 2], atol=1e-6
    )


def test_no_layer_runs_again() -> None:
    engine, ran = new_tiny_engine("llama"), []
    run = Run(engine.spec.id, TEXT)
    engine.run(run, [Want("resid_pre", 0)])
    for layer in engine.model.base_model.layers:
        layer.register_forward_hook(lambda *call: ran.append(1))
    engine.run(run, [Want("cos_tokens", pos=5)])
    assert ran == []


def test_all_positions_at_once_are_refused() -> None:
    with pytest.raises(Refused, match="one position at a time"):
        tiny_engine().run(Run(tiny_engine().spec.id, TEXT), [Want("cos_tokens")])


def test_a_stream_of_no_length_is_like_nothing() -> None:
    flat = torch.zeros(1, 2, 4)
    context = RunContext(tiny_engine()._loaded, np.arange(2), LayerInputs((Call((flat,), {}),), flat))
    found = likeness.answer(context, [Want("cos_tokens", pos=0)])
    assert found[Want("cos_tokens", pos=0)].tolist() == [[0, 0]]

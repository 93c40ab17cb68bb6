"""How far layers are apart in their matrices: 0 where they share them."""

import numpy as np
import pytest
from torch import nn

from anatomy.request import Run, Want
from models.loaded import sharing
from models.loaded.sharing import gaps
from models.local.engine import LocalEngine
from tests.models.tiny import ByteTokenizer, new_tiny_engine, tiny_engine, tiny_model

GAP = Want("weight_gap")


def asked(engine: LocalEngine) -> np.ndarray:
    return engine.run(Run(engine.spec.id, "some words"), [GAP])[GAP]


def test_layers_with_matrices_of_their_own_are_apart() -> None:
    assert asked(tiny_engine()).min() > 0.5


def test_layers_that_share_their_matrices_are_told_even_when_their_norms_differ() -> None:
    model = tiny_model("llama")
    first, second = (layer.state_dict() for layer in model.model.layers[:2])
    model.model.layers[1].load_state_dict(first | {name: second[name] for name in first if "norm" in name})
    found = asked(LocalEngine(model, ByteTokenizer(), name="shared"))
    assert found[1] == 0
    assert found[[0, 2]].min() > 0.5


def test_one_matrix_that_differs_is_enough() -> None:
    model = tiny_model("gpt2")
    for layer in model.transformer.h[1:]:
        layer.load_state_dict(model.transformer.h[0].state_dict())
    model.transformer.h[2].mlp.c_proj.weight.data[3, 4] += 0.25
    np.testing.assert_allclose(asked(LocalEngine(model, ByteTokenizer(), name="one")), [0.25, 0, 0.25])


def test_matrices_are_read_for_those_who_ask_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, engine = [], new_tiny_engine()
    monkeypatch.setattr(sharing, "gaps", lambda layers: calls.append(len(layers)) or gaps(layers))
    run = Run(engine.spec.id, "some words")
    engine.run(run, [Want("attn_gain", 1), Want("pattern", 0)])
    assert calls == []
    for _time in range(2):
        engine.run(run, [GAP])
    assert calls == [3]


def test_a_layer_alone_has_nothing_to_be_held_against() -> None:
    assert np.isnan(gaps([nn.Linear(2, 2)])).all()

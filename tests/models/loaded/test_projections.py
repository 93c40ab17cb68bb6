"""How long a head's vectors are in the stream: the small factors give what the whole output projection gives."""

import numpy as np
import pytest
import torch

from anatomy.request import Intervention, Run, Want
from models.families import load
from models.loaded.projections import head_factors, out_projection
from models.measures.value_weighted import lengths, moved
from models.reading.interventions import Changes, intervening
from tests.models.tiny import MODELS, TEXT, new_tiny_engine, tiny_engine

ARCS = tuple(Want(f"top_{part}") for part in ("src", "head", "weight", "moved"))


def projected(engine, layer: int, vectors: torch.Tensor) -> torch.Tensor:
    """Length of each head's vectors [head n d_head] after its rows of the projection: [head n]."""
    spec = engine.spec
    rows = out_projection(engine._loaded, layer).rows.unflatten(0, (spec.n_heads, spec.d_head))
    return torch.linalg.vector_norm(vectors @ rows, dim=-1)


def some(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", MODELS)
def test_a_vector_is_as_long_through_its_heads_factor_as_through_the_projection(kind: str) -> None:
    engine = tiny_engine(kind)
    vectors = some(engine.spec.n_heads, 7, engine.spec.d_head)
    for layer in range(engine.spec.layers):
        factors = head_factors(engine._loaded, layer)
        short = torch.linalg.vector_norm(vectors @ factors.transpose(1, 2), dim=-1)
        torch.testing.assert_close(short, projected(engine, layer, vectors))


@pytest.mark.parametrize("kind", MODELS)
def test_each_query_head_moves_the_values_of_its_own_group(kind: str) -> None:
    engine = tiny_engine(kind)
    spec = engine.spec
    values = some(spec.n_kv, 5, spec.d_head)
    of_heads = torch.stack([values[head // (spec.n_heads // spec.n_kv)] for head in range(spec.n_heads)])
    torch.testing.assert_close(lengths(engine._loaded, 1, values), projected(engine, 1, of_heads))


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_factors_are_made_anew_where_the_weights_have_changed(kind: str) -> None:
    engine = new_tiny_engine(kind)
    before = head_factors(engine._loaded, 1)
    assert head_factors(engine._loaded, 1) is before
    module = engine._loaded.layers[1].get_submodule(load()[kind].writes[0])
    with torch.no_grad():
        module.get_parameter("weight").mul_(3.0)
    vectors = some(engine.spec.n_heads, 2, engine.spec.d_head)
    after = torch.linalg.vector_norm(vectors @ head_factors(engine._loaded, 1).transpose(1, 2), dim=-1)
    torch.testing.assert_close(after, 3.0 * torch.linalg.vector_norm(vectors @ before.transpose(1, 2), dim=-1))
    torch.testing.assert_close(after, projected(engine, 1, vectors))


def test_attention_that_writes_nothing_moves_nothing_while_it_does_not() -> None:
    engine, nothing = tiny_engine(), Intervention("attn_out", "zero", 1)
    values = some(engine.spec.n_kv, 5, engine.spec.d_head)
    with intervening(Changes.of((nothing,))):
        arrives = moved(engine._loaded, 1, values).arrives
        assert arrives is not None
        assert not arrives.any()
        assert moved(engine._loaded, 0, values).arrives is None
    assert moved(engine._loaded, 1, values).arrives is None
    trace = engine.run(Run(engine.spec.id, TEXT, interventions=(nothing,)), ARCS)
    source, head, weight, brought = (trace[want][1] for want in ARCS)
    np.testing.assert_array_equal(np.stack([source, head]), -1)
    assert not weight.any()
    assert not brought.any()
    assert (trace[ARCS[0]][0, 2:] > 0).all()

"""The family tables: found by themselves, tested on every model type they name, and plain about the others."""

import pytest
from torch import nn

from anatomy.published import PATHS
from anatomy.refused import Refused
from anatomy.spec import ModelSpec
from models.families import family_of, load
from tests.models.tiny import MODELS, MOST_PARAMETERS, tiny_config, tiny_engine, tiny_model


def test_every_model_type_that_a_table_names_is_among_the_tested_models() -> None:
    named = {kind for family in load().values() for kind in family.model_types}
    assert named == {tiny_config(kind).model_type for kind in MODELS}


def test_no_model_type_stands_in_two_tables() -> None:
    named = [kind for family in load().values() for kind in family.model_types]
    assert len(named) == len(set(named))


@pytest.mark.parametrize("name", load())
def test_a_family_is_found_under_the_name_of_its_file(name: str) -> None:
    family = load()[name]
    assert family.name == name
    assert all(family_of(kind) is family for kind in family.model_types)


def test_a_type_without_a_table_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        Refused, match=r"type “mamba” cannot be opened yet\. These can: bert, gpt2, llama, mistral, qwen2"
    ):
        family_of("mamba")


@pytest.mark.parametrize("kind", MODELS)
def test_the_tiny_models_are_tiny_and_the_same_every_time(kind: str) -> None:
    one, other = tiny_model(kind), tiny_model(kind)
    assert 10_000 < sum(weight.numel() for weight in one.parameters()) < MOST_PARAMETERS
    assert all((one.state_dict()[name] == tensor).all() for name, tensor in other.state_dict().items())


@pytest.mark.parametrize("kind", MODELS)
def test_a_site_is_tapped_or_missing_but_not_both(kind: str) -> None:
    family = family_of(tiny_config(kind).model_type)
    assert not set(family.taps) & set(family.missing)
    assert {"gate", "pos_embed"} <= set(family.taps) | set(family.missing) | (
        {"pos_embed"} if family.positions else set()
    )


@pytest.mark.parametrize("kind", MODELS)
def test_the_paths_of_a_spec_lead_to_the_parts_that_they_name(kind: str) -> None:
    engine = tiny_engine(kind)
    spec, body, paths = engine.spec, engine.model.base_model, engine.spec.paths
    layer = engine._loaded.layers[1]
    assert _width(layer.get_submodule(paths.attention)) == (spec.n_heads * spec.d_head, spec.d_model)
    assert _width(layer.get_submodule(paths.ffn)) == (spec.d_ff, spec.d_model)
    assert [_width(layer.get_submodule(path)) for path in paths.inner] == [(spec.d_model, spec.d_ff)] * _inner(spec)
    for norm in (*map(layer.get_submodule, paths.norms), *map(body.get_submodule, _given(paths.final_norm))):
        assert norm.get_parameter("weight").shape == (spec.d_model,)
    for table in map(body.get_submodule, _given(paths.positions)):
        assert table.get_parameter("weight").shape[1] == spec.d_model
    for attention in map(body.get_submodule, _given(paths.bias)):
        assert attention.get_submodule("relative_attention_bias").get_parameter("weight").shape[1] == spec.n_heads
    assert bool(paths.head) == (spec.head is not None)
    assert bool(paths.bias) == (kind == "t5")
    assert bool(paths.positions) == (kind in ("gpt2", "bert", "bert-headless"))
    assert all(hasattr(engine.model, name) for name in _given(paths.head))


def _given(path: str) -> list[str]:
    return [path] if path else []


def _inner(spec: ModelSpec) -> int:
    return 2 if spec.ffn.gated else 1


def _width(module: nn.Module) -> tuple[int, int]:
    """(numbers read, written) of a projection: the library's Linear keeps a row per output, Conv1D one per input."""
    rows, columns = module.get_parameter("weight").shape
    return (columns, rows) if isinstance(module, nn.Linear) else (rows, columns)


def test_the_published_models_keep_their_parts_where_llama_does() -> None:
    assert tiny_engine("llama").spec.paths == PATHS


def test_what_papers_call_a_family_is_on_the_spec() -> None:
    assert {kind: tiny_engine(kind).spec.architecture for kind in ("llama", "mistral", "gpt2", "bert", "t5")} == {
        "llama": "Llama",
        "mistral": "Llama",
        "gpt2": "GPT-2",
        "bert": "BERT",
        "t5": "T5",
    }

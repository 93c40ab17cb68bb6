"""The family tables: found by themselves, tested on every model type they name, and plain about the others."""

import pytest

from anatomy.refused import Refused
from models.families import family_of, load
from tests.models.tiny import MODELS, MOST_PARAMETERS, tiny_config, tiny_model


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

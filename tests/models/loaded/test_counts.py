"""Facts of a model that claims and the calculator rest on: parameters by part, dropout, batch norms, mask token."""

import pytest
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from anatomy.request import Run
from anatomy.spec import ModelSpec, Rope
from anatomy.wire import pack, unpack
from models.families import family_of
from models.loaded.counts import batch_norms
from models.loaded.model import LoadedModel
from tests.models.measures.test_derived import NOWHERE
from tests.models.real import real_engine
from tests.models.tiny import MODELS, tiny_config, tiny_engine, tiny_model

D, FF, VOCAB, LAYERS, PLACES = 32, 48, 256, 3, 64  # of the tiny models
PART_NAMES = ("embedding", "positions", "output", "norms", "attention", "ffn", "other")


def spec(kind: str) -> ModelSpec:
    return tiny_engine(kind).spec


@pytest.mark.parametrize("kind", MODELS)
def test_the_parts_add_up_to_all_parameters(kind: str) -> None:
    counts = spec(kind).counts
    assert tuple(part for part, _count in counts) == PART_NAMES
    assert sum(count for _part, count in counts) == spec(kind).weights.parameters
    assert spec(kind).weights.parameters == sum(weight.numel() for weight in tiny_model(kind).parameters())
    assert hash(spec(kind))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("llama", {"positions": 0, "output": 0, "norms": 7 * D, "attention": 9 * D * D, "ffn": 9 * D * FF, "other": 0}),
        (
            "gpt2",
            {
                "positions": PLACES * D,
                "output": 0,
                "norms": 14 * D,
                "attention": 3 * (4 * D * D + 4 * D),
                "ffn": 3 * (2 * D * FF + FF + D),
                "other": 0,
            },
        ),
        (
            "bert",
            {
                "positions": PLACES * D,
                "output": D * D + D + 2 * D + VOCAB,
                "norms": 14 * D,
                "attention": 3 * (4 * D * D + 4 * D),
                "ffn": 3 * (2 * D * FF + FF + D),
                "other": 2 * D,  # the table of text A and text B
            },
        ),
        (
            "t5",
            {"positions": 12 * 4, "output": 0, "norms": 7 * D, "attention": 12 * D * 24, "ffn": 6 * D * FF, "other": 0},
        ),
    ],
)
def test_each_part_has_the_parameters_that_its_shapes_give(kind: str, expected: dict[str, int]) -> None:
    assert dict(spec(kind).counts) == {"embedding": VOCAB * D, **expected}


def test_an_output_layer_of_its_own_is_counted_as_one() -> None:
    config = tiny_config("llama")
    config.tie_word_embeddings = False
    loaded = LoadedModel(LlamaForCausalLM(config), family_of("llama"), "untied", "0", NOWHERE)
    counts = dict(loaded.spec.counts)
    assert (counts["embedding"], counts["output"]) == (VOCAB * D, VOCAB * D)
    assert sum(counts.values()) == loaded.spec.weights.parameters


@pytest.mark.parametrize(
    ("kind", "dropout"), [("llama", 0.0), ("qwen2", 0.0), ("gpt2", 0.1), ("bert", 0.1), ("t5", 0.1)]
)
def test_dropout_is_the_largest_of_the_configuration(kind: str, dropout: float) -> None:
    assert spec(kind).dropout == dropout


def test_dropout_of_a_head_that_is_not_opened_does_not_count() -> None:
    config = tiny_config("gpt2")
    config.resid_pdrop = config.embd_pdrop = 0.0
    config.attn_pdrop, config.summary_first_dropout = 0.05, 0.5
    model = tiny_model("gpt2")
    model.config = config
    assert LoadedModel(model, family_of("gpt2"), "gpt2", "0", NOWHERE).spec.dropout == 0.05


def test_norms_over_a_batch_are_found_where_there_are_any() -> None:
    assert {spec(kind).batch_norms for kind in MODELS} == {0}
    assert batch_norms(nn.Sequential(nn.LayerNorm(2), nn.BatchNorm1d(2), nn.Sequential(nn.BatchNorm2d(2)))) == 2


def test_a_rescaled_rotation_says_how_long_texts_were_before() -> None:
    scaled = {
        "rope_type": "llama3",
        "rope_theta": 5e5,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
    }
    fields = tiny_config("llama").to_dict() | {"rope_parameters": scaled}
    model = LlamaForCausalLM(LlamaConfig(**fields))
    position = LoadedModel(model, family_of("llama"), "scaled", "0", NOWHERE).spec.position
    assert isinstance(position, Rope)
    assert (position.scaling, position.original) == ("llama3", 16)
    plain = spec("llama").position
    assert isinstance(plain, Rope)
    assert plain.original is None


def test_the_facts_travel() -> None:
    for kind in MODELS:
        trace = tiny_engine(kind).run(Run(spec(kind).id, "some words"))
        assert unpack(pack(trace)).spec == spec(kind)


@pytest.mark.real
def test_the_real_models_have_the_facts_of_their_files() -> None:
    smollm2, minilm = (real_engine(name).spec for name in ("smollm2-135m", "minilm-l6"))
    assert dict(smollm2.counts)["embedding"] == 49_152 * 576
    assert dict(minilm.counts)["positions"] == 512 * 384
    assert [sum(count for _part, count in found.counts) for found in (smollm2, minilm)] == [
        found.weights.parameters for found in (smollm2, minilm)
    ]
    assert (smollm2.mask_token, minilm.mask_token) == (None, "[MASK]")

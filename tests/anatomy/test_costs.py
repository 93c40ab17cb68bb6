"""Costs from configurations: held against what tiny models of each family have and do, and against published counts."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from anatomy.costs import (
    PRECISIONS,
    arithmetic,
    attention_macs,
    cache_bytes,
    configuration,
    matmul_params,
    parameters,
    total,
    training,
    weight_bytes,
)
from anatomy.published import LLAMA_31, TRAINED_OPERATIONS, TRAINED_TOKENS
from anatomy.spec import Stack
from panels.scale.compared import Compared
from tests.anatomy.spec import spec
from tests.models.tiny import MODELS, tiny_engine, tiny_model

OF_BERT = ("token_type_embeddings", "pooler")  # which no configuration here describes
COUNTS = {"Llama 3.1 8B": 8_030_261_248, "Llama 3.1 70B": 70_553_706_496, "Llama 3.1 405B": 405_853_388_800}


def counted(kind: str) -> Counter:
    """Real parameters of a tiny model: those that no formula covers under "other", all the rest under "described"."""
    found = Counter(described=0, other=0)
    for name, weight in tiny_model(kind).named_parameters():
        found["other" if any(part in name for part in OF_BERT) else "described"] += weight.numel()
    return found


@pytest.mark.parametrize("kind", MODELS)
def test_the_parameters_of_every_family_are_those_of_the_model(kind):
    real, model = counted(kind), tiny_engine(kind).spec
    assert total(configuration(model)) == real["described"]
    assert real.total() == model.weights.parameters
    if "bert" not in kind:
        assert real["other"] == 0


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2"])
def test_every_part_of_a_llama_has_the_parameters_of_its_modules(kind):
    real = Counter()
    for name, weight in tiny_model(kind).named_parameters():
        part = next((part for part in ("q", "k", "v", "o", "gate", "up", "down") if f".{part}_proj." in name), None)
        real[part or ("norms" if "norm" in name else "embedding")] += weight.numel()
    assert {part: count for part, count in parameters(configuration(tiny_engine(kind).spec)).items() if count} == real


@pytest.mark.parametrize("published", LLAMA_31, ids=lambda published: published.configuration.name)
def test_the_count_of_llama_31_is_the_published_one(published):
    count = total(published.configuration)
    assert count == COUNTS[published.configuration.name]
    digits = len(published.parameters.removesuffix(" B").partition(".")[2])
    assert abs(count / 1e9 - float(published.parameters.removesuffix(" B"))) < 10.0**-digits


def test_training_405b_takes_the_arithmetic_that_was_published():
    found = training(total(LLAMA_31[-1].configuration), TRAINED_TOKENS)
    assert found == pytest.approx(TRAINED_OPERATIONS, rel=0.005)


@pytest.mark.parametrize("kind", MODELS)
def test_the_arithmetic_per_token_is_what_a_forward_pass_does(kind):
    """A pass over n tokens computes every pair, masked or not: n tokens that see n each. Rotation angles and the dense
    layer for the first token alone (BERT's pooler) stand outside the formula."""
    n, model = 12, tiny_model(kind)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(input_ids=torch.arange(n)[None] + 40)
    by_module = counter.get_flop_counts()
    apart = sum(sum(ops.values()) for name, ops in by_module.items() if name.endswith(("rotary_emb", "pooler.dense")))
    given = replace(configuration(tiny_engine(kind).spec), windows=())
    assert counter.get_total_flops() - apart == n * arithmetic(given, n)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2"])
def test_the_cache_takes_the_bytes_of_the_librarys_own(kind):
    with torch.no_grad():
        cache = tiny_model(kind)(input_ids=torch.arange(20)[None], use_cache=True).past_key_values
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert cache_bytes(configuration(tiny_engine(kind).spec), 20, precision="float32") == held


def test_a_sliding_window_bounds_cache_and_attention():
    given = replace(LLAMA_31[0].configuration, windows=(1024,) * LLAMA_31[0].configuration.layers)
    assert cache_bytes(given, 8192) == cache_bytes(given, 131_072) == cache_bytes(LLAMA_31[0].configuration, 1023)
    assert attention_macs(given, 8192) == attention_macs(LLAMA_31[0].configuration, 1024)
    assert matmul_params(given) == matmul_params(LLAMA_31[0].configuration)


def test_llama_31_405b_needs_what_its_formulas_say():
    given = LLAMA_31[-1].configuration
    assert cache_bytes(given, 1) == 516_096
    assert cache_bytes(given, 131_072, given.n_heads) == 16 * cache_bytes(given, 131_072)
    assert weight_bytes(total(given), "bfloat16") == 2 * total(given)


def test_bytes_are_rounded_up_to_whole_ones():
    assert {name: weight_bytes(3, name) for name in PRECISIONS} == {"float32": 12, "bfloat16": 6, "int8": 3, "4 bit": 2}


def test_two_stacks_are_refused():
    with pytest.raises(ValueError, match="small has 2 stacks"):
        configuration(spec(stacks=(Stack("enc", 2, False), Stack("dec", 2, True))))


@pytest.mark.parametrize("kind", MODELS)
def test_every_group_of_parts_has_what_was_counted_in_the_loaded_model(kind):
    spec = tiny_engine(kind).spec
    groups = Compared(configuration(spec), counted=spec.weights.parameters).groups
    assert {group: count for group, count in spec.counts if count} == {g: n for g, n in groups.items() if n}


def test_the_library_builds_llama_31_405b_with_the_same_parameters():
    """On a device where weights have shapes and no numbers; two layers stand for all 126, which are equal."""
    given = replace(LLAMA_31[-1].configuration, layers=2)
    config = LlamaConfig(
        hidden_size=given.d_model,
        intermediate_size=given.d_ff,
        num_hidden_layers=given.layers,
        num_attention_heads=given.n_heads,
        num_key_value_heads=given.n_kv,
        vocab_size=given.vocab,
        tie_word_embeddings=False,
    )
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    assert sum(weight.numel() for weight in model.parameters()) == total(given)

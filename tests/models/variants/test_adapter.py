"""Weights with an adapter in them do what it does beside them, and the model that they came from keeps its own."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from peft import LoraConfig, PeftModel
from peft.utils import PeftType
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from models.checkpoints.adapters import BESIDE, CONFIG, MERGED, PROMPTS, WEIGHTS
from models.checkpoints.errors import WeightsError
from models.variants import adapter
from models.variants.adapter import merged
from tests.models.adapters import write, write_adapter
from tests.models.tiny import tiny_config, tiny_model

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*tie_word_embeddings"),
    pytest.mark.filterwarnings("ignore:Input and output embeddings are no longer tied"),
    pytest.mark.filterwarnings("ignore:Unsupported layer type"),
    pytest.mark.filterwarnings("ignore:Found missing adapter keys"),
    pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to"),
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing"),
    pytest.mark.filterwarnings("ignore:.*BEFT adapter into"),
    pytest.mark.filterwarnings("ignore:.*(CUDA extension|boft_n_butterfly_factor|oft_block_size|invariant checks)"),
    pytest.mark.filterwarnings("ignore:Adapter 'default'.*invalid shape"),
]
KINDS = ("llama", "mistral", "qwen2", "gpt2", "bert", "bert-headless", "t5")
CLOSE = 1e-5  # of the largest output
IDS = torch.tensor([list(b"the cat, the hat")])


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    return dict(model.named_parameters(remove_duplicate=False))


def outputs(model: nn.Module) -> Tensor:
    with torch.no_grad():
        return model(input_ids=IDS)[0]


@contextmanager
def untouched(model: PreTrainedModel) -> Iterator[None]:
    """Inside a `with`, neither the model nor the memory that its parameters share changes."""
    memory = {name: (weight, weight.data_ptr(), weight.clone()) for name, weight in weights_of(model).items()}
    settings, parts = model.config.to_dict(), [type(module) for module in model.modules()]
    yield
    assert model.config.to_dict() == settings
    assert [type(module) for module in model.modules()] == parts
    assert weights_of(model).keys() == memory.keys()
    for name, weight in weights_of(model).items():
        before, place, numbers = memory[name]
        assert weight is before, name
        assert weight.data_ptr() == place, name
        assert torch.equal(weight, numbers), name


def with_weights(model: PreTrainedModel, changed: dict[str, Tensor]) -> PreTrainedModel:
    """A copy of the model with other parameters under these names, each on its own."""
    made = deepcopy(model)
    for name, tensor in changed.items():
        path, _dot, leaf = name.rpartition(".")
        made.get_submodule(path).register_parameter(leaf, nn.Parameter(tensor.clone(), requires_grad=False))
    return made


def beside(model: PreTrainedModel, folder: Path) -> Tensor:
    """What the model gives with the adapter at work beside it, as peft runs it. No memory is shared."""
    made = deepcopy(model)
    for module in made.modules():  # tables that are one with an output layer are trained apart from it
        for leaf, weight in module._parameters.items():
            module._parameters[leaf] = None if weight is None else nn.Parameter(weight.detach().clone(), False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return outputs(PeftModel.from_pretrained(made, str(folder)).eval())


def check(model: PreTrainedModel, folder: Path) -> dict[str, Tensor]:
    """The weights that an adapter changes, once all that holds for them has been tried."""
    with untouched(model):
        changed = merged(model, folder)
    expected, found = beside(model, folder), outputs(with_weights(model, changed))
    largest = expected.abs().max()
    assert (found - expected).abs().max() <= CLOSE * largest
    own = weights_of(model)
    assert all(tensor.shape == own[name].shape for name, tensor in changed.items())
    assert all(tensor.dtype == torch.float32 and not tensor.requires_grad for tensor in changed.values())
    return changed


@pytest.mark.parametrize("kind", KINDS)
def test_weights_with_an_adapter_in_them_do_what_it_does(kind, tmp_path):
    model = tiny_model(kind)
    changed = check(model, write_adapter(tmp_path, model))
    assert (outputs(model) - outputs(with_weights(model, changed))).abs().max() > 0.01 * outputs(model).abs().max()
    held = load_file(tmp_path / WEIGHTS)
    of = {name.removeprefix("base_model.model.").partition(".lora_")[0] + ".weight" for name in held}
    assert changed.keys() == of, "every matrix that the file speaks of, and no other"


def test_lora_adds_b_times_a(tmp_path):
    model = tiny_model("llama")
    changed = merged(model, write_adapter(tmp_path, model, rank=3, target_modules=["k_proj"], lora_alpha=12))
    held = load_file(tmp_path / WEIGHTS)
    for name, tensor in changed.items():
        a, b = (held[f"base_model.model.{name.removesuffix('.weight')}.lora_{part}.weight"] for part in "AB")
        torch.testing.assert_close(tensor, weights_of(model)[name] + 12 / 3 * b @ a)  # Hu et al. 2021, sec. 4.1


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("llama", {"use_dora": True}),
        ("gpt2", {"use_dora": True}),
        ("llama", {"use_rslora": True}),
        ("llama", {"target_modules": "all-linear"}),
        ("llama", {"target_modules": r".*layers\.1\..*(q|o)_proj"}),
        ("llama", {"rank_pattern": {"v_proj": 5}, "alpha_pattern": {"q_proj": 1}}),
        ("llama", {"layers_to_transform": [1]}),
        ("gpt2", {"bias": "lora_only"}),
        ("gpt2", {"bias": "all"}),
        ("gpt2", {"lora_bias": True}),
        ("qwen2", {"bias": "lora_only", "target_modules": ["q_proj"]}),
        ("bert", {"modules_to_save": ["cls"]}),
        ("gpt2", {"modules_to_save": ["ln_f"]}),
        ("llama", {"trainable_token_indices": [3, 97]}),
        ("llama", {"init_lora_weights": "olora"}),
        ("llama", {"init_lora_weights": "pissa"}),
        ("llama", {"init_lora_weights": "pissa_niter_4"}),
        ("llama", {"init_lora_weights": "orthogonal"}),
    ],
    ids=str,
)
def test_so_do_those_of_every_setting(kind, settings, tmp_path):
    model = tiny_model(kind)
    changed = check(model, write_adapter(tmp_path, model, **settings))
    assert changed
    if settings.get("bias"):
        assert any(name.endswith("bias") for name in changed)


OTHER_KINDS: dict[str, dict[str, Any]] = {
    "ADALORA": {"total_step": 10},
    "C3A": {"block_size": 16},
    "IA3": {"target_modules": ["k_proj", "down_proj"], "feedforward_modules": ["down_proj"]},
    "LN_TUNING": {"target_modules": ["input_layernorm"]},
    "MISS": {"r": 4},
    "ROAD": {"group_size": 16},
    "SHIRA": {"r": 2},
    "TRAINABLE_TOKENS": {"target_modules": None, "token_indices": [97, 101]},
    "VBLORA": {"vector_length": 16, "num_vectors": 20},
    "WAVEFT": {"n_frequency": 40},
}


@pytest.mark.parametrize("kind", sorted(MERGED - {"BEFT"}))
def test_every_kind_that_can_be_merged_is(kind, tmp_path):
    model = tiny_model("llama")
    settings = {"target_modules": ["q_proj", "down_proj"]} | OTHER_KINDS.get(kind, {})
    config = peft.mapping.PEFT_TYPE_TO_CONFIG_MAPPING[PeftType(kind)](
        **{name: value for name, value in settings.items() if value is not None}
    )
    assert check(model, write(tmp_path, model, config, scale=0.05))


def test_one_of_biases_is(tmp_path):
    model = tiny_model("bert")
    changed = check(model, write(tmp_path, model, peft.BeftConfig(target_modules=["value"])))
    assert {name.rpartition(".")[2] for name in changed} == {"bias"}


def test_every_kind_that_peft_has_is_in_one_of_the_lists():
    assert set(PeftType.__members__) == MERGED | PROMPTS | BESIDE | {"ADAMSS", "BOFT"}, (
        "AdaMSS needs scikit-learn, BOFT a compiler"
    )


# what stays as it is


@pytest.mark.parametrize("kind", ["llama", "bert", "gpt2"])
def test_an_adapter_that_was_never_trained_changes_nothing(kind, tmp_path):
    model = tiny_model(kind)
    write_adapter(tmp_path, model, scale=0.0)
    held = load_file(tmp_path / WEIGHTS)
    assert all(not tensor.any() for name, tensor in held.items() if "lora_B" in name)
    assert check(model, tmp_path) == {}


def test_an_adapter_of_rank_0_changes_nothing(tmp_path, monkeypatch):
    model = tiny_model("llama")
    write_adapter(tmp_path, model)
    settings = json.loads((tmp_path / CONFIG).read_text("utf-8"))
    (tmp_path / CONFIG).write_text(json.dumps(settings | {"r": 0}), "utf-8")
    save_file({}, tmp_path / WEIGHTS)
    monkeypatch.setitem(sys.modules, "peft", None)  # which refuses a rank of 0
    assert merged(model, tmp_path) == {}


def test_memory_that_a_base_shares_is_not_changed(tmp_path):
    """Parameters of its own on the base's memory: what a variant is made of."""
    base = tiny_model("llama")
    write_adapter(tmp_path, base)
    shares = deepcopy(base)
    for name, weight in weights_of(shares).items():
        weight.data = weights_of(base)[name].data
    with untouched(base):
        changed = merged(shares, tmp_path)
    places = {weight.untyped_storage().data_ptr() for weight in base.parameters()}
    assert not places & {tensor.untyped_storage().data_ptr() for tensor in changed.values()}


def test_it_does_the_same_inside_inference_and_on_its_tensors(tmp_path):
    model = tiny_model("llama")
    write_adapter(tmp_path, model, bias="all", modules_to_save=["norm"])
    outside = merged(model, tmp_path)
    with torch.inference_mode():
        inside = merged(
            with_weights(model, {name: weight.clone() for name, weight in weights_of(model).items()}), tmp_path
        )
    assert outside.keys() == inside.keys()
    assert all(torch.equal(outside[name], inside[name]) for name in outside)


def test_random_numbers_of_others_go_on_as_before(tmp_path):
    model = tiny_model("llama")
    write_adapter(tmp_path, model, init_lora_weights="pissa_niter_2")
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first, second = merged(model, tmp_path), merged(model, tmp_path)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(first[name], second[name]) for name in first)


# one tensor with two names


TABLE, HEAD = "model.embed_tokens.weight", "lm_head.weight"


def test_an_adapter_of_the_table_unties_the_output_layer(tmp_path):
    model = tiny_model("llama")
    assert model.lm_head.weight is model.model.embed_tokens.weight
    changed = check(model, write_adapter(tmp_path, model, target_modules=["embed_tokens"]))
    assert changed.keys() == {TABLE, HEAD}
    assert changed[HEAD].data_ptr() == model.lm_head.weight.data_ptr()
    assert not torch.equal(changed[TABLE], changed[HEAD])


@pytest.mark.parametrize(
    "settings",
    [{"trainable_token_indices": [3, 97]}, {"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True}],
    ids=str,
)
def test_one_that_changes_both_alike_leaves_them_tied(settings, tmp_path):
    model = tiny_model("llama")
    changed = check(model, write_adapter(tmp_path, model, **settings))
    assert changed[TABLE] is changed[HEAD]
    assert not torch.equal(changed[TABLE], model.lm_head.weight)


def test_copies_of_both_that_were_trained_apart_are_apart(tmp_path):
    model = tiny_model("llama")
    changed = check(model, write_adapter(tmp_path, model, modules_to_save=["embed_tokens", "lm_head"]))
    assert not torch.equal(changed[TABLE], changed[HEAD])
    assert changed[HEAD].data_ptr() != model.lm_head.weight.data_ptr()


# what does not fit


Spoil = Callable[[dict[str, Tensor]], None]


def spoiled(folder: Path, spoil: Spoil) -> Path:
    """The same adapter with something done to the tensors of its file."""
    held = load_file(folder / WEIGHTS)
    spoil(held)
    save_file(held, folder / WEIGHTS)
    return folder


def _too_much(held: dict[str, Tensor]) -> None:
    held["base_model.model.model.layers.7.self_attn.q_proj.lora_A.weight"] = torch.ones(2, 2)


def _too_little(held: dict[str, Tensor]) -> None:
    del held["base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight"]


def _another_shape(held: dict[str, Tensor]) -> None:
    held["base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight"] = torch.ones(2, 5)


def _other_names(held: dict[str, Tensor]) -> None:
    for name in list(held):
        held[f"model.{name}"] = held.pop(name)


@pytest.mark.parametrize("began", [True, "olora"])
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_too_much, r"holds tensors that have no place in this model \(1: .*layers\.7\.self_attn\.q_proj"),
        (_too_little, r"lacks tensors that the adapter would have in this model \(1: .*layers\.1\..*lora_B"),
        (_another_shape, r"layers\.1\.self_attn\.q_proj\.lora_A\.weight has the shape 2 × 5, and .* would be 2 × 32"),
        (_other_names, r"lacks tensors .*\(6: "),
    ],
)
def test_a_file_that_does_not_fit_is_told(spoil, said, began, tmp_path):
    model = tiny_model("llama")
    write_adapter(tmp_path, model, target_modules=["q_proj"], init_lora_weights=began)
    with untouched(model), pytest.raises(WeightsError, match=f"does not fit LlamaForCausalLM: .*{said}"):
        merged(model, spoiled(tmp_path, spoil))


def _not_finite(held: dict[str, Tensor]) -> None:
    held["base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight"][0, 0] = torch.inf


def _not_a_number(held: dict[str, Tensor]) -> None:
    held["base_model.model.model.embed_tokens.weight"][200, 0] = torch.nan  # a token of no text that is tried


@pytest.mark.parametrize(("spoil", "said"), [(_not_finite, "NaNs detected"), (_not_a_number, "numbers that are none")])
def test_numbers_that_are_none_are_told(spoil, said, tmp_path):
    model = tiny_model("llama")
    write_adapter(tmp_path, model, target_modules=["q_proj"], modules_to_save=["embed_tokens"])
    with untouched(model), pytest.raises(WeightsError, match=said):
        merged(model, spoiled(tmp_path, spoil))


def test_an_adapter_of_another_model_is_told(tmp_path):
    write_adapter(tmp_path / "gpt2", tiny_model("gpt2"))
    llama = tiny_model("llama")
    with untouched(llama), pytest.raises(WeightsError, match=r"the parts 'c_attn, c_fc', and the model has none"):
        merged(llama, tmp_path / "gpt2")
    config = tiny_config("llama")
    config.num_hidden_layers += 1
    deeper = type(llama)(config)
    write_adapter(tmp_path / "deeper", deeper)
    with untouched(llama), pytest.raises(WeightsError, match=r"have no place in this model \(6: .*layers\.3\."):
        merged(llama, tmp_path / "deeper")
    config.num_hidden_layers, config.intermediate_size = llama.config.num_hidden_layers, 40
    write_adapter(tmp_path / "narrower", type(llama)(config))
    with untouched(llama), pytest.raises(WeightsError, match=r"down_proj\.lora_A\.weight has the shape 2 × 40, and"):
        merged(llama, tmp_path / "narrower")


def test_the_refusal_names_the_model_that_the_adapter_says_it_was_trained_on(tmp_path):
    write_adapter(tmp_path, tiny_model("gpt2"))
    with pytest.raises(WeightsError, match=r"Open the model that it was trained on with it\.$"):
        merged(tiny_model("llama"), tmp_path)
    settings = json.loads((tmp_path / CONFIG).read_text("utf-8"))
    (tmp_path / CONFIG).write_text(json.dumps(settings | {"base_model_name_or_path": "owner/gpt"}), "utf-8")
    with pytest.raises(WeightsError, match=r"It says that it was trained on owner/gpt: open that model with it\.$"):
        merged(tiny_model("llama"), tmp_path)


def test_what_peft_cannot_read_or_merge_is_told(tmp_path):
    model = tiny_model("llama")
    write(tmp_path / "beft", model, peft.BeftConfig(target_modules=["q_proj"]))
    with untouched(model), pytest.raises(WeightsError, match=r"cannot be added to LlamaForCausalLM: .*has no bias"):
        merged(model, tmp_path / "beft")
    write_adapter(tmp_path / "odd", model, target_modules=".*(q_proj|v_proj)")
    settings = json.loads((tmp_path / "odd" / CONFIG).read_text("utf-8"))
    (tmp_path / "odd" / CONFIG).write_text(json.dumps(settings | {"target_modules": "(q_proj"}), "utf-8")
    with untouched(model), pytest.raises(WeightsError, match="cannot be added to LlamaForCausalLM: "):
        merged(model, tmp_path / "odd")


def test_weights_that_do_something_else_than_the_adapter_are_not_given(tmp_path, monkeypatch):
    model = tiny_model("llama")
    write_adapter(tmp_path, model)
    merge = peft.tuners.lora.LoraModel.merge_and_unload

    def forgetful(self: Any, **_options: Any) -> nn.Module:
        found = merge(self, safe_merge=True)
        found.model.layers[0].self_attn.q_proj.weight.data *= 1.5
        return found

    monkeypatch.setattr(peft.tuners.lora.LoraModel, "merge_and_unload", forgetful)
    with untouched(model), pytest.raises(WeightsError, match="they put the model's output off by"):
        merged(model, tmp_path)


def test_memory_that_ran_out_is_told_as_such(tmp_path, monkeypatch):
    model = tiny_model("llama")
    write_adapter(tmp_path, model)

    def none_left(*_given: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(adapter, "_load", none_left)
    with pytest.raises(MemoryError):
        merged(model, tmp_path)


def test_settings_of_a_newer_peft_are_passed_over(tmp_path):
    model = tiny_model("llama")
    write_adapter(tmp_path, model)
    settings = json.loads((tmp_path / CONFIG).read_text("utf-8"))
    (tmp_path / CONFIG).write_text(json.dumps(settings | {"of_tomorrow": 3}), "utf-8")
    with pytest.warns(UserWarning, match="of_tomorrow"):
        assert merged(model, tmp_path)


def test_the_fixture_writes_the_same_adapter_twice(tmp_path):
    model = tiny_model("bert")
    one, again, other = (
        load_file(write_adapter(tmp_path / name, model, seed=seed) / WEIGHTS)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert all(torch.equal(tensor, again[name]) for name, tensor in one.items())
    assert not all(torch.equal(tensor, other[name]) for name, tensor in one.items())
    assert isinstance(LoraConfig.from_pretrained(str(tmp_path / "a")), LoraConfig)

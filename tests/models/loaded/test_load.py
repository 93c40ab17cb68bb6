"""The loaded model is the library's own, whole, in float32, with nothing left to chance."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    T5Config,
    T5ForSequenceClassification,
)

from models.checkpoints.errors import WeightsError
from models.checkpoints.locate import Located, locate
from models.loaded.load import load_model

IDS = torch.tensor([[5, 17, 40, 3, 99, 20]])


@pytest.fixture
def tiny_folder(tmp_path: Path, tiny_gguf: Path, own_cache: Path) -> Path:
    """The converted tiny Llama."""
    return locate(str(tiny_gguf)).folder


def _by_hand(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """A model built in memory in the ordinary way, then filled from the file: the slow way that is surely right."""
    loaded = model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    assert set(loaded.missing_keys) <= {"lm_head.weight"}
    assert set(loaded.unexpected_keys) <= {"embeddings.position_ids"}
    model.tie_weights()
    return model.eval()


def _first_output(model: PreTrainedModel) -> torch.Tensor:
    with torch.inference_mode():
        return model(IDS)[0]


def test_a_converted_llama_computes_what_one_built_by_hand_does(tiny_folder: Path) -> None:
    model = load_model(tiny_folder, attn_implementation="eager")
    config = LlamaConfig.from_pretrained(tiny_folder, attn_implementation="eager")
    assert type(model) is LlamaForCausalLM
    assert model.num_parameters() < 50_000
    assert torch.equal(_first_output(model), _first_output(_by_hand(LlamaForCausalLM(config), tiny_folder)))


@pytest.mark.real
def test_smollm2_computes_what_one_built_by_hand_does(smollm2: Located) -> None:
    model = load_model(smollm2.folder, attn_implementation="sdpa")
    with torch.device("meta"):
        by_hand = LlamaForCausalLM(LlamaConfig.from_pretrained(smollm2.folder))
    by_hand.to_empty(device="cpu")
    frequencies = 1.0 / 100_000.0 ** (torch.arange(0, 64, 2) / 64)  # RoFormer (Su et al. 2021), eq. 15
    by_hand.model.rotary_emb.inv_freq.copy_(frequencies)
    assert torch.equal(_first_output(model), _first_output(_by_hand(by_hand, smollm2.folder)))
    assert model.lm_head.weight is model.model.embed_tokens.weight


@pytest.mark.real
def test_minilm_has_no_head_and_computes_what_one_built_by_hand_does(minilm: Located) -> None:
    model = load_model(minilm.folder, attn_implementation="eager")
    config = BertConfig.from_pretrained(minilm.folder, attn_implementation="eager")
    assert type(model) is BertModel
    assert torch.equal(_first_output(model), _first_output(_by_hand(BertModel(config), minilm.folder)))


def test_it_is_for_reading_only_and_in_float32_with_the_attention_asked_for(tiny_folder: Path) -> None:
    model = load_model(tiny_folder, attn_implementation="eager")
    assert not model.training
    assert {(weight.dtype, weight.requires_grad) for weight in model.parameters()} == {(torch.float32, False)}
    assert {str(buffer.device) for buffer in model.buffers()} == {"cpu"}
    assert model.config._attn_implementation == "eager"
    assert torch.get_default_dtype() == torch.float32


def test_a_masked_model_keeps_its_head(tmp_path: Path) -> None:
    config = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    BertForMaskedLM(config).half().save_pretrained(tmp_path)
    model = load_model(tmp_path, attn_implementation="eager")
    assert type(model) is BertForMaskedLM
    assert model.dtype == torch.float32


def test_absent_parameters_are_an_error_not_random_numbers(tmp_path: Path, tiny_folder: Path) -> None:
    broken = Path(shutil.copytree(tiny_folder, tmp_path / "broken"))
    tensors = load_file(broken / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"lack parameters of the model \(1: model\.layers\.1\.mlp\.up_proj\.weight"):
        load_model(broken, attn_implementation="eager")


def test_a_model_type_that_the_library_does_not_know_is_an_error(tmp_path: Path, tiny_folder: Path) -> None:
    config = json.loads((tiny_folder / "config.json").read_text())
    broken = Path(shutil.copytree(tiny_folder, tmp_path / "broken"))
    (broken / "config.json").write_text(json.dumps({**config, "model_type": "llamarama"}))
    with pytest.raises(WeightsError, match=r"“llamarama”, which transformers .* does not know"):
        load_model(broken, attn_implementation="eager")


def test_a_model_that_is_neither_causal_nor_masked_is_refused(tmp_path: Path) -> None:
    config = T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    T5ForSequenceClassification(config).save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="holds a T5ForSequenceClassification"):
        load_model(tmp_path, attn_implementation="eager")


def test_a_damaged_weight_file_is_an_error(tmp_path: Path, tiny_folder: Path) -> None:
    broken = Path(shutil.copytree(tiny_folder, tmp_path / "broken"))
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="is cut off"):
        load_model(broken, attn_implementation="eager")


def test_models_that_are_loaded_at_once_are_all_whole(tmp_path: Path) -> None:
    """The library swaps functions of its classes while it loads: without a turn, weights that are tied come apart."""
    folders = [tmp_path / str(number) for number in range(6)]
    for folder in folders:
        LlamaForCausalLM(tied()).save_pretrained(folder)
    with ThreadPoolExecutor(len(folders)) as pool:
        models = [*pool.map(lambda folder: load_model(folder, attn_implementation="eager"), folders)]
    assert all(model.lm_head.weight is model.model.embed_tokens.weight for model in models)


def tied() -> LlamaConfig:
    return LlamaConfig(
        vocab_size=128,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
    )


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["model.layers.1.mlp.up_proj.weight", "model.embed_tokens.weight"])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, name: str, number: float) -> None:
    model = LlamaForCausalLM(tied())
    model.get_parameter(name).data[-1, 5] = number  # of the table the last row, which few texts hold
    model.save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match=f"{name} in .* holds numbers that are none"):
        load_model(tmp_path, attn_implementation="eager")


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer_config.json"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(tmp_path: Path, file: str) -> None:
    LlamaForCausalLM(tied()).save_pretrained(tmp_path)
    (tmp_path / file).unlink(missing_ok=True)
    os.mkfifo(tmp_path / file)
    with pytest.raises(WeightsError, match=f"{file} is a pipe or a device, not a file"):
        load_model(tmp_path, attn_implementation="eager")

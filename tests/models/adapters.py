"""Adapters for tiny models, made with peft on the spot: as random as training leaves them."""

import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

# The parts of a layer that LoRA changes unless a test says otherwise, by type of model.
TARGETS = {
    "llama": ["q_proj", "v_proj", "down_proj"],
    "mistral": ["q_proj", "v_proj", "down_proj"],
    "qwen2": ["q_proj", "v_proj", "down_proj"],
    "gpt2": ["c_attn", "c_fc"],
    "bert": ["query", "value", "output.dense"],
    "t5": ["q", "v", "wo"],
}


def write_adapter(
    folder: Path, model: PreTrainedModel, rank: int = 2, seed: int = 0, scale: float = 0.2, **settings: Any
) -> Path:
    """A LoRA adapter of this model in a folder, in the two files that peft writes. Same model, rank, seed and scale:
    same numbers.

    scale     standard deviation of the numbers that are added to its matrices A and B: 0 leaves it as never trained
    settings  of peft's LoraConfig, in place of those that are chosen here
    """
    from peft import LoraConfig

    kind = model.config.model_type
    chosen = {"target_modules": TARGETS[kind], "lora_alpha": 2 * rank, "fan_in_fan_out": kind == "gpt2"}
    return write(folder, model, LoraConfig(r=rank, **chosen | settings), seed, scale)


def write(folder: Path, model: PreTrainedModel, config: Any, seed: int = 0, scale: float = 0.2) -> Path:
    """The same for an adapter of any kind, by its configuration of peft's."""
    from peft import get_peft_model

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft warns of tied tables, and of saving them
        torch.manual_seed(seed)
        adapted = get_peft_model(deepcopy(model), config)
        with torch.no_grad():
            for weight in adapted.parameters():
                if weight.requires_grad:
                    weight += scale * torch.randn(weight.shape)
        adapted.save_pretrained(str(folder))
    return folder

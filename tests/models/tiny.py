"""Tiny random models of every family, with a tokenizer of one token per byte: what the tests run on."""

from collections.abc import Sequence
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForTextEncoding,
    PreTrainedConfig,
    PreTrainedModel,
)

from anatomy.request import Run, Want
from anatomy.sites import Site
from anatomy.trace import Token, readable
from models.families import load
from models.local.engine import LocalEngine
from models.text.tokenizer import SITES

MODELS = ("llama", "mistral", "qwen2", "gpt2", "bert", "bert-headless", "t5")
HEADLESS = ("bert-headless", "t5")
MOST_PARAMETERS = 200_000

TEXT = "the cat, the hat and the bat sat on the mat"
STREAMS = (Want("norm_pre"),)  # the least that makes a model run through all its layers


class ByteTokenizer:
    """One token per byte of UTF-8: every text has tokens, and characters beyond ASCII come in parts, as in BPE."""

    kind, special, chat = "", (), False
    missing: ClassVar = dict.fromkeys(SITES, "One token per byte: nothing is merged, and nobody chats.")

    def answer(self, run: Run, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
        """Nothing: all that it could be asked for is missing."""
        return {}

    def tokenize(self, text: str, special_tokens: bool = False) -> tuple[Token, ...]:
        """The bytes of the text as tokens whose id is the byte."""
        return tuple(token for place, character in enumerate(text) for token in _bytes_of(character, place))

    def token(self, row: int) -> Token:
        """A byte as a token of no text."""
        return Token(row, f"<{row:02X}>", chr(row) if row < 128 else None, bytes([row]), 0, 0)

    def apart(self, row: int, following: int) -> bool:
        """Bytes stand side by side."""
        return False

    def label(self, row: int) -> str:
        """The character of a byte, or the byte."""
        return readable(chr(row) if row < 128 else None, bytes([row]))


def _bytes_of(character: str, place: int) -> list[Token]:
    raw = character.encode()
    whole = character if len(raw) == 1 else None
    return [Token(byte, f"<{byte:02X}>", whole, bytes([byte]), place, place + 1) for byte in raw]


def tiny_config(kind: str) -> PreTrainedConfig:
    """The configuration of one of MODELS, or of "t5-gated" (T5 v1.1), "qwen2-mixed" (a window in the middle layer
    alone), "llama-eps" (a norm whose ε matters); mistral's window is shorter than most texts."""
    if kind == "mistral":
        return _as_type("mistral", sliding_window=4)
    if kind == "qwen2":
        return _as_type("qwen2")
    if kind == "qwen2-mixed":
        kinds = ["full_attention", "sliding_attention", "full_attention"]
        return _as_type("qwen2", sliding_window=4, use_sliding_window=True, layer_types=kinds)
    if kind == "llama-eps":
        return _as_type("llama", rms_norm_eps=0.5)
    if kind == "t5-gated":
        return _gated(load()["t5"].tiny())
    return load()[kind.removesuffix("-headless")].tiny()


def _gated(config: PreTrainedConfig) -> PreTrainedConfig:
    """T5's configuration with the FFN of version 1.1."""
    drawn = ("dense_act_fn", "is_gated_act")  # the library draws them from feed_forward_proj where they are not given
    fields = {name: value for name, value in config.to_dict().items() if name not in drawn}
    return type(config)(**fields | {"feed_forward_proj": "gated-gelu"})


def _as_type(model_type: str, **more: object) -> PreTrainedConfig:
    """The tiny Llama configuration as one of a model type built the same way."""
    from transformers import AutoConfig

    fields = load()["llama"].tiny().to_dict()
    kept = {name: value for name, value in fields.items() if name not in ("model_type", "architectures", "head_dim")}
    return AutoConfig.for_model(model_type, **kept | more)


def tiny_model(kind: str, attn_implementation: str = "eager", seed: int = 0) -> PreTrainedModel:
    """A random model of a few ten thousand parameters. Same kind and seed: same weights.

    The weights are large (0.2, norms around 1), so that attention is far from even and every part matters.
    """
    auto = _AUTO.get(kind, AutoModelForCausalLM)
    model = auto.from_config(tiny_config(kind), attn_implementation=attn_implementation).eval()
    randomize(model, seed)
    assert sum(weight.numel() for weight in model.parameters()) < MOST_PARAMETERS
    return model


_AUTO = {
    "bert": AutoModelForMaskedLM,
    "bert-headless": AutoModel,
    "t5": AutoModelForTextEncoding,
    "t5-gated": AutoModelForTextEncoding,
}


def randomize(model: PreTrainedModel, seed: int = 0) -> None:
    """Weights that matter, from a generator of their own."""
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            spread = 0.2 if weight.dim() > 1 else 0.1
            weight.normal_(0.0, spread, generator=source)
            if weight.dim() == 1 and name.endswith("weight"):
                weight += 1.0


@cache
def tiny_engine(kind: str = "llama") -> LocalEngine:
    """The engine of one of MODELS, shared by all tests: ask it anything, change nothing of it."""
    return new_tiny_engine(kind)


def new_tiny_engine(kind: str = "llama", **options: object) -> LocalEngine:
    """An engine of one's own, with options of LocalEngine."""
    return LocalEngine(tiny_model(kind), ByteTokenizer(), name=f"tiny-{kind}", **options)


def asked_of(site: Site) -> str | None:
    """What a site is asked of, for those that are asked of something."""
    return {"variant": "3bit", "row": "up:1"}.get(site.of)


def run_of(engine: LocalEngine, text: str = TEXT) -> Run:
    return Run(engine.spec.id, text)

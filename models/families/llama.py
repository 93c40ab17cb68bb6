"""Llama and what is built the same way: RMSNorm first, rotary positions, grouped-query attention, gated FFN."""

from dataclasses import replace
from typing import Any

import torch
from torch import nn
from transformers import LlamaConfig

from anatomy.language import N_
from anatomy.spec import Ffn, Norm, Rope, Stack
from models.families import Family, Tap


def _facts(config: Any, body: nn.Module) -> dict[str, Any]:
    return {
        "stacks": (Stack("dec", config.num_hidden_layers, causal=True),),
        "d_model": config.hidden_size,
        "n_heads": config.num_attention_heads,
        "n_kv": config.num_key_value_heads,
        "d_head": getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        "d_ff": config.intermediate_size,
        "max_pos": config.max_position_embeddings,
        "position": _rope(config, body),
        "norm": Norm("rms", "pre", config.rms_norm_eps),
        "ffn": Ffn(gated=True, act=config.hidden_act),
        "windows": _windows(config),
        "biases": _biases(body),
    }


def _windows(config: Any) -> tuple[int | None, ...]:
    """The sliding window of each layer: of all in Mistral, of those that the configuration names in Qwen2. Llama has
    none, whatever its configuration says."""
    window = getattr(config, "sliding_window", None)
    if window is None or config.model_type == "llama":
        return ()
    kinds = getattr(config, "layer_types", None) or ("sliding_attention",) * config.num_hidden_layers
    windows = tuple(None if kind == "full_attention" else window for kind in kinds)
    return windows if any(windows) else ()


def _biases(body: nn.Module) -> tuple[str, ...]:
    """The projections with a bias: none in Llama and Mistral, those of queries, keys and values in Qwen2."""
    names = [name for name, weight in body.named_parameters()]
    parts = ("q", "k", "v", "o", "gate", "up", "down")
    return tuple(part for part in parts if any(name.endswith(f".{part}_proj.bias") for name in names))


def _rope(config: Any, body: nn.Module) -> Rope:
    """The frequencies that the model multiplies with, not those that a formula would give: rescaling is in them."""
    given, module = config.rope_parameters, body.get_submodule("rotary_emb")
    kind, original = given["rope_type"], given.get("original_max_position_embeddings")
    frequencies = _frequencies(module, 0)
    beyond = frequencies
    if original is not None and original < config.max_position_embeddings:
        beyond = _frequencies(module, original)
    return Rope(
        theta=given["rope_theta"],
        frequencies=frequencies,
        scaling=None if kind == "default" else kind,
        original=original,
        stretch=float(vars(module)["attention_scaling"]),
        beyond=() if beyond == frequencies else beyond,
    )


def _frequencies(module: nn.Module, position: int) -> tuple[float, ...]:
    """Those that the module turns by on a text that ends at this position: some kinds have others for long texts."""
    module(torch.zeros(1), torch.tensor([[position]]))
    return tuple(module.get_buffer("inv_freq").tolist())


def _fit(family: Family, config: Any) -> Family:
    """The width of a head, by which what the projections of queries and keys give is cut into heads."""
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    heads = {site: replace(family.taps[site], head=width) for site in ("q_unturned", "k_unturned")}
    return replace(family, taps={**family.taps, **heads})


def _tiny() -> LlamaConfig:
    return LlamaConfig(
        vocab_size=256,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
    )


FAMILY = Family(
    name="llama",
    title="Llama",
    model_types=("llama", "mistral", "qwen2"),
    layers="layers",
    attention="self_attn",
    taps={
        "attn_in": Tap("input_layernorm", "out"),
        "q_unturned": Tap("self_attn.q_proj", "out"),
        "k_unturned": Tap("self_attn.k_proj", "out"),
        "attn_out": Tap("self_attn", "out"),
        "resid_mid": Tap("post_attention_layernorm", "in"),
        "ffn_in": Tap("post_attention_layernorm", "out"),
        "gate": Tap("mlp.gate_proj", "out"),
        "up": Tap("mlp.up_proj", "out"),
        "act": Tap("mlp.down_proj", "in"),
        "ffn_out": Tap("mlp", "out"),
    },
    tokens="embed_tokens",
    positions=None,
    rotary="rotary_emb",
    final_norm="norm",
    head="lm_head",
    norms=("input_layernorm", "post_attention_layernorm"),
    reads=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    writes=("self_attn.o_proj", "mlp.down_proj"),
    ffn=("mlp",),
    missing={
        "pos_embed": N_("This model has no position table: it rotates queries and keys instead (RoPE)."),
        "attn_norm_bias": N_("This model's norms have a gain and no bias (RMSNorm)."),
        "ffn_norm_bias": N_("This model's norms have a gain and no bias (RMSNorm)."),
    },
    facts=_facts,
    tiny=_tiny,
    fit=_fit,
)

"""Llama and what is built the same way: RMSNorm first, rotary positions, grouped-query attention, gated FFN."""

from typing import Any

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
        "window": _window(config),
        "biases": _biases(body),
    }


def _window(config: Any) -> int | None:
    """The sliding window, where every layer has it (Mistral); None where one looks back to the start (some Qwen2)."""
    kinds = getattr(config, "layer_types", None) or ()
    return None if "full_attention" in kinds else getattr(config, "sliding_window", None)


def _biases(body: nn.Module) -> tuple[str, ...]:
    """The projections with a bias: none in Llama and Mistral, those of queries, keys and values in Qwen2."""
    names = [name for name, weight in body.named_parameters()]
    parts = ("q", "k", "v", "o", "gate", "up", "down")
    return tuple(part for part in parts if any(name.endswith(f".{part}_proj.bias") for name in names))


def _rope(config: Any, body: nn.Module) -> Rope:
    """The frequencies that the model multiplies with, not those that a formula would give: rescaling is in them."""
    kind = config.rope_parameters["rope_type"]
    frequencies = tuple(body.get_submodule("rotary_emb").get_buffer("inv_freq").tolist())
    original = config.rope_parameters.get("original_max_position_embeddings")
    return Rope(config.rope_parameters["rope_theta"], frequencies, None if kind == "default" else kind, original)


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
    writes=("self_attn.o_proj", "mlp.down_proj"),
    ffn=("mlp",),
    missing={
        "pos_embed": N_("This model has no position table: it rotates queries and keys instead (RoPE)."),
        "attn_norm_bias": N_("This model's norms have a gain and no bias (RMSNorm)."),
        "ffn_norm_bias": N_("This model's norms have a gain and no bias (RMSNorm)."),
    },
    facts=_facts,
    tiny=_tiny,
)

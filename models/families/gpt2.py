"""GPT-2: LayerNorm first, a learned position table, as many key/value heads as query heads, FFN without a gate."""

from typing import Any

from torch import nn
from transformers import GPT2Config

from anatomy.language import N_
from anatomy.spec import Ffn, LearnedPositions, Norm, Stack
from models.families import NOT_ROTATED, Family, Tap


def _facts(config: Any, body: nn.Module) -> dict[str, Any]:
    return {
        "stacks": (Stack("dec", config.n_layer, causal=True),),
        "d_model": config.n_embd,
        "n_heads": config.n_head,
        "n_kv": config.n_head,
        "d_head": config.n_embd // config.n_head,
        "d_ff": config.n_inner or 4 * config.n_embd,
        "max_pos": config.n_positions,
        "position": LearnedPositions(config.n_positions),
        "norm": Norm("layer", "pre", config.layer_norm_epsilon),
        "ffn": Ffn(gated=False, act=config.activation_function),
        "biases": ("q", "k", "v", "o", "up", "down"),
        "scales": _scales(config),
    }


def _scales(config: Any) -> tuple[float, ...]:
    """1 / √d_head, unless the configuration leaves that out or divides by the layer's number as well, from 1 on."""
    scale = (config.n_embd // config.n_head) ** -0.5 if config.scale_attn_weights else 1.0
    if config.scale_attn_by_inverse_layer_idx:
        return tuple(scale / number for number in range(1, config.n_layer + 1))
    return () if config.scale_attn_weights else (scale,) * config.n_layer


def _tiny() -> GPT2Config:
    return GPT2Config(
        vocab_size=256, n_embd=32, n_layer=3, n_head=4, n_inner=48, n_positions=64, bos_token_id=None, eos_token_id=None
    )


FAMILY = Family(
    name="gpt2",
    title="GPT-2",
    model_types=("gpt2",),
    layers="h",
    attention="attn",
    taps={
        "attn_in": Tap("ln_1", "out"),
        "attn_out": Tap("attn", "out"),
        "resid_mid": Tap("ln_2", "in"),
        "ffn_in": Tap("ln_2", "out"),
        "up": Tap("mlp.c_fc", "out"),
        "act": Tap("mlp.c_proj", "in"),
        "ffn_out": Tap("mlp", "out"),
    },
    tokens="wte",
    positions="wpe",
    final_norm="ln_f",
    head="lm_head",
    norms=("ln_1", "ln_2"),
    reads=("attn.c_attn",),
    writes=("attn.c_proj", "mlp.c_proj"),
    ffn=("mlp",),
    missing={
        "gate": N_("This model's feed-forward layers have no gate."),
        **NOT_ROTATED,
    },
    facts=_facts,
    tiny=_tiny,
)

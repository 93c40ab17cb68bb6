"""BERT: looks both ways, learned positions, LayerNorm after each sum. With a masked-word head, or without (MiniLM)."""

from typing import Any

from torch import nn
from transformers import BertConfig

from anatomy.language import N_
from anatomy.spec import Ffn, LearnedPositions, Norm, Stack
from models.families import NOT_ROTATED, Family, Tap


def _facts(config: Any, body: nn.Module) -> dict[str, Any]:
    return {
        "stacks": (Stack("enc", config.num_hidden_layers, causal=config.is_decoder),),
        "d_model": config.hidden_size,
        "n_heads": config.num_attention_heads,
        "n_kv": config.num_attention_heads,
        "d_head": config.hidden_size // config.num_attention_heads,
        "d_ff": config.intermediate_size,
        "max_pos": config.max_position_embeddings,
        "position": LearnedPositions(config.max_position_embeddings),
        "norm": Norm("layer", "post", config.layer_norm_eps),
        "ffn": Ffn(gated=False, act=config.hidden_act),
        "biases": ("q", "k", "v", "o", "up", "down"),
    }


def _tiny() -> BertConfig:
    return BertConfig(
        vocab_size=256,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=64,
    )


FAMILY = Family(
    name="bert",
    title="BERT",
    model_types=("bert",),
    layers="encoder.layer",
    attention="attention.self",
    taps={
        "attn_in": Tap("attention", "in"),
        "attn_out": Tap("attention.output.dense", "out"),
        "resid_mid": Tap("attention.output.LayerNorm", "out"),
        "ffn_in": Tap("intermediate.dense", "in"),
        "up": Tap("intermediate.dense", "out"),
        "act": Tap("output.dense", "in"),
        "ffn_out": Tap("output.dense", "out"),
    },
    tokens="embeddings.word_embeddings",
    positions="embeddings.position_embeddings",
    segments="embeddings.token_type_embeddings",
    first_norm="embeddings.LayerNorm",
    final_norm=None,
    head="cls",
    norms=("attention.output.LayerNorm", "output.LayerNorm"),
    reads=("attention.self.query", "attention.self.key", "attention.self.value"),
    writes=("attention.output.dense", "output.dense"),
    ffn=("intermediate", "output.dense"),
    missing={
        "gate": N_("This model's feed-forward layers have no gate."),
        **NOT_ROTATED,
    },
    facts=_facts,
    tiny=_tiny,
)

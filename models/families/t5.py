"""T5: RMSNorm first, a bias by distance added to the scores, scores without 1/√d, FFN with ReLU or gated (v1.1).

The encoder alone is opened: its layers read the text in both directions, and nothing of the decoder enters them. Of a
checkpoint with both (T5ForConditionalGeneration) the decoder and what scores the vocabulary are left out, and
`spec.opened` says so. The bias is made in layer 0 and handed on to the others, which add the same numbers.
"""

from dataclasses import replace
from typing import Any

from torch import nn
from transformers import T5Config

from anatomy.language import N_
from anatomy.spec import Ffn, Norm, RelativeBias, Stack
from models.families import NOT_ROTATED, Family, Tap

_TRAINED_ON = 512  # tokens (Raffel et al. 2020, sec. 3.1.2); the bias itself knows no longest text
_ENCODER_ALONE = N_(
    "This checkpoint has an encoder and a decoder. The encoder alone is opened here: it reads the text; the decoder, "
    "which would write another, is left out."
)


def _facts(config: Any, body: nn.Module) -> dict[str, Any]:
    whole = (config.architectures or ["T5EncoderModel"])[0] != "T5EncoderModel"
    return {
        "stacks": (Stack("enc", config.num_layers, causal=False),),
        "d_model": config.d_model,
        "n_heads": config.num_heads,
        "n_kv": config.num_heads,
        "d_head": config.d_kv,
        "d_ff": config.d_ff,
        "max_pos": getattr(config, "n_positions", None) or _TRAINED_ON,
        "position": RelativeBias(
            config.relative_attention_num_buckets, config.relative_attention_max_distance, bidirectional=True
        ),
        "norm": Norm("rms", "pre", config.layer_norm_epsilon),
        "ffn": Ffn(gated=config.is_gated_act, act=config.dense_act_fn),
        "scales": (1.0,) * config.num_layers,
        "opened": _ENCODER_ALONE if whole else "",
    }


def _fit(family: Family, config: Any) -> Family:
    """The gated FFN has two projections in the place of one."""
    if not config.is_gated_act:
        return family
    inner = {"gate": Tap("layer.1.DenseReluDense.wi_0", "out"), "up": Tap("layer.1.DenseReluDense.wi_1", "out")}
    missing = {site: reason for site, reason in family.missing.items() if site != "gate"}
    return replace(family, taps={**family.taps, **inner}, missing=missing)


def _tiny() -> T5Config:
    """Heads as wide together as no other axis, and buckets few enough for short texts to fill."""
    longest: dict[str, Any] = {"n_positions": 64}  # checkpoints state it, the library's class no longer names it
    return T5Config(
        vocab_size=256,
        d_model=32,
        d_kv=6,
        d_ff=48,
        num_layers=3,
        num_heads=4,
        relative_attention_num_buckets=12,
        relative_attention_max_distance=16,
        pad_token_id=None,
        eos_token_id=None,
        architectures=["T5EncoderModel"],
        **longest,
    )


FAMILY = Family(
    name="t5",
    title="T5",
    model_types=("t5",),
    layers="encoder.block",
    attention="layer.0.SelfAttention",
    taps={
        "attn_in": Tap("layer.0.layer_norm", "out"),
        "attn_out": Tap("layer.0.SelfAttention", "out"),
        "resid_mid": Tap("layer.1.layer_norm", "in"),
        "ffn_in": Tap("layer.1.layer_norm", "out"),
        "up": Tap("layer.1.DenseReluDense.wi", "out"),
        "act": Tap("layer.1.DenseReluDense.wo", "in"),
        "ffn_out": Tap("layer.1.DenseReluDense", "out"),
    },
    tokens="shared",
    positions=None,
    final_norm="encoder.final_layer_norm",
    head="lm_head",
    norms=("layer.0.layer_norm", "layer.1.layer_norm"),
    reads=("layer.0.SelfAttention.q", "layer.0.SelfAttention.k", "layer.0.SelfAttention.v"),
    writes=("layer.0.SelfAttention.o", "layer.1.DenseReluDense.wo"),
    ffn=("layer.1.DenseReluDense",),
    missing={
        "gate": N_("This model's feed-forward layers have no gate."),
        "pos_embed": N_("This model has no position table: it adds a number to the scores for each distance instead."),
        **NOT_ROTATED,
        "attn_norm_bias": N_("This model's norms have a gain and no bias (RMSNorm)."),
        "ffn_norm_bias": N_("This model's norms have a gain and no bias (RMSNorm)."),
    },
    facts=_facts,
    tiny=_tiny,
    fit=_fit,
    bias="encoder.block.0.layer.0.SelfAttention.relative_attention_bias",
    loader="T5EncoderModel",
)

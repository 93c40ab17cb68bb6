"""The attention function registered with transformers: the library's own fast one, and what it does, made visible.

transformers 5 routes the attention of every family through `AttentionInterface`. One function there sees queries and
keys after rotation and before key/value heads are repeated. The result of the forward pass comes from the library's
own fused (SDPA) function. Scores and pattern, which that function never forms, are formed by whoever reads how the
attention of a layer was called; `models/identities/layers.py` checks that they give the same result.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from models.reading.attended import Attended
from models.reading.recorder import ATTENDED, current

NAME = "stagelight"
_LAYER = "stagelight_layer"  # attribute of an attention module, set by `mark`
_UNMARKED = -1  # the layer of a module that nobody has marked: no recorder wants anything of it

# What models hand on and the fused function need not know: positions and windows are already in q, k and the mask.
_SPENT = frozenset({"position_ids", "use_cache", "sliding_window", "output_hidden_states"})


def attend(
    module: nn.Module,
    query: Float[Tensor, "1 head pos d_head"],
    key: Float[Tensor, "1 kv src d_head"],
    value: Float[Tensor, "1 kv src d_head"],
    attention_mask: Bool[Tensor, "1 h pos src"] | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    is_causal: bool | None = None,
    output_attentions: bool | None = None,
    position_bias: Float[Tensor, "1 head pos src"] | None = None,
    **rest: object,
) -> tuple[Float[Tensor, "1 pos head d_head"], Float[Tensor, "1 head pos src"] | None]:
    """(weighted sum of values, the pattern where the caller asks for attentions as of any model of the library).

    A TypeError for an argument that would change the result unseen.
    """
    unknown = sorted(name for name, given in rest.items() if given is not None and name not in _SPENT)
    if unknown:
        raise TypeError(
            f"{type(module).__name__} gives attention {', '.join(unknown)}: "
            "models/reading/attention_interface.py has to learn it"
        )
    out, _ = sdpa_attention_forward(
        module,
        query,
        key,
        value,
        attention_mask,
        dropout=dropout,
        scaling=scaling,
        is_causal=is_causal,
        position_bias=position_bias,
    )
    recorder, layer = current(), getattr(module, _LAYER, _UNMARKED)
    if recorder is not None:
        for site, tensor in (("q", query), ("k", key), ("v", value), ("z", out.transpose(1, 2))):
            recorder.keep(layer, site, tensor)
        if position_bias is not None:
            recorder.keep(layer, "pos_bias", position_bias)
    if not output_attentions and (recorder is None or not recorder.wants(layer, ATTENDED)):
        return out, None
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    attended = called(query, key, attention_mask, scaling, causal, position_bias)
    if recorder is not None:
        recorder.attend(layer, attended)
    return out, attended.whole[None] if output_attentions else None


def called(
    query: Float[Tensor, "1 head pos d_head"],
    key: Float[Tensor, "1 kv src d_head"],
    mask: Bool[Tensor, "1 h pos src"] | None,
    scaling: float | None,
    causal: bool,
    bias: Float[Tensor, "1 head pos src"] | None = None,
) -> Attended:
    """The call as what its scores can be formed from, a few rows at a time. TypeError for a mask of numbers."""
    if mask is not None and mask.dtype != torch.bool:
        raise TypeError(f"the attention mask is {mask.dtype}, this function reads masks of True (may look) and False")
    added = None if bias is None else bias[0]
    return Attended(query[0], key[0], None if mask is None else mask[0], scaling, causal, added)


def mark(module: nn.Module, layer: int) -> None:
    """Tell an attention module which layer it belongs to."""
    setattr(module, _LAYER, layer)


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)

"""The attention function registered with transformers: the library's own fast one, and what it does, made visible.

transformers 5 routes the attention of every family through `AttentionInterface`. One function there sees queries and
keys after rotation and before key/value heads are repeated. The result of the forward pass comes from the library's
own fused (SDPA) function. Scores and pattern, which that function never forms, are computed beside it, only for a
layer that the current recorder wants; `models/identities.py` checks that they give the same result.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from models.recorder import current

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
        raise TypeError(f"{type(module).__name__} gives attention {', '.join(unknown)}: models/seam.py has to learn it")
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
    if not output_attentions and (recorder is None or not recorder.wants(layer, "scores", "pattern")):
        return out, None
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    scores = masked_scores(query, key, attention_mask, scaling, causal)
    if position_bias is not None:
        scores += position_bias
    pattern = scores.softmax(dim=-1, dtype=torch.float32)
    if recorder is not None:
        recorder.keep(layer, "scores", scores)
        recorder.keep(layer, "pattern", pattern)
    return out, pattern if output_attentions else None


def masked_scores(
    query: Float[Tensor, "1 head pos d_head"],
    key: Float[Tensor, "1 kv src d_head"],
    mask: Bool[Tensor, "1 h pos src"] | None,
    scaling: float | None,
    causal: bool,
) -> Float[Tensor, "1 head pos src"]:
    """q·k scaled (Vaswani et al. 2017, sec. 3.2.1), −inf where the mask is False or, without a mask, where causal
    attention may not look. Query head h reads key/value head h // (head / kv) (GQA, Ainslie et al. 2023)."""
    group = query.shape[1] // key.shape[1]
    k = key[0].repeat_interleave(group, 0).transpose(1, 2)  # [head d_head src]
    if mask is None and causal:
        mask = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool, device=query.device).tril()[None, None]
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return torch.baddbmm(_barrier(mask, query), query[0], k, alpha=scale)[None]


def _barrier(mask: Bool[Tensor, "1 h pos src"] | None, query: Tensor) -> Float[Tensor, "#head #pos #src"]:
    """What is added to scores: 0 where the mask allows, −inf where it forbids."""
    if mask is None:
        return query.new_zeros(1, 1, 1)
    if mask.dtype != torch.bool:
        raise TypeError(f"the attention mask is {mask.dtype}, this function reads masks of True (may look) and False")
    return query.new_zeros(mask.shape[1:]).masked_fill_(~mask[0], -torch.inf)


def mark(module: nn.Module, layer: int) -> None:
    """Tell an attention module which layer it belongs to."""
    setattr(module, _LAYER, layer)


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)

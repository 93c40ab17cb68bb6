"""The attention function registered with transformers: the library's own fast one, and what it does, made visible.

transformers 5 routes the attention of every family through `AttentionInterface`. One function there sees queries and
keys after rotation and before key/value heads are repeated. The result of the forward pass comes from the library's
own fused (SDPA) function. Scores and pattern, which that function never forms, are formed by whoever reads how the
attention of a layer was called; `models/identities/layers.py` checks that they give the same result.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from models.reading import architecture, interventions
from models.reading.attended import ROWS, Attended
from models.reading.precision import widened
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
    layer = interventions.place_of(getattr(module, _LAYER, _UNMARKED))
    query, key = interventions.changed(query, "q", layer), interventions.changed(key, "k", layer)
    value = interventions.changed(value, "v", layer)
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    if not architecture.masked():
        attention_mask, causal = None, False
    out, _ = sdpa_attention_forward(
        module,
        query,
        key,
        value,
        attention_mask,
        dropout=dropout,
        scaling=scaling,
        is_causal=causal,
        position_bias=position_bias,
    )
    calls: list[Attended] = []
    if interventions.holding().at("pattern", layer):
        asked = _calls(query, key, attention_mask, scaling, causal, position_bias, layer)
        made = [_weighted(*text) for text in zip(out, value, asked, strict=True)]
        out, calls = torch.stack([sums for sums, _call in made]), [call for _sums, call in made]
    out = interventions.changed(out.transpose(1, 2), "z", layer).transpose(1, 2)
    recorder = current()
    if recorder is not None:
        for site, tensor in (("q", query), ("k", key), ("v", value), ("z", out.transpose(1, 2))):
            recorder.keep(layer, site, tensor)
        if position_bias is not None:
            recorder.keep(layer, "pos_bias", position_bias)
    if not output_attentions and (recorder is None or not recorder.wants(layer, ATTENDED)):
        return out, None
    attended = calls[0] if calls else called(query, key, attention_mask, scaling, causal, position_bias)
    if recorder is not None:
        recorder.attend(layer, attended)
    return out, attended.whole[None].to(query.dtype) if output_attentions else None


def _calls(
    query: Tensor,
    key: Tensor,
    mask: Tensor | None,
    scaling: float | None,
    causal: bool,
    bias: Tensor | None,
    layer: int,
) -> Iterator[Attended]:
    """The call of each text, its weights as the changes that hold on this thread leave them."""
    for number in range(len(query)):
        own = (None if some is None else some[min(number, len(some) - 1), None] for some in (mask, bias))
        own_mask, own_bias = own
        one = called(query[number, None], key[number, None], own_mask, scaling, causal, own_bias)
        change = interventions.changed_weights(one, layer)
        yield one if change is None else replace(one, change=change)


def _weighted(
    out: Float[Tensor, "pos head d_head"], value: Float[Tensor, "kv src d_head"], attended: Attended
) -> tuple[Float[Tensor, "pos head d_head"], Attended]:
    """(the weighted sums of values under changed weights, the call: without its change where that left all weights as
    they were). Rows whose weights are as they were keep what the library's own function gave, to the last bit."""
    plain, group = replace(attended, change=None), len(attended.query) // len(value)
    values, parts, touched = value.repeat_interleave(group, 0).float(), [], False
    for first in range(0, len(out), ROWS):
        end = min(first + ROWS, len(out))
        before, after = plain.weights(first, end), attended.weights(first, end)  # [head row src]
        sums = (after @ values).to(out.dtype)
        same = (before == after).all(-1, keepdim=True)
        touched |= not bool(same.all())
        parts.append(torch.where(same, out[first:end].transpose(0, 1), sums).transpose(0, 1))
    return torch.cat(parts), attended if touched else plain


def called(
    query: Float[Tensor, "1 head pos d_head"],
    key: Float[Tensor, "1 kv src d_head"],
    mask: Bool[Tensor, "1 h pos src"] | None,
    scaling: float | None,
    causal: bool,
    bias: Float[Tensor, "1 head pos src"] | None = None,
) -> Attended:
    """The call as what its scores can be formed from, a few rows at a time: from queries and keys in half precision in
    float32, rounded no more. TypeError for a mask of numbers."""
    if mask is not None and mask.dtype != torch.bool:
        raise TypeError(f"the attention mask is {mask.dtype}, this function reads masks of True (may look) and False")
    added = None if bias is None else widened(bias[0])
    return Attended(widened(query[0]), widened(key[0]), None if mask is None else mask[0], scaling, causal, added)


def mark(module: nn.Module, layer: int) -> None:
    """Tell an attention module which layer it belongs to."""
    setattr(module, _LAYER, layer)


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)

"""nnsight: the streams, what attention and FFN write in every layer, and one layer's attention weights."""

import torch
from common import compare, model, tokenizer
from nnsight import LanguageModel

loaded = model("eager")
lens = LanguageModel(loaded, tokenizer=tokenizer())


@torch.no_grad()
def trace(ids: torch.Tensor) -> None:
    """A forward in which every layer's stream, attention and FFN output are saved."""
    kept = []
    with lens.trace(ids):
        for layer in lens.model.layers:
            kept.append(layer.input.save())
            kept.append(layer.self_attn.output.save())
            kept.append(layer.mlp.output.save())
        logits = lens.lm_head.output.save()
    assert len(kept) == 3 * len(loaded.model.layers)
    assert logits.shape[1] == ids.shape[1]


compare({"trace: streams, attention, FFN": trace}, loaded.config.vocab_size)

"""TransformerLens: `run_with_cache`, with everything that it keeps by itself."""

import torch
from common import FOLDER, compare, model, tokenizer
from transformer_lens.model_bridge import TransformerBridge

bridge = TransformerBridge.boot_transformers(FOLDER, hf_model=model("eager"), tokenizer=tokenizer(), device="cpu")


def run_with_cache(ids: torch.Tensor) -> None:
    """Logits and every activation of a forward."""
    with torch.inference_mode():
        _logits, cache = bridge.run_with_cache(ids)
    assert len(cache) > 100, "the cache is nearly empty"


compare({"TransformerBridge.run_with_cache": run_with_cache}, bridge.cfg.d_vocab)

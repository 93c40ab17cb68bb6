"""BertViz: a forward that gives all attention weights, and the page of its model view, of all layers or of one."""

import torch
from bertviz import model_view
from common import compare, model

loaded = model("eager")


def page(ids: torch.Tensor, layers: list[int] | None) -> int:
    """Forward with `output_attentions`, then the HTML; its bytes."""
    with torch.inference_mode():
        weights = loaded(ids, use_cache=False, output_attentions=True).attentions
    names = [str(token) for token in ids[0].tolist()]
    made = model_view(weights, names, include_layers=layers, html_action="return")
    return len(made.data.encode())


ways = {"model_view, one layer": lambda ids: page(ids, [17]), "model_view, all layers": lambda ids: page(ids, None)}
compare(ways, loaded.config.vocab_size)

"""The printed program behind the split: parameters on each device, counted in the model's own modules."""

from collections.abc import Sequence

from anatomy.costs import Configuration
from anatomy.published import PATHS
from anatomy.spec import ModelSpec
from anatomy.split import Device
from anatomy.view import View
from panels.common.snippet import LAYERS, opening


def program(
    spec: ModelSpec, view: View, devices: Sequence[Device], way: str, published: Configuration | None = None
) -> str:
    """A program that leaves in `result` the parameters on each device. way: "rows" or "layers"; published: a Llama that
    it builds without its numbers in the place of the loaded model."""
    start = opening(spec, view) if published is None else _empty(published)
    body = _by_layers(spec, devices) if way == "layers" else _by_rows(spec, devices, published)
    return f"""{start}
{LAYERS}
inside = {{id(weight) for layer in layers for weight in layer.parameters()}}
norms = {{
    id(weight)
    for module in model.modules()
    if type(module).__name__.endswith("Norm")
    for weight in module.parameters()
}}
# Parts that no formula covers: BERT's segments, and what stands behind its first token.
skipped = ("token_type", "pooler")
outside = {{
    name: weight
    for name, weight in model.named_parameters()
    if id(weight) not in inside and not any(part in name for part in skipped)
}}
table = model.get_input_embeddings().weight
{body}print(result)
"""


def _empty(given: Configuration) -> str:
    """Llama 3.1 on torch's "meta" device, where weights have shapes and no numbers."""
    return f"""import torch
from transformers import AutoModelForCausalLM, LlamaConfig

config = LlamaConfig(
    hidden_size={given.d_model},
    intermediate_size={given.d_ff},
    num_hidden_layers={given.layers},
    num_attention_heads={given.n_heads},
    num_key_value_heads={given.n_kv},
    vocab_size={given.vocab},
    max_position_embeddings={given.max_pos},
    tie_word_embeddings={given.tied},
)
with torch.device("meta"):
    model = AutoModelForCausalLM.from_config(config)
"""


def _by_layers(spec: ModelSpec, devices: Sequence[Device]) -> str:
    ranges = [(device.layers.start, device.layers.stop) for device in devices]
    final = "" if spec.norm.place == "post" else " or id(weight) in norms"
    return f"""body = {{id(weight) for weight in model.base_model.parameters()}}
result = [sum(w.numel() for layer in layers[a:b] for w in layer.parameters()) for a, b in {ranges}]
for name, weight in outside.items():
    last = id(weight) not in body{final}
    result[-1 if last else 0] += weight.numel()
head = model.get_output_embeddings()
if len(result) > 1 and head is not None and head.weight is table:
    result[-1] += table.numel()  # a tied table stands on both ends
"""


def _by_rows(spec: ModelSpec, devices: Sequence[Device], published: Configuration | None) -> str:
    sizes = [tuple(map(len, (device.heads, device.kv, device.neurons, device.tokens))) for device in devices]
    given = published or spec
    paths = spec.paths if published is None else PATHS
    return f"""sums = ("{paths.attention}", "{paths.ffn}")  # projections whose results are added up over the devices
keys = ("k_proj", "v_proj", ".k.", ".v.", ".key.", ".value.")


def share(name, weight, heads, kv, neurons):
    if id(weight) in norms or name.startswith(sums) and name.endswith("bias"):
        return 1, 1
    if name.startswith({(*paths.inner, paths.ffn)!r}):
        return neurons, {given.d_ff}
    return (kv, {given.n_kv}) if any(key in name for key in keys) else (heads, {given.n_heads})


result = []
for heads, kv, neurons, tokens in {sizes}:  # query heads, key/value heads, neurons, rows of the vocabulary
    held = 0
    for layer in layers:
        for name, weight in layer.named_parameters():
            part, whole = share(name, weight, heads, kv, neurons)
            held += weight.numel() * part // whole
    for weight in outside.values():
        cut = weight.shape[0] == table.shape[0]
        held += weight.numel() * tokens // table.shape[0] if cut else weight.numel()
    result.append(held)
"""

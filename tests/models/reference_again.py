"""Sites that take more than one plain forward pass, or none: bends, second runs, matrices, the order of the parts.

The second runs use the library's fused attention, as the engine's do: what they measure is of the size of the
differences between one kernel and another.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from anatomy.request import Want
from tests.models.reference import Layer, Plain, next_logp

_LAYER = {"gpt2": "h.{}", "bert": "encoder.layer.{}", "t5": "encoder.block.{}"}
_LLAMA_LAYER = "layers.{}"
# Kind → what its feed-forward part is, as a function of the layer.
_FFN: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "gpt2": lambda layer, rows: layer.mlp(rows),
    "bert": lambda layer, rows: layer.output.dense(layer.intermediate(rows)),
    "t5": lambda layer, rows: layer.layer[1].DenseReluDense(rows),
}
# What the library's modules are called, and which part that is: 0 norm, 1 attention, 2 FFN.
_PARTS = {
    0: ("LlamaRMSNorm", "MistralRMSNorm", "Qwen2RMSNorm", "LayerNorm", "T5LayerNorm"),
    1: ("LlamaAttention", "MistralAttention", "Qwen2Attention", "GPT2Attention", "BertSelfAttention", "T5Attention"),
    2: ("LlamaMLP", "MistralMLP", "Qwen2MLP", "GPT2MLP", "BertIntermediate", "T5DenseActDense", "T5DenseGatedActDense"),
}


def expected(plain: Plain, layers: list[Layer]) -> dict[Want, np.ndarray]:
    """The array of every such site that the model has."""
    alone, _ = _run(plain, plain.ids[None])
    batch, _ = _run(plain, np.stack([plain.ids, plain.ids[::-1]]))
    arrays = {
        Want("ffn_bend"): np.stack([_bend(plain, number, sites) for number, sites in enumerate(layers)]),
        Want("batch_gap"): (batch[0] - alone[0]).abs().amax(-1).numpy(),
        Want("weight_gap"): _weight_gap(plain),
        Want("layer_order"): _order(plain),
    }
    return arrays | ({Want("half_kl"): _half_kl(plain)} if hasattr(plain.result, "logits") else {})


def _module(plain: Plain, number: int) -> nn.Module:
    return plain.model.base_model.get_submodule(_LAYER.get(plain.model.config.model_type, _LLAMA_LAYER).format(number))


@contextmanager
def _fused(plain: Plain) -> Iterator[None]:
    """The same model with the library's fused attention."""
    plain.model.set_attn_implementation("sdpa")
    try:
        yield
    finally:
        plain.model.set_attn_implementation("eager")


def _run(plain: Plain, ids: np.ndarray) -> tuple[Tensor, Tensor | None]:
    """(the stream leaving the last layer [batch pos d_model], logits [batch pos vocab])."""
    seen: list[Tensor] = []
    last = _module(plain, plain.model.config.num_hidden_layers - 1)
    hook = last.register_forward_hook(lambda m, args, out: seen.append(out[0] if isinstance(out, tuple) else out))
    with torch.inference_mode(), _fused(plain):
        result = plain.model(torch.from_numpy(ids), **plain.positions(len(ids)))
    hook.remove()
    return seen[0], getattr(result, "logits", None)


def _half_kl(plain: Plain) -> np.ndarray:
    with torch.autocast("cpu", torch.bfloat16):
        _, logits = _run(plain, plain.ids[None])
    assert logits is not None
    logp, half = next_logp(plain), logits[0].double().log_softmax(-1).numpy()
    return (np.exp(logp) * (logp - half)).sum(axis=1)


def _bend(plain: Plain, number: int, sites: Layer) -> np.ndarray:
    """Every run of the FFN made, token by token, in float32 as in the model."""
    ffn = _FFN.get(plain.model.config.model_type, lambda layer, rows: layer.mlp(rows))
    layer, found = _module(plain, number), []
    with torch.inference_mode():
        for pos, x in enumerate(sites["ffn_in"]):
            y = sites["ffn_in"][pos - 1]
            both, one, other, none = ffn(layer, torch.stack([x + y, x, y, torch.zeros_like(x)]))
            size = float(both.norm())
            found.append(float((both - one - other + none).norm()) / size if size else 0.0)
    return np.array(found)


def _weight_gap(plain: Plain) -> np.ndarray:
    count = plain.model.config.num_hidden_layers
    held = [{name: w for name, w in _module(plain, n).state_dict().items() if w.dim() == 2} for n in range(count)]
    shared = set.intersection(*(set(one) for one in held))
    return np.array([max(float((held[n][k] - held[n - 1][k]).abs().max()) for k in shared) for n in range(count)])


def _order(plain: Plain) -> np.ndarray:
    """[layer event] as the plain forward pass calls its modules."""
    kinds = {name: part for part, names in _PARTS.items() for name in names}
    events: list[list[int]] = [[] for _ in range(plain.model.config.num_hidden_layers)]
    hooks = []
    for number, calls in enumerate(events):
        for module in _module(plain, number).modules():
            part = kinds.get(type(module).__name__)
            if part is not None:
                hooks.append(module.register_forward_pre_hook(lambda m, args, to=calls, part=part: to.append(part)))
    _run(plain, plain.ids[None])
    for hook in hooks:
        hook.remove()
    return np.array(events)

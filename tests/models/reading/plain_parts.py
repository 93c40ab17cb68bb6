"""A plain model of the library built otherwise: layers in another order, norms that are gone, another embedding table.

Nothing of `models/` is used. Modules and tables are exchanged in the model itself, and put back.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from anatomy.request import Intervention


@dataclass(frozen=True)
class Kind:
    """Where a kind of model keeps what: layers and tokens in its body, the rest in a layer.

    mid       the norm that reads the stream between attention and FFN, or makes it
    norms     attention's and the FFN's
    final     in the body, where there is a final norm
    mid_made  norms stand after the sums
    """

    layer: str
    attention: str
    attn_out: str
    ffn_out: str
    mid: str
    norms: tuple[str, str]
    tokens: str
    final: str | None
    mid_made: bool = False


_LLAMA = Kind(
    "layers.{}",
    "self_attn",
    "self_attn.o_proj",
    "mlp.down_proj",
    "post_attention_layernorm",
    ("input_layernorm", "post_attention_layernorm"),
    "embed_tokens",
    "norm",
)
_KINDS = {
    "gpt2": Kind("h.{}", "attn", "attn.c_proj", "mlp.c_proj", "ln_2", ("ln_1", "ln_2"), "wte", "ln_f"),
    "bert": Kind(
        "encoder.layer.{}",
        "attention.self",
        "attention.output.dense",
        "output.dense",
        "attention.output.LayerNorm",
        ("attention.output.LayerNorm", "output.LayerNorm"),
        "embeddings.word_embeddings",
        None,
        mid_made=True,
    ),
    "t5": Kind(
        "encoder.block.{}",
        "layer.0.SelfAttention",
        "layer.0.SelfAttention.o",
        "layer.1.DenseReluDense.wo",
        "layer.1.layer_norm",
        ("layer.0.layer_norm", "layer.1.layer_norm"),
        "encoder.embed_tokens",
        "encoder.final_layer_norm",
    ),
}
_NORMS = ("attn_norm", "ffn_norm")


def kind_of(model: PreTrainedModel) -> Kind:
    """Llama's, or of a model that keeps its parts elsewhere, its own."""
    return _KINDS.get(model.config.model_type, _LLAMA)


def is_without(asked: Sequence[Intervention], part: str, layer: int | None = None) -> bool:
    """Whether a part is left out: of the model, of this layer, or of all layers."""
    return any((one.site, one.op) == (part, "drop") and one.layer in (None, layer) for one in asked)


@contextmanager
def rebuilt(model: PreTrainedModel, asked: Sequence[Intervention]) -> Iterator[None]:
    """While this is open, the model's layers stand in another order, norms are left out and the rows of its embedding
    table shuffled, as far as these changes ask for that."""
    kind, exchanged = kind_of(model), _Exchanged(model.base_model)
    try:
        _swap(exchanged, kind, asked)
        _leave_norms_out(exchanged, kind, asked, model.config.num_hidden_layers)
        _shuffle(exchanged, kind, asked)
        yield
    finally:
        exchanged.put_back()


@dataclass
class _Exchanged:
    """What stands elsewhere, or nowhere, in a model's body for a while."""

    body: nn.Module
    before: list[tuple[Any, str, Any]] = field(default_factory=list)

    def put(self, path: str, new: Any) -> None:
        """Another module or table in the place of one."""
        owner, _, name = path.rpartition(".")
        holder = self.body.get_submodule(owner)
        self.before.append((holder, name, getattr(holder, name)))
        setattr(holder, name, new)

    def put_back(self) -> None:
        """All that was exchanged, the last first."""
        for holder, name, old in reversed(self.before):
            setattr(holder, name, old)


def _swap(exchanged: _Exchanged, kind: Kind, asked: Sequence[Intervention]) -> None:
    path = kind.layer.removesuffix(".{}")
    order = list(attrgetter(path)(exchanged.body))
    pairs = [(one.layer, one.other) for one in asked if one.op == "swap"]
    for a, b in pairs:
        assert a is not None
        assert b is not None
        order[a], order[b] = order[b], order[a]
    if pairs:
        exchanged.put(path, nn.ModuleList(order))


def _leave_norms_out(exchanged: _Exchanged, kind: Kind, asked: Sequence[Intervention], layers: int) -> None:
    """A layer that is left out takes norms that stand after its sums along."""
    for layer in range(layers):
        gone = kind.mid_made and is_without(asked, "layer", layer)
        for norm, path in zip(_NORMS, kind.norms, strict=True):
            if gone or is_without(asked, norm, layer):
                exchanged.put(f"{kind.layer.format(layer)}.{path}", nn.Identity())
    if is_without(asked, "final_norm"):
        assert kind.final is not None
        exchanged.put(kind.final, nn.Identity())


def _shuffle(exchanged: _Exchanged, kind: Kind, asked: Sequence[Intervention]) -> None:
    """An output layer that shares the table keeps it as it was."""
    path = f"{kind.tokens}.weight"
    for one in asked:
        if one.op == "shuffle":
            table = attrgetter(path)(exchanged.body).detach()
            order = np.random.default_rng(one.seed).permutation(len(table))
            exchanged.put(path, nn.Parameter(table[torch.from_numpy(order)], requires_grad=False))

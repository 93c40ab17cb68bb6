"""What a run with changes gives: a plain model of the library, changed by hooks and an attention function of its own.

Nothing of `models/` is used, and the places are other ones than there: the linear layers where they can be read. The
stream between attention and FFN is changed in place where the library goes on with the same tensor. Changes are worked
out in float64, position by position first: [pos …]. Parts of the architecture are taken out of the model itself
(`plain_parts.py`); of a skip connection and the mask nothing is left where they would be added.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import eager_mask

from anatomy.alignment import by_token
from anatomy.request import Intervention, Run
from tests.models.reading.plain_parts import is_without, kind_of, rebuilt

NAME = "plain-changes"
Cut = Callable[[Run], list[int]]  # a run → the ids of its tokens
_PASS = "plain_changes_pass"  # attribute of an attention module: the pass that is going on
_PLACE = "plain_changes_place"  # and the place at which its layer runs in it
_BY_HEAD = ("q", "k", "v", "z", "pattern")
# Of a stream that is a sum: the skip connection around the part before it, and what that part writes.
_SUMS = {"resid_mid": ("attn_skip", "attn_out"), "resid_post": ("ffn_skip", "ffn_out")}


class Changed:
    """One forward pass of a plain model on a run, with the run's changes.

    model   a model without hooks; its attention function is set to the one of this module
    cut     what gives the ids of a run, and of the runs that its changes come from
    logits  [pos vocab]; None for a model without a head
    """

    def __init__(self, model: PreTrainedModel, run: Run, cut: Cut) -> None:
        self.model, self.ids = model, cut(run)
        self._heads = model.config.num_attention_heads
        self._kv = getattr(model.config, "num_key_value_heads", None) or self._heads
        self._changes = [(made, [Changed(model, one, cut) for one in made.sources]) for made in run.interventions]
        self._seen: dict[tuple[str, int], np.ndarray] = {}
        if model.config._attn_implementation != NAME:
            model.set_attn_implementation(NAME)
        self.asked, self._kind = run.interventions, kind_of(model)
        with rebuilt(model, self.asked):
            result = self._result()
        self.logits = result.logits[0].numpy() if hasattr(result, "logits") else None

    def _result(self) -> Any:
        hooks = [hook for layer in range(self.model.config.num_hidden_layers) for hook in self._hooked(layer)]
        try:
            with torch.inference_mode():
                return self.model(torch.tensor([self.ids]), **self._positions(), **uncached(self.model))
        finally:
            for hook in hooks:
                hook.remove()

    def site(self, name: str, layer: int) -> np.ndarray:
        """What passed there after all changes, with the axes of `anatomy.sites`."""
        values = self._seen[name, layer]
        return values.swapaxes(0, 1) if name in _BY_HEAD else values

    def write(self, name: str, layer: int) -> np.ndarray:
        """What a part writes, [pos d_model]: where norms stand before the parts, what the stream became less what it
        was."""
        if self._kind.mid_made:
            return self._seen[name, layer]
        before, after = ("resid_pre", "resid_mid") if name == "attn_out" else ("resid_mid", "resid_post")
        return self._seen[after, layer] - self._seen[before, layer]

    def _positions(self) -> dict[str, Tensor]:
        """Other position numbers, where a change asks for them. The mask that is spelt out keeps the library from
        taking them for those of several texts in a row."""
        moves = [made for made, _sources in self._changes if made.site == "positions"]
        places = torch.arange(len(self.ids))
        for made in moves:
            places = places * 0 if made.op == "zero" else places + int(made.amount)
        return {"position_ids": places[None], "attention_mask": torch.ones_like(places)[None]} if moves else {}

    def _hooked(self, layer: int) -> list[Any]:
        kind = self._kind
        whole = self.model.base_model.get_submodule(kind.layer.format(layer))
        setattr(whole.get_submodule(kind.attention), _PASS, self)
        setattr(whole.get_submodule(kind.attention), _PLACE, layer)
        attention, ffn, mid = (whole.get_submodule(path) for path in (kind.attn_out, kind.ffn_out, kind.mid))
        hooks = [
            whole.register_forward_pre_hook(self._entering("resid_pre", layer), with_kwargs=True),
            attention.register_forward_pre_hook(self._entering("z", layer), with_kwargs=True),
            attention.register_forward_hook(self._leaving("attn_out", layer)),
            ffn.register_forward_pre_hook(self._entering("act", layer), with_kwargs=True),
            ffn.register_forward_hook(self._leaving("ffn_out", layer)),
            whole.register_forward_hook(self._leaving("resid_post", layer)),
        ]
        if kind.mid_made:
            norms = zip(_SUMS, kind.norms, strict=True)
            alone = [
                whole.get_submodule(path).register_forward_pre_hook(self._alone(stream, layer))
                for stream, path in norms
            ]
            return [*hooks, *alone, mid.register_forward_hook(self._leaving("resid_mid", layer))]
        return [*hooks, mid.register_forward_pre_hook(self._in_place("resid_mid", layer))]

    def _entering(self, site: str, layer: int) -> Callable[..., Any]:
        def hook(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
            if args:
                return (self._flat(site, layer, args[0]), *args[1:]), kwargs
            return args, kwargs | {"hidden_states": self._flat(site, layer, kwargs["hidden_states"])}

        return hook

    def _leaving(self, site: str, layer: int) -> Callable[..., Any]:
        def hook(module: nn.Module, args: tuple, output: Any) -> Any:
            if isinstance(output, tuple):
                return (self._flat(site, layer, output[0]), *output[1:])
            return self._flat(site, layer, output)

        return hook

    def _in_place(self, site: str, layer: int) -> Callable[..., Any]:
        def hook(module: nn.Module, args: tuple) -> None:
            args[0].copy_(self._flat(site, layer, args[0]))

        return hook

    def _alone(self, stream: str, layer: int) -> Callable[..., Any]:
        """Of a norm that reads a sum."""

        def hook(module: nn.Module, args: tuple) -> tuple[Tensor]:
            return (self._without_skip(stream, layer, args[0]),)

        return hook

    def _without_skip(self, stream: str, layer: int, passing: Tensor) -> Tensor:
        """A sum, or where its skip connection is left out what the part before it writes."""
        skip, write = _SUMS[stream]
        return torch.from_numpy(self._seen[write, layer])[None] if is_without(self.asked, skip, layer) else passing

    def _flat(self, site: str, layer: int, passing: Tensor) -> Tensor:
        """passing: [1 pos width], of z [1 pos head·d_head]."""
        if site in _SUMS and not self._kind.mid_made:
            passing = self._without_skip(site, layer, passing)
        values = passing[0].unflatten(-1, (self._heads, -1)) if site == "z" else passing[0]
        return self.changed(site, layer, values).reshape(passing.shape)

    def changed(self, site: str, layer: int, passing: Tensor, allowed: np.ndarray | None = None) -> Tensor:
        """What goes on of values [pos …] that pass a site. allowed [pos 1 src]: of weights those that may be other
        than 0."""
        values = passing.double().numpy()
        for made, sources in self._changes:
            if _is_made(made, site, layer):
                theirs = tuple(source._seen[site, layer].astype(np.float64) for source in sources)
                pairs = tuple(by_token(tuple(self.ids), tuple(source.ids)).both for source in sources)
                here = _Here(made, layer, self._part(made), self.model, theirs, pairs, allowed)
                values = _put(values, _OPS[made.op](values, here), here)
        self._seen[site, layer] = values.astype(np.float32)
        if site == "resid_pre" and layer > 0:
            self._seen["resid_post", layer - 1] = self._seen[site, layer]  # one stream: it leaves as it enters the next
        return torch.from_numpy(self._seen[site, layer])

    def _part(self, made: Intervention) -> slice:
        """What is chosen along the second axis: query heads, key/value heads, neurons; everything of a stream."""
        if made.kv is not None and made.site not in ("k", "v"):
            group = self._heads // self._kv
            return slice(made.kv * group, (made.kv + 1) * group)
        chosen = [number for number in (made.head, made.kv, made.neuron) if number is not None]
        return slice(chosen[0], chosen[0] + 1) if chosen else slice(None)


def _is_made(made: Intervention, site: str, layer: int) -> bool:
    """Whether values that pass a site are changed: what a layer writes too, where that is left out."""
    written = (made.site, made.op) == ("layer", "drop") and site in ("attn_out", "ffn_out")
    return (made.site == site or written) and made.layer in (None, layer)


def uncached(model: PreTrainedModel) -> dict[str, bool]:
    """What a model is told so that it keeps no keys and values, where it would."""
    return {"use_cache": False} if model.config.model_type not in ("t5", "bert") else {}


# Of noise and dropout: the sites in the order in which their numbers are told apart.
ORDER = ("pattern", "q", "k", "v", "z", "act", "attn_out", "ffn_out", "resid_pre", "resid_mid", "resid_post")


@dataclass(frozen=True)
class _Here:
    """What one change needs to know where it is made.

    layer    the one that is running: a change of every layer names none
    part     what is chosen along the second axis of the values
    theirs   what passed here in each source, [pos …]
    pairs    of each source: (position here, position there) of the tokens that belong together
    allowed  [pos 1 src], of weights those that may be other than 0; None elsewhere
    """

    made: Intervention
    layer: int
    part: slice
    model: PreTrainedModel
    theirs: tuple[np.ndarray, ...]
    pairs: tuple[tuple[tuple[int, int], ...], ...]
    allowed: np.ndarray | None


def _put(values: np.ndarray, new: np.ndarray, here: _Here) -> np.ndarray:
    """The new values where the change is, the old ones elsewhere."""
    pos = here.made.pos
    rows = slice(None) if pos is None else slice(pos, pos + 1)
    result = values.copy()
    result[rows, here.part] = new[rows, here.part]
    return result


def _zero(values: np.ndarray, here: _Here) -> np.ndarray:
    return np.zeros_like(values)


def _scale(values: np.ndarray, here: _Here) -> np.ndarray:
    return here.made.amount * values


def _mean(values: np.ndarray, here: _Here) -> np.ndarray:
    if here.allowed is not None:
        return np.broadcast_to(here.allowed / here.allowed.sum(-1, keepdims=True), values.shape)
    every = np.concatenate(here.theirs) if here.theirs else values
    return np.broadcast_to(every.mean(0), values.shape)


def _average(values: np.ndarray, here: _Here) -> np.ndarray:
    return np.broadcast_to(values[:, here.part].mean(1, keepdims=True), values.shape)


def _add(values: np.ndarray, here: _Here) -> np.ndarray:
    if here.made.token is None:
        return values + here.made.amount * (here.theirs[0].mean(0) - values.mean(0))
    row = here.model.get_output_embeddings().weight[here.made.token].detach().double().numpy()
    lengths = np.sort(np.sqrt((values**2).sum(-1)))
    return values + here.made.amount * lengths[(len(lengths) - 1) // 2] * row / np.sqrt((row**2).sum())


def _noise(values: np.ndarray, here: _Here) -> np.ndarray:
    cells = np.broadcast_to(True if here.allowed is None else here.allowed, values.shape)
    seed = here.made.seed, here.made.layer, ORDER.index(here.made.site)
    drawn = np.random.default_rng(seed).standard_normal(values.shape)
    if here.allowed is not None:
        size = values[:, here.part][cells[:, here.part]].std()
    else:
        size = np.abs(values) if here.made.neuron is not None else np.sqrt((values**2).mean(-1, keepdims=True))
    return values + np.where(cells, here.made.amount * size * drawn, 0.0)


def _dropout(values: np.ndarray, here: _Here) -> np.ndarray:
    """Of weights every row has numbers of its own, which go through it column by column."""
    seed = here.made.seed, here.layer, ORDER.index(here.made.site), 1
    if here.allowed is None:
        drawn = np.random.default_rng(seed).random(values.shape)
    else:
        _rows, heads, columns = values.shape
        drawn = np.stack([np.random.default_rng((*seed, row)).random((columns, heads)).T for row in range(len(values))])
    return np.where(drawn < here.made.amount, 0.0, values / (1 - here.made.amount))


def _patch(values: np.ndarray, here: _Here) -> np.ndarray:
    new, theirs, pairs = values.copy(), here.theirs[0], here.pairs[0]
    for mine, other in pairs:
        if here.allowed is None:
            new[mine] = theirs[other]
        else:
            new[mine] = 0.0
            for column, other_column in pairs:
                new[mine, :, column] = theirs[other, :, other_column]
    return new


_OPS: dict[str, Callable[[np.ndarray, _Here], np.ndarray]] = {
    "zero": _zero,
    "scale": _scale,
    "mean": _mean,
    "average": _average,
    "drop": _zero,
    "add": _add,
    "noise": _noise,
    "dropout": _dropout,
    "patch": _patch,
}


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    position_bias: Tensor | None = None,
    **rest: object,
) -> tuple[Tensor, Tensor]:
    """Attention as the library's eager functions compute it, with the changes of the pass that is going on."""
    run: Changed = getattr(module, _PASS)
    layer: int = getattr(module, _PLACE)
    query, key, value = (
        run.changed(site, layer, states[0].transpose(0, 1)).transpose(0, 1)  # [head pos d_head]
        for site, states in (("q", query), ("k", key), ("v", value))
    )
    group = len(query) // len(key)
    key, value = key.repeat_interleave(group, 0), value.repeat_interleave(group, 0)
    scores = query @ key.transpose(1, 2) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    scores = scores if position_bias is None else scores + position_bias[0]
    unmasked = attention_mask is None or is_without(run.asked, "mask")
    mask = torch.zeros(1, *scores.shape[1:]) if unmasked else attention_mask[0]
    pattern = (scores + mask).softmax(-1)  # [head pos src]
    allowed = (mask == 0).transpose(0, 1).numpy()  # [pos 1 src]
    pattern = run.changed("pattern", layer, pattern.transpose(0, 1), allowed).transpose(0, 1)
    return (pattern @ value).transpose(0, 1)[None].contiguous(), pattern[None]


AttentionInterface.register(NAME, _attend)
AttentionMaskInterface.register(NAME, eager_mask)


def greedy(model: PreTrainedModel, run: Run, cut: Cut, count: int) -> Sequence[int]:
    """The best token each time, the changed model run anew on the whole text for every one."""
    for _step in range(count):
        logits = Changed(model, run, cut).logits
        assert logits is not None
        run = run.plus(int(logits[-1].argmax()))
    return run.tail[-count:]

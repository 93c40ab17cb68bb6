"""The derived sites worked out the slow way from a plain forward pass, without any code of `models/`.

Parts are shared out by the library's own modules: a head's or a neuron's write is what the projection makes of it
alone, and the frozen norm is what the final norm did to each number of the stream.
"""

from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import DynamicCache

from anatomy.request import Want, choice
from tests.models.reference import Layer, Plain, lens_logp, next_logp

Pair = tuple[np.ndarray, np.ndarray]
_AGAINST = 2  # rank of the token that the best one is held against
_PROJECTIONS = {
    "gpt2": ("h.{}.attn.c_proj", "h.{}.mlp.c_proj"),
    "bert": ("encoder.layer.{}.attention.output.dense", "encoder.layer.{}.output.dense"),
    "t5": ("encoder.block.{}.layer.0.SelfAttention.o", "encoder.block.{}.layer.1.DenseReluDense.wo"),
}
_LLAMA_PROJECTIONS = ("layers.{}.self_attn.o_proj", "layers.{}.mlp.down_proj")
_FINAL_NORM = {"gpt2": "ln_f"}


@dataclass
class Derived:
    """One plain run. pos: the position at which most sites are asked for; layer: whose neurons are."""

    plain: Plain
    pos: int
    layer: int = 1

    @property
    def wants(self) -> list[Want]:
        """One want for every derived site, two where ranks and ids name the tokens alike."""
        best = {"token": choice(1), "against": choice(_AGAINST)}
        attributed = [Want(f"dla_{site}", pos=self.pos, **best) for site in _ATTRIBUTED]
        writes = [Want(f"write_{site}", self.layer, pos=self.pos) for site in _WRITTEN]
        watched = [Want(f"watch_{site}", pos=self.pos) for site in ("ids", "logp", "rank")]
        by_layer = [Want("contribution", layer) for layer in range(len(self.layers))]
        pooled = [
            Want(f"{site}_{how}", self.layer, head=head, window=window)
            for site in ("pattern", "contribution")
            for how in ("max", "mean")
            for head, window in ((0, None), (1, (2, 7, 1, 5)))
        ]
        by_id = [Want("dla_parts", pos=self.pos, token=int(self.best[0]))] if self.best.size else []
        gaps = [Want("ffn_sum_gap", self.layer, pos=self.pos), Want("cache_gap", pos=self.pos)]
        lenses = [Want("lens_kl", pos=self.pos), Want("surprisal")]
        strongest = [Want(f"top_{site}") for site in ("src", "head", "weight", "moved")]
        return [*attributed, *by_id, *writes, *watched, *by_layer, *pooled, *gaps, *lenses, *strongest]

    def pairs(self, want: Want, found: np.ndarray, ids: np.ndarray | None) -> Pair:
        """(what the engine gave, what it should have given); ids: of the neurons or tokens that its numbers are of.

        Ids themselves are held to the size of what they name: equal up to ties.
        """
        site = want.site.removeprefix("dla_").removeprefix("write_")
        if want.head is not None:
            return found, self._pooled(want)
        if site in _PLAIN_NUMBERS or want.site.startswith(("watch", "top")):
            return found, self._numbers(want)
        everything = self._everything(want)  # […, all neurons or tokens]
        if ids is not None:
            return found, np.take_along_axis(everything, ids, axis=-1)
        order = {"up_ids": everything, "down_ids": -everything}.get(site, np.abs(everything))
        return np.take_along_axis(order, found, axis=-1), -np.sort(-order, axis=-1)[..., : found.shape[-1]]

    @cached_property
    def layers(self) -> list[Layer]:
        return [self.plain.layer(number) for number in range(self.plain.model.config.num_hidden_layers)]

    @cached_property
    def best(self) -> np.ndarray:
        """Ids at the position, best first; none from a model without a head."""
        if not hasattr(self.plain.result, "logits"):
            return np.array([])
        return np.argsort(-self.plain.result.logits[0, self.pos].numpy(), kind="stable")

    def _numbers(self, want: Want) -> np.ndarray:
        match want.site:
            case "dla_parts":
                return self._parts(want)
            case "dla_heads":
                return torch.stack([self._head_writes(n) for n in range(len(self.layers))]).double().numpy() @ self._aim
            case "dla_src":
                return sum(self._writes_by_source(n) for n in range(len(self.layers))).double().numpy() @ self._aim
            case "contribution":
                return self._contribution(want.layer)
            case "top_src" | "top_head" | "top_weight" | "top_moved":
                return np.stack([self._strongest(layer)[want.site] for layer in range(len(self.layers))])
            case "ffn_sum_gap":
                return self._ffn_sum_gap()
            case "cache_gap":
                return self._cache_gap()
            case "surprisal":
                told = next_logp(self.plain)[np.arange(len(self.plain.ids) - 1), self.plain.ids[1:]]
                return np.append(np.nan, -told)
        lens = lens_logp(self.plain, self.layers, self.pos)  # [layer vocab]
        if want.site == "lens_kl":
            return (np.exp(lens[-1]) * (lens[-1] - lens)).sum(axis=1)
        ids = list(dict.fromkeys(lens.argmax(axis=1)[::-1]))[:8]
        ranks = (-lens).argsort(axis=1).argsort(axis=1) + 1
        return {"watch_ids": np.array(ids), "watch_logp": lens[:, ids], "watch_rank": ranks[:, ids]}[want.site]

    def _everything(self, want: Want) -> np.ndarray:
        """The number of every neuron, or of every token for each of the ten neurons that write most."""
        if want.site.startswith("dla_neuron"):
            return np.stack([self._neuron_writes(n).double().numpy() @ self._aim for n in range(len(self.layers))])
        writes = self._neuron_writes(self.layer)
        sizes = writes.norm(dim=-1)
        if want.site in ("write_ids", "write_norms"):
            return sizes.numpy()
        if want.site == "write_acts":
            return self.layers[self.layer]["act"][self.pos].numpy()
        return self._frozen(writes[sizes.argsort(descending=True)[:10]]).numpy() @ self._unembedding.T

    @cached_property
    def _unembedding(self) -> Float[np.ndarray, "vocab d_model"]:
        return self.plain.model.get_output_embeddings().weight.detach().double().numpy()

    @cached_property
    def _aim(self) -> Float[np.ndarray, " d_model"]:
        """What a vector in the stream is multiplied with for its part of the lead of the best token."""
        every = torch.eye(self.plain.model.config.hidden_size, dtype=torch.float64)
        one, other = self._unembedding[self.best[[0, _AGAINST - 1]]]
        return self._frozen(every).numpy() @ (one - other)

    def _frozen(self, vectors: Float[Tensor, "row d_model"]) -> Float[Tensor, "row d_model"]:
        """Vectors as the final norm scaled the numbers of the stream: its output by its input, bias and mean apart."""
        path = _FINAL_NORM.get(self.plain.model.config.model_type, "norm")
        norm = deepcopy(self.plain.model.base_model.get_submodule(path)).double()
        stream = self.layers[-1]["resid_post"][self.pos].double()
        with torch.inference_mode():
            out = norm(stream[None])[0].double()
        if not hasattr(norm, "bias"):
            return vectors.double() * (out / stream)
        scale = (out - norm.bias.detach()) / (stream - stream.mean())
        return (vectors.double() - vectors.double().mean(dim=-1, keepdim=True)) * scale

    def _parts(self, want: Want) -> np.ndarray:
        """Each write through the frozen norm; constants are what is left of the logit that the model gave."""
        writes = [self.layers[0]["resid_pre"], *(sites[w] for sites in self.layers for w in ("attn_out", "ffn_out"))]
        tokens = [self.best[0], self.best[_AGAINST - 1]] if want.against else [want.token]
        signs = [1.0, -1.0][: len(tokens)]
        aim = np.array(signs) @ self._unembedding[tokens]
        parts = self._frozen(torch.stack([write[self.pos] for write in writes])).numpy() @ aim
        logit = np.array(signs) @ self.plain.result.logits[0, self.pos].double().numpy()[tokens]
        return np.append(parts, logit - parts.sum())

    def _projection(self, layer: int, which: int) -> nn.Module:
        paths = _PROJECTIONS.get(self.plain.model.config.model_type, _LLAMA_PROJECTIONS)
        return self.plain.model.base_model.get_submodule(paths[which].format(layer))

    def _alone(self, module: nn.Module, values: Float[Tensor, "part input"]) -> Float[Tensor, "part d_model"]:
        """What a projection makes of each row, without what it makes of nothing."""
        with torch.inference_mode():
            return module(values) - module(torch.zeros_like(values[:1]))

    def _head_writes(self, layer: int) -> Float[Tensor, "head d_model"]:
        z = self.layers[layer]["z"][:, self.pos]  # [head d_head]
        apart = torch.block_diag(*z[:, None])  # [head head·d_head]
        return self._alone(self._projection(layer, 0), apart)

    def _neuron_writes(self, layer: int) -> Float[Tensor, "d_ff d_model"]:
        return self._alone(self._projection(layer, 1), torch.diag(self.layers[layer]["act"][self.pos]))

    def _ffn_sum_gap(self) -> np.ndarray:
        """The neurons' writes and what the projection makes of nothing, against what it gave."""
        module, written = self._projection(self.layer, 1), self.layers[self.layer]["ffn_out"][self.pos]
        with torch.inference_mode():
            nothing = module(torch.zeros(1, self.layers[self.layer]["act"].shape[-1]))[0]
        return (self._neuron_writes(self.layer).sum(0) + nothing - written).abs().max().numpy()

    def _cache_gap(self) -> np.ndarray:
        """The library's own cache, filled one token at a time."""
        cache = DynamicCache(config=self.plain.model.config)
        with torch.inference_mode():
            for token, place in zip(self.plain.ids[: self.pos + 1], self.plain.places, strict=False):
                given = {"input_ids": torch.tensor([[token]]), "position_ids": torch.tensor([[place]])}
                out = self.plain.model(**given, past_key_values=cache, use_cache=True)
        return (out.logits[0, -1] - self.plain.result.logits[0, self.pos]).abs().max().numpy()

    def _pooled(self, want: Want) -> Float[np.ndarray, "row col"]:
        """The largest or the mean of each cell of a head's map cut into 256 runs a side, cell by cell."""
        site, _, how = want.site.partition("_")
        whole = self._contribution(want.layer) if site == "contribution" else self.layers[want.layer or 0]["pattern"]
        top, bottom, left, right = want.window or (0, len(self.plain.ids), 0, len(self.plain.ids))
        shown = np.asarray(whole[want.head])[top:bottom, left:right]
        runs = [[axis[len(axis) * i // n : len(axis) * (i + 1) // n] for i in range(n)] for axis, n in _runs(shown)]
        cells = [[shown[np.ix_(rows, columns)] for columns in runs[1]] for rows in runs[0]]
        return np.array([[cell.max() if how == "max" else cell.mean() for cell in row] for row in cells])

    def _contribution(self, layer: int | None) -> Float[np.ndarray, "head pos src"]:
        """Length of weight × value after the projection, cell by cell."""
        sites, out = self.layers[layer or 0], self._projection(layer or 0, 0)
        pattern, v = sites["pattern"], sites["v"]
        heads, n, width = len(pattern), len(self.plain.ids), v.shape[-1]
        found = np.zeros(pattern.shape)
        for head in range(heads):
            values = v[head // (heads // len(v))]  # [src d_head]
            for pos in range(n):
                apart = torch.zeros(n, heads * width)
                apart[:, head * width : (head + 1) * width] = pattern[head, pos, :, None] * values
                found[head, pos] = self._alone(out, apart).norm(dim=-1).numpy()
        return found

    def _writes_by_source(self, layer: int) -> Float[Tensor, "src d_model"]:
        """What every token's values add to the stream at the position, through all heads of a layer."""
        pattern, v = self.layers[layer]["pattern"][:, self.pos], self.layers[layer]["v"]  # [head src], [kv src d_head]
        values = v.repeat_interleave(len(pattern) // len(v), dim=0)  # [head src d_head]
        weighed = (pattern[..., None] * values).transpose(0, 1).flatten(1)  # [src head·d_head]
        return self._alone(self._projection(layer, 0), weighed)

    def _strongest(self, layer: int) -> dict[str, Float[np.ndarray, " pos"]]:
        """Who brings each token most, token by token, head by head: one that brings clearly more takes the place."""
        brought, pattern = self._contribution(layer), self.layers[layer]["pattern"]
        found = []
        for pos in range(brought.shape[1]):
            cells = {
                (head, src): brought[head, pos, src] for head, src in np.ndindex(brought.shape[0], brought.shape[2])
            }
            others = {place: length for place, length in cells.items() if place[1] not in (0, pos) and length > 0}
            most = max(others.values(), default=0.0)
            place = next((place for place, length in others.items() if length >= most * (1 - 1e-5)), None)
            weight = 0.0 if place is None else float(pattern[place[0], pos, place[1]])
            head, src = place or (-1, -1)
            found.append((src, head, weight, others.get((head, src), 0.0)))
        return dict(zip(("top_src", "top_head", "top_weight", "top_moved"), np.array(found).T, strict=True))


def _runs(shown: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """The places along each axis of a map, and into how many runs they are cut."""
    return [(np.arange(length), min(length, 256)) for length in shown.shape]


_PLAIN_NUMBERS = ("parts", "heads", "src", "contribution", "lens_kl", "surprisal", "ffn_sum_gap", "cache_gap")
_ATTRIBUTED = ("parts", "heads", "src", "neuron_ids", "neuron_logits")
_WRITTEN = ("ids", "acts", "norms", "up_ids", "up_logits", "down_ids", "down_logits")
# Whose ids a site's numbers are of.
IDS_OF = {
    "dla_neuron_logits": "dla_neuron_ids",
    "write_acts": "write_ids",
    "write_norms": "write_ids",
    "write_up_logits": "write_up_ids",
    "write_down_logits": "write_down_ids",
}

"""What a plain eager forward pass of the library gives for every site, read without any code of `models/`.

Written down a second time on purpose, and from other places than the family tables use: the inputs and outputs of the
linear layers, `output_attentions` and `output_hidden_states`. The parity tests hold the engine to it.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from anatomy.measure import apart, as_bytes, cosines, exactly_zero, head_scores, max_pool, near_zero, norms, reach
from anatomy.request import Want

Layer = dict[str, Tensor]


class Plain:
    """One forward pass of a model with `attn_implementation="eager"`, everything seen on the way.

    places  position numbers that are not 0, 1, 2 …
    """

    def __init__(self, model: PreTrainedModel, ids: list[int], places: list[int] | None = None) -> None:
        if model.config._attn_implementation != "eager":
            raise ValueError(f"the reference has to be eager, this model runs {model.config._attn_implementation}")
        self.model = model
        self.ids = np.array(ids)
        self._moved = places is not None
        self.places = list(range(len(ids))) if places is None else places
        self.into: dict[str, Tensor] = {}
        self.out: dict[str, Tensor] = {}
        hooks = [module.register_forward_hook(self._see(name)) for name, module in model.base_model.named_modules()]
        with torch.inference_mode():
            self.result = model(
                torch.tensor([ids]), output_attentions=True, output_hidden_states=True, **self.positions()
            )
        for hook in hooks:
            hook.remove()

    def positions(self, texts: int = 1) -> dict[str, Tensor]:
        """What tells the model other position numbers. The mask that is spelt out keeps it from taking them for those
        of several texts in a row."""
        if not self._moved:
            return {}
        places = torch.tensor([self.places] * texts)
        return {"position_ids": places, "attention_mask": torch.ones_like(places)}

    def _see(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple, output: object) -> None:
            if args and isinstance(args[0], Tensor):
                self.into[name] = args[0][0]
            first = output[0] if isinstance(output, tuple) else output
            if isinstance(first, Tensor):
                self.out[name] = first[0]

        return hook

    def layer(self, number: int) -> Layer:
        """Every site of one layer, as tensors without the batch axis."""
        kind = self.model.config.model_type
        sites = _LAYERS.get(kind, _llama)(self, number)
        pattern = self.result.attentions[number][0]
        group = len(sites["q"]) // len(sites["k"])
        scores = sites["q"] @ sites["k"].repeat_interleave(group, 0).transpose(1, 2)
        scores = scores + sites["pos_bias"] if "pos_bias" in sites else scores / sites["q"].shape[-1] ** 0.5
        sites |= {"pattern": pattern, "scores": scores.masked_fill(pattern == 0, -torch.inf)}
        sites["resid_pre"] = self.result.hidden_states[number][0]
        return sites

    def _heads(self, flat: Tensor, count: int) -> Tensor:
        """[pos head·d_head] → [head pos d_head]"""
        return flat.unflatten(-1, (count, -1)).transpose(0, 1)


def _llama(plain: Plain, number: int) -> Layer:
    at, config = f"layers.{number}", plain.model.config
    q, k, v = (plain.out[f"{at}.self_attn.{name}_proj"] for name in "qkv")
    q, k = plain._heads(q, config.num_attention_heads), plain._heads(k, config.num_key_value_heads)
    with torch.inference_mode():
        cos, sin = plain.model.base_model.rotary_emb(q[None], torch.tensor([plain.places]))
        before = {"q_unturned": q, "k_unturned": k}
        q, k = (turned[0] for turned in apply_rotary_pos_emb(q[None], k[None], cos, sin))
    gate, up = plain.out[f"{at}.mlp.gate_proj"], plain.out[f"{at}.mlp.up_proj"]
    attn_out = plain.out[f"{at}.self_attn.o_proj"]
    return {
        **before,
        "attn_in": plain.into[f"{at}.self_attn.q_proj"],
        "q": q,
        "k": k,
        "v": plain._heads(v, config.num_key_value_heads),
        "z": plain._heads(plain.into[f"{at}.self_attn.o_proj"], config.num_attention_heads),
        "attn_out": attn_out,
        "resid_mid": plain.result.hidden_states[number][0] + attn_out,
        "ffn_in": plain.into[f"{at}.mlp.gate_proj"],
        "gate": gate,
        "up": up,
        "act": nn.functional.silu(gate) * up,
        "ffn_out": plain.out[f"{at}.mlp.down_proj"],
        "resid_post": plain.out[at],
    }


def _gpt2(plain: Plain, number: int) -> Layer:
    at, heads = f"h.{number}", plain.model.config.n_head
    q, k, v = plain.out[f"{at}.attn.c_attn"].chunk(3, dim=-1)
    attn_out, up = plain.out[f"{at}.attn.c_proj"], plain.out[f"{at}.mlp.c_fc"]
    return {
        "attn_in": plain.into[f"{at}.attn.c_attn"],
        "q": plain._heads(q, heads),
        "k": plain._heads(k, heads),
        "v": plain._heads(v, heads),
        "z": plain._heads(plain.into[f"{at}.attn.c_proj"], heads),
        "attn_out": attn_out,
        "resid_mid": plain.result.hidden_states[number][0] + attn_out,
        "ffn_in": plain.into[f"{at}.mlp.c_fc"],
        "up": up,
        "act": nn.functional.gelu(up, approximate="tanh"),
        "ffn_out": plain.out[f"{at}.mlp.c_proj"],
        "resid_post": plain.out[at],
    }


def _bert(plain: Plain, number: int) -> Layer:
    at, heads = f"encoder.layer.{number}", plain.model.config.num_attention_heads
    up = plain.out[f"{at}.intermediate.dense"]
    return {
        "attn_in": plain.into[f"{at}.attention.self.query"],
        "q": plain._heads(plain.out[f"{at}.attention.self.query"], heads),
        "k": plain._heads(plain.out[f"{at}.attention.self.key"], heads),
        "v": plain._heads(plain.out[f"{at}.attention.self.value"], heads),
        "z": plain._heads(plain.into[f"{at}.attention.output.dense"], heads),
        "attn_out": plain.out[f"{at}.attention.output.dense"],
        "resid_mid": plain.into[f"{at}.intermediate.dense"],
        "ffn_in": plain.into[f"{at}.intermediate.dense"],
        "up": up,
        "act": nn.functional.gelu(up),
        "ffn_out": plain.out[f"{at}.output.dense"],
        "resid_post": plain.result.hidden_states[number + 1][0],
    }


def _t5(plain: Plain, number: int) -> Layer:
    at, config = f"encoder.block.{number}.layer", plain.model.config
    q, k, v, o = (f"{at}.0.SelfAttention.{name}" for name in "qkvo")
    gated = config.is_gated_act
    up = plain.out[f"{at}.1.DenseReluDense.{'wi_1' if gated else 'wi'}"]
    gate = {"gate": plain.out[f"{at}.1.DenseReluDense.wi_0"]} if gated else {}
    act = nn.functional.gelu(gate["gate"], approximate="tanh") * up if gated else up.relu()
    with torch.inference_mode():
        bias = plain.model.encoder.block[0].layer[0].SelfAttention.compute_bias(len(plain.ids), len(plain.ids))
    return gate | {
        "attn_in": plain.into[q],
        "q": plain._heads(plain.out[q], config.num_heads),
        "k": plain._heads(plain.out[k], config.num_heads),
        "v": plain._heads(plain.out[v], config.num_heads),
        "pos_bias": bias[0],
        "z": plain._heads(plain.into[o], config.num_heads),
        "attn_out": plain.out[o],
        "resid_mid": plain.out[f"{at}.0"],
        "ffn_in": plain.out[f"{at}.1.layer_norm"],
        "up": up,
        "act": act,
        "ffn_out": plain.out[f"{at}.1.DenseReluDense.wo"],
        "resid_post": plain.out[f"encoder.block.{number}"],
    }


_LAYERS = {"gpt2": _gpt2, "bert": _bert, "t5": _t5}


def expected(plain: Plain, lens_pos: int) -> dict[Want, np.ndarray]:
    """The array of every want whose answer is made of numbers; those made of token ids are in `best_ids`."""
    layers = [plain.layer(number) for number in range(plain.model.config.num_hidden_layers)]
    arrays = {Want(site, n): tensor.numpy() for n, sites in enumerate(layers) for site, tensor in sites.items()}
    reduced = _reduced(plain, arrays, len(layers))
    return arrays | reduced | _norm_parameters(plain) | _way_in(plain) | _way_out(plain, layers, lens_pos)


# Kind → where the parameters of each layer's two norms stand in the state of the model's body, without their last word.
_NORMS = {
    "gpt2": ("h.{}.ln_1", "h.{}.ln_2"),
    "bert": ("encoder.layer.{}.attention.output.LayerNorm", "encoder.layer.{}.output.LayerNorm"),
    "t5": ("encoder.block.{}.layer.0.layer_norm", "encoder.block.{}.layer.1.layer_norm"),
}
_LLAMA_NORMS = ("layers.{}.input_layernorm", "layers.{}.post_attention_layernorm")


def _norm_parameters(plain: Plain) -> dict[Want, np.ndarray]:
    state = plain.model.base_model.state_dict()
    paths = _NORMS.get(plain.model.config.model_type, _LLAMA_NORMS)
    return {
        Want(site, layer): state[f"{path.format(layer)}.{name}"].numpy()
        for layer in range(plain.model.config.num_hidden_layers)
        for part, path in zip(("attn", "ffn"), paths, strict=True)
        for site, name in ((f"{part}_gain", "weight"), (f"{part}_norm_bias", "bias"))
        if f"{path.format(layer)}.{name}" in state
    }


def _reduced(plain: Plain, arrays: dict[Want, np.ndarray], layers: int) -> dict[Want, np.ndarray]:
    def every(site: str) -> np.ndarray:
        return np.stack([arrays[Want(site, layer)] for layer in range(layers)])

    kinds = [head_scores(arrays[Want("pattern", layer)], plain.ids) for layer in range(layers)]
    lengths = {"pre": "resid_pre", "mid": "resid_mid", "post": "resid_post", "attn": "attn_out", "ffn": "ffn_out"}
    return {
        **{Want(f"norm_{name}"): norms(every(site)) for name, site in lengths.items()},
        **{Want(f"head_{kind}"): np.stack([scores[kind] for scores in kinds]) for kind in kinds[0]},
        Want("cos_attn"): cosines(every("attn_out"), every("resid_pre")),
        Want("cos_ffn"): cosines(every("ffn_out"), every("resid_mid")),
        Want("act_small"): near_zero(every("act")),
        Want("act_zero"): exactly_zero(every("act")),
        Want("head_apart"): np.stack([apart(arrays[Want("pattern", layer)]) for layer in range(layers)]),
        Want("head_reach"): np.stack([reach(arrays[Want("pattern", layer)]) for layer in range(layers)]),
        Want("head_maps"): as_bytes(max_pool(every("pattern"), 32)),
        **{
            Want("cos_tokens", pos=pos): cosines(every("resid_post")[:, pos, None], every("resid_post"))
            for pos in range(len(plain.ids))
        },
    }


def _way_in(plain: Plain) -> dict[Want, np.ndarray]:
    table = plain.model.get_input_embeddings().weight.detach().numpy()
    near = near_cosines(plain)
    best = np.argsort(-near, axis=1)[:, :8]
    arrays = {
        Want("tok_embed"): table[plain.ids],
        Want("near_cos"): np.take_along_axis(near, best, axis=1),
        Want("near_rows"): table[best],
    }
    position = {"gpt2": "wpe", "bert": "embeddings.position_embeddings"}.get(plain.model.config.model_type)
    if position:
        weight = plain.model.base_model.get_submodule(position).weight
        arrays[Want("pos_embed")] = weight[plain.places].detach().numpy()
    if plain.model.config.model_type == "t5":
        attention = plain.model.encoder.block[0].layer[0].SelfAttention
        arrays[Want("bias_table")] = attention.relative_attention_bias.weight.detach().numpy()
    return arrays


def near_cosines(plain: Plain) -> np.ndarray:
    """[pos vocab] cosine of each token's row with every other row; −2 with its own."""
    table = plain.model.get_input_embeddings().weight.detach().numpy().astype(np.float64)
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    cosine = unit[plain.ids] @ unit.T
    cosine[np.arange(len(plain.ids)), plain.ids] = -2.0
    return cosine


def _way_out(plain: Plain, layers: list[Layer], lens_pos: int) -> dict[Want, np.ndarray]:
    if not hasattr(plain.result, "logits"):
        return {}
    logp = next_logp(plain)
    lens = lens_logp(plain, layers, lens_pos)
    logits = plain.result.logits[0]
    return {
        **{Want("logits", pos=pos): logits[pos].numpy() for pos in range(len(logits))},
        Want("next_logp"): -np.sort(-logp, axis=1)[:, :50],
        Want("entropy"): -(np.exp(logp) * logp).sum(axis=1),
        Want("lens_logp", pos=lens_pos): -np.sort(-lens, axis=1)[:, :10],
    }


def next_logp(plain: Plain) -> np.ndarray:
    """[pos vocab] log probability of every token, in float64."""
    return plain.result.logits[0].double().log_softmax(-1).numpy()


def lens_logp(plain: Plain, layers: list[Layer], pos: int) -> np.ndarray:
    """[layer vocab] log probability of every token when the stream after each layer is read out at one position."""
    body = plain.model.base_model
    norm = {"gpt2": "ln_f", "bert": ""}.get(plain.model.config.model_type, "norm")
    head = plain.model.cls if hasattr(plain.model, "cls") else plain.model.lm_head
    rows = torch.stack([sites["resid_post"][pos] for sites in layers])
    with torch.inference_mode():
        return head(body.get_submodule(norm)(rows) if norm else rows).double().log_softmax(-1).numpy()

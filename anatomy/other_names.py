"""What TransformerLens and nnsight call the arrays of our sites. `python -m anatomy.other_names` prints the page of it.

Names were checked in TransformerLens 3.5.1 and 4.3.0 and in nnsight 0.7.0 and 0.8.1 with transformers 5.23.0.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from anatomy.sites import SITES, Site
from anatomy.stages import STAGES

LIBRARIES = ("lens", "llama", "gpt2")


@dataclass(frozen=True)
class OtherNames:
    """What others call the array of one of our sites; "" where they have no name for it.

    lens    hook point of TransformerLens, or a parameter of it; {l} is the layer
    llama   path of nnsight from the model on, for Llama; l is the layer
    gpt2    the same for GPT-2
    differs what is different where a name is not of the same array; how else one gets it where there is no name
    same    those of LIBRARIES whose array is the same number for number and axis for axis, but for their batch axis;
            of TransformerLens with weights as they were loaded
    """

    lens: str = ""
    llama: str = ""
    gpt2: str = ""
    differs: str = ""
    same: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        nameless = [library for library in self.same if not getattr(self, library)]
        if nameless or not set(self.same) <= set(LIBRARIES):
            raise ValueError(f"same={self.same}: only those of {LIBRARIES} with a name can be the same")


def _layer(lens: str, llama: str, gpt2: str, differs: str = "", same: str = "lens llama gpt2") -> OtherNames:
    """Names within a layer, written from the layer on."""
    return OtherNames(
        f"blocks.{{l}}.{lens}" if lens else "",
        f"model.model.layers[l].{llama}" if llama else "",
        f"model.transformer.h[l].{gpt2}" if gpt2 else "",
        differs,
        tuple(same.split()),
    )


_CENTRED = "Centred by default in TransformerLens where norms are LayerNorms."
_BEFORE_GAIN = (
    "TransformerLens: before gain and bias, which it folds into the next matrices by default. From 4.x on "
    "`blocks.{l}.%s.hook_out` is the same array."
)
_SIDE_BY_SIDE = "nnsight: [pos head·d_head], heads side by side"
_FOLDED_BIAS = "By default without the bias of the values, which is folded into `b_O`."
_FOLDED_GAIN = "TransformerLens: a parameter, not a hook point, and gone where it is folded, as it is by default."

_NAMED: dict[str, OtherNames] = {
    "tok_embed": OtherNames(
        "hook_embed",
        "model.model.embed_tokens.output",
        "model.transformer.wte.output",
        _CENTRED,
        same=LIBRARIES,
    ),
    "pos_embed": OtherNames(
        "hook_pos_embed",
        "",
        "model.transformer.wpe.output",
        f"{_CENTRED} Llama has no such table.",
        same=("lens", "gpt2"),
    ),
    "q": _layer(
        "attn.hook_rot_q",
        "self_attn.source.apply_rotary_pos_emb_0.output[0]",
        "attn.c_attn.output",
        "TransformerLens: [pos head d_head]; `hook_q` where nothing is rotated (GPT-2), as it is before rotation in "
        f"Llama. nnsight: `q_proj.output` is before rotation; {_SIDE_BY_SIDE[9:]}, in GPT-2 the first third of "
        "`c_attn`.",
        same="llama",
    ),
    "k": _layer(
        "attn.hook_rot_k",
        "self_attn.source.apply_rotary_pos_emb_0.output[1]",
        "attn.c_attn.output",
        "As `q`, with `hook_k` and `k_proj`: [pos kv d_head], one set per key/value head as here "
        "(`ungroup_grouped_query_attention` repeats them). In GPT-2 the second third of `c_attn`.",
        same="llama",
    ),
    "v": _layer(
        "attn.hook_v",
        "self_attn.v_proj.output",
        "attn.c_attn.output",
        f"TransformerLens: [pos kv d_head]. {_FOLDED_BIAS} {_SIDE_BY_SIDE}; in GPT-2 the last third of `c_attn`.",
        same="",
    ),
    "scores": _layer(
        "attn.hook_attn_scores",
        "self_attn.source.attention_interface_1.source.nn_functional_softmax_0.input",
        "attn.source.attention_interface_1.source.nn_functional_softmax_0.input",
        "The least number of the type where ours is −∞: in nnsight, and in a bridge of TransformerLens 4 outside of its "
        "compatibility mode. nnsight 0.7 counts the call as `attention_interface_0`.",
        same="lens",
    ),
    "pattern": _layer(
        "attn.hook_pattern",
        "self_attn.output[1]",
        "attn.output[1]",
        'nnsight: with `attn_implementation="eager"`; None with others.',
    ),
    "z": _layer(
        "attn.hook_z",
        "self_attn.o_proj.input",
        "attn.c_proj.input",
        f"TransformerLens: [pos head d_head]. {_FOLDED_BIAS} {_SIDE_BY_SIDE}.",
        same="",
    ),
    "attn_out": _layer("hook_attn_out", "self_attn.output[0]", "attn.output[0]", _CENTRED),
    "gate": _layer("mlp.hook_pre", "mlp.gate_proj.output", "", "GPT-2 has no gate.", same="lens llama"),
    "up": _layer(
        "mlp.hook_pre_linear",
        "mlp.up_proj.output",
        "mlp.c_fc.output",
        "TransformerLens: `mlp.hook_pre` where there is no gate (GPT-2).",
    ),
    "act": _layer("mlp.hook_post", "mlp.down_proj.input", "mlp.c_proj.input"),
    "ffn_out": _layer("hook_mlp_out", "mlp.output", "mlp.output", _CENTRED),
    "resid_pre": _layer("hook_resid_pre", "input", "input", _CENTRED),
    "resid_mid": _layer("hook_resid_mid", "post_attention_layernorm.input", "ln_2.input", _CENTRED),
    "resid_post": _layer(
        "hook_resid_post",
        "output",
        "output",
        f"{_CENTRED} nnsight: a tuple in transformers 4, whose first part it is.",
    ),
    "attn_in": _layer(
        "ln1.hook_normalized",
        "input_layernorm.output",
        "ln_1.output",
        _BEFORE_GAIN % "ln1",
        same="llama gpt2",
    ),
    "ffn_in": _layer(
        "ln2.hook_normalized",
        "post_attention_layernorm.output",
        "ln_2.output",
        _BEFORE_GAIN % "ln2",
        same="llama gpt2",
    ),
    "attn_gain": _layer("ln1.w", "input_layernorm.weight", "ln_1.weight", _FOLDED_GAIN),
    "ffn_gain": _layer("ln2.w", "post_attention_layernorm.weight", "ln_2.weight", _FOLDED_GAIN),
    "attn_norm_bias": _layer(
        "ln1.b", "", "ln_1.bias", f"{_FOLDED_GAIN} Llama's norms have no bias.", same="lens gpt2"
    ),
    "ffn_norm_bias": _layer("ln2.b", "", "ln_2.bias", f"{_FOLDED_GAIN} Llama's norms have no bias.", same="lens gpt2"),
    "logits": OtherNames(
        "unembed.hook_out",
        "model.lm_head.output",
        "model.lm_head.output",
        "All positions at once, ours is asked for at one. TransformerLens by default takes the mean over the vocabulary "
        "off (`center_unembed`); probabilities are the same.",
        same=LIBRARIES,
    ),
}

# Sites that are worked out here and have no name there: of what, and what there is like it.
_WORKED_OUT = """
merge_step        | The tokenizer alone: `model.tokenizer` in both.
merge_rule        | The tokenizer alone: `model.tokenizer` in both.
chat_ids          | `model.tokenizer.apply_chat_template` in both.
chat_role         | The tokenizer alone, from its chat template.
near_ids          | Cosines of rows of the table: `W_E` in TransformerLens, `embed_tokens.weight` or `wte.weight` in nnsight.
near_cos          | As `near_ids`.
near_rows         | As `near_ids`.
pos_bias          | Only T5 has one, neither Llama nor GPT-2. nnsight: second output of a `SelfAttention`.
contribution      | Length of `pattern` × `v` × `W_O`, before it is summed over tokens; `hook_result` is after the sum.
pattern_max       | `pattern`, cell by cell.
pattern_mean      | `pattern`, cell by cell.
contribution_max  | `contribution`, cell by cell.
contribution_mean | `contribution`, cell by cell.
head_previous     | `detect_head` of TransformerLens with "previous_token_head": a share of all weight, first row included.
head_first        | Of `pattern`.
head_duplicate    | `detect_head` with "duplicate_token_head": only earlier places; a share of the weight of all rows.
head_induction    | `detect_head` with "induction_head": as above; tokens that follow a copy count though they are equal.
head_local        | Of `pattern`.
head_entropy      | Of `pattern`.
head_distance     | Of `pattern`.
head_later        | Of `pattern`.
head_apart        | Of `pattern`.
head_reach        | Of `pattern`.
head_maps         | Of `pattern`.
ffn_sum_gap       | `ffn_out` against `act` × rows of `W_out` (`down_proj`, `c_proj`) and its bias.
write_ids         | Of `act` and `W_out`; `ActivationCache.get_neuron_results` gives what each neuron writes.
write_acts        | As `write_ids`.
write_norms       | As `write_ids`.
write_up_ids      | As `write_ids`; then `ActivationCache.apply_ln_to_stack` and `W_U`.
write_up_logits   | As `write_up_ids`.
write_down_ids    | As `write_up_ids`.
write_down_logits | As `write_up_ids`.
act_small         | Of `act`.
act_zero          | Of `act`.
ffn_bend          | The FFN called again: inside a trace of nnsight, `mlp(x)` is such a call.
norm_pre          | Lengths of `resid_pre`; `ActivationCache.stack_activation` gives that of all layers.
norm_mid          | Lengths of `resid_mid`, as `norm_pre`.
norm_post         | Lengths of `resid_post`, as `norm_pre`.
norm_attn         | Lengths of `attn_out`, as `norm_pre`.
norm_ffn          | Lengths of `ffn_out`, as `norm_pre`.
cos_attn          | Of `attn_out` and `resid_pre`.
cos_ffn           | Of `ffn_out` and `resid_mid`.
cos_tokens        | Of `resid_post`.
batch_gap         | `resid_post` of the last layer, run alone and in a batch.
lens_ids          | `ActivationCache.accumulated_resid` with `apply_ln`, then `W_U`, or `ActivationCache.logit_lens` (4.3); {CALLS}.
lens_logp         | As `lens_ids`.
lens_kl           | As `lens_ids`.
watch_ids         | As `lens_ids`.
watch_logp        | As `lens_ids`.
watch_rank        | As `lens_ids`; in TransformerLens 4.3 `rank_trajectory` of what `logit_lens` returns.
weight_gap        | Of the parameters.
layer_order       | Order in which modules are called: that in which nnsight has its values asked for.
next_ids          | Of `logits`.
next_logp         | Of `logits`.
entropy           | Of `logits`.
surprisal         | TransformerLens: `return_type="loss"` with `loss_per_token`, one shorter, as the first token has none.
half_kl           | Of `logits` of two runs.
cache_gap         | Of `logits` of two runs: with keys and values kept, and without.
dla_parts         | `ActivationCache.decompose_resid`, then `logit_attrs`; {GAIN}.
dla_heads         | `ActivationCache.stack_head_results`, then `logit_attrs`; {GAIN}.
dla_neuron_ids    | `ActivationCache.stack_neuron_results`, then `logit_attrs`; {GAIN}.
dla_neuron_logits | As `dla_neuron_ids`.
"""

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
    same    those of LIBRARIES whose array is the same up to rounding, axis for axis, but for their batch axis; of
            TransformerLens with weights as they were loaded
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
    "TransformerLens: before gain and bias, which are folded into the next matrices by default. Where they are not, "
    "`{norm}.hook_out`, from 4 on, is the same array."
)
_FOLDED_BIAS = "by default without the bias of the values, which is folded into `b_O`"
_FOLDED_GAIN = (
    "TransformerLens: a parameter and not a hook point; gone, or of no effect, where it is folded, as it is by default."
)

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
    "q_unturned": _layer(
        "attn.hook_q",
        "self_attn.q_proj.output",
        "",
        "TransformerLens: [pos head d_head]. nnsight: heads side by side, [pos head·d_head]. Where nothing is rotated "
        "(GPT-2) this is `q`.",
        same="",
    ),
    "k_unturned": _layer(
        "attn.hook_k",
        "self_attn.k_proj.output",
        "",
        "As `q_unturned`: [src kv d_head], one set per key/value head as here, unless "
        "`ungroup_grouped_query_attention` (TransformerLens 3.x) repeats them.",
        same="",
    ),
    "q": _layer(
        "attn.hook_rot_q",
        "self_attn.source.apply_rotary_pos_emb_0.output[0]",
        "attn.c_attn.output",
        "TransformerLens: [pos head d_head]; `attn.hook_q` is before rotation, and the one to take where nothing is "
        "rotated (GPT-2). nnsight: `q_proj.output` is before rotation, heads side by side, [pos head·d_head]; in GPT-2 "
        "so too, the first third of `c_attn`.",
        same="llama",
    ),
    "k": _layer(
        "attn.hook_rot_k",
        "self_attn.source.apply_rotary_pos_emb_0.output[1]",
        "attn.c_attn.output",
        "As `q`, with `attn.hook_k` and `k_proj`; in GPT-2 the second third. TransformerLens: [src kv d_head], one set "
        "per key/value head as here, unless `ungroup_grouped_query_attention` (3.x) repeats them.",
        same="llama",
    ),
    "v": _layer(
        "attn.hook_v",
        "self_attn.v_proj.output",
        "attn.c_attn.output",
        f"TransformerLens: [src kv d_head], {_FOLDED_BIAS}. nnsight: [src kv·d_head], heads side by side; in GPT-2 the "
        "last third of `c_attn`.",
        same="",
    ),
    "scores": _layer(
        "attn.hook_attn_scores",
        "self_attn.source.attention_interface_1.source.nn_functional_softmax_0.input",
        "attn.source.attention_interface_1.source.nn_functional_softmax_0.input",
        "Where the mask forbids there is −∞ in `HookedTransformer` and in a bridge in compatibility mode, and nothing "
        "else is different; in other bridges and in nnsight it is the least number of the type. nnsight: with eager "
        "attention; in 0.7 the call is `attention_interface_0`.",
        same="",
    ),
    "pattern": _layer(
        "attn.hook_pattern",
        "self_attn.output[1]",
        "attn.output[1]",
        'nnsight: with `attn_implementation="eager"`, or there is None.',
    ),
    "z": _layer(
        "attn.hook_z",
        "self_attn.o_proj.input",
        "attn.c_proj.input",
        f"TransformerLens: [pos head d_head], {_FOLDED_BIAS}. nnsight: [pos head·d_head], heads side by side.",
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
        _BEFORE_GAIN.format(norm="ln1"),
        same="llama gpt2",
    ),
    "ffn_in": _layer(
        "ln2.hook_normalized",
        "post_attention_layernorm.output",
        "ln_2.output",
        _BEFORE_GAIN.format(norm="ln2"),
        same="llama gpt2",
    ),
    "attn_gain": _layer("ln1.w", "input_layernorm.weight", "ln_1.weight", _FOLDED_GAIN),
    "ffn_gain": _layer("ln2.w", "post_attention_layernorm.weight", "ln_2.weight", _FOLDED_GAIN),
    "attn_norm_bias": _layer("ln1.b", "", "ln_1.bias", f"{_FOLDED_GAIN} Llama's norms have no bias.", same="lens gpt2"),
    "ffn_norm_bias": _layer("ln2.b", "", "ln_2.bias", f"{_FOLDED_GAIN} Llama's norms have no bias.", same="lens gpt2"),
    "logits": OtherNames(
        "unembed.hook_out",
        "model.lm_head.output",
        "model.lm_head.output",
        "All positions at once; ours is asked for at one. By default TransformerLens takes off the mean over the "
        "vocabulary (`center_unembed`).",
        same=LIBRARIES,
    ),
    "lens_ids": OtherNames(
        differs="TransformerLens: `ActivationCache.accumulated_resid` with `apply_ln=True`, times `W_U`, which counts "
        "the final norm's gain only where it is folded; `ActivationCache.logit_lens` (4.3) always does. nnsight, in a "
        "trace: `model.lm_head(model.model.norm(stream))`, with `model.transformer.ln_f` in GPT-2."
    ),
    "dla_parts": OtherNames(
        differs="TransformerLens: `ActivationCache.decompose_resid`, then `logit_attrs`, with the final norm folded as "
        "it is by default. GPT-2's two tables are two parts there, and what no part writes is left out."
    ),
}

# Sites that are worked out here and have no name there: of what, and what there is like it.
_WORKED_OUT = """
merge_step        | The tokenizer alone, `model.tokenizer` in both.
merge_rule        | As `merge_step`.
chat_ids          | `model.tokenizer.apply_chat_template` in both.
chat_role         | Of the chat template of `model.tokenizer`.
near_ids          | Cosines of rows of the table: `W_E`; `embed_tokens.weight` and `wte.weight` for nnsight.
near_cos          | As `near_ids`.
near_rows         | As `near_ids`.
pos_bias          | Only T5 has one: for nnsight the second output of `SelfAttention`; there is no hook point.
contribution      | Length of `pattern` × `v` × `W_O` before the sum over tokens; `attn.hook_result` is after it.
pattern_max       | `pattern`, cell by cell.
pattern_mean      | `pattern`, cell by cell.
contribution_max  | `contribution`, cell by cell.
contribution_mean | `contribution`, cell by cell.
head_previous     | `detect_head` of TransformerLens with "previous_token_head": a share of all rows' weight.
head_first        | Of `pattern`.
head_duplicate    | `detect_head` with "duplicate_token_head": a share of all rows' weight, with a copy or not.
head_induction    | `detect_head` with "induction_head": as `head_duplicate`; a follower equal to the token counts too.
head_local        | Of `pattern`.
head_entropy      | Of `pattern`.
head_distance     | Of `pattern`.
head_later        | Of `pattern`.
head_apart        | Of `pattern`.
head_reach        | Of `pattern`.
top_src           | Of `pattern` and `contribution`.
top_head          | Of `pattern` and `contribution`.
top_weight        | Of `pattern` and `contribution`.
top_moved         | Of `contribution`.
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
ffn_bend          | The FFN called again, which a trace of nnsight can do: `model.model.layers[l].mlp(x)`.
bias_table        | A parameter, in T5's first layer: `SelfAttention.relative_attention_bias.weight`.
norm_pre          | Lengths of `resid_pre`; `ActivationCache.stack_activation` gives that of all layers.
norm_mid          | Lengths of `resid_mid`, as `norm_pre`.
norm_post         | Lengths of `resid_post`, as `norm_pre`.
norm_attn         | Lengths of `attn_out`, as `norm_pre`.
norm_ffn          | Lengths of `ffn_out`, as `norm_pre`.
cos_attn          | Of `attn_out` and `resid_pre`.
cos_ffn           | Of `ffn_out` and `resid_mid`.
cos_tokens        | Of `resid_post`.
batch_gap         | `resid_post` of the last layer, run alone and in a batch.
lens_logp         | As `lens_ids`.
lens_kl           | As `lens_ids`.
watch_ids         | As `lens_ids`.
watch_logp        | As `lens_ids`.
watch_rank        | As `lens_ids`; `rank_trajectory` of what `logit_lens` returns.
weight_gap        | Of the parameters.
stored_bytes      | Of the checkpoint's file: `GGUFReader` of the gguf library, `safe_open` of safetensors.
stored_kind       | `tensor_type` of the gguf library's tensor, as a number; of safetensors, the dtype in the header.
stored_row        | A row of a parameter.
variant_kl        | Of `logits` of two models that you load yourself: the model, and the model with its weights altered.
variant_loss      | As `surprisal`, of the altered model.
variant_ids       | As `next_ids`, of the altered model.
variant_distance  | Of `resid_post` of both.
variant_seconds   | Of a clock around the passes of each.
layer_order       | The order in which modules are called; nnsight has to be asked for values in it.
next_ids          | Of `logits`.
next_logp         | Of `logits`.
entropy           | Of `logits`.
surprisal         | TransformerLens: `return_type="loss"`, `loss_per_token=True`, without our NaN for the first token.
half_kl           | Of `logits` of two runs.
cache_gap         | Of `logits` of two runs: with keys and values kept, and without.
dla_heads         | `ActivationCache.stack_head_results`, then `logit_attrs`; as `dla_parts`.
dla_src           | Of `v`, `pattern` and `W_O`, with the final norm's divisor; as `dla_parts`.
dla_neuron_ids    | `ActivationCache.stack_neuron_results`, then `logit_attrs`; as `dla_parts`.
dla_neuron_logits | As `dla_neuron_ids`.
"""

# Hook points of TransformerLens that are no site here, and what stands for them. Both versions have all of them, but
# `hook_attn_in` is not there for grouped heads before 4.
WITHOUT_SITE = {
    "blocks.{l}.hook_attn_in": "The stream before the norm, per head: `resid_pre`. `attn_in` is after the norm.",
    "blocks.{l}.hook_q_input": "As `blocks.{l}.hook_attn_in`, and so are `hook_k_input` and `hook_v_input`.",
    "blocks.{l}.hook_mlp_in": "The stream before the norm: `resid_mid`. `ffn_in` is after the norm.",
    "blocks.{l}.attn.hook_result": "What each head adds to the stream; of a logit it is `dla_heads`.",
    "blocks.{l}.ln1.hook_scale": "The norm's divisor, which no site holds; nor those of `ln2` and `ln_final`.",
    "ln_final.hook_scale": "The final norm's divisor: held fixed for `dla_parts` and its kin, but not shown.",
    "ln_final.hook_normalized": "The final stream, normalized and before its gain, which no site holds.",
}

_HEAD = """# Names in other libraries

For whoever comes from TransformerLens or nnsight: what these call the arrays that a `Want` asks for here.
`python -m anatomy.other_names` prints this page, from the table in `anatomy/other_names.py`. What each site is stands
in `anatomy/sites.py`; how the code is built, in [architecture.md](architecture.md).

- **Ours**: the name of a site with its axes, `Want("pattern", layer)` or, where a model has one, `Want("tok_embed")`.
  There is no batch axis. In the other libraries it comes first, but for parameters.
- **TransformerLens**: hook points, `{l}` the layer. `HookedTransformer`, which there is up to 3.x, has them, and
  `TransformerBridge` keeps the names.
- **nnsight**: paths into the model of transformers, of Llama and what is built alike (Mistral, Qwen2) and of GPT-2.
  `model` is a `LanguageModel`, `l` the layer. `.source` leads to a call within a forward pass.
- **=** before a name: the same array up to rounding, axis for axis, without its batch axis. Where it is missing, the
  last column says what is different. **—**: there is no name.

**TransformerLens changes weights by default.** `HookedTransformer.from_pretrained`, and a bridge after
`enable_compatibility_mode()`, fold the gain of norms and the bias of values into other matrices (`fold_ln`,
`fold_value_biases`), centre what is written to the stream where norms are LayerNorms (`center_writing_weights`), and
centre the output layer (`center_unembed`). Probabilities stay what they were; arrays on the way do not, as the last
column says. The sign = is about weights as they were loaded: by `from_pretrained_no_processing`, or a bridge that
nothing was done to.

Checked with TransformerLens 3.5.1 and 4.3.0, nnsight 0.7.0 and 0.8.1, and transformers 5.23.0: each name was asked of
its library, with a small random Llama and GPT-2, and its array held against ours. The tests hold nnsight's paths
against the model of transformers, and of TransformerLens's names only the form, for it is not installed.
"""

_COLUMNS = """| ours | TransformerLens | nnsight: Llama | nnsight: GPT-2 | what differs, or how one gets it |
|---|---|---|---|---|
"""
_WITHOUT = """## Hook points without a site

| TransformerLens | here |
|---|---|
"""


def _worked_out() -> Iterator[tuple[str, OtherNames]]:
    for line in _WORKED_OUT.strip().splitlines():
        name, differs = (cell.strip() for cell in line.split("|"))
        yield name, OtherNames(differs=differs)


NAMES: Mapping[str, OtherNames] = _NAMED | dict(_worked_out())


def markdown() -> str:
    """The page: one table per stage, and one of hook points that have no site."""
    stages = [_stage(title, [site for site in SITES.values() if site.stage == id]) for id, title in _titles().items()]
    without = (f"| `{name}` | {says} |\n" for name, says in WITHOUT_SITE.items())
    return f"{_HEAD}\n{''.join(stages)}{_WITHOUT}{''.join(without)}"


def _titles() -> dict[str, str]:
    """Stages that have sites, with their titles."""
    used = {site.stage for site in SITES.values()}
    return {stage.id: stage.title for stage in STAGES.values() if stage.id in used}


def _stage(title: str, sites: list[Site]) -> str:
    return f"## {title}\n\n{_COLUMNS}{''.join(map(_row, sites))}\n"


def _row(site: Site) -> str:
    names = NAMES[site.name]
    cells = [f"`{site.name}` [{' '.join(site.axes)}]", *(_cell(names, library) for library in LIBRARIES), names.differs]
    return f"| {' | '.join(cells)} |\n"


def _cell(names: OtherNames, library: str) -> str:
    name = getattr(names, library)
    return f"{'= ' if library in names.same else ''}`{name}`" if name else "—"


if __name__ == "__main__":
    print(markdown(), end="")

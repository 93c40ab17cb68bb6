"""What the printed Python programs share: loading the model and the text with plain transformers."""

from dataclasses import dataclass, replace

from anatomy.spec import ModelSpec
from anatomy.view import View

FOLDER = "path/to/model"
# Leaves the embedding table in `table`, and the model's layers in `layers`, whatever the family calls them.
TABLE = "table = model.get_input_embeddings().weight.detach()  # [vocab, d_model]\n"
LAYERS = """from transformers.modeling_layers import GradientCheckpointingLayer

layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
"""
# Every head's weights, as the library's own attention gives them. Goes after `opening`.
PATTERNS = """model.set_attn_implementation("eager")
with torch.no_grad():
    attentions = model(**inputs, output_attentions=True).attentions
"""
_LOADERS = {"causal": "AutoModelForCausalLM", "masked": "AutoModelForMaskedLM", None: "AutoModel"}


@dataclass(frozen=True)
class Paths:
    """Where a family keeps what the programs read, as `get_submodule` names it.

    attention, ffn   inside a layer: the projections that write into the stream
    inner            inside a layer: the FFN's projections into its neurons, the gate first where there is one
    norms            inside a layer: attention's norm and the FFN's, before these parts or after the sums with them
    positions        inside the body: a learned position table
    readout          an expression that turns `stream` into logits
    final_norm       inside the body: the norm before the output layer
    gated            inside a layer: the projections of `inner` where the FFN is gated and the family knows both
    loader           the class that loads it, where its head does not decide
    bias             inside the body: the attention that makes a relative position bias
    """

    attention: str
    ffn: str
    inner: tuple[str, ...]
    norms: tuple[str, str]
    positions: str
    readout: str
    final_norm: str = ""
    gated: tuple[str, ...] = ()
    loader: str = ""
    bias: str = ""


_PATHS = {
    "llama": Paths(
        "self_attn.o_proj",
        "mlp.down_proj",
        ("mlp.gate_proj", "mlp.up_proj"),
        ("input_layernorm", "post_attention_layernorm"),
        "",
        "model.lm_head(model.base_model.norm(stream))",
        "norm",
    ),
    "gpt2": Paths(
        "attn.c_proj",
        "mlp.c_proj",
        ("mlp.c_fc",),
        ("ln_1", "ln_2"),
        "wpe",
        "model.lm_head(model.base_model.ln_f(stream))",
        "ln_f",
    ),
    "bert": Paths(
        "attention.output.dense",
        "output.dense",
        ("intermediate.dense",),
        ("attention.output.LayerNorm", "output.LayerNorm"),
        "embeddings.position_embeddings",
        "model.cls(stream)",
    ),
    "t5": Paths(
        "layer.0.SelfAttention.o",
        "layer.1.DenseReluDense.wo",
        ("layer.1.DenseReluDense.wi",),
        ("layer.0.layer_norm", "layer.1.layer_norm"),
        "",
        "",
        gated=("layer.1.DenseReluDense.wi_0", "layer.1.DenseReluDense.wi_1"),
        loader="T5EncoderModel",
        bias="encoder.block.0.layer.0.SelfAttention",
    ),
}


def opening(spec: ModelSpec, view: View) -> str:
    """Imports, folder, text; leaves `tokenizer`, `model`, `inputs` and `ids` to the lines that follow."""
    loader = _PATHS[spec.family].loader if spec.family in _PATHS else ""
    loader = loader or _LOADERS[spec.head]
    return f"""import torch
from transformers import AutoTokenizer, {loader}

{_text(view)}model = {loader}.from_pretrained(folder, dtype=torch.{spec.dtype}).eval()
inputs = tokenizer(text, return_tensors="pt", split_special_tokens=True)
{_tail(view)}ids = inputs["input_ids"][0].tolist()
"""


def layer_streams(at: int | range) -> str:
    """Runs the model and leaves in `stream` what left every layer: at one position [layers, d_model], at several
    [layers, pos, d_model]. Lines that follow and are indented stand in the same `no_grad`."""
    places, shape = (f"{at}", "") if isinstance(at, int) else (f"{at.start}:{at.stop}", "pos, ")
    return f"""{LAYERS}
streams = []
for layer in layers:
    layer.register_forward_hook(lambda layer, given, out: streams.append(out[0] if isinstance(out, tuple) else out))
with torch.no_grad():
    model(**inputs)
    stream = torch.stack([stream[0, {places}] for stream in streams])  # [layers, {shape}d_model]
"""


def _text(view: View) -> str:
    return f"""folder = "{FOLDER}"  # holds config.json, the weights and the tokenizer
text = {view.text!r}

tokenizer = AutoTokenizer.from_pretrained(folder)
"""


def _tail(view: View) -> str:
    """Generated tokens join by their ids: cut as text they might come out as others."""
    if not view.tail:
        return ""
    return f"""generated = torch.tensor([{list(view.tail)}])  # tokens that follow the text
inputs = {{"input_ids": torch.cat([inputs["input_ids"], generated], dim=1)}}
"""


def paths(spec: ModelSpec) -> Paths:
    """Where this model keeps its parts; ValueError for a family that is not in the table."""
    if spec.family not in _PATHS:
        raise ValueError(f"no paths are known for the family {spec.family!r}: add them to panels/common/snippet.py")
    found = _PATHS[spec.family]
    return replace(found, inner=found.gated) if found.gated and spec.ffn.gated else found

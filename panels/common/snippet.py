"""What the printed Python programs share: loading the model and the text with plain transformers."""

from anatomy.memory import gigabytes
from anatomy.spec import ModelSpec
from anatomy.view import Fitted, View
from panels.common.attention_row import is_long

# Where the reader puts the folder of the checkpoint, and of another one to compare with.
FOLDER = "path/to/model"
OTHER = "path/to/another-model"
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


def opening(spec: ModelSpec, view: View) -> str:
    """Imports, folder, text; leaves `tokenizer`, `model`, `inputs` and `ids` to the lines that follow."""
    loader = spec.paths.loader or _LOADERS[spec.head]
    return f"""import torch
from transformers import AutoTokenizer, {loader}

{_text(view)}model = {loader}.from_pretrained(folder, dtype=torch.{spec.dtype}).eval()
{_inputs(view)}{_tail(view)}ids = inputs["input_ids"][0].tolist()
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


def held(spec: ModelSpec, view: Fitted) -> str:
    """A comment on what the library's own weights take of a long text."""
    if not is_long(view):
        return ""
    size = gigabytes(4 * spec.layers * spec.n_heads * view.length**2)
    return f"# The weights of all layers and heads are held at once: {size}.\n"


def _text(view: View) -> str:
    return f"""folder = "{FOLDER}"  # holds config.json, the weights and the tokenizer
text = {view.text!r}

tokenizer = AutoTokenizer.from_pretrained(folder)
"""


def _inputs(view: View) -> str:
    """What the model is given: the text as it is cut, or the ids that were given in its place."""
    if view.ids:
        return f'inputs = {{"input_ids": torch.tensor([{list(view.ids)}])}}  # in place of the text\n'
    return 'inputs = tokenizer(text, return_tensors="pt", split_special_tokens=True)\n'


def _tail(view: View) -> str:
    """Generated tokens join by their ids: cut as text they might come out as others."""
    if not view.tail:
        return ""
    return f"""generated = torch.tensor([{list(view.tail)}])  # tokens that follow the text
inputs = {{"input_ids": torch.cat([inputs["input_ids"], generated], dim=1)}}
"""


def readout(spec: ModelSpec) -> str:
    """An expression that turns `stream` into logits, for models with an output layer."""
    paths = spec.paths
    stream = f"model.base_model.{paths.final_norm}(stream)" if paths.final_norm else "stream"
    return f"model.{paths.head}({stream})"

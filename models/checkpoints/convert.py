"""A GGUF file made into what transformers reads: model.safetensors, config.json and the tokenizer's files.

The values are exactly the dequantised ones; a test holds them equal to those of transformers' own GGUF loader, which
takes several times as long at every start. What this file does not know is an error, never a guess.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file

from anatomy.language import N_
from models.checkpoints.cache import check_room
from models.checkpoints.errors import WeightsError
from models.checkpoints.gguf_tokenizer import write_tokenizer
from models.engine import Progress, Report


@dataclass(frozen=True)
class Architecture:
    """How llama.cpp writes one kind of model.

    model_class       the class of transformers that computes it
    interleaved       llama.cpp reorders the rows of q and k so that the two halves of a rotated pair are neighbours
    biases            parts that have a bias
    """

    model_class: str
    interleaved: bool
    biases: tuple[str, ...] = ()


ARCHITECTURES = {
    "llama": Architecture("LlamaForCausalLM", interleaved=True),
    "qwen2": Architecture("Qwen2ForCausalLM", interleaved=False, biases=("attn_q", "attn_k", "attn_v")),
}

_OUTSIDE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_IN_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_KNOWN_KEYS = {
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "vocab_size",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.layer_norm_rms_epsilon",
    "rope.dimension_count",
    "rope.freq_base",
}
_SPECIAL_ROLES = {"bos": "bos", "eos": "eos", "pad": "padding"}


def convert(source: Path, folder: Path, report: Report) -> dict[str, str]:
    """Write the folder's files; the card says what the GGUF states of itself. WeightsError where it cannot be done."""
    report(Progress(N_("reading {what}"), what=source.name))
    file = _open(source)
    check_room(folder, _float32_bytes(file))
    config = _write_descriptions(file, source, folder)
    tensors = weights_of(file, config, report)
    report(Progress(N_("writing {what}"), what="model.safetensors"))
    try:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    except SafetensorError as error:
        template = N_("The weights could not be written to {folder}: {reason}. Make room; try again.")
        raise WeightsError(template, folder=folder, reason=str(error)) from error
    return _card(file)


def _write_descriptions(file: gguf.GGUFReader, source: Path, folder: Path) -> dict[str, Any]:
    """Write config.json and the tokenizer's files; the configuration comes back."""
    try:
        config = config_of(file)
        write_tokenizer(_metadata(file), folder)
    except KeyError as error:
        template = N_(
            "{file} does not state {key}, without which it is no whole language model (an adapter, a vision part or a "
            "vocabulary alone look like this). Give the GGUF of the model itself."
        )
        raise WeightsError(template, file=source, key=str(error)) from error
    (folder / "config.json").write_text(json.dumps(config, indent=2), "utf-8")
    return config


def config_of(file: gguf.GGUFReader) -> dict[str, Any]:
    """The fields of transformers' config.json, from the file's metadata. WeightsError for a kind of model that
    is not known here, KeyError for metadata that lack a field."""
    fields = _metadata(file)
    kind = fields["general.architecture"]
    if kind not in ARCHITECTURES:
        template = N_(
            "This GGUF holds a {kind} model; Stagelight converts {known}. Use the model's safetensors instead: its "
            "original repository on the hub, or a folder with config.json."
        )
        raise WeightsError(template, kind=repr(kind), known=", ".join(ARCHITECTURES))
    facts = {key.removeprefix(f"{kind}."): value for key, value in fields.items() if key.startswith(f"{kind}.")}
    unknown = sorted(facts.keys() - _KNOWN_KEYS)
    if unknown:
        template = N_(
            "This GGUF sets {key} = {value}, which changes the model in a way that Stagelight does not convert. Use "
            "the model's safetensors instead."
        )
        raise WeightsError(template, key=f"{kind}.{unknown[0]}", value=repr(facts[unknown[0]]))
    return _config(kind, facts, fields, _shapes(file))


def weights_of(file: gguf.GGUFReader, config: dict[str, Any], report: Report) -> dict[str, np.ndarray]:
    """Every parameter by transformers' name, dequantised to float32. WeightsError for a tensor without a name there."""
    architecture = ARCHITECTURES[config["model_type"]]
    tensors: dict[str, np.ndarray] = {}
    done, total = 0, _float32_bytes(file)
    for tensor in file.tensors:
        values = _dequantized(tensor)
        if architecture.interleaved:
            values = _halves_apart(tensor.name, values, config)
        tensors[_name(tensor.name, architecture)] = np.ascontiguousarray(values, dtype=np.float32)
        done += values.nbytes
        report(Progress(N_("converting to float32"), done, total))
    return tensors


def _dequantized(tensor: gguf.ReaderTensor) -> np.ndarray:
    """In float32. WeightsError for a way to store numbers that nothing here can read."""
    try:
        return gguf.dequantize(tensor.data, tensor.tensor_type)
    except NotImplementedError as error:
        template = N_(
            "This GGUF stores {tensor} as {kind}, which Stagelight cannot read. Use a file in another quantization, or "
            "the model's safetensors instead."
        )
        raise WeightsError(template, tensor=repr(tensor.name), kind=tensor.tensor_type.name) from error


def _open(source: Path) -> gguf.GGUFReader:
    try:
        return gguf.GGUFReader(source)
    except (ValueError, IndexError, OverflowError) as error:
        template = N_("{file} is not a GGUF file that can be read ({reason}). Fetch it again.")
        raise WeightsError(template, file=source, reason=str(error)) from error


def _metadata(file: gguf.GGUFReader) -> dict[str, Any]:
    return {key: field.contents() for key, field in file.fields.items()}


def _shapes(file: gguf.GGUFReader) -> dict[str, list[int]]:
    """Shape of every tensor, rows first (GGUF notes them the other way round)."""
    return {tensor.name: [int(n) for n in reversed(tensor.shape)] for tensor in file.tensors}


def _float32_bytes(file: gguf.GGUFReader) -> int:
    return sum(4 * int(tensor.n_elements) for tensor in file.tensors)


def _config(kind: str, facts: dict[str, Any], fields: dict[str, Any], shapes: dict[str, list[int]]) -> dict[str, Any]:
    n_heads = facts["attention.head_count"]
    d_head = facts.get("attention.key_length", facts["embedding_length"] // n_heads)
    _same(kind, "rope.dimension_count", facts.get("rope.dimension_count", d_head), d_head)
    _same(kind, "attention.value_length", facts.get("attention.value_length", d_head), d_head)
    special = {f"{role}_token_id": fields.get(f"tokenizer.ggml.{key}_token_id") for role, key in _SPECIAL_ROLES.items()}
    return {
        "architectures": [ARCHITECTURES[kind].model_class],
        "model_type": kind,
        "num_hidden_layers": facts["block_count"],
        "hidden_size": facts["embedding_length"],
        "intermediate_size": facts["feed_forward_length"],
        "num_attention_heads": n_heads,
        "num_key_value_heads": facts.get("attention.head_count_kv", n_heads),
        "head_dim": d_head,
        "max_position_embeddings": facts["context_length"],
        "rms_norm_eps": _shortest(facts["attention.layer_norm_rms_epsilon"]),
        "rope_parameters": {"rope_type": "default", "rope_theta": _shortest(facts.get("rope.freq_base", 10000.0))},
        "hidden_act": "silu",
        "vocab_size": shapes["token_embd.weight"][0],
        "tie_word_embeddings": "output.weight" not in shapes,
        "dtype": "float32",
        **special,
    }


def _same(kind: str, key: str, stated: int, expected: int) -> None:
    if stated != expected:
        template = N_(
            "This GGUF sets {key} = {found} where its heads have {expected} dimensions; Stagelight does not convert "
            "such a model. Use the model's safetensors instead."
        )
        raise WeightsError(template, key=f"{kind}.{key}", found=stated, expected=expected)


def _shortest(value: float) -> float:
    """The decimal a person wrote: 1e-05 for the float32 9.999999747378752e-06, the same number in float32."""
    return float(str(np.float32(value)))


def _name(name: str, architecture: Architecture) -> str:
    """transformers' name of a tensor: blk.7.attn_q.weight is model.layers.7.self_attn.q_proj.weight."""
    if name in _OUTSIDE:
        return _OUTSIDE[name]
    layer, part, kind = _parts(name)
    if part not in _IN_LAYER or (kind == "bias" and part not in architecture.biases):
        template = N_(
            "This GGUF holds the tensor {name}, which has no place in {model}: leaving it out would make a wrong "
            "model. Use the model's safetensors instead."
        )
        raise WeightsError(template, name=repr(name), model=architecture.model_class)
    return f"model.layers.{layer}.{_IN_LAYER[part]}.{kind}"


def _parts(name: str) -> tuple[str, str, str]:
    """Layer, part and kind of a tensor inside a layer; empty strings for one outside the layers."""
    match = re.fullmatch(r"blk\.(\d+)\.(\w+)\.(weight|bias)", name)
    return (match[1], match[2], match[3]) if match else ("", "", "")


def _halves_apart(name: str, values: np.ndarray, config: dict[str, Any]) -> np.ndarray:
    """Undo llama.cpp's order of q and k rows: from pairs side by side to first halves, then second halves."""
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    _, part, _ = _parts(name)
    if part not in heads:
        return values
    pairs = values.reshape(heads[part], -1, 2, *values.shape[1:])  # [head pair half d_model]
    return pairs.swapaxes(1, 2).reshape(values.shape)  # [head · half · pair, d_model]


def _card(file: gguf.GGUFReader) -> dict[str, str]:
    fields = _metadata(file)
    formats = sorted({tensor.tensor_type.name for tensor in file.tensors} - {"F32"}) or ["F32"]
    return {
        "title": fields.get("general.name", ""),
        "licence": fields.get("general.license", "not stated"),
        "stored": f"GGUF, {' and '.join(formats)}",
    }

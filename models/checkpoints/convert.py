"""A GGUF file made into what transformers reads: model.safetensors, config.json and the tokenizer's files.

The values are exactly the dequantised ones; a test holds them equal to those of transformers' own GGUF loader, which
takes several times as long at every start. What this file does not know is an error, never a guess, and is judged by
the header before anything large is read or written. The weights are written one by one: no more of them is in memory.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from anatomy.language import N_
from anatomy.refused import Sentence
from models.checkpoints.cache import check_room
from models.checkpoints.errors import WeightsError
from models.checkpoints.gguf_facts import Facts, odd, stated
from models.checkpoints.gguf_file import GgufFile, StoredTensor, can_be_read, float32_of, read_gguf
from models.checkpoints.gguf_tokenizer import tokenizer_files
from models.checkpoints.outside import reading, shown
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
_LONGEST_TITLE = 100  # characters
_SPECIAL_ROLES = {"bos": "bos", "eos": "eos", "pad": "padding"}


def convert(source: Path, folder: Path, report: Report) -> dict[str, str]:
    """Write the folder's files; the card says what the GGUF states of itself. WeightsError, naming the file, where it
    cannot be done; OSError where the folder cannot be written."""
    report(Progress(N_("reading {what}"), what=source.name))
    with reading(source):
        file = read_gguf(source)
    with reading(source), _named(source):
        config = config_of(file)
        parameters = parameters_of(file, config)
        texts = {"config.json": json.dumps(config, indent=2), **tokenizer_files(file.fields)}
    check_room(folder, sum(tensor.float32_bytes for tensor in parameters.values()) + sum(map(len, texts.values())))
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    _write_weights(file, config, parameters, folder / "model.safetensors", report)
    return _card(file)


@contextmanager
def _named(source: Path) -> Iterator[None]:
    """Inside a `with`, a refusal that says "it" is told of this file."""
    try:
        yield
    except WeightsError as error:
        reason = Sentence(error.message, **error.values)
        raise WeightsError(N_("{file} cannot be converted: {reason}"), file=source, reason=reason) from error


def config_of(file: GgufFile) -> dict[str, Any]:
    """The fields of transformers' config.json, from the file's metadata. WeightsError for a kind of model that is not
    known here, and for metadata that lack a field or have an odd value in it."""
    facts = Facts(file.fields)
    kind = facts.text("general.architecture")
    if kind not in ARCHITECTURES:
        template = N_(
            "it holds a {kind} model; Stagelight converts {known}. Use the model's safetensors instead: its original "
            "repository on the hub, or a folder with config.json."
        )
        raise WeightsError(template, kind=stated(kind), known=", ".join(ARCHITECTURES))
    _check_whole(facts)
    known = {f"{kind}.{key}" for key in _KNOWN_KEYS}
    for key in sorted(key for key in file.fields if key.startswith(f"{kind}.") and key not in known):
        template = N_(
            "it sets {key} = {value}, which changes the model in a way that Stagelight does not convert. Use the "
            "model's safetensors instead."
        )
        raise WeightsError(template, key=key, value=stated(file.fields[key]))
    return _config(kind, facts, _rows(file), tied="output.weight" not in file.tensors)


def parameters_of(file: GgufFile, config: Mapping[str, Any]) -> dict[str, StoredTensor]:
    """Every tensor by transformers' name of the parameter that it is. WeightsError for a tensor without a place there,
    one of another shape, one stored in a way that cannot be read, and where some are lacking."""
    architecture = ARCHITECTURES[config["model_type"]]
    shapes = _shapes(config, architecture, len(file.tensors))
    parameters = {}
    for name, tensor in file.tensors.items():
        parameter = _name(name, architecture)
        if name not in shapes:
            raise _no_place(name, architecture)
        _check(tensor, shapes[name])
        parameters[parameter] = tensor
    lacking = [name for name in shapes if name not in file.tensors]
    if lacking:
        template = N_(
            "it lacks {count} of the tensors that its metadata promise ({first}). Give the GGUF of the whole model."
        )
        raise WeightsError(template, count=len(lacking), first=lacking[0])
    return parameters


def _check_whole(facts: Facts) -> None:
    """WeightsError for one of several files that are one model together."""
    if "split.count" in facts.fields and facts.count("split.count") > 1:
        template = N_(
            "it is one of {count} files that are one model together. Join them (llama-gguf-split --merge), and give "
            "the whole one."
        )
        raise WeightsError(template, count=facts.count("split.count"))


def _rows(file: GgufFile) -> int:
    """How many tokens the embedding has."""
    embedding = file.tensors.get("token_embd.weight")
    if embedding is None:
        template = N_(
            "it holds no tensor token_embd.weight, without which it is no whole language model (an adapter, a vision "
            "part or a vocabulary alone look like this). Give the GGUF of the model itself."
        )
        raise WeightsError(template)
    return embedding.shape[0]


def _config(kind: str, facts: Facts, rows: int, tied: bool) -> dict[str, Any]:
    d_model = facts.count(f"{kind}.embedding_length")
    n_heads = facts.count(f"{kind}.attention.head_count")
    n_kv = facts.count(f"{kind}.attention.head_count_kv", n_heads)
    d_head = facts.count(f"{kind}.attention.key_length", d_model // n_heads)
    _same(facts, f"{kind}.rope.dimension_count", d_head)
    _same(facts, f"{kind}.attention.value_length", d_head)
    if n_heads % n_kv:
        raise odd(f"{kind}.attention.head_count_kv", n_kv, N_("a part of the {count} heads"), count=n_heads)
    if d_head % 2:
        raise odd(f"{kind}.attention.key_length", d_head, N_("an even number, for positions are told by turned pairs"))
    n_tokens = len(facts.texts("tokenizer.ggml.tokens"))
    if n_tokens > rows:
        template = N_("it lists {count} tokens, and its embedding has {rows} rows: it is damaged. Fetch it again.")
        raise WeightsError(template, count=n_tokens, rows=rows)
    special = {
        f"{role}_token_id": facts.row(f"tokenizer.ggml.{key}_token_id", rows) for role, key in _SPECIAL_ROLES.items()
    }
    return {
        "architectures": [ARCHITECTURES[kind].model_class],
        "model_type": kind,
        "num_hidden_layers": facts.count(f"{kind}.block_count"),
        "hidden_size": d_model,
        "intermediate_size": facts.count(f"{kind}.feed_forward_length"),
        "num_attention_heads": n_heads,
        "num_key_value_heads": n_kv,
        "head_dim": d_head,
        "max_position_embeddings": facts.count(f"{kind}.context_length"),
        "rms_norm_eps": _shortest(facts.number(f"{kind}.attention.layer_norm_rms_epsilon")),
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": _shortest(facts.number(f"{kind}.rope.freq_base", 10000.0)),
        },
        "hidden_act": "silu",
        "vocab_size": rows,
        "tie_word_embeddings": tied,
        "dtype": "float32",
        **special,
    }


def _same(facts: Facts, key: str, expected: int) -> None:
    stated = facts.count(key, expected)
    if stated != expected:
        template = N_(
            "it sets {key} = {found} where its heads have {expected} dimensions; Stagelight does not convert such a "
            "model. Use the model's safetensors instead."
        )
        raise WeightsError(template, key=key, found=stated, expected=expected)


def _shortest(value: float) -> float:
    """The decimal a person wrote: 1e-05 for the float32 9.999999747378752e-06, the same number in float32."""
    return float(str(np.float32(value)))


def _shapes(config: Mapping[str, Any], architecture: Architecture, most: int) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor that such a model has, rows first. most: tensors that the file has; more layers are
    not counted up."""
    d_model, d_ff, rows = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    d_q, d_kv = (config[heads] * config["head_dim"] for heads in ("num_attention_heads", "num_key_value_heads"))
    outside = {"token_embd.weight": (rows, d_model), "output_norm.weight": (d_model,)}
    if not config["tie_word_embeddings"]:
        outside["output.weight"] = (rows, d_model)
    inside = {
        "attn_norm": (d_model,),
        "attn_q": (d_q, d_model),
        "attn_k": (d_kv, d_model),
        "attn_v": (d_kv, d_model),
        "attn_output": (d_model, d_q),
        "ffn_norm": (d_model,),
        "ffn_gate": (d_ff, d_model),
        "ffn_up": (d_ff, d_model),
        "ffn_down": (d_model, d_ff),
    }
    for layer in range(min(config["num_hidden_layers"], most)):
        outside |= {f"blk.{layer}.{part}.weight": shape for part, shape in inside.items()}
        outside |= {f"blk.{layer}.{part}.bias": inside[part][:1] for part in architecture.biases}
    return outside


def _check(tensor: StoredTensor, shape: tuple[int, ...]) -> None:
    """WeightsError for a tensor of another shape than its metadata promise, or stored in an unknown way."""
    if tensor.shape != shape:
        template = N_(
            "its tensor {name} has the shape {found}, and by its metadata {expected}: it is damaged, or of a kind that "
            "Stagelight does not convert. Fetch it again, or use the model's safetensors instead."
        )
        found, expected = (" × ".join(str(length) for length in lengths) for lengths in (tensor.shape, shape))
        raise WeightsError(template, name=repr(tensor.name), found=found, expected=expected)
    if not can_be_read(tensor.kind):
        template = N_(
            "it stores {tensor} as {kind}, which Stagelight cannot read. Use a file in another quantization, or the "
            "model's safetensors instead."
        )
        raise WeightsError(template, tensor=repr(tensor.name), kind=tensor.kind.name)


def _name(name: str, architecture: Architecture) -> str:
    """transformers' name of a tensor: blk.7.attn_q.weight is model.layers.7.self_attn.q_proj.weight. WeightsError where
    it has none."""
    if name in _OUTSIDE:
        return _OUTSIDE[name]
    layer, part, kind = _parts(name)
    if part not in _IN_LAYER or (kind == "bias" and part not in architecture.biases):
        raise _no_place(name, architecture)
    return f"model.layers.{layer}.{_IN_LAYER[part]}.{kind}"


def _no_place(name: str, architecture: Architecture) -> WeightsError:
    template = N_(
        "it holds the tensor {name}, which has no place in {model}: leaving it out would make a wrong model. Use the "
        "model's safetensors instead."
    )
    return WeightsError(template, name=shown(name, quoted=True), model=architecture.model_class)


def _parts(name: str) -> tuple[str, str, str]:
    """Layer, part and kind of a tensor inside a layer; empty strings for one outside the layers."""
    match = re.fullmatch(r"blk\.(0|[1-9]\d*)\.(\w+)\.(weight|bias)", name)
    return (match[1], match[2], match[3]) if match else ("", "", "")


def _write_weights(
    file: GgufFile, config: Mapping[str, Any], parameters: Mapping[str, StoredTensor], target: Path, report: Report
) -> None:
    """Dequantise and write one parameter after the other, in the layout and order of the safetensors library."""
    total = sum(tensor.float32_bytes for tensor in parameters.values())
    done = 0
    with target.open("wb") as written:
        written.write(_header(parameters))
        for name in sorted(parameters):
            with reading(file.path):
                values = _parameter(file, parameters[name], config)
            written.write(np.ascontiguousarray(values, "<f4").data)
            done += values.nbytes
            report(Progress(N_("converting to float32"), done, total))


def _header(parameters: Mapping[str, StoredTensor]) -> bytes:
    """What stands before the numbers of a safetensors file (its README, "Format"): a length, and so much JSON."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name in sorted(parameters):
        tensor = parameters[name]
        end = at + tensor.float32_bytes
        entries[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # numbers begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text


def _parameter(file: GgufFile, tensor: StoredTensor, config: Mapping[str, Any]) -> Float32[np.ndarray, "..."]:
    """One parameter in float32, as transformers computes with it. WeightsError where its numbers are damaged."""
    architecture = ARCHITECTURES[config["model_type"]]
    values = float32_of(file, tensor)
    if architecture.interleaved:
        values = _halves_apart(tensor.name, values, config)
    return values


def _halves_apart(name: str, values: np.ndarray, config: Mapping[str, Any]) -> np.ndarray:
    """Undo llama.cpp's order of q and k rows: from pairs side by side to first halves, then second halves."""
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    _, part, _ = _parts(name)
    if part not in heads:
        return values
    pairs = values.reshape(heads[part], -1, 2, *values.shape[1:])  # [head pair half d_model]
    return pairs.swapaxes(1, 2).reshape(values.shape)  # [head · half · pair, d_model]


def row_in_file(tensor: StoredTensor, row: int, config: Mapping[str, Any]) -> int:
    """Where the file has the row of a tensor that transformers counts as `row`: of q and k llama.cpp has another
    order."""
    if not ARCHITECTURES[config["model_type"]].interleaved:
        return row
    return int(_halves_apart(tensor.name, np.arange(tensor.shape[0]), config)[row])


def _card(file: GgufFile) -> dict[str, str]:
    formats = sorted({tensor.kind.name for tensor in file.tensors.values()} - {"F32"}) or ["F32"]
    return {
        "title": _line(file.fields.get("general.name")),
        "licence": _line(file.fields.get("general.license")) or "not stated",
        "stored": f"GGUF, {' and '.join(formats)}",
    }


def _line(stated: object) -> str:
    """What a file says of itself, on one line of a usual length; nothing where it says no text."""
    return " ".join(stated.split())[:_LONGEST_TITLE] if isinstance(stated, str) else ""

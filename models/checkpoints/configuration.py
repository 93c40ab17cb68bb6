"""What config.json says, judged without the library: is it a configuration, of weights that can be read as they are?"""

import json
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from anatomy.language import N_, Count
from anatomy.refused import Sentence
from models.checkpoints.errors import WeightsError
from models.checkpoints.outside import MARK, read_object, shown

FILE = "config.json"
# Files of quantizing programs that stand beside config.json, with the method that each belongs to.
QUANTIZED = {
    "quantize_config.json": "GPTQ",  # AutoGPTQ
    "quant_config.json": "AWQ",  # AutoAWQ
    "hf_quant_config.json": "ModelOpt",
    "quanto_qmap.json": "Quanto",
}
_QUANTIZATION = ("quantization_config", "quantization", "compression_config")  # the second one is MLX's
LARGEST = (1 << 31) - 1  # more rows, columns, heads or positions than any model has
_LAYERS = 1000  # more than any model has: the library makes lists of them, and builds each
_LABELS = 1_000_000  # of a classifier: the library makes a list of them
# Settings that are numbers of something, with the most there may be.
_SIZES = {
    **dict.fromkeys(("vocab_size", "hidden_size", "intermediate_size", "head_dim", "type_vocab_size"), LARGEST),
    **dict.fromkeys(("max_position_embeddings", "sliding_window"), LARGEST),
    **dict.fromkeys(("num_attention_heads", "num_key_value_heads"), LARGEST),
    **dict.fromkeys(("n_embd", "n_head", "n_inner", "n_positions", "n_ctx"), LARGEST),  # GPT-2
    **dict.fromkeys(("d_model", "d_ff", "d_kv", "num_heads"), LARGEST),  # T5
    **dict.fromkeys(("relative_attention_num_buckets", "relative_attention_max_distance"), 1 << 20),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "num_layers", "num_decoder_layers"), _LAYERS),
    "num_labels": _LABELS,
}
_ELSEWHERE = (
    "transformers_weights",
    "fusion_config",
    "distributed_config",
    "per_layer_config",
)  # would have other things loaded


def configuration(folder: Path) -> dict[str, Any]:
    """What config.json of a folder holds. WeightsError where it is not the configuration of a model, asks for what is
    not done here, or belongs to quantized weights."""
    file = folder / FILE
    if not file.exists():
        raise WeightsError(N_("{folder} cannot be used: {reason}"), folder=folder, reason=Sentence(NO_CONFIGURATION))
    found = settings(file)
    _check_quantization(file, found)
    _check_type(file, found)
    _check_sizes(file, found)
    for name in _ELSEWHERE:
        if found.get(name) is not None:
            template = N_(
                "{file} has the setting “{name}”, which Stagelight does not follow. Use a checkpoint without it, or "
                "take it out if the weights do not need it."
            )
            raise WeightsError(template, file=file, name=name)
    return found


NO_CONFIGURATION = N_("it has no config.json, which says what kind of model it is; copy it next to the weights.")


def settings(file: Path) -> dict[str, Any]:
    """The object in a JSON file that the library itself reads, too. WeightsError where that could not read it."""
    found = read_object(file)
    with file.open("rb") as opened:
        if opened.read(len(MARK)) == MARK:
            template = N_("{file} begins with a byte order mark, which transformers cannot read: save it without one.")
            raise WeightsError(template, file=file)
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        template = N_("{file} holds half of a character (\\ud800 to \\udfff in JSON): fetch it again, or correct it.")
        raise WeightsError(template, file=file) from error
    endless = next((name for name, value in _numbers(found) if not isfinite(value)), None)
    if endless is not None:
        template = N_("{file} gives “{name}” as no number (NaN or Infinity): correct it, or fetch the file again.")
        raise WeightsError(template, file=file, name=shown(endless))
    return found


def _numbers(found: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number with a point that stands in an object, and the name that it has there."""
    if isinstance(found, float):
        yield name, found
    elif isinstance(found, dict):
        for key, value in found.items():
            yield from _numbers(value, key)
    elif isinstance(found, list):
        for value in found:
            yield from _numbers(value, name)


def quantized_beside(names: Iterable[str]) -> Sentence | None:
    """Why a checkpoint with files of these names cannot be used, where one of them belongs to quantized weights."""
    for name in sorted(QUANTIZED.keys() & set(names)):
        template = N_(
            "its weights are quantized with {method} (it has {file}), and Stagelight reads weights as they were "
            "trained. Use the checkpoint that it was made from, or a GGUF file of the model."
        )
        return Sentence(template, method=QUANTIZED[name], file=name)
    return None


def has_own_code(found: Mapping[str, Any]) -> bool:
    """Does the checkpoint bring Python code of its own, which is never run?"""
    return bool(found.get("auto_map"))


def _check_quantization(file: Path, found: Mapping[str, Any]) -> None:
    parts = [found, *(part for part in found.values() if isinstance(part, dict))]  # a model of several has several
    for part in parts:
        for name in _QUANTIZATION:
            if part.get(name) is not None:
                template = N_(
                    "{file} says that the weights are quantized with {method} (“{name}”), and Stagelight reads weights "
                    "as they were trained. Use the checkpoint that it was made from, or a GGUF file of the model."
                )
                raise WeightsError(template, file=file, method=_method(name, part[name]), name=name)


def _method(name: str, stated: Any) -> str | Sentence:
    """What the quantization is called, as far as its settings tell."""
    stated = stated if isinstance(stated, dict) else {}
    if isinstance(method := stated.get("quant_method") or stated.get("quant_algo"), str):
        return shown(method)
    if any(key.startswith(("load_in_", "bnb_")) for key in stated):
        return "bitsandbytes"
    return "MLX" if name == "quantization" else Sentence(N_("a method that it does not name"))


def _check_type(file: Path, found: Mapping[str, Any]) -> None:
    """The library guesses a model's type from the folder's name where none is stated: that is not left to it."""
    kind = found.get("model_type")
    if kind is None:
        template = N_(
            "{file} does not say of which type the model is. Write it in as “model_type”, for example "
            '"model_type": "bert".'
        )
        raise WeightsError(template, file=file)
    named = found.get("architectures")
    if not isinstance(kind, str) or not _is_names(named):
        template = N_("{file} gives “{name}” as {value}, which is not a name: fetch it again.")
        name, value = ("model_type", kind) if not isinstance(kind, str) else ("architectures", named)
        raise WeightsError(template, file=file, name=name, value=shown(value))


def _is_names(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(name, str) for name in value))


def _check_sizes(file: Path, found: Mapping[str, Any]) -> None:
    if found.get("vocab_size") == 1:
        template = N_("{file} describes a vocabulary of one token: a model of that kind has nothing to choose from.")
        raise WeightsError(template, file=file)
    for name, most in _SIZES.items():
        value = found.get(name)
        if value is not None and not (type(value) is int and 0 < value <= most):
            template = N_(
                "{file} gives “{name}” as {value}: it has to be a whole number from 1 to {most}. Fetch the file again, "
                "or correct it by hand."
            )
            raise WeightsError(template, file=file, name=name, value=shown(value), most=Count(most))

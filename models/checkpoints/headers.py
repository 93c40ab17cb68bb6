"""What weight files hold, by their headers: which files belong to a checkpoint, and each tensor's name, kind and shape.

A header is a few kilobytes at the beginning of a file of gigabytes (https://huggingface.co/docs/safetensors, "Format"),
so everything here is known before anything large is read.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NoReturn

from anatomy.language import N_
from anatomy.refused import Refused, Sentence
from models.checkpoints.errors import WeightsError
from models.checkpoints.outside import read_object, reading, reason, seen_in, shown

WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
FLOATS = {"F64": "float64", "F32": "float32", "BF16": "bfloat16", "F16": "float16"}
_BYTES = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "BF16": 2, "F16": 2, "I16": 2, "U16": 2}
_LONGEST = 100_000_000  # bytes of a header that the safetensors library reads
_VARIANT = re.compile(r"model\.[^/]+\.safetensors")  # model.fp16.safetensors: the same weights with other numbers
_OF_THE_MODEL = re.compile(r"(model|shard-\d+-model-).*\.safetensors")
# Tables that old files hold beside the weights: worked out from config.json, never learned. Name, number of axes.
_WORKED_OUT = (
    (re.compile(r"(.*\.)?rotary_emb\.inv_freq"), 1),
    (re.compile(r"(.*\.)?(attn|crossattention)\.bias"), 4),  # GPT-2's causal mask: [1 1 pos src]
    (re.compile(r"(.*\.)?(attn|crossattention)\.masked_bias"), 0),
    (re.compile(r"(.*\.)?embeddings\.(position_ids|token_type_ids)"), 2),
)


@dataclass(frozen=True)
class Stored:
    """A tensor as a file has it.

    dtype  in the words of safetensors ("BF16")
    begin  where its bytes begin in the file
    """

    file: Path
    dtype: str
    shape: tuple[int, ...]
    begin: int = 0

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return prod(self.shape)


def worked_out(name: str, shape: tuple[int, ...]) -> bool:
    """Is this a table that follows from config.json, so that leaving it out changes nothing?"""
    return any(pattern.fullmatch(name) and len(shape) == axes for pattern, axes in _WORKED_OUT)


def tensors(folder: Path) -> dict[str, Stored]:
    """Every tensor of a checkpoint by name. WeightsError where files are absent, damaged, at odds with each other, or
    hold numbers that are not floating-point ones of 16 bits or more."""
    found: dict[str, Stored] = {}
    files = weight_files(folder)
    for file in files:
        held = header(file)
        for name in held.keys() & found.keys():
            template = N_(
                "{file} and {other} both hold the tensor {name}, and only one of them could be used. Keep the files "
                "of one checkpoint in the folder."
            )
            raise WeightsError(template, file=file, other=found[name].file.name, name=name)
        found |= held
    _check_index(folder, found)
    _check_numbers(found)
    return found


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The files that the library reads a checkpoint from. WeightsError where the index cannot be read, or where some
    are missing or would be left out."""
    names = {file.name for file in folder.iterdir()}
    used = {WHOLE} if WHOLE in names else set(index(folder).values())
    absent = sorted(used - names)
    if absent:
        template = N_("{folder} cannot be used: {absent} of {count} weight files are missing ({first}).")
        raise WeightsError(template, folder=folder, absent=len(absent), count=len(used), first=absent[0])
    if WHOLE in names and INDEX in names and set(index(folder).values()) != {WHOLE}:
        template = N_(
            "{folder} holds two sets of weights: {whole}, and files that {index} names. Take out the set that does not "
            "belong to config.json."
        )
        raise WeightsError(template, folder=folder, whole=WHOLE, index=INDEX)
    _check_left_out(folder, names - used)
    return tuple(folder / name for name in sorted(used))


def left_out(names: Iterable[str]) -> list[str]:
    """Those of some files' names, none of them used, that could hold a part of the model."""
    return sorted(name for name in names if _OF_THE_MODEL.fullmatch(name) and not _VARIANT.fullmatch(name))


def index(folder: Path) -> dict[str, str]:
    """Which file has which tensor, by the index of a checkpoint in several files. WeightsError where it is not one."""
    file = folder / INDEX
    placed = read_object(file).get("weight_map")
    if not isinstance(placed, dict) or not placed:
        template = N_("{file} has no “weight_map” that says which file holds which tensor: fetch it again.")
        raise WeightsError(template, file=file)
    for tensor, name in placed.items():
        if not isinstance(name, str) or not re.fullmatch(r"[^/\\]+\.safetensors", name):
            template = N_("{file} says that {tensor} is in {name}, which is no *.safetensors file beside it.")
            raise WeightsError(template, file=file, tensor=shown(tensor), name=shown(name))
    return placed


def header(file: Path) -> dict[str, Stored]:
    """The tensors of one file. WeightsError where the header is no header, or does not fit the file's length."""
    with reading(file), file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        nbytes = file.stat().st_size
        written = opened.read(length) if length <= min(_LONGEST, nbytes - 8) else None
    if written is None:
        template = N_("it has {nbytes} bytes, and its header would have {length}")
        raise _refusal(file, Sentence(template, nbytes=nbytes, length=length))
    entries = _entries(file, written)
    entries.pop("__metadata__", None)
    spans = sorted(_span(file, name, entry) for name, entry in entries.items())
    _check_spans(file, spans, nbytes - 8 - length)
    return {
        name: Stored(file, entry["dtype"], tuple(entry["shape"]), 8 + length + entry["data_offsets"][0])
        for name, entry in entries.items()
    }


def _entries(file: Path, written: bytes) -> dict[str, Any]:
    try:
        found = json.loads(written, object_pairs_hook=_once, parse_constant=_no_number)
    except Refused as error:
        raise _refusal(file, Sentence(error.message, **error.values)) from error
    except (ValueError, RecursionError) as error:
        raise _refusal(file, reason(error)) from error
    if not isinstance(found, dict):
        raise _refusal(file, Sentence(N_("it is no JSON object")))
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; Refused where a name stands twice in it, ValueError where one is no text."""
    for name, _value in pairs:
        name.encode()
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Refused(N_("a name stands twice in it"))
    return found


def _no_number(written: str) -> NoReturn:
    raise Refused(N_("{value} is no number"), value=written)


def _span(file: Path, name: str, entry: Any) -> tuple[int, int]:
    """Where a tensor's bytes begin and end behind the header."""
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [begin, end]} if (
            all(type(number) is int and number >= 0 for number in (*shape, begin, end))
            and begin <= end
            and (dtype not in _BYTES or prod(shape) * _BYTES[dtype] == end - begin)
        ):
            return begin, end
    raise _refusal(file, shown(name))


def _check_spans(file: Path, spans: list[tuple[int, int]], nbytes: int) -> None:
    """The tensors fill the file without gaps. nbytes: of the file behind the header."""
    at = 0
    for begin, end in spans:
        if begin != at:
            raise _refusal(file, Sentence(N_("its tensors overlap or leave a gap at byte {byte}"), byte=at))
        at = end
    if nbytes < at:
        template = N_("{file} is cut off: {have} of {whole} bytes of its weights are there. Fetch it again.")
        raise WeightsError(template, file=file, have=f"{nbytes:,}", whole=f"{at:,}")
    if nbytes > at:
        template = N_("{have} bytes follow it, and its tensors have {whole}")
        raise _refusal(file, Sentence(template, have=nbytes, whole=at))


def _refusal(file: Path, said: str | Sentence) -> WeightsError:
    template = N_("{file} is damaged: its header does not say what the file holds ({said}). Fetch it again.")
    seen = seen_in(file)
    return WeightsError(seen) if seen else WeightsError(template, file=file, said=said)


def _check_left_out(folder: Path, unused: set[str]) -> None:
    """No file that could hold a part of the model is passed over."""
    found = left_out(unused)
    if found:
        template = N_(
            "{folder} holds {file}, which is not among the files that the checkpoint is read from. Take it out if it "
            "belongs to another one; else fetch {index} again, which has to name it."
        )
        raise WeightsError(template, folder=folder, file=found[0], index=INDEX)


def _check_index(folder: Path, found: Mapping[str, Stored]) -> None:
    """Every tensor that the index names is where it says."""
    if (folder / WHOLE).exists():
        return
    for tensor, name in index(folder).items():
        if tensor not in found or found[tensor].file.name != name:
            template = N_(
                "{index} in {folder} says that {file} holds the tensor {tensor}, and it does not. The files belong to "
                "two checkpoints, or one is old: fetch all of them again."
            )
            raise WeightsError(template, index=INDEX, folder=folder, file=name, tensor=shown(tensor))


def _check_numbers(found: Mapping[str, Stored]) -> None:
    """Weights are floating-point numbers: what is packed into integers or 8 bits means nothing without its scales."""
    for name, tensor in found.items():
        if tensor.dtype not in FLOATS and not worked_out(name, tensor.shape):
            template = N_(
                "{file} stores {name} as {dtype}: the checkpoint is quantized, and Stagelight reads weights in 16, 32 "
                "or 64 bits. Use the checkpoint that it was made from, or a GGUF file of the model."
            )
            raise WeightsError(template, file=tensor.file, name=shown(name), dtype=shown(tensor.dtype))

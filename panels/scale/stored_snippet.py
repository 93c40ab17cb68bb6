"""The printed program behind stored weights: it reads the same bytes out of the file."""

from anatomy.costs import configuration
from anatomy.spec import ModelSpec
from anatomy.storage import BLOCK, sizes
from anatomy.view import Fitted
from panels.common.snippet import FOLDER
from panels.scale.stored_block import chosen

# What llama.cpp calls the matrices of a layer.
_IN_GGUF = {
    "q": "attn_q",
    "k": "attn_k",
    "v": "attn_v",
    "o": "attn_output",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}


def program(spec: ModelSpec, view: Fitted) -> str:
    """A program that leaves in `result` the block's bytes in hexadecimal, and its weights."""
    return _of_gguf(spec, view) if spec.weights.kept == "gguf" else _of_safetensors(spec, view)


def _of_gguf(spec: ModelSpec, view: Fitted) -> str:
    matrix, row, first = chosen(spec, view)
    return f"""from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGUFReader
from gguf.quants import dequantize

folder = "{FOLDER}"  # holds the GGUF file
reader = GGUFReader(next(Path(folder).glob("*.gguf")))
tensor = next(tensor for tensor in reader.tensors if tensor.name == "blk.{view.layer}.{_IN_GGUF[matrix]}.weight")
row = {row}
{_other_order(spec, matrix)}raw = tensor.data[row].view(np.uint8)
weights = dequantize(raw[None], tensor.tensor_type)[0]

size, nbytes = GGML_QUANT_SIZES[tensor.tensor_type]  # weights and bytes of a block
if size == 1:  # numbers that stand alone
    size, nbytes = {BLOCK}, {BLOCK} * nbytes
block = {first} // size
result = raw[block * nbytes : (block + 1) * nbytes].tobytes().hex(), weights[block * size : (block + 1) * size].tolist()
print(tensor.tensor_type.name, result)
"""


def _other_order(spec: ModelSpec, matrix: str) -> str:
    """Of q and k llama.cpp puts the two halves of each rotated pair side by side, in models of its kind "llama"."""
    if matrix not in ("q", "k"):
        return ""
    return f"""# There llama.cpp puts the two halves of a rotated pair side by side.
if reader.get_field("general.architecture").contents() == "llama":
    half, pair = divmod(row % {spec.d_head}, {spec.d_head // 2})
    row += 2 * pair + half - row % {spec.d_head}
"""


def _of_safetensors(spec: ModelSpec, view: Fitted) -> str:
    matrix, row, first = chosen(spec, view)
    path, row, across = _place(spec, matrix, row)
    name = f"{spec.paths.layers}.{view.layer}.{path}.weight"
    return f"""from pathlib import Path

import torch
from safetensors import safe_open

folder = "{FOLDER}"  # holds *.safetensors
for path in Path(folder).glob("*.safetensors"):
    with safe_open(path, framework="pt") as file:
        for name in file.keys():
            if f".{{name}}".endswith(".{name}"):
                matrix = file.get_tensor(name)

block = matrix[{f":, {row}" if across else row}][{first}:{first + BLOCK}].contiguous()
result = bytes(block.view(torch.uint8).tolist()).hex(), block.float().tolist()
print(matrix.dtype, result)
"""


def _place(spec: ModelSpec, matrix: str, row: int) -> tuple[str, int, bool]:
    """(path of the module inside a layer, which of its outputs, whether it has a row per input)."""
    paths = spec.paths
    inside = {
        "o": paths.attention,
        "down": paths.ffn,
        **dict(zip(("gate", "up")[-len(paths.inner) :], paths.inner, strict=True)),
    }
    fused = len(paths.reads) == 1  # GPT-2's: all three in one matrix, one beside the other
    if matrix in inside:
        return inside[matrix], row, fused
    order = ("q", "k", "v")
    if not fused:
        return paths.reads[order.index(matrix)], row, False
    before = order[: order.index(matrix)]
    return paths.reads[0], row + sum(sizes(configuration(spec), part)[0] for part in before), True

"""One row of a matrix of a layer: the bytes that the checkpoint's file has for it, and the weights that they became.

A row belongs to one output of the matrix, counted as the library counts them, in whatever order or shape the file has
them. Weights that a variant changed are in no file: then the bytes are those of the numbers that the program holds.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from anatomy.costs import configuration
from anatomy.refused import Refused, Sentence
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.storage import reason, row_named, sizes
from anatomy.variants import of_weights, part_of
from models.loaded.model import LoadedModel
from models.measure import Measure, sites_of
from models.reading.precision import widened

_LONGEST = 1 << 17  # inputs of a matrix
MEASURES = (
    Measure(
        ("stored_bytes", "stored_kind", "stored_row"), forward=False, lengths={"raw": 8 * _LONGEST, "input": _LONGEST}
    ),
)
_HELD = {torch.float32: 0, torch.float16: 1, torch.float64: 28, torch.bfloat16: 30}  # GGML's numbers of these


def missing(spec: ModelSpec) -> dict[str, Sentence]:
    """The sites, where it is not known how the weights are stored."""
    why = reason(spec)
    return {} if why is None else dict.fromkeys(sites_of(MEASURES), why)


def answer(loaded: LoadedModel, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
    """The wanted arrays among MEASURES."""
    return {want: _array(loaded, want) for want in wants}


def _array(loaded: LoadedModel, want: Want) -> np.ndarray:
    assert want.layer is not None, f"{want} has passed axes_of, so it names a layer"
    assert want.of is not None, f"{want} has passed axes_of, so it names a row"
    matrix, row = row_named(want.of)
    module, row = _output(loaded, want.layer, matrix, row)
    if want.site == "stored_row":
        return _weights(module, row)
    kind, raw = _stored(loaded, module, row, part_of(matrix))
    return np.array(kind, np.int64) if want.site == "stored_kind" else raw


def _output(loaded: LoadedModel, layer: int, matrix: str, row: int) -> tuple[nn.Module, int]:
    """The module that holds the row, and which of its outputs it makes."""
    family = loaded.family
    attention, ffn = family.writes
    paths = {"o": attention, "down": ffn} | {
        site: family.taps[site].module for site in ("gate", "up") if site in family.taps
    }
    if matrix in paths:
        path = paths[matrix]
    elif len(family.reads) == 1:  # all three in one matrix, one beside the other
        path, before = family.reads[0], ("q", "k", "v")[: ("q", "k", "v").index(matrix)]
        row += sum(sizes(configuration(loaded.spec), part)[0] for part in before)
    else:
        path = family.reads[("q", "k", "v").index(matrix)]
    return loaded.layer(layer).get_submodule(path), row


def _held(module: nn.Module, row: int) -> Tensor:
    """The weights of one output, in the precision that the program holds them in: [input]."""
    weight = module.get_parameter("weight").detach()
    return weight[:, row] if isinstance(module, Conv1D) else weight[row]


def _weights(module: nn.Module, row: int) -> Float32[np.ndarray, " input"]:
    return widened(_held(module, row)).numpy().copy()


def _stored(loaded: LoadedModel, module: nn.Module, row: int, part: str) -> tuple[int, np.ndarray]:
    """(GGML's number of the way in which the row is stored, its bytes). part: of the layer, that the row belongs to."""
    if of_weights(loaded.spec.alterations, part):
        held = _held(module, row).contiguous()
        return _HELD[held.dtype], held.view(torch.uint8).numpy().copy()
    if loaded.source is None:
        raise Refused(reason(loaded.spec, part) or "")
    weight = module.get_parameter("weight")
    name = next(name for name, parameter in loaded.model.named_parameters() if parameter is weight)
    return loaded.source.row(loaded.model, name, row, across=isinstance(module, Conv1D))

"""Which block of which row is shown, and what the file has there: what the panel's pieces share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float32, UInt8

from anatomy.control import Choice, Control, Slider
from anatomy.costs import Configuration, configuration
from anatomy.language import N_
from anatomy.request import Want
from anatomy.rounding import largest_at
from anatomy.spec import ModelSpec
from anatomy.storage import BLOCK, MATRICES, STORAGES, Quantized, Storage, apart, block_of, floats, named_row, sizes
from anatomy.trace import Trace
from anatomy.variants import of_weights, part_of
from anatomy.view import Fitted, View
from panels.scale.compared import PARTS

_SITES = ("stored_bytes", "stored_kind", "stored_row")
MATRIX = Choice(
    "matrix",
    N_("Matrix"),
    MATRICES,
    tuple(PARTS[matrix] for matrix in MATRICES),
    opens="up",
    says=N_("Which of the layer's matrices a row is taken from: those of attention, or those of the FFN."),
)
ROW = Slider(
    "output",
    N_("Row (output)"),
    0,
    (1 << 20) - 1,
    1,
    0,
    says=N_("Which row of the matrix is shown, from the first to the last: each row makes one output."),
)
NUMBER = Slider(
    "block",
    N_("Block of 32 weights"),
    0,
    (1 << 16) - 1,
    1,
    0,
    says=N_(
        "Which 32 weights of the row are shown, from the first to the last; where a format's block is larger, the "
        "whole block that holds them."
    ),
)


def fitting(spec: ModelSpec, view: View, control: Control) -> Control:
    """The matrices that the model has; of the chosen one as many rows, and blocks in a row."""
    model = configuration(spec)
    if control == MATRIX:
        return _matrices(model)
    rows, width = sizes(model, view[_matrices(model)])
    if control == ROW:
        return ROW.up_to(rows - 1)
    return NUMBER.up_to(-(-width // BLOCK) - 1) if control == NUMBER else control


def _matrices(model: Configuration) -> Choice:
    there = tuple(matrix for matrix in MATRICES if matrix in model.widths)
    return replace(MATRIX, options=there, labels=tuple(PARTS[matrix] for matrix in there))


def chosen(spec: ModelSpec, view: Fitted) -> tuple[str, int, int]:
    """(matrix, row, first of the weights) that the reader has chosen."""
    matrix = view[_matrices(configuration(spec))]
    row, number = (int(view[fitted]) for fitted in _sliders(spec, view))
    return matrix, row, number * BLOCK


def _sliders(spec: ModelSpec, view: Fitted) -> list[Slider]:
    fitted = (fitting(spec, view, control) for control in (ROW, NUMBER))
    return [slider for slider in fitted if isinstance(slider, Slider)]


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The bytes of the row, how they store it, and the weights that the model computes with."""
    matrix, row, _first = chosen(spec, view)
    return [Want(site, view.layer, of=named_row(matrix, row)) for site in _SITES]


@dataclass(frozen=True)
class Block:
    """Some weights of one row, side by side, as they are stored.

    matrix   as `anatomy.costs.Configuration.widths` names it
    first    the first of the weights, counted along the row
    raw      their bytes
    weights  the numbers that the model computes with
    row_bytes, row_weights  of the whole row
    altered  they are in no file: a variant changed them
    """

    layer: int
    matrix: str
    row: int
    first: int
    storage: Storage
    raw: UInt8[np.ndarray, " byte"]
    weights: Float32[np.ndarray, " weight"]
    row_bytes: int
    row_weights: int
    altered: bool

    @property
    def last(self) -> int:
        """The last of the weights."""
        return self.first + len(self.weights) - 1

    @property
    def places(self) -> range:
        """Of the weights, along the row."""
        return range(self.first, self.last + 1)

    @cached_property
    def quantized(self) -> Quantized | None:
        """The block taken apart; None where it is not of such a kind."""
        return Quantized(self.storage, self.raw) if self.storage.quantized else None

    @cached_property
    def bits(self) -> tuple[str, ...]:
        """Each weight's own bits: of a block its code, of a floating-point number all; none where they are not told
        apart here."""
        if self.quantized is not None:
            return tuple(map(self.quantized.written, self.quantized.codes.tolist()))
        return floats(self.storage, self.raw) if self.storage.floating else ()

    @cached_property
    def fields(self) -> tuple[tuple[str, str, str], ...]:
        """Sign, exponent and fraction of floating-point numbers."""
        return tuple(apart(self.storage, bits) for bits in self.bits)

    @property
    def largest(self) -> int:
        """Which of the weights is farthest from 0."""
        return largest_at(np.abs(self.weights.astype(np.float64)))

    @property
    def used(self) -> list[int]:
        """The different codes of a block, in order."""
        return [] if self.quantized is None else sorted(set(self.quantized.codes.tolist()))

    @property
    def gap(self) -> int:
        """The most levels from one that the block uses to the next."""
        return max((after - before for before, after in zip(self.used, self.used[1:], strict=False)), default=0)


def read(trace: Trace, view: Fitted) -> Block:
    """The chosen block: of a format with larger blocks the one that the chosen weights lie in."""
    spec = trace.spec
    matrix, row, first = chosen(spec, view)
    raw, kind, weights = (trace[want] for want in needs(spec, view))
    storage = STORAGES[int(kind)]
    begin, own = block_of(storage, first, raw)
    count = len(own) // storage.nbytes * storage.weights
    return Block(
        layer=view.layer,
        matrix=matrix,
        row=row,
        first=begin,
        storage=storage,
        raw=own,
        weights=weights[begin : begin + count],
        row_bytes=len(raw),
        row_weights=len(weights),
        altered=of_weights(spec.alterations, part_of(matrix)),
    )

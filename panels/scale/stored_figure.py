"""The pictures of stored weights: on the levels of their block, bit by bit, or as bytes."""

import numpy as np
from jaxtyping import Float

from anatomy.language import _
from anatomy.storage import Quantized
from panels.scale.compared import PARTS
from panels.scale.stored_block import Block
from viz.format import number
from viz.grid import Grid
from viz.scale import ceiling

_DRAWN = 32  # levels that have a row each
_LINE = 16  # bytes of a line


def figure(block: Block) -> Grid:
    """The levels of a block with few; the bits of other weights; bytes where these are not taken apart."""
    if block.quantized is not None and len(block.quantized.possible) <= _DRAWN:
        return _levels(block, block.quantized)
    return _bits(block) if block.bits else _bytes(block)


def title(block: Block) -> str:
    """Where the weights stand."""
    return _(
        "{matrix}, layer {layer}, row {row}: weights {first} to {last} ({storage})",
        matrix=_(PARTS[block.matrix]),
        layer=block.layer,
        row=block.row,
        first=block.first,
        last=block.last,
        storage=block.storage.name,
    )


def _levels(block: Block, taken_apart: Quantized) -> Grid:
    """A row for each level, the highest code on top; each weight on its own."""
    codes = np.array(taken_apart.possible)[::-1]
    levels = taken_apart.level(codes)
    on = codes[:, None] == taken_apart.codes[None, :]  # [level weight]
    return Grid(
        z=np.where(on, block.weights[None, :], np.nan).astype(np.float32),
        rows=tuple(f"{taken_apart.written(code)}: {number(level)}" for code, level in _paired(codes, levels)),
        cols=tuple(map(str, block.places)),
        row_axis=_("code: the weight that it stands for"),
        col_axis=_("weight of the row"),
        unit=_("weight"),
        title=title(block),
        high=ceiling(float(np.abs(levels).max())),
        signed=True,
        focus=(int(np.flatnonzero(on[:, block.largest])[0]), block.largest),
        inside=tuple("•" if there else "" for there in on.ravel().tolist()),  # near 0 a colour is that of the ground
        empty=_("another level"),
    )


def _paired(codes: np.ndarray, levels: np.ndarray) -> list[tuple[int, float]]:
    return list(zip(codes.tolist(), levels.tolist(), strict=True))


def _bits(block: Block) -> Grid:
    """A row for each weight, a cell for each bit."""
    values = np.array([list(map(int, bits)) for bits in block.bits], np.float32)  # [weight bit]
    return Grid(
        z=values,
        rows=tuple(f"{place}: {number(value)}" for place, value in _paired(np.array(block.places), block.weights)),
        cols=_names(block),
        row_axis=_("weight of the row: its value"),
        col_axis=_bit_axis(block),
        unit=_("bit"),
        title=title(block),
        inside=tuple("".join(block.bits)),
    )


def _names(block: Block) -> tuple[str, ...]:
    """What each bit is: what it is worth in a whole number, or its place in exponent or fraction."""
    if block.quantized is not None:
        worth = [2**place for place in reversed(range(block.storage.bits))]
        return (f"−{worth[0]}", *map(str, worth[1:]))
    parts = (("e", block.storage.exponent), ("f", block.storage.fraction))
    return ("s", *(f"{part}{place}" for part, count in parts for place in reversed(range(count))))


def _bit_axis(block: Block) -> str:
    if block.quantized is not None:
        return _("bit of the code: what it is worth")
    return _("bit: s sign, e exponent, f fraction")


def _bytes(block: Block) -> Grid:
    """The bytes of a block, 16 in a line, in hexadecimal."""
    lines = -(-len(block.raw) // _LINE)
    z: Float[np.ndarray, "line place"] = np.full((lines, _LINE), np.nan, np.float32)
    z.ravel()[: len(block.raw)] = block.raw
    words = [f"{byte:02X}" for byte in block.raw.tolist()]
    return Grid(
        z=z,
        rows=tuple(str(_LINE * line) for line in range(lines)),
        cols=tuple(f"+{place}" for place in range(_LINE)),
        row_axis=_("byte of the block"),
        col_axis=_("byte, counted on"),
        unit=_("byte"),
        title=title(block),
        high=255.0,
        inside=(*words, *[""] * (z.size - len(words))),
        empty=_("no such byte"),
    )

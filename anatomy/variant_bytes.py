"""What the weights of a variant take: in a file that keeps them as altered, and in the memory of this program.

Nothing is written here: the bytes follow from the configuration and from the alterations (`anatomy.variants`). A file
has in bfloat16 what no alteration rounds, as published files do; tests hold the formats against GGUF's and against
bytes that were packed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

from anatomy.costs import Configuration, norm_size
from anatomy.memory import number_bytes
from anatomy.variants import BLOCK, OF_BITS, OF_MATRICES, PARTS, PRECISIONS, Alteration, part_of

WIDE = 16  # bits of a number that is not rounded (bfloat16, float16), and of a scale or a least value (float16)


@dataclass(frozen=True)
class Format:
    """How a file keeps the matrices of one part of the layers.

    bits    of each number
    scales  numbers of 16 bits that each block has besides: a scale; a scale and a least value
    block   numbers of a row that share them; None: the whole row
    pruned  share of the numbers that are 0, which a bitmap tells where that takes less: a bit for every number, and
            `bits` for those that are left
    zero    0 is one of the numbers that can be written; where it is none, what is pruned needs the bitmap
    """

    bits: int = WIDE
    scales: int = 0
    block: int | None = None
    pruned: Fraction = Fraction(0)
    zero: bool = True

    @property
    def mapped(self) -> bool:
        """A bitmap tells which numbers are 0."""
        return self.pruned > 0 and (not self.zero or 1 + (1 - self.pruned) * self.bits < self.bits)

    def per_weight(self, width: int) -> Fraction:
        """Bits that each number takes, what its block has besides included. width: numbers of a row."""
        blocks = 1 if self.block is None else ceil(width / self.block)
        numbers = 1 + (1 - self.pruned) * self.bits if self.mapped else self.bits
        return numbers + Fraction(self.scales * WIDE * blocks, width)


def stored_format(alterations: Iterable[Alteration], part: str) -> Format:
    """How a file keeps the matrices of a part once these alterations are made, one after the other. part: one of
    `anatomy.variants.PARTS`; ValueError for another.

    What is rounded last decides the bits. Levels between a least and a largest number move the zeros of what was pruned
    before; an adapter that is added leaves neither levels nor zeros.
    """
    if part not in PARTS:
        raise ValueError(f"{part!r} is no part of a layer that alterations are kept to: one of {PARTS}")
    found = Format()
    for one in alterations:
        if one.kind in ("untrained", "lora"):
            found = Format()
        elif one.part in ("", part):
            found = _after(found, one)
    return found


def _after(before: Format, one: Alteration) -> Format:
    if one.kind == "prune":
        return replace(before, pruned=Fraction(str(one.amount)))
    if one.kind == "int8":
        return Format(8, scales=1, pruned=before.pruned)
    if one.kind in OF_BITS:
        bits = int(one.kind.removesuffix("bit"))
        if one.symmetric:
            return Format(bits, scales=1, block=BLOCK, pruned=before.pruned)
        return Format(bits, scales=2, block=BLOCK, zero=False)
    return before


def stored_bits(alterations: Iterable[Alteration], width: int, part: str) -> float:
    """Bits per weight of the layers' matrices of a variant in a file; width: numbers of a row, which `int8` and blocks
    at the end of a row depend on. 16 where nothing is rounded, b + 1 for b bits, b + 0.5 symmetric, 8 + 16 / width for
    int8; pruned: 1 and the numbers left, where that is less. part and errors: as in `stored_format`."""
    return float(stored_format(alterations, part).per_weight(width))


def file_bytes(given: Configuration, total: int, alterations: Iterable[Alteration]) -> int:
    """Bytes of all weights of a variant in a file that keeps them as altered, rounded up. The matrices of the layers
    take `stored_bits` each, all else 16 bits; layers that share their weights are there once.

    given, total  of the model that it is a variant of, or of itself: the configuration and all its parameters, with
                  those of layers that share counted in each of them
    """
    return ceil(sum(count * bits for count, bits in written(given, total, alterations)) / 8)


def written(given: Configuration, total: int, alterations: Iterable[Alteration]) -> tuple[tuple[int, Fraction], ...]:
    """(numbers, bits of each) that such a file has: matrices of the layers that take equally many bits per weight
    together, then, with 16 bits, all that is outside of them. given, total: as in `file_bytes`."""
    alterations = tuple(alterations)
    layers, found = stored_layers(given, alterations), dict[Fraction, int]()
    for name, (read, out) in given.widths.items():
        bits = stored_format(alterations, part_of(name)).per_weight(read)
        found[bits] = found.get(bits, 0) + layers * read * out
    rest = _numbers(given, total, alterations) - sum(found.values())
    return (*((count, bits) for bits, count in found.items()), (rest, Fraction(WIDE)))


def stored_otherwise(one: Alteration) -> bool:
    """Whether it changes what a file has to keep: weights in fewer bits, or fewer weights."""
    if one.kind == "prune":
        return one.amount > 0
    return one.amount > 1 if one.kind == "shared" else one.kind in OF_MATRICES


def held_bytes(given: Configuration, total: int, alterations: Iterable[Alteration], dtype: str = "float32") -> int:
    """Bytes of all weights of a variant in this program's memory, be they its own or shared with its base: four for
    each number (two in half precision), whatever bits it was rounded to, for it multiplies in that precision. Copies
    that are packed for the processor come on top of it; so does what the library keeps in float32 where all else is in
    float16 (T5: the last projection of each FFN).

    given, total  as in `file_bytes`
    dtype         that the base is computed in ("float32", "bfloat16", "float16"); ValueError for another
    """
    alterations = tuple(alterations)
    dtype = next((PRECISIONS[one.kind] for one in alterations if one.kind in PRECISIONS), dtype)
    return number_bytes(dtype) * _numbers(given, total, alterations)


def stored_layers(given: Configuration, alterations: Iterable[Alteration]) -> int:
    """Layers that have weights of their own. An adapter that is added to layers that share changes each by itself."""
    layers = given.layers
    for one in alterations:
        if one.kind == "shared":
            layers = ceil(given.layers / int(one.amount))
        elif one.kind == "lora":
            layers = given.layers
    return layers


def _numbers(given: Configuration, total: int, alterations: tuple[Alteration, ...]) -> int:
    """Parameters, those of layers that share counted once."""
    biases = sum(out for name, (_read, out) in given.widths.items() if name in given.biases)
    norms = (4 if given.place == "both" else 2) * norm_size(given)
    return total - (given.layers - stored_layers(given, alterations)) * (_in_matrices(given) + biases + norms)


def _in_matrices(given: Configuration) -> int:
    """Numbers in the matrices of one layer."""
    return sum(read * out for read, out in given.widths.values())

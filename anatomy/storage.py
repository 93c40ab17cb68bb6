"""How weights lie in a checkpoint's file: ways to store numbers, and their bytes taken apart, bit by bit.

Blocks are those of ggml (ggml-common.h, ggml-quants.c: `block_q4_0` and so on): a header of one or two float16 numbers,
then a code for each weight. All bytes are in little-endian order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from anatomy.costs import Configuration
from anatomy.language import N_
from anatomy.refused import Sentence
from anatomy.spec import ModelSpec
from anatomy.variants import of_weights, split

BLOCK = 32  # weights that are shown at a time
MATRICES = ("q", "k", "v", "o", "gate", "up", "down")


@dataclass(frozen=True)
class Storage:
    """A way to store numbers.

    name      as files and papers write it
    weights   of one block; 1 for floating-point numbers, which stand alone
    nbytes    of one block
    bits      of each code; 0 where this program does not take the block apart, and for floating-point numbers
    middle    the code that stands for 0 where a block has no least value of its own
    least     a block states its least value beside its scale
    exponent  bits of a floating-point number's exponent
    fraction  bits of its fraction
    """

    name: str
    weights: int
    nbytes: int
    bits: int = 0
    middle: int = 0
    least: bool = False
    exponent: int = 0
    fraction: int = 0

    @property
    def floating(self) -> bool:
        """Each number stands alone: sign, exponent, fraction."""
        return self.fraction > 0

    @property
    def quantized(self) -> bool:
        """Blocks with a scale and a code for each weight, which are taken apart here."""
        return self.bits > 0

    @property
    def header(self) -> int:
        """Bytes of a block before its codes."""
        return 4 if self.least else 2

    @property
    def per_weight(self) -> float:
        """Bits for each weight, a block's header included."""
        return 8 * self.nbytes / self.weights


# By the number that GGML gives the type (ggml.h, `ggml_type`).
STORAGES: Mapping[int, Storage] = {
    0: Storage("float32", 1, 4, exponent=8, fraction=23),
    1: Storage("float16", 1, 2, exponent=5, fraction=10),
    28: Storage("float64", 1, 8, exponent=11, fraction=52),
    30: Storage("bfloat16", 1, 2, exponent=8, fraction=7),
    2: Storage("Q4_0", 32, 18, bits=4, middle=8),
    3: Storage("Q4_1", 32, 20, bits=4, least=True),
    6: Storage("Q5_0", 32, 22, bits=5, middle=16),
    7: Storage("Q5_1", 32, 24, bits=5, least=True),
    8: Storage("Q8_0", 32, 34, bits=8),
    10: Storage("Q2_K", 256, 84),
    11: Storage("Q3_K", 256, 110),
    12: Storage("Q4_K", 256, 144),
    13: Storage("Q5_K", 256, 176),
    14: Storage("Q6_K", 256, 210),
    16: Storage("IQ2_XXS", 256, 66),
    17: Storage("IQ2_XS", 256, 74),
    18: Storage("IQ3_XXS", 256, 98),
    19: Storage("IQ1_S", 256, 50),
    20: Storage("IQ4_NL", 32, 18),
    21: Storage("IQ3_S", 256, 110),
    22: Storage("IQ2_S", 256, 82),
    23: Storage("IQ4_XS", 256, 136),
    29: Storage("IQ1_M", 256, 56),
    34: Storage("TQ1_0", 256, 54),
    35: Storage("TQ2_0", 256, 66),
    39: Storage("MXFP4", 32, 17),
    40: Storage("NVFP4", 64, 36),
}


@dataclass(frozen=True)
class Quantized:
    """A block whose weights are value = scale × code + least, or scale × (code − middle).

    raw  its bytes; ValueError for another number of them than such a block has
    """

    storage: Storage
    raw: UInt8[np.ndarray, " byte"]

    def __post_init__(self) -> None:
        if not self.storage.quantized or self.raw.shape != (self.storage.nbytes,):
            raise ValueError(f"{self.raw.shape} bytes are no block of {self.storage.name}")

    @property
    def scale(self) -> np.float32:
        """What codes are multiplied with; a float16 in the file."""
        return self._float16(0)

    @property
    def least(self) -> np.float32:
        """What is added to each product; 0 where a block states none."""
        return self._float16(2) if self.storage.least else np.float32(0)

    def _float16(self, at: int) -> np.float32:
        return self.raw[at : at + 2].view("<f2").astype(np.float32)[0]

    @cached_property
    def codes(self) -> Int64[np.ndarray, " weight"]:
        """The code of each weight, 0 to 2^bits − 1; of 8 bits a signed number, −128 to 127."""
        rest = self.raw[self.storage.header :]
        if self.storage.bits == 8:
            return rest.view(np.int8).astype(np.int64)
        fifth, packed = (rest[:4], rest[4:]) if self.storage.bits == 5 else (None, rest)
        codes = np.concatenate([packed & 15, packed >> 4]).astype(np.int64)  # [weight]: low halves of all bytes first
        if fifth is None:
            return codes
        return codes | np.unpackbits(fifth, bitorder="little").astype(np.int64) << 4

    @property
    def possible(self) -> range:
        """The codes that a weight may have."""
        count = 2**self.storage.bits
        return range(-count // 2, count // 2) if self.storage.bits == 8 else range(count)

    def level(self, codes: Int64[np.ndarray, " code"]) -> Float32[np.ndarray, " code"]:
        """What codes stand for, in float32 as llama.cpp and the gguf library compute it."""
        return self.scale * (codes - self.storage.middle).astype(np.float32) + self.least

    @property
    def values(self) -> Float32[np.ndarray, " weight"]:
        """The block's weights."""
        return self.level(self.codes)

    def written(self, code: int) -> str:
        """A code in binary, as the file has it (8 bits: two's complement)."""
        return f"{code % 2**self.storage.bits:0{self.storage.bits}b}"


def floats(storage: Storage, raw: UInt8[np.ndarray, " byte"]) -> tuple[str, ...]:
    """Floating-point numbers bit by bit: of each its sign, exponent and fraction, all in one text of 0 and 1."""
    rows = raw.reshape(-1, storage.nbytes)[:, ::-1]  # [number byte], the highest byte first
    return tuple("".join(map(str, bits)) for bits in np.unpackbits(rows, axis=1).tolist())


def apart(storage: Storage, bits: str) -> tuple[str, str, str]:
    """Sign, exponent and fraction of a number written in bits."""
    return bits[0], bits[1 : 1 + storage.exponent], bits[1 + storage.exponent :]


def block_of(storage: Storage, first: int, row: UInt8[np.ndarray, " raw"]) -> tuple[int, UInt8[np.ndarray, " byte"]]:
    """The block of a row that holds its weight of the number `first`: (the block's first weight, its bytes); of numbers
    that stand alone, BLOCK of them or what is left of the row."""
    size = BLOCK if storage.floating else storage.weights
    width = storage.nbytes * (BLOCK if storage.floating else 1)
    block = first // size
    return block * size, row[block * width : (block + 1) * width]


def named_row(matrix: str, row: int) -> str:
    """A row of a matrix, as `anatomy.request.Want.of` has it."""
    return f"{matrix}:{row}"


def row_named(of: str) -> tuple[str, int]:
    """The matrix and the row of such a name. ValueError for one that is none."""
    matrix, colon, row = of.partition(":")
    if matrix not in MATRICES or not colon or not (row.isascii() and row.isdigit()) or len(row) > 9:
        raise ValueError(f"{of!r} names no row of a matrix: write gate:12, with one of {', '.join(MATRICES)}")
    return matrix, int(row)


def sizes(model: Configuration, matrix: str) -> tuple[int, int]:
    """(rows, weights in each) of a matrix: its outputs and its inputs. KeyError for one that the model lacks."""
    read, written = model.widths[matrix]
    return written, read


def reason(spec: ModelSpec, part: str = "") -> Sentence | None:
    """Why nothing can be said of how a model's weights are stored; None where something can. Weights that a variant
    changed are in no file: they are taken as the program holds them. part: one of `anatomy.variants.PARTS`, of whose
    matrices alone it is asked."""
    if not spec.weights.kept:
        return Sentence(_UNKNOWN)
    if spec.weights.kept == "earlier" and not of_weights(spec.alterations, part):
        return Sentence(_EARLIER, name=split(spec.name)[0])
    return None


_EARLIER = N_(
    "The folder of this model was made by an earlier version of Stagelight, which threw the GGUF file away that the "
    "weights were converted from. To see its bits, run: python -m models fetch {name}; then open the model again."
)
_UNKNOWN = N_("Which file the weights of this model were read from is not known here, so its bits cannot be shown.")

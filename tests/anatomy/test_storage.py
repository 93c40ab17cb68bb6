"""How weights lie in a file: every kind is of the size that it should be, and its bits mean what the library says."""

import struct

import gguf
import numpy as np
import pytest
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

from anatomy.storage import (
    BLOCK,
    STORAGES,
    Quantized,
    apart,
    block_of,
    floats,
    named_row,
    row_named,
)
from models.checkpoints.gguf_file import can_be_read

TAKEN_APART = [number for number, storage in STORAGES.items() if storage.quantized]
FLOATING = [number for number, storage in STORAGES.items() if storage.floating]


def test_every_kind_that_can_be_read_is_listed_with_its_size():
    readable = {kind for kind in GGMLQuantizationType if can_be_read(kind)} | {GGMLQuantizationType.F64}
    assert {int(kind) for kind in readable} <= STORAGES.keys()
    for number, storage in STORAGES.items():
        assert (storage.weights, storage.nbytes) == GGML_QUANT_SIZES[GGMLQuantizationType(number)], storage.name
        assert storage.name in (GGMLQuantizationType(number).name, "float32", "float16", "float64", "bfloat16")


@pytest.mark.parametrize("number", TAKEN_APART)
def test_a_block_taken_apart_gives_the_weights_that_the_library_gives(number):
    kind, storage = GGMLQuantizationType(number), STORAGES[number]
    values = np.random.default_rng(0).normal(0.1, 0.3, (8, BLOCK)).astype(np.float32)
    stored = gguf.quants.quantize(values, kind)  # [row byte]
    for raw, expected in zip(stored, gguf.dequantize(stored, kind), strict=True):
        block = Quantized(storage, raw)
        assert np.array_equal(block.values, expected)
        assert set(block.codes.tolist()) <= set(block.possible)
        assert len(set(block.codes.tolist())) > 4, "a block in which codes matter"
        assert all(int(block.written(code), 2) == code % 2**storage.bits for code in block.codes.tolist())


def test_the_bits_of_a_block_by_hand():
    header = np.array([0.5, -1.0], "<f2").tobytes()
    block = Quantized(STORAGES[3], np.frombuffer(header + bytes(range(16)), np.uint8))
    assert block.codes[:3].tolist() == [0, 1, 2]  # low halves: the first 16 weights
    assert block.codes[16:].tolist() == [0] * 16
    assert block.values[:3].tolist() == [-1.0, -0.5, 0.0]
    assert block.written(11) == "1011"


def test_bytes_that_are_no_block_are_refused():
    with pytest.raises(ValueError, match="are no block of Q4_1"):
        Quantized(STORAGES[3], np.zeros(19, np.uint8))


@pytest.mark.parametrize("number", FLOATING)
def test_sign_exponent_and_fraction_make_up_the_number(number):
    storage = STORAGES[number]
    raw = np.random.default_rng(1).integers(0, 256, 40 * storage.nbytes).astype(np.uint8)
    for place, bits in enumerate(floats(storage, raw)):
        sign, exponent, fraction = apart(storage, bits)
        assert (len(sign), len(exponent), len(fraction)) == (1, storage.exponent, storage.fraction)
        own = raw[place * storage.nbytes : (place + 1) * storage.nbytes].tobytes()
        assert int(bits, 2) == int.from_bytes(own, "little")
        power, bias = int(exponent, 2), 2 ** (storage.exponent - 1) - 1
        if 0 < power < 2 * bias + 1 and storage.name != "bfloat16":
            (value,) = struct.unpack({4: "<f", 2: "<e", 8: "<d"}[storage.nbytes], own)
            shown = (1 + int(fraction, 2) / 2**storage.fraction) * 2.0 ** (power - bias)
            assert value == (-shown if sign == "1" else shown)


def test_the_last_block_of_numbers_that_stand_alone_may_be_shorter():
    row = np.arange(48 * 4, dtype=np.uint8)
    begin, raw = block_of(STORAGES[0], 32, row)
    assert (begin, raw.tolist()) == (32, row[128:].tolist())


def test_a_larger_block_is_the_one_that_holds_the_chosen_weights():
    begin, raw = block_of(STORAGES[12], 300, np.arange(3 * 144) % 256)
    assert (begin, raw.tolist()) == (256, (np.arange(144, 288) % 256).tolist())


def test_a_row_is_named_and_read_again():
    assert row_named(named_row("gate", 12)) == ("gate", 12)


@pytest.mark.parametrize("of", ["", "gate", "gate:", "gate:-1", "gate:1.5", "gone:1", "gate:²", "gate:" + "1" * 30])
def test_what_names_no_row_is_refused(of):
    with pytest.raises(ValueError, match="names no row of a matrix"):
        row_named(of)

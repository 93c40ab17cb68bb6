"""Bytes of variants: held against GGUF's formats, against numbers packed here, and against the memory of models."""

from dataclasses import replace
from fractions import Fraction

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.costs import configuration, total
from anatomy.published import LLAMA_31
from anatomy.variant_bytes import Format, file_bytes, held_bytes, stored_bits, stored_format, stored_layers, written
from anatomy.variants import PARTS, read
from models.local.engine import LocalEngine
from models.local.load import variant
from tests.anatomy.test_variants import ALTERATIONS
from tests.models.tiny import MODELS, tiny_engine

LLAMA = LLAMA_31[0].configuration


def alterations(name: str):
    return read(f"m~{name}")[1] if name else ()


def made(kind: str, name: str) -> LocalEngine:
    return variant(tiny_engine(kind), alterations(name)) if name else tiny_engine(kind)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("4bit", gguf.GGMLQuantizationType.Q4_1),
        ("4bit=sym", gguf.GGMLQuantizationType.Q4_0),
        ("5bit", gguf.GGMLQuantizationType.Q5_1),
        ("5bit=sym", gguf.GGMLQuantizationType.Q5_0),
        ("8bit=sym", gguf.GGMLQuantizationType.Q8_0),
        ("", gguf.GGMLQuantizationType.BF16),
    ],
)
def test_a_block_takes_what_it_takes_in_gguf(name, kind):
    numbers, size = gguf.GGML_QUANT_SIZES[kind]
    for part in PARTS:
        assert stored_bits(alterations(name), 32 * 18, part) == 8 * size / numbers


@pytest.mark.parametrize(
    ("name", "attention", "ffn"),
    [
        ("", 16, 16),
        ("bf16", 16, 16),
        ("3bit", 4, 4),
        ("3bit=sym", 3.5, 3.5),
        ("3bit~bf16", 4, 4),
        ("int8", 8 + 16 / 64, 8 + 16 / 64),
        ("3bit=ffn", 16, 4),
        ("3bit=ffn~4bit=attention", 5, 4),
        ("4bit~2bit", 3, 3),  # what is rounded last
        ("prune=0.5", 9, 9),
        ("prune=0.5,attention", 9, 16),
        ("prune=0.05", 16, 16),  # a bitmap would take more than it saves
        ("prune=0", 16, 16),
        ("4bit~prune=0.5", 1 + 2 + 1, 1 + 2 + 1),
        ("3bit~prune=0.1", 1 + 2.7 + 1, 1 + 2.7 + 1),  # 0 is no level: a bitmap, though it takes more
        ("prune=0.5~4bit", 5, 5),  # levels that move the zeros
        ("prune=0.5~4bit=sym", 1 + 2 + 0.5, 1 + 2 + 0.5),
        ("prune=0.5~int8", 5 + 16 / 64, 5 + 16 / 64),
        ("3bit=sym~prune=0.1", 3.5, 3.5),  # 0 is a level
        ("4bit~lora=a", 16, 16),
        ("lora=a~4bit", 5, 5),
        ("untrained~4bit", 5, 5),
        ("noskip~nonorm~dropout=0.1", 16, 16),
    ],
)
def test_bits_per_weight_follow_the_alterations(name, attention, ffn):
    found = [stored_bits(alterations(name), 64, part) for part in PARTS]
    assert found == pytest.approx([attention, ffn], rel=1e-12)


def test_a_row_that_is_no_multiple_of_a_block_has_one_more():
    assert stored_bits(alterations("4bit"), 48, "ffn") == 4 + 2 * 2 * 16 / 48


def test_there_are_two_parts():
    with pytest.raises(ValueError, match="'mlp' is no part of a layer"):
        stored_format((), "mlp")


@given(st.lists(ALTERATIONS, max_size=4), st.integers(1, 5000))
def test_no_weight_takes_more_than_its_format_can(chosen, width):
    for part in PARTS:
        found = stored_format(chosen, part)
        blocks = 0 if not found.scales else 1 if found.block is None else -(-width // found.block)
        assert 0 < found.per_weight(width) <= 1 + found.bits + Fraction(16 * found.scales * blocks, width)


# numbers that are packed


def packed(matrix: np.ndarray, form: Format) -> tuple[bytes, np.ndarray]:
    """A matrix of a variant, written in its format, and what is read of it again. Scales are float32 where they are
    made here, and their bytes are counted as of float16."""
    blocks = np.array_split(matrix, range(form.block, matrix.shape[1], form.block), 1) if form.block else [matrix]
    levels, read_again, heads = [], [], b""
    for block in blocks:
        found, back = _levels(block, form)
        levels.append(found)
        read_again.append(back)
        heads += bytes(2 * form.scales * len(block))
    whole, back = np.concatenate(levels, 1), np.concatenate(read_again, 1)
    bitmap = b""
    if form.mapped:
        bitmap = np.packbits(matrix != 0).tobytes()
        whole, back = whole[matrix != 0], np.where(matrix != 0, back, 0)
    bits = (whole.reshape(-1, 1) >> np.arange(form.bits)) & 1  # [number bit]
    return bitmap + np.packbits(bits.astype(bool)).tobytes() + heads, back


def _levels(block: np.ndarray, form: Format) -> tuple[np.ndarray, np.ndarray]:
    """The level of each number of a block, from 0 on, and the number that it stands for."""
    if form.bits == 16:
        halves = block.astype(np.float16)
        return halves.view(np.uint16).astype(int), halves.astype(float)
    if form.scales == 1:
        middle = 2 ** (form.bits - 1) - 1
        step = np.abs(block).max(1, keepdims=True) / middle
        found = np.round(block / np.where(step == 0, 1, step)).astype(int)
        return found + middle, found * step
    there = np.where(block == 0, np.nan, block) if form.mapped else block  # what is pruned is on no level
    least, most = np.nanmin(there, 1, keepdims=True), np.nanmax(there, 1, keepdims=True)
    step = (most - least) / (2**form.bits - 1)
    found = np.round(np.nan_to_num((there - least) / np.where(step == 0, 1, step))).astype(int)
    return found, found * step + least


@pytest.mark.parametrize(
    "name", ["", "4bit", "2bit=sym", "int8", "3bit=ffn", "prune=0.6", "prune=0.6~3bit=sym", "prune=0.4,ffn~int8"]
)
@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "t5"])
def test_the_numbers_of_a_variant_can_be_written_in_so_many_bytes(kind, name):
    engine, chosen = made(kind, name), alterations(name)
    given, size, pieces = configuration(engine.spec), 0, 0
    for layer in engine.family.layers_of(engine.model):
        for path, weight in layer.named_parameters():
            if weight.ndim != 2 or "bias" in path:
                continue
            ffn = any(path.startswith(f"{inside}.") for inside in engine.family.ffn)
            matrix = weight.detach().double().numpy()
            form = stored_format(chosen, "ffn" if ffn else "attention")
            bits, again = packed(matrix.T if kind == "gpt2" else matrix, form)
            np.testing.assert_allclose(again.T if kind == "gpt2" else again, matrix, atol=1e-3 * np.abs(matrix).max())
            size, pieces = size + len(bits), pieces + 2
    expected = float(
        sum(count * bits for count, bits in written(given, engine.spec.weights.parameters, chosen)[:-1]) / 8
    )
    assert abs(size - expected) <= pieces  # a byte that is not full, and the share of a matrix that is no whole number


# models


@pytest.mark.parametrize(
    "name",
    [
        *("", "4bit", "3bit=ffn", "prune=0.5", "shared=2", "shared=3", "bf16", "untrained~fp16"),
        *("shared=2~3bit", "shared=2~prune=0.5", "shared=2~3bit=ffn", "shared=2~int8=attention~bf16", "3bit~shared=2"),
    ],
)
@pytest.mark.parametrize("kind", MODELS)
def test_what_is_held_is_the_memory_of_the_weights(kind, name):
    engine, base = made(kind, name), tiny_engine(kind).spec
    real = {weight.data_ptr(): weight.nbytes for weight in engine.model.parameters()}
    found = held_bytes(configuration(base), base.weights.parameters, alterations(name), base.dtype)
    wider = 2 * base.layers * base.d_ff * base.d_model if kind.startswith("t5") and "fp16" in name else 0
    assert found + wider == sum(real.values())
    assert found == held_bytes(configuration(engine.spec), engine.spec.weights.parameters, engine.spec.alterations)


def test_a_file_of_a_model_as_it_is_has_two_bytes_for_each_number():
    assert file_bytes(LLAMA, total(LLAMA), ()) == 2 * total(LLAMA)
    assert held_bytes(LLAMA, total(LLAMA), ()) == 4 * total(LLAMA)
    assert held_bytes(LLAMA, total(LLAMA), (), "bfloat16") == 2 * total(LLAMA)


def test_only_the_matrices_of_the_layers_take_fewer_bytes():
    matrices = LLAMA.layers * sum(inside * out for inside, out in LLAMA.widths.values())
    rest = 2 * (total(LLAMA) - matrices)
    assert file_bytes(LLAMA, total(LLAMA), alterations("4bit")) == rest + matrices * 5 // 8
    ffn = LLAMA.layers * 3 * LLAMA.d_model * LLAMA.d_ff
    assert file_bytes(LLAMA, total(LLAMA), alterations("4bit=sym,ffn")) == rest + (matrices - ffn) * 2 + ffn * 9 // 16


def test_layers_that_share_their_weights_are_in_a_file_once():
    layers = [stored_layers(LLAMA, alterations(name)) for name in ("", "shared=2", "shared=5", "shared=2~lora=a")]
    assert layers == [32, 16, 7, 32]
    one = replace(LLAMA, layers=16)
    assert file_bytes(LLAMA, total(LLAMA), alterations("shared=2~3bit")) == file_bytes(
        one, total(one), alterations("3bit")
    )

"""The stored bits of a row are the file's own, and what they stand for is what the model computes with."""

import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFReader
from safetensors.torch import load_file

from anatomy.costs import configuration
from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.storage import named_row, sizes
from models.loaded import source
from models.local.engine import LocalEngine
from models.local.load import load
from tests.models.checkpoints.test_locate import without_its_gguf
from tests.models.checkpoints.tiny_checkpoints import write_gguf
from tests.models.tiny import MODELS, tiny_engine, tiny_model
from tests.panels.conftest import byte_tokenizer

SITES = ("stored_bytes", "stored_kind", "stored_row")
IN_GGUF = {
    "q": "attn_q",
    "k": "attn_k",
    "v": "attn_v",
    "o": "attn_output",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}
IN_LLAMA = {
    "q": "self_attn.q_proj",
    "k": "self_attn.k_proj",
    "v": "self_attn.v_proj",
    "o": "self_attn.o_proj",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}
DTYPES = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 30}


def row(engine: LocalEngine, layer: int, matrix: str, number: int) -> tuple[bytes, int, np.ndarray]:
    """(bytes, GGML's number of the kind, weights) of a row."""
    wants = [Want(site, layer, of=named_row(matrix, number)) for site in SITES]
    trace = engine.run(Run(engine.spec.id, "the"), wants)
    raw, kind, weights = (trace[want] for want in wants)
    return raw.tobytes(), int(kind), weights


def rows(engine: LocalEngine, matrix: str) -> int:
    return sizes(configuration(engine.spec), matrix)[0]


def in_reader(reader: GGUFReader, layer: int, matrix: str) -> tuple[np.ndarray, GGMLQuantizationType]:
    """The bytes of a matrix's rows as gguf's own reader gives them."""
    name = f"blk.{layer}.{IN_GGUF[matrix]}.weight"
    tensor = next(tensor for tensor in reader.tensors if tensor.name == name)
    return tensor.data.view(np.uint8).reshape(tensor.data.shape[0], -1), tensor.tensor_type


@pytest.mark.parametrize(("architecture", "pre"), [("llama", "smollm"), ("qwen2", "qwen2")])
def test_every_row_is_the_files_own_and_gives_the_models_numbers(
    tmp_path: Path, own_cache: Path, architecture: str, pre: str
) -> None:
    file = write_gguf(tmp_path / "tiny.gguf", architecture, pre)
    engine, reader = load(str(file)), GGUFReader(file)
    moved = set()
    for matrix, path in IN_LLAMA.items():
        stored, kind = in_reader(reader, 1, matrix)
        own = engine.model.base_model.get_submodule(f"layers.1.{path}").get_parameter("weight")
        assert len(stored) == rows(engine, matrix)
        seen = []
        for number in range(len(stored)):
            raw, own_kind, weights = row(engine, 1, matrix, number)
            assert own_kind == kind
            assert np.array_equal(gguf.dequantize(np.frombuffer(raw, np.uint8)[None], kind)[0], weights)
            assert np.array_equal(weights, own[number].numpy())
            seen.append(raw)
            moved |= {matrix} if raw != stored[number].tobytes() else set()
        assert sorted(seen) == sorted(each.tobytes() for each in stored)  # each of the file's rows, once
    assert moved == ({"q", "k"} if architecture == "llama" else set())


@pytest.mark.parametrize(
    "kind",
    [getattr(GGMLQuantizationType, name) for name in ("Q4_0", "Q5_0", "Q5_1", "Q8_0", "F16", "BF16", "F32")],
    ids=lambda kind: kind.name,
)
def test_every_kind_of_storage_is_told_and_gives_the_models_numbers(
    tmp_path: Path, own_cache: Path, kind: GGMLQuantizationType
) -> None:
    engine = load(str(write_gguf(tmp_path / "tiny.gguf", kind=kind)))
    raw, found, weights = row(engine, 0, "down", 5)
    assert found == kind
    assert np.array_equal(gguf.dequantize(np.frombuffer(raw, np.uint8)[None], kind)[0], weights)


def saved(folder: Path, kind: str, dtype: torch.dtype = torch.float32) -> Path:
    """A tiny model of a family as a checkpoint in safetensors."""
    tiny_model(kind).to(dtype).save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", [*MODELS, "t5-gated"])
def test_of_every_family_each_row_of_a_safetensors_file_is_its_own(
    tmp_path: Path, kind: str, dtype: torch.dtype
) -> None:
    engine = load(str(saved(tmp_path, kind, dtype)))
    held = {bytes(each.contiguous().view(torch.uint8).flatten().tolist()): name for name, each in _lines(tmp_path)}
    for matrix in configuration(engine.spec).widths:
        for number in (0, 1, rows(engine, matrix) - 1):
            raw, found, weights = row(engine, 2, matrix, number)
            assert found == DTYPES[dtype]
            value = torch.frombuffer(bytearray(raw), dtype=dtype).float().numpy()
            assert np.array_equal(value, weights)
            assert ".2." in held[raw], "a line of that layer in the file"


def _lines(folder: Path) -> list[tuple[str, torch.Tensor]]:
    """Every row and column of every matrix in the file."""
    found = load_file(folder / "model.safetensors")
    matrices = [(name, matrix) for name, matrix in found.items() if matrix.dim() == 2]
    return [(name, line) for name, matrix in matrices for each in (matrix, matrix.T) for line in each]


def test_queries_keys_and_values_in_one_matrix_are_told_apart(tmp_path: Path) -> None:
    engine = load(str(saved(tmp_path, "gpt2")))
    fused = load_file(tmp_path / "model.safetensors")["transformer.h.1.attn.c_attn.weight"]  # [input, output]
    width = engine.spec.d_model
    for place, matrix in enumerate("qkv"):
        assert np.array_equal(row(engine, 1, matrix, 3)[2], fused[:, place * width + 3].numpy())


def test_a_gguf_that_was_moved_away_is_told_and_the_model_goes_on(tmp_path: Path, own_cache: Path) -> None:
    file = write_gguf(tmp_path / "tiny.gguf")
    engine = load(str(file))
    whole = row(engine, 0, "gate", 1)
    away = file.rename(tmp_path / "away.gguf")
    with pytest.raises(Refused, match=r"^tiny\.gguf, the file that the weights .* is gone or was changed since"):
        row(engine, 0, "gate", 2)
    want = Want("stored_row", 0, of="gate:1")
    assert np.array_equal(engine.run(Run(engine.spec.id, "the"), [want])[want], whole[2])
    shutil.copy2(away, file)
    assert row(engine, 0, "gate", 1)[0] == whole[0]


def test_a_file_that_was_changed_since_is_not_looked_into(tmp_path: Path) -> None:
    engine = load(str(saved(tmp_path, "llama")))
    row(engine, 0, "up", 0)
    os.utime(tmp_path / "model.safetensors", ns=(0, 0))
    with pytest.raises(Refused, match=r"model\.safetensors, the file .* changed since"):
        row(engine, 0, "up", 0)


def test_of_several_files_the_one_that_was_changed_is_named(tmp_path: Path) -> None:
    tiny_model("llama").save_pretrained(tmp_path, max_shard_size="50KB")
    byte_tokenizer().save_pretrained(tmp_path)
    engine, files = load(str(tmp_path)), sorted(tmp_path.glob("*.safetensors"))
    row(engine, 0, "up", 0)
    assert len(files) > 1
    os.utime(files[-1], ns=(0, 0))
    with pytest.raises(Refused, match=rf"^{re.escape(files[-1].name)}, the file .* changed since"):
        row(engine, 0, "up", 0)


def test_a_matrix_that_no_file_has_by_itself_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = load(str(saved(tmp_path, "llama")))
    monkeypatch.setattr(source, "names_in_files", lambda folder, model: {})
    with pytest.raises(Refused, match=r"no tensor that is model\.layers\.0\.mlp\.up_proj\.weight by itself"):
        row(engine, 0, "up", 0)


def test_a_folder_of_an_earlier_version_opens_and_says_how_its_bits_are_had(shop: SimpleNamespace) -> None:
    bits = row(load("tiny"), 0, "q", 3)[0]
    without_its_gguf(load("tiny").source.folder)  # type: ignore[union-attr]
    engine = load("tiny")
    assert engine.run(Run(engine.spec.id, "the"), [Want("norm_pre")])[Want("norm_pre")].size
    with pytest.raises(Refused, match=r"earlier version of Stagelight.*run: python -m models fetch tiny;"):
        row(engine, 0, "q", 3)
    unskipped = load("tiny~noskip")
    with pytest.raises(Refused, match="python -m models fetch tiny;"):
        row(unskipped, 0, "q", 3)
    assert row(load("tiny~4bit"), 0, "q", 3)[0] != bits
    of_ffn = load("tiny~4bit=ffn")
    assert row(of_ffn, 0, "gate", 3)[1] == DTYPES[torch.float32]
    with pytest.raises(Refused, match="python -m models fetch tiny;"):
        row(of_ffn, 0, "q", 3)


def test_a_model_made_in_python_has_no_file() -> None:
    with pytest.raises(Refused, match="Which file the weights of this model were read from is not known"):
        row(tiny_engine("llama"), 0, "q", 0)


@pytest.mark.parametrize("alterations", ["~noskip", "~dropout=0.1", "~nonorm"])
def test_a_variant_with_the_same_weights_shows_the_file(tmp_path: Path, own_cache: Path, alterations: str) -> None:
    file = write_gguf(tmp_path / "tiny.gguf")
    assert row(load(f"{file}{alterations}"), 1, "k", 3)[:2] == row(load(str(file)), 1, "k", 3)[:2]


@pytest.mark.parametrize(
    ("alterations", "matrix"),
    [("~3bit=ffn", "q"), ("~prune=0.5,ffn", "o"), ("~3bit=attention", "gate"), ("~prune=0", "down"), ("~prune=0", "k")],
)
def test_a_matrix_that_a_variant_leaves_alone_is_the_files(
    tmp_path: Path, own_cache: Path, alterations: str, matrix: str
) -> None:
    file = write_gguf(tmp_path / "tiny.gguf")
    own, theirs = (row(load(f"{file}{behind}"), 1, matrix, 3) for behind in (alterations, ""))
    assert own[:2] == theirs[:2]
    assert own[1] not in DTYPES.values()
    assert np.array_equal(own[2], theirs[2])


@pytest.mark.parametrize(("alterations", "matrix"), [("~3bit=ffn", "gate"), ("~3bit=attention", "q")])
def test_a_matrix_that_a_variant_changes_is_shown_as_it_is_computed_with(
    tmp_path: Path, own_cache: Path, alterations: str, matrix: str
) -> None:
    raw, kind, weights = row(load(f"{write_gguf(tmp_path / 'tiny.gguf')}{alterations}"), 1, matrix, 3)
    assert kind == DTYPES[torch.float32]
    assert np.array_equal(np.frombuffer(raw, np.float32), weights)


@pytest.mark.parametrize(
    ("alterations", "dtype"),
    [
        ("~3bit", torch.float32),
        ("~prune=0.5", torch.float32),
        ("~untrained", torch.float32),
        ("~shared=2", torch.float32),
        ("~bf16", torch.bfloat16),
        ("~4bit~fp16", torch.float16),
    ],
)
def test_a_variant_with_other_weights_shows_the_numbers_that_it_computes_with(
    tmp_path: Path, own_cache: Path, alterations: str, dtype: torch.dtype
) -> None:
    engine = load(f"{write_gguf(tmp_path / 'tiny.gguf')}{alterations}")
    raw, kind, weights = row(engine, 1, "gate", 7)
    own = engine.model.base_model.get_submodule("layers.1.mlp.gate_proj").get_parameter("weight")[7]
    assert kind == DTYPES[dtype]
    assert own.dtype == dtype
    assert torch.equal(torch.frombuffer(bytearray(raw), dtype=dtype), own)
    assert np.array_equal(weights, own.float().numpy())


@pytest.mark.parametrize(
    ("of", "sentence"),
    [
        (
            "gate:0",
            r"“gate:0” names no row of a matrix that .* has\. Write up:12; its matrices are q, k, v, o, up, down",
        ),
        ("up", "“up” names no row"),
        ("up:48", r"The matrix up of .* has rows 0 to 47, not 48\."),
    ],
)
def test_a_row_that_is_not_there_is_refused_by_name(tmp_path: Path, of: str, sentence: str) -> None:
    engine = load(str(saved(tmp_path, "gpt2")))
    with pytest.raises(Refused, match=sentence):
        engine.run(Run(engine.spec.id, "the"), [Want("stored_row", 0, of=of)])

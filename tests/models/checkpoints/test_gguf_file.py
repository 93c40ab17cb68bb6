"""Whatever stands in a GGUF file: it is converted, or a sentence names the file, before anything large is read."""

import random
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, quants

from models.checkpoints import convert, gguf_file
from models.checkpoints.errors import WeightsError
from models.checkpoints.gguf_file import float32_of, read_gguf
from models.checkpoints.locate import locate
from models.engine import silent
from tests.models.checkpoints.tiny_checkpoints import write_gguf

LIST, TEXT, UINT32, INT32, FLOAT32 = (
    GGUFValueType.ARRAY,
    GGUFValueType.STRING,
    GGUFValueType.UINT32,
    GGUFValueType.INT32,
    GGUFValueType.FLOAT32,
)


def _number(form: str, value: float) -> bytes:
    return struct.pack(f"<{form}", value)


def _text(raw: bytes) -> bytes:
    return _number("Q", len(raw)) + raw


def _field(key: bytes, kind: int, value: bytes) -> bytes:
    return _text(key) + _number("I", kind) + value


def _begin(n_tensors: int, n_fields: int, version: int = 3) -> bytes:
    return b"GGUF" + _number("I", version) + _number("Q", n_tensors) + _number("Q", n_fields)


def _tensor(name: bytes, shape: list[int], kind: int = 0, place: int = 0) -> bytes:
    lengths = b"".join(_number("Q", length) for length in reversed(shape))
    return _text(name) + _number("I", len(shape)) + lengths + _number("I", kind) + _number("Q", place)


HUGE = 1 << 62
HEADERS = {
    "nothing": (b"", r"is empty"),
    "a pointer of Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", r"is a Git LFS pointer"),
    "a web page": (b"<!DOCTYPE html><html></html>", r"is a web page"),
    "another kind of file": (b"GGML" + b"\0" * 100, r"\(it does not begin with GGUF\)\. Fetch it again"),
    "version 1": (_begin(0, 0, version=1), r"it is of version 1, and 2, 3 are known here"),
    "a later version": (_begin(0, 0, version=4), r"it is of version 4"),
    "the other byte order": (b"GGUF" + struct.pack(">I", 3), r"the other byte order"),
    "counts cut off": (b"GGUF" + _number("I", 3) + b"\1", r"it ends within its header"),
    "more fields than bytes": (_begin(0, HUGE), r"it ends within its header"),
    "more tensors than bytes": (_begin(HUGE, 0), r"it ends within its header"),
    "counts below zero": (_begin(-1 & (1 << 64) - 1, -1 & (1 << 64) - 1), r"it ends within its header"),
    "a key without end": (_begin(0, 1) + _number("Q", HUGE), r"it ends within its header"),
    "a text without end": (_begin(0, 1) + _field(b"a", TEXT, _number("Q", HUGE)), r"it ends within its header"),
    "a list of numbers without end": (
        _begin(0, 1) + _field(b"a", LIST, _number("I", UINT32) + _number("Q", HUGE)),
        r"it ends within its header",
    ),
    "a list of texts without end": (
        _begin(0, 1) + _field(b"a", LIST, _number("I", TEXT) + _number("Q", HUGE)),
        r"it ends within its header",
    ),
    "lists of lists": (
        _begin(0, 1) + _field(b"a", LIST, _number("I", LIST) + _number("Q", 1)),
        r"its metadata hold lists of lists",
    ),
    "an unknown kind of value": (_begin(0, 1) + _field(b"a", 99, b""), r"a value of the kind 99"),
    "a key that is no UTF-8": (_begin(0, 1) + _field(b"\xff", UINT32, b""), r"a text in it is not in UTF-8"),
    "a value that is no UTF-8": (_begin(0, 1) + _field(b"a", TEXT, _text(b"\xc3")), r"a text in it is not in UTF-8"),
    "one key twice": (_begin(0, 2) + _field(b"a", UINT32, b"\0" * 4) * 2, r"it states a twice"),
    "an odd alignment": (
        _begin(0, 1) + _field(b"general.alignment", UINT32, _number("I", 24)),
        r"general\.alignment = 24, which is no power of two",
    ),
    "an alignment in words": (
        _begin(0, 1) + _field(b"general.alignment", TEXT, _text(b"32")),
        r"general\.alignment = '32'",
    ),
    "no axes": (_begin(1, 0) + _tensor(b"a", []), r"a has 0 axes"),
    "more axes than there are": (_begin(1, 0) + _text(b"a") + _number("I", 1 << 31), r"a has 2147483648 axes"),
    "no rows": (_begin(1, 0) + _tensor(b"a", [0, 32]), r"a has the shape 0 × 32, which F32 cannot have"),
    "a shape that overflows": (_begin(1, 0) + _tensor(b"a", [1 << 32, 1 << 32]), r"a has the shape 4294967296 × 4294"),
    "a row that is no whole block": (
        _begin(1, 0) + _tensor(b"a", [4, 31], GGMLQuantizationType.Q4_1),
        r"a has the shape 4 × 31, which Q4_1 cannot have",
    ),
    "an unknown way to store": (_begin(1, 0) + _tensor(b"a", [4], 77), r"a is stored in a way of number 77"),
    "numbers beyond the end": (
        _begin(1, 0) + _tensor(b"a", [1 << 20, 1 << 20]),
        r"a would end at byte 43980465\d+, and the file has \d+: it is cut off",
    ),
    "a place beyond the end": (_begin(1, 0) + _tensor(b"a", [4], place=HUGE), r"a would end at byte"),
    "one tensor twice": (
        _begin(2, 0) + _tensor(b"a", [4]) + _tensor(b"a", [4], place=32) + b"\0" * 200,
        r"it holds a twice",
    ),
    "tensors that overlap": (
        _begin(2, 0) + _tensor(b"a", [40]) + _tensor(b"b", [4], place=32) + b"\0" * 400,
        r"b lies where another tensor lies",
    ),
}


@pytest.mark.parametrize("what", HEADERS)
def test_an_odd_header_is_refused_by_name_and_at_once(tmp_path: Path, own_cache: Path, what: str) -> None:
    raw, sentence = HEADERS[what]
    (tmp_path / "odd.gguf").write_bytes(raw)
    began = time.process_time()
    with pytest.raises(WeightsError, match=rf"odd\.gguf.*{sentence}"):
        locate(str(tmp_path / "odd.gguf"))
    assert time.process_time() - began < 1
    assert list((own_cache / ".partial").iterdir()) == []


def test_a_header_that_is_too_large_to_be_one_is_refused(
    tmp_path: Path, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_file, "LONGEST_HEADER", 1000)
    with pytest.raises(WeightsError, match=r"tiny\.gguf is not .*its header would have more than 0 MB"):
        read_gguf(tiny_gguf)


@pytest.mark.parametrize("form", "BbHhIiQqfd")
def test_a_long_list_of_numbers_takes_no_more_memory_than_its_bytes(tmp_path: Path, form: str) -> None:
    kind = next(kind for kind, known in gguf_file._NUMBERS.items() if known == form)
    raw = np.arange(1 << 20).astype(np.uint8).tobytes() * 8
    count = len(raw) // struct.calcsize(f"<{form}")
    head = _begin(0, 1) + _field(b"a", LIST, _number("I", kind) + _number("Q", count))
    (tmp_path / "long.gguf").write_bytes(head + raw)
    tracemalloc.start()
    found = read_gguf(tmp_path / "long.gguf").fields["a"]
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2.2 * len(raw)
    assert found.tobytes() == raw
    assert found[:20].tolist() == list(struct.unpack(f"<20{form}", raw[: struct.calcsize(f"<20{form}")]))


MANY = {
    "fields": (_begin(0, 9) + b"".join(_field(bytes([97 + n]), UINT32, b"\0" * 4) for n in range(9)), "MOST_ENTRIES"),
    "tensors": (_begin(9, 0) + b"".join(_tensor(bytes([97 + n]), [4]) for n in range(9)), "MOST_ENTRIES"),
    "texts": (
        _begin(0, 2)
        + b"".join(_field(key, LIST, _number("I", TEXT) + _number("Q", 5) + _text(b"") * 5) for key in (b"a", b"b")),
        "MOST_TEXTS",
    ),
}


@pytest.mark.parametrize("what", MANY)
def test_more_entries_than_any_model_has_are_refused(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, limit = MANY[what]
    (tmp_path / "many.gguf").write_bytes(raw + b"\0" * 100)
    monkeypatch.setattr(gguf_file, limit, 8)
    with pytest.raises(
        WeightsError, match=r"many\.gguf is not .*its header would have more than 8 entries of one kind"
    ):
        read_gguf(tmp_path / "many.gguf")
    monkeypatch.setattr(gguf_file, limit, 10)
    if what != "tensors":
        assert read_gguf(tmp_path / "many.gguf").fields


def _replace(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def spoilt(whole: bytes) -> bytes:
        assert old in whole
        return whole.replace(old, new, 1)

    return spoilt


def _set(key: bytes, kind: int, old: bytes, new_kind: int, new: bytes) -> Callable[[bytes], bytes]:
    """Another value of as many bytes under a key."""
    assert len(old) == len(new)
    return _replace(_field(key, kind, old), _field(key, new_kind, new))


def _count(key: str, old: int, new: int, kind: int = UINT32) -> Callable[[bytes], bytes]:
    return _set(key.encode(), UINT32, _number("I", old), kind, _number("I", new & 0xFFFFFFFF))


METADATA: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "no layers": (_count("llama.block_count", 2, 0), r"states llama\.block_count = 0, where a whole number above 0"),
    "layers below zero": (_count("llama.block_count", 2, -2, INT32), r"llama\.block_count = -2, where a whole number"),
    "a thousand million layers": (_count("llama.block_count", 2, 10**9), r"it lacks \d+ of the tensors .*blk\.2\."),
    "a layer less than there are": (
        _count("llama.block_count", 2, 1),
        r"'blk\.1\.attn_norm\.weight', which has no place",
    ),
    "a width that is no number": (
        _set(b"llama.embedding_length", UINT32, _number("I", 32), FLOAT32, _number("f", float("nan"))),
        r"llama\.embedding_length = nan, where a whole number above 0 belongs",
    ),
    "another width": (
        _count("llama.embedding_length", 32, 64),
        r"its tensor 'token_embd\.weight' has the shape \d+ × 32, and by its metadata \d+ × 64",
    ),
    "heads that do not divide": (
        _count("llama.attention.head_count", 4, 3),
        r"head_count_kv = 2, where a part of the 3",
    ),
    "more heads than numbers": (_count("llama.attention.head_count", 4, 64), r"key_length = 0, where a whole number"),
    "heads of an odd width": (
        _count("llama.attention.head_count", 4, 32),
        r"an even number, for positions are told by",
    ),
    "an epsilon of infinity": (
        _set(
            b"llama.attention.layer_norm_rms_epsilon",
            FLOAT32,
            _number("f", 1e-5),
            FLOAT32,
            _number("f", float("inf")),
        ),
        r"layer_norm_rms_epsilon = inf, where a number above 0 belongs",
    ),
    "a kind of model in another kind of value": (
        _set(b"general.architecture", TEXT, _text(b"llama"), LIST, _number("I", 0) + _number("Q", 1) + b"l"),
        r"states general\.architecture = \[108\], where a text belongs",
    ),
    "no kind of model": (
        _replace(b"general.architecture", b"general.architectura"),
        r"not state general\.architecture",
    ),
    "a tokenizer in another kind of value": (
        _set(b"tokenizer.ggml.pre", TEXT, _text(b"smollm"), LIST, _number("I", 0) + _number("Q", 2) + b"ab"),
        r"states tokenizer\.ggml\.pre = \[97, 98\], where a text belongs",
    ),
    "no merges": (
        _replace(b"tokenizer.ggml.merges", b"tokenizer.ggml.mergex"),
        r"does not state tokenizer\.ggml\.merges",
    ),
    "a merge without a space": (
        _replace(b"a b", b"a-b"),
        r"merges = 'a-b', where two pieces with a space between them",
    ),
    "a piece twice": (_replace(_text(b"ab"), _text(b"he")), r"tokens = 'he', where each piece once belongs"),
    "a merge of what no token is": (_replace(b"h e", b"h \x00"), r"Token .* out of vocabulary"),
    "a first token beyond the vocabulary": (
        _count("tokenizer.ggml.bos_token_id", 1, 10**6),
        r"bos_token_id = 1000000, where a row of the vocabulary \(0 to \d+\) belongs",
    ),
    "an unknown token below zero": (
        _count("tokenizer.ggml.unknown_token_id", 0, -1, INT32),
        r"unknown_token_id = -1, where a row of the vocabulary",
    ),
    "kinds of tokens that are fractions": (
        _replace(
            _text(b"tokenizer.ggml.token_type") + _number("I", LIST) + _number("I", INT32),
            _text(b"tokenizer.ggml.token_type") + _number("I", LIST) + _number("I", FLOAT32),
        ),
        r"token_type = \[.*, where a list of \d+ whole numbers belongs",
    ),
    "a flag in another kind of value": (
        _set(b"tokenizer.ggml.add_bos_token", GGUFValueType.BOOL, b"\0", GGUFValueType.UINT8, b"\0"),
        r"add_bos_token = 0, where yes or no belongs",
    ),
    "no embedding": (_replace(b"token_embd.weight", b"token_embe.weight"), r"holds no tensor token_embd\.weight"),
    "a tensor less": (_replace(b"blk.1.ffn_up.weight", b"blk.01.ffn_up.weigh"), r"which has no place"),
}


@pytest.mark.parametrize("what", METADATA)
def test_odd_metadata_are_refused_before_numbers_are_read(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    spoil, sentence = METADATA[what]
    whole = write_gguf(tmp_path / "whole.gguf").read_bytes()
    (tmp_path / "odd.gguf").write_bytes(spoil(whole))
    (tmp_path / "whole.gguf").unlink()

    def untouched(*_: object) -> None:
        raise AssertionError("numbers were read")

    monkeypatch.setattr(convert, "float32_of", untouched)
    monkeypatch.setattr(convert, "check_room", untouched)
    with pytest.raises(WeightsError, match=rf"odd\.gguf cannot be (converted|used).*{sentence}"):
        locate(str(tmp_path / "odd.gguf"))
    assert list((own_cache / ".partial").iterdir()) == []


def test_a_full_disk_is_noticed_before_numbers_are_read(
    tiny_gguf: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(convert, "check_room", lambda folder, room: asked.append(room))
    size = (locate(str(tiny_gguf)).folder / "model.safetensors").stat().st_size
    assert size * 0.9 < asked[0] < size * 1.5  # the tiny model's tokenizer weighs as much as some of its weights


def test_a_part_of_a_model_in_several_files_is_told_as_such(tmp_path: Path, own_cache: Path) -> None:
    whole = write_gguf(tmp_path / "whole.gguf").read_bytes()
    n_tensors, n_fields = struct.unpack("<QQ", whole[8:24])
    more = _field(b"split.count", GGUFValueType.UINT16, _number("H", 3))
    (tmp_path / "part.gguf").write_bytes(_begin(n_tensors, n_fields + 1) + more + whole[24:])
    with pytest.raises(WeightsError, match=r"it is one of 3 files that are one model together.*--merge"):
        convert.config_of(read_gguf(_padded(tmp_path / "part.gguf")))


def _padded(path: Path) -> Path:
    """The file with room behind it, as what comes first has grown."""
    path.write_bytes(path.read_bytes() + b"\0" * 64)
    return path


def test_a_scale_that_is_no_number_is_refused(tmp_path: Path, own_cache: Path) -> None:
    path = write_gguf(tmp_path / "odd.gguf")
    tensor = read_gguf(path).tensors["blk.0.ffn_up.weight"]
    raw = bytearray(path.read_bytes())
    raw[tensor.begin + 1] = 0x7C  # the first block's scale: infinity in float16
    path.write_bytes(raw)
    with pytest.raises(
        WeightsError, match=r"odd\.gguf is damaged: blk\.0\.ffn_up\.weight holds what is no finite number"
    ):
        locate(str(path))
    assert list((own_cache / ".partial").iterdir()) == []


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "odd.gguf")
    file = read_gguf(path)
    path.write_bytes(path.read_bytes()[:-500])
    last = max(file.tensors.values(), key=lambda tensor: tensor.begin)
    with pytest.raises(WeightsError, match=r"odd\.gguf is not .*it has changed meanwhile"):
        float32_of(file, last)


def test_the_same_is_read_as_the_library_reads(tiny_gguf: Path) -> None:
    ours, theirs = read_gguf(tiny_gguf), GGUFReader(tiny_gguf)
    stated = {key: field.contents() for key, field in theirs.fields.items() if not key.startswith("GGUF.")}
    numbers = {key for key, value in ours.fields.items() if isinstance(value, np.ndarray)}
    assert numbers == {"tokenizer.ggml.token_type"}
    assert {key: value.tolist() if key in numbers else value for key, value in ours.fields.items()} == stated
    assert list(ours.tensors) == [tensor.name for tensor in theirs.tensors]
    for tensor in theirs.tensors:
        values = float32_of(ours, ours.tensors[tensor.name])
        assert np.array_equal(values, quants.dequantize(tensor.data, tensor.tensor_type))


@pytest.mark.parametrize("seed", range(4))
def test_bytes_turned_at_random_end_in_a_sentence_or_in_a_folder(tmp_path: Path, tiny_gguf: Path, seed: int) -> None:
    whole = tiny_gguf.read_bytes()
    header = whole.index(b"blk.1.ffn_down.weight") + 60
    chance = random.Random(seed)
    odd, refused = tmp_path / "odd.gguf", 0
    for number in range(60):
        raw = bytearray(whole)
        for _ in range(chance.choice([1, 1, 2, 5])):
            raw[chance.randrange(header)] = chance.choice([0, 1, 127, 128, 255, chance.randrange(256)])
        odd.write_bytes(raw)
        (folder := tmp_path / str(number)).mkdir()
        said = _refusal(odd, folder)
        assert (str(odd) in said and not list(folder.iterdir())) or (folder / "model.safetensors").exists()
        refused += bool(said)
    assert refused > 20


def _refusal(source: Path, folder: Path) -> str:
    """Why a file is not converted; nothing where it is."""
    try:
        convert.convert(source, folder, silent)
    except WeightsError as error:
        return str(error)
    return ""

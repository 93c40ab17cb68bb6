"""A recording from anybody: whatever is in the file is a good trace or a sentence, and it costs little to say so."""

import io
import json
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from anatomy import wire
from anatomy.request import Run, Want
from anatomy.trace import Token, Trace
from tests.anatomy.spec import SPEC

TOKENS = tuple(Token(i, letter, letter, letter.encode(), i, i + 1) for i, letter in enumerate("some words"))
ARRAYS = {
    Want("pattern", 1): np.random.default_rng(0).random((4, 10, 10), np.float32),
    Want("next_ids", pos=9): np.arange(10),
    Want("norm_pre"): np.ones((3, 10), np.float32),
    Want("head_maps"): np.zeros((3, 4, 10, 10), np.uint8),
}
TRACE = Trace(Run(SPEC.id, "some words"), SPEC, TOKENS, ARRAYS, {row: f"t{row}" for row in range(10)})
GOOD = wire.pack(TRACE)
SEED, MUTATIONS = 20, 600
MOST = 4 << 20  # bytes of memory that anything said of so small a file may take


def members() -> dict[str, bytes]:
    """The good recording's members as they are unpacked."""
    with zipfile.ZipFile(io.BytesIO(GOOD)) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(parts: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as file:
        for name, part in parts.items():
            file.writestr(name, part)
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def claims(shape: tuple[int, ...], kind: str = "<f4", body: bytes = b"") -> bytes:
    """A member that says what it holds, and holds something else."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": kind, "fortran_order": False, "shape": shape})
    return buffer.getvalue() + body


def with_header(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The good recording with something else in its header."""
    parts = members()
    fields = json.loads(np.load(io.BytesIO(parts["header.npy"])).tobytes())
    change(fields)
    return zipped(parts | {"header.npy": npy(np.frombuffer(json.dumps(fields).encode(), np.uint8))})


def with_text(text: bytes) -> bytes:
    return zipped(members() | {"header.npy": npy(np.frombuffer(text, np.uint8))})


def with_first(part: bytes) -> bytes:
    """The good recording with another first array, of next_ids at position 9."""
    return zipped(members() | {"a0.npy": part})


def put(*path: Any, value: Any) -> bytes:
    """The good recording with one value in its header changed."""

    def change(fields: Any) -> None:
        for step in path[:-1]:
            fields = fields[step]
        fields[path[-1]] = value

    return with_header(change)


def encrypted() -> bytes:
    """Every member is marked as encrypted, in the directory and before it."""
    data = bytearray(GOOD)
    for sign, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.find(sign)
        while start >= 0:
            data[start + at] |= 1
            start = data.find(sign, start + 1)
    return bytes(data)


def twice() -> bytes:
    """One member stands there twice: it was written under another name of the same length."""
    return zipped(members() | {"b0.npy": members()["a0.npy"]}).replace(b"b0.npy", b"a0.npy")


def test_the_first_array_is_the_one_that_these_tests_change() -> None:
    assert min(ARRAYS, key=Want.sort_key) == Want("head_maps")
    assert set(wire.unpack(GOOD).arrays) == set(ARRAYS)


BAD = {
    "an array that nobody wants": lambda: zipped(members() | {"extra.npy": npy(np.zeros(3))}),
    "an array too few": lambda: zipped({name: part for name, part in members().items() if name != "a1.npy"}),
    "no header": lambda: zipped({name: part for name, part in members().items() if name != "header.npy"}),
    "nothing": lambda: zipped({}),
    "a member twice": twice,
    "encrypted": encrypted,
    "another compression": lambda: zipped(members(), zipfile.ZIP_BZIP2),
    "text behind the end": lambda: GOOD + b"and more",
    "no npy": lambda: with_first(b"not an array at all"),
    "an npy of tomorrow": lambda: with_first(b"\x93NUMPY\x09\x00" + members()["a0.npy"][8:]),
    "objects": lambda: with_first(claims((3, 4, 10, 10), "|O", b"\0" * 9600)),
    "text": lambda: with_first(claims((3, 4, 10, 10), "<U1", b"\0" * 4800)),
    "dates": lambda: with_first(claims((3, 4, 10, 10), "<M8[s]", b"\0" * 9600)),
    "complex numbers": lambda: with_first(claims((3, 4, 10, 10), "<c8", b"\0" * 9600)),
    "records": lambda: with_first(npy(np.zeros((3, 4, 10, 10), [("a", "<f4")]))),
    "another shape": lambda: with_first(npy(np.zeros((3, 4, 10), np.uint8))),
    "another length": lambda: with_first(npy(np.zeros((4, 4, 10, 10), np.uint8))),
    "a negative length": lambda: with_first(claims((3, 4, -10, -10), "|u1", b"\0" * 1200)),
    "fewer numbers than it says": lambda: with_first(claims((3, 4, 10, 10), "|u1", b"\0" * 1199)),
    "more numbers than it says": lambda: with_first(claims((3, 4, 10, 10), "|u1", b"\0" * 1201)),
    "more numbers than there can be": lambda: with_first(claims((3, 4, 1 << 40, 1 << 40), "|u1")),
    "broken numbers where ids are": lambda: zipped(members() | {"a1.npy": npy(np.full(10, np.nan))}),
    "ids without a name": lambda: zipped(members() | {"a1.npy": npy(np.arange(40, 50))}),
    "a header that is no JSON": lambda: with_text(b"{"),
    "a header in another coding": lambda: with_text(b"\xff\xfe{}"),
    "a header that is a list": lambda: with_text(b"[]"),
    "a header that is deeply nested": lambda: with_text(b"[" * 100_000),
    "a header that is huge": lambda: with_text(b" " * (wire.MOST_OF_HEADER + 1)),
    "a header of numbers": lambda: zipped(members() | {"header.npy": npy(np.zeros(3))}),
    "a number of thousands of digits": lambda: with_text(b'{"version": ' + b"9" * 100_000 + b"}"),
    "half a character": lambda: put("run", "text", value="some \ud800word"),
    "a site that is none": lambda: put("wants", 0, "site", value="nonsense"),
    "a site with a layer too much": lambda: put("wants", 0, "layer", value=1),
    "a want twice": lambda: put("wants", 0, value={"site": "norm_pre"}),
    "a layer beyond the model": lambda: put("wants", 3, "layer", value=3),
    "a position beyond the text": lambda: put("wants", 1, "pos", value=10),
    "a stack that is none": lambda: put("wants", 0, "stack", value="other"),
    "words in place of a model": lambda: put("spec", value="a model"),
    "a word in place of a size": lambda: put("spec", "d_model", value="wide"),
    "endlessly many dimensions": lambda: put("spec", "d_model", value=float("inf")),
    "a billion layers": lambda: put("spec", "stacks", 0, "layers", value=1_000_000_000),
    "no stack": lambda: put("spec", "stacks", value=[]),
    "less than nothing": lambda: put("spec", "vocab", value=-1),
    "windows of other layers": lambda: put("spec", "windows", value=[4]),
    "a factor for one of three layers": lambda: put("spec", "scales", value=[1.0]),
    "more pairs than components": lambda: put("spec", "position", "frequencies", value=[1.0, 1.0]),
    "no pair": lambda: put("spec", "position", "frequencies", value=[]),
    "other pairs in long texts": lambda: put("spec", "position", "beyond", value=[1.0, 1.0]),
    "a token far beyond the text": lambda: put("tokens", 0, "end", value=1_000_000_000_000),
    "a token that ends before it starts": lambda: put("tokens", 3, "end", value=0),
    "tokens that are fewer": lambda: put("tokens", value=[]),
    "no version": lambda: with_header(lambda fields: fields.pop("version")),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_recording_is_refused_with_a_reason(what: str) -> None:
    with pytest.raises(ValueError, match=r"not a recorded trace: \S"):
        wire.unpack(BAD[what]())


def test_an_array_in_another_order_of_memory_or_of_bytes_comes_back_equal() -> None:
    maps = np.random.default_rng(1).integers(0, 256, (3, 4, 10, 10)).astype(np.uint8)
    np.testing.assert_array_equal(wire.unpack(with_first(npy(np.asfortranarray(maps))))[Want("head_maps")], maps)
    lengths = np.arange(30, dtype=">f8").reshape(3, 10)
    parts = members() | {"a2.npy": npy(lengths)}
    np.testing.assert_array_equal(wire.unpack(zipped(parts))[Want("norm_pre")], lengths)


def test_what_was_unpacked_cannot_be_written_to() -> None:
    for array in wire.unpack(GOOD).arrays.values():
        assert not array.flags.writeable


def peak(data: bytes) -> int:
    """Bytes of memory that it took to find that these are no recording."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="not a recorded trace"):
            wire.unpack(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("place", ["a0.npy", "a3.npy", "header.npy"])
def test_a_small_file_that_unpacks_to_a_large_one_is_refused_before_it_is_unpacked(place: str) -> None:
    data = zipped(members() | {place: npy(np.zeros(300 << 20, np.uint8))})
    assert len(data) < 1 << 20
    assert peak(data) < MOST


def test_arrays_of_the_right_shape_may_not_be_endless_either(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = tuple(Token(0, "a", "a", b"a", i, i + 1) for i in range(60))
    maps = {Want("pattern", layer): np.zeros((4, 60, 60), np.float32) for layer in range(3)}
    data = wire.pack(Trace(Run(SPEC.id, "a" * 60), SPEC, tokens, maps))
    monkeypatch.setattr(wire, "MOST_BYTES", 3 * 4 * 60 * 60 * 4)
    assert set(wire.unpack(data).arrays) == set(maps)
    monkeypatch.setattr(wire, "MOST_BYTES", 3 * 4 * 60 * 60 * 4 - 1)
    with pytest.raises(ValueError, match="its arrays take"):
        wire.unpack(data)


def test_a_file_that_is_too_large_is_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST_BYTES", len(GOOD) - 1)
    monkeypatch.setattr(wire.zipfile, "ZipFile", lambda *given: pytest.fail("it was opened"))
    with pytest.raises(ValueError, match="are allowed"):
        wire.unpack(GOOD)


def test_a_directory_of_endlessly_many_members_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(GOOD)
    data[-10:-6] = struct.pack("<I", wire.MOST_OF_DIRECTORY + 1)
    monkeypatch.setattr(wire.zipfile, "ZipFile", lambda *given: pytest.fail("it was opened"))
    with pytest.raises(ValueError, match="directory is too large"):
        wire.unpack(bytes(data))


def mutated(dice: random.Random, data: bytes) -> bytes:
    """The same bytes with some changed, cut off, doubled or moved."""
    changed = bytearray(data)
    for _time in range(dice.choice((1, 1, 1, 2, 4, 16))):
        place = dice.randrange(len(changed))
        match dice.randrange(5):
            case 0:
                changed[place] = dice.randrange(256)
            case 1:
                changed[place] ^= 1 << dice.randrange(8)
            case 2:
                del changed[place : place + dice.randrange(1, 40)]
            case 3:
                changed[place:place] = changed[place : place + dice.randrange(1, 40)]
            case _:
                changed[place : place + 4] = dice.choice((b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f"))
        changed = changed or bytearray(b"\0")
    return bytes(changed)


@pytest.mark.parametrize("packed", [True, False], ids=["as it is packed", "with its numbers in the open"])
def test_mutated_bytes_are_a_good_trace_or_a_reason_and_cost_little(packed: bool) -> None:
    """In the open, the changes reach the headers of arrays and the JSON, which a checksum guards else."""
    dice, came_back = random.Random(SEED), 0
    tracemalloc.start()
    try:
        for _time in range(MUTATIONS):
            data = mutated(dice, GOOD) if packed else zipped(with_one_mutated(dice), zipfile.ZIP_STORED)
            came_back += comes_back(data)
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()
    assert came_back < MUTATIONS, "some changes have to matter"


def with_one_mutated(dice: random.Random) -> dict[str, bytes]:
    parts = members()
    name = dice.choice(["header.npy", *parts])
    return parts | {name: mutated(dice, parts[name])}


def comes_back(data: bytes) -> bool:
    """Whether these bytes are a trace, of which everything can be said; nothing else than a reason comes of others."""
    try:
        trace = wire.unpack(data)
    except ValueError:
        return False
    assert len(trace.labels) == len(trace.tokens)
    assert trace.lost is not None
    for want in trace.arrays:
        assert trace[want].shape is not None
    return True

"""Trace ↔ bytes: one npz with a JSON header and the arrays, no pickle. For networks, recordings and tests.

What is read may come from anybody. So all that costs something is judged before it does: the directory of the file, the
size of the header, and of every array its type and shape, by the table of sites and by what the header says of model
and text. Only then is it unpacked.
"""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import IO

import numpy as np
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from cattrs.preconf.json import make_converter
from jaxtyping import Shaped

from anatomy.positions import mentioned
from anatomy.request import Run, Want
from anatomy.sites import SITES, WHOLE_NUMBERS, axes_of
from anatomy.spec import ModelSpec, Rope
from anatomy.trace import Token, Trace

VERSION = 3
MOST_BYTES = 256 << 20  # of a file, and of the arrays in it: two hundred times the recording of the first view
MOST_OF_HEADER = 4 << 20  # bytes: eighty times that recording's
MOST_OF_DIRECTORY = 2 << 20  # bytes: some twenty thousand arrays
MOST_LAYERS, MOST_LONG = 1 << 12, 1 << 26  # of layers and heads; of every other size that a model has
_END, _END_OF_LARGE = b"PK\x05\x06", b"PK\x06\x07"  # of a zip file; of one with more than 65,535 members before that
_PIECE = 1 << 20  # bytes read at a time
_JSON = make_converter()  # dataclasses field by field; what is left out takes its default
_FOUND = override(omit=True)  # what the trace finds in the text by itself
_JSON.register_unstructure_hook(Token, make_dict_unstructure_fn(Token, _JSON, covers=_FOUND))
_JSON.register_structure_hook(Token, make_dict_structure_fn(Token, _JSON, covers=_FOUND))


@dataclass(frozen=True)
class _Header:
    """All of a trace but its arrays, which are called a0, a1 … in the order of `wants`."""

    version: int
    run: Run
    spec: ModelSpec
    tokens: tuple[Token, ...]
    wants: tuple[Want, ...]
    names: dict[int, str]


def pack(trace: Trace) -> bytes:
    """The trace as one compressed npz."""
    wants = tuple(sorted(trace.arrays, key=Want.sort_key))
    header = _Header(VERSION, trace.run, trace.spec, trace.tokens, wants, dict(sorted(trace.names.items())))
    arrays = {f"a{i}": trace.arrays[want] for i, want in enumerate(wants)}
    text = np.frombuffer(_JSON.dumps(header, ensure_ascii=False).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, header=text, **arrays)
    return buffer.getvalue()


def unpack(data: bytes) -> Trace:
    """The trace that `pack` wrote; a ValueError, with what is wrong, when the bytes are anything else or of another
    version. It takes no more memory than a trace of that model and text may, and at most about MOST_BYTES."""
    _judge(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            members = _members(file)
            header = _header(file, members)
            wanted = dict(zip(header.wants, members[1:], strict=True))
            shapes = _lengths(header)
            found = {want: _found(file, member, want, shapes[want]) for want, member in wanted.items()}
            whole = sum(array.nbytes for array in found.values())
            if whole > MOST_BYTES:
                raise ValueError(f"its arrays take {whole} bytes, and {MOST_BYTES} are allowed")
            arrays = {want: _read(file, member, found[want]) for want, member in wanted.items()}
        _judge_ids(header, arrays)
        return Trace(header.run, header.spec, header.tokens, arrays, header.names)
    except (_OtherVersion, MemoryError):
        raise
    except Exception as problem:  # nothing that stands in a file is a fault of the program
        said = str(problem).strip().partition("\n")[0] or type(problem).__name__
        raise ValueError(f"not a recorded trace: {said}") from problem


class _OtherVersion(ValueError):
    """A trace that another version of this program wrote."""


@dataclass(frozen=True)
class _Array:
    """What an array's own header says: its numbers come after so many bytes of its member."""

    dtype: np.dtype
    shape: tuple[int, ...]
    fortran: bool
    start: int

    @property
    def nbytes(self) -> int:
        return self.dtype.itemsize * prod(self.shape)


def _judge(data: bytes) -> None:
    """ValueError where the bytes cannot be such a file, or its directory would take long to read."""
    if len(data) > MOST_BYTES:
        raise ValueError(f"not a recorded trace: {len(data)} bytes, and {MOST_BYTES} are allowed")
    end = data[-22:]  # as numpy writes it: without a comment
    if len(end) < 22 or not end.startswith(_END) or end[20:] != b"\0\0" or data[-42:-38] == _END_OF_LARGE:
        raise ValueError("not a recorded trace: these bytes are no npz file")
    if int.from_bytes(end[12:16], "little") > MOST_OF_DIRECTORY:
        raise ValueError("not a recorded trace: its directory is too large")


def _members(file: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The header's member, then those of a0, a1, …; ValueError for any others, and for what cannot be unpacked."""
    by_name = {member.filename: member for member in file.infolist()}
    names = ["header.npy", *(f"a{i}.npy" for i in range(len(by_name) - 1))]
    if len(by_name) != len(file.infolist()) or by_name.keys() != set(names):
        raise ValueError("its members are not a header and arrays called a0, a1 and so on, each once")
    members = [by_name[name] for name in names]
    for member in members:
        if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{member.filename} is encrypted, or packed in a way that numpy does not write")
    return members


def _header(file: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo]) -> _Header:
    """What the trace's header says, as far as it can be true."""
    text = _of_member(file, members[0])
    if text.dtype != np.uint8 or len(text.shape) != 1 or text.nbytes > MOST_OF_HEADER:
        raise ValueError(f"its header is {text.dtype} of {text.nbytes} bytes, not text of at most {MOST_OF_HEADER}")
    fields = json.loads(_read(file, members[0], text).tobytes())
    if fields["version"] != VERSION:
        raise _OtherVersion(f"written in version {fields['version']}, this program reads {VERSION}: record it again")
    json.dumps(fields, ensure_ascii=False).encode()  # ValueError for half a character, which no page can show
    header = _JSON.structure(fields, _Header)
    if len(header.wants) != len(members) - 1 or len(set(header.wants)) != len(header.wants):
        raise ValueError(f"it has {len(members) - 1} arrays, and its header names {len(set(header.wants))}")
    _judge_sizes(header.spec)
    _judge_tokens(header.run, header.tokens)
    return header


def _judge_sizes(spec: ModelSpec) -> None:
    """ValueError for a model of a size that none has: pages count to these."""
    few = (spec.n_heads, spec.n_kv, *(stack.layers for stack in spec.stacks))
    many = (spec.d_model, spec.d_head, spec.d_ff, spec.vocab, spec.max_pos)
    if not spec.stacks or not all(0 < size <= MOST_LAYERS for size in few):
        raise ValueError(f"its model has {few} heads and layers")
    if not all(0 <= size <= MOST_LONG for size in many):
        raise ValueError(f"its model has sizes of {many}")
    for name, listed in (("windows", spec.windows), ("scales", spec.scales)):
        if len(listed) not in (0, spec.layers):
            raise ValueError(f"its model has {spec.layers} layers and {len(listed)} {name}")
    if isinstance(spec.position, Rope):
        pairs, beyond = len(spec.position.frequencies), len(spec.position.beyond)
        if not 1 <= pairs <= spec.d_head // 2 or beyond not in (0, pairs):
            raise ValueError(f"its model turns {pairs} pairs, {beyond} in long texts, of {spec.d_head} components")


def _judge_tokens(run: Run, tokens: Sequence[Token]) -> None:
    """ValueError for tokens that are not of the text and its tail, or not the ids that were asked for."""
    if run.ids and tuple(token.id for token in tokens) != (*run.ids, *run.tail):
        raise ValueError("its tokens are not those that its run names")
    end = len(run.text)
    for token in tokens:
        end += len(token.bytes)  # a character of the tail has a byte at least
        if not 0 <= token.start <= token.end <= end + 1:
            raise ValueError(f"the token {token.id} covers {token.start} to {token.end} of its text")


def _lengths(header: _Header) -> dict[Want, tuple[int | None, ...]]:
    """The shape of every array, as far as the model and the text fix it. ValueError for a want that nothing answers."""
    of_text = {
        "pos": len(header.tokens),
        "src": len(header.tokens),
        "byte": sum(len(token.bytes) for token in header.tokens),
    }
    shapes = {}
    for want in header.wants:
        if want.site not in SITES:
            raise ValueError(f"no site is called {want.site!r}")
        sizes = {**header.spec.sizes(want.stack), **of_text}
        for place, size in (("layer", "layer"), ("pos", "pos"), ("head", "head")):
            chosen = getattr(want, place)
            if chosen is not None and not 0 <= chosen < sizes[size]:
                raise ValueError(f"{want}: the model and text have {sizes[size]} of {place}")
        shapes[want] = tuple(sizes.get(axis) for axis in axes_of(want))
    return shapes


def _found(file: zipfile.ZipFile, member: zipfile.ZipInfo, want: Want, shape: tuple[int | None, ...]) -> _Array:
    """Which array a member holds. ValueError where it is not the one that answers the want."""
    array = _of_member(file, member)
    kinds = "iu" if SITES[want.site].unit in WHOLE_NUMBERS else "fiu"
    if array.dtype.kind not in kinds or array.dtype.itemsize > 8:
        raise ValueError(f"{want} holds {array.dtype}, which is no number of its unit, {SITES[want.site].unit}")
    if len(array.shape) != len(shape) or any(
        right is not None and length != right for length, right in zip(array.shape, shape, strict=True)
    ):
        raise ValueError(f"{want} has shape {array.shape}, the model and text say {shape}")
    return array


def _of_member(file: zipfile.ZipFile, member: zipfile.ZipInfo) -> _Array:
    """What stands before the numbers of an npy member: nothing of them is unpacked."""
    with file.open(member) as stream:
        kind = np.lib.format.read_magic(stream)
        if kind not in ((1, 0), (2, 0)):
            raise ValueError(f"{member.filename} is written in version {kind} of npy")
        read = np.lib.format.read_array_header_1_0 if kind == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
        array = _Array(dtype, shape, fortran, stream.tell())
    if dtype.hasobject or dtype.shape or any(type(length) is not int or length < 0 for length in shape):
        raise ValueError(f"{member.filename} holds {dtype} of shape {shape}, which is no array of numbers")
    if array.start + array.nbytes != member.file_size:
        raise ValueError(f"{member.filename} has {member.file_size} bytes, not {array.start + array.nbytes}")
    return array


def _read(file: zipfile.ZipFile, member: zipfile.ZipInfo, array: _Array) -> Shaped[np.ndarray, "..."]:
    """The numbers of a member, as many as were found: read-only. The file's own check of them is made, too."""
    with file.open(member) as stream:
        _exactly(stream, array.start)
        numbers = np.frombuffer(_exactly(stream, array.nbytes), array.dtype)
        if stream.read(1):
            raise ValueError(f"{member.filename} is longer than it says")
    return numbers.reshape(array.shape, order="F" if array.fortran else "C")


def _exactly(stream: IO[bytes], size: int) -> bytearray:
    """So many bytes; ValueError where there are fewer. In pieces: a zip member puts together what is asked for in one
    by copying all of it again and again."""
    found, done = bytearray(size), 0
    while done < size:
        piece = stream.read(min(size - done, _PIECE))
        if not piece:
            raise ValueError(f"{size} bytes were to come, and {done} did")
        found[done : done + len(piece)] = piece
        done += len(piece)
    return found


def _judge_ids(header: _Header, arrays: dict[Want, np.ndarray]) -> None:
    """ValueError where the arrays mention a token that the header has no name for."""
    known = {*header.names, *(token.id for token in header.tokens)}
    nameless = set(mentioned(arrays)) - known
    if nameless:
        raise ValueError(f"its arrays mention {len(nameless)} tokens without a name, such as {min(nameless)}")

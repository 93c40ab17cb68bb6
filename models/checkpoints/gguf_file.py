"""What a GGUF file says of itself and where its numbers lie: every length is held against the file before it is used.

The layout is that of docs/gguf.md in ggml-org/ggml, versions 2 and 3, in the byte order of all usual machines. The
library's reader believes what a file says of its own lengths; a damaged one keeps it busy without end.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import gguf
import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType
from jaxtyping import Float32, UInt8

from anatomy.language import N_, Count
from anatomy.refused import Sentence
from models.checkpoints.errors import WeightsError
from models.checkpoints.outside import seen_in, shown

MAGIC = b"GGUF"
VERSIONS = (2, 3)
LONGEST_HEADER = 1 << 27  # bytes; a vocabulary of a million pieces takes about 40 MB
MOST_AXES = 4
MOST_ENTRIES = 1 << 16  # fields of the metadata, and tensors: models of the largest kind have some thousands
MOST_TEXTS = 1 << 22  # in all lists together; a vocabulary and its merges have two million at most
LARGEST = 1 << 48  # numbers in one tensor
_BOUNDARY = 32  # bytes that tensors are aligned to where a file does not say
_NUMBERS = {
    GGUFValueType.UINT8: "B",
    GGUFValueType.INT8: "b",
    GGUFValueType.UINT16: "H",
    GGUFValueType.INT16: "h",
    GGUFValueType.UINT32: "I",
    GGUFValueType.INT32: "i",
    GGUFValueType.UINT64: "Q",
    GGUFValueType.INT64: "q",
    GGUFValueType.FLOAT32: "f",
    GGUFValueType.FLOAT64: "d",
    GGUFValueType.BOOL: "?",
}


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of a file.

    shape   rows first (GGUF notes them the other way round)
    kind    how its numbers are stored
    begin   where its bytes begin in the file
    nbytes  how many there are
    """

    name: str
    shape: tuple[int, ...]
    kind: GGMLQuantizationType
    begin: int
    nbytes: int

    @property
    def float32_bytes(self) -> int:
        """Bytes of its numbers in float32."""
        return 4 * prod(self.shape)


@dataclass(frozen=True)
class GgufFile:
    """A file whose header was read and fits it.

    fields   the metadata by key: a list of numbers is an array, one of texts a list
    tensors  by name, in the file's order
    """

    path: Path
    fields: Mapping[str, Any]
    tensors: Mapping[str, StoredTensor]


def read_gguf(path: Path) -> GgufFile:
    """The header of a file. WeightsError, with what is wrong, for one that is no GGUF, is cut off or damaged; OSError
    where it cannot be read."""
    with path.open("rb") as opened:
        header = _Header(path, opened)
        n_tensors, n_fields = header.begin()
        fields = header.fields(n_fields)
        tensors = header.tensors(n_tensors)
    return GgufFile(path, fields, _placed(header, tensors, _boundary(header, fields)))


def float32_of(file: GgufFile, tensor: StoredTensor) -> Float32[np.ndarray, "..."]:
    """A tensor's numbers, dequantised. WeightsError where the file has changed, or holds what is no number."""
    raw = np.fromfile(file.path, np.uint8, count=tensor.nbytes, offset=tensor.begin)
    if raw.size < tensor.nbytes:
        raise WeightsError(_UNREADABLE, file=file.path, reason=Sentence(N_("it has changed meanwhile")))
    block, width = GGML_QUANT_SIZES[tensor.kind]
    stored = raw.reshape(*tensor.shape[:-1], tensor.shape[-1] // block * width)  # […, bytes of a row]
    with np.errstate(all="ignore"):  # what a damaged scale gives is judged below
        values = gguf.dequantize(stored, tensor.kind)
    if not np.isfinite(values).all():
        template = N_("{file} is damaged: {tensor} holds what is no finite number. Fetch it again.")
        raise WeightsError(template, file=file.path, tensor=tensor.name)
    return values


def bytes_of_row(file: Path, tensor: StoredTensor, row: int) -> UInt8[np.ndarray, " byte"]:
    """The bytes of one row of a matrix, as the file has them. OSError where it cannot be read, ValueError where it is
    shorter than its header said."""
    block, width = GGML_QUANT_SIZES[tensor.kind]
    length = tensor.shape[-1] // block * width
    raw = np.fromfile(file, np.uint8, count=length, offset=tensor.begin + row * length)
    if raw.size < length:
        raise ValueError(f"{file} ends within {tensor.name}")
    return raw


def can_be_read(kind: GGMLQuantizationType) -> bool:
    """Whether numbers that are stored in this way can be made into float32."""
    _, width = GGML_QUANT_SIZES[kind]
    try:
        gguf.dequantize(np.zeros((1, width), np.uint8), kind)
    except NotImplementedError:
        return False
    return True


_UNREADABLE = N_("{file} is not a GGUF file that can be read ({reason}). Fetch it again.")


class _Header:
    """A reader that goes through a file's header once, from front to back."""

    def __init__(self, path: Path, opened: BinaryIO) -> None:
        self.path = path
        self.at = 0
        self.size = path.stat().st_size
        self._opened = opened
        self._texts = 0  # in lists, so far

    def odd(self, template: str, **values: object) -> NoReturn:
        """Refuse the file. WeightsError, always."""
        raise WeightsError(_UNREADABLE, file=self.path, reason=Sentence(template, **values))

    def begin(self) -> tuple[int, int]:
        """How many tensors and fields of metadata it says that it has."""
        if self._opened.read(4) != MAGIC:
            seen = seen_in(self.path)
            if seen is not None:
                raise WeightsError(seen)
            self.odd(N_("it does not begin with GGUF"))
        self.at = 4
        version = self._number(GGUFValueType.UINT32)
        if version and version & 0xFFFF == 0:
            self.odd(N_("it is made for machines with the other byte order"))
        if version not in VERSIONS:
            known = ", ".join(str(known) for known in VERSIONS)
            self.odd(N_("it is of version {version}, and {known} are known here"), version=version, known=known)
        return self._number(GGUFValueType.UINT64), self._number(GGUFValueType.UINT64)

    def fields(self, count: int) -> dict[str, Any]:
        """The metadata by key."""
        found: dict[str, Any] = {}
        for number in range(1, count + 1):
            self._check_count(number, MOST_ENTRIES)
            key = self._text()
            if key in found:
                self.odd(N_("it states {key} twice"), key=key)
            found[key] = self._value(self._kind())
        return found

    def tensors(self, count: int) -> list[StoredTensor]:
        """The tensors, their places counted from where tensors begin."""
        found = []
        for number in range(1, count + 1):
            self._check_count(number, MOST_ENTRIES)
            found.append(self._tensor())
        return found

    def _tensor(self) -> StoredTensor:
        name = self._text()
        n_axes = self._number(GGUFValueType.UINT32)
        if not 0 < n_axes <= MOST_AXES:
            self.odd(N_("{tensor} has {count} axes"), tensor=name, count=n_axes)
        shape = tuple(reversed([self._number(GGUFValueType.UINT64) for _ in range(n_axes)]))
        number = self._number(GGUFValueType.UINT32)
        place = self._number(GGUFValueType.UINT64)
        if number not in set(GGMLQuantizationType):
            self.odd(
                N_("{tensor} is stored in a way of number {number}, which is not known here"),
                tensor=name,
                number=number,
            )
        kind = GGMLQuantizationType(number)
        block, width = GGML_QUANT_SIZES[kind]
        if not 0 < prod(shape) <= LARGEST or shape[-1] % block:
            lengths = " × ".join(str(length) for length in shape)
            template = N_("{tensor} has the shape {shape}, which {kind} cannot have")
            self.odd(template, tensor=name, shape=lengths, kind=kind.name)
        return StoredTensor(name, shape, kind, place, prod(shape) // block * width)

    def _value(self, kind: GGUFValueType) -> Any:
        if kind == GGUFValueType.STRING:
            return self._text()
        if kind == GGUFValueType.ARRAY:
            return self._array(self._kind(), self._number(GGUFValueType.UINT64))
        return self._number(kind)

    def _array(self, kind: GGUFValueType, count: int) -> list[str] | np.ndarray:
        if kind == GGUFValueType.ARRAY:
            self.odd(N_("its metadata hold lists of lists"))
        if kind == GGUFValueType.STRING:
            self._must_have(8 * count)
            self._texts += count
            self._check_count(self._texts, MOST_TEXTS)
            return [self._text() for _ in range(count)]
        form = np.dtype(f"<{_NUMBERS[kind]}")
        return np.frombuffer(self._take(form.itemsize * count), form)  # a list would take many times the memory

    def _kind(self) -> GGUFValueType:
        number = self._number(GGUFValueType.UINT32)
        if number not in set(GGUFValueType):
            self.odd(N_("its metadata hold a value of the kind {number}, which is not known here"), number=number)
        return GGUFValueType(number)

    def _number(self, kind: GGUFValueType) -> Any:
        form = f"<{_NUMBERS[kind]}"
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _text(self) -> str:
        raw = self._take(self._number(GGUFValueType.UINT64))
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.odd(N_("a text in it is not in UTF-8, before byte {byte}"), byte=self.at)

    def _take(self, count: int) -> bytes:
        self._must_have(count)
        raw = self._opened.read(count)
        if len(raw) < count:
            self.odd(N_("it has changed meanwhile"))
        self.at += count
        return raw

    def _check_count(self, count: int, most: int) -> None:
        """Refuse more entries than any header has: each takes many times the memory that its bytes do."""
        if count > most:
            self.odd(N_("its header would have more than {limit} entries of one kind"), limit=Count(most))

    def _must_have(self, count: int) -> None:
        """Refuse a length that goes beyond the end of the file, or beyond what any header has."""
        if count > self.size - self.at:
            self.odd(N_("it ends within its header: it is cut off, or a length in it is wrong"))
        if self.at + count > LONGEST_HEADER:
            self.odd(N_("its header would have more than {limit} MB"), limit=LONGEST_HEADER // 1_000_000)


def _boundary(header: _Header, fields: Mapping[str, Any]) -> int:
    """Bytes that the places of tensors are multiples of."""
    stated = fields.get("general.alignment", _BOUNDARY)
    if type(stated) is not int or stated <= 0 or stated & (stated - 1):
        header.odd(
            N_("it states general.alignment = {value}, which is no power of two"), value=shown(stated, quoted=True)
        )
    return stated


def _placed(header: _Header, tensors: list[StoredTensor], boundary: int) -> dict[str, StoredTensor]:
    """The tensors with their places in the file. Refused where two have one name, overlap, or go beyond its end."""
    start = -(-header.at // boundary) * boundary
    placed: dict[str, StoredTensor] = {}
    end = start
    for tensor in sorted(tensors, key=lambda tensor: tensor.begin):
        begin = start + tensor.begin
        if tensor.name in placed:
            header.odd(N_("it holds {tensor} twice"), tensor=tensor.name)
        if begin < end:
            header.odd(N_("{tensor} lies where another tensor lies"), tensor=tensor.name)
        end = begin + tensor.nbytes
        if end > header.size:
            template = N_("{tensor} would end at byte {end}, and the file has {size}: it is cut off")
            header.odd(template, tensor=tensor.name, end=end, size=header.size)
        placed[tensor.name] = StoredTensor(tensor.name, tensor.shape, tensor.kind, begin, tensor.nbytes)
    return {tensor.name: placed[tensor.name] for tensor in tensors}

"""Trace ↔ bytes: one npz with a JSON header and the arrays, no pickle. For networks, recordings and tests."""

import io
import json
import zipfile
from dataclasses import dataclass

import cattrs
import numpy as np
from cattrs.preconf.json import make_converter

from anatomy.request import Run, Want
from anatomy.spec import ModelSpec
from anatomy.trace import Token, Trace

VERSION = 2
_JSON = make_converter()  # dataclasses field by field; what is left out takes its default


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
    """The trace that `pack` wrote; a ValueError when the bytes are something else or of another version."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise ValueError("not a recorded trace: these bytes are no npz file")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            fields = json.loads(file["header"].tobytes())
            if fields["version"] != VERSION:
                raise ValueError(
                    f"written in version {fields['version']}, this program reads {VERSION}: record it again"
                )
            header = _JSON.structure(fields, _Header)
            arrays = {want: file[f"a{i}"] for i, want in enumerate(header.wants)}
    except (OSError, KeyError, EOFError, zipfile.BadZipFile, cattrs.BaseValidationError) as problem:
        raise ValueError(f"not a recorded trace: {problem}") from problem
    return Trace(header.run, header.spec, header.tokens, arrays, header.names)

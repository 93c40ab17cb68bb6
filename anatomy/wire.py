"""Trace ↔ bytes: one npz with a JSON header and the arrays, no pickle. For networks, recordings and tests."""

import io
import json
import zipfile
from dataclasses import asdict, replace

import numpy as np

from anatomy.request import Intervention, Run, Want
from anatomy.spec import Ffn, LearnedPositions, ModelSpec, Norm, RelativeBias, Rope, Stack, Weights
from anatomy.trace import Token, Trace

VERSION = 1
_POSITIONS = {"rope": Rope, "learned": LearnedPositions, "relative": RelativeBias}


def pack(trace: Trace) -> bytes:
    """The trace as one compressed npz."""
    wants = sorted(trace.arrays, key=Want.sort_key)
    header = {
        "version": VERSION,
        "run": asdict(trace.run),
        "spec": _spec_out(trace.spec),
        "tokens": [asdict(token) | {"bytes": token.bytes.hex()} for token in trace.tokens],
        "wants": [asdict(want) for want in wants],
        "names": {str(token_id): name for token_id, name in sorted(trace.names.items())},
    }
    arrays = {f"a{i}": trace.arrays[want] for i, want in enumerate(wants)}
    text = np.frombuffer(json.dumps(header, ensure_ascii=False).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, header=text, **arrays)
    return buffer.getvalue()


def unpack(data: bytes) -> Trace:
    """The trace that `pack` wrote; a ValueError when the bytes are something else or of another version."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise ValueError("not a recorded trace: these bytes are no npz file")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            header = json.loads(file["header"].tobytes())
            if header["version"] != VERSION:
                raise ValueError(
                    f"written in version {header['version']}, this program reads {VERSION}: record it again"
                )
            wants = [_want_in(want) for want in header["wants"]]
            arrays = {want: file[f"a{i}"] for i, want in enumerate(wants)}
    except (OSError, KeyError, EOFError, zipfile.BadZipFile) as problem:
        raise ValueError(f"not a recorded trace: {problem}") from problem
    tokens = tuple(Token(**token | {"bytes": bytes.fromhex(token["bytes"])}) for token in header["tokens"])
    names = {int(token_id): name for token_id, name in header["names"].items()}
    return Trace(_run_in(header["run"]), _spec_in(header["spec"]), tokens, arrays, names)


def _want_in(data: dict) -> Want:
    want = Want(**data)
    return want if want.window is None else replace(want, window=tuple(want.window))


def _run_in(data: dict) -> Run:
    told = dict(data)
    changes = told.pop("edits", ())  # the name of interventions in recordings written before 30 November 2026
    changes = told.pop("interventions", changes)
    run = Run(**told)
    return replace(run, tail=tuple(run.tail), interventions=tuple(Intervention(**one) for one in changes))


def _spec_out(spec: ModelSpec) -> dict:
    if spec.position is None:
        return asdict(spec)
    kind = next(name for name, cls in _POSITIONS.items() if isinstance(spec.position, cls))
    return asdict(spec) | {"position": {"kind": kind} | asdict(spec.position)}


def _spec_in(data: dict) -> ModelSpec:
    position = data["position"]
    if position is not None:
        kind = _POSITIONS[position.pop("kind")]
        position = kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in position.items()})
    parts = {
        "stacks": tuple(Stack(**stack) for stack in data["stacks"]),
        "position": position,
        "norm": Norm(**data["norm"]),
        "ffn": Ffn(**data["ffn"]),
        "weights": Weights(**data["weights"]),
        "special": tuple(data.get("special", ())),
        "biases": tuple(data.get("biases", ())),
        "counts": tuple((part, count) for part, count in data.get("counts", ())),
    }
    return ModelSpec(**data | parts)

"""Snapshots of figures as JSON that a person can review: numbers instead of base64, rounded, no template, sorted keys.

A snapshot matches when text is equal and numbers agree to three digits: the last bits differ from CPU to CPU.
"""

import base64
import json
import math
import re
from dataclasses import fields
from typing import Any

import numpy as np
import plotly.graph_objects as go
from syrupy.extensions.json import JSONSnapshotExtension

from viz.chips import Chips
from viz.grid import Grid

DIGITS = 4
RELATIVE, ABSOLUTE = 2e-3, 1e-6
# Numbers in sentences that are rounded measurements: with a decimal point, or percents.
_MEASURED = re.compile(r"\d+\.\d+|\d+(?= ?%)")
# Fields that few figures have: where they are not set, they are left out.
_RARE = ("names", "places", "inside", "rows", "neurons", "part", "measure", "opens", "leaves")
_HIDDEN = ("template", "uid")
_NOTE = "note"  # of a table: left out where there is none


def described(figure: go.Figure | Grid | Chips) -> Any:
    """A figure as plain values: a plotly figure's data and layout, or the fields of a Grid or Chips."""
    if isinstance(figure, go.Figure):
        return plain(figure.to_plotly_json())
    told = {field.name: getattr(figure, field.name) for field in fields(figure)}
    return plain({name: value for name, value in told.items() if name not in _RARE or value is not None})


def plain(value: Any) -> Any:
    """Dictionaries, lists, text and rounded numbers. NaN and −∞ become text; base64 arrays become lists."""
    if isinstance(value, dict):
        if "bdata" in value:
            return plain(_decoded(value))
        return {str(key): plain(value[key]) for key in sorted(value) if key not in _HIDDEN}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        told = [(field.name, getattr(value, field.name)) for field in fields(value)]
        return plain([held for name, held in told if name != _NOTE or held is not None])
    return _rounded(float(value)) if isinstance(value, float | np.floating) else value


def _decoded(packed: dict) -> np.ndarray:
    """plotly's {"dtype", "bdata", "shape"} as the array it holds."""
    array = np.frombuffer(base64.b64decode(packed["bdata"]), np.dtype(packed["dtype"]))
    shape = packed.get("shape")
    return array if shape is None else array.reshape([int(n) for n in str(shape).split(",")])


def _rounded(value: float) -> float | str:
    if not math.isfinite(value):
        return str(value)
    return 0.0 if abs(value) < ABSOLUTE else float(f"{value:.{DIGITS}g}")


def written(value: Any, indent: str = "") -> str:
    """JSON with one line per field and per row of numbers."""
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        lines = [f"{deeper}{json.dumps(key)}: {written(item, deeper)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, list | dict) for item in value):
        return "[\n" + ",\n".join(deeper + written(item, deeper) for item in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False)


def alike(a: Any, b: Any) -> bool:
    """Whether two plain values are the same but for the last digits of measured numbers."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, str) and isinstance(b, str):
        return _alike_text(a, b)
    if isinstance(a, float) or isinstance(b, float):
        numbers = isinstance(a, int | float) and isinstance(b, int | float)
        return numbers and math.isclose(a, b, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return a == b


def _alike_text(a: str, b: str) -> bool:
    """Equal words; measured numbers may differ by one in their last place."""
    if _MEASURED.sub("#", a) != _MEASURED.sub("#", b):
        return False
    return all(
        abs(float(one) - float(other)) <= 1.01 * 10.0 ** -len(one.partition(".")[2])
        for one, other in zip(_MEASURED.findall(a), _MEASURED.findall(b), strict=True)
    )


class Pictures(JSONSnapshotExtension):
    """One JSON file per case under `__snapshots__`; `--snapshot-update` writes them anew."""

    def serialize(self, data: Any, **_: Any) -> str:
        """The text of the snapshot file."""
        return written(plain(data)) + "\n"

    def matches(self, *, serialized_data: str, snapshot_data: str) -> bool:
        """Whether what was drawn is what was reviewed."""
        return alike(json.loads(serialized_data), json.loads(snapshot_data))

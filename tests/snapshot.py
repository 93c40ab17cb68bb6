"""Snapshots of figures as JSON that a person can review: numbers instead of base64, rounded, no template, sorted keys.

A snapshot matches when text is equal and numbers agree to three digits, of their own or of the largest beside them: the
last bits differ from CPU to CPU.
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

from anatomy.rounding import bound
from tests import measured
from viz.chips import Chips
from viz.grid import Grid

DIGITS = 4
RELATIVE, ABSOLUTE = 2e-3, 1e-6
# A number in a sentence, with its power of ten and what makes it a percentage.
_NUMBER = re.compile(r"(−?)(\d[\d,]*(?:\.\d+)?)(?:·10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?((?: ?%)?)")
_LOWERED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
# Fields that few figures have: where they are not set, they are left out.
_RARE = (
    "names",
    "places",
    "inside",
    "rows",
    "neurons",
    "part",
    "measure",
    "opens",
    "leaves",
    "sight",
    "tokens",
    "subtracted",
)
_HIDDEN = ("template", "uid")
_SELDOM = ("note", "shares")  # of a table, and of a chip: left out where there are none


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
        return plain([held for name, held in told if name not in _SELDOM or held not in (None, ())])
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


def alike(told: Any, reviewed: Any, near: float = ABSOLUTE) -> bool:
    """Whether two plain values are the same but for the last digits of measured numbers. near: what a float may be
    off, for its own smallness apart."""
    if isinstance(told, dict) and isinstance(reviewed, dict):
        return told.keys() == reviewed.keys() and all(alike(told[key], reviewed[key]) for key in told)
    if isinstance(told, list) and isinstance(reviewed, list):
        return len(told) == len(reviewed) and _alike_lists(told, reviewed, near)
    if isinstance(told, str) and isinstance(reviewed, str):
        return _alike_text(told, reviewed)
    if isinstance(told, float) or isinstance(reviewed, float):
        numbers = isinstance(told, int | float) and isinstance(reviewed, int | float)
        return numbers and math.isclose(told, reviewed, rel_tol=RELATIVE, abs_tol=near)
    return told == reviewed


def _alike_lists(told: list, reviewed: list, near: float) -> bool:
    """Numbers in a list are one quantity; in rows of equal length, those in a column: a table mixes quantities."""
    if _rows(reviewed) and _rows(told) and len(told[0]) == len(reviewed[0]):
        columns = zip(zip(*told, strict=True), zip(*reviewed, strict=True), strict=True)
        return all(_alike_lists(list(one), list(other), near) for one, other in columns)
    if all(isinstance(value, float | int | None) for value in reviewed):
        near = max(ABSOLUTE, bound(max((abs(value) for value in reviewed if isinstance(value, float)), default=0.0)))
    return all(alike(one, other, near) for one, other in zip(told, reviewed, strict=True))


def _rows(found: list) -> bool:
    """Whether these are equally long rows of cells."""
    return bool(found) and all(
        isinstance(row, list) and len(row) == len(found[0]) and not any(isinstance(cell, list | dict) for cell in row)
        for row in found
    )


def _alike_text(told: str, reviewed: str) -> bool:
    """Equal words; measured numbers may differ by one in their last place."""
    if _NUMBER.sub("#", told) != _NUMBER.sub("#", reviewed):
        return False
    return all(map(_alike_number, _NUMBER.finditer(told), _NUMBER.finditer(reviewed)))


def _alike_number(told: re.Match, reviewed: re.Match) -> bool:
    if told[0] == reviewed[0]:
        return True
    if told[4] != reviewed[4] or not _measurement(told):
        return False
    (one, step), (other, other_step) = _value(told), _value(reviewed)
    return abs(one - other) <= 1.01 * max(step, other_step)


def _measurement(told: re.Match) -> bool:
    """Whether it is a rounded measurement: with a decimal point or a power of ten, a percentage, or noted as one."""
    return "." in told[2] or bool(told[3]) or bool(told[4]) or told[2] in measured.whole


def _value(found: re.Match) -> tuple[float, float]:
    """The number, and one in its last place."""
    digits, power = found[2].replace(",", ""), 10.0 ** int((found[3] or "⁰").translate(_LOWERED))
    step = power * 10.0 ** -len(digits.partition(".")[2])
    return float(digits) * power * (-1 if found[1] else 1), step


class Pictures(JSONSnapshotExtension):
    """One JSON file per case under `__snapshots__`; `--snapshot-update` writes them anew."""

    def serialize(self, data: Any, **_: Any) -> str:
        """The text of the snapshot file."""
        return written(plain(data)) + "\n"

    def matches(self, *, serialized_data: str, snapshot_data: str) -> bool:
        """Whether what was drawn is what was reviewed."""
        return alike(json.loads(serialized_data), json.loads(snapshot_data))

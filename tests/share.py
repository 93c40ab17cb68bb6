"""Wide sweeps and the fixed share of each that `make test` takes: the rest is marked `wide`, for `make full`."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest

Parameter = Any  # what pytest.param gives


def share(cases: Sequence[tuple], of: int, ids: Sequence[str]) -> list[Parameter]:
    """One of so many cases, from the first on; they stand with their marks in the order in which they came."""
    return [_case(case, name, kept=i % of == 0) for i, (case, name) in enumerate(zip(cases, ids, strict=True))]


def diagonal(*axes: Sequence[Any]) -> list[Parameter]:
    """Every combination, of which those stay in which each value of the longest axis stands once with values of the
    others in turn."""
    longest = max(axes, key=len)
    found = []
    for places in product(*(range(len(axis)) for axis in axes)):
        at = places[axes.index(longest)]
        kept = all(place == at % len(axis) for place, axis in zip(places, axes, strict=True))
        values = tuple(axis[place] for axis, place in zip(axes, places, strict=True))
        found.append(_case(values, "-".join(map(str, values)), kept))
    return found


def _case(values: tuple, name: str, kept: bool) -> Parameter:
    return pytest.param(*values, id=name, marks=() if kept else pytest.mark.wide)

"""Cases from random readings, for what no tiny model shows on a short text: many layers, ties anywhere, exact zeros."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from anatomy.spec import ModelSpec, Stack
from panels import load
from panels.panel import Panel
from tests.anatomy.spec import spec
from tests.panels.captions.rules import Cases, Source

NAMES = {row: f"<{row}>" for row in range(50)}


@dataclass(frozen=True)
class Read:
    """A panel and what it might have read."""

    panel: Panel
    reading: Any


def readings(panel: str, made: Callable[[Source], Any]) -> Cases:
    """The panel on readings that are made of random numbers."""
    found = load()[panel]
    return Cases(panel, lambda source: Read(found, made(source)), 200)


def model(layers: int, **changes: Any) -> ModelSpec:
    """The small model with so many layers."""
    return spec(stacks=(Stack("dec", layers, True),), **changes)


def numbers(source: Source, *shape: int) -> np.ndarray:
    """Random numbers; or of a few values, so that there are ties; or all 0."""
    kind = source.integers(5)
    if kind == 0:
        return np.zeros(shape)
    return source.normal(0, 1, shape) if kind < 3 else source.choice([-1.0, 0.0, 0.5, 1.0], shape)

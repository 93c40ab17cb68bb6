"""Readings of ranges that are made by hand or of random numbers."""

from dataclasses import replace
from typing import Any

import numpy as np

from anatomy.control import Choice
from anatomy.spec import ModelSpec, Weights
from panels import load
from panels.scale.precision import PRECISION
from panels.scale.pruning import PRUNING
from panels.scale.quantization import QUANTIZATION
from panels.scale.ranged import Measured, Ranged
from panels.scale.ranges import Range, every
from tests.anatomy.spec import spec
from tests.panels.captions.rules import Source

KINDS: dict[str, Range] = {"quantization": QUANTIZATION, "pruning": PRUNING, "precision": PRECISION}
TOKENS = 4


def a_range(panel: str, source: Source) -> Ranged:
    """A range of random numbers: all of it there or a part, much changed or nothing."""
    kind, control = KINDS[panel], load()[panel].controls[0]
    assert isinstance(control, Choice)
    shown = str(source.choice(control.options))
    given = Ranged(
        kind=kind,
        shown=shown,
        spec=a_spec(bool(source.integers(2))),
        labels=("a", "b", "c", "d"),
        losses=np.array([np.nan, *source.uniform(0, 6, TOKENS - 1)]),
        leaders=tuple((row, f"<{row}>") for row in range(TOKENS)),
        found={},
        named={},
    )
    whole = bool(source.integers(2))
    there = [of for of in given.every if whole or source.integers(2)]
    most = float(source.choice([0.0, 0.3, 3.0]))
    found = {of: _measured(source, float(source.choice([0.0, most / 3, most])), given.spec.layers) for of in there}
    named = {of: tuple(f"<{row}>" for row in one.ids) for of, one in found.items() if one.ids is not None}
    return with_found(given, found, named)


def whole_range(panel: str, shown: str, headless: bool = False) -> Ranged:
    """A range that is all there, of the same numbers on every processor; the more is changed, the more differs.

    headless  of a model without an output layer
    """
    kind, source = KINDS[panel], np.random.default_rng(0)
    given = Ranged(
        kind=kind,
        shown=shown,
        spec=spec(weights=a_spec().weights, head=None) if headless else a_spec(),
        labels=("a", "b", "c", "d"),
        losses=None if headless else np.array([np.nan, 1.0, 2.5, 3.0]),
        leaders=None if headless else tuple((row, f"<{row}>") for row in range(TOKENS)),
        found={},
        named={},
    )
    found = {}
    for number, of in enumerate(every(kind)):
        made = _measured(source, 0.0 if of in ("prune=0", "4bit") else 0.1 * (1 + number), given.spec.layers)
        found[of] = replace(made, kl=None, losses=None, ids=None) if headless else made
    named = {of: tuple(f"<{row}>" for row in one.ids) for of, one in found.items() if one.ids is not None}
    return with_found(given, found, named)


def with_found(given: Ranged, found: dict[str, Measured], named: dict[str, tuple[str, ...]]) -> Ranged:
    """The same range with these variants there."""
    held: dict[str, Any] = {name: getattr(given, name) for name in given.__dataclass_fields__}
    return Ranged(**{**held, "found": found, "named": named})


def _measured(source: Source, strong: float, layers: int) -> Measured:
    """A variant: changed so much, 0 for not at all."""
    ids = np.arange(TOKENS) if strong == 0 else np.where(source.random(TOKENS) < 0.3, 40, np.arange(TOKENS))
    return Measured(
        kl=strong * source.uniform(0, 1, TOKENS),
        losses=np.array([np.nan, *source.uniform(0, 1 + 4 * strong, TOKENS - 1)]),
        ids=ids,
        distance=strong * source.uniform(0, 0.5, (layers, TOKENS)),
        seconds=source.uniform(0.01, 0.1, 2),
    )


def a_spec(with_file: bool = True) -> ModelSpec:
    """Of a model of fifty tokens, whose file is known or not."""
    nbytes = 98_000_000 if with_file else 0
    weights = Weights("Tiny", "MIT", "https://example.org", "", parameters=200_000, file_bytes=nbytes)
    return spec(weights=weights)

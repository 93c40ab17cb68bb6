"""Passages on small fixed numbers."""

from collections.abc import Sequence

import numpy as np

from viz.passage import Arc, Line, Passage, Step, Word

LAYERS = 4
STEPS = tuple(Step(f"step {i}", f"Step {i}", "It says so.", ("so",), (("See it", "tokens"),)) for i in range(5))


def passage(labels: Sequence[str], scale: float = 1.0, places: Sequence[int] | None = None, tokens: int = 0) -> Passage:
    """Lines of these labels, the last one chosen: each looks at the one before it in layers 1 and 2."""
    count = len(labels)
    places = range(count) if places is None else places
    lines = tuple(Line(place, label, "·x", 0.5) for place, label in zip(places, labels, strict=True))
    lengths = scale * np.arange(1.0, count * (LAYERS + 1) + 1).reshape(count, LAYERS + 1)
    arcs = tuple(
        Arc(layer, 1, i, i - 1, 0.75, 0.2 * layer, i == count - 1, "layer 2: 75 %" if layer + i == count + 1 else "")
        for layer in (1, 2)
        for i in range(1, count)
    )
    return Passage(
        lines=lines,
        lengths=lengths,
        arcs=arcs,
        words=(Word(0, "·y", 0.3, False), Word(3, "·x", 0.5, True)),
        chosen=count - 1,
        tokens=tokens or count,
        best=(("·x", 0.5), ("·y", 0.25)),
        best_ids=(7, 8),
        after="after the last one",
        end="",
        goes_on=True,
        steps=STEPS,
        notes=("Lines are as wide as the logarithm of their length.",),
        opens={"arc": "attention"},
    )

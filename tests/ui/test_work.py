"""What a view costs, counted where a clock would depend on the machine: forward passes, layers that run again, arrays
that are formed, bytes that are sent."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion

import panels
from anatomy.request import Run, Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted, View
from bench.views import CHANGES, changed, drawn
from models.serving.store import Store
from panels.panel import Panel
from tests.models.tiny import TEXT, new_tiny_engine
from ui.components import grid
from viz.grid import Grid

KINDS = ("llama", "bert")
# The tiny models have one token per byte, and come out of no file.
NEEDS_MORE = ("merges", "chat", "stored")
NOTHING = (0, 0, 0)
# Bytes of a figure with its sentence, of 43 tokens and a tiny model: for most panels, and where every pair of tokens is
# a mark of its own or a page of scripts comes along.
MOST_BYTES = 30_000
MORE_BYTES = {"arcs": 400_000, "bertviz": 450_000}


class Worked:
    """A tiny engine that counts: "passes" through the whole model, "layers" that ran, "arrays" it was asked for."""

    def __init__(self, kind: str) -> None:
        self._engine = new_tiny_engine(kind)
        self.counted: Counter[str] = Counter()
        body = self._engine.model.base_model
        body.register_forward_pre_hook(lambda *call: self.counted.update(passes=1))
        for layer in self._engine._loaded.layers:
            layer.register_forward_pre_hook(lambda *call: self.counted.update(layers=1))

    def specs(self) -> tuple[ModelSpec, ...]:
        """The engine's own."""
        return self._engine.specs()

    def run(self, run: Run, wants: Iterable[Want] = (), **how: object) -> Trace:
        """The engine's own answer."""
        asked = tuple(wants)
        self.counted.update(arrays=len(asked))
        return self._engine.run(run, asked, **how)

    def since(self) -> tuple[int, int, int]:
        """(passes, layers that ran again, arrays) since the last time."""
        passes, layers, arrays = (self.counted[name] for name in ("passes", "layers", "arrays"))
        self.counted.clear()
        return passes, layers - passes * self.specs()[0].layers, arrays


def shown(panel: Panel, kind: str) -> tuple[Worked, Store, Run, Fitted] | None:
    """An engine, its store, and a text with the view it opens with; None where the panel does not apply."""
    engine = Worked(kind)
    store = Store(engine, 1 << 24)
    (spec,) = store.specs()
    if panel.applies(spec) is not None:
        return None
    run = Run(spec.id, TEXT)
    view = View(text=TEXT).fit(spec, store.get(run).tokens)
    engine.counted.clear()
    return engine, store, run, view


def costs(panel: Panel, kind: str) -> list[tuple[int, int, int]]:
    """What the first view costs, and what each change of it does; coming back to it costs nothing."""
    begun = shown(panel, kind)
    if begun is None:
        return []
    engine, store, run, view = begun
    drawn(store, run, panel, view)
    counted = [engine.since()]
    for change in CHANGES:
        drawn(store, run, panel, changed(view, store, change, 1))
        counted.append(engine.since())
        drawn(store, run, panel, view)
        assert engine.since() == NOTHING, f"{panel.id}: what was shown before is computed anew after another {change}"
    return counted


@pytest.mark.parametrize("kind", KINDS)
def test_each_view_costs_what_the_table_says(kind: str, snapshot: SnapshotAssertion) -> None:
    """Columns: forward passes, layers that run again, arrays; of the first view, then of each change."""
    lines = [f"{'':16}" + "".join(f"{name:>12}" for name in ("first", *CHANGES))]
    for name, panel in panels.load().items():
        cells = (" ".join(f"{number:>2}" for number in numbers) for numbers in costs(panel, kind))
        lines.append(f"{name:16}" + "".join(f"{cell:>12}" for cell in cells))
    assert "\n".join(line.rstrip() for line in lines) == snapshot


@pytest.mark.parametrize("panel", panels.load().values(), ids=panels.load())
def test_no_figure_sends_more_than_it_has_to(panel: Panel) -> None:
    begun = shown(panel, "llama") or shown(panel, "bert") or shown(panel, "t5")
    if begun is None:
        assert panel.id in NEEDS_MORE
        return
    _engine, store, run, view = begun
    _seconds, size = drawn(store, run, panel, view)
    assert 0 < size <= MORE_BYTES.get(panel.id, MOST_BYTES)


def test_a_grid_sends_four_bytes_for_a_cell_and_one_where_there_are_many() -> None:
    """Header, labels and sentence apart."""
    for side, each in ((43, 4), (128, 4), (129, 1), (600, 1)):
        z = np.full((side, side), 0.5, np.float32)
        labels = tuple("a" for _ in range(side))
        packed = grid.pack(Grid(z=z, rows=labels, cols=labels, row_axis="", col_axis="", unit="", title=""), "says")
        assert 0 <= len(packed) - each * side * side < 2_000 + 12 * side

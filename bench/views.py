"""What another layer, head or token of a traced text costs: server time, and bytes of the figures on the wire."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from statistics import median
from time import perf_counter

import panels
from anatomy.refused import Refused
from anatomy.request import Run
from anatomy.view import Fitted, View
from bench.table import markdown
from bench.texts import text_of
from models.serving.store import Store
from panels.answer import PanelAnswer
from panels.panel import Figure, Panel
from ui.components import grid
from viz.chips import Chips
from viz.description import Plotted
from viz.export import to_frame
from viz.grid import Grid
from viz.heads import Heads

CHANGES = ("layer", "head", "token")
Row = tuple[str | int | float | None, ...]


def measure(store: Store, shown: Sequence[str], lengths: Sequence[int], rounds: int) -> list[Row]:
    """One row per panel, length and change: the median milliseconds from question to packed figure, and its bytes."""
    return [row for length in lengths for row in _at(store, [panels.load()[name] for name in shown], length, rounds)]


def _at(store: Store, shown: Sequence[Panel], length: int, rounds: int) -> Iterable[Row]:
    (spec,) = store.specs()

    def count(words: str) -> int:
        return len(store.get(Run(spec.id, words)).tokens)

    text = text_of(length, length, count)
    run = Run(spec.id, text)
    start = View(text=text).fit(spec, store.get(run).tokens)
    for panel in shown:
        if (reason := panel.closed(spec)) is not None:
            yield (panel.id, length, reason, None, None, None)
            continue
        try:
            seconds, size = drawn(store, run, panel, start)
            yield (panel.id, length, "first", 1000 * seconds, size, None)
            for change in CHANGES:
                took = [drawn(store, run, panel, changed(start, store, change, turn + 1)) for turn in range(rounds)]
                spent = [1000 * seconds for seconds, _size in took]
                yield (panel.id, length, change, median(spent), max(size for _seconds, size in took), max(spent))
        except Refused as refused:
            yield (panel.id, length, str(refused), None, None, None)


def changed(view: Fitted, store: Store, change: str, step: int) -> Fitted:
    """The view at another layer, head or token, further away with each step."""
    (spec,) = store.specs()
    if change == "layer":
        return replace(view, layer=(view.layer + step) % spec.layers)
    if change == "head":
        return replace(view, head=(view.head + step) % spec.n_heads)
    return replace(view, pos=max(0, view.pos - step))


def drawn(store: Store, run: Run, panel: Panel, view: Fitted) -> tuple[float, int]:
    """(seconds from question to packed figure with its sentence, bytes of both)."""
    start = perf_counter()
    trace = store.get(run, panel.needs(store.specs()[0], view))
    answer = PanelAnswer.of(panel, trace, view)
    says = answer.caption
    size = wired(answer.description, says)
    return perf_counter() - start, size + len(says.encode())


def wired(figure: Figure, says: str) -> int:
    """Bytes of a figure as the page sends it."""
    if isinstance(figure, Grid):
        return len(grid.pack(figure, says))
    if isinstance(figure, Plotted):
        return len(figure.drawn().to_json() or "")
    if isinstance(figure, Chips):
        return len(json.dumps(asdict(figure)))
    if isinstance(figure, Heads):
        return len(to_frame(figure, dark=False).encode())
    raise TypeError(f"the page does not show {type(figure).__name__}")


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    return markdown(("panel", "tokens", "change", "median ms", "bytes", "slowest ms"), rows)

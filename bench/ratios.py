"""What the page's trace costs beside a plain forward of the same text: the two take turns, so that a busy machine slows
both."""

from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter

import numpy as np
import torch
from transformers import PreTrainedModel

import panels
from anatomy.request import Run, Want
from anatomy.sites import SITES
from anatomy.spec import ModelSpec
from anatomy.view import View
from bench.table import markdown
from bench.texts import text_of
from models.engine import Refused
from models.local import LocalEngine
from panels import stagemap

LENGTHS = (8, 32, 128, 512)
LONG = (2048, 8192)
_APART = ("one_pos", "for_token", "one_head")  # sites that are asked for in other words
Row = tuple[str | int | float | None, ...]


def traced(spec: ModelSpec, missing: Sequence[str], length: int) -> tuple[Want, ...]:
    """The trace: every layer's stream, one layer in full, the logits of the whole vocabulary at the last position."""
    opened = View().fit(spec, ()).layer
    inside = [
        Want(site.name, opened)
        for site in SITES.values()
        if site.per_layer and site.name not in missing and not any(getattr(site, name, False) for name in _APART)
    ]
    streams = [Want("resid_pre", layer) for layer in range(spec.layers)]
    return tuple(dict.fromkeys((*streams, *inside, Want("logits", pos=length - 1))))


def first_page(engine: LocalEngine, run: Run) -> tuple[Want, ...]:
    """All that the page asks for as it opens on a text: the map, a head's figure and the overview of all heads."""
    view = View(text=run.text).fit(engine.spec, engine.run(run).tokens)
    attention = panels.load()[view.panel]
    shown = [attention] if attention.chooser is None else [attention, panels.load()[attention.chooser]]
    wants = [want for panel in shown for want in panel.needs(engine.spec, view)]
    return tuple(dict.fromkeys((*stagemap.needs(engine.spec, view), *wants, Want("logits", pos=view.pos))))


def measure(engine: LocalEngine, plain: PreTrainedModel, lengths: Sequence[int], rounds: int) -> list[Row]:
    """One row a length: milliseconds of plain, trace and first page, their ratios to plain, largest |Δ| of the logits.

    Each round has a text of its own, so that nothing is answered from memory.
    """
    return [_at(engine, plain, length, rounds) for length in lengths]


def _at(engine: LocalEngine, plain: PreTrainedModel, length: int, rounds: int) -> Row:
    if length > engine.max_tokens:
        return (length, None, None, None, None, None, f"not run: the limit is {engine.max_tokens:,} tokens")

    def count(text: str) -> int:
        try:
            return len(engine.run(Run(engine.spec.id, text)).tokens)
        except Refused:
            return length + 1  # it is too long

    seconds: dict[str, list[float]] = {"plain": [], "trace": [], "page": []}
    apart = 0.0
    for turn in range(rounds + 1):
        run, other = (Run(engine.spec.id, text_of(length, 2 * turn + i, count)) for i in range(2))
        ids = torch.tensor([[token.id for token in engine.run(run).tokens]])
        took = {
            "plain": timed(lambda ids=ids: _logits(plain, ids)),
            "trace": timed(lambda run=run: engine.run(run, traced(engine.spec, tuple(engine.missing), length))),
            "page": timed(lambda run=other: engine.run(run, first_page(engine, run))),
        }
        if turn:  # the first round warms up
            for name, (spent, _given) in took.items():
                seconds[name].append(spent)
        given = took["trace"][1][Want("logits", pos=length - 1)]
        apart = max(apart, float(np.abs(given - took["plain"][1]).max()))
    found = {name: 1000 * median(spent) for name, spent in seconds.items()}
    ratios = [median(a / b for a, b in zip(seconds[n], seconds["plain"], strict=True)) for n in ("trace", "page")]
    return (length, *found.values(), *ratios, apart)


def _logits(plain: PreTrainedModel, ids: torch.Tensor) -> np.ndarray:
    """Logits after the last token, of a forward that gives those of every position, as it does by default."""
    with torch.inference_mode():
        return plain(input_ids=ids, use_cache=False).logits[0, -1].numpy()


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """(seconds, what came out)."""
    start = perf_counter()
    found = work()
    return perf_counter() - start, found


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    columns = (
        "tokens",
        "plain ms",
        "trace ms",
        "first page ms",
        "trace / plain",
        "first page / plain",
        "logits max |Δ|",
    )
    return markdown(columns, rows)

"""What the page's trace costs beside a plain forward of the same text: the two take turns, so that a busy machine slows
both."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from statistics import median
from time import perf_counter
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import torch
from transformers import PreTrainedModel

import panels
from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.sites import SITES, Site
from anatomy.spec import ModelSpec
from anatomy.view import View
from bench.table import markdown
from bench.texts import text_of
from models.engine import Cancelled, Estimate
from models.local.engine import LocalEngine
from models.local.estimate import FLOAT
from models.local.packed import Packing
from models.local.refuse import MAP_BYTES
from panels import stagemap
from ui import withheld

LONG = (2048, 8192)
_WHOLE = 1024  # tokens of the longest text of which every stream is kept as it is: above it, lengths and directions
_FEW = 2000  # tokens from which on a length is measured in fewer rounds
_MANY = 6000  # tokens from which on it is measured once, unwarmed
PAGE_LIMIT = 300.0  # seconds for a first page
_SHARE = 0.5  # of the memory that the system has left, for the plain forward's logits
_APART = ("one_pos", "for_token", "one_head")  # sites that are asked for in other words
_FREE = Path("/proc/meminfo")
Result = TypeVar("Result")
Row = tuple[str | int | float | None, ...]
COLUMNS = (
    "tokens",
    "plain ms",
    "trace ms",
    "first page ms",
    "trace / plain",
    "first page / plain",
    "trace / bound",
    "logits max |Δ|",
)


def traced(spec: ModelSpec, missing: Sequence[str], length: int) -> tuple[Want, ...]:
    """The trace: every layer's stream, one layer in full, the logits of the whole vocabulary at the last position.

    Of a long text it is what the page asks of one: the streams' lengths and directions, and a row of every head in
    place of maps that take more than the engine gives.
    """
    loaded = View().fit(spec, ()).layer
    sites = [
        site
        for site in SITES.values()
        if site.per_layer and site.name not in missing and not any(getattr(site, name) for name in _APART)
    ]
    inside = [Want(site.name, loaded, pos=_row(site, spec, length)) for site in sites]
    if length <= _WHOLE:
        streams = [Want("resid_pre", layer) for layer in range(spec.layers)]
    else:
        streams = [Want(site.name) for site in SITES.values() if site.name.startswith(("norm_", "cos_attn", "cos_ffn"))]
    return tuple(dict.fromkeys((*streams, *inside, Want("logits", pos=length - 1))))


def _row(site: Site, spec: ModelSpec, length: int) -> int | None:
    """The last position, for maps that are too large at all positions."""
    maps = {"head", "pos", "src"} <= set(site.axes) and spec.n_heads * length**2 * FLOAT > MAP_BYTES
    return length - 1 if maps else None


@dataclass(frozen=True)
class _Nothing:
    """The engine as a page sees it that holds no answer yet."""

    engine: LocalEngine

    def spec(self) -> ModelSpec:
        return self.engine.spec

    def holds(self, run: Run, wants: Iterable[Want]) -> bool:
        return False

    def estimate(self, run: Run, wants: Iterable[Want]) -> Estimate:
        return self.engine.estimate(run, wants)


def first_page(engine: LocalEngine, run: Run) -> tuple[Want, ...]:
    """All that the page asks for as it opens on a text: the map, a head's figure and, where the page does not wait to
    be asked for it, the overview of all heads."""
    view = View(text=run.text).fit(engine.spec, engine.run(run).tokens)
    shown = withheld.figures(_Nothing(engine), run, view, panels.load()[view.panel])
    wants = (*stagemap.needs(engine.spec, view), *shown.needs(engine.spec, view), Want("logits", pos=view.pos))
    return tuple(dict.fromkeys(wants))


def measure(engine: LocalEngine, plain: PreTrainedModel, lengths: Sequence[int], rounds: int) -> list[Row]:
    """One row a length, of COLUMNS. A text of its own in each round, so that nothing is answered from memory."""
    return [_at(engine, plain, length, rounds) for length in lengths]


def _at(engine: LocalEngine, plain: PreTrainedModel, length: int, rounds: int) -> Row:
    if length > engine.max_tokens:
        return _said(length, f"not run: the limit is {engine.max_tokens:,} tokens")
    try:
        return _measured(engine, plain, length, rounds)
    except Refused as error:
        return _said(length, f"not run: {error}")


def _said(length: int, why: str) -> Row:
    return (length, *[None] * (len(COLUMNS) - 2), why)


def _measured(engine: LocalEngine, plain: PreTrainedModel, length: int, rounds: int) -> Row:
    def count(text: str) -> int:
        try:
            return len(engine.run(Run(engine.spec.id, text)).tokens)
        except Refused:
            return length + 1  # it is too long

    seconds: dict[str, list[float]] = {"plain": [], "trace": [], "page": [], "bound": []}
    apart = 0.0
    room = _room(engine.spec, length)
    warm = 0 if length >= _MANY else 1  # rounds that only warm up
    for turn in range(warm + _rounds(length, rounds)):
        run, other = (Run(engine.spec.id, text_of(length, 2 * turn + i, count)) for i in range(2))
        ids = torch.tensor([[token.id for token in engine.run(run).tokens]])
        bound = _bound(engine.spec, length)
        lone, logits = timed(lambda ids=ids: _logits(plain, ids, room))
        trace, given = timed(lambda run=run: engine.run(run, traced(engine.spec, tuple(engine.missing), length)))
        page = _page(engine, other)
        if turn >= warm:
            for name, spent in zip(seconds, (lone, trace, page, bound), strict=True):
                seconds[name].append(spent)
        apart = max(apart, float(np.abs(given[Want("logits", pos=length - 1)] - logits).max()))
    times = [_finite(1000 * median(seconds[name])) for name in ("plain", "trace", "page")]
    pairs = (("trace", "plain"), ("page", "plain"), ("trace", "bound"))
    ratios = [_finite(median(a / b for a, b in zip(seconds[one], seconds[two], strict=True))) for one, two in pairs]
    notes = [] if room else ["plain scored the last position alone, for want of memory"]
    notes += [f"first page stopped after {PAGE_LIMIT:g} s"] if None in times else []
    return (length, *times, *ratios, "; ".join([f"{apart:.1e}", *notes]) if notes else apart)


def _page(engine: LocalEngine, run: Run) -> float:
    """Seconds of the first page; endless where it was stopped."""
    end = perf_counter() + PAGE_LIMIT
    wants = first_page(engine, run)
    try:
        return timed(lambda: engine.run(run, wants, cancelled=lambda: perf_counter() > end))[0]
    except Cancelled:
        return inf


def _finite(number: float) -> float | None:
    return number if isfinite(number) else None


def _rounds(length: int, rounds: int) -> int:
    return 1 if length >= _MANY else max(1, rounds // 3) if length >= _FEW else rounds


def _room(spec: ModelSpec, length: int) -> bool:
    """Has the system memory for the logits of every position?"""
    if not _FREE.exists():
        return True
    left = next(int(line.split()[1]) for line in _FREE.read_text().splitlines() if line.startswith("MemAvailable"))
    return length * spec.vocab * FLOAT <= _SHARE * 1024 * left


def _logits(plain: PreTrainedModel, ids: torch.Tensor, everywhere: bool) -> np.ndarray:
    """Logits after the last token, of a forward that gives those of every position, as it does by default, or of the
    last alone."""
    with torch.inference_mode():
        fewer = {} if everywhere else {"logits_to_keep": 1}
        # a copy: a view would hold the logits of all positions, which take 1.6 GB at 8,192 tokens
        return plain(input_ids=ids, use_cache=False, **fewer).logits[0, -1].clone().numpy()


def _bound(spec: ModelSpec, length: int) -> float:
    """Seconds that a trace takes at least on this machine as it is now: those of its multiplications and additions at
    the speed of one large product, or of reading every weight once, whichever is more."""
    layer = spec.layers * _matrices(spec)  # numbers in the matrices of all layers
    head = spec.vocab * spec.d_model
    pairs = length**2 * (0.5 if spec.stack().causal else 1.0)
    sums = 2.0 * (length * layer + head) + 4.0 * spec.layers * spec.n_heads * spec.d_head * pairs
    products, reading = _speeds()
    return max(sums / products, FLOAT * (layer + head) / reading)


def _matrices(spec: ModelSpec) -> int:
    attention = 2 * spec.d_model * (spec.n_heads + spec.n_kv) * spec.d_head
    return attention + (3 if spec.ffn.gated else 2) * spec.d_model * spec.d_ff


def _speeds() -> tuple[float, float]:
    """(multiplications and additions a second in one large product, bytes a second that are read in order)."""
    side, many = 1024, 1 << 26  # 256 MB
    square, row = torch.ones(side, side), torch.ones(many)
    product = min(timed(lambda: square @ square)[0] for again in range(3))
    reading = min(timed(row.sum)[0] for again in range(3))
    return 2.0 * side**3 / product, FLOAT * many / reading


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """(seconds that the work took, what it returned)."""
    start = perf_counter()
    result = work()
    return perf_counter() - start, result


def table(rows: Sequence[Row], packing: Mapping[str, Packing] = MappingProxyType({})) -> str:
    """The rows as Markdown, and how the matrices lie."""
    lies = [f"- matrices of the {part}: {packed.says}" for part, packed in packing.items()]
    return "\n".join([markdown(COLUMNS, rows), "", *_NOTES, *lies] if lies else [markdown(COLUMNS, rows)])


_NOTES = (
    "- bound: the arithmetic of the trace at the speed of one large matrix product, or its weights read once,",
    "  whichever takes longer; both speeds are measured in every round",
    f"- above {_WHOLE:,} tokens the trace has lengths and directions of the streams in place of the streams, and the",
    f"  last row of maps that take more than {MAP_BYTES >> 20} MB",
)

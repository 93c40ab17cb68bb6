"""The cache of keys and values, growing token by token while the text goes on."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.groups import applies as keeps_cache
from panels.groups import cache_bytes, size
from panels.snippet import opening
from viz.curves import Curve, Curves, Mark, curves
from viz.format import many, quoted, thousands
from viz.scale import clipped, thinned
from viz.theme import NEUTRAL

_UNITS = (("MB", 1e6), ("kB", 1e3))


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """One layer's keys and values, to hold the rule against what this text really takes."""
    return (Want("k", view.layer), Want("v", view.layer))


def applies(spec: ModelSpec) -> str | None:
    """A cache serves models that go on with a text token by token."""
    return keeps_cache(spec)


def draw(trace: Trace, view: Fitted) -> go.Figure:
    """The cache after each token, with the chosen token marked and what was added to the text set apart."""
    spec, n = trace.spec, len(trace.tokens)
    unit, scale = _unit(cache_bytes(spec, n, spec.n_kv))
    kinds = [(f"this model: {many(spec.n_kv, 'key/value head')}", spec.n_kv)]
    if spec.n_kv < spec.n_heads:
        kinds.append((f"one per query head: {thousands(spec.n_heads)}", spec.n_heads))
    kept = np.arange(1, n + 1)
    here = cache_bytes(spec, view.pos + 1, spec.n_kv)
    grown = [
        Curve(label, kept, kept * (cache_bytes(spec, 1, kv) / scale), _notes(trace, label, kv)) for label, kv in kinds
    ]
    figure = curves(
        Curves(
            grown,
            "tokens read",
            f"keys and values (all layers, {spec.dtype}, {unit})",
            marks=[Mark(view.pos + 1, here / scale, f"after {clipped(trace.labels[view.pos])}: {size(here)}")],
        )
    )
    _shade_added(figure, trace)
    figure.update_yaxes(range=[0, 1.12 * float(grown[-1].y[-1])])
    return figure.update_xaxes(range=[0.5, n + 0.5], tickvals=[1 + place for place in thinned(n, 16)])


def _unit(count: int) -> tuple[str, float]:
    return next(((unit, scale) for unit, scale in _UNITS if count >= scale), ("bytes", 1.0))


def _notes(trace: Trace, label: str, kv: int) -> tuple[str, ...]:
    return tuple(
        f"{many(place, 'token')}, the last {quoted(name)}: {size(cache_bytes(trace.spec, place, kv))} ({label})"
        for place, name in enumerate(trace.labels, start=1)
    )


def _given(trace: Trace) -> int:
    """How many tokens the text has, without those that follow it."""
    return len(trace.tokens) - len(trace.run.tail)


def _shade_added(figure: go.Figure, trace: Trace) -> None:
    """A ground of its own under the tokens that follow the text; nothing where none do."""
    added, n = len(trace.run.tail), len(trace.tokens)
    if added:
        figure.add_vrect(
            x0=n - added + 0.5,
            x1=n + 0.5,
            fillcolor=NEUTRAL,
            opacity=0.14,
            line_width=0,
            annotation={"text": f"{many(added, 'token')} added", "showarrow": False},
            annotation_position="bottom right",
        )


def says(trace: Trace, view: Fitted) -> str:
    """Bytes per token, for the text, for what was added; and what the cache spares."""
    spec, n, added = trace.spec, len(trace.tokens), len(trace.run.tail)
    each, whole = (size(cache_bytes(spec, count, spec.n_kv)) for count in (1, n))
    grown = ""
    if added and _given(trace):
        before = size(cache_bytes(spec, _given(trace), spec.n_kv))
        grown = f", {before} of them for your text and the rest for the {many(added, 'token')} added to it"
    first = f"Every token leaves a key and a value in each of {many(spec.layers, 'layer')}, {each} in all"
    if n == spec.max_pos:
        return f"{first}: {whole} after {many(n, 'token')}{grown}. That is the longest text of this model."
    return (
        f"{first}: {whole} after {many(n, 'token')}{grown}. To go on, the model computes the newest token alone and "
        f"reads the others from the cache; without it, all {many(n, 'token')} would be computed again."
        if n > 1
        else f"{first}. To go on, the model computes the next token alone and reads this one from the cache."
    )


def table(trace: Trace, view: Fitted) -> Table:
    """The cache after each token, and what the same length takes with one key/value head per query head."""
    spec, given = trace.spec, _given(trace)
    return Table(
        ("tokens", "last token", "from", "cache (bytes)", "one key/value head per query head (bytes)"),
        tuple(
            (
                place,
                label,
                "text" if place <= given else "added",
                cache_bytes(spec, place, spec.n_kv),
                cache_bytes(spec, place, spec.n_heads),
            )
            for place, label in enumerate(trace.labels, start=1)
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The rule, per token and for the whole; and one layer's own arrays against it."""
    spec, n = trace.spec, len(trace.tokens)
    numbers = 2 * spec.layers * spec.n_kv * spec.d_head
    each, whole = cache_bytes(spec, 1, spec.n_kv), cache_bytes(spec, n, spec.n_kv)
    arrays = trace[Want("k", view.layer)].size + trace[Want("v", view.layer)].size
    held = arrays * (each // numbers) * spec.layers
    return "\n".join(
        (
            "bytes = 2 (key and value) × layers × key/value heads × d_head × bytes per number × tokens",
            f"one token: 2 × {spec.layers} × {spec.n_kv} × {spec.d_head} × {each // numbers} = {thousands(each)}",
            f"{many(n, 'token')}: {thousands(each)} × {thousands(n)} = {thousands(whole)}",
            f"layer {view.layer} holds {thousands(arrays)} numbers for this text: × {each // numbers} bytes × "
            f"{many(spec.layers, 'layer')} = {thousands(held)}, difference {thousands(abs(held - whole))}",
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The library's own cache after each token, and how far its logits lie from those of one pass without it."""
    return f"""{opening(spec, view)}
from transformers import DynamicCache

cache, held, off = DynamicCache(config=model.config), [], 0.0
with torch.no_grad():
    whole = model(**inputs, use_cache=False).logits[0]  # [pos, vocab]
    for place, token in enumerate(ids):
        step = model(input_ids=torch.tensor([[token]]), past_key_values=cache, use_cache=True)
        held.append(sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers))
        off = max(off, (step.logits[0, -1] - whole[place]).abs().max().item())
result = held, off
print(held)
print("largest difference between logits with and without the cache:", off)
"""


PANEL = Panel(
    id="cache",
    stage="output",
    order=8,
    name="Cache",
    title="What does the model keep while the text goes on?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
)

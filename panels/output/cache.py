"""The cache of keys and values, growing token by token while the text goes on."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from anatomy.language import N_, _, ngettext
from anatomy.memory import cache_bytes, kept
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import requires
from panels.common.columns import columns_of, table_note, table_rows
from panels.common.kv_cache import held_bytes, own_heads, rule
from panels.common.snippet import opening
from panels.panel import Panel, Table
from viz import nouns
from viz.curves import Band, Curve, Curves, Mark
from viz.format import BYTE_UNITS, quoted, rounding, size, thousands
from viz.scale import clipped, thinned

_ALONE = 512  # tokens of the longest text of which the cache is drawn after every token


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """One layer's keys and values, to hold the rule against what this text really takes; what the cache changes."""
    arrays = (Want("k", view.layer), Want("v", view.layer))
    return arrays if spec.head is None else (*arrays, *(Want(site, pos=view.pos) for site in ("cache_gap", "logits")))


def applies(spec: ModelSpec) -> str | None:
    """None, or why this model keeps no cache: one serves models that go on with a text token by token."""
    return requires.cache(spec)


def logit_gap(trace: Trace, view: Fitted) -> float | None:
    """Largest difference (logit) of the chosen token's logits, computed alone over the cache, from those of the whole
    pass; None for a model that gives no logits."""
    return None if trace.spec.head is None else float(trace[Want("cache_gap", pos=view.pos)])


def draw(trace: Trace, view: Fitted) -> Curves:
    """The cache after each token, with the chosen token marked and what was added to the text set apart."""
    spec, n = trace.spec, len(trace.tokens)
    unit, scale = _unit(cache_bytes(spec, n))
    kinds = [(own_heads(spec), spec.n_kv)]
    if spec.n_kv < spec.n_heads:
        kinds.append((_("one per query head: {count}", count=thousands(spec.n_heads)), spec.n_heads))
    here, places = cache_bytes(spec, view.pos + 1), _places(spec, n)
    grown = [
        Curve(label, np.array(places), _sizes(spec, places, kv) / scale, _notes(trace, places, label, kv))
        for label, kv in kinds
    ]
    text = _("after {token}: {size}", token=clipped(trace.tokens[view.pos].label), size=size(here))
    axis = _("keys and values (all layers, {precision}, {unit})", precision=spec.dtype, unit=unit)
    return Curves(
        grown,
        _("tokens read"),
        axis,
        marks=[Mark(view.pos + 1, here / scale, text)],
        band=_added(trace),
        x_ends=(0.5, n + 0.5),
        x_ticks=[1 + place for place in thinned(n, 16)],
        y_ends=(0, 1.12 * float(grown[-1].y[-1])),
    )


def _unit(count: int) -> tuple[str, float]:
    return next(((_(unit), scale) for unit, scale in BYTE_UNITS[1:] if count >= scale), (_("bytes"), 1.0))


def _places(spec: ModelSpec, n: int) -> list[int]:
    """Numbers of tokens after which the cache is drawn: all up to n, of a long text every so many, between which it
    grows evenly, and where it is full."""
    if n <= _ALONE:
        return list(range(1, n + 1))
    return sorted({1, *columns_of(n).edges[1:], kept(spec, n)})


def _sizes(spec: ModelSpec, places: Sequence[int], kv: int) -> Float[np.ndarray, " place"]:
    """Bytes after so many tokens, with so many key/value heads."""
    return np.array([cache_bytes(spec, place, kv) for place in places], np.float64)


def _notes(trace: Trace, places: Sequence[int], label: str, kv: int) -> tuple[str, ...]:
    return tuple(
        ngettext(
            "{count} token, the last {token}: {size} ({heads})",
            "{count} tokens, the last {token}: {size} ({heads})",
            place,
            token=quoted(trace.tokens[place - 1].label),
            size=size(cache_bytes(trace.spec, place, kv)),
            heads=label,
        )
        for place in places
    )


def _given(trace: Trace) -> int:
    """How many tokens the text has, without those that follow it."""
    return len(trace.tokens) - len(trace.run.tail)


def _added(trace: Trace) -> Band | None:
    """The ground of the tokens that follow the text; None where none do."""
    added, n = len(trace.run.tail), len(trace.tokens)
    if not added:
        return None
    return Band(n - added + 0.5, n + 0.5, ngettext("{count} token added", "{count} tokens added", added))


def caption(trace: Trace, view: Fitted) -> str:
    """Bytes per token, for the text, for what was added; what the cache spares, and what it changes."""
    spec, n = trace.spec, len(trace.tokens)
    sentences = [_each(trace)]
    if spec.window is not None:
        sentences.append(
            ngettext(
                "Only the last {count} token is kept: no layer looks farther back.",
                "Only the last {count} tokens are kept: no layer looks farther back.",
                spec.window - 1,
            )
        )
    sentences.append(_("That is the longest text of this model.") if n == spec.max_pos else _spares(n))
    return " ".join((*sentences, *_changes(trace, view)))


def _each(trace: Trace) -> str:
    """What every token leaves, and what that comes to for the text and for what was added to it."""
    spec, n, added = trace.spec, len(trace.tokens), len(trace.run.tail)
    each = size(cache_bytes(spec, 1))
    if n == 1:
        return ngettext(
            "Every token leaves a key and a value in {count} layer, {each} in all.",
            "Every token leaves a key and a value in each of {count} layers, {each} in all.",
            spec.layers,
            each=each,
        )
    values = {
        "layers": nouns.layers(spec.layers),
        "each": each,
        "whole": size(cache_bytes(spec, n)),
        "tokens": nouns.tokens(n),
    }
    if not added or not _given(trace) or kept(spec, n) < n:
        return _(
            "Every token leaves a key and a value in each of {layers}, {each} in all: {whole} after {tokens}.", **values
        )
    return _(
        "Every token leaves a key and a value in each of {layers}, {each} in all: {whole} after {tokens}, {before} of "
        "them for your text and the rest for the {added} added to it.",
        before=size(cache_bytes(spec, _given(trace))),
        added=nouns.tokens(added),
        **values,
    )


def _spares(n: int) -> str:
    """What need not be computed again."""
    if n == 1:
        return _("To go on, the model computes the next token alone and reads this one from the cache.")
    return ngettext(
        "To go on, the model computes the newest token alone and reads the others from the cache; without it, the "
        "{count} token would be computed again.",
        "To go on, the model computes the newest token alone and reads the others from the cache; without it, all "
        "{count} tokens would be computed again.",
        n,
    )


def _changes(trace: Trace, view: Fitted) -> Sequence[str]:
    """How far the logits over the cache lie from those without it, as a sentence, where there are logits."""
    gap = logit_gap(trace, view)
    if gap is None:
        return ()
    token = quoted(trace.tokens[view.pos].label)
    return (
        _(
            "Computed alone over the cache, {token} gets the logits that it has without: the same sums in another "
            "order (difference {gap}).",
            token=token,
            gap=_off(trace, view, gap),
        ),
    )


def _off(trace: Trace, view: Fitted, gap: float) -> str:
    """How far these logits lie apart, measured by the largest of them."""
    return rounding(gap, trace[Want("logits", pos=view.pos)])


def table(trace: Trace, view: Fitted) -> Table:
    """The cache after each token, what the same length takes with one key/value head per query head, and for the
    chosen token what the cache changes of its logits."""
    spec, given, gap = trace.spec, _given(trace), logit_gap(trace, view)
    shown = table_rows(len(trace.tokens), view.pos)
    return Table(
        (
            _("tokens"),
            _("last token"),
            _("from"),
            _("cache (bytes)"),
            _("one key/value head per query head (bytes)"),
            _("largest difference of the cached logits"),
        ),
        tuple(
            (
                pos + 1,
                trace.tokens[pos].label,
                _("text") if pos < given else _("added"),
                cache_bytes(spec, pos + 1),
                cache_bytes(spec, pos + 1, spec.n_heads),
                _off(trace, view, gap) if gap is not None and pos == view.pos else None,
            )
            for pos in shown
        ),
        table_note(len(trace.tokens), shown),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The rule, per token and for the whole; one layer's own arrays against it; logits with the cache and without."""
    spec, n = trace.spec, len(trace.tokens)
    held, whole = held_bytes(trace, view), cache_bytes(spec, n)
    product = f"{thousands(cache_bytes(spec, 1))} × {thousands(kept(spec, n))}"
    lines = [
        *rule(spec),
        ngettext(
            "{count} token: {product} = {bytes}",
            "{count} tokens: {product} = {bytes}",
            n,
            product=product,
            bytes=thousands(whole),
        ),
        ngettext(
            "layer {layer} holds {held} bytes for this text: × {count} layer = {all}, difference {gap}",
            "layer {layer} holds {held} bytes for this text: × {count} layers = {all}, difference {gap}",
            spec.layers,
            layer=view.layer,
            held=thousands(held),
            all=thousands(held * spec.layers),
            gap=thousands(abs(held * spec.layers - whole)),
        ),
    ]
    gap = logit_gap(trace, view)
    if gap is not None:
        lines.append(
            ngettext(
                "position {pos}: largest |logit over the cache − logit without it| of {count} token: {gap}",
                "position {pos}: largest |logit over the cache − logit without it| of {count} tokens: {gap}",
                spec.vocab,
                pos=view.pos,
                gap=_off(trace, view, gap),
            )
        )
    return "\n".join(lines)


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Bytes of the library's own cache after each token, and how far its logits lie from those of a pass without it."""
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
    name=N_("Cache"),
    title=N_("What does the model keep while the text goes on?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
)

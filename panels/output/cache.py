"""The cache of keys and values, growing token by token while the text goes on."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy import facts
from anatomy.interventions import AT_ONCE, stepwise
from anatomy.language import N_, _, ngettext
from anatomy.memory import cache_bytes, kept, kept_in_all
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Token, Trace
from anatomy.view import Fitted
from panels.common import requires
from panels.common.columns import columns_of, table_note, table_rows
from panels.common.kv_cache import bounded, held_bytes, own_heads, own_layer, rule
from panels.common.snippet import opening
from panels.panel import Panel, Table
from viz import nouns
from viz.curves import Band, Curve, Curves, Mark
from viz.format import BYTE_UNITS, quoted, rounding, size, thousands
from viz.marks import Stands
from viz.scale import clipped, thinned

_ALONE = 512  # tokens of the longest text of which the cache is drawn after every token
_SAME = 1e-4  # of the largest logit: what the same sums in another order may differ by, with room to spare


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """One layer's keys and values, to hold the rule against what this text really takes; what the cache changes."""
    arrays = (Want("k", view.layer), Want("v", view.layer))
    compared = spec.head is not None and stepwise(view.run(spec).interventions)
    return (*arrays, *(Want(site, pos=view.pos) for site in ("cache_gap", "logits"))) if compared else arrays


@dataclass(frozen=True)
class GrowingCache:
    """The cache of keys and values that a text leaves, and what reading from it changes.

    spec        the model: its layers, heads, precision and window decide the size
    layer, pos  the chosen ones
    tokens      all of them
    added       how many of the tokens follow the text
    held        bytes of the chosen layer's own keys and values
    logits      of the chosen token, by the pass over the whole text; None for a model that gives none, and where
                nothing is compared
    gap         largest difference (logit) from these of those computed alone over the cache; None where there are none
    at_once     what is changed depends on the whole text, so that no token is computed alone over the cache
    """

    spec: ModelSpec
    layer: int
    pos: int
    tokens: tuple[Token, ...]
    added: int
    held: int
    logits: Float[np.ndarray, " vocab"] | None
    gap: float | None
    at_once: bool = False

    @property
    def given(self) -> int:
        """How many tokens the text has, without those that follow it."""
        return len(self.tokens) - self.added

    @property
    def whole(self) -> int:
        """Bytes after the last token."""
        return cache_bytes(self.spec, len(self.tokens))

    @property
    def off(self) -> str | None:
        """The gap in words, measured by the largest of the logits; None where there are none."""
        return None if self.logits is None or self.gap is None else rounding(self.gap, self.logits)


def read(trace: Trace, view: Fitted) -> GrowingCache:
    """The chosen layer's own arrays, counted, and how far the cache moves the chosen token's logits."""
    alone = stepwise(trace.run.interventions)
    has_logits = trace.spec.head is not None and alone
    return GrowingCache(
        spec=trace.spec,
        layer=view.layer,
        pos=view.pos,
        tokens=trace.tokens,
        added=len(trace.run.tail),
        held=held_bytes(trace, view),
        logits=trace[Want("logits", pos=view.pos)] if has_logits else None,
        gap=float(trace[Want("cache_gap", pos=view.pos)]) if has_logits else None,
        at_once=not alone,
    )


def draw(cache: GrowingCache) -> Curves:
    """The cache after each token, with the chosen token marked and what was added to the text set apart."""
    spec, n = cache.spec, len(cache.tokens)
    unit, scale = _unit(cache.whole)
    kinds = [(own_heads(spec), spec.n_kv)]
    if spec.n_kv < spec.n_heads:
        kinds.append((_("one per query head: {count}", count=thousands(spec.n_heads)), spec.n_heads))
    here, places = cache_bytes(spec, cache.pos + 1), _places(spec, n)
    grown = [_curve(cache, places, label, kv, scale) for label, kv in kinds]
    text = _("after {token}: {size}", token=clipped(cache.tokens[cache.pos].label), size=size(here))
    axis = _("keys and values (all layers, {precision}, {unit})", precision=spec.dtype, unit=unit)
    return Curves(
        grown,
        _("tokens read"),
        axis,
        marks=[Mark(cache.pos + 1, here / scale, text)],
        band=_added(cache),
        x_ends=(0.5, n + 0.5),
        x_ticks=[1 + place for place in thinned(n, 16)],
        y_ends=(0, 1.12 * float(grown[-1].y[-1])),
        scale=scale,
        about=unit,
        stands=(Stands("pos", tuple(place - 1 if place <= n else None for place in places)),),
    )


def _unit(count: int) -> tuple[str, float]:
    return next(((_(unit), scale) for unit, scale in BYTE_UNITS[1:] if count >= scale), (_("bytes"), 1.0))


def _places(spec: ModelSpec, n: int) -> list[int]:
    """Numbers of tokens after which the cache is drawn: all up to n, of a long text every so many, between which it
    grows evenly, and where it is full."""
    if n <= _ALONE:
        return list(range(1, n + 1))
    full = {kept(spec, n, layer) for layer in range(spec.layers)}
    return sorted({1, *columns_of(n).edges[1:], *full})


def _curve(cache: GrowingCache, places: Sequence[int], label: str, kv: int, scale: float) -> Curve:
    """The cache after so many tokens, with so many key/value heads, in units of so many bytes."""
    sizes = [cache_bytes(cache.spec, place, kv) for place in places]
    notes = (
        ngettext(
            "{count} token, the last {token}: {size} ({heads})",
            "{count} tokens, the last {token}: {size} ({heads})",
            place,
            token=quoted(cache.tokens[place - 1].label),
            size=size(held),
            heads=label,
        )
        for place, held in zip(places, sizes, strict=True)
    )
    return Curve(label, np.array(places), np.array(sizes, np.float64) / scale, tuple(notes))


def _added(cache: GrowingCache) -> Band | None:
    """The ground of the tokens that follow the text; None where none do."""
    if not cache.added:
        return None
    words = ngettext("{count} token added", "{count} tokens added", cache.added)
    return Band(cache.given + 0.5, len(cache.tokens) + 0.5, words)


def caption(cache: GrowingCache) -> str:
    """Bytes per token, for the text, for what was added; what the cache spares, and what it changes."""
    spec, n = cache.spec, len(cache.tokens)
    sentences = [_each(cache)]
    sentences += [sentence for sentence in (bounded(spec),) if sentence]
    if cache.at_once:
        return " ".join((*sentences, _(AT_ONCE)))
    sentences.append(_("That is the longest text of this model.") if n == spec.max_pos else _spares(n))
    return " ".join((*sentences, *_changes(cache)))


def _each(cache: GrowingCache) -> str:
    """What every token leaves, and what that comes to for the text and for what was added to it."""
    spec, n = cache.spec, len(cache.tokens)
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
        "whole": size(cache.whole),
        "tokens": nouns.tokens(n),
    }
    if not cache.added or not cache.given or kept_in_all(spec, n) < spec.layers * n:
        return _(
            "Every token leaves a key and a value in each of {layers}, {each} in all: {whole} after {tokens}.", **values
        )
    return _(
        "Every token leaves a key and a value in each of {layers}, {each} in all: {whole} after {tokens}, {before} of "
        "them for your text and the rest for the {added} added to it.",
        before=size(cache_bytes(spec, cache.given)),
        added=nouns.tokens(cache.added),
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


def _changes(cache: GrowingCache) -> Sequence[str]:
    """How far the logits over the cache lie from those without it, as a sentence, where there are logits."""
    off = cache.off
    if off is None or cache.gap is None or cache.logits is None:
        return ()
    if cache.gap > _SAME * float(np.abs(cache.logits).max()):
        return (
            _(
                "Computed alone over the cache, {token} gets other logits than without it: they differ by up to {gap}.",
                token=quoted(cache.tokens[cache.pos].label),
                gap=off,
            ),
        )
    return (
        _(
            "Computed alone over the cache, {token} gets the logits that it has without: the same sums in another "
            "order (difference {gap}).",
            token=quoted(cache.tokens[cache.pos].label),
            gap=off,
        ),
    )


def table(cache: GrowingCache) -> Table:
    """The cache after each token, what the same length takes with one key/value head per query head, and for the
    chosen token what the cache changes of its logits."""
    spec, shown = cache.spec, table_rows(len(cache.tokens), cache.pos)
    return Table.of(
        (_("tokens"), (pos + 1 for pos in shown)),
        (_("last token"), (cache.tokens[pos].label for pos in shown)),
        (_("from"), (_("text") if pos < cache.given else _("added") for pos in shown)),
        (_("cache (bytes)"), (cache_bytes(spec, pos + 1) for pos in shown)),
        (_("one key/value head per query head (bytes)"), (cache_bytes(spec, pos + 1, spec.n_heads) for pos in shown)),
        (_("largest difference of the cached logits"), (cache.off if pos == cache.pos else None for pos in shown)),
        note=table_note(len(cache.tokens), shown),
    )


def formula(cache: GrowingCache) -> str:
    """The rule, per token and for the whole; one layer's own arrays against it; logits with the cache and without."""
    spec, n, whole = cache.spec, len(cache.tokens), cache.whole
    lines = [
        *rule(spec),
        ngettext(
            "{count} token: {product} = {bytes}",
            "{count} tokens: {product} = {bytes}",
            n,
            product=_product(spec, n),
            bytes=thousands(whole),
        ),
        _own(cache),
        *((_(AT_ONCE),) if cache.at_once else ()),
    ]
    off = cache.off
    if off is not None:
        lines.append(
            ngettext(
                "position {pos}: largest |logit over the cache − logit without it| of {count} token: {gap}",
                "position {pos}: largest |logit over the cache − logit without it| of {count} tokens: {gap}",
                spec.vocab,
                pos=cache.pos,
                gap=off,
            )
        )
    return "\n".join(lines)


def _product(spec: ModelSpec, n: int) -> str:
    """Bytes per token × tokens; per layer, where layers keep different numbers of them."""
    each = cache_bytes(spec, 1)
    if spec.windows_differ:
        counts = Counter(kept(spec, n, layer) for layer in range(spec.layers))
        sums = " + ".join(f"{layers} × {thousands(tokens)}" for tokens, layers in sorted(counts.items()))
        return f"{thousands(each // spec.layers)} × ({sums})"
    return f"{thousands(each)} × {thousands(kept(spec, n, 0))}"


def _own(cache: GrowingCache) -> str:
    """What the chosen layer's own arrays take, against the rule."""
    spec, held, whole = cache.spec, cache.held, cache.whole
    if spec.windows_differ:
        return own_layer(spec, len(cache.tokens), cache.layer, held)
    return ngettext(
        "layer {layer} holds {held} bytes for this text: × {count} layer = {all}, difference {gap}",
        "layer {layer} holds {held} bytes for this text: × {count} layers = {all}, difference {gap}",
        spec.layers,
        layer=cache.layer,
        held=thousands(held),
        all=thousands(held * spec.layers),
        gap=thousands(abs(held * spec.layers - whole)),
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Bytes of the library's own cache after each token, and how far its logits lie from those of a pass without it; of
    a model that gives no logits, its last vectors."""
    given, called = ("last_hidden_state", "vectors") if spec.head is None else ("logits", "logits")
    return f"""{opening(spec, view)}
from transformers import DynamicCache

cache, held, off = DynamicCache({"config=model.config" if spec.windows else ""}), [], 0.0
with torch.no_grad():
    whole = model(**inputs, use_cache=False).{given}[0]  # [pos, {"d_model" if spec.head is None else "vocab"}]
    for place, token in enumerate(ids):
        step = model(input_ids=torch.tensor([[token]]), past_key_values=cache, use_cache=True)
        held.append(sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers))
        off = max(off, (step.{given}[0, -1] - whole[place]).abs().max().item())
result = held, off
print(held)
print("largest difference between {called} with and without the cache:", off)
"""


PANEL = Panel(
    id="cache",
    stage="output",
    order=8,
    name=N_("Cache"),
    title=N_("What does the model keep while the text goes on?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=requires.cache,
    facts=(facts.WINDOW, facts.CACHE),
)

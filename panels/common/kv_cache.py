"""The cache of keys and values: what it takes by the rule, and what the model's own arrays take."""

from collections.abc import Iterator, Sequence

from anatomy.language import _, ngettext
from anatomy.memory import cache_bytes, kept, number_bytes
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from viz.format import thousands


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The chosen layer's keys and values, to count what this text really takes."""
    return (Want("k", view.layer), Want("v", view.layer))


def own_heads(spec: ModelSpec) -> str:
    """The loaded model's key/value heads, as legends name them."""
    return ngettext("this model: {count} key/value head", "this model: {count} key/value heads", spec.n_kv)


def rule(spec: ModelSpec) -> Iterator[str]:
    """The size of the cache as lines of a formula: in words, for one token, and which tokens are kept."""
    yield _("bytes = 2 (keys and values) × layers × key/value heads × d_head × bytes per number × tokens")
    product = f"2 × {spec.layers} × {spec.n_kv} × {spec.d_head} × {number_bytes(spec.dtype)}"
    yield _("per token: {product} = {bytes}", product=product, bytes=thousands(cache_bytes(spec, 1)))
    yield from _bounds(spec)


def _bounds(spec: ModelSpec) -> Iterator[str]:
    """How many tokens are kept where not all are."""
    for window in dict.fromkeys(window for window in spec.windows if window is not None):
        places = {"count": thousands(window - 1), "window": thousands(window)}
        if spec.window is None:
            yield ngettext(
                "tokens = at most {most} in {count} layer: a window of {window} is a token and those it looks back at",
                "tokens = at most {most} in {count} layers: a window of {window} is a token and those it looks back at",
                spec.windows.count(window),
                most=places["count"],
                window=places["window"],
            )
        else:
            yield _("tokens = at most {count}: a window of {window} is a token and those it looks back at", **places)


def bounded(spec: ModelSpec) -> str:
    """That not all tokens are kept, as a sentence; "" where they are."""
    if spec.window is not None:
        return ngettext(
            "Only the last {count} token is kept: no layer looks farther back.",
            "Only the last {count} tokens are kept: no layer looks farther back.",
            spec.window - 1,
        )
    if not spec.windows:
        return ""
    short = [window for window in spec.windows if window is not None]
    return ngettext(
        "Of {layers} layers {count} has a sliding window and keeps no more than its last tokens ({kept} at most).",
        "Of {layers} layers {count} have a sliding window and keep no more than its last tokens ({kept} at most).",
        len(short),
        layers=spec.layers,
        kept=thousands(max(short) - 1),
    )


def own_layer(spec: ModelSpec, tokens: int, layer: int, held: int) -> str:
    """What one layer holds for a text, against the rule, where layers keep different numbers of tokens. held: bytes."""
    ruled = cache_bytes(spec, 1) // spec.layers * kept(spec, tokens, layer)
    return ngettext(
        "layer {layer} holds {held} bytes for this text, of which it keeps {count} token: by the rule {ruled}, "
        "difference {gap}",
        "layer {layer} holds {held} bytes for this text, of which it keeps {count} tokens: by the rule {ruled}, "
        "difference {gap}",
        kept(spec, tokens, layer),
        layer=layer,
        held=thousands(held),
        ruled=thousands(ruled),
        gap=thousands(abs(held - ruled)),
    )


def held_bytes(trace: Trace, view: Fitted) -> int:
    """Bytes of the chosen layer's own keys and values of the tokens that are kept, in the precision of the model."""
    n = kept(trace.spec, len(trace.tokens), view.layer)
    arrays = (trace[want][:, len(trace.tokens) - n :] for want in needs(trace.spec, view))  # [kv n d_head]
    return sum(array.size for array in arrays) * number_bytes(trace.spec.dtype)

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
    if spec.window is not None:
        yield _(
            "tokens = at most {count}: a window of {window} is a token and those it looks back at",
            count=thousands(spec.window - 1),
            window=thousands(spec.window),
        )


def held_bytes(trace: Trace, view: Fitted) -> int:
    """Bytes of the chosen layer's own keys and values of the tokens that are kept, in the precision of the model."""
    n = kept(trace.spec, len(trace.tokens))
    arrays = (trace[want][:, len(trace.tokens) - n :] for want in needs(trace.spec, view))  # [kv n d_head]
    return sum(array.size for array in arrays) * number_bytes(trace.spec.dtype)

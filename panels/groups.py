"""Which query heads share keys and values (grouped-query attention), and what that saves in the cache."""

from collections.abc import Sequence

import plotly.graph_objects as go

from anatomy.control import Slider
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.snippet import opening
from viz.format import many, number, thousands
from viz.groups import Groups, Sizes, groups

LENGTH = Slider("length", "Length of the text: 2ⁿ tokens, n =", 0, 17, 1, 13)
_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The layer's keys and values, to count what this text really takes."""
    return (Want("k", view.layer), Want("v", view.layer))


def applies(spec: ModelSpec) -> str | None:
    """A cache serves models that go on writing token by token."""
    if not spec.stack().causal:
        return "This model reads the whole text at once, in both directions: it keeps no keys and values for later."
    return None


def cache_bytes(spec: ModelSpec, tokens: int, kv: int) -> int:
    """Keys and values of every layer for so many tokens, with `kv` heads of them (GQA, Ainslie et al. 2023)."""
    return 2 * spec.layers * kv * spec.d_head * _number_bytes(spec) * tokens


def _number_bytes(spec: ModelSpec) -> int:
    if spec.dtype not in _BYTES:
        raise ValueError(f"no size is known for {spec.dtype} numbers: add it to panels/groups.py")
    return _BYTES[spec.dtype]


def _length(view: Fitted) -> int:
    return 2 ** int(view[LENGTH])


def _kinds(spec: ModelSpec) -> list[tuple[str, int]]:
    """What is compared: (label, key/value heads)."""
    own = (f"this model: {many(spec.n_kv, 'key/value head')}", spec.n_kv)
    full = (f"one per query head: {thousands(spec.n_heads)}", spec.n_heads)
    return [own, *([] if spec.n_kv == spec.n_heads else [full]), *([] if spec.n_kv == 1 else [("one for all: 1", 1)])]


def size(count: float) -> str:
    """Bytes in the unit that leaves the fewest digits: 46.1 kB."""
    for unit, scale in _UNITS:
        if count >= scale:
            return f"{number(count / scale)} {unit}"
    return f"{thousands(round(count))} {'byte' if count == 1 else 'bytes'}"


def draw(trace: Trace, view: Fitted) -> go.Figure:
    """The heads in their groups, and the cache at the chosen length."""
    spec, tokens = trace.spec, _length(view)
    kinds = [(label, cache_bytes(spec, tokens, kv)) for label, kv in _kinds(spec)]
    unit, scale = next(((u, s) for u, s in _UNITS if kinds[0][1] >= s), ("bytes", 1.0))
    return groups(
        Groups(
            queries=spec.n_heads,
            kvs=spec.n_kv,
            chosen=view.head,
            bars=[Sizes(label, count / scale, size(count)) for label, count in kinds],
            axis=f"keys and values of {many(tokens, 'token')} ({unit}, {spec.dtype})",
        )
    )


def says(trace: Trace, view: Fitted) -> str:
    """Which heads share, the cache per token and at the chosen length, and the ratio to full multi-head."""
    spec, tokens = trace.spec, _length(view)
    share, own = spec.n_heads // spec.n_kv, cache_bytes(spec, 1, spec.n_kv)
    beyond = (
        f" That is beyond this model's longest text of {many(spec.max_pos, 'token')}." if tokens > spec.max_pos else ""
    )
    at_length = f"{size(cache_bytes(spec, tokens, spec.n_kv))} for {many(tokens, 'token')}"
    if share == 1:
        return (
            f"Every one of the {many(spec.n_heads, 'query head')} has keys and values of its own (multi-head "
            f"attention): the ratio is 1. The cache takes {size(own)} per token, {at_length}.{beyond}"
        )
    group = view.head // share
    return (
        f"{many(spec.n_heads, 'query head')} read {many(spec.n_kv, 'key/value head')}, {share} each: head {view.head} "
        f"shares number {group} with {_others(view.head, share)}. The cache takes {size(own)} per token instead of "
        f"{size(cache_bytes(spec, 1, spec.n_heads))}, 1 / {share} of full multi-head attention: {at_length}.{beyond}"
    )


def _others(head: int, share: int) -> str:
    first = head // share * share
    others = [str(other) for other in range(first, first + share) if other != head]
    return " and ".join([", ".join(others[:-1]), others[-1]]) if len(others) > 1 else others[0]


def table(trace: Trace, view: Fitted) -> Table:
    """Bytes by length, in powers of two, for each kind that is compared."""
    spec = trace.spec
    kinds = _kinds(spec)
    lengths = [2**power for power in range(int(LENGTH.low), int(LENGTH.high) + 1)]
    return Table(
        ("tokens", *(f"{label} (bytes)" for label, _ in kinds)),
        tuple((tokens, *(cache_bytes(spec, tokens, kv) for _, kv in kinds)) for tokens in lengths),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """Bytes per token and at the chosen length; and for this text, against the arrays that the model made."""
    spec, n = trace.spec, len(trace.tokens)
    each = _number_bytes(spec)
    held = (trace[Want("k", view.layer)].size + trace[Want("v", view.layer)].size) * each
    by_rule, tokens = cache_bytes(spec, n, spec.n_kv), _length(view)
    return "\n".join(
        (
            "bytes = 2 (keys and values) × layers × key/value heads × d_head × bytes per number × tokens",
            f"per token: 2 × {spec.layers} × {spec.n_kv} × {spec.d_head} × {each} = "
            f"{thousands(cache_bytes(spec, 1, spec.n_kv))}",
            f"{many(tokens, 'token')}: {thousands(cache_bytes(spec, tokens, spec.n_kv))}; one key/value head per query "
            f"head: {thousands(cache_bytes(spec, tokens, spec.n_heads))}, × {spec.n_heads // spec.n_kv}",
            f"this text, {many(n, 'token')}: {thousands(by_rule)}; layer {view.layer}'s own keys and values take "
            f"{thousands(held)}, × {spec.layers} layers = {thousands(held * spec.layers)}, difference "
            f"{thousands(abs(held * spec.layers - by_rule))}",
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Bytes of the library's own cache per token, and at the chosen length."""
    return f"""{opening(spec, view)}
with torch.no_grad():
    cache = model(**inputs, use_cache=True).past_key_values
per_token = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers) / cache.get_seq_length()
result = per_token * {_length(view)}
print(per_token, result)
"""


PANEL = Panel(
    id="groups",
    stage="attention",
    order=4,
    name="Shared keys",
    title="Which heads share keys and values?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(LENGTH,),
    applies=applies,
    places=("layer", "head"),
)

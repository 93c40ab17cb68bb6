"""Which query heads share keys and values (GQA, Ainslie et al. 2023), and what that saves in the cache."""

from anatomy.control import Slider
from anatomy.language import N_, _, ngettext
from anatomy.memory import cache_bytes, kept
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import requires
from panels.common.kv_cache import held_bytes, needs, own_heads, rule
from panels.common.snippet import opening
from panels.panel import Panel, Table
from viz import nouns
from viz.format import BYTE_UNITS, listed, size, thousands
from viz.groups import Groups, Sizes

LENGTH = Slider("length", N_("Length of the text: 2ⁿ tokens, n ="), 0, 17, 1, 13)


def _length(view: Fitted) -> int:
    return 2 ** int(view[LENGTH])


def _kinds(spec: ModelSpec) -> list[tuple[str, int]]:
    """What is compared: (label, key/value heads)."""
    full = (_("one per query head: {count}", count=thousands(spec.n_heads)), spec.n_heads)
    one = (_("one for all: 1"), 1)
    return [
        (own_heads(spec), spec.n_kv),
        *([] if spec.n_kv == spec.n_heads else [full]),
        *([] if spec.n_kv == 1 else [one]),
    ]


def draw(trace: Trace, view: Fitted) -> Groups:
    """The heads in their groups, and the cache at the chosen length."""
    spec, tokens = trace.spec, _length(view)
    kinds = [(label, cache_bytes(spec, tokens, kv)) for label, kv in _kinds(spec)]
    unit, scale = next(((_(u), s) for u, s in BYTE_UNITS if kinds[0][1] >= s), (_("bytes"), 1.0))
    return Groups(
        queries=spec.n_heads,
        kvs=spec.n_kv,
        chosen=view.head,
        bars=[Sizes(label, count / scale, size(count)) for label, count in kinds],
        axis=ngettext(
            "keys and values of {count} token ({unit}, {precision})",
            "keys and values of {count} tokens ({unit}, {precision})",
            tokens,
            unit=unit,
            precision=spec.dtype,
        ),
    )


def caption(trace: Trace, view: Fitted) -> str:
    """Which heads share, the cache per token and at the chosen length, and the ratio to full multi-head."""
    spec, tokens = trace.spec, _length(view)
    sentences = [_shared(spec, view) if spec.n_heads > spec.n_kv else _apart(spec, tokens)]
    if spec.n_heads > spec.n_kv:
        sentences.append(_spared(spec, tokens))
    if spec.window is not None:
        sentences.append(
            ngettext(
                "Only the last {count} token is kept: no layer looks farther back.",
                "Only the last {count} tokens are kept: no layer looks farther back.",
                spec.window - 1,
            )
        )
    if tokens > spec.max_pos:
        sentences.append(
            ngettext(
                "That is beyond this model's longest text of {count} token.",
                "That is beyond this model's longest text of {count} tokens.",
                spec.max_pos,
            )
        )
    return " ".join(sentences)


def _apart(spec: ModelSpec, tokens: int) -> str:
    """Every query head with keys and values of its own."""
    return _(
        "Every one of the {heads} has keys and values of its own (multi-head attention): the ratio is 1. The cache "
        "takes {each} per token, {whole} for {tokens}.",
        heads=nouns.query_heads(spec.n_heads),
        each=size(cache_bytes(spec, 1)),
        whole=size(cache_bytes(spec, tokens)),
        tokens=nouns.tokens(tokens),
    )


def _shared(spec: ModelSpec, view: Fitted) -> str:
    """Which query heads read the same keys and values as the chosen one."""
    share = spec.n_heads // spec.n_kv
    return _(
        "{queries} read {kvs}, {share} each: head {head} shares number {group} with {others}.",
        queries=nouns.query_heads(spec.n_heads),
        kvs=nouns.kv_heads(spec.n_kv),
        share=share,
        head=view.head,
        group=view.head // share,
        others=_others(view.head, share),
    )


def _spared(spec: ModelSpec, tokens: int) -> str:
    """What sharing saves in the cache."""
    return ngettext(
        "The cache takes {each} per token instead of {full}, 1 / {share} of full multi-head attention: {whole} for "
        "{count} token.",
        "The cache takes {each} per token instead of {full}, 1 / {share} of full multi-head attention: {whole} for "
        "{count} tokens.",
        tokens,
        each=size(cache_bytes(spec, 1)),
        full=size(cache_bytes(spec, 1, spec.n_heads)),
        share=spec.n_heads // spec.n_kv,
        whole=size(cache_bytes(spec, tokens)),
    )


def _others(head: int, share: int) -> str:
    first = head // share * share
    *others, last = [str(other) for other in range(first, first + share) if other != head]
    return _("{heads} and {last}", heads=listed(others), last=last) if others else last


def table(trace: Trace, view: Fitted) -> Table:
    """Bytes by length, in powers of two, for each kind that is compared."""
    spec = trace.spec
    kinds = _kinds(spec)
    lengths = [2**power for power in range(int(LENGTH.low), int(LENGTH.high) + 1)]
    return Table(
        (_("tokens"), *(_("{label} (bytes)", label=label) for label, _kv in kinds)),
        tuple((tokens, *(cache_bytes(spec, tokens, kv) for _label, kv in kinds)) for tokens in lengths),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """Bytes per token and at the chosen length; and for this text, against the arrays that the model made."""
    spec, n, tokens = trace.spec, len(trace.tokens), _length(view)
    at_length = ngettext(
        "{count} token: {bytes}; one key/value head per query head: {full}, × {share}",
        "{count} tokens: {bytes}; one key/value head per query head: {full}, × {share}",
        tokens,
        bytes=thousands(cache_bytes(spec, tokens)),
        full=thousands(cache_bytes(spec, tokens, spec.n_heads)),
        share=spec.n_heads // spec.n_kv,
    )
    held, by_rule = held_bytes(trace, view), cache_bytes(spec, n)
    this_text = ngettext(
        "this text, {count} token: {rule}; layer {layer}'s own keys and values take {held}, × {layers} layers = "
        "{all}, difference {gap}",
        "this text, {count} tokens: {rule}; layer {layer}'s own keys and values take {held}, × {layers} layers = "
        "{all}, difference {gap}",
        n,
        rule=thousands(by_rule),
        layer=view.layer,
        held=thousands(held),
        layers=spec.layers,
        all=thousands(held * spec.layers),
        gap=thousands(abs(held * spec.layers - by_rule)),
    )
    return "\n".join((*rule(spec), at_length, this_text))


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Bytes of the library's own cache per token, and at the chosen length."""
    return f"""{opening(spec, view)}
with torch.no_grad():
    cache = model(**inputs, use_cache=True).past_key_values
per_token = sum((layer.keys.nbytes + layer.values.nbytes) / layer.keys.shape[-2] for layer in cache.layers)
result = per_token * {kept(spec, _length(view))}
print(per_token, result)
"""


PANEL = Panel(
    id="groups",
    stage="attention",
    order=4,
    name=N_("Shared keys"),
    title=N_("Which heads share keys and values?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(LENGTH,),
    applies=requires.cache,
    places=("layer", "head"),
)

"""Which query heads share keys and values (GQA, Ainslie et al. 2023), and what that saves in the cache."""

from dataclasses import dataclass

from anatomy import facts
from anatomy.control import Slider
from anatomy.language import N_, _, ngettext
from anatomy.memory import cache_bytes, kept
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import requires
from panels.common.kv_cache import bounded, held_bytes, needs, own_heads, own_layer, rule
from panels.common.snippet import opening
from panels.panel import Panel, Table
from viz import nouns
from viz.format import BYTE_UNITS, listed, size, thousands
from viz.groups import Groups, Sizes
from viz.marks import Stands

LENGTH = Slider(
    "length",
    N_("Length of the text (tokens)"),
    0,
    17,
    1,
    13,
    powers=True,
    says=N_("The key/value cache is drawn for a text of this length: each step doubles it."),
)


@dataclass(frozen=True)
class Sharing:
    """How the query heads share keys and values, and what a cache of these takes.

    spec         the model's facts
    layer, head  the chosen ones
    length       tokens of the text that the cache is counted for
    count        tokens of this text
    held         bytes of the chosen layer's own keys and values of this text
    """

    spec: ModelSpec
    layer: int
    head: int
    length: int
    count: int
    held: int

    @property
    def share(self) -> int:
        """Query heads per key/value head."""
        return self.spec.n_heads // self.spec.n_kv

    @property
    def whole(self) -> int:
        """Bytes of the cache at the chosen length."""
        return cache_bytes(self.spec, self.length)


def read(trace: Trace, view: Fitted) -> Sharing:
    """The model's heads, and the bytes that this text takes in the chosen layer."""
    length, held = _length(view), held_bytes(trace, view)
    return Sharing(trace.spec, view.layer, view.head, length, len(trace.tokens), held)


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


def draw(sharing: Sharing) -> Groups:
    """The heads in their groups, and the cache at the chosen length."""
    spec = sharing.spec
    kinds = [(label, cache_bytes(spec, sharing.length, kv)) for label, kv in _kinds(spec)]
    unit, scale = next(((_(u), s) for u, s in BYTE_UNITS if sharing.whole >= s), (_("bytes"), 1.0))
    return Groups(
        queries=spec.n_heads,
        kvs=spec.n_kv,
        chosen=sharing.head,
        bars=[Sizes(label, count / scale, size(count)) for label, count in kinds],
        axis=ngettext(
            "keys and values of {count} token ({unit}, {precision})",
            "keys and values of {count} tokens ({unit}, {precision})",
            sharing.length,
            unit=unit,
            precision=spec.dtype,
        ),
        stands=(Stands.each("head", spec.n_heads),),
    )


def caption(sharing: Sharing) -> str:
    """Which heads share, the cache per token and at the chosen length, and the ratio to full multi-head."""
    spec = sharing.spec
    sentences = [_shared(sharing), _spared(sharing)] if sharing.share > 1 else [_apart(sharing)]
    if sharing.length > spec.max_pos:
        sentences.append(
            ngettext(
                "That is beyond this model's longest text of {count} token.",
                "That is beyond this model's longest text of {count} tokens.",
                spec.max_pos,
            )
        )
    sentences += [sentence for sentence in (bounded(spec),) if sentence]
    return " ".join(sentences)


def _apart(sharing: Sharing) -> str:
    """Every query head with keys and values of its own."""
    return _(
        "Every one of the {heads} has keys and values of its own (multi-head attention): the ratio is 1. The cache "
        "takes {each} per token, {whole} for {tokens}.",
        heads=nouns.query_heads(sharing.spec.n_heads),
        each=size(cache_bytes(sharing.spec, 1)),
        whole=size(sharing.whole),
        tokens=nouns.tokens(sharing.length),
    )


def _shared(sharing: Sharing) -> str:
    """Which query heads read the same keys and values as the chosen one."""
    return _(
        "{queries} read {kvs}, {share} each: head {head} shares number {group} with {others}.",
        queries=nouns.query_heads(sharing.spec.n_heads),
        kvs=nouns.kv_heads(sharing.spec.n_kv),
        share=sharing.share,
        head=sharing.head,
        group=sharing.head // sharing.share,
        others=_others(sharing.head, sharing.share),
    )


def _spared(sharing: Sharing) -> str:
    """What sharing saves in the cache."""
    spec = sharing.spec
    return ngettext(
        "The cache takes {each} per token instead of {full}, 1 / {share} of full multi-head attention: {whole} for "
        "{count} token.",
        "The cache takes {each} per token instead of {full}, 1 / {share} of full multi-head attention: {whole} for "
        "{count} tokens.",
        sharing.length,
        each=size(cache_bytes(spec, 1)),
        full=size(cache_bytes(spec, 1, spec.n_heads)),
        share=sharing.share,
        whole=size(sharing.whole),
    )


def _others(head: int, share: int) -> str:
    first = head // share * share
    *others, last = [str(other) for other in range(first, first + share) if other != head]
    return _("{heads} and {last}", heads=listed(others), last=last) if others else last


def table(sharing: Sharing) -> Table:
    """Bytes by length, in powers of two, for each kind that is compared."""
    lengths = [2**power for power in range(int(LENGTH.low), int(LENGTH.high) + 1)]
    return Table.of(
        (_("tokens"), lengths),
        *(
            (_("{label} (bytes)", label=label), [cache_bytes(sharing.spec, tokens, kv) for tokens in lengths])
            for label, kv in _kinds(sharing.spec)
        ),
    )


def formula(sharing: Sharing) -> str:
    """Bytes per token and at the chosen length; and for this text, against the arrays that the model made."""
    spec = sharing.spec
    at_length = ngettext(
        "{count} token: {bytes}; one key/value head per query head: {full}, × {share}",
        "{count} tokens: {bytes}; one key/value head per query head: {full}, × {share}",
        sharing.length,
        bytes=thousands(sharing.whole),
        full=thousands(cache_bytes(spec, sharing.length, spec.n_heads)),
        share=sharing.share,
    )
    return "\n".join((*rule(spec), at_length, _own(sharing)))


def _own(sharing: Sharing) -> str:
    """What this text takes by the rule, against the chosen layer's own arrays."""
    spec = sharing.spec
    if spec.windows_differ:
        return own_layer(spec, sharing.count, sharing.layer, sharing.held)
    every, by_rule = sharing.held * spec.layers, cache_bytes(spec, sharing.count)
    return ngettext(
        "this text, {count} token: {rule}; layer {layer}'s own keys and values take {held}, × {layers} layers = "
        "{all}, difference {gap}",
        "this text, {count} tokens: {rule}; layer {layer}'s own keys and values take {held}, × {layers} layers = "
        "{all}, difference {gap}",
        sharing.count,
        rule=thousands(by_rule),
        layer=sharing.layer,
        held=thousands(sharing.held),
        layers=spec.layers,
        all=thousands(every),
        gap=thousands(abs(every - by_rule)),
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Bytes of the library's own cache per token, and at the chosen length."""
    return f"""{opening(spec, view)}
with torch.no_grad():
    cache = model(**inputs, use_cache=True).past_key_values
each = [(layer.keys.nbytes + layer.values.nbytes) / layer.keys.shape[-2] for layer in cache.layers]
{_program(spec, _length(view))}print(sum(each), result)
"""


def _program(spec: ModelSpec, tokens: int) -> str:
    """The bytes at that length, from those that each layer takes per token."""
    if spec.windows_differ:
        counts = [kept(spec, tokens, layer) for layer in range(spec.layers)]
        return f"""kept = {counts}  # tokens that each layer keeps
result = sum(nbytes * count for nbytes, count in zip(each, kept))
"""
    return f"result = sum(each) * {kept(spec, tokens, 0)}\n"


PANEL = Panel(
    id="groups",
    stage="attention",
    order=4,
    name=N_("Shared keys"),
    title=N_("Which heads share keys and values?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(LENGTH,),
    applies=requires.cache,
    facts=(facts.WINDOW,),
    places=("head",),
)

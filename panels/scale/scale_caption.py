"""The answers in words: what the loaded model costs, and what the largest Llama 3.1 costs."""

import math
from collections.abc import Callable, Sequence

from anatomy import costs
from anatomy.costs import LONG, SHORT
from anatomy.language import _, ngettext
from anatomy.published import DEVICE_BYTES
from anatomy.variant_bytes import stored_otherwise
from panels.scale.compared import Compared
from viz.format import counted, listed, number, percent, size, thousands


def _parts(models: Sequence[Compared]) -> str:
    own, largest = models[0], models[-1]
    return " ".join(
        (
            _(
                "{model} has {count} parameters: {embedding} of them in the embedding, {attention} in attention, {ffn} "
                "in the feed-forward layers.",
                model=own.name,
                count=counted(own.total),
                **{group: percent(own.groups[group] / own.total) for group in ("embedding", "attention", "ffn")},
            ),
            _of_the_output(own),
            _(
                "{model} has {count}, {times} times as many; {embedding} of them are in the embedding and {ffn} in the "
                "feed-forward layers.",
                model=largest.name,
                count=counted(largest.total),
                times=number(largest.total / own.total),
                **{group: percent(largest.groups[group] / largest.total) for group in ("embedding", "ffn")},
            ),
        )
    )


def _of_the_output(own: Compared) -> str:
    """What the output layer adds."""
    if own.given.head is None:
        return _("It has no output layer.")
    if own.groups["output"] == 0:
        return _("Its output layer is the embedding table once more and adds none.")
    return _("Its output layer adds {share}.", share=percent(own.groups["output"] / own.total))


def _weights(models: Sequence[Compared]) -> str:
    own, largest = models[0], models[-1]
    half = costs.weight_bytes(largest.total, "bfloat16")
    return " ".join(
        (
            _(
                "The {count} weights of {model} take {float32} in float32, {bfloat16} in bfloat16 and {four} in 4 "
                "bits.",
                count=counted(own.total),
                model=own.name,
                float32=size(costs.weight_bytes(own.total, "float32")),
                bfloat16=size(costs.weight_bytes(own.total, "bfloat16")),
                four=size(costs.weight_bytes(own.total, "4 bit")),
            ),
            _(
                "Those of {model} take {bfloat16} in bfloat16, at least {devices} devices of {memory} GB; in 4 bits "
                "they take {four}.",
                model=largest.name,
                bfloat16=size(half),
                devices=math.ceil(half / DEVICE_BYTES),
                memory=DEVICE_BYTES // 10**9,
                four=size(costs.weight_bytes(largest.total, "4 bit")),
            ),
            *_altered(own, largest),
        )
    )


def _altered(own: Compared, largest: Compared) -> list[str]:
    """What a file takes that keeps the weights of a variant as they are altered."""
    if own.file is None or largest.file is None:
        return []
    return [
        _(
            "A file that keeps the weights of {model} as altered, {what}, has {size}, {bits} bits for each on average; "
            "for those of {largest}, altered so, {more}.",
            what=listed([one.short for one in own.alterations if stored_otherwise(one)]),
            model=own.name,
            size=size(own.file),
            bits=number(8 * own.file / own.total),
            largest=largest.name,
            more=size(largest.file),
        )
    ]


def _cache(models: Sequence[Compared]) -> str:
    largest = models[-1]
    return " ".join(
        sentence
        for sentence in (
            _own_cache(models[0]),
            _(
                "{model} keeps {each}: {long} for {tokens} tokens, and {times} times that, {full}, if each of its "
                "{heads} query heads had keys and values of its own.",
                model=largest.name,
                each=size(largest.cache(1) or 0),
                long=size(largest.cache(LONG) or 0),
                tokens=thousands(LONG),
                times=largest.given.n_heads // largest.given.n_kv,
                full=size(largest.cache(LONG, full=True) or 0),
                heads=largest.given.n_heads,
            ),
        )
        if sentence
    )


def _own_cache(own: Compared) -> str:
    each, short = own.cache(1), own.cache(SHORT)
    if each is None or short is None:
        return _("{model} reads the whole text at once and keeps no keys and values for later.", model=own.name)
    kept = ngettext(
        "In bfloat16 {model} keeps {each} of keys and values per token: {short} for {count} token.",
        "In bfloat16 {model} keeps {each} of keys and values per token: {short} for {count} tokens.",
        SHORT,
        model=own.name,
        each=size(each),
        short=size(short),
    )
    return f"{kept} {_beyond(own)}".strip()


def _beyond(own: Compared) -> str:
    """That a length is longer than the model's longest text; "" where none is."""
    if own.given.max_pos >= LONG:
        return ""
    return ngettext(
        "Its longest text has {count} token: what is beyond is what the formula says, not what it can read.",
        "Its longest text has {count} tokens: what is beyond is what the formula says, not what it can read.",
        own.given.max_pos,
    )


def _arithmetic(models: Sequence[Compared]) -> str:
    own, largest = models[0], models[-1]
    matrices = 2 * costs.matmul_params(own.given)
    return " ".join(
        sentence
        for sentence in (
            _(
                "For one token {model} computes {matrices} operations in its matrices, {each} per parameter, and "
                "{attention} more to look at {tokens} tokens.",
                model=own.name,
                matrices=counted(matrices),
                each=number(matrices / own.total),
                attention=counted(2 * costs.attention_macs(own.given, SHORT)),
                tokens=thousands(SHORT),
            ),
            _beyond(own),
            ngettext(
                "{model} computes {matrices} in its matrices; looking at {count} token is {share} of its whole.",
                "{model} computes {matrices} in its matrices; looking at {count} tokens is {share} of its whole.",
                LONG,
                model=largest.name,
                matrices=counted(2 * costs.matmul_params(largest.given)),
                share=percent(2 * costs.attention_macs(largest.given, LONG) / costs.arithmetic(largest.given, LONG)),
            ),
        )
        if sentence
    )


SAID: dict[str, Callable[[Sequence[Compared]], str]] = {
    "parts": _parts,
    "weights": _weights,
    "cache": _cache,
    "arithmetic": _arithmetic,
}

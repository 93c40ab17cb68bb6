"""The map: one box per stage, each with something true of this model on this text. The page's navigation, no panel."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from anatomy.language import _, ngettext
from anatomy.measure import leads_from
from anatomy.memory import number_bytes
from anatomy.request import Want
from anatomy.spec import LearnedPositions, ModelSpec, RelativeBias, Rope
from anatomy.stages import STAGES
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import of_stage
from panels.common.names import ffn_name
from viz import nouns
from viz.format import counted, number, percent, quoted, size, thousands
from viz.tokens import cut, rated

_NORMS = {"rms": "RMSNorm", "layer": "LayerNorm"}


@dataclass(frozen=True)
class Box:
    """One stage on the map.

    stage     key of `anatomy.stages.STAGES`, with its number and its title in the reader's language
    line      what this model does here, on this text
    spark     a small line beside it: log10 of the L2 norm of the chosen token's stream; None but for "residual"
    in_block  whether it stands inside the repeated block
    panel     id of the panel that opens, None where the stage has none
    """

    stage: str
    number: int
    title: str
    line: str
    spark: tuple[float, ...] | None
    in_block: bool
    panel: str | None


@dataclass(frozen=True)
class Block:
    """The repeated part: how often, and which norms stand before and after attention and FFN ("" where none)."""

    line: str
    norm_before: str
    norm_after: str


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """What the lines are computed from: lengths through the stack and, where the model has an output head, the lens's
    and the model's own next tokens at the chosen position."""
    answer = ("lens_ids", "next_ids", "next_logp") if spec.head else ()
    return (Want("norm_pre"), Want("norm_post"), *(Want(site, pos=view.pos) for site in answer))


def boxes(trace: Trace, view: Fitted) -> tuple[Box, ...]:
    """A box per stage, in order, each with its line on this text."""
    return tuple(
        Box(
            stage=stage.id,
            number=stage.number,
            title=_(stage.title),
            line=_LINES[stage.id](trace, view),
            spark=_spark(trace, view) if stage.id == "residual" else None,
            in_block=stage.in_block,
            panel=_first_panel(stage.id, trace.spec),
        )
        for stage in STAGES.values()
    )


def bare(spec: ModelSpec) -> tuple[Box, ...]:
    """The boxes of a text without a trace: what each stage is called and which panel it opens; the lines are empty."""
    return tuple(
        Box(stage.id, stage.number, _(stage.title), "", None, stage.in_block, _first_panel(stage.id, spec))
        for stage in STAGES.values()
    )


def block(spec: ModelSpec) -> Block:
    """How often the block is repeated and where its norms stand."""
    norm = _NORMS[spec.norm.kind]
    return Block(
        line=block_line(spec),
        norm_before=norm if spec.norm.place in ("pre", "both") else "",
        norm_after=norm if spec.norm.place in ("post", "both") else "",
    )


def block_line(spec: ModelSpec) -> str:
    """How often the block is repeated: "one block, 30 times"."""
    return (
        _("one block, once")
        if spec.layers == 1
        else ngettext(
            "one block, {count} time",
            "one block, {count} times",
            spec.layers,
        )
    )


def _first_panel(stage: str, spec: ModelSpec) -> str | None:
    """The stage's first panel that applies to the model, or its first, which says why it does not."""
    panels = of_stage(stage)
    fitting = [panel for panel in panels if panel.closed(spec) is None]
    return next((panel.id for panel in (*fitting, *panels)), None)


def _tokens(trace: Trace, view: Fitted) -> str:
    segmentation = cut(trace.text, trace.tokens)
    count = len(trace.tokens)
    if segmentation.per_word is not None:
        return ngettext(
            "{count} token · {share} per word",
            "{count} tokens · {share} per word",
            count,
            share=rated(segmentation.per_word),
        )
    if segmentation.per_character is not None:
        return ngettext(
            "{count} token · {share} per character",
            "{count} tokens · {share} per character",
            count,
            share=rated(segmentation.per_character),
        )
    return nouns.tokens(count)


def _embedding(trace: Trace, view: Fitted) -> str:
    spec = trace.spec
    shape = f"{thousands(len(trace.tokens))} × {thousands(spec.d_model)}"
    if spec.head is None:
        return shape
    if spec.tied:
        return _("{shape}, tied with the output", shape=shape)
    return _("{shape}, apart from the output", shape=shape)


def _position(trace: Trace, view: Fitted) -> str:
    position = trace.spec.position
    if isinstance(position, LearnedPositions):
        return ngettext(
            "learned, {count} row",
            "learned, {count} rows",
            position.rows,
        )
    if isinstance(position, RelativeBias):
        return ngettext(
            "bias by distance, {count} bucket",
            "bias by distance, {count} buckets",
            position.buckets,
        )
    if not isinstance(position, Rope):
        return _("none added, none rotated in")
    theta = thousands(round(position.theta))
    return (
        _("rotary, θ = {theta}, rescaled", theta=theta) if position.scaling else _("rotary, θ = {theta}", theta=theta)
    )


def _attention(trace: Trace, view: Fitted) -> str:
    spec = trace.spec
    if spec.n_kv == spec.n_heads:
        return nouns.heads(spec.n_heads)
    return f"{nouns.query_heads(spec.n_heads)} → {nouns.kv_heads(spec.n_kv)}"


def _ffn(trace: Trace, view: Fitted) -> str:
    return ngettext("{kind}, {count} neuron", "{kind}, {count} neurons", trace.spec.d_ff, kind=ffn_name(trace.spec))


def _residual(trace: Trace, view: Fitted) -> str:
    first, last = trace[Want("norm_pre")][0, view.pos], trace[Want("norm_post")][-1, view.pos]
    return _("norm {first} → {last}, log scale", first=number(float(first), 2), last=number(float(last), 2))


def _stack(trace: Trace, view: Fitted) -> str:
    if trace.spec.head is None:
        return nouns.layers(trace.spec.layers)
    ids = trace[Want("lens_ids", pos=view.pos)]
    return _(
        "{token} leads from layer {layer}",
        token=quoted(trace.following(int(ids[-1, 0]), view.pos)),
        layer=leads_from(ids),
    )


def _output(trace: Trace, view: Fitted) -> str:
    if trace.spec.head is None:
        return _("vectors, no predictions")
    best = trace.following(int(trace[Want("next_ids", pos=view.pos)][0]), view.pos)
    return f"{quoted(best)} {percent(float(np.exp(trace[Want('next_logp', pos=view.pos)][0])))}"


def _scale(trace: Trace, view: Fitted) -> str:
    spec = trace.spec
    count = spec.weights.parameters
    weights = size(count * number_bytes(spec.dtype))
    return _("{count} parameters, {bytes} in {dtype}", count=counted(count), bytes=weights, dtype=spec.dtype)


def _spark(trace: Trace, view: Fitted) -> tuple[float, ...]:
    """log10 of the chosen token's length: entering layer 0, then leaving each layer."""
    lengths = np.concatenate([trace[Want("norm_pre")][:1, view.pos], trace[Want("norm_post")][:, view.pos]])
    return tuple(np.log10(np.maximum(lengths.astype(np.float64), 1e-12)).tolist())


_LINES: dict[str, Callable[[Trace, Fitted], str]] = {
    "tokens": _tokens,
    "embedding": _embedding,
    "position": _position,
    "attention": _attention,
    "ffn": _ffn,
    "residual": _residual,
    "stack": _stack,
    "output": _output,
    "scale": _scale,
}

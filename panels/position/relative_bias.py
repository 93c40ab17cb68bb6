"""What a relative position bias adds to the scores for each distance: one number per head and bucket (T5)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy import facts
from anatomy.language import N_, _, ngettext
from anatomy.relative import Span, buckets, spans
from anatomy.request import Want
from anatomy.rounding import largest_at, smallest_at
from anatomy.spec import LearnedPositions, ModelSpec, RelativeBias, Rope
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.chosen_cell import Factor
from panels.common.snippet import opening
from panels.panel import Panel, Table
from viz.format import number, quoted, rounding, thousands
from viz.grid import Grid
from viz.scale import ceiling

_TABLE = Want("bias_table")


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The model's table, and what the chosen layer adds to the chosen token's scores."""
    return (_TABLE, _own(view))


def _own(view: Fitted) -> Want:
    return Want("pos_bias", view.layer, pos=view.pos)


def applies(spec: ModelSpec) -> str | None:
    """None, or that the model adds nothing to its scores for a distance, and what it does instead."""
    match spec.position:
        case RelativeBias():
            return None
        case Rope():
            return _(
                "This model adds nothing to its scores for a distance: it rotates queries and keys instead (RoPE)."
            )
        case LearnedPositions():
            return _(
                "This model adds nothing to its scores for a distance: it adds a row for each position to the "
                "embedding instead."
            )
    return _("This model adds nothing to its scores for a distance.")


@dataclass(frozen=True)
class Added:
    """What the model adds to its scores for the distance, in logits.

    layer, head      that are chosen
    pos, src         the token that looks and the one looked at: the first where none is chosen
    looking, looked  their labels
    tokens           how many the text has
    factor           on q·k in the chosen layer
    bias             its rule: which distances share a bucket
    spans            the buckets that the text reaches, from the farthest back to the farthest on
    values           the table's number for each of these buckets
    place            which of them holds the chosen cell's distance
    own              what the chosen layer adds to the chosen token's scores
    off              the largest difference of that from the table's numbers for the same distances
    """

    layer: int
    head: int
    pos: int
    src: int
    looking: str
    looked: str
    tokens: int
    factor: Factor
    bias: RelativeBias
    spans: tuple[Span, ...]
    values: Float[np.ndarray, "head bucket"]
    place: int
    own: Float[np.ndarray, "head src"]
    off: float

    @property
    def distance(self) -> int:
        """From the token that looks to the one looked at; negative where that stands before."""
        return self.src - self.pos


def read(trace: Trace, view: Fitted) -> Added:
    """The table's numbers by bucket, and what the chosen layer adds to the chosen token. Raises TypeError for a model
    without a relative position bias."""
    bias, src = _bias(trace.spec), 0 if view.src is None else view.src
    reached, own, stored = spans(len(trace.tokens), bias), trace[_own(view)], trace[_TABLE].T  # stored: [head bucket]
    by_rule = stored[:, buckets(np.arange(len(trace.tokens)) - view.pos, bias)]  # [head src]
    return Added(
        layer=view.layer,
        head=view.head,
        pos=view.pos,
        src=src,
        looking=trace.labels[view.pos],
        looked=trace.labels[src],
        tokens=len(trace.tokens),
        factor=Factor.of(trace.spec, view.layer),
        bias=bias,
        spans=reached,
        values=stored[:, [span.bucket for span in reached]],
        place=next(place for place, span in enumerate(reached) if span.first <= src - view.pos <= span.last),
        own=own,
        off=float(np.abs(own - by_rule).max()),
    )


def _bias(spec: ModelSpec) -> RelativeBias:
    if not isinstance(spec.position, RelativeBias):
        raise TypeError(f"{spec.name} has no relative position bias: ask applies() first")
    return spec.position


def draw(added: Added) -> Grid:
    """A row per head, a column per bucket with its distances; the chosen head at the chosen cell's distance."""
    heads, count = range(len(added.values)), len(added.spans)
    return Grid(
        z=added.values,
        rows=tuple(map(str, heads)),
        cols=tuple(map(_distances, added.spans)),
        row_axis=_("head"),
        col_axis=_("distance (tokens)"),
        unit=_("logit"),
        title=_("Added to the scores, by distance"),
        high=ceiling(float(np.abs(added.values).max())),
        signed=True,
        focus=(added.head, added.place),
        selects="head",
        places=tuple((added.layer, head) for head in heads for _bucket in range(count)),
    )


def _distances(span: Span) -> str:
    """−494 to −91, −1, 0, +1, +8 to +11: below 0 stands what comes before."""
    first, last = (f"+{thousands(end)}" if end > 0 else thousands(end) for end in (span.first, span.last))
    return first if span.first == span.last else _("{first} to {last}", first=first, last=last)


def caption(added: Added) -> str:
    """Which distances the chosen head adds most and least for, how many buckets the text reaches, and that the layers
    share them."""
    return " ".join((_ends(added), _says_buckets(added), _says_shared(added)))


def _ends(added: Added) -> str:
    numbers = added.values[added.head]
    if len(numbers) == 1:
        return _(
            "Head {head} adds {value} to the score of a token for itself; a text of one token has no other distance.",
            head=added.head,
            value=number(float(numbers[0])),
        )
    most, least = largest_at(numbers), smallest_at(numbers)
    return _(
        "Head {head} adds most, {high}, to the score of {where_most}, and least, {low}, to that of {where_least}.",
        head=added.head,
        high=number(float(numbers[most])),
        where_most=_where(added.spans[most]),
        low=number(float(numbers[least])),
        where_least=_where(added.spans[least]),
    )


def _where(span: Span) -> str:
    """The distances of a bucket in words."""
    if span.last == 0:
        return _("the token itself")
    near, far = sorted((abs(span.first), abs(span.last)))
    if near == far:
        if span.last < 0:
            return ngettext("what stands {count} token back", "what stands {count} tokens back", near)
        return ngettext("what comes {count} token on", "what comes {count} tokens on", near)
    ends = {"near": thousands(near), "far": thousands(far)}
    if span.last < 0:
        return _("what stands {near} to {far} tokens back", **ends)
    return _("what comes {near} to {far} tokens on", **ends)


def _says_buckets(added: Added) -> str:
    bias = added.bias
    return ngettext(
        "It has a trained number for each of {buckets} buckets of distances, of which this text of {count} token "
        "reaches {reached}: near distances have one each, farther ones share, and from {farthest} tokens on all are "
        "one.",
        "It has a trained number for each of {buckets} buckets of distances, of which this text of {count} tokens "
        "reaches {reached}: near distances have one each, farther ones share, and from {farthest} tokens on all are "
        "one.",
        added.tokens,
        buckets=bias.buckets,
        reached=len(added.spans),
        farthest=thousands(-spans(bias.max_distance + 2, bias)[0].last),
    )


def _says_shared(added: Added) -> str:
    return _(
        "All layers share them: what layer {layer} adds for {token} are the table's numbers for its distances (largest "
        "difference {off}).",
        layer=added.layer,
        token=quoted(added.looking),
        off=rounding(added.off, added.own),
    )


def table(added: Added) -> Table:
    """One row per bucket that the text reaches, from what stands farthest back to what comes last."""
    heads = ((_("head {head} (logit)", head=head), row) for head, row in enumerate(added.values))
    numbers, firsts, lasts = zip(*added.spans, strict=True)
    return Table.of(
        (_("bucket"), numbers), (_("from distance (tokens)"), firsts), (_("to distance (tokens)"), lasts), *heads
    )


def formula(added: Added) -> str:
    """The score with its bias, the bucket of the chosen cell's distance, and the number that its head has for it."""
    value, own = float(added.values[added.head, added.place]), float(added.own[added.head, added.src])
    cell = _(
        "layer {layer}, head {head}: {looking} → {looked}, distance {src} − {pos} = {distance}",
        layer=added.layer,
        head=added.head,
        looking=quoted(added.looking),
        looked=quoted(added.looked),
        src=added.src,
        pos=added.pos,
        distance=thousands(added.distance),
    )
    factor = _(
        "b = {value}: before softmax divides, it multiplies the weight by e^b = {factor}",
        value=number(value),
        factor=number(math.exp(value)),
    )
    check = _("added by the model: {value}, difference {off}", value=number(own), off=rounding(value - own, own))
    return "\n".join((_score(added.factor), cell, _bucket_line(added.bias, added.distance), factor, check))


def _score(factor: Factor) -> str:
    if factor.value == 1:
        return _("score = q·k + b(head, bucket of the distance)   (not divided by √d)")
    return _("score = {product} + b(head, bucket of the distance)", product=factor.symbols())


def _bucket_line(bias: RelativeBias, distance: int) -> str:
    """The rule of T5 (Raffel et al. 2020, sec. 2.1) with the numbers put in."""
    side = bias.buckets // 2 if bias.bidirectional else bias.buckets
    exact, far = side // 2, abs(distance) if bias.bidirectional else max(-distance, 0)
    offset = side if bias.bidirectional and distance > 0 else 0
    places = {
        "bucket": int(buckets(np.array([distance]), bias)[0]),
        "exact": exact,
        "far": far,
        "shift": f" + {offset}" if offset else "",
    }
    if far < exact:
        return _("bucket {bucket} = {far}{shift}: distances below {exact} have one each", **places)
    return _(
        "bucket {bucket} = {exact} + ⌊ln({far} / {exact}) / ln({longest} / {exact}) · {rest}⌋{shift}, {last} at most",
        **places,
        longest=bias.max_distance,
        rest=side - exact,
        last=side - 1 + offset,
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """What is added at every distance, from the farthest back to the farthest on: [head, distance]."""
    return f"""{opening(spec, view)}
attention = model.base_model.get_submodule("{spec.paths.bias}")
with torch.no_grad():
    added = attention.compute_bias(len(ids), len(ids))[0]  # [head, pos, src]
result = torch.cat([added[:, -1], added[:, 0, 1:]], dim=-1)  # [head, distance]
print(result[{view.head}])
"""


PANEL = Panel(
    id="relative_bias",
    stage="position",
    order=5,
    name=N_("Relative bias"),
    title=N_("What does the distance add to the scores?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
    facts=(facts.SCALE,),
    places=("layer", "head"),
)

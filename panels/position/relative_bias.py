"""What a relative position bias adds to the scores for each distance: one number per head and bucket (T5)."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from anatomy.language import N_, _, ngettext
from anatomy.relative import Span, buckets, spans
from anatomy.request import Want
from anatomy.rounding import largest_at, smallest_at
from anatomy.spec import LearnedPositions, ModelSpec, RelativeBias, Rope
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.attention_row import is_long
from panels.common.snippet import opening
from panels.panel import Panel, Table
from viz.format import number, quoted, rounding, thousands
from viz.grid import Grid
from viz.scale import ceiling

_ADDED = Want("pos_bias", 0)


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """What layer 0 adds to every score, of a long text to those of the rows that hold every distance and of the chosen
    one; and what the chosen layer adds to the chosen token's."""
    if not is_long(view):
        return (_ADDED, _own(view))
    rows = (Want("pos_bias", 0, pos=pos) for pos in (0, view.pos, view.length - 1))
    return tuple(dict.fromkeys((*rows, _own(view))))


def _row(trace: Trace, pos: int) -> Float[np.ndarray, "head src"]:
    """What layer 0 adds to one token's scores."""
    want = Want("pos_bias", 0, pos=pos)
    return trace[_ADDED][:, pos] if _ADDED in trace else trace[want]


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


def _bias(spec: ModelSpec) -> RelativeBias:
    if not isinstance(spec.position, RelativeBias):
        raise TypeError(f"{spec.name} has no relative position bias: ask applies() first")
    return spec.position


def reached(trace: Trace) -> tuple[Span, ...]:
    """The buckets that the text reaches, from the farthest back to the farthest on. Raises TypeError for a model
    without a relative position bias."""
    return spans(len(trace.tokens), _bias(trace.spec))


def by_distance(trace: Trace) -> Float[np.ndarray, "head distance"]:
    """Logits added at each distance −(tokens − 1) … tokens − 1: the last token's row looks back, the first one's on."""
    return np.concatenate([_row(trace, len(trace.tokens) - 1), _row(trace, 0)[:, 1:]], axis=-1)


def by_bucket(trace: Trace) -> Float[np.ndarray, "head bucket"]:
    """Logits added in each of the buckets that the text reaches, in the order of `reached`."""
    start = len(trace.tokens) - 1  # where distance 0 stands
    return by_distance(trace)[:, [start + span.first for span in reached(trace)]]


def _src(view: Fitted) -> int:
    """The token looked at: the first where none is chosen."""
    return 0 if view.src is None else view.src


def _place(trace: Trace, view: Fitted) -> int:
    """Which of the buckets reached holds the chosen cell's distance."""
    distance = _src(view) - view.pos
    return next(place for place, span in enumerate(reached(trace)) if span.first <= distance <= span.last)


def draw(trace: Trace, view: Fitted) -> Grid:
    """A row per head, a column per bucket with its distances; the chosen head at the chosen cell's distance."""
    values, heads = by_bucket(trace), trace.spec.n_heads
    return Grid(
        z=values,
        rows=tuple(map(str, range(heads))),
        cols=tuple(_distances(span) for span in reached(trace)),
        row_axis=_("head"),
        col_axis=_("distance (tokens)"),
        unit=_("logit"),
        title=_("Added to the scores, by distance"),
        high=ceiling(float(np.abs(values).max())),
        signed=True,
        focus=(view.head, _place(trace, view)),
        selects="head",
        places=tuple((view.layer, head) for head in range(heads) for _span in reached(trace)),
    )


def _distances(span: Span) -> str:
    """−494 to −91, −1, 0, +1, +8 to +11: below 0 stands what comes before."""
    first, last = (f"+{thousands(end)}" if end > 0 else thousands(end) for end in (span.first, span.last))
    return first if span.first == span.last else _("{first} to {last}", first=first, last=last)


def caption(trace: Trace, view: Fitted) -> str:
    """Which distances the chosen head adds most and least for, how many buckets the text reaches, and that the layers
    share them."""
    return " ".join((_ends(trace, view), _says_buckets(trace), _says_shared(trace, view)))


def _ends(trace: Trace, view: Fitted) -> str:
    own, distances = by_bucket(trace)[view.head], reached(trace)
    if len(own) == 1:
        return _(
            "Head {head} adds {value} to the score of a token for itself; a text of one token has no other distance.",
            head=view.head,
            value=number(float(own[0])),
        )
    most, least = largest_at(own), smallest_at(own)
    return _(
        "Head {head} adds most, {high}, to the score of {where_most}, and least, {low}, to that of {where_least}.",
        head=view.head,
        high=number(float(own[most])),
        where_most=_where(distances[most]),
        low=number(float(own[least])),
        where_least=_where(distances[least]),
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


def _says_buckets(trace: Trace) -> str:
    bias = _bias(trace.spec)
    return ngettext(
        "It has a trained number for each of {buckets} buckets of distances, of which this text of {count} token "
        "reaches {reached}: near distances have one each, farther ones share, and from {farthest} tokens on all are "
        "one.",
        "It has a trained number for each of {buckets} buckets of distances, of which this text of {count} tokens "
        "reaches {reached}: near distances have one each, farther ones share, and from {farthest} tokens on all are "
        "one.",
        len(trace.tokens),
        buckets=bias.buckets,
        reached=len(reached(trace)),
        farthest=thousands(-spans(bias.max_distance + 2, bias)[0].last),
    )


def _says_shared(trace: Trace, view: Fitted) -> str:
    return _(
        "All layers share them: what layer {layer} adds for {token} is what layer 0 adds (largest difference {off}).",
        layer=view.layer,
        token=quoted(trace.labels[view.pos]),
        off=rounding(float(np.abs(trace[_own(view)] - _row(trace, view.pos)).max()), trace[_own(view)]),
    )


def table(trace: Trace, view: Fitted) -> Table:
    """One row per bucket that the text reaches, from what stands farthest back to what comes last."""
    heads = (_("head {head} (logit)", head=head) for head in range(trace.spec.n_heads))
    return Table(
        (_("bucket"), _("from distance (tokens)"), _("to distance (tokens)"), *heads),
        tuple((*span, *map(float, row)) for span, row in zip(reached(trace), by_bucket(trace).T, strict=True)),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The score with its bias, the bucket of the chosen cell's distance, and the number that its head has for it."""
    src = _src(view)
    bias = float(by_bucket(trace)[view.head, _place(trace, view)])
    own = float(trace[_own(view)][view.head, src])
    cell = _(
        "layer {layer}, head {head}: {looking} → {looked}, distance {src} − {pos} = {distance}",
        layer=view.layer,
        head=view.head,
        looking=quoted(trace.labels[view.pos]),
        looked=quoted(trace.labels[src]),
        src=src,
        pos=view.pos,
        distance=thousands(src - view.pos),
    )
    value = _("b = {value}: before softmax divides, it multiplies the weight by e^b = {factor}", **_factor(bias))
    check = _("added by the model: {value}, difference {off}", value=number(own), off=rounding(bias - own, own))
    return "\n".join((_score(trace.spec), cell, _bucket_line(_bias(trace.spec), src - view.pos), value, check))


def _factor(value: float) -> dict[str, str]:
    return {"value": number(value), "factor": number(math.exp(value))}


def _score(spec: ModelSpec) -> str:
    if spec.scaled:
        return _("score = q·k / √{width} + b(head, bucket of the distance)", width=spec.d_head)
    return _("score = q·k + b(head, bucket of the distance)   (not divided by √d)")


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
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
    places=("layer", "head"),
)

"""What stands in BertViz's neuron view: queries and keys of one layer, and one token's way from q·k to its weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from anatomy.language import _, ngettext
from anatomy.request import Want
from anatomy.rounding import largest_at
from anatomy.spec import ModelSpec, RelativeBias
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.attention_change import of_weights
from panels.common.attention_row import at, wanted
from panels.common.chosen_cell import KEEP, Factor, Scored, biases, group_of, scored
from panels.common.snippet import opening
from panels.common.touched import Touched
from panels.panel import Table
from viz.format import number, percent, quoted, rounding
from viz.heads import Vectors

_MOST_NUMBERS, _LEAST_TOKENS = 120_000, 8  # queries and keys of a page: about 800 kB of text


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The layer's queries and keys; the chosen token's scores, and what is added to these."""
    return (*(Want(site, view.layer) for site in ("q", "k")), wanted(view, "scores"), *biases(spec, view))


def room(spec: ModelSpec) -> int:
    """How many tokens' queries and keys a page holds."""
    return max(_LEAST_TOKENS, _MOST_NUMBERS // ((spec.n_heads + spec.n_kv) * spec.d_head))


@dataclass(frozen=True)
class Asked:
    """What the chosen token asks of the tokens shown in the chosen head, and their queries and keys in every head.

    spec              the model's facts
    layer, head, pos  the chosen ones
    group             key/value head that the chosen head reads
    labels            of the text's tokens
    places            positions of the tokens shown
    q, k              queries and keys of these, after rotation (activation)
    row               q·k and what becomes of it before the mask, for every token of the text, in float64
    scores            the model's own (logit), −∞ where masked, in float64
    weights           the model's own (probability), in float64
    weighed           changes between scores and weights
    """

    spec: ModelSpec
    layer: int
    head: int
    pos: int
    group: int
    labels: tuple[str, ...]
    places: range
    q: Float[np.ndarray, "head place d_head"]
    k: Float[np.ndarray, "kv place d_head"]
    row: Scored
    scores: Float[np.ndarray, " place"]
    weights: Float[np.ndarray, " place"]
    weighed: Touched

    @cached_property
    def best(self) -> int:
        """Index among those shown of the token that gets most."""
        return largest_at(self.weights)

    @property
    def dots(self) -> Float[np.ndarray, " place"]:
        """q·k of those shown."""
        return self.row.dots[self.places.start : self.places.stop]

    @property
    def score(self) -> float:
        """The model's own score of the token that gets most (logit)."""
        return float(self.scores[self.best])

    @property
    def weight(self) -> float:
        """The weight of the token that gets most (probability)."""
        return float(self.weights[self.best])

    @property
    def looking(self) -> str:
        """The chosen token, in quotation marks."""
        return quoted(self.labels[self.pos])

    @property
    def looked(self) -> str:
        """The token that gets most, in quotation marks."""
        return quoted(self.labels[self.places[self.best]])


def read(trace: Trace, view: Fitted, places: range) -> Asked:
    """The chosen token's row, from the model's own q, k, scores and weights. places: positions of the tokens shown."""
    kept = slice(places.start, places.stop)
    q, k = (trace[Want(site, view.layer)][:, kept] for site in ("q", "k"))
    scores, pattern = (at(trace, view, site)[view.head, kept].astype(np.float64) for site in ("scores", "pattern"))
    return Asked(
        spec=trace.spec,
        layer=view.layer,
        head=view.head,
        pos=view.pos,
        group=group_of(trace.spec, view),
        labels=trace.labels,
        places=places,
        q=q,
        k=k,
        row=scored(trace, view),
        scores=scores,
        weights=pattern,
        weighed=of_weights(trace, view),
    )


def vectors(asked: Asked) -> Vectors:
    """The layer's queries and keys of the tokens shown."""
    return Vectors(asked.q[None], asked.k[None], asked.pos - asked.places.start, asked.spec.stack().causal)


def caption(asked: Asked) -> str:
    """The chosen token's strongest answer from q·k to its weight, how to read the view, and whose keys they are."""
    how = ngettext(
        "A row per token: q, k, their {count} product, q·k, and the weight behind the token on the right; point at a "
        "token on the left for its own.",
        "A row per token: q, k, their {count} products, q·k, and the weight behind the token on the right; point at a "
        "token on the left for its own.",
        asked.spec.d_head,
    )
    return " ".join(
        part for part in (_strongest(asked), how, _shared(asked), _differs(asked.spec, asked.row.factor)) if part
    )


def _strongest(asked: Asked) -> str:
    """The token that gets most, among those shown where these are not all."""
    values = {
        "layer": asked.layer,
        "head": asked.head,
        "looking": asked.looking,
        "looked": asked.looked,
        "dot": number(float(asked.dots[asked.best])),
        "score": number(asked.score),
        "weight": percent(asked.weight),
    }
    if len(asked.places) < len(asked.labels):
        return _(
            "In layer {layer}, head {head}, {looking} gives most of what it gives to those shown to {looked}: q·k = "
            "{dot}, the score {score}, the weight {weight}.",
            **values,
        )
    return _(
        "In layer {layer}, head {head}, {looking} gives most to {looked}: q·k = {dot}, the score {score}, the weight "
        "{weight}.",
        **values,
    )


def _shared(asked: Asked) -> str:
    """That keys stand there several times, which the model has once."""
    sharing = asked.spec.n_heads // asked.spec.n_kv
    if sharing == 1:
        return ""
    return _(
        "Query heads {first} to {last} share key/value head {group}: the same keys are shown with each of them.",
        first=asked.group * sharing,
        last=(asked.group + 1) * sharing - 1,
        group=asked.group,
    )


def _differs(spec: ModelSpec, factor: Factor) -> str:
    """Where the colour of q·k is not the model's score."""
    if factor.value == 1:
        return _("BertViz colours q·k after a division by √{width}, which this model leaves out.", width=spec.d_head)
    if not factor.usual:
        return _(
            "BertViz colours q·k after a division by √{width}; this layer multiplies it with {factor} instead.",
            width=spec.d_head,
            factor=number(factor.value),
        )
    if isinstance(spec.position, RelativeBias):
        return _("BertViz colours q·k without the bias that this model adds to it.")
    return ""


def table(asked: Asked) -> Table:
    """What the chosen token asks of each shown, by the chosen head."""
    return Table.of(
        (_("position"), asked.places),
        (_("token"), (asked.labels[place] for place in asked.places)),
        ("q·k", asked.dots),
        (_("score (logit)"), (score if np.isfinite(score) else None for score in asked.scores.tolist())),
        (_("weight (probability)"), asked.weights),
    )


def formula(asked: Asked) -> str:
    """What the colours are, and the chosen token's strongest answer with its numbers."""
    src, row = asked.places[asked.best], asked.row
    scores = row.values
    lines = [
        _(
            "opacity of a component = tanh(|value| / 4), of the box q∙k = tanh(|q·k / √d| / 4); orange above 0, blue "
            "below"
        ),
        _(
            "layer {layer}, head {head}: {looking} → {looked}",
            layer=asked.layer,
            head=asked.head,
            looking=asked.looking,
            looked=asked.looked,
        ),
        f"{row.rule} = {row.written(src)}",
        _(
            "the model's own score: {score}, difference {difference}",
            score=number(asked.score),
            difference=rounding(float(scores[src]) - asked.score, scores),
        ),
        _weight(asked),
    ]
    if row.added is not None:
        lines.insert(3, _("b: what this head adds for the distance between the two"))
    return "\n".join(lines)


def _weight(asked: Asked) -> str:
    """What becomes of the score."""
    if asked.weighed.made:
        return _(
            "the weight, after what is changed in this run ({change}): {weight}",
            change=asked.weighed.says,
            weight=number(asked.weight),
        )
    return _("softmax over the row: {weight}", weight=number(asked.weight))


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The products of the chosen query with every key, their sums, and these as BertViz scales them."""
    return f"""{opening(spec, view)}
# BertViz's own neuron view opens only its copies of BERT, GPT-2, RoBERTa and XLNet: these are the numbers it draws.
{KEEP}
q, k, v, z = kept[{view.layer}]
group = {view.head} // (q.shape[0] // k.shape[0])
products = q[{view.head}, {view.pos}] * k[group]  # [src, d_head]
sums = products.sum(dim=-1, keepdim=True)  # q·k
# of every key: the products, q·k, q·k / √d_head
result = torch.cat([products, sums, sums / {spec.d_head} ** 0.5], dim=-1)
print(result)
"""

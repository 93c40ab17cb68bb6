"""What stands in BertViz's neuron view: queries and keys of one layer, and one token's way from q·k to its weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy.language import _, ngettext
from anatomy.request import Want
from anatomy.rounding import largest_at
from anatomy.spec import ModelSpec, RelativeBias
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.attention_row import at, wanted
from panels.common.chosen_cell import KEEP, Scored, biases, group_of, scored
from panels.common.snippet import opening
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


def vectors(trace: Trace, view: Fitted, kept: slice) -> Vectors:
    """The layer's queries and keys of the tokens shown."""
    q, k = (trace[Want(site, view.layer)][None, :, kept] for site in ("q", "k"))
    return Vectors(q, k, view.pos - kept.start, trace.spec.stack().causal)


@dataclass(frozen=True)
class Asked:
    """The chosen token's row of the chosen head, for the tokens shown, in float64.

    places   their positions
    row      q·k and what becomes of it before the mask, for every token
    scores   the model's own (logit), −∞ where masked
    weights  the model's own (probability)
    """

    places: range
    row: Scored
    scores: Float[np.ndarray, " src"]
    weights: Float[np.ndarray, " src"]

    @property
    def best(self) -> int:
        """Index among those shown of the token that gets most."""
        return largest_at(self.weights)

    @property
    def dots(self) -> Float[np.ndarray, " src"]:
        """q·k of those shown."""
        return self.row.dots[self.places.start : self.places.stop]


def asked(trace: Trace, view: Fitted, kept: slice) -> Asked:
    """The chosen token's row, from the model's own q, k, scores and weights. kept: positions of the tokens shown."""
    scores, pattern = (at(trace, view, site)[view.head, kept].astype(np.float64) for site in ("scores", "pattern"))
    return Asked(range(kept.start, kept.stop), scored(trace, view), scores, pattern)


def caption(trace: Trace, view: Fitted, kept: slice) -> str:
    """The chosen token's strongest answer from q·k to its weight, how to read the view, and whose keys they are."""
    how = ngettext(
        "A row per token: q, k, their {count} product, q·k, and the weight behind the token on the right; point at a "
        "token on the left for its own.",
        "A row per token: q, k, their {count} products, q·k, and the weight behind the token on the right; point at a "
        "token on the left for its own.",
        trace.spec.d_head,
    )
    sentences = (_strongest(trace, view, kept), how, _shared(trace.spec, view), _differs(trace.spec))
    return " ".join(part for part in sentences if part)


def _strongest(trace: Trace, view: Fitted, kept: slice) -> str:
    """The token that gets most, among those shown where these are not all."""
    answers = asked(trace, view, kept)
    values = {
        "layer": view.layer,
        "head": view.head,
        "looking": quoted(trace.tokens[view.pos].label),
        "looked": quoted(trace.tokens[answers.places[answers.best]].label),
        "dot": number(float(answers.dots[answers.best])),
        "score": number(float(answers.scores[answers.best])),
        "weight": percent(float(answers.weights[answers.best])),
    }
    if len(answers.places) < len(trace.tokens):
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


def _shared(spec: ModelSpec, view: Fitted) -> str:
    """That keys stand there several times, which the model has once."""
    sharing = spec.n_heads // spec.n_kv
    if sharing == 1:
        return ""
    group = group_of(spec, view)
    return _(
        "Query heads {first} to {last} share key/value head {group}: the same keys are shown with each of them.",
        first=group * sharing,
        last=(group + 1) * sharing - 1,
        group=group,
    )


def _differs(spec: ModelSpec) -> str:
    """Where the colour of q·k is not the model's score."""
    if not spec.scaled:
        return _("BertViz colours q·k after a division by √{width}, which this model leaves out.", width=spec.d_head)
    if isinstance(spec.position, RelativeBias):
        return _("BertViz colours q·k without the bias that this model adds to it.")
    return ""


def table(trace: Trace, view: Fitted, kept: slice) -> Table:
    """What the chosen token asks of each shown, by the chosen head."""
    answers = asked(trace, view, kept)
    columns = (_("position"), _("token"), "q·k", _("score (logit)"), _("weight (probability)"))
    rows = zip(answers.places, answers.dots.tolist(), answers.scores.tolist(), answers.weights.tolist(), strict=True)
    return Table(
        columns,
        tuple(
            (place, trace.tokens[place].label, dot, score if np.isfinite(score) else None, weight)
            for place, dot, score, weight in rows
        ),
    )


def formula(trace: Trace, view: Fitted, kept: slice) -> str:
    """What the colours are, and the chosen token's strongest answer with its numbers."""
    answers = asked(trace, view, kept)
    src, score = answers.places[answers.best], float(answers.scores[answers.best])
    lines = [
        _(
            "opacity of a component = tanh(|value| / 4), of the box q∙k = tanh(|q·k / √d| / 4); blue above 0, orange "
            "below"
        ),
        _(
            "layer {layer}, head {head}: {looking} → {looked}",
            layer=view.layer,
            head=view.head,
            looking=quoted(trace.tokens[view.pos].label),
            looked=quoted(trace.tokens[src].label),
        ),
        f"{answers.row.rule(trace.spec.d_head)} = {answers.row.written(src)}",
        _(
            "the model's own score: {score}, difference {difference}",
            score=number(score),
            difference=rounding(float(answers.row.values[src]) - score, answers.row.values),
        ),
        _("softmax over the row: {weight}", weight=number(float(answers.weights[answers.best]))),
    ]
    if answers.row.added is not None:
        lines.insert(3, _("b: what this head adds for the distance between the two"))
    return "\n".join(lines)


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

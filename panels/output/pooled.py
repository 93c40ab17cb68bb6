"""What a model without an output layer gives: a vector for each token, and their mean as the vector of the text."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from anatomy.language import N_, _
from anatomy.request import Want
from anatomy.rounding import largest_at, largest_first
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.columns import table_note, table_rows
from panels.common.snippet import LAYERS, opening
from panels.panel import Panel, Table
from viz import nouns
from viz.bars import Bars
from viz.format import cosine, number, quoted, rounding, signed_percent, thousands
from viz.rows import Bar

_MOST = 24  # tokens drawn one by one


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The stream that leaves the last layer."""
    return (Want("resid_post", spec.layers - 1),)


def pooled(trace: Trace) -> Float[np.ndarray, " d_model"]:
    """The mean of the last layer's vectors: Sentence-BERT's pooling (Reimers and Gurevych 2019, sec. 3)."""
    return _vectors(trace).mean(axis=0)


def shares(trace: Trace) -> Float[np.ndarray, " pos"]:
    """What each token adds to the squared length of the mean, as a share of it: x · mean / (n ‖mean‖²). Sum: 1."""
    mean = pooled(trace)
    return _vectors(trace) @ mean / (len(trace.tokens) * (mean @ mean))


def alike(trace: Trace) -> Float[np.ndarray, " pos"]:
    """Cosine of each token's vector with the mean."""
    vectors, mean = _vectors(trace), pooled(trace)
    return vectors @ mean / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(mean))


def _vectors(trace: Trace) -> Float[np.ndarray, "pos d_model"]:
    return trace[Want("resid_post", trace.spec.layers - 1)].astype(np.float64)


def _order(trace: Trace, view: Fitted) -> list[int]:
    """Tokens drawn, those that add most first; the chosen one is always among them."""
    order = largest_first(shares(trace)).tolist()
    drawn = order[:_MOST]
    return drawn if view.pos in drawn else [*drawn[:-1], view.pos]


def draw(trace: Trace, view: Fitted) -> Bars:
    """A bar per token: its share in the text's vector; below, what the tokens that are not drawn add together."""
    share, near, drawn = shares(trace), alike(trace), _order(trace, view)
    bars = [
        Bar(
            trace.tokens[i].label,
            100 * float(share[i]),
            signed_percent(float(share[i])),
            note=_("{share}, cosine {cosine}", share=signed_percent(float(share[i])), cosine=cosine(near[i])),
            accent=i == view.pos,
            focus=i == view.pos,
        )
        for i in drawn
    ]
    rest = np.setdiff1d(np.arange(len(share)), drawn)
    if len(rest):
        others = float(share[rest].sum())
        bars.append(Bar(nouns.other_tokens(len(rest)), 100 * others, signed_percent(others), apart=True))
    return Bars(bars, _("share in the text's vector (%)"), _("token"))


def caption(trace: Trace, view: Fitted) -> str:
    """What comes out, which token decides most of it, and where the chosen one stands."""
    share, near = shares(trace), alike(trace)
    most = largest_at(share)
    return _(
        "No token is predicted: each of the {tokens} comes out as {numbers}, and their mean is the vector of the text, "
        "of length {length}. {most} adds most to it ({share}); {chosen} has a cosine of {cosine} with it.",
        tokens=nouns.tokens(len(trace.tokens)),
        numbers=nouns.numbers(trace.spec.d_model),
        length=number(float(np.linalg.norm(pooled(trace)))),
        most=quoted(trace.tokens[most].label),
        share=signed_percent(float(share[most])),
        chosen=quoted(trace.tokens[view.pos].label),
        cosine=cosine(float(near[view.pos])),
    )


def table(trace: Trace, view: Fitted) -> Table:
    """One row per token: length of its vector, cosine with the mean, share in it."""
    lengths, near, share = np.linalg.norm(_vectors(trace), axis=1), alike(trace), shares(trace)
    shown = table_rows(len(trace.tokens), view.pos)
    return Table(
        (_("position"), _("token"), _("length (L2 norm)"), _("cosine with the mean"), _("share")),
        tuple(
            (pos, trace.tokens[pos].label, float(lengths[pos]), float(near[pos]), float(share[pos])) for pos in shown
        ),
        table_note(len(trace.tokens), shown),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The mean, the chosen token's share in it, and the sum of all shares."""
    vectors, mean = _vectors(trace), pooled(trace)
    own, squared, count = float(vectors[view.pos] @ mean), float(mean @ mean), len(vectors)
    return "\n".join(
        (
            _("mean = (x₁ + … + xₙ) / n, n = {count}", count=thousands(count)),
            _("‖mean‖² = {squared}", squared=number(squared)),
            _(
                "{token}: x · mean / (n ‖mean‖²) = {own} / ({count} · {squared}) = {share}",
                token=quoted(trace.tokens[view.pos].label),
                own=number(own),
                count=thousands(count),
                squared=number(squared),
                share=signed_percent(own / (count * squared)),
            ),
            _("sum of all shares = 1, difference {off}", off=rounding(float(shares(trace).sum()) - 1, 1.0)),
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Each token's share in the mean of the vectors that leave the last layer: [pos]."""
    return f"""{opening(spec, view)}
{LAYERS}
left = []
layers[-1].register_forward_hook(lambda layer, given, out: left.append(out[0] if isinstance(out, tuple) else out))
with torch.no_grad():
    model(**inputs)

vectors = left[0][0].double()  # [pos, d_model]
mean = vectors.mean(dim=0)
result = vectors @ mean / (len(vectors) * mean.dot(mean))  # [pos]
print(result)
"""


def applies(spec: ModelSpec) -> str | None:
    """None, or why this is not what the model gives: it has an output layer."""
    if spec.head is None:
        return None
    return _("This model has an output layer: what it gives is a probability for every token of the vocabulary.")


PANEL = Panel(
    id="pooled",
    stage="output",
    order=9,
    name=N_("Vectors"),
    title=N_("What comes out instead of a prediction?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
)

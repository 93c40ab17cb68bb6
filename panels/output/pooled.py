"""What a model without an output layer gives: a vector for each token, and their mean as the vector of the text."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from anatomy.language import N_, _
from anatomy.request import Want
from anatomy.rounding import largest_at, largest_first
from anatomy.spec import ModelSpec
from anatomy.trace import Token, Trace
from anatomy.view import Fitted
from panels.common.columns import table_note, table_rows
from panels.common.snippet import LAYERS, opening
from panels.panel import Panel, Table
from viz import nouns
from viz.bars import Bars
from viz.format import cosine, number, quoted, rounding, signed_percent, thousands
from viz.marks import Stands
from viz.rows import Bar

_MOST = 24  # tokens drawn one by one


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The stream that leaves the last layer."""
    return (Want("resid_post", spec.layers - 1),)


@dataclass(frozen=True)
class TextVector:
    """The vector of a text, which is the mean of its tokens' last vectors, and what each of them has to do with it.

    pos      the chosen token
    tokens   all of them
    mean     Sentence-BERT's pooling (Reimers and Gurevych 2019, sec. 3), activation
    length   L2 norm of each token's vector x
    product  x · mean of each token
    """

    pos: int
    tokens: tuple[Token, ...]
    mean: Float[np.ndarray, " d_model"]
    length: Float[np.ndarray, " pos"]
    product: Float[np.ndarray, " pos"]

    @cached_property
    def size(self) -> float:
        """‖mean‖."""
        return float(np.linalg.norm(self.mean))

    @cached_property
    def squared(self) -> float:
        """‖mean‖²."""
        return float(self.mean @ self.mean)

    @cached_property
    def share(self) -> Float[np.ndarray, " pos"]:
        """What each token adds to the squared length of the mean, as a share of it: x · mean / (n ‖mean‖²). Sum: 1; all
        0 of a mean that is 0."""
        return self._over(np.full_like(self.product, len(self.tokens) * self.squared))

    @cached_property
    def cosine(self) -> Float[np.ndarray, " pos"]:
        """Cosine of each token's vector with the mean; 0 where one of them is 0."""
        return self._over(self.length * self.size)

    def _over(self, sizes: Float[np.ndarray, " pos"]) -> Float[np.ndarray, " pos"]:
        """x · mean over these, 0 where that is nothing over nothing."""
        return np.divide(self.product, sizes, out=np.zeros_like(self.product), where=sizes > 0)


def read(trace: Trace, view: Fitted) -> TextVector:
    """The mean of the last layer's vectors, and where each of them stands."""
    vectors = trace[Want("resid_post", trace.spec.layers - 1)].astype(np.float64)  # [pos d_model]
    mean = vectors.mean(axis=0)
    return TextVector(view.pos, trace.tokens, mean, np.linalg.norm(vectors, axis=1), vectors @ mean)


def draw(text: TextVector) -> Bars:
    """A bar per token: its share in the text's vector; below, what the tokens that are not drawn add together."""
    drawn = _drawn(text)
    bars = [
        Bar(
            text.tokens[i].label,
            100 * share,
            signed_percent(share),
            note=_("{share}, cosine {cosine}", share=signed_percent(share), cosine=cosine(near)),
            accent=i == text.pos,
            focus=i == text.pos,
        )
        for i, share, near in zip(drawn, text.share[drawn].tolist(), text.cosine[drawn].tolist(), strict=True)
    ]
    rest = np.setdiff1d(np.arange(len(text.share)), drawn)
    if len(rest):
        others = float(text.share[rest].sum())
        bars.append(Bar(nouns.other_tokens(len(rest)), 100 * others, signed_percent(others), apart=True))
    stands = (Stands("pos", tuple(drawn)),)
    return Bars(bars, _("share in the text's vector (%)"), _("token"), stands=stands)


def _drawn(text: TextVector) -> list[int]:
    """Tokens drawn one by one, those that add most first; the chosen one is always among them."""
    drawn = largest_first(text.share)[:_MOST].tolist()
    return drawn if text.pos in drawn else [*drawn[:-1], text.pos]


def caption(text: TextVector) -> str:
    """What comes out, which token decides most of it, and where the chosen one stands."""
    if text.size == 0:
        return _(
            "No token is predicted: each of the {tokens} comes out as {numbers}, and their mean, the vector of the "
            "text, is 0: no token has a share in it.",
            tokens=nouns.tokens(len(text.tokens)),
            numbers=nouns.numbers(len(text.mean)),
        )
    most = largest_at(text.share)
    return _(
        "No token is predicted: each of the {tokens} comes out as {numbers}, and their mean is the vector of the text, "
        "of length {length}. {most} adds most to it ({share}); {chosen} has a cosine of {cosine} with it.",
        tokens=nouns.tokens(len(text.tokens)),
        numbers=nouns.numbers(len(text.mean)),
        length=number(text.size),
        most=quoted(text.tokens[most].label),
        share=signed_percent(float(text.share[most])),
        chosen=quoted(text.tokens[text.pos].label),
        cosine=cosine(float(text.cosine[text.pos])),
    )


def table(text: TextVector) -> Table:
    """One row per token: length of its vector, cosine with the mean, share in it."""
    shown = table_rows(len(text.tokens), text.pos)
    rows = slice(shown.start, shown.stop)
    return Table.of(
        (_("position"), shown),
        (_("token"), (token.label for token in text.tokens[rows])),
        (_("length (L2 norm)"), text.length[rows]),
        (_("cosine with the mean"), text.cosine[rows]),
        (_("share"), text.share[rows]),
        note=table_note(len(text.tokens), shown),
    )


def formula(text: TextVector) -> str:
    """The mean, the chosen token's share in it, and the sum of all shares."""
    count, squared = thousands(len(text.tokens)), number(text.squared)
    mean = _("mean = (x₁ + … + xₙ) / n, n = {count}", count=count), _("‖mean‖² = {squared}", squared=squared)
    if text.size == 0:
        return "\n".join((*mean, _("no token has a share in a vector of length 0")))
    return "\n".join(
        (
            *mean,
            _(
                "{token}: x · mean / (n ‖mean‖²) = {own} / ({count} · {squared}) = {share}",
                token=quoted(text.tokens[text.pos].label),
                own=number(float(text.product[text.pos])),
                count=count,
                squared=squared,
                share=signed_percent(float(text.share[text.pos])),
            ),
            _("sum of all shares = 1, difference {off}", off=rounding(float(text.share.sum()) - 1, 1.0)),
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
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
)

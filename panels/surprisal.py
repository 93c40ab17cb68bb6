"""How surprising each token of the text was to the model that had read those before it; perplexity of the whole."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.language import N_, _
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from anatomy.words import Words, summed
from panels import Panel, Table, joined
from panels.joined import note, words_of
from panels.output import applies as has_head
from panels.shared import WORDS
from panels.snippet import opening
from viz.dots import Level
from viz.format import many, number, percent, quoted, thousands
from viz.upright import Upright, upright

_SURPRISAL = Want("surprisal")


def applies(spec: ModelSpec) -> str | None:
    """None, or why this model's tokens have no surprisal."""
    if spec.head == "masked":
        return _(
            "This model reads the whole text at once, each token with itself in sight: it gives no probability of a "
            "token before it has read it, so there is no surprisal and no perplexity of a text."
        )
    return has_head(spec)


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """−log p of every token."""
    return (_SURPRISAL,)


def surprisals(trace: Trace) -> Float[np.ndarray, " pos"]:
    """In nats; NaN for the first token, which nothing precedes."""
    return trace[_SURPRISAL].astype(np.float64)


@dataclass(frozen=True)
class Read:
    """What is drawn: surprisals of tokens, or of words, which are the sums of their tokens'.

    values  in nats; NaN where nothing is predicted
    """

    words: Words
    labels: tuple[str, ...]
    values: Float[np.ndarray, " word"]
    chosen: int

    @property
    def known(self) -> Float[np.ndarray, " known"]:
        """Those that are numbers."""
        return self.values[~np.isnan(self.values)]

    @property
    def mean(self) -> float:
        """Mean over those that are numbers, in nats; NaN where none is."""
        return float(self.known.mean()) if len(self.known) else math.nan

    def in_part(self, place: int) -> bool:
        """Whether a word has tokens after the first of the text, which has no surprisal."""
        return place == 0 and self.words.ends[0] > 1


def read(trace: Trace, view: Fitted) -> Read:
    """The surprisals that the reader wants to see."""
    words = words_of(trace, view)
    return Read(words, words.labels(trace.tokens), summed(surprisals(trace), words), words.of(view.pos))


def draw(trace: Trace, view: Fitted) -> go.Figure:
    """A bar per token or word, the mean as a line."""
    found = read(trace, view)
    average = found.mean
    return upright(
        Upright(
            values=found.values,
            labels=found.labels,
            notes=tuple(_note(found, place) for place in range(len(found.values))),
            x_axis=_("word") if view[WORDS] else _("token"),
            y_axis=_("surprisal (nats)"),
            focus=found.chosen,
            level=None if math.isnan(average) else Level(average, _("mean {value}", value=number(average))),
        )
    )


def _note(found: Read, place: int) -> str:
    label, value = found.labels[place], float(found.values[place])
    if math.isnan(value):
        return _("{place} {token}: nothing comes before it", place=place, token=label)
    told = {"place": place, "token": label, "share": percent(math.exp(-value)), "value": number(value)}
    if found.in_part(place):
        return _("{place} {token}, after its first token: −log {share} = {value} nats", **told)
    return _("{place} {token}: −log {share} = {value} nats", **told)


def says(trace: Trace, view: Fitted) -> str:
    """The chosen token's probability and surprisal, the most surprising one, the text's perplexity."""
    found = read(trace, view)
    if not len(found.known):
        return _("{token} is all of the text: nothing comes before it, so nothing predicts it.", token=_name(found))
    place = int(np.nanargmax(found.values))
    top = float(found.values[place])
    most = _(
        "The most surprising is {token} at {place}: {share}, {value} nats.",
        token=quoted(found.labels[place]),
        place=place,
        share=percent(math.exp(-top)),
        value=number(top),
    )
    return " ".join(part for part in (_chosen(found), most, _perplexity(found, view), _joined(found, view)) if part)


def _name(found: Read) -> str:
    return quoted(found.labels[found.chosen])


def _chosen(found: Read) -> str:
    value = float(found.values[found.chosen])
    if math.isnan(value):
        return _("{token} is the first token: nothing predicts it.", token=_name(found))
    told = {"token": _name(found), "share": percent(math.exp(-value)), "value": number(value)}
    if found.in_part(found.chosen):
        return _(
            "After its first token was read, which nothing predicts, the rest of {token} had a probability of {share}: "
            "a surprisal of {value} nats.",
            **told,
        )
    return _("Before it was read, {token} had a probability of {share}: a surprisal of {value} nats.", **told)


def _perplexity(found: Read, view: Fitted) -> str:
    mean, perplexity = number(found.mean), number(math.exp(found.mean))
    if view[WORDS]:
        words = many(len(found.known), "word")
        return _(
            "Over {words} the mean is {mean} nats, a perplexity of {perplexity} per word.",
            words=words,
            mean=mean,
            perplexity=perplexity,
        )
    return _(
        "Over {tokens} the mean is {mean} nats, a perplexity of {perplexity}: as uncertain as an even choice among so "
        "many tokens.",
        tokens=many(len(found.known), "token"),
        mean=mean,
        perplexity=perplexity,
    )


def _joined(found: Read, view: Fitted) -> str:
    """How several tokens became one word."""
    if not view[WORDS]:
        return ""
    return note(found.words, _("Tokens of one word are joined: their nats are added, their probabilities multiplied."))


def table(trace: Trace, view: Fitted) -> Table:
    """One row per token or word."""
    found = read(trace, view)
    names = (_("place"), _("word"), _("tokens")) if view[WORDS] else (_("position"), _("token"))
    sizes = [(size,) for size in found.words.sizes.tolist()] if view[WORDS] else [()] * len(found.values)
    rows = zip(found.labels, sizes, found.values.tolist(), strict=True)
    return Table(
        (*names, _("probability"), _("surprisal (nats)"), _("surprisal (bits)")),
        tuple((place, label, *size, *_numbers(value)) for place, (label, size, value) in enumerate(rows)),
    )


def _numbers(value: float) -> tuple[float | None, float | None, float | None]:
    """Probability, nats, bits."""
    return (None, None, None) if math.isnan(value) else (math.exp(-value), value, value / math.log(2))


def formula(trace: Trace, view: Fitted) -> str:
    """Surprisal of the chosen token or word, the mean, the perplexity, and bits per byte."""
    found = read(trace, view)
    lines = [_("surprisal of a token = −log p(token | those before it), in nats"), *_sum_lines(trace, view, found)]
    own = float(found.values[found.chosen])
    if not math.isnan(own):
        lines.append(
            _(
                "{token}: −log {probability} = {nats} nats = {bits} bits",
                token=_name(found),
                probability=number(math.exp(-own)),
                nats=number(own),
                bits=number(own / math.log(2)),
            )
        )
    return "\n".join((*lines, *_mean_lines(trace, found)))


def _sum_lines(trace: Trace, view: Fitted, found: Read) -> list[str]:
    """The chosen word as the sum of its tokens; nothing where tokens are shown."""
    if not view[WORDS]:
        return []
    values = surprisals(trace)
    parts = [f"{quoted(trace.labels[pos])} {number(float(values[pos]))}" for pos in found.words.tokens(found.chosen)]
    total = number(float(found.values[found.chosen]))
    return [
        _("surprisal of a word = the sum over its tokens, that of the first token of the text left out"),
        *([f"{' + '.join(parts)} = {total}"] if len(parts) > 1 else []),
    ]


def _mean_lines(trace: Trace, found: Read) -> list[str]:
    """Mean, perplexity and bits per byte; nothing where nothing is predicted."""
    if math.isnan(found.mean):
        return []
    mean, total = number(found.mean), float(found.known.sum())
    bits, size = total / math.log(2), sum(len(token.bytes) for token in trace.tokens[1:])
    return [
        _("mean = {total} / {count} = {mean}", total=number(total, 4), count=thousands(len(found.known)), mean=mean),
        _("perplexity = e^{mean} = {perplexity}", mean=mean, perplexity=number(math.exp(found.mean))),
        _(
            "bits per byte = {bits} / {bytes} = {rate}, which can be compared between tokenizers",
            bits=number(bits, 4),
            bytes=thousands(size),
            rate=number(bits / size),
        ),
    ]


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The surprisal of every token but the first, or of every word; the perplexity of either."""
    return f"""{opening(spec, view)}
with torch.no_grad():
    logits = model(**inputs).logits[0].double()
logp = torch.log_softmax(logits[:-1], dim=-1)
result = -logp[torch.arange(len(ids) - 1), torch.tensor(ids)[1:]]  # [pos - 1]
{_summed(view)}print(result, "perplexity", result.mean().exp().item())
"""


def _summed(view: Fitted) -> str:
    """Python that adds up the tokens of each word; that of the first token, which has none, counts as 0."""
    if not view[WORDS]:
        return ""
    return f"""{joined.program(view)}
nats = torch.cat([torch.zeros(1), result])  # [pos]: nothing predicts the first token
words = [word for word in words if word.stop > 1]
result = torch.tensor([nats[word].sum().item() for word in words])
"""


PANEL = Panel(
    id="surprisal",
    stage="output",
    order=3,
    name=N_("Surprisal"),
    title=N_("How surprising was each token?"),
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
    controls=(WORDS,),
)

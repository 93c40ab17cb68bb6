"""How surprising each token of the text was to the model that had read those before it; perplexity of the whole."""

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.output import applies as has_head
from panels.snippet import opening
from viz.dots import Level
from viz.format import many, number, percent, quoted, thousands
from viz.upright import Upright, upright

_SURPRISAL = Want("surprisal")


def applies(spec: ModelSpec) -> str | None:
    """None, or why this model's tokens have no surprisal."""
    if spec.head == "masked":
        return (
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


def mean(trace: Trace) -> float:
    """Mean over the tokens that have one, in nats; NaN where none has."""
    known = surprisals(trace)[1:]
    return float(known.mean()) if len(known) else math.nan


def draw(trace: Trace, view: Fitted) -> go.Figure:
    """A bar per token, the mean as a line."""
    values, average = surprisals(trace), mean(trace)
    return upright(
        Upright(
            values=values,
            labels=trace.labels,
            notes=tuple(_note(trace, pos, float(value)) for pos, value in enumerate(values)),
            x_axis="token",
            y_axis="surprisal (nats)",
            focus=view.pos,
            level=None if math.isnan(average) else Level(average, f"mean {number(average)}"),
        )
    )


def _note(trace: Trace, pos: int, value: float) -> str:
    label = trace.tokens[pos].label
    if math.isnan(value):
        return f"{pos} {label}: nothing comes before it"
    return f"{pos} {label}: −log {percent(math.exp(-value))} = {number(value)} nats"


def says(trace: Trace, view: Fitted) -> str:
    """The chosen token's probability and surprisal, the most surprising token, the text's perplexity."""
    values = surprisals(trace)
    name = quoted(trace.tokens[view.pos].label)
    if len(values) == 1:
        return f"{name} is all of the text: nothing comes before it, so nothing predicts it."
    place, average = int(np.nanargmax(values)), mean(trace)
    top, most = float(values[place]), quoted(trace.tokens[place].label)
    return (
        f"{_chosen(name, float(values[view.pos]))} The most surprising is {most} at {place}: "
        f"{percent(math.exp(-top))}, {number(top)} nats. Over {many(len(values) - 1, 'token')} the mean is "
        f"{number(average)} nats, a perplexity of {number(math.exp(average))}: as uncertain as an even choice among so "
        f"many tokens."
    )


def _chosen(name: str, value: float) -> str:
    if math.isnan(value):
        return f"{name} is the first token: nothing predicts it."
    share = percent(math.exp(-value))
    return f"Before it was read, {name} had a probability of {share}: a surprisal of {number(value)} nats."


def table(trace: Trace, view: Fitted) -> Table:
    """One row per token."""
    return Table(
        ("position", "token", "probability", "surprisal (nats)", "surprisal (bits)"),
        tuple(
            (pos, label, None, None, None)
            if math.isnan(value)
            else (pos, label, math.exp(-value), value, value / math.log(2))
            for pos, (label, value) in enumerate(zip(trace.labels, surprisals(trace).tolist(), strict=True))
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """Surprisal of the chosen token, the mean, the perplexity, and bits per byte."""
    values = surprisals(trace)
    own, average = float(values[view.pos]), mean(trace)
    name = quoted(trace.tokens[view.pos].label)
    lines = ["surprisal of a token = −log p(token | those before it), in nats"]
    if not math.isnan(own):
        lines.append(f"{name}: −log {number(math.exp(-own))} = {number(own)} nats = {number(own / math.log(2))} bits")
    if not math.isnan(average):
        total, count = float(values[1:].sum()), len(values) - 1
        size = sum(len(token.bytes) for token in trace.tokens[1:])
        lines += [
            f"mean = {number(total, 4)} / {thousands(count)} = {number(average)}",
            f"perplexity = e^{number(average)} = {number(math.exp(average))}",
            f"bits per byte = {number(total / math.log(2), 4)} / {thousands(size)} = "
            f"{number(total / math.log(2) / size)}, which can be compared between tokenizers",
        ]
    return "\n".join(lines)


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The surprisal of every token but the first; the perplexity from the library's own loss."""
    return f"""{opening(spec, view)}
with torch.no_grad():
    logits = model(**inputs).logits[0].double()
logp = torch.log_softmax(logits[:-1], dim=-1)
result = -logp[torch.arange(len(ids) - 1), torch.tensor(ids[1:])]  # [pos - 1]
print(result, "perplexity", result.mean().exp().item())
"""


PANEL = Panel(
    id="surprisal",
    stage="output",
    order=3,
    name="Surprisal",
    title="How surprising was each token?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
)

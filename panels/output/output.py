"""The model's answer at the chosen token: softmax over the whole vocabulary, with a temperature."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy.language import N_, _, ngettext
from anatomy.measure import entropy, nucleus, softmax
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import requires
from panels.common.shared import TEMPERATURE
from panels.common.snippet import opening
from panels.panel import Panel, Table
from viz.bars import Bars
from viz.format import exact, fixed, number, percent, quoted, thousands
from viz.rows import Bar

SHOWN = 15
_MASS = 0.9


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Every logit at the chosen position; the best ids, for their names."""
    return (Want("logits", pos=view.pos), Want("next_ids", pos=view.pos))


@dataclass(frozen=True)
class Answer:
    """The distribution over the whole vocabulary, and the best tokens: ids and names, best first."""

    logits: Float[np.ndarray, " vocab"]
    probabilities: Float[np.ndarray, " vocab"]
    ids: tuple[int, ...]
    names: tuple[str, ...]

    @property
    def others(self) -> tuple[int, float]:
        """How many tokens are not among the best, and the probability they hold together."""
        shown = self.probabilities[list(self.ids)].sum()
        return len(self.probabilities) - len(self.ids), max(0.0, 1.0 - float(shown))


def answer(trace: Trace, view: Fitted) -> Answer:
    """Softmax of logits / temperature. The temperature moves the probabilities, never the order."""
    logits = trace[Want("logits", pos=view.pos)]
    ids = tuple(trace[Want("next_ids", pos=view.pos)][:SHOWN].tolist())
    return Answer(logits, softmax(logits, view[TEMPERATURE]), ids, tuple(trace.name(token_id) for token_id in ids))


def draw(trace: Trace, view: Fitted) -> Bars:
    """The best tokens, and set apart from them the sum of all others."""
    prediction = answer(trace, view)
    bars = [_bar(prediction, rank) for rank in range(len(prediction.ids))]
    count, rest = prediction.others
    if count:
        bars.append(Bar(_others(count), 100 * rest, percent(rest), apart=True))
    return Bars(bars, _("probability (%)"), low=0.0)


def _bar(prediction: Answer, rank: int) -> Bar:
    token_id = prediction.ids[rank]
    share = percent(float(prediction.probabilities[token_id]))
    note = _(
        "token id {id}, logit {logit}, probability {probability}",
        id=token_id,
        logit=number(float(prediction.logits[token_id])),
        probability=share,
    )
    return Bar(prediction.names[rank], 100 * float(prediction.probabilities[token_id]), share, note, accent=rank == 0)


def _others(count: int) -> str:
    """What the sum of all tokens that are not shown is called."""
    return ngettext("the other {count} token", "all other {count} tokens", count)


def caption(trace: Trace, view: Fitted) -> str:
    """The best token, the entropy, and how many tokens hold most of the probability."""
    prediction = answer(trace, view)
    holding = nucleus(prediction.probabilities, _MASS)
    spread = ngettext(
        "The entropy is {entropy} nats, and {count} token holds {mass} of the probability, out of {all}.",
        "The entropy is {entropy} nats, and {count} tokens hold {mass} of the probability, out of {all}.",
        holding,
        entropy=number(float(entropy(prediction.probabilities))),
        mass=percent(_MASS),
        all=thousands(len(prediction.logits)),
    )
    return f"{_best(trace, view, prediction)} {spread}"


def _best(trace: Trace, view: Fitted, prediction: Answer) -> str:
    """The best token: after the chosen one, or in its place, and at which temperature."""
    values = {
        "here": quoted(trace.tokens[view.pos].label),
        "best": quoted(prediction.names[0]),
        "share": percent(float(prediction.probabilities[prediction.ids[0]])),
    }
    plain = view[TEMPERATURE] == 1
    if not plain:
        values["heat"] = exact(view[TEMPERATURE])
    if trace.spec.head == "causal" and plain:
        return _("After {here} the model gives {best} {share}.", **values)
    if trace.spec.head == "causal":
        return _("After {here} the model gives {best} {share} at temperature {heat}.", **values)
    if plain:
        return _("In the place of {here}, with the whole text in sight, the model gives {best} {share}.", **values)
    return _(
        "In the place of {here}, with the whole text in sight, the model gives {best} {share} at temperature {heat}.",
        **values,
    )


def table(trace: Trace, view: Fitted) -> Table:
    """The best tokens and the sum of all others."""
    prediction = answer(trace, view)
    best = tuple(
        (rank, name, token_id, float(prediction.logits[token_id]), float(prediction.probabilities[token_id]))
        for rank, (token_id, name) in enumerate(zip(prediction.ids, prediction.names, strict=True), start=1)
    )
    count, rest = prediction.others
    last = ((None, _others(count), None, None, rest),) if count else ()
    return Table((_("rank"), _("token"), _("id"), _("logit"), _("probability")), best + last)


def formula(trace: Trace, view: Fitted) -> str:
    """Logit to probability for the two best tokens, with the sum over the vocabulary."""
    prediction = answer(trace, view)
    heat, top = view[TEMPERATURE], float(prediction.logits.max())
    total = float(np.exp((prediction.logits.astype(np.float64) - top) / heat).sum())
    best = [
        f"{quoted(name)}: e^(({number(logit, 4)} − {number(top, 4)}) / {exact(heat)}) / Σ = {number(weight)} / "
        f"{number(total, 4)} = {percent(weight / total)}"
        for name, token_id in list(zip(prediction.names, prediction.ids, strict=True))[:2]
        for logit in (float(prediction.logits[token_id]),)
        for weight in (float(np.exp((logit - top) / heat)),)
    ]
    return "\n".join(
        (
            _("p = e^((logit − largest) / T) / Σ e^((logit − largest) / T)"),
            _(
                "T = {heat}, largest logit = {largest}: taking it off everywhere changes no ratio",
                heat=exact(heat),
                largest=number(top, 4),
            ),
            ngettext(
                "Σ over {count} token = {sum}",
                "Σ over {count} tokens = {sum}",
                len(prediction.logits),
                sum=number(total, 4),
            ),
            *best,
            _("Σ p over the vocabulary = {sum}", sum=fixed(float(prediction.probabilities.sum()), 6)),
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Every token's probability at the chosen position: [vocab]."""
    return f"""{opening(spec, view)}
with torch.no_grad():
    logits = model(**inputs).logits[0, {view.pos}].double()
result = torch.softmax(logits / {view[TEMPERATURE]:g}, dim=-1)  # [vocab]
for token in result.topk({SHOWN}).indices.tolist():
    print(repr(tokenizer.decode([token])), round(result[token].item(), 4))
"""


PANEL = Panel(
    id="output",
    stage="output",
    order=0,
    name=N_("Prediction"),
    title=N_("What does the model predict here?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(TEMPERATURE,),
    applies=requires.output_layer,
    wide=True,
)

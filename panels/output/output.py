"""The model's answer at the chosen token: softmax over the whole vocabulary, with a temperature."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

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
class Prediction:
    """The distribution over the whole vocabulary at the chosen token, and the best tokens, best first.

    token          the chosen token's label
    causal         whether a token is predicted to come after it, not to stand in its place
    temperature    what the logits are divided by: it moves the probabilities, never the order
    logits         the model's own
    probabilities  softmax of logits / temperature
    ids, names     of the best tokens
    """

    token: str
    causal: bool
    temperature: float
    logits: Float[np.ndarray, " vocab"]
    probabilities: Float[np.ndarray, " vocab"]
    ids: tuple[int, ...]
    names: tuple[str, ...]

    @cached_property
    def best(self) -> tuple[tuple[str, int, float, float], ...]:
        """Name, id, logit and probability of each of the best tokens."""
        rows = list(self.ids)
        logits, probabilities = self.logits[rows].tolist(), self.probabilities[rows].tolist()
        return tuple(zip(self.names, self.ids, logits, probabilities, strict=True))

    @cached_property
    def others(self) -> tuple[int, float]:
        """How many tokens are not among the best, and the probability they hold together."""
        shown = self.probabilities[list(self.ids)].sum()
        return len(self.probabilities) - len(self.ids), max(0.0, 1.0 - float(shown))


def read(trace: Trace, view: Fitted) -> Prediction:
    """The model's answer at the chosen token, at the chosen temperature."""
    logits, heat = trace[Want("logits", pos=view.pos)], view[TEMPERATURE]
    ids = tuple(trace[Want("next_ids", pos=view.pos)][:SHOWN].tolist())
    return Prediction(
        token=trace.tokens[view.pos].label,
        causal=trace.spec.head == "causal",
        temperature=heat,
        logits=logits,
        probabilities=softmax(logits, heat),
        ids=ids,
        names=tuple(trace.following(token_id, view.pos) for token_id in ids),
    )


def draw(prediction: Prediction) -> Bars:
    """The best tokens, and set apart from them the sum of all others."""
    bars = [
        Bar(name, 100 * share, percent(share), _note(token_id, logit, share), accent=rank == 0)
        for rank, (name, token_id, logit, share) in enumerate(prediction.best)
    ]
    count, rest = prediction.others
    if count:
        bars.append(Bar(_others(count), 100 * rest, percent(rest), apart=True))
    return Bars(bars, _("probability (%)"), low=0.0)


def _note(token_id: int, logit: float, share: float) -> str:
    """Words for the hover box of one of the best."""
    return _(
        "token id {id}, logit {logit}, probability {probability}",
        id=token_id,
        logit=number(logit),
        probability=percent(share),
    )


def _others(count: int) -> str:
    """What the sum of all tokens that are not shown is called."""
    return ngettext("the other {count} token", "all other {count} tokens", count)


def caption(prediction: Prediction) -> str:
    """The best token, the entropy, and how many tokens hold most of the probability."""
    holding = nucleus(prediction.probabilities, _MASS)
    spread = ngettext(
        "The entropy is {entropy} nats, and {count} token holds {mass} of the probability or more, out of {all}.",
        "The entropy is {entropy} nats, and {count} tokens hold {mass} of the probability or more, out of {all}.",
        holding,
        entropy=number(float(entropy(prediction.probabilities))),
        mass=percent(_MASS),
        all=thousands(len(prediction.logits)),
    )
    return f"{_best(prediction)} {spread}"


def _best(prediction: Prediction) -> str:
    """The best token: after the chosen one, or in its place, and at which temperature."""
    name, _id, _logit, share = prediction.best[0]
    values = {"here": quoted(prediction.token), "best": quoted(name), "share": percent(share)}
    plain = prediction.temperature == 1
    if not plain:
        values["heat"] = exact(prediction.temperature)
    if prediction.causal and plain:
        return _("After {here} the model gives {best} {share}.", **values)
    if prediction.causal:
        return _("After {here} the model gives {best} {share} at temperature {heat}.", **values)
    if plain:
        return _("In the place of {here}, with the whole text in sight, the model gives {best} {share}.", **values)
    return _(
        "In the place of {here}, with the whole text in sight, the model gives {best} {share} at temperature {heat}.",
        **values,
    )


def table(prediction: Prediction) -> Table:
    """The best tokens and the sum of all others."""
    best = tuple(
        (rank, name, token_id, logit, share)
        for rank, (name, token_id, logit, share) in enumerate(prediction.best, start=1)
    )
    count, rest = prediction.others
    last = ((None, _others(count), None, None, rest),) if count else ()
    return Table((_("rank"), _("token"), _("id"), _("logit"), _("probability")), best + last)


def formula(prediction: Prediction) -> str:
    """Logit to probability for the two best tokens, with the sum over the vocabulary."""
    heat, top = prediction.temperature, float(prediction.logits.max())
    total = float(np.exp((prediction.logits.astype(np.float64) - top) / heat).sum())
    best = [
        f"{quoted(name)}: e^(({number(logit, 4)} − {number(top, 4)}) / {exact(heat)}) / Σ = {number(weight)} / "
        f"{number(total, 4)} = {percent(weight / total)}"
        for name, _id, logit, _share in prediction.best[:2]
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
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(TEMPERATURE,),
    applies=requires.output_layer,
    wide=True,
)

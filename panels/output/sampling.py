"""From the model's distribution to the one a token is drawn from: what each sampling step takes away."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float

from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.rounding import largest_few
from anatomy.sampling import Settings, Step, steps
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import requires
from panels.common.sampled import settings
from panels.common.shared import MIN_P, PENALTY, TEMPERATURE, TOP_K, TOP_P
from panels.common.snippet import opening
from panels.panel import Panel, Table
from viz.bars import Bars, Marks
from viz.format import change, exact, listed, number, percent, quoted, thousands
from viz.rows import Bar

SHOWN = 15
_NEARLY_ALL, _NEXT_TO_NOTHING = 0.9999, 1e-6  # of these `percent` prints neither 100 nor 0


def applies(spec: ModelSpec) -> str | None:
    """None, or why nothing is drawn from this model's predictions."""
    if spec.head == "masked":
        return _(
            "This model fills in hidden tokens of a finished text: no next token is drawn, so there is no sampling."
        )
    return requires.output_layer(spec)


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Every logit at the chosen position; the best ids, for their names."""
    return (Want("logits", pos=view.pos), Want("next_ids", pos=view.pos))


@dataclass(frozen=True)
class Sampling:
    """Every step after the chosen token, and the best tokens that can still be drawn after the last, best first.

    token     the chosen token's label
    settings  what the sliders say
    steps     the model's own distribution, then what each step leaves
    ids       of the best tokens
    labels    theirs; None where the engine has no name for a token
    repeated  whether the very best stands in the text so far: in the tokens up to and with the chosen one
    """

    token: str
    settings: Settings
    steps: tuple[Step, ...]
    ids: tuple[int, ...]
    labels: tuple[str | None, ...]
    repeated: bool

    @property
    def names(self) -> tuple[str, ...]:
        """What the best tokens are called: by their labels, one that has none by its id."""
        named = zip(self.ids, self.labels, strict=True)
        return tuple(_("token {id}", id=row) if label is None else label for row, label in named)

    @cached_property
    def own(self) -> Float[np.ndarray, " vocab"]:
        """The model's own probabilities."""
        return self.steps[0].probabilities

    @cached_property
    def left(self) -> Float[np.ndarray, " vocab"]:
        """Probabilities with which tokens are drawn; 0 for those that are removed."""
        return self.steps[-1].probabilities

    @cached_property
    def each(self) -> tuple[Float[np.ndarray, " vocab"], ...]:
        """Probabilities after each of the steps."""
        return (self.own, *(step.probabilities for step in self.steps[1:-1]), self.left)

    @cached_property
    def gone(self) -> Bool[np.ndarray, " vocab"]:
        """Which tokens cannot be drawn."""
        return np.isneginf(self.steps[-1].scores)


def read(trace: Trace, view: Fitted) -> Sampling:
    """The steps at the chosen position. At most SHOWN tokens are named: those before the first one that the engine has
    no name for; that one too where it is the very best."""
    before = [token.id for token in trace.tokens[: view.pos + 1]]
    taken = steps(trace[Want("logits", pos=view.pos)], before, settings(view))
    best = largest_few(taken[-1].scores, min(SHOWN, taken[-1].kept)).tolist()
    named = [row for row in best if row in trace.names or row in before]
    ids = tuple(best[: max(1, next((i for i, row in enumerate(best) if row not in named), len(best)))])
    return Sampling(
        token=trace.tokens[view.pos].label,
        settings=settings(view),
        steps=taken,
        ids=ids,
        labels=tuple(trace.following(row, view.pos) if row in named else None for row in ids),
        repeated=ids[0] in before,
    )


def draw(sampling: Sampling) -> Bars:
    """The tokens that can be drawn, the model's own probabilities as diamonds; then the rest; then what is gone."""
    rows = list(sampling.ids)
    own, left = sampling.own[rows].tolist(), sampling.left[rows].tolist()
    bars = [
        Bar(name, 100 * after, percent(after), _note(row, before, after), accent=True)
        for row, name, before, after in zip(rows, sampling.names, own, left, strict=True)
    ]
    marks = [100 * share for share in own]
    for name, others in _others(sampling):
        if len(others):
            share = float(sampling.left[others].sum())
            bars.append(Bar(name, 100 * share, percent(share), apart=True))
            marks.append(100 * float(sampling.own[others].sum()))
    return Bars(
        bars,
        _("probability (%)"),
        low=0.0,
        high=max(*marks, *(bar.value for bar in bars)),
        names=(_("can be drawn"), _("together")),
        marks=Marks(tuple(marks), _("the model's own")),
    )


def _note(row: int, before: float, after: float) -> str:
    """Words for the hover box of one of the best."""
    return _(
        "token id {id}, the model's own {before}, drawn with {after}",
        id=row,
        before=percent(before),
        after=percent(after),
    )


def _others(sampling: Sampling) -> tuple[tuple[str, np.ndarray], tuple[str, np.ndarray]]:
    """Tokens that can be drawn but have no bar of their own, and those that cannot be drawn."""
    rest = ~sampling.gone
    rest[list(sampling.ids)] = False
    others, removed = np.flatnonzero(rest), np.flatnonzero(sampling.gone)
    return (
        (ngettext("all other: {count} token", "all other: {count} tokens", len(others)), others),
        (ngettext("removed: {count} token", "removed: {count} tokens", len(removed)), removed),
    )


def caption(sampling: Sampling) -> str:
    """How many tokens are left, what they held before, what happened to the best one and to the entropy."""
    start, end, best = sampling.steps[0], sampling.steps[-1], sampling.ids[0]
    left = ngettext(
        "After {here}, {count} token of {all} can be drawn; the model gave it {held}.",
        "After {here}, {count} tokens of {all} can be drawn; the model gave them {held}.",
        end.kept,
        here=quoted(sampling.token),
        all=thousands(len(sampling.own)),
        held=_held(sampling),
    )
    changed = _(
        "{best} {share}; the entropy {entropy}.",
        best=quoted(sampling.names[0]),
        share=change(float(sampling.own[best]), float(sampling.left[best]), percent),
        entropy=change(start.entropy, end.entropy, _nats),
    )
    return " ".join((left, _removals(sampling.steps), changed))


def _held(sampling: Sampling) -> str:
    """What the model gave the tokens that are left: never 100 % where some are gone."""
    share = float(sampling.own[~sampling.gone].sum())
    return percent(min(share, _NEARLY_ALL) if sampling.gone.any() else share)


def _nats(value: float) -> str:
    return _("{number} nats", number=number(value))


def _removals(taken: Sequence[Step]) -> str:
    """What each step takes away, those that take away tokens: those of which too little is left to count, too."""
    cut = [
        _("{step} removes {share}", step=_(step.name), share=percent(max(step.removed, _NEXT_TO_NOTHING)))
        for before, step in pairwise(taken)
        if step.kept < before.kept
    ]
    if not cut:
        return _("No step removes a token.")
    removals = listed(cut)
    return _("{removals} of what reached it.", removals=f"{removals[0].upper()}{removals[1:]}")


def table(sampling: Sampling) -> Table:
    """A row per step, in the order in which transformers' `generate()` takes them."""
    chosen, taken = sampling.settings, sampling.steps
    return Table.of(
        (_("step"), (_(step.name) for step in taken)),
        (_("setting"), (None, chosen.penalty, chosen.temperature, chosen.top_k, chosen.top_p, chosen.min_p)),
        (_("tokens left"), (step.kept for step in taken)),
        (_("probability removed"), (step.removed for step in taken)),
        (_("best token (probability)"), (float(probabilities.max()) for probabilities in sampling.each)),
        (_("entropy (nats)"), (step.entropy for step in taken)),
    )


def formula(sampling: Sampling) -> str:
    """The best token's score through every step, with the numbers; how many tokens each step leaves."""
    best, chosen, name = sampling.ids[0], sampling.settings, quoted(sampling.names[0])
    own, penalized, scaled = (number(float(step.scores[best]), 4) for step in sampling.steps[:3])
    shares = [percent(float(probabilities[best])) for probabilities in sampling.each]
    lines = [
        _("{token}: logit {logit}", token=name, logit=own),
        _penalty(sampling),
        _(
            "temperature: {division} = {scaled}, e^… / Σ = {share}",
            division=f"{penalized} / {exact(chosen.temperature)}",
            scaled=scaled,
            share=shares[2],
        ),
    ]
    cuts = zip(sampling.steps[3:], (chosen.top_k, chosen.top_p, chosen.min_p), shares[3:], strict=True)
    for step, value, share in cuts:
        lines.append(
            ngettext(
                "{step} {value}: {count} token left, {removed} removed; {token} {share}",
                "{step} {value}: {count} tokens left, {removed} removed; {token} {share}",
                step.kept,
                step=_(step.name),
                value=exact(value),
                removed=percent(step.removed),
                token=name,
                share=share,
            )
        )
    return "\n".join(lines)


def _penalty(sampling: Sampling) -> str:
    """What the repetition penalty makes of the best token's logit."""
    penalty = exact(sampling.settings.penalty)
    if not sampling.repeated:
        return _("repetition penalty {penalty}: not in the text, so it keeps its logit", penalty=penalty)
    own, penalized = (float(step.scores[sampling.ids[0]]) for step in sampling.steps[:2])
    change = f"{number(own, 4)} {'×' if own < 0 else '/'} {penalty} = {number(penalized, 4)}"
    return _("repetition penalty {penalty}: {change}", penalty=penalty, change=change)


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The distribution after the library's own logits processors, in the order of `generate()`: [vocab]."""
    chosen = settings(view)
    lines = [
        f"RepetitionPenaltyLogitsProcessor({float(chosen.penalty)!r}),",
        f"TemperatureLogitsWarper({float(chosen.temperature)!r}),",
        *([f"TopKLogitsWarper({chosen.top_k}),"] if chosen.top_k else []),
        *([f"TopPLogitsWarper({chosen.top_p!r}),"] if chosen.top_p < 1 else []),
        f"MinPLogitsWarper({chosen.min_p!r}),",
    ]
    listed = "\n    ".join(lines)
    return f"""{opening(spec, view)}
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

steps = LogitsProcessorList([
    {listed}
])
so_far = inputs["input_ids"][:, : {view.pos} + 1]
with torch.no_grad():
    scores = model(**inputs).logits[:, {view.pos}]
result = torch.softmax(steps(so_far, scores)[0], dim=-1)  # [vocab]
for token in result.topk(min({SHOWN}, len(result))).indices.tolist():
    print(repr(tokenizer.decode([token])), round(result[token].item(), 4))
"""


PANEL = Panel(
    id="sampling",
    stage="output",
    order=2,
    name=N_("Sampling"),
    title=N_("Which tokens can be drawn?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(TEMPERATURE, TOP_K, TOP_P, MIN_P, PENALTY),
    applies=applies,
    wide=True,
)

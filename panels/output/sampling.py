"""From the model's distribution to the one a token is drawn from: what each sampling step takes away."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anatomy.control import Slider
from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.rounding import largest_few
from anatomy.sampling import Settings, Step, steps
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import requires
from panels.common.shared import TEMPERATURE, TOP_K, TOP_P
from panels.common.snippet import opening
from panels.panel import Panel, Table
from viz.bars import Bars, Marks
from viz.format import exact, listed, number, percent, quoted, thousands
from viz.rows import Bar

MIN_P = Slider("minp", N_("Min-p (0: all)"), 0.0, 0.5, 0.01, 0.0)
PENALTY = Slider("penalty", N_("Repetition penalty (1: none)"), 1.0, 2.0, 0.05, 1.0)
SHOWN = 15


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


def settings(view: Fitted) -> Settings:
    """What the sliders say."""
    return Settings(view[PENALTY], view[TEMPERATURE], int(view[TOP_K]), view[TOP_P], view[MIN_P])


@dataclass(frozen=True)
class Drawn:
    """Every step, and the best tokens that can still be drawn after the last: ids and names, best first."""

    steps: tuple[Step, ...]
    ids: tuple[int, ...]
    names: tuple[str, ...]


def drawn(trace: Trace, view: Fitted) -> Drawn:
    """The steps at the chosen position. Tokens up to and with it count as the text so far. At most SHOWN tokens are
    named: those before the first one that the engine has no name for; that one by its id where it is the very best."""
    before = [token.id for token in trace.tokens[: view.pos + 1]]
    taken = steps(trace[Want("logits", pos=view.pos)], before, settings(view))
    best = largest_few(taken[-1].scores, min(SHOWN, taken[-1].kept)).tolist()
    named = [row for row in best if row in trace.names or row in before]
    ids = tuple(best[: max(1, next((i for i, row in enumerate(best) if row not in named), len(best)))])
    return Drawn(taken, ids, tuple(trace.name(row) if row in named else _("token {id}", id=row) for row in ids))


def draw(trace: Trace, view: Fitted) -> Bars:
    """The tokens that can be drawn, the model's own probabilities as diamonds; then the rest; then what is gone."""
    outcome = drawn(trace, view)
    first, last = outcome.steps[0].probabilities, outcome.steps[-1].probabilities
    bars = [
        Bar(
            name,
            100 * float(last[row]),
            percent(float(last[row])),
            _(
                "token id {id}, the model's own {before}, drawn with {after}",
                id=row,
                before=percent(float(first[row])),
                after=percent(float(last[row])),
            ),
            accent=True,
        )
        for row, name in zip(outcome.ids, outcome.names, strict=True)
    ]
    before = [100 * float(first[row]) for row in outcome.ids]
    for name, rows in _others(outcome):
        if len(rows):
            share = float(last[rows].sum())
            bars.append(Bar(name, 100 * share, percent(share), apart=True))
            before.append(100 * float(first[rows].sum()))
    names = (_("can be drawn"), _("together"))
    marks, high = Marks(tuple(before), _("the model's own")), max(*before, *(bar.value for bar in bars))
    return Bars(bars, _("probability (%)"), low=0.0, high=high, names=names, marks=marks)


def _others(outcome: Drawn) -> tuple[tuple[str, np.ndarray], tuple[str, np.ndarray]]:
    """Tokens that can be drawn but have no bar of their own, and those that cannot be drawn."""
    gone = np.isneginf(outcome.steps[-1].scores)
    rest = ~gone
    rest[list(outcome.ids)] = False
    others, removed = np.flatnonzero(rest), np.flatnonzero(gone)
    return (
        (ngettext("all other: {count} token", "all other: {count} tokens", len(others)), others),
        (ngettext("removed: {count} token", "removed: {count} tokens", len(removed)), removed),
    )


def caption(trace: Trace, view: Fitted) -> str:
    """How many tokens are left, what they held before, what happened to the best one and to the entropy."""
    outcome = drawn(trace, view)
    start, end = outcome.steps[0], outcome.steps[-1]
    kept = ~np.isneginf(end.scores)
    held = float(start.probabilities[kept].sum())
    best = outcome.ids[0]
    left = ngettext(
        "After {here}, {count} token of {all} can be drawn; the model gave it {held}.",
        "After {here}, {count} tokens of {all} can be drawn; the model gave them {held}.",
        end.kept,
        here=quoted(trace.tokens[view.pos].label),
        all=thousands(len(kept)),
        held=percent(held),
    )
    changed = _(
        "{best} goes from {before} to {after}, the entropy from {first} to {last} nats.",
        best=quoted(outcome.names[0]),
        before=percent(float(start.probabilities[best])),
        after=percent(float(end.probabilities[best])),
        first=number(start.entropy),
        last=number(end.entropy),
    )
    return " ".join((left, _removals(outcome.steps), changed))


def _removals(taken: Sequence[Step]) -> str:
    """What each step takes away, those that do."""
    cut = [
        _("{step} removes {share}", step=_(step.name), share=percent(step.removed))
        for step in taken
        if step.removed > 0
    ]
    if not cut:
        return _("No step removes a token.")
    removals = listed(cut)
    return _("{removals} of what reached it.", removals=f"{removals[0].upper()}{removals[1:]}")


def table(trace: Trace, view: Fitted) -> Table:
    """A row per step, in the order in which transformers' `generate()` takes them."""
    chosen = settings(view)
    values = (None, chosen.penalty, chosen.temperature, chosen.top_k, chosen.top_p, chosen.min_p)
    steps_taken = drawn(trace, view).steps
    return Table(
        (
            _("step"),
            _("setting"),
            _("tokens left"),
            _("probability removed"),
            _("best token (probability)"),
            _("entropy (nats)"),
        ),
        tuple(
            (_(step.name), value, step.kept, step.removed, float(step.probabilities.max()), step.entropy)
            for step, value in zip(steps_taken, values, strict=True)
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The best token's score through every step, with the numbers; how many tokens each step leaves."""
    outcome = drawn(trace, view)
    best, chosen = outcome.ids[0], settings(view)
    heated, cuts = outcome.steps[2], outcome.steps[3:]
    own, penalized, scaled = (number(float(step.scores[best]), 4) for step in outcome.steps[:3])
    repeated = best in {token.id for token in trace.tokens[: view.pos + 1]}
    lines = [
        _("{token}: logit {logit}", token=quoted(outcome.names[0]), logit=own),
        _penalty(outcome.steps, best, chosen.penalty, repeated),
        _(
            "temperature: {division} = {scaled}, e^… / Σ = {share}",
            division=f"{penalized} / {exact(chosen.temperature)}",
            scaled=scaled,
            share=percent(float(heated.probabilities[best])),
        ),
    ]
    for step, value in zip(cuts, (chosen.top_k, chosen.top_p, chosen.min_p), strict=True):
        lines.append(
            ngettext(
                "{step} {value}: {count} token left, {removed} removed; {token} {share}",
                "{step} {value}: {count} tokens left, {removed} removed; {token} {share}",
                step.kept,
                step=_(step.name),
                value=exact(value),
                removed=percent(step.removed),
                token=quoted(outcome.names[0]),
                share=percent(float(step.probabilities[best])),
            )
        )
    return "\n".join(lines)


def _penalty(taken: Sequence[Step], best: int, penalty: float, repeated: bool) -> str:
    """What the repetition penalty makes of one token's logit."""
    if not repeated:
        return _("repetition penalty {penalty}: not in the text, so it keeps its logit", penalty=exact(penalty))
    own, penalized = (float(step.scores[best]) for step in taken[:2])
    change = f"{number(own, 4)} {'×' if own < 0 else '/'} {exact(penalty)} = {number(penalized, 4)}"
    return _("repetition penalty {penalty}: {change}", penalty=exact(penalty), change=change)


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
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(TEMPERATURE, TOP_K, TOP_P, MIN_P, PENALTY),
    applies=applies,
    wide=True,
)

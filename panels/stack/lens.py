"""What the model would answer if it stopped after each layer: final norm and head on every layer's stream.

The logit lens (nostalgebraist 2020, "interpreting GPT: the logit lens").
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anatomy.language import N_, _, ngettext
from anatomy.measure import leads_from
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import requires
from panels.common.snippet import layer_streams, opening, readout
from panels.panel import Panel, Table
from viz.bars import Bars, Marks
from viz.format import number, percent, quoted
from viz.rows import Bar

_ROW = 16  # pixels of one layer
# What a raw lens can and cannot say.
LIMITS = N_(
    "A raw lens reads every stream with the final norm and head, which were trained for the last one: a small distance "
    "shows that the answer can be read off already, a large one does not show that nothing is known, only that this "
    "reader does not find it."
)


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The best tokens after every layer and their log probabilities, at the chosen position."""
    return (Want("lens_ids", pos=view.pos), Want("lens_logp", pos=view.pos))


@dataclass(frozen=True)
class Step:
    """After one layer: the best token's id and probability; rank (1 first) and probability of the final answer,
    None where it is not among the tokens that the engine names."""

    best: int
    probability: float
    rank: int | None
    answer: float | None


def steps(trace: Trace, view: Fitted) -> tuple[Step, ...]:
    """One per layer. The last one's best token is the model's answer."""
    ids, probabilities = trace[Want("lens_ids", pos=view.pos)], np.exp(trace[Want("lens_logp", pos=view.pos)])
    by_layer = []
    for row, shares in zip(ids, probabilities, strict=True):
        places = np.flatnonzero(row == ids[-1, 0])
        place = int(places[0]) if places.size else None
        known = (None, None) if place is None else (place + 1, float(shares[place]))
        by_layer.append(Step(int(row[0]), float(shares[0]), *known))
    return tuple(by_layer)


def draw(trace: Trace, view: Fitted) -> Bars:
    """Each layer's best token and its probability; beside it the final answer's."""
    by_layer = steps(trace, view)
    answer = by_layer[-1].best
    bars = [
        Bar(
            str(layer),
            100 * step.probability,
            f" {trace.name(step.best)}  {percent(step.probability)}",
            _note(trace, view, layer, step, answer),
            accent=step.best == answer,
            focus=layer == view.layer,
        )
        for layer, step in enumerate(by_layer)
    ]
    name = quoted(trace.name(answer))
    behind = (None if step.answer is None or step.best == answer else 100 * step.answer for step in by_layer)
    marks = Marks(tuple(behind), _("probability of {token} where another leads", token=name))
    return Bars(
        bars,
        _("probability (%)"),
        _("after layer"),
        low=0.0,
        row=_ROW,
        names=(_("{token} leads", token=name), _("another token leads")),
        marks=marks,
    )


def _note(trace: Trace, view: Fitted, layer: int, step: Step, answer: int) -> str:
    """What a bar's hover box says: the layer's best token, and where the final answer stands."""
    values = {"layer": layer, "probability": percent(step.probability), "answer": quoted(trace.name(answer))}
    if step.rank is None or step.answer is None:
        return _(
            "best after layer {layer}, {probability}; {answer} is not among the {count} best",
            count=_named(trace, view),
            **values,
        )
    return _(
        "best after layer {layer}, {probability}; {answer} has rank {rank} ({share})",
        rank=step.rank,
        share=percent(step.answer),
        **values,
    )


def _named(trace: Trace, view: Fitted) -> int:
    """How many of each layer's best tokens the engine names."""
    return trace[Want("lens_ids", pos=view.pos)].shape[-1]


def caption(trace: Trace, view: Fitted) -> str:
    """From which layer the final answer leads, and what the chosen layer would name."""
    by_layer = steps(trace, view)
    start, last = leads_from(trace[Want("lens_ids", pos=view.pos)]), by_layer[-1]
    name, here = quoted(trace.name(last.best)), by_layer[view.layer]
    since = _since(start, len(by_layer), name, percent(last.probability))
    if here.best == last.best:
        own = _("After layer {layer} it has {probability}.", layer=view.layer, probability=percent(here.probability))
        return f"{since} {own}"
    return f"{since} {_elsewhere(trace, view, here, name)}"


def _elsewhere(trace: Trace, view: Fitted, here: Step, answer: str) -> str:
    """What the chosen layer names where that is another token, and where the final answer stands."""
    values = {"layer": view.layer, "token": quoted(trace.name(here.best)), "probability": percent(here.probability)}
    if here.rank is None or here.answer is None:
        return _(
            "After layer {layer} the stream would name {token} ({probability}); {answer} is not among the {count} "
            "best.",
            answer=answer,
            count=_named(trace, view),
            **values,
        )
    return _(
        "After layer {layer} the stream would name {token} ({probability}); {answer} has rank {rank} ({share}).",
        answer=answer,
        rank=here.rank,
        share=percent(here.answer),
        **values,
    )


def _since(start: int, layers: int, name: str, share: str) -> str:
    """From which layer on the final answer leads."""
    if start == 0:
        return _(
            "{token}, the answer with {probability} in the end, is the best token after every layer.",
            token=name,
            probability=share,
        )
    if start == layers - 1:
        return _(
            "{token}, the answer with {probability} in the end, is the best token only after the last layer.",
            token=name,
            probability=share,
        )
    return _(
        "{token}, the answer with {probability} in the end, is the best token from layer {layer} on.",
        token=name,
        probability=share,
        layer=start,
    )


def table(trace: Trace, view: Fitted) -> Table:
    """Per layer: the best token, and the final answer's rank and probability where the engine gives them."""
    answer = quoted(trace.name(steps(trace, view)[-1].best))
    return Table(
        (
            _("layer"),
            _("best token"),
            _("id"),
            _("probability"),
            _("rank of {token}", token=answer),
            _("probability of {token}", token=answer),
        ),
        tuple(
            (layer, trace.name(step.best), step.best, step.probability, step.rank, step.answer)
            for layer, step in enumerate(steps(trace, view))
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """What the lens computes, with the chosen and the last layer's numbers."""
    by_layer = steps(trace, view)
    lines = [over_the_vocabulary(trace.spec, view)]
    for layer in dict.fromkeys((view.layer, len(by_layer) - 1)):
        step = by_layer[layer]
        lines.append(
            _(
                "after layer {layer}: log p({token}) = {logp}   p = {probability}",
                layer=layer,
                token=quoted(trace.name(step.best)),
                logp=number(float(np.log(step.probability))),
                probability=percent(step.probability),
            )
        )
    lines += [_("after the last layer this is the model's own output"), _(LIMITS)]
    return "\n".join(lines)


def over_the_vocabulary(spec: ModelSpec, view: Fitted) -> str:
    """The lens as a line of a formula."""
    return ngettext(
        "p = softmax(head({stream}))   over {count} token, at position {pos}",
        "p = softmax(head({stream}))   over {count} tokens, at position {pos}",
        spec.vocab,
        stream=read_stream(spec),
        pos=view.pos,
    )


def read_stream(spec: ModelSpec) -> str:
    """What the output layer reads, as formulas write it: models that normalize after each sum have no final norm."""
    return _("final norm(stream)") if spec.norm.place == "pre" else _("stream")


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Per layer the probabilities of its best token and of the final answer: [layers, 2]."""
    return f"""{opening(spec, view)}
{layer_streams(view.pos)}    probabilities = {readout(spec)}.softmax(dim=-1)  # [layers, vocab]

answer = probabilities[-1].argmax()
result = torch.stack([probabilities.max(dim=-1).values, probabilities[:, answer]], dim=-1)
for layer, token in enumerate(probabilities.argmax(dim=-1).tolist()):
    print(layer, repr(tokenizer.decode([token])), result[layer].tolist())
"""


PANEL = Panel(
    id="lens",
    stage="stack",
    order=0,
    name=N_("Lens"),
    title=N_("What would each layer answer?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=requires.output_layer,
    places=("layer",),
)

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
from viz.format import number, percent, quoted, spans
from viz.marks import Stands
from viz.rows import Bar

_ROW = 16  # pixels of one layer
# What a raw lens can and cannot say, with a final norm and without one.
LIMITS = N_(
    "A raw lens reads every stream with the final norm and head, which were trained for the last one: a small distance "
    "shows that the answer can be read off already, a large one does not show that nothing is known, only that this "
    "reader does not find it."
)
_OF_THE_HEAD = N_(
    "A raw lens reads every stream with the head, which was trained for the last one: a small distance shows that the "
    "answer can be read off already, a large one does not show that nothing is known, only that this reader does not "
    "find it."
)


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The best tokens after every layer and their log probabilities, at the chosen position."""
    return (Want("lens_ids", pos=view.pos), Want("lens_logp", pos=view.pos))


@dataclass(frozen=True)
class Step:
    """After one layer: the best token's id, label and probability; rank (1 first) and probability of the final answer,
    None where it is not among the tokens that the engine names."""

    best: int
    name: str
    probability: float
    rank: int | None
    answer: float | None


@dataclass(frozen=True)
class Lens:
    """What every layer would answer at the chosen position.

    spec        the model's: what the output layer reads, and how many tokens it knows
    layer, pos  the chosen ones
    steps       one per layer; the last one's best token is the model's answer
    start       the first layer from which on the answer leads
    count       how many of each layer's best tokens the engine names
    """

    spec: ModelSpec
    layer: int
    pos: int
    steps: tuple[Step, ...]
    start: int
    count: int

    @property
    def before(self) -> tuple[int, ...]:
        """Layers after which the answer led already and lost the lead again."""
        return tuple(layer for layer in range(self.start) if self.steps[layer].best == self.last.best)

    @property
    def here(self) -> Step:
        """The chosen layer's."""
        return self.steps[self.layer]

    @property
    def last(self) -> Step:
        """The last layer's: the answer."""
        return self.steps[-1]


def read(trace: Trace, view: Fitted) -> Lens:
    """Each layer's best token, and where the answer stands among those that are named."""
    ids, probabilities = trace[Want("lens_ids", pos=view.pos)], np.exp(trace[Want("lens_logp", pos=view.pos)])
    steps = []
    for row, shares in zip(ids.tolist(), probabilities.tolist(), strict=True):
        place = row.index(ids[-1, 0]) if ids[-1, 0] in row else None
        known = (None, None) if place is None else (place + 1, shares[place])
        steps.append(Step(row[0], trace.following(row[0], view.pos), shares[0], *known))
    return Lens(trace.spec, view.layer, view.pos, tuple(steps), leads_from(ids), ids.shape[-1])


def draw(lens: Lens) -> Bars:
    """Each layer's best token and its probability; beside it the final answer's."""
    bars = [
        Bar(
            str(layer),
            100 * step.probability,
            f" {step.name}  {percent(step.probability)}",
            _note(lens, layer, step),
            accent=step.best == lens.last.best,
            focus=layer == lens.layer,
            what=step.name,
        )
        for layer, step in enumerate(lens.steps)
    ]
    name = quoted(lens.last.name)
    behind = (None if step.answer is None or step.best == lens.last.best else 100 * step.answer for step in lens.steps)
    marks = Marks(tuple(behind), _("probability of {token} where another leads", token=name))
    return Bars(
        bars,
        _("probability (%)"),
        _("after layer"),
        low=0.0,
        row=_ROW,
        names=(_("{token} leads", token=name), _("another token leads")),
        marks=marks,
        ordered=True,
        stands=(Stands.each("layer", len(bars)),),
    )


def _note(lens: Lens, layer: int, step: Step) -> str:
    """What a bar's hover box says: the layer's best token, and where the final answer stands."""
    values = {
        "best": quoted(step.name),
        "layer": layer,
        "probability": percent(step.probability),
        "answer": quoted(lens.last.name),
    }
    if step.rank is None or step.answer is None:
        return _(
            "{best} is best after layer {layer}, {probability}; {answer} is not among the {count} best",
            count=lens.count,
            **values,
        )
    return _(
        "{best} is best after layer {layer}, {probability}; {answer} has rank {rank} ({share})",
        rank=step.rank,
        share=percent(step.answer),
        **values,
    )


def caption(lens: Lens) -> str:
    """From which layer the final answer leads, whether it did before, and what the chosen layer would name."""
    own = _("After layer {layer} it has {probability}.", layer=lens.layer, probability=percent(lens.here.probability))
    here = own if lens.here.best == lens.last.best else _elsewhere(lens)
    return " ".join(filter(None, (_since(lens), _before(lens), here)))


def _since(lens: Lens) -> str:
    """From which layer on the final answer leads."""
    values = {"token": quoted(lens.last.name), "probability": percent(lens.last.probability)}
    if lens.start == 0:
        return _("{token}, the answer with {probability} in the end, is the best token after every layer.", **values)
    if lens.start < len(lens.steps) - 1:
        return _(
            "{token}, the answer with {probability} in the end, is the best token from layer {layer} on.",
            layer=lens.start,
            **values,
        )
    if lens.before:
        return _("{token}, the answer with {probability} in the end, is the best token after the last layer.", **values)
    return _(
        "{token}, the answer with {probability} in the end, is the best token only after the last layer.", **values
    )


def _before(lens: Lens) -> str:
    """Where the final answer led already, and lost the lead again."""
    if not lens.before:
        return ""
    return ngettext(
        "It led earlier too, after layer {layers}, and lost the lead again.",
        "It led earlier too, after {count} layers ({layers}), and lost the lead again.",
        len(lens.before),
        layers=spans(lens.before),
    )


def _elsewhere(lens: Lens) -> str:
    """What the chosen layer names where that is another token, and where the final answer stands."""
    here = lens.here
    values = {
        "layer": lens.layer,
        "token": quoted(here.name),
        "probability": percent(here.probability),
        "answer": quoted(lens.last.name),
    }
    if here.rank is None or here.answer is None:
        return _(
            "After layer {layer} the stream would name {token} ({probability}); {answer} is not among the {count} "
            "best.",
            count=lens.count,
            **values,
        )
    return _(
        "After layer {layer} the stream would name {token} ({probability}); {answer} has rank {rank} ({share}).",
        rank=here.rank,
        share=percent(here.answer),
        **values,
    )


def table(lens: Lens) -> Table:
    """Per layer: the best token, and the final answer's rank and probability where the engine gives them."""
    answer = quoted(lens.last.name)
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
            (layer, step.name, step.best, step.probability, step.rank, step.answer)
            for layer, step in enumerate(lens.steps)
        ),
    )


def formula(lens: Lens) -> str:
    """What the lens computes, with the chosen and the last layer's numbers."""
    cells = (
        _(
            "after layer {layer}: log p({token}) = {logp}   p = {probability}",
            layer=layer,
            token=quoted(lens.steps[layer].name),
            logp=number(float(np.log(lens.steps[layer].probability))),
            probability=percent(lens.steps[layer].probability),
        )
        for layer in dict.fromkeys((lens.layer, len(lens.steps) - 1))
    )
    own = _("after the last layer this is the model's own output")
    return "\n".join((over_the_vocabulary(lens.spec, lens.pos), *cells, own, limits(lens.spec)))


def over_the_vocabulary(spec: ModelSpec, pos: int) -> str:
    """The lens at a position as a line of a formula."""
    return ngettext(
        "p = softmax(head({stream}))   over {count} token, at position {pos}",
        "p = softmax(head({stream}))   over {count} tokens, at position {pos}",
        spec.vocab,
        stream=read_stream(spec),
        pos=pos,
    )


def read_stream(spec: ModelSpec) -> str:
    """What the output layer reads, as formulas write it: models that normalize after each sum have no final norm, and
    a run may leave it out."""
    return _("final norm(stream)") if spec.paths.final_norm else _("stream")


def limits(spec: ModelSpec) -> str:
    """What a raw lens can and cannot say, of a model as it is in a run."""
    return _(LIMITS) if spec.paths.final_norm else _(_OF_THE_HEAD)


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
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=requires.output_layer,
    places=("layer",),
)

"""What the model would answer if it stopped after each layer: final norm and head on every layer's stream.

The logit lens (nostalgebraist 2020, "interpreting GPT: the logit lens").
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Int

from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.output import applies
from panels.snippet import LAYERS, opening, paths
from viz.bars import Bar, Marks, ranked
from viz.format import number, percent, quoted

_ROW = 16  # pixels of one layer


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The best tokens after every layer, at the chosen position."""
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
    found = []
    for row, shares in zip(ids, probabilities, strict=True):
        places = np.flatnonzero(row == ids[-1, 0])
        place = int(places[0]) if places.size else None
        known = (None, None) if place is None else (place + 1, float(shares[place]))
        found.append(Step(int(row[0]), float(shares[0]), *known))
    return tuple(found)


def leads_from(ids: Int[np.ndarray, "layer k"]) -> int:
    """The first layer from which on the final answer is the best token."""
    others = np.flatnonzero(ids[:, 0] != ids[-1, 0])
    return int(others[-1]) + 1 if others.size else 0


def draw(trace: Trace, view: Fitted) -> go.Figure:
    """Each layer's best token and its probability; beside it the final answer's."""
    found = steps(trace, view)
    answer = found[-1].best
    bars = [
        Bar(
            str(layer),
            100 * step.probability,
            f" {trace.name(step.best)}  {percent(step.probability)}",
            f"best after layer {layer}, {percent(step.probability)}; {_standing(trace, view, step, answer)}",
            accent=step.best == answer,
            focus=layer == view.layer,
        )
        for layer, step in enumerate(found)
    ]
    name = quoted(trace.name(answer))
    behind = (None if step.answer is None or step.best == answer else 100 * step.answer for step in found)
    marks = Marks(tuple(behind), f"probability of {name} where another leads")
    return ranked(
        bars,
        "probability (%)",
        "after layer",
        low=0.0,
        row=_ROW,
        names=(f"{name} leads", "another token leads"),
        marks=marks,
    )


def _standing(trace: Trace, view: Fitted, step: Step, answer: int) -> str:
    """Where the final answer stands after one layer."""
    name = quoted(trace.name(answer))
    if step.rank is None or step.answer is None:
        return f"{name} is not among the {trace[Want('lens_ids', pos=view.pos)].shape[-1]} best"
    return f"{name} has rank {step.rank} ({percent(step.answer)})"


def says(trace: Trace, view: Fitted) -> str:
    """From which layer the final answer leads, and what the chosen layer would name."""
    found = steps(trace, view)
    start, last = leads_from(trace[Want("lens_ids", pos=view.pos)]), found[-1]
    name, here = quoted(trace.name(last.best)), found[view.layer]
    told = (
        f"{name}, the answer with {percent(last.probability)} in the end, is the best token "
        f"{_since(start, len(found))}."
    )
    if here.best == last.best:
        return f"{told} After layer {view.layer} it has {percent(here.probability)}."
    return (
        f"{told} After layer {view.layer} the stream would name {quoted(trace.name(here.best))} "
        f"({percent(here.probability)}); {_standing(trace, view, here, last.best)}."
    )


def _since(start: int, layers: int) -> str:
    if start == 0:
        return "after every layer"
    return "only after the last layer" if start == layers - 1 else f"from layer {start} on"


def table(trace: Trace, view: Fitted) -> Table:
    """Per layer: the best token, and the final answer's rank and probability where the engine gives them."""
    answer = quoted(trace.name(steps(trace, view)[-1].best))
    return Table(
        ("layer", "best token", "id", "probability", f"rank of {answer}", f"probability of {answer}"),
        tuple(
            (layer, trace.name(step.best), step.best, step.probability, step.rank, step.answer)
            for layer, step in enumerate(steps(trace, view))
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """What the lens computes, with the chosen and the last layer's numbers."""
    found = steps(trace, view)
    norm = "final norm(stream)" if trace.spec.norm.place == "pre" else "stream"
    lines = [f"p = softmax(head({norm}))   over {trace.spec.vocab:,} tokens, at position {view.pos}"]
    for layer in dict.fromkeys((view.layer, len(found) - 1)):
        step = found[layer]
        logp = number(float(np.log(step.probability)))
        lines.append(
            f"after layer {layer}: log p({quoted(trace.name(step.best))}) = {logp}   p = {percent(step.probability)}"
        )
    lines.append("after the last layer this is the model's own output")
    return "\n".join(lines)


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Per layer: probability of the best token, probability of the final answer."""
    return f"""{opening(spec, view)}
{LAYERS}
streams = []
for layer in layers:
    layer.register_forward_hook(lambda layer, given, out: streams.append(out[0] if isinstance(out, tuple) else out))
with torch.no_grad():
    model(**inputs)
    stream = torch.stack([stream[0, {view.pos}] for stream in streams])  # [layers, d_model]
    probabilities = {paths(spec).readout}.softmax(dim=-1)  # [layers, vocab]

answer = probabilities[-1].argmax()
result = torch.stack([probabilities.max(dim=-1).values, probabilities[:, answer]], dim=-1)
for layer, token in enumerate(probabilities.argmax(dim=-1).tolist()):
    print(layer, repr(tokenizer.decode([token])), result[layer].tolist())
"""


PANEL = Panel(
    id="lens",
    stage="stack",
    order=0,
    name="Lens",
    title="What would each layer answer?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
    places=("layer",),
)

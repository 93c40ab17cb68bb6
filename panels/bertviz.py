"""BertViz's own head view and model view (Vig 2019) of this run."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from anatomy.control import Choice
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.heads_snippet import PATTERNS
from panels.snippet import opening
from viz.format import many, number, percent, quoted, thousands
from viz.heads import Heads, missing

VIEW = Choice("bertviz", "View", ("head", "model"), ("head view", "model view"))
_MOST_TOKENS, _AROUND = 48, 1


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The weights of the layers shown."""
    return tuple(Want("pattern", layer) for layer in _layers(spec, view))


def applies(spec: ModelSpec) -> str | None:
    """Every model has heads; the views need their packages."""
    return missing()


def _layers(spec: ModelSpec, view: Fitted) -> range:
    """The chosen layer; for the model view those beside it too."""
    around = _AROUND if view[VIEW] == "model" else 0
    return range(max(0, view.layer - around), min(spec.layers, view.layer + around + 1))


def _window(trace: Trace, view: Fitted) -> slice:
    """At most 48 tokens, the chosen one among them and, in a long text, last."""
    end = max(view.pos + 1, min(_MOST_TOKENS, len(trace.tokens)))
    return slice(max(0, end - _MOST_TOKENS), end)


def _weights(trace: Trace, view: Fitted) -> Float[np.ndarray, "layer head pos src"]:
    kept = _window(trace, view)
    return np.stack([trace[Want("pattern", layer)][:, kept, kept] for layer in _layers(trace.spec, view)])


def draw(trace: Trace, view: Fitted) -> Heads:
    """The chosen view of the chosen layer."""
    layers = tuple(_layers(trace.spec, view))
    return Heads(
        weights=_weights(trace, view),
        labels=trace.labels[_window(trace, view)],
        layers=layers,
        view="model" if view[VIEW] == "model" else "head",
        head=view.head,
        title=f"BertViz, {VIEW.shown(view[VIEW])}: layer {_span(layers)}",
    )


def _span(layers: Sequence[int]) -> str:
    return str(layers[0]) if len(layers) == 1 else f"{layers[0]} to {layers[-1]}"


def says(trace: Trace, view: Fitted) -> str:
    """The strongest link of the chosen head, how to read the view, and which tokens are in it."""
    kept = _window(trace, view)
    weights = trace[Want("pattern", view.layer)][view.head, kept, kept]
    looking, looked = np.unravel_index(int(_later(weights).argmax()), weights.shape)
    labels = trace.labels[kept]
    told = (
        f"In layer {view.layer}, head {view.head}, the strongest link between two tokens is {quoted(labels[looking])} "
        f"→ {quoted(labels[looked])} with {percent(float(weights[looking, looked]))}."
    )
    how = (
        f"One colour per head, head {view.head} switched on: click a square to switch a head, point at a token."
        if view[VIEW] == "head"
        else "One small picture per layer and head: click one to enlarge it."
    )
    part = (
        f" Of {many(len(trace.tokens), 'token')}, positions {thousands(kept.start)} to {thousands(kept.stop - 1)} "
        "are shown."
    )
    return f"{told if len(labels) > 1 else ''} {how}{part if len(labels) < len(trace.tokens) else ''}".strip()


def _later(weights: Float[np.ndarray, "pos src"]) -> Float[np.ndarray, "pos src"]:
    """The weights without those of tokens on themselves."""
    return np.where(np.eye(len(weights), dtype=bool), 0.0, weights)


def table(trace: Trace, view: Fitted) -> Table:
    """What the chosen token gives to each shown, by every head of the chosen layer."""
    kept = _window(trace, view)
    rows = trace[Want("pattern", view.layer)][:, view.pos, kept]  # [head src]
    return Table(
        ("position", "token", *(f"head {head} (probability)" for head in range(len(rows)))),
        tuple(
            (place, trace.labels[place], *map(float, values))
            for place, values in zip(range(kept.start, kept.stop), rows.T, strict=True)
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """What a line's opacity is."""
    row = trace[Want("pattern", view.layer)][view.head, view.pos].astype(np.float64)
    best = int(row.argmax())
    return "\n".join(
        (
            "opacity of a line = softmax(q·k / √d), divided by the number of heads switched on; rounded to 0.001",
            f"layer {view.layer}, head {view.head}: {quoted(trace.labels[view.pos])} → {quoted(trace.labels[best])} = "
            f"{number(float(row[best]))}; its whole row sums to {number(float(row.sum()))}",
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The same view by BertViz itself, and the weights it draws: [layer, head, pos, src]."""
    layers = list(_layers(spec, view))
    chosen = f"layer={view.layer}, heads=[{view.head}], " if view[VIEW] == "head" else ""
    return f"""{opening(spec, view)}
from bertviz import {view[VIEW]}_view

{PATTERNS}tokens = [tokenizer.decode([token]) for token in ids]
page = {view[VIEW]}_view(attentions, tokens, {chosen}include_layers={layers}, html_action="return")
result = torch.stack([attentions[layer][0] for layer in {layers}])
print(len(page.data), result.shape)  # page.data is HTML that loads its scripts from the network
"""


PANEL = Panel(
    id="bertviz",
    stage="attention",
    order=9,
    name="BertViz",
    title="How do all heads of a layer look together?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(VIEW,),
    applies=applies,
    places=("layer", "head"),
)

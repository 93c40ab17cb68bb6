"""BertViz's own head view, model view and neuron view (Vig 2019) of this run."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from anatomy.control import Choice
from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.rounding import largest_at, largest_place
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.attention import bertviz_neurons as neurons
from panels.common.attention_row import at, is_long, wanted
from panels.common.chosen_cell import rule
from panels.common.snippet import PATTERNS, opening
from panels.panel import Panel, Table
from viz.format import number, percent, quoted, thousands
from viz.heads import Heads, missing

NEURON = "neuron"
VIEW = Choice("bertviz", N_("View"), ("head", "model", NEURON), (N_("head view"), N_("model view"), N_("neuron view")))
_SHOWN: dict[str, Literal["head", "model", "neuron"]] = {"head": "head", "model": "model", NEURON: "neuron"}
_MOST_TOKENS, _AROUND = 48, 1


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The weights of the layers shown; for the neuron view also what they are made of."""
    more = neurons.needs(spec, view) if view[VIEW] == NEURON else ()
    if not is_long(view):
        return (*(Want("pattern", layer) for layer in _layers(spec, view)), *more)
    return (
        *(want for layer in _layers(spec, view) for want in _heads(spec, view, layer)),
        wanted(view, "pattern"),
        *more,
    )


def _heads(spec: ModelSpec, view: Fitted, layer: int) -> Sequence[Want]:
    """The weights between the tokens on view, head by head: a window of a map is given pair by pair."""
    kept = _window(spec, view, view.length)
    window = (kept.start, kept.stop, kept.start, kept.stop)
    return [Want("pattern_max", layer, head=head, window=window) for head in range(spec.n_heads)]


def applies(spec: ModelSpec) -> str | None:
    """None, or which packages the views lack: every model has heads."""
    return missing()


def _layers(spec: ModelSpec, view: Fitted) -> range:
    """The chosen layer; for the model view those beside it too."""
    around = _AROUND if view[VIEW] == "model" else 0
    return range(max(0, view.layer - around), min(spec.layers, view.layer + around + 1))


def _window(spec: ModelSpec, view: Fitted, length: int) -> slice:
    """At most 48 tokens, the chosen one among them and, in a long text, last; fewer where vectors take the room."""
    most = min(_MOST_TOKENS, neurons.room(spec)) if view[VIEW] == NEURON else _MOST_TOKENS
    end = max(view.pos + 1, min(most, length))
    return slice(max(0, end - most), end)


def _kept(trace: Trace, view: Fitted) -> slice:
    return _window(trace.spec, view, len(trace.tokens))


def _weights(trace: Trace, view: Fitted) -> Float[np.ndarray, "layer head pos src"]:
    return np.stack([_of_layer(trace, view, layer) for layer in _layers(trace.spec, view)])


def _of_layer(trace: Trace, view: Fitted, layer: int) -> Float[np.ndarray, "head pos src"]:
    """The weights between the tokens on view."""
    if is_long(view):
        return np.stack([trace[want] for want in _heads(trace.spec, view, layer)])
    kept = _kept(trace, view)
    return trace[Want("pattern", layer)][:, kept, kept]


def draw(trace: Trace, view: Fitted) -> Heads:
    """The chosen view of the chosen layer."""
    layers, kept = tuple(_layers(trace.spec, view)), _kept(trace, view)
    return Heads(
        weights=_weights(trace, view),
        labels=_labels(trace, kept),
        layers=layers,
        view=_SHOWN[view[VIEW]],
        head=view.head,
        title=_title(view, layers),
        neurons=neurons.vectors(trace, view, kept) if view[VIEW] == NEURON else None,
    )


def _title(view: Fitted, layers: Sequence[int]) -> str:
    shown = _(VIEW.shown(view[VIEW]))
    if len(layers) == 1:
        return _("BertViz, {view}: layer {layer}", view=shown, layer=layers[0])
    return _("BertViz, {view}: layer {first} to {last}", view=shown, first=layers[0], last=layers[-1])


def caption(trace: Trace, view: Fitted) -> str:
    """The strongest link of the chosen head, how to read the view, and which tokens are in it."""
    kept = _kept(trace, view)
    if view[VIEW] == NEURON:
        parts = [neurons.caption(trace, view, kept)]
    else:
        parts = [*([_strongest(trace, view, kept)] if kept.stop - kept.start > 1 else []), _how(view)]
    if kept.stop - kept.start < len(trace.tokens):
        parts.append(_part(trace, kept))
    return " ".join(parts)


def _strongest(trace: Trace, view: Fitted, kept: slice) -> str:
    weights, labels = _of_layer(trace, view, view.layer)[view.head], _labels(trace, kept)
    looking, looked = largest_place(_later(weights))
    values = {
        "layer": view.layer,
        "head": view.head,
        "looking": quoted(labels[looking]),
        "looked": quoted(labels[looked]),
        "weight": percent(float(weights[looking, looked])),
    }
    if len(labels) < len(trace.tokens):
        return _(
            "In layer {layer}, head {head}, the strongest link between two tokens of those shown is {looking} → "
            "{looked} with {weight}.",
            **values,
        )
    return _(
        "In layer {layer}, head {head}, the strongest link between two tokens is {looking} → {looked} with {weight}.",
        **values,
    )


def _labels(trace: Trace, kept: slice) -> tuple[str, ...]:
    return tuple(token.label for token in trace.tokens[kept])


def _how(view: Fitted) -> str:
    """How to read the view."""
    if view[VIEW] == "head":
        return _(
            "One colour per head, head {head} switched on: click a square to switch a head, point at a token.",
            head=view.head,
        )
    return _("One small picture per layer and head: click one to enlarge it.")


def _part(trace: Trace, kept: slice) -> str:
    """Which tokens of a long text are shown."""
    return ngettext(
        "Of {count} token, positions {first} to {last} are shown.",
        "Of {count} tokens, positions {first} to {last} are shown.",
        len(trace.tokens),
        first=thousands(kept.start),
        last=thousands(kept.stop - 1),
    )


def _later(weights: Float[np.ndarray, "pos src"]) -> Float[np.ndarray, "pos src"]:
    """The weights without those of tokens on themselves."""
    return np.where(np.eye(len(weights), dtype=bool), 0.0, weights)


def table(trace: Trace, view: Fitted) -> Table:
    """What the chosen token gives to each shown, by every head of the chosen layer; by one, from q·k on."""
    kept = _kept(trace, view)
    if view[VIEW] == NEURON:
        return neurons.table(trace, view, kept)
    rows = at(trace, view, "pattern")[:, kept]  # [head src]
    return Table(
        (_("position"), _("token"), *(_("head {head} (probability)", head=head) for head in range(len(rows)))),
        tuple(
            (place, label, *map(float, values))
            for place, label, values in zip(range(kept.start, kept.stop), _labels(trace, kept), rows.T, strict=True)
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """What a line's opacity is, or a component's."""
    if view[VIEW] == NEURON:
        return neurons.formula(trace, view, _kept(trace, view))
    row = at(trace, view, "pattern")[view.head].astype(np.float64)
    best = largest_at(row)
    opacity = _(
        "opacity of a line = softmax({rule}), divided by the number of heads switched on; rounded to 0.001",
        rule=rule(trace.spec),
    )
    own = _(
        "layer {layer}, head {head}: {looking} → {looked} = {weight}; its whole row sums to {sum}",
        layer=view.layer,
        head=view.head,
        looking=quoted(trace.tokens[view.pos].label),
        looked=quoted(trace.tokens[best].label),
        weight=number(float(row[best])),
        sum=number(float(row.sum())),
    )
    return f"{opacity}\n{own}"


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The same view by BertViz itself, and the weights it draws: [layer, head, pos, src]."""
    if view[VIEW] == NEURON:
        return neurons.snippet(spec, view)
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
    title=N_("How do all heads of a layer look together?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(VIEW,),
    applies=applies,
    places=("layer", "head"),
)

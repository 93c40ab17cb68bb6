"""BertViz's own head view, model view and neuron view (Vig 2019) of this run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from anatomy import facts
from anatomy.control import Choice
from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.rounding import largest_at, largest_place
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.attention import bertviz_neurons as neurons
from panels.common.attention_change import after_softmax, of_weights
from panels.common.attention_row import at, is_long, wanted
from panels.common.chosen_cell import rule
from panels.common.snippet import PATTERNS, opening
from panels.common.touched import Touched
from panels.panel import Panel, Table
from viz.format import number, percent, quoted, thousands
from viz.heads import Heads
from viz.heads_scripts import missing

NEURON = "neuron"
VIEW = Choice(
    "bertviz",
    N_("View"),
    ("head", "model", NEURON),
    (N_("head view"), N_("model view"), N_("neuron view")),
    says=N_(
        "Head view: all heads of a layer as lines between tokens. Model view: a small picture per layer and head. "
        "Neuron view: the query, the key and their products, dimension by dimension."
    ),
)
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


def _window(spec: ModelSpec, view: Fitted, length: int) -> range:
    """At most 48 tokens, the chosen one among them and, in a long text, last; fewer where vectors take the room."""
    most = min(_MOST_TOKENS, neurons.room(spec)) if view[VIEW] == NEURON else _MOST_TOKENS
    end = max(view.pos + 1, min(most, length))
    return range(max(0, end - most), end)


@dataclass(frozen=True)
class Links:
    """The weights between the tokens shown, in the layers shown.

    shown             which of BertViz's views
    layer, head, pos  the chosen ones
    layers            those shown
    labels            of the text's tokens
    places            positions of the tokens shown
    weights           between them (probability)
    rows              what the chosen token gives to every token of the text, in the chosen layer (probability)
    rule              what goes into the softmax, in symbols
    asked             what the neuron view shows besides; None in the others
    weighed           changes between the chosen head's scores and weights
    """

    shown: str
    layer: int
    head: int
    pos: int
    layers: tuple[int, ...]
    labels: tuple[str, ...]
    places: range
    weights: Float[np.ndarray, "layer head place place"]
    rows: Float[np.ndarray, "head src"]
    rule: str
    asked: neurons.Asked | None
    weighed: Touched

    @property
    def labels_shown(self) -> tuple[str, ...]:
        """The labels of the tokens shown."""
        return self.labels[self.places.start : self.places.stop]


def read(trace: Trace, view: Fitted) -> Links:
    """The weights of every head in the layers shown; for the neuron view also what they are made of."""
    layers, places = tuple(_layers(trace.spec, view)), _window(trace.spec, view, len(trace.tokens))
    return Links(
        shown=view[VIEW],
        layer=view.layer,
        head=view.head,
        pos=view.pos,
        layers=layers,
        labels=trace.labels,
        places=places,
        weights=np.stack([_of_layer(trace, view, layer, places) for layer in layers]),
        rows=at(trace, view, "pattern"),
        rule=rule(trace.spec, view.layer),
        asked=neurons.read(trace, view, places) if view[VIEW] == NEURON else None,
        weighed=of_weights(trace, view),
    )


def _of_layer(trace: Trace, view: Fitted, layer: int, places: range) -> Float[np.ndarray, "head place place"]:
    """The weights between the tokens on view."""
    if is_long(view):
        return np.stack([trace[want] for want in _heads(trace.spec, view, layer)])
    kept = slice(places.start, places.stop)
    return trace[Want("pattern", layer)][:, kept, kept]


def draw(links: Links) -> Heads:
    """The chosen view of the chosen layer."""
    return Heads(
        weights=links.weights,
        labels=links.labels_shown,
        layers=links.layers,
        view=_SHOWN[links.shown],
        head=links.head,
        layer=links.layer if links.shown == "model" else None,
        title=_title(links),
        neurons=None if links.asked is None else neurons.vectors(links.asked),
    )


def _title(links: Links) -> str:
    shown, layers = _(VIEW.shown(links.shown)), links.layers
    if len(layers) == 1:
        return _("BertViz, {view}: layer {layer}", view=shown, layer=layers[0])
    return _("BertViz, {view}: layer {first} to {last}", view=shown, first=layers[0], last=layers[-1])


def caption(links: Links) -> str:
    """The strongest link of the chosen head, how to read the view, and which tokens are in it."""
    if links.asked is not None:
        parts = [neurons.caption(links.asked)]
    else:
        parts = [*([_strongest(links)] if len(links.places) > 1 else []), _how(links)]
    if len(links.places) < len(links.labels):
        parts.append(_part(links))
    return " ".join(parts)


def _strongest(links: Links) -> str:
    weights, labels = links.weights[links.layers.index(links.layer), links.head], links.labels_shown
    looking, looked = largest_place(_apart(weights))
    if looking == looked:  # no weight between two is above 0
        return _weightless(links)
    values = {
        "layer": links.layer,
        "head": links.head,
        "looking": _placed(labels, looking, links.places.start),
        "looked": _placed(labels, looked, links.places.start),
        "weight": percent(float(weights[looking, looked])),
    }
    if len(labels) < len(links.labels):
        return _(
            "In layer {layer}, head {head}, the strongest link between two tokens of those shown is {looking} → "
            "{looked} with {weight}.",
            **values,
        )
    return _(
        "In layer {layer}, head {head}, the strongest link between two tokens is {looking} → {looked} with {weight}.",
        **values,
    )


def _placed(labels: Sequence[str], place: int, first: int) -> str:
    """A token as a sentence names it: with its position where others are written alike."""
    return quoted(labels[place]) + (f" ({thousands(first + place)})" if labels.count(labels[place]) > 1 else "")


def _weightless(links: Links) -> str:
    """That no token has a link to another. Where something is changed weights may be below 0, which are not drawn."""
    if _apart(links.weights[links.layers.index(links.layer), links.head]).any():
        return _(
            "In layer {layer}, head {head}, no token gives another a weight above 0.",
            layer=links.layer,
            head=links.head,
        )
    if len(links.labels_shown) < len(links.labels):
        return _(
            "In layer {layer}, head {head}, no token of those shown gives any weight to another of them.",
            layer=links.layer,
            head=links.head,
        )
    return _("In layer {layer}, head {head}, no token gives any weight to another.", layer=links.layer, head=links.head)


def _apart(weights: Float[np.ndarray, "place place"]) -> Float[np.ndarray, "place place"]:
    """The weights without those of tokens on themselves."""
    return np.where(np.eye(len(weights), dtype=bool), 0.0, weights)


def _how(links: Links) -> str:
    """How to read the view."""
    if links.shown == "head":
        return _(
            "One colour per head; head {head} is on at first: a square switches its head on or off, a token pointed at "
            "or tapped shows its links alone.",
            head=links.head,
        )
    return _("One small picture per layer and head: click one to enlarge it.")


def _part(links: Links) -> str:
    """Which tokens of a long text are shown."""
    return ngettext(
        "Of {count} token, positions {first} to {last} are shown.",
        "Of {count} tokens, positions {first} to {last} are shown.",
        len(links.labels),
        first=thousands(links.places.start),
        last=thousands(links.places.stop - 1),
    )


def table(links: Links) -> Table:
    """What the chosen token gives to each shown, by every head of the chosen layer; by one, from q·k on."""
    if links.asked is not None:
        return neurons.table(links.asked)
    rows = links.rows[:, links.places.start : links.places.stop]  # [head place]
    return Table.of(
        (_("position"), links.places),
        (_("token"), links.labels_shown),
        *((_("head {head} (probability)", head=head), row) for head, row in enumerate(rows)),
    )


def formula(links: Links) -> str:
    """What a line's opacity is, or a component's."""
    if links.asked is not None:
        return neurons.formula(links.asked)
    row = links.rows[links.head].astype(np.float64)
    best = largest_at(row)
    opacity = _(
        "opacity of a line = softmax({rule}), divided by the number of heads switched on; rounded to 0.001",
        rule=links.rule,
    )
    own = _(
        "layer {layer}, head {head}: {looking} → {looked} = {weight}; its whole row sums to {sum}",
        layer=links.layer,
        head=links.head,
        looking=quoted(links.labels[links.pos]),
        looked=quoted(links.labels[best]),
        weight=number(float(row[best])),
        sum=number(float(row.sum())),
    )
    return "\n".join((opacity, *after_softmax(links.weighed), own))


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
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(VIEW,),
    applies=applies,
    facts=(facts.SCALE,),
    places=("layer", "head"),
)

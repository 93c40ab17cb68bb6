"""The logit shared out among neurons: those of all layers that move it most, beside what their layers' FFNs add."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from anatomy.language import _, ngettext
from anatomy.rounding import largest_first
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.logit_decomposition import NEURON_SITES, LogitDecomposition, wanted
from panels.panel import Table
from viz import nouns
from viz.bars import Bars
from viz.format import bracketed, listed, number
from viz.rows import Bar

_MOST = 20
_WRITTEN = 6  # terms that the formula writes out


@dataclass(frozen=True)
class Movers:
    """The neurons that add most or take most off, strongest first; no other neuron of the model moves the logit more.

    layers, ids, logits   layer of each, its number there, what it adds (logit)
    d_ff                  how many neurons a layer has
    """

    layers: Int[np.ndarray, " neuron"]
    ids: Int[np.ndarray, " neuron"]
    logits: Float[np.ndarray, " neuron"]
    d_ff: int

    @property
    def theirs(self) -> list[int]:
        """The layers in which they stand."""
        return sorted(set(self.layers.tolist()))

    @property
    def total(self) -> float:
        """What they add together (logit)."""
        return float(self.logits.sum())

    def name(self, i: int) -> str:
        """Layer and number of the i-th, as figures print them: L12 N345."""
        return f"L{self.layers[i]} N{self.ids[i]}"


def movers(trace: Trace, view: Fitted) -> Movers:
    """At most 20, for the chosen position. The engine gives a few of each layer, strongest first: the list ends early
    where the next one of some layer may be among those that it keeps back."""
    ids, logits = (trace[wanted(site, view)] for site in NEURON_SITES)  # [layer k]
    kept, strongest = [], largest_first(np.abs(logits).ravel())[:_MOST]
    for place in strongest.tolist():
        kept.append(divmod(place, ids.shape[1]))
        if kept[-1][1] == ids.shape[1] - 1 < trace.spec.d_ff - 1:
            break
    layers, ranks = (np.array(each) for each in zip(*kept, strict=True))
    return Movers(layers, ids[layers, ranks], logits[layers, ranks].astype(np.float64), trace.spec.d_ff)


def ffns(moving: Movers, decomposition: LogitDecomposition) -> float:
    """What the FFNs of their layers add, each once, with all their neurons and biases (logit)."""
    return float(decomposition.writes[1, moving.theirs].sum())


def draw(trace: Trace, view: Fitted, decomposition: LogitDecomposition) -> Bars:
    """A bar per neuron, to the right for what pushes and to the left for what holds back."""
    moving = movers(trace, view)
    bars = [
        Bar(
            moving.name(i),
            float(value),
            number(float(value)),
            _note(moving, decomposition, i),
            accent=bool(value >= 0),
            focus=int(moving.layers[i]) == view.layer,
        )
        for i, value in enumerate(moving.logits)
    ]
    axis = _("added to {quantity} (logit)", quantity=decomposition.quantity)
    return Bars(bars, axis, names=(_("pushes for it"), _("holds it back")))


def _note(moving: Movers, decomposition: LogitDecomposition, i: int) -> str:
    layer = int(moving.layers[i])
    return _(
        "layer {layer}, neuron {neuron}: {value}; the whole FFN of layer {layer}: {ffn}",
        layer=layer,
        neuron=int(moving.ids[i]),
        value=number(float(moving.logits[i])),
        ffn=number(float(decomposition.writes[1, layer])),
    )


def caption(trace: Trace, view: Fitted, decomposition: LogitDecomposition) -> str:
    """The strongest neuron, and what those listed are of what their layers' FFNs add."""
    moving = movers(trace, view)
    first = {
        "layer": int(moving.layers[0]),
        "neuron": int(moving.ids[0]),
        "value": number(abs(float(moving.logits[0]))),
    }
    every = trace.spec.layers * moving.d_ff
    if moving.logits[0] >= 0:
        strongest = ngettext(
            "Of {count} neuron, neuron {neuron} of layer {layer} moves it most: it adds {value}.",
            "Of {count} neurons, neuron {neuron} of layer {layer} moves it most: it adds {value}.",
            every,
            **first,
        )
    else:
        strongest = ngettext(
            "Of {count} neuron, neuron {neuron} of layer {layer} moves it most: it takes off {value}.",
            "Of {count} neurons, neuron {neuron} of layer {layer} moves it most: it takes off {value}.",
            every,
            **first,
        )
    summed = _(
        "The {neurons} listed, and only these, add up to {total}; the whole FFNs of their {layers} add {ffns}.",
        neurons=nouns.neurons(len(moving.ids)),
        total=number(moving.total),
        layers=nouns.layers(len(moving.theirs)),
        ffns=number(ffns(moving, decomposition)),
    )
    return f"{strongest} {summed}"


def table(trace: Trace, view: Fitted, decomposition: LogitDecomposition) -> Table:
    """A row per neuron, and their sum beside that of their layers' FFNs."""
    moving = movers(trace, view)
    rows = [
        (moving.name(i), float(moving.logits[i]), float(decomposition.writes[1, moving.layers[i]]))
        for i in range(len(moving.ids))
    ]
    ends = (_("sum of the listed; of the FFNs, each once"), moving.total, ffns(moving, decomposition))
    return Table((_("neuron"), _("logits"), _("the whole FFN of its layer (logits)")), (*rows, ends))


def formula(trace: Trace, view: Fitted, decomposition: LogitDecomposition) -> list[str]:
    """The sum of those listed, that of their layers' FFNs, and what is left to the others."""
    moving = movers(trace, view)
    terms = [f"{moving.name(i)} {bracketed(float(moving.logits[i]))}" for i in range(len(moving.ids))]
    written = f"{' + '.join(terms[:_WRITTEN])}{' + …' if len(terms) > _WRITTEN else ''} = {number(moving.total)}"
    whole, others = ffns(moving, decomposition), len(moving.theirs) * moving.d_ff - len(moving.ids)
    return [
        _("neuron = its value × its row of the down projection, as the part in the line above"),
        ngettext("{count} neuron listed: {sum}", "{count} neurons listed: {sum}", len(moving.ids), sum=written),
        _("the whole FFNs of layers {layers}: {ffns}", layers=listed(map(str, moving.theirs)), ffns=number(whole)),
        _rest(trace.spec, others, number(whole - moving.total)),
        _("no neuron that is not listed moves it by more than {least}", least=number(float(abs(moving.logits[-1])))),
    ]


def _rest(spec: ModelSpec, others: int, rest: str) -> str:
    """What brings the difference between the listed neurons and their layers' FFNs."""
    if "down" in spec.biases:
        return ngettext(
            "left to the other {count} neuron of these layers and the down projection's bias: {rest}",
            "left to the other {count} neurons of these layers and the down projection's bias: {rest}",
            others,
            rest=rest,
        )
    return ngettext(
        "left to the other {count} neuron of these layers: {rest}",
        "left to the other {count} neurons of these layers: {rest}",
        others,
        rest=rest,
    )

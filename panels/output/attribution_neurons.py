"""The logit shared out among neurons: those of all layers that move it most, beside what their layers' FFNs add."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from anatomy.language import _, ngettext
from anatomy.rounding import largest_first
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.logit_decomposition import NEURON_SITES, wanted
from panels.common.touched import NOTHING, Touched, of_ffn
from panels.panel import Table
from viz import nouns
from viz.bars import Bars
from viz.format import bracketed, listed, number
from viz.marks import Stands
from viz.rows import Bar

_MOST = 20
_WRITTEN = 6  # terms that the formula writes out


@dataclass(frozen=True)
class Movers:
    """The neurons that add most or take most off, strongest first; no other neuron of the model moves the logit more.

    layer, neuron         the chosen ones; neuron: None where none is chosen
    layers, ids, logits   layer of each, its number there, what it adds (logit)
    ffns                  what the whole FFN of each layer adds, with all its neurons and biases (logit)
    d_ff                  how many neurons a layer has
    biased                whether the down projection, which follows them, has a bias
    changed               changes of what the FFNs of their layers write
    """

    layer: int
    neuron: int | None
    layers: Int[np.ndarray, " neuron"]
    ids: Int[np.ndarray, " neuron"]
    logits: Float[np.ndarray, " neuron"]
    ffns: Float[np.ndarray, " layer"]
    d_ff: int
    biased: bool
    changed: Touched

    @cached_property
    def theirs(self) -> list[int]:
        """The layers in which they stand."""
        return sorted(set(self.layers.tolist()))

    @cached_property
    def total(self) -> float:
        """What they add together (logit)."""
        return float(self.logits.sum())

    @cached_property
    def whole(self) -> float:
        """What the FFNs of their layers add, each once (logit)."""
        return float(self.ffns[self.theirs].sum())

    @cached_property
    def focus(self) -> list[bool]:
        """Which of them are marked: the chosen one, or those of the chosen layer where no neuron is chosen."""
        in_layer, chosen = self.layers == self.layer, self.neuron is None or self.ids == self.neuron
        return (in_layer & chosen).tolist()

    def name(self, i: int) -> str:
        """Layer and number of the i-th, as figures print them: L12 N345."""
        return f"L{self.layers[i]} N{self.ids[i]}"


def movers(trace: Trace, view: Fitted, ffns: Float[np.ndarray, " layer"]) -> Movers:
    """At most 20, for the chosen position. The engine gives a few of each layer, strongest first: the list ends early
    where the next one of some layer may be among those that it keeps back."""
    ids, logits = (trace[wanted(site, trace.spec, view)] for site in NEURON_SITES)  # [layer k]
    kept, strongest = [], largest_first(np.abs(logits).ravel())[:_MOST]
    for place in strongest.tolist():
        kept.append(divmod(place, ids.shape[1]))
        if kept[-1][1] == ids.shape[1] - 1 < trace.spec.d_ff - 1:
            break
    layers, ranks = (np.array(each) for each in zip(*kept, strict=True))
    return Movers(
        layer=view.layer,
        neuron=view.neuron,
        layers=layers,
        ids=ids[layers, ranks],
        logits=logits[layers, ranks].astype(np.float64),
        ffns=ffns,
        d_ff=trace.spec.d_ff,
        biased="down" in trace.spec.biases,
        changed=sum((of_ffn(trace, layer, view.pos) for layer in sorted(set(layers.tolist()))), NOTHING),
    )


def draw(moving: Movers, quantity: str) -> Bars:
    """A bar per neuron, to the right for what pushes and to the left for what holds back; the chosen one in bold, or
    those of the chosen layer.

    quantity: what they push for, in words
    """
    bars = [
        Bar(
            moving.name(i),
            value,
            number(value),
            _note(moving, i),
            accent=value >= 0,
            focus=moving.focus[i],
        )
        for i, value in enumerate(moving.logits.tolist())
    ]
    axis = _("added to {quantity} (logit)", quantity=quantity)
    names = (_("pushes for it"), _("holds it back"))
    neurons = Stands("neuron", tuple(moving.ids.tolist()), Stands("layer", tuple(moving.layers.tolist())))
    return Bars(bars, axis, names=names, about=quantity, stands=(neurons,))


def _note(moving: Movers, i: int) -> str:
    layer = int(moving.layers[i])
    return _(
        "layer {layer}, neuron {neuron}: {value}; the whole FFN of layer {layer}: {ffn}",
        layer=layer,
        neuron=int(moving.ids[i]),
        value=number(float(moving.logits[i])),
        ffn=number(float(moving.ffns[layer])),
    )


def caption(moving: Movers) -> str:
    """The strongest neuron, what the chosen one adds, and what those listed are of what their layers' FFNs add."""
    first = {
        "layer": int(moving.layers[0]),
        "neuron": int(moving.ids[0]),
        "value": number(abs(float(moving.logits[0]))),
    }
    every = len(moving.ffns) * moving.d_ff
    if moving.logits[0] == 0:
        strongest = ngettext("The {count} neuron does not move it.", "None of the {count} neurons moves it.", every)
    elif moving.logits[0] > 0:
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
        ffns=number(moving.whole),
    )
    return " ".join(part for part in (strongest, _chosen(moving), summed) if part)


def _chosen(moving: Movers) -> str:
    """What the chosen neuron adds; "" where none is chosen, or the strongest is."""
    if moving.neuron is None or moving.focus[0]:
        return ""
    named = {"layer": moving.layer, "neuron": moving.neuron}
    if True not in moving.focus:
        return _("The chosen one, neuron {neuron} of layer {layer}, is not listed.", **named)
    value = float(moving.logits[moving.focus.index(True)])
    if value >= 0:
        return _("The chosen one, neuron {neuron} of layer {layer}, adds {value}.", value=number(value), **named)
    return _("The chosen one, neuron {neuron} of layer {layer}, takes off {value}.", value=number(-value), **named)


def table(moving: Movers) -> Table:
    """A row per neuron, and their sum beside that of their layers' FFNs."""
    names = (moving.name(i) for i in range(len(moving.ids)))
    return Table.of(
        (_("neuron"), (*names, _("sum of the listed; of the FFNs, each once"))),
        (_("logits"), (*moving.logits.tolist(), moving.total)),
        (_("the whole FFN of its layer (logits)"), (*moving.ffns[moving.layers].tolist(), moving.whole)),
    )


def formula(moving: Movers) -> list[str]:
    """The sum of those listed, that of their layers' FFNs, and what is left to the others."""
    terms = [f"{moving.name(i)} {bracketed(float(moving.logits[i]))}" for i in range(len(moving.ids))]
    written = f"{' + '.join(terms[:_WRITTEN])}{' + …' if len(terms) > _WRITTEN else ''} = {number(moving.total)}"
    return [
        _("neuron = its value × its row of the down projection, as the part in the line above"),
        ngettext("{count} neuron listed: {sum}", "{count} neurons listed: {sum}", len(moving.ids), sum=written),
        _(
            "the whole FFNs of layers {layers}: {ffns}",
            layers=listed(map(str, moving.theirs)),
            ffns=number(moving.whole),
        ),
        _rest(moving),
        _("no neuron that is not listed moves it by more than {least}", least=number(float(abs(moving.logits[-1])))),
    ]


def _rest(moving: Movers) -> str:
    """What brings the difference between the listed neurons and their layers' FFNs."""
    others, rest = len(moving.theirs) * moving.d_ff - len(moving.ids), number(moving.whole - moving.total)
    if moving.changed.made:
        return ngettext(
            "left to the other {count} neuron of these layers, to what a change of this run puts in ({change}), and to "
            "a bias: {rest}",
            "left to the other {count} neurons of these layers, to what a change of this run puts in ({change}), and "
            "to a bias: {rest}",
            others,
            change=moving.changed.says,
            rest=rest,
        )
    if moving.biased:
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

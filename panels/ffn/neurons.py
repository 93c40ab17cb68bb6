"""Which neurons of one layer's FFN respond most to the chosen token."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from anatomy.interventions import LAYER
from anatomy.language import N_, _, ngettext
from anatomy.measure import ACTIVATIONS, norms
from anatomy.request import Want
from anatomy.rounding import largest_first
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.names import function_name
from panels.common.snippet import LAYERS, opening
from panels.common.touched import Touched, of_ffn
from panels.panel import Panel, Table
from viz.format import number, percent, quoted, rounding, thousands
from viz.marks import Stands
from viz.measures import Column, Measures

SHOWN = 12
_OPENED = "opened"  # the function of the gate: no site, as act = opened × up holds it


def _measures(spec: ModelSpec) -> tuple[str, ...]:
    """Sites shown, the neurons' own value first."""
    return ("act", "gate", "up") if spec.ffn.gated else ("act", "up")


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The chosen layer's neurons at the chosen token, what they are made from, and what they add up to."""
    sites = (*_measures(spec), "ffn_out", "ffn_sum_gap")
    return tuple(Want(site, layer=view.layer, pos=view.pos) for site in sites)


@dataclass(frozen=True)
class Neurons:
    """The neurons of the chosen layer at the chosen token, and what they add up to.

    spec          of the model
    layer, token  the chosen layer, and the token's label
    values        by site (activation), the neurons' own first; for a gated FFN also what its function makes of the gate
                  ("opened"), where the function is one of ACTIVATIONS
    top           numbers of the strongest, as `strongest` has them
    chosen        the neuron that the reader has chosen; None for none
    written       what the FFN adds to the stream (activation)
    sum_gap       largest difference (activation) of Σ neuron × its row of the down projection, + bias, from that
    made          changes between the function and the neurons
    wrote         changes between the neurons' sum and what the FFN adds
    """

    spec: ModelSpec
    layer: int
    token: str
    values: Mapping[str, Float[np.ndarray, " d_ff"]]
    top: Int[np.ndarray, " k"]
    chosen: int | None
    written: Float[np.ndarray, " d_model"]
    sum_gap: float
    made: Touched
    wrote: Touched

    @cached_property
    def shown(self) -> list[int]:
        """Numbers of the neurons that are drawn: the strongest, and the chosen one last where it is none of them."""
        strongest = self.top.tolist()
        return strongest if self.chosen in (None, *strongest) else [*strongest, self.chosen]

    @cached_property
    def of_shown(self) -> dict[str, Float[np.ndarray, " k"]]:
        """The values of those that are drawn."""
        return {site: values[self.shown] for site, values in self.values.items()}

    @property
    def told(self) -> int:
        """The one whose arithmetic is written out: the chosen one, or the strongest."""
        return int(self.top[0]) if self.chosen is None else self.chosen

    @property
    def parts(self) -> bool:
        """Whether something is changed between the neurons' sum and what the FFN adds, so that they are not one."""
        return self.wrote.part(self.sum_gap, self.written)

    @property
    def held(self) -> bool:
        """Whether a change lets another amount of that sum through, none where it is 0."""
        return any(
            one.op == "zero" or (one.op == "scale" and one.amount != 1) or one.site == LAYER for one in self.wrote.made
        )

    @cached_property
    def by_function(self) -> Float[np.ndarray, " d_ff"] | None:
        """The neurons as the function gives them; None for a function that is none of ACTIVATIONS."""
        if self.spec.ffn.act not in ACTIVATIONS:
            return None
        if self.spec.ffn.gated:
            return self.values[_OPENED] * self.values["up"]
        return ACTIVATIONS[self.spec.ffn.act](self.values["up"])

    @property
    def added(self) -> dict[str, str]:
        """Length of what the FFN adds and the gap in words, by the names that sentences use."""
        return {"length": number(float(norms(self.written))), "gap": rounding(self.sum_gap, self.written)}


def read(trace: Trace, view: Fitted) -> Neurons:
    """The values of all neurons, which are the strongest, and their sum."""
    spec = trace.spec
    arrays = {want.site: trace[want] for want in needs(spec, view)}
    values = {site: arrays[site] for site in _measures(spec)}
    if spec.ffn.gated and spec.ffn.act in ACTIVATIONS:
        act, gate, up = values.values()
        values = {"act": act, "gate": gate, _OPENED: ACTIVATIONS[spec.ffn.act](gate), "up": up}
    return Neurons(
        spec=spec,
        layer=view.layer,
        token=trace.tokens[view.pos].label,
        values=values,
        top=strongest(values["act"]),
        chosen=view.neuron,
        written=arrays["ffn_out"],
        sum_gap=float(arrays["ffn_sum_gap"]),
        made=Touched.of(trace, view.layer, "act", pos=view.pos),
        wrote=of_ffn(trace, view.layer, view.pos),
    )


def strongest(act: Float[np.ndarray, " d_ff"]) -> Int[np.ndarray, " k"]:
    """Numbers of the neurons whose value is farthest from 0, at most SHOWN, the farthest first."""
    return largest_first(np.abs(act))[:SHOWN]


def draw(neurons: Neurons) -> Measures:
    """The strongest neurons and the chosen one, with the factors of each beside it."""
    shown, chosen = neurons.shown, neurons.chosen
    measures = [
        Column(_title(site, neurons.spec), values, tuple(number(value, 2) for value in values.tolist()))
        for site, values in neurons.of_shown.items()
    ]
    return Measures(
        [_("neuron {number}", number=neuron) for neuron in shown],
        measures,
        focus=None if chosen is None else shown.index(chosen),
        stands=(Stands("neuron", tuple(shown), Stands("layer", (neurons.layer,) * len(shown))),),
    )


def _title(site: str, spec: ModelSpec) -> str:
    function = function_name(spec)
    if site == "act":
        opened = f"{function}(gate) × up" if spec.ffn.gated else f"{function}(up)"
        return _("{formula} (activation)", formula=opened)
    if site == _OPENED:
        return f"{function}(gate)"
    return _("{formula} (activation)", formula=site)


def caption(neurons: Neurons) -> str:
    """The strongest neuron, where the chosen one stands, and how much of the layer's activity those drawn hold."""
    act, top, shown = neurons.values["act"].astype(np.float64), neurons.top, neurons.shown
    total = float((act**2).sum())
    share = float((act[shown] ** 2).sum()) / total if total > 0 else 0.0
    responds = _(
        "In layer {layer} neuron {neuron} responds most to {token} ({activation}).",
        layer=neurons.layer,
        neuron=int(top[0]),
        token=quoted(neurons.token),
        activation=number(float(act[top[0]])),
    )
    hold = ngettext(
        "The {count} neuron shown, of {all}, holds {share} of the squared length of what enters the down projection. "
        "Of all, {positive} are above 0.",
        "The {count} neurons shown, of {all}, hold {share} of the squared length of what enters the down projection. "
        "Of all, {positive} are above 0.",
        len(shown),
        all=thousands(len(act)),
        share=percent(share),
        positive=thousands(int((act > 0).sum())),
    )
    return " ".join(part for part in (responds, _chosen(neurons), hold, _adds_up(neurons)) if part)


def _chosen(neurons: Neurons) -> str:
    """The chosen neuron's place among all by the size of its value; "" where none is chosen, or the strongest is."""
    if neurons.chosen in (None, int(neurons.top[0])):
        return ""
    sizes = np.abs(neurons.values["act"])
    return _(
        "The chosen one, neuron {neuron}, is number {rank} ({activation}).",
        neuron=neurons.chosen,
        rank=thousands(int((sizes >= sizes[neurons.chosen]).sum())),
        activation=number(float(neurons.values["act"][neurons.chosen])),
    )


def _adds_up(neurons: Neurons) -> str:
    """That the neurons' rows are all that the FFN writes, and how exactly."""
    if neurons.parts:
        return _(
            "A change of this run comes after that ({change}): what the down projection makes of all neurons is not "
            "what is added to the stream (length {length}; difference {gap}).",
            change=neurons.wrote.says,
            **neurons.added,
        )
    if neurons.held:
        return _(
            "A change of this run comes after that ({change}): of what the down projection makes of all neurons only "
            "what it lets through is added to the stream (length {length}; difference {gap}).",
            change=neurons.wrote.says,
            **neurons.added,
        )
    if "down" in neurons.spec.biases:
        return _(
            "The sum of all neurons, each times its row of the down projection, and of that projection's bias is what "
            "the FFN adds to the stream (length {length}; difference {gap}).",
            **neurons.added,
        )
    return _(
        "The sum of all neurons, each times its row of the down projection, is what the FFN adds to the stream (length "
        "{length}; difference {gap}).",
        **neurons.added,
    )


def table(neurons: Neurons) -> Table:
    """The strongest neurons and the chosen one, with the factors of each."""
    return Table.of(
        (_("neuron"), neurons.shown),
        *((_title(site, neurons.spec), values) for site, values in neurons.of_shown.items()),
    )


def formula(neurons: Neurons) -> str:
    """How the value of the chosen neuron, or of the strongest, comes about, and what all of them add up to."""
    here = _(
        "layer {layer}, neuron {neuron}, {token}",
        layer=neurons.layer,
        neuron=neurons.told,
        token=quoted(neurons.token),
    )
    return "\n".join((here, *_product(neurons), _total(neurons)))


def _total(neurons: Neurons) -> str:
    """What all neurons add up to, as a line of the formula."""
    if neurons.parts:
        return ngettext(
            "Σ neuron × its row of the down projection, over {count} neuron; a change of this run comes after that "
            "({change}): what is added has length {length}, largest difference {gap}",
            "Σ neuron × its row of the down projection, over {count} neurons; a change of this run comes after that "
            "({change}): what is added has length {length}, largest difference {gap}",
            neurons.spec.d_ff,
            change=neurons.wrote.says,
            **neurons.added,
        )
    if neurons.held:
        return ngettext(
            "Σ neuron × its row of the down projection, over {count} neuron; a change of this run comes after that "
            "({change}): what it lets through has length {length}, largest difference {gap}",
            "Σ neuron × its row of the down projection, over {count} neurons; a change of this run comes after that "
            "({change}): what it lets through has length {length}, largest difference {gap}",
            neurons.spec.d_ff,
            change=neurons.wrote.says,
            **neurons.added,
        )
    if "down" in neurons.spec.biases:
        return ngettext(
            "Σ neuron × its row of the down projection, over {count} neuron, + bias = what the FFN adds: length "
            "{length}, largest difference {gap}",
            "Σ neuron × its row of the down projection, over {count} neurons, + bias = what the FFN adds: length "
            "{length}, largest difference {gap}",
            neurons.spec.d_ff,
            **neurons.added,
        )
    return ngettext(
        "Σ neuron × its row of the down projection, over {count} neuron = what the FFN adds: length {length}, largest "
        "difference {gap}",
        "Σ neuron × its row of the down projection, over {count} neurons = what the FFN adds: length {length}, "
        "largest difference {gap}",
        neurons.spec.d_ff,
        **neurons.added,
    )


def _product(neurons: Neurons) -> Iterator[str]:
    """The factors of one neuron; how near the function comes to the model's own neurons, where it is known and a
    second factor follows or something is changed after it."""
    spec, values, made = neurons.spec, neurons.values, neurons.by_function
    at, function = {site: number(float(each[neurons.told])) for site, each in values.items()}, function_name(spec)
    off = 0.0 if made is None else float(np.abs(made - values["act"]).max())
    changed = made is not None and neurons.made.part(off, values["act"])
    act = number(float(made[neurons.told])) if made is not None and changed else at["act"]
    if spec.ffn.gated:
        yield f"{_('neuron')} = {function}(gate) × up"
        opened = f" = {at[_OPENED]} × {at['up']}" if _OPENED in values else ""
        yield f"= {function}({at['gate']}) × {at['up']}{opened} = {act}"
    else:
        yield f"{_('neuron')} = {function}(up) = {function}({at['up']}) = {act}"
    if changed:
        yield changed_neurons(neurons.made, spec.d_ff, off, values["act"])
    elif spec.ffn.gated and made is not None:
        yield ngettext(
            "over the {count} neuron: largest difference from the model's own {gap}",
            "over all {count} neurons: largest difference from the model's own {gap}",
            spec.d_ff,
            gap=rounding(off, values["act"]),
        )


def changed_neurons(made: Touched, count: int, off: float, act: Float[np.ndarray, " d_ff"]) -> str:
    """That the neurons that go on are not what the function gives. off: largest difference."""
    return ngettext(
        "a change of this run comes after that ({change}): over the {count} neuron, largest difference {off} from what "
        "goes on",
        "a change of this run comes after that ({change}): over all {count} neurons, largest difference {off} from "
        "what goes on",
        count,
        change=made.says,
        off=rounding(off, act),
    )


_IMPORT = "from transformers.activations import ACT2FN\n\n"


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The strongest neurons at the chosen token and layer and the chosen one, with their factors: [2 or 4, neurons]."""
    where, rows, parts = spec.paths, "neuron, up", "neurons, up"
    joined = "" if view.neuron is None else f"shown = list(dict.fromkeys([*shown, {view.neuron}]))  # the chosen one\n"
    if spec.ffn.gated:
        rows, parts = (
            f"neuron, gate, {function_name(spec)}(gate), up",
            f'neurons, gate, ACT2FN["{spec.ffn.act}"](gate), up',
        )
    return f'''{opening(spec, view)}
{LAYERS}
{_IMPORT if spec.ffn.gated else ""}layer, seen = layers[{view.layer}], []
layer.get_submodule("{where.ffn}").register_forward_pre_hook(lambda module, given: seen.append(given[0][0, {view.pos}]))
for path in {list(where.inner)!r}:
    layer.get_submodule(path).register_forward_hook(lambda module, given, out: seen.append(out[0, {view.pos}]))
with torch.no_grad():
    model(**inputs)

{"gate, up" if spec.ffn.gated else "up"}, neurons = seen
shown = neurons.abs().argsort(descending=True, stable=True)[:{SHOWN}].tolist()
{joined}result = torch.stack([{parts}])[:, shown]  # {rows}
print(dict(zip(shown, result[0].tolist())))
'''


PANEL = Panel(
    id="neurons",
    stage="ffn",
    order=0,
    name=N_("Neurons"),
    title=N_("Which neurons respond?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    places=("layer",),
    wide=True,
)

"""Which neurons of one layer's FFN respond most to the chosen token."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int

from anatomy.language import N_, _, ngettext
from anatomy.measure import ACTIVATIONS, norms
from anatomy.request import Want
from anatomy.rounding import largest_first
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.names import function_name
from panels.common.snippet import LAYERS, opening
from panels.panel import Panel, Table
from viz.format import number, percent, quoted, rounding, thousands
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


def values(trace: Trace, view: Fitted) -> dict[str, Float[np.ndarray, " d_ff"]]:
    """Values of the chosen layer's neurons at the chosen token, by site; for a gated FFN also what its function makes
    of the gate ("opened"), where the function is one of ACTIVATIONS."""
    by_site = {site: trace[Want(site, layer=view.layer, pos=view.pos)] for site in _measures(trace.spec)}
    if trace.spec.ffn.gated and trace.spec.ffn.act in ACTIVATIONS:
        opened = ACTIVATIONS[trace.spec.ffn.act](by_site["gate"])
        return {"act": by_site["act"], "gate": by_site["gate"], _OPENED: opened, "up": by_site["up"]}
    return by_site


def strongest(act: Float[np.ndarray, " d_ff"]) -> Int[np.ndarray, " k"]:
    """Numbers of the neurons whose value is farthest from 0, at most SHOWN, the farthest first."""
    return largest_first(np.abs(act))[:SHOWN]


def sum_gap(trace: Trace, view: Fitted) -> float:
    """Largest difference (activation) of Σ neuron × its row of the down projection, + bias, from what the FFN adds."""
    return float(trace[Want("ffn_sum_gap", layer=view.layer, pos=view.pos)])


def _off(trace: Trace, view: Fitted) -> str:
    """The same as a sentence tells it."""
    return rounding(sum_gap(trace, view), trace[Want("ffn_out", layer=view.layer, pos=view.pos)])


def _written(trace: Trace, view: Fitted) -> float:
    """Length of what the FFN adds to the stream."""
    return float(norms(trace[Want("ffn_out", layer=view.layer, pos=view.pos)]))


def _title(site: str, spec: ModelSpec) -> str:
    function = function_name(spec)
    if site == "act":
        opened = f"{function}(gate) × up" if spec.ffn.gated else f"{function}(up)"
        return _("{formula} (activation)", formula=opened)
    if site == _OPENED:
        return f"{function}(gate)"
    return _("{formula} (activation)", formula=site)


def draw(trace: Trace, view: Fitted) -> Measures:
    """The strongest neurons, with the factors of each beside it."""
    by_site = values(trace, view)
    top = strongest(by_site["act"])
    measures = [
        Column(_title(site, trace.spec), array[top], tuple(number(float(value), 2) for value in array[top]))
        for site, array in by_site.items()
    ]
    return Measures([_("neuron {number}", number=neuron) for neuron in top], measures)


def caption(trace: Trace, view: Fitted) -> str:
    """The strongest neuron, and how much of the layer's activity those drawn hold."""
    act = values(trace, view)["act"].astype(np.float64)
    top = strongest(act)
    total = float((act**2).sum())
    share = float((act[top] ** 2).sum()) / total if total > 0 else 0.0
    responds = _(
        "In layer {layer} neuron {neuron} responds most to {token} ({activation}).",
        layer=view.layer,
        neuron=top[0],
        token=quoted(trace.tokens[view.pos].label),
        activation=number(float(act[top[0]])),
    )
    hold = ngettext(
        "The {count} neuron shown, of {all}, holds {share} of the squared length of what enters the down projection; "
        "{positive} are above 0.",
        "The {count} neurons shown, of {all}, hold {share} of the squared length of what enters the down projection; "
        "{positive} are above 0.",
        len(top),
        all=thousands(len(act)),
        share=percent(share),
        positive=thousands(int((act > 0).sum())),
    )
    return f"{responds} {hold} {_adds_up(trace, view)}"


def _adds_up(trace: Trace, view: Fitted) -> str:
    """That the neurons' rows are all that the FFN writes, and how exactly."""
    numbers = {"length": number(_written(trace, view)), "gap": _off(trace, view)}
    if "down" in trace.spec.biases:
        return _(
            "The sum of all neurons, each times its row of the down projection, and of that projection's bias is what "
            "the FFN adds to the stream (length {length}; difference {gap}).",
            **numbers,
        )
    return _(
        "The sum of all neurons, each times its row of the down projection, is what the FFN adds to the stream (length "
        "{length}; difference {gap}).",
        **numbers,
    )


def table(trace: Trace, view: Fitted) -> Table:
    """The strongest neurons with the factors of each."""
    by_site = values(trace, view)
    names = tuple(_title(site, trace.spec) for site in by_site)
    return Table(
        (_("neuron"), *names),
        tuple((int(i), *(float(array[i]) for array in by_site.values())) for i in strongest(by_site["act"])),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """How the strongest neuron's value comes about, and what all of them add up to."""
    by_site = values(trace, view)
    top = int(strongest(by_site["act"])[0])
    here = _(
        "layer {layer}, neuron {neuron}, {token}",
        layer=view.layer,
        neuron=top,
        token=quoted(trace.tokens[view.pos].label),
    )
    return "\n".join((here, *_product(trace, by_site, top), _total(trace, view)))


def _total(trace: Trace, view: Fitted) -> str:
    """What all neurons add up to, as a line of the formula."""
    numbers = {
        "length": number(_written(trace, view)),
        "gap": _off(trace, view),
    }
    if "down" in trace.spec.biases:
        return ngettext(
            "Σ neuron × its row of the down projection, over {count} neuron, + bias = what the FFN adds: length "
            "{length}, largest difference {gap}",
            "Σ neuron × its row of the down projection, over {count} neurons, + bias = what the FFN adds: length "
            "{length}, largest difference {gap}",
            trace.spec.d_ff,
            **numbers,
        )
    return ngettext(
        "Σ neuron × its row of the down projection, over {count} neuron = what the FFN adds: length {length}, largest "
        "difference {gap}",
        "Σ neuron × its row of the down projection, over {count} neurons = what the FFN adds: length {length}, "
        "largest difference {gap}",
        trace.spec.d_ff,
        **numbers,
    )


def _product(trace: Trace, by_site: dict[str, Float[np.ndarray, " d_ff"]], top: int) -> Iterator[str]:
    """The strongest neuron's factors; for a gated FFN, how near the product comes to the model's own neurons."""
    at, function = {site: number(float(array[top])) for site, array in by_site.items()}, function_name(trace.spec)
    if not trace.spec.ffn.gated:
        yield f"{_('neuron')} = {function}(up) = {function}({at['up']}) = {at['act']}"
        return
    yield f"{_('neuron')} = {function}(gate) × up"
    if _OPENED not in by_site:
        yield f"= {function}({at['gate']}) × {at['up']} = {at['act']}"
        return
    yield f"= {function}({at['gate']}) × {at['up']} = {at[_OPENED]} × {at['up']} = {at['act']}"
    yield ngettext(
        "over the {count} neuron: largest difference from the model's own {gap}",
        "over all {count} neurons: largest difference from the model's own {gap}",
        trace.spec.d_ff,
        gap=rounding(float(np.abs(by_site[_OPENED] * by_site["up"] - by_site["act"]).max()), by_site["act"]),
    )


_IMPORT = "from transformers.activations import ACT2FN\n\n"


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The strongest neurons at the chosen token and layer, with their factors: [2 or 4, neurons]."""
    where, rows, parts = spec.paths, "neuron, up", "neurons, up"
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
strongest = neurons.abs().argsort(descending=True, stable=True)[:{SHOWN}]
result = torch.stack([{parts}])[:, strongest]  # {rows}
print(dict(zip(strongest.tolist(), result[0].tolist())))
'''


PANEL = Panel(
    id="neurons",
    stage="ffn",
    order=0,
    name=N_("Neurons"),
    title=N_("Which neurons respond?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    places=("layer",),
    wide=True,
)

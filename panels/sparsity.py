"""How many neurons of each layer stay next to zero for a token."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from anatomy.measure import NEAR_ZERO
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.shared import FIRST
from panels.snippet import LAYERS, opening, paths
from viz.format import many, number, percent, quoted, thousands
from viz.lines import Lines, banded, lines

_SMALL = Want("act_small")
_LIMIT = f"{100 * NEAR_ZERO:g} %"


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The share of idle neurons of every layer and token, and the chosen one's neurons."""
    return (_SMALL, Want("act", view.layer, pos=view.pos))


def _lines(trace: Trace, view: Fitted) -> Lines:
    drawn = [i for i in range(len(trace.tokens)) if view[FIRST] or i > 0 or view.pos == 0]
    return Lines(
        values=100 * trace[_SMALL].T[drawn],
        names=tuple(trace.tokens[i].label for i in drawn),
        places=tuple(map(str, range(trace.spec.layers))),
        chosen=drawn.index(view.pos),
        marked=0 if drawn[0] == 0 and view.pos != 0 else None,
        x_axis="layer",
        y_axis="neurons next to zero (%)",
    )


def draw(trace: Trace, view: Fitted) -> go.Figure:
    """A line per token over the layers; for long texts the range and median of the others."""
    return lines(_lines(trace, view))


def says(trace: Trace, view: Fitted) -> str:
    """The chosen layer's share and what counts as next to zero; where most and fewest are idle."""
    own = trace[_SMALL][:, view.pos]
    most, least = int(own.argmax()), int(own.argmin())
    given = _lines(trace, view)
    band = (
        f" The {thousands(len(given.others))} other tokens are drawn as their range and median."
        if banded(given) and given.others
        else ""
    )
    return (
        f"For {quoted(trace.tokens[view.pos].label)} {percent(float(own[view.layer]))} of the "
        f"{many(trace.spec.d_ff, 'neuron')} of layer {view.layer} stay next to zero: at most {_LIMIT} of "
        f"the size of its strongest neuron there. Most do in layer {most} ({percent(float(own[most]))}), fewest in "
        f"layer {least} ({percent(float(own[least]))}). A single very strong neuron makes all others count as next to "
        f"zero.{band}"
    )


def table(trace: Trace, view: Fitted) -> Table:
    """Per layer: the chosen token's share, and the smallest, middle and largest of all tokens."""
    shares = trace[_SMALL]
    return Table(
        ("layer", "chosen token (share)", "smallest", "median", "largest"),
        tuple(
            (layer, float(row[view.pos]), float(row.min()), float(np.median(row)), float(row.max()))
            for layer, row in enumerate(shares)
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The count at the chosen layer, with the numbers, against the engine's own share."""
    act = np.abs(trace[Want("act", view.layer, pos=view.pos)])
    strongest = float(act.max())
    idle = int((act <= NEAR_ZERO * act.max()).sum())
    share = float(trace[_SMALL][view.layer, view.pos])
    return "\n".join(
        (
            f"layer {view.layer}, {quoted(trace.tokens[view.pos].label)}",
            f"next to zero: |neuron| ≤ {_LIMIT} · {number(strongest)} = {number(NEAR_ZERO * strongest)}",
            f"{thousands(idle)} of {thousands(len(act))} neurons = {percent(idle / len(act))}",
            f"exactly 0: {thousands(int((act == 0).sum()))}",
            f"difference from the figure {number(abs(idle / len(act) - share), 2)}",
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The share of idle neurons of every layer and token."""
    return f'''{opening(spec, view)}
{LAYERS}
neurons = []
for layer in layers:
    layer.get_submodule("{paths(spec).ffn}").register_forward_pre_hook(
        lambda module, given: neurons.append(given[0][0].abs())
    )
with torch.no_grad():
    model(**inputs)

result = torch.stack(
    [(sizes <= {NEAR_ZERO} * sizes.amax(dim=-1, keepdim=True)).float().mean(dim=-1) for sizes in neurons]
)  # [layers, pos]
print(result[:, {view.pos}])
'''


PANEL = Panel(
    id="sparsity",
    stage="ffn",
    order=2,
    name="Sparsity",
    title="How many neurons stay idle?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(FIRST,),
    places=("layer",),
)

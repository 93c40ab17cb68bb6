"""How many neurons of each layer stay next to zero for a token: at most 1 % of the size of its strongest there."""

from collections.abc import Sequence

import numpy as np

from anatomy.language import N_, _, ngettext
from anatomy.measure import NEAR_ZERO
from anatomy.request import Want
from anatomy.rounding import largest_at, smallest_at
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.shared import FIRST
from panels.common.snippet import LAYERS, opening
from panels.panel import Panel, Table
from viz.description import Description
from viz.format import exact_percent, number, percent, quoted, rounding, thousands
from viz.lines import Lines, banded

_SMALL = Want("act_small")


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
        x_axis=_("layer"),
        y_axis=_("neurons next to zero (%)"),
    )


def draw(trace: Trace, view: Fitted) -> Description:
    """The share (%) next to zero: a line per token over the layers; for long texts the others' range and median."""
    return _lines(trace, view)


def caption(trace: Trace, view: Fitted) -> str:
    """The chosen layer's share and what counts as next to zero; where most and fewest are idle."""
    own = trace[_SMALL][:, view.pos]
    most, least = largest_at(own), smallest_at(own)
    idle = ngettext(
        "For {token} {share} of the {count} neuron of layer {layer} stays next to zero: at most {limit} of the size "
        "of its strongest neuron there. Most do in layer {most} ({largest}), fewest in layer {least} ({smallest}). A "
        "single very strong neuron makes all others count as next to zero.",
        "For {token} {share} of the {count} neurons of layer {layer} stay next to zero: at most {limit} of the size "
        "of its strongest neuron there. Most do in layer {most} ({largest}), fewest in layer {least} ({smallest}). A "
        "single very strong neuron makes all others count as next to zero.",
        trace.spec.d_ff,
        token=quoted(trace.tokens[view.pos].label),
        share=percent(float(own[view.layer])),
        layer=view.layer,
        limit=exact_percent(NEAR_ZERO),
        most=most,
        largest=percent(float(own[most])),
        least=least,
        smallest=percent(float(own[least])),
    )
    given = _lines(trace, view)
    if not banded(given) or not given.others:
        return idle
    band = ngettext(
        "The {count} other token is drawn as its range and median.",
        "The {count} other tokens are drawn as their range and median.",
        len(given.others),
    )
    return f"{idle} {band}"


def table(trace: Trace, view: Fitted) -> Table:
    """Per layer: the chosen token's share, and the smallest, middle and largest of all tokens."""
    shares = trace[_SMALL]
    return Table(
        (_("layer"), _("chosen token (share)"), _("smallest"), _("median"), _("largest")),
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
            _("layer {layer}, {token}", layer=view.layer, token=quoted(trace.tokens[view.pos].label)),
            _(
                "next to zero: |neuron| ≤ {limit} · {strongest} = {edge}",
                limit=exact_percent(NEAR_ZERO),
                strongest=number(strongest),
                edge=number(NEAR_ZERO * strongest),
            ),
            _(
                "{count} of {all} neurons = {share}",
                count=thousands(idle),
                all=thousands(len(act)),
                share=percent(idle / len(act)),
            ),
            _("exactly 0: {count}", count=thousands(int((act == 0).sum()))),
            _("difference from the figure {off}", off=rounding(idle / len(act) - share, 1.0)),
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The share of idle neurons of every layer and token: [layers, pos]."""
    return f'''{opening(spec, view)}
{LAYERS}
neurons = []
for layer in layers:
    layer.get_submodule("{spec.paths.ffn}").register_forward_pre_hook(
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
    name=N_("Sparsity"),
    title=N_("How many neurons stay idle?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(FIRST,),
    places=("layer",),
)

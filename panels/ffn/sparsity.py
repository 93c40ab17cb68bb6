"""How many neurons of each layer stay next to zero for a token: at most 1 % of the size of its strongest there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy.control import Control
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
from viz.format import exact_percent, number, percent, quoted, rounding, thousands
from viz.lines import MOST_LINES, Lines
from viz.marks import Stands


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The share of idle neurons of every layer and token, and the chosen one's neurons."""
    return (Want("act_small"), Want("act", view.layer, pos=view.pos))


def idle(spec: ModelSpec, view: Fitted) -> Sequence[Control]:
    """The first token is never left out where it is the chosen one."""
    return (FIRST,) if view.pos == 0 else ()


@dataclass(frozen=True)
class Idle:
    """How many neurons stay next to zero.

    layer, pos  the chosen layer and token
    labels      of all tokens
    first       the first token that is drawn: 0 or 1
    share       of each layer's neurons, 0 to 1
    act         the chosen layer's neurons at the chosen token (activation)
    """

    layer: int
    pos: int
    labels: tuple[str, ...]
    first: int
    share: Float[np.ndarray, "layer pos"]
    act: Float[np.ndarray, " d_ff"]

    @property
    def token(self) -> str:
        """The chosen token's label, quoted."""
        return quoted(self.labels[self.pos])

    def named(self, pos: int) -> str:
        """A token as the legend names it: many are a comma or a space."""
        return f"{quoted(self.labels[pos])} ({pos})"

    @property
    def marked(self) -> int | None:
        """The line of the text's first token, where it is drawn beside the chosen one's."""
        return 0 if self.first == 0 and self.pos != 0 else None


def read(trace: Trace, view: Fitted) -> Idle:
    """The shares of every layer and token, and the chosen one's neurons."""
    share, act = (trace[want] for want in needs(trace.spec, view))
    first = 0 if view[FIRST] or view.pos == 0 else 1
    return Idle(view.layer, view.pos, trace.labels, first, share, act)


def draw(idle: Idle) -> Lines:
    """The share (%) next to zero: a line per token over the layers; for long texts the others' range and median."""
    return Lines(
        values=100 * idle.share.T[idle.first :],
        names=tuple(map(idle.named, range(idle.first, len(idle.labels)))),
        places=tuple(map(str, range(len(idle.share)))),
        chosen=idle.pos - idle.first,
        marked=idle.marked,
        x_axis=_("layer"),
        y_axis=_("neurons next to zero (%)"),
        stands=(
            Stands("pos", tuple(range(idle.first, len(idle.labels)))),
            Stands.each("layer", len(idle.share)),
        ),
    )


def caption(idle: Idle) -> str:
    """The chosen layer's share and what counts as next to zero; where most and fewest are idle."""
    own = idle.share[:, idle.pos]
    stay = ngettext(
        "For {token} {share} of the {count} neuron of layer {layer} stays next to zero: at most {limit} of the size "
        "of its strongest neuron there.",
        "For {token} {share} of the {count} neurons of layer {layer} stay next to zero: at most {limit} of the size "
        "of its strongest neuron there.",
        len(idle.act),
        token=idle.token,
        share=percent(float(own[idle.layer])),
        layer=idle.layer,
        limit=exact_percent(NEAR_ZERO),
    )
    strong = _("A single very strong neuron makes all others count as next to zero.")
    return " ".join(sentence for sentence in (stay, _ends(own), strong, _band(idle)) if sentence)


def _ends(own: Float[np.ndarray, " layer"]) -> str:
    """In which layers most and fewest are next to zero, where that differs."""
    if len(own) == 1:
        return ""
    most, least = largest_at(own), smallest_at(own)
    largest, smallest = percent(float(own[most])), percent(float(own[least]))
    if largest == smallest:
        return _("It is about {share} in every layer.", share=largest)
    return _(
        "Most do in layer {most} ({largest}), fewest in layer {least} ({smallest}).",
        most=most,
        largest=largest,
        least=least,
        smallest=smallest,
    )


def _band(idle: Idle) -> str:
    """How many other tokens are drawn, where they are too many for a line each."""
    lines = len(idle.labels) - idle.first
    if lines <= MOST_LINES:
        return ""
    return ngettext(
        "The {count} other token is drawn as its range and median.",
        "The {count} other tokens are drawn as their range and median.",
        lines - (1 if idle.marked is None else 2),
    )


def table(idle: Idle) -> Table:
    """Per layer: the chosen token's share, and the smallest, middle and largest of all tokens."""
    return Table.of(
        (_("layer"), range(len(idle.share))),
        (_("chosen token (share)"), idle.share[:, idle.pos]),
        (_("smallest"), idle.share.min(axis=1)),
        (_("median"), np.median(idle.share, axis=1)),
        (_("largest"), idle.share.max(axis=1)),
    )


def formula(idle: Idle) -> str:
    """The count at the chosen layer, with the numbers, against the engine's own share."""
    sizes = np.abs(idle.act)
    strongest = float(sizes.max())
    near = int((sizes <= NEAR_ZERO * sizes.max()).sum())
    share = float(idle.share[idle.layer, idle.pos])
    return "\n".join(
        (
            _("layer {layer}, {token}", layer=idle.layer, token=idle.token),
            _(
                "next to zero: |neuron| ≤ {limit} · {strongest} = {edge}",
                limit=exact_percent(NEAR_ZERO),
                strongest=number(strongest),
                edge=number(NEAR_ZERO * strongest),
            ),
            _(
                "{count} of {all} neurons = {share}",
                count=thousands(near),
                all=thousands(len(sizes)),
                share=percent(near / len(sizes)),
            ),
            _("exactly 0: {count}", count=thousands(int((sizes == 0).sum()))),
            _("difference from the figure {off}", off=rounding(near / len(sizes) - share, 1.0)),
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
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(FIRST,),
    idle=idle,
    places=("layer",),
)

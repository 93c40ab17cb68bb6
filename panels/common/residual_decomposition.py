"""The stream as a sum: what enters, what attention and FFN add, and how far the sum is from what the model holds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy.interventions import ATTENTION_SKIP, FFN_SKIP
from anatomy.language import _
from anatomy.measure import contributions, norms
from anatomy.request import Want
from anatomy.spec import LearnedPositions, ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.normed import ATTENTION, FFN, Normed, follows_sum, normed
from panels.common.normed import needs as normed_needs
from panels.common.touched import NOTHING, Touched
from viz.format import within

WRITES = ("attn_out", "ffn_out")


@dataclass(frozen=True)
class ResidualDecomposition:
    """One token's stream as the sum of what was written to it.

    shares   [2 layer] share of each write of attention and FFN in the squared length of the sum that it enters
    lengths  [2 layer] L2 norm of each write
    lead     share and length of what enters layer 0; None where every layer has sums of its own
    off      largest difference between a sum and what the model holds there
    size     largest number of what the model holds there
    added    largest number that is added up, or that is normalized
    total    squared length of the final stream; None where every layer has sums of its own
    changed  changes between a sum and what the model holds there
    skipped  of the chosen layer's two sums, those that leave out the stream, so that the norm reads the write alone;
             NOTHING twice where all adds up to one sum, as there a write takes the stream off
    bare     likewise those that leave out the norm
    """

    shares: Float[np.ndarray, "2 layer"]
    lengths: Float[np.ndarray, "2 layer"]
    lead: tuple[float, float] | None
    off: float
    size: float
    added: float
    total: float | None
    changed: Touched = NOTHING
    skipped: tuple[Touched, Touched] = (NOTHING, NOTHING)
    bare: tuple[Touched, Touched] = (NOTHING, NOTHING)

    @property
    def parts(self) -> bool:
        """Whether something is changed in between, so that they are not one."""
        return self.changed.part(self.off, self.size, self.added)

    @property
    def alone(self) -> Touched:
        """Changes that leave out the stream of either sum."""
        return self.skipped[ATTENTION] + self.skipped[FFN]


def entrance(spec: ModelSpec) -> str:
    """What enters layer 0, in words."""
    return _("embedding + position") if isinstance(spec.position, LearnedPositions) else _("embedding")


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Every write to the chosen token, and the streams that the sums begin and end with."""
    layers = range(spec.layers)
    writes = [Want(site, layer, pos=view.pos) for site in WRITES for layer in layers]
    if not follows_sum(spec):
        return (*writes, Want("resid_pre", 0, pos=view.pos), Want("resid_post", layers[-1], pos=view.pos))
    between = [Want(site, layer, pos=view.pos) for site in ("resid_pre", "resid_mid") for layer in layers]
    checked = [want for which in (ATTENTION, FFN) for want in normed_needs(spec, which, view.layer, view.pos)]
    return tuple(dict.fromkeys((*writes, *between, *checked)))


def residual_decomposition(trace: Trace, view: Fitted) -> ResidualDecomposition:
    """The chosen token's sum from layer 0 to the last; where norms follow the sums, two sums for each layer."""
    return _by_layer(trace, view) if follows_sum(trace.spec) else _through(trace, view)


def written(trace: Trace, view: Fitted) -> Float[np.ndarray, "2 layer d_model"]:
    """What attention and FFN add to the chosen token in every layer (activation)."""
    layers = range(trace.spec.layers)
    return np.stack([[trace[Want(site, layer, pos=view.pos)] for layer in layers] for site in WRITES])


def _through(trace: Trace, view: Fitted) -> ResidualDecomposition:
    """Everything added to one vector, from the first layer to the last."""
    writes = written(trace, view)
    enters = trace[Want("resid_pre", 0, pos=view.pos)]
    final = trace[Want("resid_post", trace.spec.layers - 1, pos=view.pos)]
    parts = np.concatenate([enters[None], writes.reshape(-1, len(enters))])  # [1 + 2 · layer, d_model]
    total = parts.sum(axis=0, dtype=np.float64)
    empty = within(float(np.abs(total).max()), parts)  # all that is left is rounding: of nothing there are no shares
    total = np.zeros_like(total) if empty else total
    shares = np.zeros(len(parts)) if empty else contributions(parts)
    return ResidualDecomposition(
        shares=shares[1:].reshape(2, -1),
        lengths=norms(writes),
        lead=(float(shares[0]), float(norms(enters))),
        off=float(np.abs(total - final).max()),
        size=float(np.abs(final).max()),
        added=float(np.abs(parts).max()),
        total=float(total @ total),
    )


def _by_layer(trace: Trace, view: Fitted) -> ResidualDecomposition:
    """Two sums in each layer, each normalized; the chosen layer's are compared with what the model holds."""
    writes = written(trace, view)
    streams = [
        [trace[Want(site, layer, pos=view.pos)] for layer in range(trace.spec.layers)]
        for site in ("resid_pre", "resid_mid")
    ]
    pairs = np.stack([np.stack(streams), writes], axis=2)  # [2 layer 2 d_model]
    for which, skip in ((ATTENTION, ATTENTION_SKIP), (FFN, FFN_SKIP)):
        left_out = [bool(Touched.of(trace, layer, skip).made) for layer in range(trace.spec.layers)]
        pairs[which, left_out, 0] = 0.0  # the sum is the write alone
    checked = [normed(trace, which, view.layer, view.pos) for which in (ATTENTION, FFN)]
    return ResidualDecomposition(
        shares=contributions(pairs)[..., 1],
        lengths=norms(writes),
        lead=None,
        off=max(each.off for each in checked),
        size=max(float(np.abs(each.after).max()) for each in checked),
        added=max(float(np.abs(each.after).max()) for each in checked),
        total=None,
        changed=_between(checked[ATTENTION]) + _between(checked[FFN]),
        skipped=(checked[ATTENTION].skipped, checked[FFN].skipped),
        bare=(checked[ATTENTION].left_out, checked[FFN].left_out),
    )


def _between(steps: Normed) -> Touched:
    """Changes between a sum and the stream that follows: all but those by which the sum is another one."""
    return steps.left_out + steps.changed.without(steps.skipped)

"""The stream as a sum: what enters, what attention and FFN add, and how far the sum is from what the model holds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy.measure import contributions, layer_normalized, norms, rms_normalized
from anatomy.request import Want
from anatomy.spec import LearnedPositions, ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted

WRITES = ("attn_out", "ffn_out")
_PARAMETERS = (("attn_gain", "attn_norm_bias"), ("ffn_gain", "ffn_norm_bias"))


@dataclass(frozen=True)
class Sheet:
    """One token's sums.

    shares   [2 layer] share of each write of attention and FFN in the squared length of the sum that it enters
    lengths  [2 layer] its length
    lead     share and length of what enters layer 0; None where every layer has sums of its own
    off      largest difference between a sum and what the model holds there
    size     largest number of what the model holds there
    total    squared length of the final stream; None where every layer has sums of its own
    """

    shares: Float[np.ndarray, "2 layer"]
    lengths: Float[np.ndarray, "2 layer"]
    lead: tuple[float, float] | None
    off: float
    size: float
    total: float | None


def normalizes_sums(spec: ModelSpec) -> bool:
    """Whether a norm follows each sum, so that nothing adds up over layers."""
    return spec.norm.place == "post"


def entrance(spec: ModelSpec) -> str:
    """What enters layer 0."""
    return "embedding + position" if isinstance(spec.position, LearnedPositions) else "embedding"


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Every write to the chosen token, and the streams that the sums begin and end with."""
    layers = range(spec.layers)
    writes = [Want(site, layer, pos=view.pos) for site in WRITES for layer in layers]
    if not normalizes_sums(spec):
        return (*writes, Want("resid_pre", 0, pos=view.pos), Want("resid_post", layers[-1], pos=view.pos))
    between = [Want(site, layer, pos=view.pos) for site in ("resid_pre", "resid_mid") for layer in layers]
    parameters = [Want(site, view.layer) for pair in _PARAMETERS for site in pair]
    return (*writes, *between, Want("resid_post", view.layer, pos=view.pos), *parameters)


def sheet(trace: Trace, view: Fitted) -> Sheet:
    """The chosen token's."""
    return _by_layer(trace, view) if normalizes_sums(trace.spec) else _through(trace, view)


def written(trace: Trace, view: Fitted) -> Float[np.ndarray, "2 layer d_model"]:
    """What attention and FFN add to the chosen token in every layer."""
    layers = range(trace.spec.layers)
    return np.stack([[trace[Want(site, layer, pos=view.pos)] for layer in layers] for site in WRITES])


def _through(trace: Trace, view: Fitted) -> Sheet:
    """Everything added to one vector, from the first layer to the last."""
    writes = written(trace, view)
    enters = trace[Want("resid_pre", 0, pos=view.pos)]
    final = trace[Want("resid_post", trace.spec.layers - 1, pos=view.pos)]
    parts = np.concatenate([enters[None], writes.reshape(-1, len(enters))])  # [1 + 2 · layer, d_model]
    shares = contributions(parts)
    total = parts.sum(axis=0, dtype=np.float64)
    return Sheet(
        shares=shares[1:].reshape(2, -1),
        lengths=norms(writes),
        lead=(float(shares[0]), float(norms(enters))),
        off=float(np.abs(total - final).max()),
        size=float(np.abs(final).max()),
        total=float(total @ total),
    )


def _by_layer(trace: Trace, view: Fitted) -> Sheet:
    """Two sums in each layer, each normalized; the chosen layer's are compared with what the model holds."""
    writes = written(trace, view)
    streams = [
        [trace[Want(site, layer, pos=view.pos)] for layer in range(trace.spec.layers)]
        for site in ("resid_pre", "resid_mid")
    ]
    pairs = np.stack([np.stack(streams), writes], axis=2)  # [2 layer 2 d_model]
    offs, sizes = zip(*(_checked(trace, view, which, pairs[which, view.layer]) for which in (0, 1)), strict=True)
    shares = contributions(pairs)[..., 1]  # [2 layer]
    return Sheet(shares, norms(writes), lead=None, off=max(offs), size=max(sizes), total=None)


def _checked(trace: Trace, view: Fitted, which: int, pair: Float[np.ndarray, "2 d_model"]) -> tuple[float, float]:
    """(largest difference, largest number) of a normalized sum of the chosen layer against the stream after it."""
    gain, bias = (trace[Want(site, view.layer)] for site in _PARAMETERS[which])
    after = trace[Want(("resid_mid", "resid_post")[which], view.layer, pos=view.pos)]
    found = normalized(trace.spec, pair.sum(axis=0, dtype=np.float64)) * gain + bias
    return float(np.abs(found - after).max()), float(np.abs(after).max())


def normalized(spec: ModelSpec, x: Float[np.ndarray, "... d_model"]) -> Float[np.ndarray, "... d_model"]:
    """A vector as the model's kind of norm leaves it before gain and bias."""
    formula = rms_normalized if spec.norm.kind == "rms" else layer_normalized
    return formula(x, spec.norm.eps)

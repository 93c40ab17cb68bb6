"""What a layer's norms read and give, and the formula between the two."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy.interventions import ATTENTION_NORM, ATTENTION_SKIP, FFN_NORM, FFN_SKIP, LAYER
from anatomy.measure import layer_normalized, rms_normalized
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from panels.common.touched import NOTHING, Touched

ATTENTION, FFN = 0, 1
# For attention's norm and the FFN's: the stream, the write, what the part reads, the stream after the sum.
_SITES = (("resid_pre", "attn_out", "attn_in", "resid_mid"), ("resid_mid", "ffn_out", "ffn_in", "resid_post"))
_PLACES = ((ATTENTION_NORM, ATTENTION_SKIP), (FFN_NORM, FFN_SKIP))  # where a norm and the sum beside it are left out
_PARAMETERS = (("attn_gain", "attn_norm_bias"), ("ffn_gain", "ffn_norm_bias"))


@dataclass(frozen=True)
class Normed:
    """One token's vector on its way through one norm; all [d_model].

    before   what the norm reads: the stream, or the sum with the write where the norm follows the sum; the write alone
             where this run leaves out the skip connection that the sum is made by
    unit     the same, normalized
    gain     factor per dimension
    bias     what is added per dimension; None for RMSNorm
    after    what the model's own norm gives, or what goes on in its place
    changed  changes between the two
    left_out those that leave the norm out, so that what it reads goes on in the place of what it would give
    skipped  those that leave out the skip connection around the part, so that the stream does not go on beside it
    """

    before: Float[np.ndarray, " d_model"]
    unit: Float[np.ndarray, " d_model"]
    gain: Float[np.ndarray, " d_model"]
    bias: Float[np.ndarray, " d_model"] | None
    after: Float[np.ndarray, " d_model"]
    changed: Touched = NOTHING
    left_out: Touched = NOTHING
    skipped: Touched = NOTHING

    @property
    def by_formula(self) -> Float[np.ndarray, " d_model"]:
        """What the norm gives by its formula."""
        return self.unit * self.gain + (0.0 if self.bias is None else self.bias)

    @property
    def off(self) -> float:
        """Largest difference between the formula and what the model's own norm gives."""
        return float(np.abs(self.by_formula - self.after).max())

    @property
    def parts(self) -> bool:
        """Whether something is changed after the norm, so that what goes on is not what it gives."""
        return bool(self.left_out.made) or self.changed.part(self.off, self.after)

    @property
    def given(self) -> Float[np.ndarray, " d_model"]:
        """What the norm gives: by the formula where what goes on is something else, unless the norm is left out."""
        if self.left_out.made:
            return self.after
        return self.by_formula.astype(self.after.dtype) if self.parts else self.after


def follows_sum(spec: ModelSpec) -> bool:
    """Whether each norm stands after the sum of stream and write, not before the part that writes."""
    return spec.norm.place == "post"


def needs(spec: ModelSpec, which: int, layer: int, pos: int) -> Sequence[Want]:
    """What `normed` reads. which: ATTENTION or FFN."""
    return (*_before(spec, which, layer, pos), *_parameters(spec, which, layer), _after(spec, which, layer, pos))


def normed(trace: Trace, which: int, layer: int, pos: int) -> Normed:
    """One token at one norm of a layer. which: ATTENTION or FFN."""
    spec = trace.spec
    norm, skip = _PLACES[which]
    skipped = Touched.of(trace, layer, skip)
    read = _before(spec, which, layer, pos)[-1 if skipped.made else 0 :]
    before = np.stack([trace[want] for want in read]).sum(axis=0, dtype=np.float64)
    gain, *bias = (trace[want] for want in _parameters(spec, which, layer))
    formula = rms_normalized if spec.norm.kind == "rms" else layer_normalized
    left_out = Touched.of(trace, layer, norm)
    if follows_sum(spec):
        left_out += Touched.of(trace, layer, LAYER).of_ops("drop")
    return Normed(
        before=before,
        unit=formula(before, spec.norm.eps),
        gain=gain,
        bias=bias[0] if bias else None,
        after=trace[_after(spec, which, layer, pos)],
        changed=Touched.of(trace, layer, _SITES[which][3], pos=pos) if follows_sum(spec) else NOTHING,
        left_out=left_out,
        skipped=skipped,
    )


def _before(spec: ModelSpec, which: int, layer: int, pos: int) -> tuple[Want, ...]:
    """The stream that the norm reads, or the two parts of the sum that it reads."""
    stream, write, _, _ = _SITES[which]
    return tuple(Want(site, layer, pos=pos) for site in ((stream, write) if follows_sum(spec) else (stream,)))


def _after(spec: ModelSpec, which: int, layer: int, pos: int) -> Want:
    _, _, read, summed = _SITES[which]
    return Want(summed if follows_sum(spec) else read, layer, pos=pos)


def _parameters(spec: ModelSpec, which: int, layer: int) -> tuple[Want, ...]:
    """Gain, and bias where the kind of norm has one."""
    gain, bias = _PARAMETERS[which]
    return tuple(Want(site, layer) for site in ((gain, bias) if spec.norm.kind == "layer" else (gain,)))

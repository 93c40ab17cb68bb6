"""Whether the neurons' writes are all that the FFN adds: Σ activation × row of the down projection, against ffn_out."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from anatomy.request import Want
from anatomy.spec import ModelSpec
from models.loaded.projections import down_projection
from models.measure import Measure
from models.measures import arriving
from models.measures.context import RunContext

MEASURES = (Measure(("ffn_sum_gap",), frozenset({"act", "ffn_out"})),)


def basis(want: Want, spec: ModelSpec) -> list[Want]:
    """The layer's neurons and its FFN's write, at the wanted positions."""
    return [Want(site, want.layer, pos=want.pos) for site in ("act", "ffn_out")]


def missing(spec: ModelSpec) -> dict[str, str]:
    """Every model with an FFN has it."""
    return {}


def answer(context: RunContext, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
    """The wanted arrays among MEASURES."""
    return {want: _gap(context, want) for want in wants}


def _gap(context: RunContext, want: Want) -> Float[np.ndarray, "..."]:
    """Largest difference over d_model, one per position; the projection's bias counts to the sum."""
    assert want.layer is not None, f"{want} has passed axes_of, so it names a layer"
    act, ffn_out = (
        context.tensor(based) for based in basis(want, context.loaded.spec)
    )  # [(pos) d_ff], [(pos) d_model]
    down = down_projection(context.loaded, want.layer)
    written = act @ down.rows + down.bias
    shares = arriving.of_neurons(context.loaded, want.layer, len(context.ids))  # [pos]
    if shares is not None:
        written = written * (shares[:, None] if want.pos is None else shares[want.pos])
    return (written - ffn_out).abs().amax(-1).numpy()

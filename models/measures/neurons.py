"""What the FFN of one layer writes at one position, neuron by neuron: activation × row of the down projection.

A neuron's row is fixed; the text decides how much of it is added. What it adds, followed through the final norm and the
output layer, raises some tokens and lowers others (Geva et al. 2022, "Transformer Feed-Forward Layers Build Predictions
by Promoting Concepts in the Vocabulary Space").
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from anatomy.request import Want
from anatomy.spec import ModelSpec
from models.loaded.frozen import FrozenUnembed
from models.loaded.projections import down_projection
from models.loaded.ranked import largest
from models.loaded.reasons import not_shared_out
from models.measure import Measure
from models.measures import arriving
from models.measures.context import RunContext

NEURONS = 10  # kept
TOKENS = 5  # kept of those that each raises, and of those that it lowers
_OWN = ("write_ids", "write_acts", "write_norms")
ON_TOKENS = ("write_up_ids", "write_up_logits", "write_down_ids", "write_down_logits")
MEASURES = (
    Measure(_OWN, frozenset({"act", "ffn_out"}), lengths={"k": NEURONS}),
    Measure(
        ON_TOKENS,
        frozenset({"act", "ffn_out", "resid_post", "logits"}),
        rows=lambda spec, tokens, want: NEURONS,
        lengths={"k": NEURONS, "m": TOKENS},
    ),
)


def basis(want: Want, spec: ModelSpec) -> list[Want]:
    """The layer's activations at the wanted position."""
    return [Want("act", want.layer, pos=want.pos)]


def missing(spec: ModelSpec) -> dict[str, str]:
    """What follows the writes to the logits, where there is no such way."""
    reason = not_shared_out(spec)
    return {} if reason is None else dict.fromkeys(ON_TOKENS, reason)


def answer(context: RunContext, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
    """The wanted arrays among MEASURES; what one layer and position give is worked out once."""
    arrays: dict[Want, np.ndarray] = {}
    for layer, pos in dict.fromkeys((want.layer, want.pos) for want in wants):
        here = [want for want in wants if (want.layer, want.pos) == (layer, pos)]
        assert layer is not None, f"{here[0]} has passed axes_of, so it names a layer"
        assert pos is not None, f"{here[0]} has not been refused, so it names a position"
        sites = _sites(context, layer, pos, any(want.site in ON_TOKENS for want in here))
        arrays |= {want: sites[want.site].numpy() for want in here}
    return arrays


def _sites(context: RunContext, layer: int, pos: int, on_tokens: bool) -> dict[str, Tensor]:
    """Every site of one layer and position by name; those on tokens only where they are asked for."""
    act = context.tensor(Want("act", layer, pos=pos))  # [d_ff]
    rows = down_projection(context.loaded, layer).rows  # [d_ff d_model]
    shares = arriving.of_neurons(context.loaded, layer, len(context.ids))  # [pos]
    rows = rows if shares is None else rows * shares[pos]
    sizes = act.abs() * torch.linalg.vector_norm(rows, dim=-1)
    best = largest(sizes[None], NEURONS)[1][0]  # [k]
    own = {"write_ids": best, "write_acts": act[best], "write_norms": sizes[best]}
    if not on_tokens:
        return own
    writes = act[best, None] * rows[best]  # [k d_model]
    logits = FrozenUnembed(context.loaded, context.last[pos]).logits(writes)  # [k vocab]
    (up, raised), (down, lowered) = largest(logits, TOKENS), largest(-logits, TOKENS)
    return own | dict(zip(ON_TOKENS, (raised, up, lowered, -down), strict=True))

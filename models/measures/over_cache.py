"""What the cache of keys and values changes: a token computed alone over the cache, against the pass over all of them.

Nothing but the last digits may differ: the same sums, added up in another order.
"""

from collections.abc import Sequence

import numpy as np
import torch

from anatomy.interventions import AT_ONCE
from anatomy.language import N_
from anatomy.refused import Refused
from anatomy.request import Want
from anatomy.spec import ModelSpec
from models.loaded.generate import new_cache, step
from models.loaded.reasons import NO_HEAD
from models.measure import Measure, once, sites_of
from models.measures.context import RunContext
from models.reading.interventions import holding
from models.reading.recorder import recording, silent

MEASURES = (Measure(("cache_gap",), frozenset({"logits"}), rows=once, passes=1, cached=True),)
_NOT_CAUSAL = N_(
    "This model reads the whole text at once, in both directions: it keeps no keys and values from which a token could "
    "be computed alone."
)


def basis(want: Want, spec: ModelSpec) -> list[Want]:
    """Nothing but the last stream, which the layer inputs hold."""
    return []


def missing(spec: ModelSpec) -> dict[str, str]:
    """Models that look ahead have no cache; those without an output layer have no logits."""
    reason = NO_HEAD if spec.head is None else None if spec.stack().causal else _NOT_CAUSAL
    return {} if reason is None else dict.fromkeys(sites_of(MEASURES), reason)


def answer(context: RunContext, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
    """The wanted arrays among MEASURES."""
    return {want: np.array(_gap(context, want.pos), np.float32) for want in wants}


def _gap(context: RunContext, pos: int | None) -> float:
    """Largest difference, over the vocabulary, between the logits with the cache and those of the run. Refused under
    changes that depend on the whole text: a token alone would be changed in another way."""
    assert pos is not None, "cache_gap has not been refused, so it names a position"
    if not holding().stepwise:
        raise Refused(AT_ONCE)
    ids, cache = torch.from_numpy(context.ids), new_cache(context.loaded)
    if pos > 0:
        with recording(silent(len(context.loaded.layers))):
            step(context.loaded, ids[:pos], cache)
    cached = step(context.loaded, ids[pos : pos + 1], cache)[-1]  # [vocab]
    return float((cached - context.readout.logits(context.last[pos, None])[0].float()).abs().max())

"""What the cache of keys and values changes: a token computed alone over the cache, against the pass over all of them.

Nothing but the last digits may differ: the same sums, added up in another order.
"""

from collections.abc import Sequence

import numpy as np
import torch

from anatomy.language import N_
from anatomy.request import Want
from anatomy.spec import ModelSpec
from models.attribution import NO_HEAD
from models.generate import new_cache, step
from models.ground import Ground
from models.recorder import recording, silent

NEEDS = {"cache_gap": frozenset({"logits"})}
_NOT_CAUSAL = N_(
    "This model reads the whole text at once, in both directions: it keeps no keys and values from which a token could "
    "be computed alone."
)


def basis(want: Want, spec: ModelSpec) -> list[Want]:
    """Nothing but the last stream, which is on the tape."""
    return []


def missing(spec: ModelSpec) -> dict[str, str]:
    """Models that look ahead have no cache; those without an output layer have no logits."""
    reason = NO_HEAD if spec.head is None else None if spec.stack().causal else _NOT_CAUSAL
    return {} if reason is None else dict.fromkeys(NEEDS, reason)


def answer(ground: Ground, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
    """The wanted arrays among NEEDS."""
    return {want: np.array(_gap(ground, want.pos), np.float32) for want in wants}


def _gap(ground: Ground, pos: int | None) -> float:
    """Largest difference, over the vocabulary, between the logits with the cache and those of the run."""
    assert pos is not None, "cache_gap has not been refused, so it names a position"
    ids, cache = torch.from_numpy(ground.ids), new_cache(ground.opened)
    if pos > 0:
        with recording(silent(len(ground.opened.layers))):
            step(ground.opened, ids[:pos], cache)
    cached = step(ground.opened, ids[pos : pos + 1], cache)[-1]  # [vocab]
    return float((cached - ground.readout.logits(ground.last[pos, None])[0].float()).abs().max())

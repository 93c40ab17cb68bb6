"""Which row of the embedding table each token is given in a run that shuffles them."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from jaxtyping import Int

from anatomy.interventions import EMBEDDING
from anatomy.request import Intervention


@lru_cache(maxsize=4)
def order(seed: int, count: int) -> Int[np.ndarray, " row"]:
    """The numbers from 0 to below count in an order drawn at random; NumPy's own generator (PCG64) draws it."""
    drawn = np.random.default_rng(seed).permutation(count)
    drawn.flags.writeable = False
    return drawn


def row_of(asked: Iterable[Intervention], token: int, vocab: int) -> int:
    """The row of the table, of a vocabulary of so many, that a token is given under these changes; its own without."""
    for one in asked:
        if one.site == EMBEDDING:
            token = int(order(one.seed, vocab)[token])
    return token

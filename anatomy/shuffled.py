"""Which row of the embedding table each token is given in a run that shuffles them."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from jaxtyping import Int

from anatomy.interventions import EMBEDDING
from anatomy.request import Intervention


def rows(asked: Iterable[Intervention], vocab: int) -> Int[np.ndarray, " token"]:
    """For each token of a vocabulary of so many the row of the table that it is given under these changes: its own
    without. What is shuffled a second time is the table as the first has left it. Read-only."""
    return _rows(tuple(one.seed for one in asked if one.site == EMBEDDING), vocab)


@lru_cache(maxsize=4)
def _rows(seeds: tuple[int, ...], vocab: int) -> Int[np.ndarray, " token"]:
    """NumPy's own generator (PCG64) draws each order: the same on any processor."""
    given = np.arange(vocab)
    for seed in seeds:
        given = given[np.random.default_rng(seed).permutation(vocab)]
    given.flags.writeable = False
    return given


def row_of(asked: Iterable[Intervention], token: int, vocab: int) -> int:
    """The row that one token is given."""
    return int(rows(asked, vocab)[token])

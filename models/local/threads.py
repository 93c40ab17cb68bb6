"""How many of torch's threads a piece of work uses.

torch keeps the number per process, and each thread takes it over at its first product: whoever computes says it anew.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

MOST = 4  # more gain nothing on short texts and keep the page's own threads waiting
_GIVEN = torch.get_num_threads()  # before anyone uses others: a number set by one thread is soon that of all


def usual_threads(given: int = _GIVEN) -> int:
    """For a model's runs: what the machine or OMP_NUM_THREADS gave when the program began, at most `MOST`."""
    return min(given, MOST)


@contextmanager
def using_threads(count: int | None) -> Iterator[None]:
    """While this is open, so many compute; None: as many as there are."""
    before = torch.get_num_threads()
    if count is None or count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)

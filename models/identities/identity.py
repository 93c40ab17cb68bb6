"""An identity: two ways to the same numbers, how far apart they are, and what cannot be trusted where they differ."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from anatomy.facts import Doubt, why_closed
from anatomy.refused import Sentence

TOLERANCE = 1e-5  # float32 sums in another order, as a share of the largest number that is added up
LOGIT_TOLERANCE = 1e-4  # after a final norm and a sum over d_model


@dataclass(frozen=True)
class Identity:
    """One thing that has to hold, how far it is off (`off`), and what cannot be trusted where it does not.

    name       in English; what the reader is told has it in the reader's language
    sites      what of the trace is refused then
    facts      which of `anatomy.facts` are doubted then
    """

    name: str
    sites: frozenset[str]
    error: float
    tolerance: float
    facts: frozenset[str] = frozenset()

    @property
    def holds(self) -> bool:
        """False too when the error is not a number."""
        return self.error <= self.tolerance


@dataclass(frozen=True)
class Sides:
    """Two ways to the same numbers, and the size of what both are made of.

    size  as many rows as they have (the last axis is one row); None: the expected numbers themselves
    """

    actual: Tensor
    expected: Tensor
    size: Tensor | None = None

    @property
    def off(self) -> float:
        """How far apart the two are."""
        return off(self.actual, self.expected, self.size)


def off(actual: Tensor, expected: Tensor, size: Tensor | None = None) -> float:
    """Largest difference in a row, as a share of the largest size in that row; over all rows. NaN where a number is
    none, ∞ where something stands in a row of size 0."""
    differences = (actual - expected).abs().amax(-1)
    sizes = (expected if size is None else size).abs().amax(-1)
    shares = differences / sizes
    shares[(differences == 0) & (sizes == 0)] = 0.0
    return float(shares.max())


def worst(errors: Iterable[float]) -> float:
    """The largest; NaN when one of them is; endless when nothing was compared."""
    found = list(errors)
    return float(np.max(found)) if found else float("inf")


def broken(identities: Iterable[Identity]) -> dict[str, Sentence]:
    """The sites that cannot be trusted, each with the sentence that refuses it."""
    reasons: dict[str, Sentence] = {}
    for identity in identities:
        if not identity.holds:
            reasons |= dict.fromkeys(identity.sites, why_closed(identity.name, identity.error, identity.tolerance))
    return reasons


def doubts(identities: Iterable[Identity]) -> tuple[Doubt, ...]:
    """The facts that cannot be trusted."""
    failed = (identity for identity in identities if not identity.holds)
    return tuple(
        Doubt(fact, identity.name, identity.error, identity.tolerance)
        for identity in failed
        for fact in sorted(identity.facts)
    )

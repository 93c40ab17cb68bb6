"""An identity: two ways to the same numbers, how far apart they are, and what cannot be trusted where they differ."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np
from torch import Tensor

from anatomy.facts import Doubt, why_closed
from anatomy.refused import Sentence
from anatomy.spec import ModelSpec
from models.reading.precision import widened

TOLERANCE = 1e-5  # float32 sums in another order, as a share of the largest number that is added up
LOGIT_TOLERANCE = 1e-4  # after a final norm and a sum over d_model
# Unit roundoff: the largest share of a number that is lost where it is rounded (Higham 2002, sec. 2.1).
UNIT: Mapping[str, float] = {"bfloat16": 2.0**-8, "float16": 2.0**-11}
# In half precision a number is rounded wherever one module hands it to the next. Most roundings are in a rotated query,
# a·cos − b·sin: cosine, product and sum make 3 of up to |a| + |b| = √2 times the larger, 4.3 in all.
ROUNDINGS = 6


@dataclass(frozen=True)
class Tolerances:
    """How far two ways to the same numbers may be apart, as a share of the largest number that is added up.

    ours    both are worked out in float32
    part    one or both are what a part of the model gave, in its own precision
    logits  one or both have gone through all of the model, or through its end
    """

    ours: float
    part: float
    logits: float


def tolerances(spec: ModelSpec) -> Tolerances:
    """Those of a model's precision. Of n roundings in a row the errors add up as √n does, since they have either sign
    (Higham and Mary 2019, "A New Approach to Probabilistic Rounding Error Analysis"), and one of them is half a unit on
    average: a stream is rounded after each of two parts of every layer, which round before that on their own."""
    if spec.dtype not in UNIT:
        return Tolerances(TOLERANCE, TOLERANCE, LOGIT_TOLERANCE)
    unit = UNIT[spec.dtype]
    return Tolerances(TOLERANCE, ROUNDINGS * unit, ROUNDINGS * unit / 2 * sqrt(2 * spec.layers))


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
    actual, expected = widened(actual), widened(expected)
    differences = (actual - expected).abs().amax(-1)
    sizes = widened(expected if size is None else size).abs().amax(-1)
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

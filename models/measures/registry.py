"""Sites that are worked out from others: from arrays of the layers, from parameters, from streams.

Each module of PARTS has NEEDS (its sites, each with the sites it rests on), `basis` (the wants that answering one
takes), `missing` (which of them a kind of model has not, and why) and `answer`.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from anatomy.refused import Sentence
from anatomy.request import Want
from anatomy.spec import ModelSpec
from models.measures import attribution, lens, neuron_sum, neurons, over_cache, rerun, value_weighted
from models.measures.context import RunContext

PARTS = (attribution, lens, neuron_sum, neurons, over_cache, rerun, value_weighted)
NEEDS = {site: needs for part in PARTS for site, needs in part.NEEDS.items()}
SITES = frozenset(NEEDS)


def basis(wants: Iterable[Want], spec: ModelSpec) -> list[Want]:
    """The wants that answering these takes, each once."""
    asked = tuple(wants)
    based = (want for part in PARTS for one in asked if one.site in part.NEEDS for want in part.basis(one, spec))
    return list(dict.fromkeys(based))


def missing(spec: ModelSpec) -> dict[str, str]:
    """The sites that such a model does not have, each with the sentence that refuses it."""
    return {site: reason for part in PARTS for site, reason in part.missing(spec).items()}


def broken(reasons: Mapping[str, Sentence]) -> dict[str, Sentence]:
    """Sites that cannot be trusted, each with a sentence, and those that rest on them."""
    resting = {site: reasons[needed] for site, needs in NEEDS.items() for needed in sorted(needs & reasons.keys())}
    return {**resting, **reasons}


def answer(context: RunContext, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
    """The wanted arrays among SITES, from a ground that holds their basis."""
    arrays: dict[Want, np.ndarray] = {}
    for part in PARTS:
        arrays |= part.answer(context, [want for want in wants if want.site in part.NEEDS])
    return arrays

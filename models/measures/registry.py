"""Every site that a loaded model answers, and who answers it: the one list of measures.

A module with MEASURES (`models/measure.py`) may have `basis` (the wants whose arrays it works from), `missing` (which
of its sites a kind of model has not, and why) and `answer`. Sites of one layer are taken from the layer as it runs
(`collect`), the others are worked out before any forward pass or after it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from anatomy.refused import Sentence
from anatomy.request import Want
from anatomy.spec import ModelSpec
from models.loaded import norms, readout, relative, sharing, stored, vocabulary
from models.measure import Measure, sites_of
from models.measures import (
    attribution,
    collect,
    lens,
    likeness,
    neuron_sum,
    neurons,
    over_cache,
    reductions,
    rerun,
    value_weighted,
    varied,
)
from models.measures.context import RunContext
from models.reading import interventions
from models.reading.arrays import array_of

Reason = TypeVar("Reason")
Answer = Callable[[RunContext, Sequence[Want]], dict[Want, np.ndarray]]


def _nothing(want: Want, spec: ModelSpec) -> list[Want]:
    return []


def _everywhere(spec: ModelSpec) -> Mapping[str, str | Sentence]:
    return {}


@dataclass(frozen=True)
class Part:
    """Measures that one function answers.

    answer   (context, wants) → the wanted arrays
    basis    (want, spec) → wants whose arrays the context has to hold
    missing  spec → the sites that such a model does not have, each with the sentence that refuses it
    """

    measures: tuple[Measure, ...]
    answer: Answer
    basis: Callable[[Want, ModelSpec], list[Want]] = _nothing
    missing: Callable[[ModelSpec], Mapping[str, str | Sentence]] = _everywhere

    @property
    def sites(self) -> frozenset[str]:
        """All that it answers."""
        return sites_of(self.measures)


def _rows(context: RunContext, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
    ids, places = torch.from_numpy(context.ids), interventions.places(len(context.ids))
    return context.loaded.vocabulary.answer(ids, wants, places)


def _buckets(context: RunContext, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
    table = context.loaded.family.bias_table(context.loaded.model)
    return {} if table is None else {want: array_of(table.detach().clone(), want) for want in wants}


def _gaps(context: RunContext, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
    return dict.fromkeys(wants, context.loaded.weight_gaps()) if wants else {}  # every matrix is read for it, once


PARTS = (
    Part(vocabulary.MEASURES, _rows),
    Part(norms.MEASURES, lambda context, wants: context.loaded.norms.answer(wants)),
    Part(sharing.MEASURES, _gaps),
    Part(relative.MEASURES, _buckets),
    Part(stored.MEASURES, lambda context, wants: stored.answer(context.loaded, wants), missing=stored.missing),
    Part(readout.MEASURES, lambda context, wants: context.readout.answer(context.inputs, wants) if wants else {}),
    Part(likeness.MEASURES, likeness.answer),
    *(
        Part(module.MEASURES, module.answer, module.basis, module.missing)
        for module in (attribution, lens, neuron_sum, neurons, over_cache, rerun, value_weighted)
    ),
    Part(varied.MEASURES, varied.answer, missing=varied.missing),
)
APART = frozenset().union(*(part.sites for part in PARTS))  # worked out apart from the layers as they run
MEASURES: Mapping[str, Measure] = {
    site: measure
    for measures in (
        *(part.measures for part in PARTS),
        collect.MEASURES,
        reductions.REDUCTIONS,
        reductions.ATTENTION_REDUCTIONS,
    )
    for measure in measures
    for site in measure.gives
}


def basis(wants: Iterable[Want], spec: ModelSpec) -> list[Want]:
    """What layers have to show as they run, so that these can be answered: each want once, those of layers included."""
    asked = tuple(wants)
    based = (want for part in PARTS for one in asked if one.site in part.sites for want in part.basis(one, spec))
    return list(dict.fromkeys([*(want for want in asked if want.site not in APART), *based]))


def missing(spec: ModelSpec) -> dict[str, str | Sentence]:
    """The sites that such a model does not have, each with the sentence that refuses it."""
    return {site: reason for part in PARTS for site, reason in part.missing(spec).items()}


def with_resting(reasons: Mapping[str, Reason]) -> dict[str, Reason]:
    """Sites that are not answered, each with the reason, and those that are worked out from them."""
    refused = dict(reasons)
    while more := {
        site: refused[max(measure.needs & refused.keys())]
        for site, measure in MEASURES.items()
        if site not in refused and not measure.needs.isdisjoint(refused)
    }:
        refused |= more
    return refused


def answer(context: RunContext, wants: Iterable[Want]) -> dict[Want, np.ndarray]:
    """The wanted arrays among APART, from a context that holds their basis."""
    asked = tuple(wants)
    arrays: dict[Want, np.ndarray] = {}
    for part in PARTS:
        arrays |= part.answer(context, [want for want in asked if want.site in part.sites])
    return arrays

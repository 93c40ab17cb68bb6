"""Variants that are made for a moment: what is asked of one is worked out, and it is let go of before the next."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from time import perf_counter

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from anatomy import variants
from anatomy.language import N_
from anatomy.positions import at_position
from anatomy.request import Want
from models import memory
from models.loaded.model import LoadedModel
from models.local import packed
from models.local.parting import MadeRun, compared
from models.measures.varied import TIMES, altered_in
from models.progress import report_progress
from models.reading.interventions import intervening
from models.reading.recorder import Sites
from models.variants.altered import altered

_SECONDS = "variant_seconds"


def answer(base: MadeRun, every: int, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
    """What is wanted of variants of a run's model. Refused where there is no memory for the weights of one.

    every  of how many layers one stream of a variant's run is kept
    """
    arrays: dict[Want, np.ndarray] = {}
    by_variant: dict[str, list[Want]] = {}
    for want in wants:
        by_variant.setdefault(want.of or "", []).append(want)
    beside = _Base(base, every)
    for of, asked in by_variant.items():
        arrays |= _of_variant(beside, of, asked)
        memory.give_back()
    return arrays


@dataclass(frozen=True)
class _Base:
    """What variants are held against: a run of their model.

    every  of how many layers one stream of a variant's run is kept
    """

    run: MadeRun
    every: int

    @cached_property
    def plain(self) -> LoadedModel:
        """The model on the same memory without packed copies, for the clock: a variant has none of what it changes.
        The variant's matrices lie in the order in which these do (`models.variants.altered`)."""
        own = self.run.loaded
        model = altered(own.model, own.family, (), _no_adapter)
        return LoadedModel(model, own.family, own.spec.name, "", own.spec.weights)


def _of_variant(beside: _Base, of: str, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
    made, base = altered_in(of), beside.run
    own = base.loaded.spec
    name = variants.written(own.name, made)
    memory.check_weights(name, variants.new_bytes(dict(own.counts), made), variant=True)
    model = altered(base.loaded.model, base.loaded.family, made, _no_adapter)
    try:
        variant = LoadedModel(model, base.loaded.family, name, own.revision, own.weights, (*own.alterations, *made))
        found = _found(beside, variant, {want.site for want in wants})
    finally:
        _let_go(model)
    return {want: at_position(found[want.site], want) for want in wants}


def _found(beside: _Base, variant: LoadedModel, sites: set[str]) -> dict[str, np.ndarray]:
    """What the variant gives of these sites, and what comes with it."""
    found: dict[str, np.ndarray] = {}
    if _SECONDS in sites:  # before it multiplies by the base's packed copies
        found[_SECONDS] = _seconds(beside, variant)
    if sites - {_SECONDS}:
        found |= _apart(beside.run, _made(beside.run, variant, beside.every))
    return found


def _let_go(model: PreTrainedModel) -> None:
    """Give up the weights at once: a module and its hooks hold one another until the collector comes by. Its parameters
    are its own, whoever has their memory besides."""
    for parameter in model.parameters():
        parameter.data = parameter.data.new_empty(0)


def _no_adapter(model: PreTrainedModel, name: str) -> dict[str, Tensor]:
    raise AssertionError("an adapter is refused before")


def _made(base: MadeRun, variant: LoadedModel, every: int) -> MadeRun:
    """The variant's run on the same tokens, under the same changes. What it shares with the base it multiplies as that
    does: what is not altered differs by nothing."""
    packed.followed(variant.layers, base.loaded.layers)
    heads = [model.get_output_embeddings() for model in (variant.model, base.loaded.model)]
    packed.followed(*([head] if head is not None else [] for head in heads))
    changes = replace(base.changes, layers=variant.layers)
    with intervening(changes):
        inputs = variant.record(base.ids.numpy(), {}, _unvisited, every)
    return replace(base, loaded=variant, inputs=inputs, changes=changes)


def _unvisited(layer: int, sites: Sites) -> None:
    """Nothing of a layer is looked at."""


def _apart(base: MadeRun, other: MadeRun) -> dict[str, np.ndarray]:
    """Every number of the comparison, by its site."""
    found: dict[str, np.ndarray] = {}
    parting = compared(base, other, tuple((pos, pos) for pos in range(len(base.ids))))
    if parting.kl is not None:
        found |= {"variant_kl": parting.kl.astype(np.float32), "variant_ids": _best(other)}
    if parting.losses[1] is not None:
        found["variant_loss"] = parting.losses[1].astype(np.float32)
    if parting.distance is not None:
        found["variant_distance"] = parting.distance[1:].astype(np.float32)
    return found


def _best(run: MadeRun) -> Int[np.ndarray, " pos"]:
    """The most probable token at each place."""
    readout = run.loaded.readout
    assert readout is not None, "predictions were compared, so there are some"
    with intervening(run.changes):
        return readout.best(run.inputs.stream(len(run.inputs.calls)), 1).ids[:, 0].numpy()


def _seconds(beside: _Base, variant: LoadedModel) -> Float[np.ndarray, " side"]:
    """The quickest of a few passes over the text, of the base and of the variant in turns. Neither multiplies by packed
    copies."""
    quickest = [np.inf, np.inf]
    for again in range(TIMES + 1):
        report_progress(N_("measuring the seconds of a pass"), again, TIMES + 1)
        for side, loaded in enumerate((beside.plain, variant)):
            spent = _pass(beside.run, loaded)
            quickest[side] = min(quickest[side], spent) if again else np.inf
    return np.array(quickest, np.float32)


def _pass(base: MadeRun, loaded: LoadedModel) -> float:
    with intervening(replace(base.changes, layers=loaded.layers)):
        start = perf_counter()
        loaded.final_stream(base.ids[None])
        return perf_counter() - start

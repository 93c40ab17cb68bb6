"""Runs of an engine held against a plain model that is changed by other means (`plain_changes.py`)."""

from functools import cache

import numpy as np
from transformers import PreTrainedModel

from anatomy.interventions import PLACES
from anatomy.request import Intervention, Run, Want
from anatomy.trace import Trace
from models.local.engine import LocalEngine
from tests.models.reading.plain_changes import Changed, Cut
from tests.models.tiny import tiny_model

TEXT = "the cat, the hat"
LAYERS = 3
FLOAT32 = 1e-5  # of the largest number: rounding in another order


def cut(run: Run) -> list[int]:
    return [*run.text.encode(), *run.tail]


@cache
def plain(kind: str) -> PreTrainedModel:
    return tiny_model(kind)


def run_of(engine: LocalEngine, *interventions: Intervention, text: str = TEXT) -> Run:
    return Run(engine.spec.id, text, interventions=interventions)


def ends(engine: LocalEngine, tokens: int = len(TEXT)) -> list[Want]:
    """What the model gives in the end: the last stream, and the logits of a model that has a head."""
    logits = [Want("logits", pos=pos) for pos in range(tokens)] if engine.spec.head else []
    return [Want("resid_post", engine.spec.layers - 1), *logits]


def streams() -> list[Want]:
    return [Want(f"resid_{place}", layer) for place in ("pre", "mid", "post") for layer in range(LAYERS)]


def gap(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference as a share of the largest number."""
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / max(float(np.abs(expected).max()), 1e-3))


def gaps(engine: LocalEngine, model: PreTrainedModel, run: Run, cutting: Cut = cut) -> dict[Want, float]:
    """How far the engine is from the plain model, at what is changed, in all streams of the changed layers and in the
    end."""
    reference = Changed(model, run, cutting)
    places = {Want(one.site, one.layer) for one in run.interventions if not PLACES[one.site].whole}
    around = {Want(site, place.layer) for place in places for site in ("resid_pre", "resid_mid", "resid_post", "z")}
    wants = [*(places | around), *ends(engine, len(reference.ids))]
    trace = engine.run(run, wants)
    return {want: gap(trace[want], _expected(reference, want)) for want in wants}


def _expected(reference: Changed, want: Want) -> np.ndarray:
    if want.site == "logits":
        assert reference.logits is not None
        return reference.logits[want.pos]
    assert want.layer is not None
    return reference.site(want.site, want.layer)


def gaps_everywhere(engine: LocalEngine, model: PreTrainedModel, run: Run) -> dict[Want, float]:
    """The same at every site of every layer."""
    reference = Changed(model, run, cut)
    named = ("q", "k", "v", "z", "pattern", "act", "attn_out", "ffn_out")
    wants = [*streams(), *(Want(site, layer) for site in named for layer in range(LAYERS))]
    wants += ends(engine, len(reference.ids))
    trace = engine.run(run, wants)
    return {want: gap(trace[want], _everywhere(reference, want)) for want in wants}


def _everywhere(reference: Changed, want: Want) -> np.ndarray:
    if want.site in ("attn_out", "ffn_out") and want.layer is not None:
        return reference.write(want.site, want.layer)
    return _expected(reference, want)


def worst(found: dict[Want, float], most: float = FLOAT32) -> dict[str, float]:
    """Those that are too far away."""
    return {str(want): far for want, far in found.items() if not far <= most}


def same(one: Trace, other: Trace, wants: list[Want]) -> None:
    """Every bit is the same."""
    for want in wants:
        np.testing.assert_array_equal(one[want], other[want], err_msg=str(want))

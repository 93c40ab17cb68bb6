"""Every panel on a model in half precision: what it needs is answered, in numbers; what is off is said as it is."""

import re

import numpy as np
import pytest
import torch

from anatomy.interventions import Change
from anatomy.request import Intervention
from anatomy.view import View
from models.local.engine import LocalEngine
from models.reading.precision import named
from panels.answer import PanelAnswer
from panels.panel import Panel
from tests.models.local.test_halves import PRECISIONS, half_engine
from tests.models.tiny import tiny_engine
from tests.panels.test_beside import CASES, TEXT

CHANGED = (
    Intervention("k", "scale", 0, amount=0.5, pos=2),
    Intervention("pattern", "mean", 0, head=0),
    Intervention("attn_out", "scale", 1, amount=-1.0, pos=4),
    Intervention("resid_mid", "noise", 1, amount=0.5, seed=3),
    Intervention("act", "mean", 1, neuron=3),
    Intervention("resid_post", "zero", 2, pos=0),
)
OF_FLOAT32 = ("quantization", "pruning", "precision")  # what changes do is told of a model in float32
CLAIMED = re.compile("below 10⁻[⁴-⁹]")


def shown(panel: Panel, engine: LocalEngine, interventions: tuple[Intervention, ...]) -> tuple[PanelAnswer, set[str]]:
    """The panel's answer, and the sites that hold something else than numbers."""
    view = View(text=TEXT, layer=1, head=1, changes=tuple(map(Change, interventions))).second
    run = view.run(engine.spec)
    fitted = view.fit(engine.spec, engine.run(run).tokens)
    trace = engine.run(run, (*panel.needs(engine.spec, fitted), *panel.later(engine.spec, fitted)))
    floats = {want: array for want, array in trace.arrays.items() if array.dtype.kind == "f"}
    assert {array.dtype for array in floats.values()} <= {np.dtype(np.float32)}
    without = {want.site for want, array in floats.items() if not np.isfinite(array).all()}
    return PanelAnswer.of(panel, trace, fitted), without


@pytest.mark.parametrize("interventions", [(), CHANGED], ids=["plain", "changed"])
@pytest.mark.parametrize("dtype", PRECISIONS, ids=named)
@pytest.mark.parametrize(("panel", "kind"), CASES, ids=[f"{panel.id}-{kind}" for panel, kind in CASES])
def test_all_that_a_panel_needs_is_answered_in_numbers(
    panel: Panel, kind: str, dtype: torch.dtype, interventions: tuple[Intervention, ...]
) -> None:
    half = half_engine(kind, dtype)
    if panel.id in OF_FLOAT32:
        assert "half precision" in str(panel.closed(half.spec))
        return
    answer, without = shown(panel, half, interventions)
    _wide, as_in_float32 = shown(panel, tiny_engine(kind), interventions)
    assert without == as_in_float32  # scores of what may not be looked at, a surprisal that nothing has
    assert answer.caption
    assert answer.table.rows
    assert "float32" not in f"{answer.caption} {answer.formula}"


@pytest.mark.parametrize("id", ["balance", "normalization", "neurons", "attribution", "cell"])
def test_a_sum_that_half_precision_rounds_is_not_said_to_be_equal(id: str) -> None:
    panel = next(panel for panel, kind in CASES if (panel.id, kind) == (id, "llama"))
    wide, _ = shown(panel, tiny_engine("llama"), ())
    half, _ = shown(panel, half_engine("llama", torch.bfloat16), ())
    assert len(CLAIMED.findall(half.formula)) < len(CLAIMED.findall(wide.formula))

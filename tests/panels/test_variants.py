"""Every panel on a variant that is built otherwise says what it says of a run with the same changes: no sentence takes
for granted what every run of the model leaves out. And a variant that changes nothing differs from its base by 0."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from anatomy.alignment import identity
from anatomy.interventions import Change
from anatomy.request import Want
from anatomy.variants import read
from anatomy.view import View
from models.local.engine import LocalEngine
from models.local.load import variant
from panels.answer import PanelAnswer
from panels.beside import BesideAnswer
from panels.panel import Panel
from tests.models.tiny import tiny_engine
from tests.panels.test_beside import CASES, TEXT
from tests.panels.test_changed import NONE
from viz.description import Description

BUILT = ("noskip", "nonorm", "dropout=0.3", "noskip~nonorm~dropout=0.1")
OFTEN = (("llama", "noskip~nonorm~dropout=0.1"), ("bert", "noskip"))  # the others in the widest sweep
BUILT_CASES = [
    pytest.param(
        panel, kind, name, id=f"{panel.id}-{kind}-{name}", marks=[] if (kind, name) in OFTEN else pytest.mark.wide
    )
    for panel, kind in CASES
    for name in BUILT
]


@cache
def engine_of(kind: str, name: str) -> LocalEngine:
    return variant(tiny_engine(kind), read(f"m~{name}")[1])


def answered(panel: Panel, engine: LocalEngine, view: View) -> PanelAnswer:
    run = view.run(engine.spec)
    fitted = view.fit(engine.spec, engine.run(run).tokens)
    wants: list[Want] = [*panel.needs(engine.spec, fitted), *panel.later(engine.spec, fitted)]
    return PanelAnswer.of(panel, engine.run(run, wants), fitted)


@pytest.mark.parametrize(("panel", "kind", "name"), BUILT_CASES)
def test_a_panel_says_what_it_says_of_a_run_so_changed(panel: Panel, kind: str, name: str) -> None:
    engine, base = engine_of(kind, name), tiny_engine(kind)
    view = View(text=TEXT, layer=1, head=1)
    of_variant = answered(panel, engine, view)
    changed = answered(panel, base, replace(view, changes=tuple(map(Change, engine.spec.built))).second)
    own, theirs = (
        f"{one.caption}\n{one.formula}".replace(f"tiny-{kind}~{name}", f"tiny-{kind}") for one in (of_variant, changed)
    )
    assert own == theirs
    assert str(of_variant.table.rows).replace(engine.spec.name, base.spec.name) == str(changed.table.rows)


@pytest.mark.parametrize(("panel", "kind"), CASES, ids=[f"{panel.id}-{kind}" for panel, kind in CASES])
def test_a_variant_that_changes_nothing_differs_by_0_in_every_panel(panel: Panel, kind: str) -> None:
    view = View(text=TEXT, layer=1, head=1)
    a, b = (answered(panel, engine, view) for engine in (tiny_engine(kind), engine_of(kind, "prune=0~shared=1")))
    labels = tiny_engine(kind).run(view.run(tiny_engine(kind).spec)).labels
    difference = BesideAnswer(a, b, (labels, labels), identity(len(labels)), a.view).difference
    if isinstance(difference, Description):
        assert not np.nan_to_num(difference.numbers()).any()
    else:
        assert difference.sentence.startswith(NONE.get(panel.id, "?")), difference.sentence

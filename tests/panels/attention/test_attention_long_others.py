"""The other panels of the attention stage on a long text: the overview of all heads, ribbons, BertViz, the cell."""

from dataclasses import replace

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.view import Fitted, View
from panels.attention import arcs, bertviz, cell, heads
from panels.attention.head_kinds import KINDS, own, rows
from tests import once
from tests.models.long import LONGEST, long_engine, text_of
from tests.panels.long_texts import TOKENS, asked, library
from ui.components.grid import pack


@pytest.mark.parametrize("panel", [arcs.PANEL, bertviz.PANEL, cell.PANEL, heads.PANEL], ids=lambda panel: panel.id)
def test_the_other_panels_of_the_stage_ask_for_rows_or_windows(panel):
    spec = long_engine("llama").spec
    view = Fitted(layer=1, head=2, pos=200, length=LONGEST)
    assert not [w for w in panel.needs(spec, view) if w.site in ("pattern", "scores") and w.pos is None]


def test_all_small_maps_together_travel_in_little():
    trace, view = asked(heads.PANEL, settings=(("show", "maps"),))
    tiles = np.tile(trace[Want("head_maps")][:1, :1], (30, 9, 1, 1))
    spec = replace(trace.spec, stacks=tuple(replace(s, layers=30) for s in trace.spec.stacks), n_heads=9)
    many = replace(trace, spec=spec, arrays={})
    scores = {kind.want: np.zeros((30, 9), np.float32) for kind in KINDS.values()}
    row = {Want("pattern", view.layer, pos=view.pos): np.zeros((9, TOKENS), np.float32)}
    grid = once.figure(heads.PANEL, many.plus({Want("head_maps"): tiles, **scores, **row}), view)
    assert grid.tiles.shape == (30, 9, 32, 32)
    assert len(pack(grid, "says")) < 200_000


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_score_is_the_mean_of_its_tokens_own_terms(kind):
    engine = long_engine("llama")
    run = View(text=text_of(40) + text_of(20)).run(engine.spec)
    trace = engine.run(run, [Want("pattern", 1), kind.want])
    ids = np.array([token.id for token in trace.tokens])
    for head, pattern in enumerate(trace[Want("pattern", 1)]):
        places, values = rows(kind, pattern, ids)
        assert values.mean() == pytest.approx(trace[kind.want][1, head], rel=1e-5)
        terms = {pos: own(kind, row, pos, ids) for pos, row in enumerate(pattern)}
        assert {pos: term for pos, term in terms.items() if term is not None} == pytest.approx(
            dict(zip(places.tolist(), values.tolist(), strict=True))
        )


def test_the_overview_of_a_long_text_explains_a_score_by_the_chosen_tokens_term():
    trace, view = asked(heads.PANEL, pos=250, settings=(("show", "first"),))
    lines = once.formula(heads.PANEL, trace, view).splitlines()
    assert "a mean over the text's tokens, added up while the model ran" in lines[0]
    assert float(lines[-1].rpartition(": ")[2]) == pytest.approx(library("llama")[250, 0], rel=5e-3)


def test_ribbons_and_bertviz_show_the_librarys_weights_around_the_chosen_token():
    trace, view = asked(bertviz.PANEL, pos=250)
    shown = once.figure(bertviz.PANEL, trace, view)
    assert shown.weights.shape == (1, 4, 48, 48)
    np.testing.assert_allclose(shown.weights[0, 2], library("llama")[203:251, 203:251], atol=1e-6)
    trace, view = asked(arcs.PANEL, pos=250)
    best = once.table(arcs.PANEL, trace, view).rows[0]
    assert best[2] == pytest.approx(library("llama")[250].max(), abs=1e-6)

"""The passages of two runs: the same part of both texts, and each arc compared with what the other run has there."""

from dataclasses import replace

import numpy as np
import pytest

from anatomy.alignment import Alignment, aligned, by_token, identity
from panels.stack.passage import PANEL
from panels.stack.passage_paths import strong
from panels.stack.passage_reading import Way, read
from panels.stack.passage_two import beside
from tests.models.tiny import MODELS
from tests.panels.stack.passages import BOTH, drawn_by_chance, model, told, way
from viz.passage import WHOLE


def by_chance(seed: int, tokens: int, layers: int = 4) -> Way:
    """A run with arcs by chance."""
    tops = drawn_by_chance(seed, tokens, layers, causal=True)
    trace, view = told(words=" ".join(f"w{i}" for i in range(tokens)), leaders=(6,) * layers, of=model(layers))
    given = read(trace, view)
    return replace(given, tops=tops)


@pytest.mark.parametrize("kind", MODELS)
def test_a_run_of_every_family_beside_itself_differs_in_nothing(kind, answered):
    """Computed again, on a text of some tokens and of one."""
    for text in ("a cat, the café sat", "a"):
        (one, view), (other, _view) = (answered(PANEL, kind, text=text) for _again in range(2))
        two = beside(read(one, view), read(other, view), aligned(one, other))
        assert two.alike
        assert {arc.change for arc in two.arcs} <= {"same"}
        assert not two.numbers().any()


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("tokens", [6, WHOLE + 1, 60])
def test_an_arc_is_new_where_the_other_run_has_it_not_among_its_strongest(seed, tokens):
    a, b = by_chance(seed, tokens), by_chance(seed + 100, tokens)
    two = beside(a, b, identity(tokens))
    assert len(two.rows) <= WHOLE
    assert all(row.a and row.b and row.a.place == row.b.place for row in two.rows)
    assert {a.pos, b.pos} <= {row.line.place for row in two.rows}
    runs = [(run.tops, strong(run.tops, run.pos)) for run in (a, b) if run.tops is not None]
    for arc in two.arcs:
        looking, looked = (two.rows[row].line.place for row in (arc.looking, arc.looked))
        at = arc.layer, looking
        known = [bool(tops.source[at] == looked and tops.head[at] == arc.arc.head) for tops, _kept in runs]
        assert any(known[i] and kept[at] for i, (_tops, kept) in enumerate(runs))
        expected = {(True, False): {"gone"}, (False, True): {"new"}, (True, True): {"same", "stronger", "weaker"}}
        assert arc.change in expected[known[0], known[1]]
        assert ("→" in arc.numbers) <= all(known)


def test_the_weight_of_an_arc_that_is_too_weak_in_the_other_run_is_known():
    weak = BOTH | {(1, 5): (2, 3, 0.4, 10.0)}
    two = beside(way(weak), way(BOTH), identity(6))
    assert [(arc.change, arc.numbers) for arc in two.arcs if arc.layer == 1] == [("stronger", "40 % → 80 %")]
    back = beside(way(BOTH), way(weak), identity(6))
    assert [(arc.change, arc.numbers) for arc in back.arcs if arc.layer == 1] == [("weaker", "80 % → 40 %")]


def test_where_the_arcs_of_one_run_are_not_there_yet_none_is_called_new():
    late = replace(way(BOTH), tops=None, complete=False)
    for pair in ((late, way(BOTH)), (way(BOTH), late)):
        assert beside(*pair, identity(6)).arcs == ()
    a, b = by_chance(1, 60), replace(by_chance(2, 60), tops=None)
    assert [row.line.place for row in beside(a, b, identity(60)).rows] == [59]


@pytest.mark.parametrize("layers", [2, 6])
def test_a_model_of_another_depth_is_compared_by_its_tokens(layers):
    arcs = {(1, 5): (2, 0, 0.9, 10.0)}
    other = way(arcs, leaders=(6,) * layers, of=replace(model(layers), name="other"))
    two = beside(way(BOTH), other, identity(6))
    assert not two.one_model
    changes = {(two.rows[arc.looking].line.place, two.rows[arc.looked].line.place): arc.change for arc in two.arcs}
    assert changes == {(5, 2): "same", (5, 1): "gone", (4, 2): "gone"}


def test_texts_of_other_length_are_drawn_in_the_order_of_both():
    trace, view = told(BOTH, words="one two three four five six")
    longer, there = told({}, words="one two new three four five six")
    pairs = by_token(trace.labels, longer.labels)
    two = beside(read(trace, view), read(longer, there), pairs)
    assert [row.lone for row in two.rows].count("B") == 1
    assert len(two.rows) == 7
    empty = Alignment(tuple((i, None) for i in range(6)) + tuple((None, j) for j in range(7)), (False,) * 13)
    apart = beside(read(trace, view), read(longer, there), empty)
    assert {row.lone for row in apart.rows} == {"A", "B"}
    assert {arc.change for arc in apart.arcs} == {"gone"}
    assert np.isfinite(apart.lengths).all()

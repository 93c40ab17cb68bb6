"""Which lines and arcs the passage draws: those of the rule, of a long text those on the way to the chosen token."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from panels.stack.passage_drawing import draw
from panels.stack.passage_paths import CHOSEN, MOST, OTHERS, Tops, paths
from panels.stack.passage_reading import read
from tests.panels.stack.passages import drawn_by_chance, searched, told, way
from viz.passage import WHOLE


@given(st.integers(0, 10_000), st.integers(WHOLE + 1, 60), st.integers(1, 7), st.booleans(), st.data())
def test_of_a_long_text_the_lines_and_arcs_are_those_that_the_chosen_token_rests_on(seed, tokens, layers, causal, data):
    tops, pos = drawn_by_chance(seed, tokens, layers, causal), data.draw(st.integers(0, tokens - 1))
    found = paths(tops, tokens, pos)
    lines, arcs = searched(tops, pos)
    assert found.lines == tuple(lines)
    assert {(arc.layer, arc.pos) for arc in found.taken} == arcs
    assert [(arc.layer, arc.pos) for arc in found.taken] == sorted(arcs)
    assert set(lines) == joined(found.taken, pos), "a line that no drawn way leads from to the chosen one"


def joined(taken, pos: int) -> set[int]:
    """Positions from which drawn arcs, each earlier than the one it is read through, lead to the chosen one."""
    reached = {pos: 10**6}
    for arc in sorted(taken, key=lambda arc: -arc.layer):
        if reached.get(arc.pos, -1) > arc.layer:
            reached.setdefault(arc.src, arc.layer)
    return set(reached)


def test_more_than_sixteen_lines_are_cut_to_the_strongest():
    seeds = (paths(drawn_by_chance(seed, 60, 7, causal=False), 60, 40) for seed in range(20))
    assert max(len(found.lines) for found in seeds) == MOST == 16


@given(st.integers(0, 10_000), st.integers(1, WHOLE), st.integers(1, 5), st.booleans(), st.data())
def test_of_a_short_text_every_line_is_drawn_and_every_arc_over_the_rule(seed, tokens, layers, causal, data):
    tops, pos = drawn_by_chance(seed, tokens, layers, causal), data.draw(st.integers(0, tokens - 1))
    found = paths(tops, tokens, pos)
    assert found.lines == tuple(range(tokens))
    expected = [
        (layer, place)
        for layer in range(layers)
        for place in range(tokens)
        if tops.weight[layer, place] > (CHOSEN if place == pos else OTHERS)
    ]
    assert [(arc.layer, arc.pos) for arc in found.taken] == expected


@pytest.mark.parametrize(("tokens", "lines"), [(24, 24), (25, 1)])
def test_up_to_24_tokens_have_all_a_line(tokens, lines):
    empty = np.zeros((3, tokens))
    none = Tops(np.full((3, tokens), -1), np.full((3, tokens), -1), empty, empty)
    assert len(paths(none, tokens, 10).lines) == lines


def test_an_arc_counts_only_where_the_stream_that_takes_it_in_is_read_later():
    """Token 9 takes from 8 in layer 1; 8 took from 7 in layer 0, from 6 in layer 1 and from 5 in layer 2."""
    source, share = np.full((3, 30), -1), np.zeros((3, 30))
    for layer, pos, src in ((1, 9, 8), (0, 8, 7), (1, 8, 6), (2, 8, 5)):
        source[layer, pos], share[layer, pos] = src, 0.5
    tops = Tops(source, np.where(source < 0, -1, 0), np.where(source < 0, 0.0, 0.9), share)
    found = paths(tops, 30, 9)
    assert found.lines == (7, 8, 9)
    assert [(arc.layer, arc.pos, arc.src) for arc in found.taken] == [(0, 8, 7), (1, 9, 8)]


def test_what_a_token_takes_in_in_the_layer_in_which_it_is_read_makes_no_way_stronger():
    """Token 20 takes 0.9 from 30 in layer 1 and 0.1 in layer 2, and 0.5 from sixteen others later; what 30 takes in in
    layer 1, from 31, is read in layer 2 alone."""
    arcs = [(1, 20, 30, 0.9), (1, 30, 31, 0.9), (2, 20, 30, 0.1), *((2 + i, 20, i, 0.5) for i in range(1, 17))]
    source, share = np.full((19, 40), -1), np.zeros((19, 40))
    for layer, pos, src, size in arcs:
        source[layer, pos], share[layer, pos] = src, size
    tops = Tops(source, np.where(source < 0, -1, 0), np.where(source < 0, 0.0, 0.9), share)
    found = paths(tops, 40, 20)
    assert found.lines == tuple(searched(tops, 20)[0]) == (*range(3, 17), 20, 30)
    assert (1, 31) not in {(arc.layer, arc.src) for arc in found.taken}


def test_of_equally_strong_ways_the_shorter_comes_first_so_that_none_is_cut_in_two():
    """Token 20 takes from 1 … 14 and from 25 with one share; 25 takes from 30, which stands further on in the text."""
    source = np.full((16, 40), -1)
    for layer, src in enumerate((*range(1, 15), 25), start=1):
        source[layer, 20] = src
    source[0, 25] = 30
    there = np.where(source < 0, 0.0, 0.75)
    found = paths(Tops(source, np.where(source < 0, -1, 0), there, there), 40, 20)
    assert found.lines == (*range(1, 15), 20, 25)


def test_weights_of_exactly_the_rule_are_not_over_it():
    arcs = {(0, 5): (2, 0, CHOSEN, 1.0), (1, 4): (2, 0, np.float32(OTHERS), 1.0)}
    trace, view = told(arcs)
    assert [arc for arc in draw(read(trace, view)).arcs if arc.chosen] == []
    assert [arc.layer for arc in draw(way({(0, 5): (2, 0, 0.51, 1.0), (1, 4): (2, 0, 0.59, 1.0)})).arcs] == [0]

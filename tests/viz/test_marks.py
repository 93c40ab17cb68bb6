"""What the marks of every kind of figure stand for, and what they say of themselves."""

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from tests.viz import kinds
from viz.activation import Activation
from viz.components import Components, Strip
from viz.description import Plotted
from viz.format import in_template
from viz.groups import Groups
from viz.marks import Stands
from viz.plane import Planes
from viz.rows import Bar
from viz.sidebyside import Amounts, Shares

PLOTTED = {name: pair[0] for name, pair in kinds.KINDS.items() if isinstance(pair[0], Plotted) and name != "passage"}
AMOUNTS = [name for name in PLOTTED if name not in ("planes", "ladder")]
MANY = Stands.each("pos", 1_000)


def pointed_at(figure: go.Figure) -> list[tuple[int, int, str]]:
    """(trace, point, words) of every mark that shows words under the pointer."""
    found = []
    for number, trace in enumerate(figure.data):
        if trace.hoverinfo != "skip":
            texts = trace.hovertext or [trace.hovertemplate] * len(trace.x)
            found += [(number, point, text) for point, text in enumerate(texts)]
    return found


@pytest.mark.parametrize("name", AMOUNTS)
def test_every_mark_that_can_be_pointed_at_says_something(name):
    said = pointed_at(PLOTTED[name].drawn())
    assert said
    assert all(text for _trace, _point, text in said)
    for trace in PLOTTED[name].drawn().data:
        assert trace.hoverinfo == "skip" or trace.hovertemplate.endswith("<extra></extra>")


@pytest.mark.parametrize("name", ["bars", "measures", "dots", "upright", "pairs", "ladder"])
def test_the_marks_of_a_kind_stand_one_by_one_along_its_first_direction(name):
    drawn = replace(PLOTTED[name], stands=(MANY,))
    chosen = [drawn.meant(trace, point).get("pos") for trace, point, _text in pointed_at(drawn.drawn())]
    there = {number for number in chosen if number is not None}
    assert there == set(range(len(there))) or name == "upright", "a bar without a number has no mark"
    assert drawn.meant(9, 0) == drawn.meant(0, 900) == drawn.meant(0, -1) == {}


def test_a_bar_chooses_by_its_place_whatever_trace_draws_it():
    bars = replace(kinds.bars(a=50.0, b=25.0), stands=(Stands("layer", (7, 3, None)),))
    assert bars.bars == [Bar("a", 50.0, "50.0 %", accent=True), Bar("b", 25.0, "25.0 %"), bars.bars[2]]
    assert bars.meant(0, 0) == {"layer": 7}
    assert bars.meant(1, 0) == {"layer": 3}
    assert bars.meant(1, 1) == {}, "a sum over the others stands for none"


def test_a_mark_may_choose_two_things_at_once_in_a_difference_too():
    neurons = Stands("neuron", (7, 3, None), Stands("layer", (0, 2, None)))
    bars = replace(kinds.bars(a=50.0, b=25.0), stands=(neurons,))
    assert (bars.meant(0, 0), bars.meant(1, 0), bars.meant(1, 1)) == (
        {"neuron": 7, "layer": 0},
        {"neuron": 3, "layer": 2},
        {},
    )
    other = replace(kinds.bars(b=50.0, c=25.0), stands=(Stands.each("neuron", 3, also=Stands("layer", (1, 1, 1))),))
    difference = other.minus(bars)
    meant = {bar.label: difference.meant(0 if bar.accent else 1, 0) for bar in difference.bars if bar.label == "b"}
    assert meant == {"b": {"neuron": 3, "layer": 2}}, "those of what is subtracted: run A's"


def test_a_point_of_a_line_chooses_its_line_and_its_place():
    lines = replace(kinds.lines("abc", 1.0), stands=(Stands("pos", (4, 5, 6)), Stands.each("layer", 3, before=1)))
    assert [lines.meant(trace, 2) for trace in range(3)] == [{"pos": pos, "layer": 1} for pos in (4, 5, 6)]
    assert lines.meant(0, 0) == {"pos": 4}, "before the first layer there is none"
    assert replace(lines, stands=(None, lines.stands[1])).meant(1, 3) == {"layer": 2}


def test_a_point_of_a_line_opens_the_variant_at_its_line_and_place():
    """Traces come in another order than lines: the chosen one first, then the marked one."""
    lines = replace(kinds.lines("abc", 1.0), chosen=2, marked=0, beside={(2, 1): "3bit", (0, 3): "2bit"})
    opened = {(trace, point): lines.opened(trace, point) for trace in range(3) for point in range(4)}
    assert {mark: of for mark, of in opened.items() if of is not None} == {(0, 1): "3bit", (1, 3): "2bit"}
    assert lines.opened(3, 1) is None
    assert lines.chooses
    assert not replace(lines, beside={}).chooses
    assert replace(lines, beside={}).opened(0, 1) is None


def test_a_bar_opens_its_variant_whatever_trace_draws_it():
    bars = replace(kinds.bars(a=50.0, b=25.0, c=10.0), beside={(1,): "bf16", (2,): "fp16"})
    assert [bars.opened(*mark) for mark in ((0, 0), (1, 0), (1, 1), (1, 5), (7, 0))] == [
        None,
        "bf16",
        "fp16",
        None,
        None,
    ]


@pytest.mark.parametrize("name", AMOUNTS)
def test_a_difference_opens_no_variant(name):
    """It is of two runs: beside which of them?"""
    first, second = (replace(figure, beside={(0,): "3bit", (0, 0): "3bit"}) for figure in kinds.KINDS[name][:2])
    assert first.chooses
    difference = second.minus(first)
    assert not isinstance(difference, Plotted) or not difference.beside


def test_the_range_of_many_lines_chooses_a_place_alone():
    names = tuple(map(str, range(70)))
    lines = replace(kinds.lines("abc", 1.0), values=np.ones((70, 4)), names=names)
    many = replace(lines, stands=(MANY, Stands.each("layer", 4)))
    count = len(many.traces().data)
    assert many.meant(1, 3) == {"pos": 1, "layer": 3}
    assert [many.meant(trace, 3) for trace in range(2, count)] == [{"layer": 3}] * (count - 2)


def test_a_ribbons_end_chooses_both_tokens_and_its_begin_the_one_that_looks():
    arcs = replace(kinds.arcs("abc", 1.0), stands=(Stands("pos", (3, 4, 5)), Stands("src", (6, 7, 8))))
    said = [(arcs.meant(trace, point), text) for trace, point, text in pointed_at(arcs.drawn())]
    assert said == [
        ({"pos": 4, "src": 6}, "b → a: 50 %"),
        ({"pos": 4, "src": 7}, "b → b: 50 %"),
        ({"pos": 3}, "a → a: 100 %"),
        ({"pos": 4}, "b → a: 50 %"),
        ({"pos": 5}, "c → a: 33 %"),
    ]


def test_a_key_value_head_chooses_the_first_query_head_that_reads_it():
    groups = replace(kinds.groups(10.0, 2), stands=(Stands.each("head", 6),))
    said = [(groups.meant(trace, point), text) for trace, point, text in pointed_at(groups.drawn())]
    assert said[0][0] == {"head": 0}
    assert said[1][0] == {"head": 3}
    assert [meant["head"] for meant, text in said if text.startswith("query head")] == [*range(6)]


def test_a_point_on_a_plane_and_one_of_a_curve_choose_theirs():
    plane = replace(kinds.scatter(a=(0.0, 1.0), b=(1.0, 2.0), c=(3.0, 3.0)), stands=(Stands("pos", (2, None, 9)),))
    assert (plane.meant(0, 0), plane.meant(1, 0), plane.meant(1, 1)) == ({"pos": 2}, {}, {"pos": 9})
    curves = replace(kinds.curves(1.0, 5), stands=(Stands.each("layer", 5),))
    assert (curves.meant(0, 4), curves.meant(1, 2), curves.meant(2, 0)) == ({"layer": 4}, {"layer": 2}, {})


@pytest.mark.parametrize("whole", [False, True])
def test_the_columns_of_a_whole_count_after_what_stands_above(whole):
    pairs = replace(kinds.pairs(1.0, 4), whole=kinds.upright("abc", 1.0, whole=True).whole if whole else None)
    assert replace(pairs, stands=(MANY,)).meant(3, 1) == ({"pos": 5} if whole else {})
    assert replace(pairs, stands=(MANY,)).meant(2, 0) == {}, "what enters the first layer stands for none"


@pytest.mark.parametrize("name", PLOTTED)
def test_a_mark_of_a_difference_stands_for_what_it_does_in_what_is_subtracted(name):
    """Or for nothing, where its kind has other marks than those that it is the difference of."""
    given = PLOTTED[name]
    first, second = (
        replace(given, stands=(Stands("pos", tuple(numbers)),) * 2) for numbers in (range(90), range(50, 140))
    )
    stands = [along for along in first.minus(second).stands if along is not None]
    assert bool(stands) is not isinstance(given, (Components, Planes, Groups, Shares, Amounts, Activation))
    for along in stands:
        assert along.choice == "pos"
        assert all(number is not None and number >= 50 for number in along.numbers)


def test_words_of_a_reader_are_no_places_of_a_template():
    assert in_template("%{x} <b>&") == "&#37;{x} &lt;b&gt;&amp;"
    strip = Strip("q of “%{x}” × k of “<b>”", np.ones(2), "product")
    template = Components((strip,), "component").drawn().data[0].hovertemplate
    assert "q of “&#37;{x}” × k of “&lt;b&gt;”: %{y" in template

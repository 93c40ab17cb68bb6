"""What choosing a part of a figure does to the view."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from anatomy.control import Choice, Place
from anatomy.interventions import Change
from anatomy.request import Intervention
from anatomy.view import OPENING, Fitted, View
from ui import host
from ui.components import marks
from ui.figure import at_cell, at_chip, at_mark, at_passage, at_passage_of_two, begins
from viz.bars import Bars
from viz.chips import Chip, Chips
from viz.dots import Dots
from viz.grid import Grid, Part
from viz.ladder import Block, Ladder
from viz.lines import Lines
from viz.marks import Stands
from viz.passage import Arc, Line, Passage, Step, Word
from viz.passage_two import beside
from viz.rows import Bar
from viz.scatter import Point, Scatter
from viz.sight import Sight

TEXT = Chips((Chip("a", "1", "61"), Chip("b", "2", "62")), ("kind",), "2 tokens")
OTHER = Chips(TEXT.chips, TEXT.legend, TEXT.title, of_text=False)


def test_a_chip_of_the_text_chooses_its_token():
    assert at_chip(View(src=0), TEXT, 1) == View(pos=1)


def test_a_chip_of_anything_else_chooses_nothing():
    assert at_chip(View(src=0), OTHER, 1) == View(src=0)


def test_a_chip_that_stands_for_another_token_chooses_that_one():
    rows = Chips(TEXT.chips, TEXT.legend, TEXT.title, places=(4, None))
    assert at_chip(View(src=0), rows, 0) == View(pos=4)
    assert at_chip(View(src=0), rows, 1) == View(src=0)


def heads(**more: object) -> Grid:
    return Grid(np.zeros((1, 3)), ("1",), ("", "", ""), "", "", "share", "heads", selects="head", **more)


def test_a_head_is_chosen_by_the_place_of_its_cell():
    assert at_cell(View(), heads(), (0, 2)) == View(layer=0, head=2)


ZOOM = Choice("zoom", "Zoom", ("whole", "256"), says="")
# Three rows and columns of two tokens each; token 3 looking at token 2 is chosen.
POOLED = Grid(
    np.zeros((3, 3)),
    ("0–1", "2–3", "4–5"),
    ("0–1", "2–3", "4–5"),
    "",
    "",
    "",
    "map",
    focus=(1, 1),
    selects="cell",
    part=Part((0, 2, 4, 6), (0, 2, 4, 6), (3, 2), 6),
    opens=(ZOOM, "256"),
)


def test_a_cell_of_many_pairs_chooses_one_that_the_mask_lets_look():
    assert at_cell(View(), POOLED, (2, 0)) == View(pos=5, src=0)


def test_along_a_row_or_column_of_cells_the_chosen_token_stays():
    assert at_cell(View(pos=3, src=2), POOLED, (1, 0)) == View(pos=3, src=0)
    assert at_cell(View(pos=3, src=2), POOLED, (2, 1)) == View(pos=5, src=2)


def test_opening_a_cell_chooses_it_and_shows_its_window_and_leaving_brings_the_whole_back():
    opened = at_cell(View(), POOLED, (2, 0), "open")
    assert opened == View(pos=5, src=0).with_setting(ZOOM, "256")
    near = replace(POOLED, opens=None, leaves=(ZOOM, "whole"))
    assert at_cell(opened, near, (0, 0), "leave") == View(pos=5, src=0)
    assert at_cell(View(), heads(), (0, 1), "leave") == View()


MOVED = Place("at", "Place", ("",), count=3)
# Tokens 2 to 3 looking at tokens 0 to 1, of six; token 3 looking at token 1 is chosen.
NEAR = replace(
    POOLED,
    z=np.zeros((2, 2)),
    rows=("2", "3"),
    cols=("0", "1"),
    focus=(1, 1),
    part=Part((2, 3, 4), (0, 1, 2), (3, 1), 6),
    opens=None,
    leaves=(ZOOM, "whole"),
    sight=Sight(ZOOM, "256", MOVED, (3, 1), 6),
)


def test_a_window_is_moved_without_another_token_being_chosen():
    view = View(pos=3, src=1).with_setting(ZOOM, "256")
    assert at_cell(view, NEAR, (5, 0), "move", 1) == view.with_setting(MOVED, "5.0.3")
    assert at_cell(view, NEAR, (5, 0), "move", 7) == view.with_setting(MOVED, "5.0.3"), "nearer than all: the nearest"


def test_moving_to_the_whole_and_leaving_forget_where_the_window_lay():
    moved = View(pos=3, src=1).with_setting(ZOOM, "256").with_setting(MOVED, "5.0.3")
    assert at_cell(moved, NEAR, (0, 0), "move", 0) == View(pos=3, src=1)
    assert at_cell(moved, NEAR, (0, 0), "leave") == View(pos=3, src=1)


def test_a_window_that_was_moved_stays_while_tokens_are_chosen_in_it_and_only_then():
    moved = View(pos=5, src=5).with_setting(ZOOM, "256").with_setting(MOVED, "3.1.5")
    assert at_cell(moved, NEAR, (0, 0)) == replace(moved, pos=2, src=0).with_setting(MOVED, "3.1.2")
    followed = moved.with_setting(MOVED, "")
    assert at_cell(followed, NEAR, (0, 0)) == replace(followed, pos=2, src=0)
    whole = replace(POOLED, sight=Sight(ZOOM, "whole", MOVED, (3, 2), 6))
    assert at_cell(moved, whole, (0, 0), "open") == replace(followed, pos=1, src=0)


def test_a_window_of_single_tokens_opens_around_the_cell_that_was_opened():
    alike = replace(POOLED, selects="token", sight=Sight(ZOOM, "whole", MOVED, (3, 3), 6))
    opened = View(pos=1).with_setting(ZOOM, "256").with_setting(MOVED, "1.4.1")
    assert at_cell(View(pos=3), alike, (0, 2), "open") == opened


def test_a_cell_that_stands_for_another_place_chooses_that_one():
    ranked = heads(names=("L7 H1", "L0 H2", ""), places=((7, 1), (0, 2), None))
    assert at_cell(View(), ranked, (0, 0)) == View(layer=7, head=1)
    assert at_cell(View(layer=3), ranked, (0, 2)) == View(layer=3)


# Positions 0, 3 and 7 of 8 tokens, the last one chosen and added.
PASSAGE = Passage(
    lines=tuple(Line(place, "a", "b", 0.5, place == 7) for place in (0, 3, 7)),
    lengths=np.ones((3, 5)),
    arcs=(
        Arc(0, 1, 1, 0, 0.9, 0.9, False),
        Arc(1, 2, 2, 0, 0.8, 0.1, True, "layer 1"),
        Arc(3, 0, 2, 1, 0.6, 0.3, True, "layer 3"),
    ),
    words=(Word(1, "c", 0.5, False), Word(2, "b", 0.5, True)),
    chosen=2,
    tokens=8,
    best=(("b", 0.5), ("c", 0.2)),
    best_ids=(11, 12),
    added=1,
    after="after “a”",
    end="",
    goes_on=True,
    steps=(Step("s", "S", "Says.", (), ()),) * 5,
    notes=(),
    opens={"arc": "attention", "stream": "residual", "word": "lens", "next": "output"},
)
BEFORE = View(panel=OPENING, text="abc", tail=(5,), src=1)


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (("line", 1, ""), {"pos": 3, "src": None}),
        (("stream", 1, "2"), {"panel": "residual", "layer": 2, "pos": 3, "src": None}),
        (("arc", 0, "0"), {"panel": "attention", "layer": 0, "head": 1, "pos": 3, "src": 0}),
        (("word", 0, "1"), {"panel": "lens", "layer": 1, "pos": 7, "src": None}),
        (("next", 0, ""), {"panel": "output", "pos": 0, "src": None}),
        (("best", 1, ""), {"tail": (5, 12), "src": None}),
        (("link", 0, "tokens"), {"panel": "tokens"}),
        (("step", 2, "attention"), {"panel": "attention", "layer": 3, "head": 0, "pos": 7, "src": 3}),
        (("link", 3, "lens"), {"panel": "lens", "layer": 2}),
    ],
    ids=lambda given: given[0] if isinstance(given, tuple) else "",
)
def test_each_part_of_a_passage_opens_its_panel_at_its_place(act, expected):
    assert at_passage(BEFORE, PASSAGE, *act) == replace(BEFORE, **expected)


def test_in_two_runs_a_row_chooses_the_token_of_a_and_an_arc_opens_at_its_head():
    longer = replace(
        PASSAGE,
        lines=tuple(replace(line, place=line.place + 1) for line in PASSAGE.lines),
        tokens=9,
        arcs=tuple(replace(arc, weight=0.9) for arc in PASSAGE.arcs),
    )
    two = beside(PASSAGE, longer, [(None, 0), *((i, i + 1) for i in range(8))])
    assert at_passage_of_two(BEFORE, two, "line", 1) == replace(BEFORE, pos=3, src=None)
    expected = replace(BEFORE, panel="attention", layer=0, head=1, pos=3, src=0)
    assert at_passage_of_two(BEFORE, two, "arc", 0) == expected
    alone = beside(PASSAGE, longer, [*((i, None) for i in range(8)), *((None, i) for i in range(9))])
    row = next(i for i, each in enumerate(alone.rows) if each.lone == "B")
    arc = next(i for i, each in enumerate(alone.arcs) if each.change == "new")
    assert at_passage_of_two(BEFORE, alone, "line", row) == at_passage_of_two(BEFORE, alone, "arc", arc) == BEFORE


def test_a_next_token_that_is_sent_twice_is_added_once():
    once = at_passage(BEFORE, PASSAGE, "best", 0, "")
    assert at_passage(once, PASSAGE, "best", 0, "") == once


def test_where_no_arc_has_words_a_step_leaves_layer_and_head_as_they_are():
    bare = replace(PASSAGE, arcs=PASSAGE.arcs[:1], words=())
    for panel in ("attention", "lens"):
        assert at_passage(BEFORE, bare, "step", 2, panel) == replace(BEFORE, panel=panel)


LINES = Lines(
    np.ones((2, 3)),
    ("a", "b"),
    ("in", "0", "1"),
    0,
    "layer",
    "length",
    stands=(Stands("pos", (4, 6)), Stands.each("layer", 2, before=1)),
)


def test_a_point_of_a_line_chooses_its_token_and_its_layer():
    assert at_mark(View(pos=4, src=2), LINES, 1, 2) == View(pos=6, layer=1)


@pytest.mark.parametrize(("pos", "layer", "first"), [(4, 0, (0, 1)), (6, 1, (1, 2)), (5, 0, None)])
def test_a_walk_over_the_marks_begins_at_what_is_chosen(pos, layer, first):
    view = Fitted(length=8, pos=pos, src=0, layer=layer, head=0)
    assert begins(LINES, LINES.drawn(), view) == first
    assert begins(replace(LINES, stands=()), LINES.drawn(), view) is None


class Counted(tuple):
    """It knows how many of its items were looked at, one after the other."""

    looked = 0

    def __iter__(self) -> Iterator:
        for item in super().__iter__():
            Counted.looked += 1
            yield item


@pytest.mark.parametrize("pos", [0, 399, 1_000])
def test_looking_for_what_is_chosen_among_many_marks_does_not_look_at_each_anew_for_each(pos, monkeypatch):
    points, accent = [Point(i, i % 7, str(i), "", "text") for i in range(400)], [i % 7 == 0 for i in range(400)]
    bars, numbers = [Bar(str(i), i, str(i), accent=own) for i, own in enumerate(accent)], np.arange(400.0)
    for figure in (
        Scatter(Counted(points), "x", "y"),
        Dots(numbers, numbers, ("",) * 400, Counted(accent), "x", "y", logarithmic=False),
        Bars(Counted(bars), "x"),
        Ladder(
            (Counted([Block(i, 1, "", "", own) for i, own in enumerate(accent)]),), ("a",), "x", "y", ("new", "old")
        ),
    ):
        figure = replace(figure, stands=(Stands.each("pos", 400),))
        drawn, view = figure.drawn(), Fitted(length=2_000, pos=pos, src=0, layer=0, head=0)
        monkeypatch.setattr(Counted, "looked", 0)
        first = begins(figure, drawn, view)
        assert (None if first is None else figure.meant(*first)) == ({"pos": pos} if pos < 400 else None)
        assert Counted.looked <= 5 * 400


def test_looking_for_what_is_chosen_ends_at_a_mark_that_stands_for_all_of_it(monkeypatch):
    lines = replace(
        LINES, values=np.ones((2, 600)), places=("",) * 600, stands=(LINES.stands[0], Stands.each("layer", 600))
    )
    drawn, asked, meant = lines.drawn(), [], Lines.meant
    monkeypatch.setattr(Lines, "meant", lambda self, *mark: asked.append(mark) or meant(self, *mark))
    assert begins(lines, drawn, Fitted(length=8, pos=4, src=0, layer=2, head=0)) == (0, 2)
    assert asked == [(0, 0), (0, 1), (0, 2)]


NEURONS = Bars(
    [Bar("L3 N55", 1.0, "1", accent=True), Bar("L0 N7", 0.5, "0.5")],
    "added",
    stands=(Stands("neuron", (55, 7), Stands("layer", (3, 0))),),
)


def test_a_bar_of_a_neuron_chooses_it_and_its_layer():
    assert at_mark(View(head=2, src=1), NEURONS, 0, 0) == View(layer=3, head=2, neuron=55, src=1)
    assert at_mark(View(layer=3, neuron=55), NEURONS, 1, 0) == View(layer=0, neuron=7)


@pytest.mark.parametrize(("layer", "neuron", "first"), [(3, 55, (0, 0)), (0, 7, (1, 0)), (3, 7, None), (3, None, None)])
def test_a_walk_over_neurons_begins_at_the_chosen_one(layer, neuron, first):
    assert begins(NEURONS, NEURONS.drawn(), Fitted(layer=layer, neuron=neuron)) == first


def test_a_neuron_goes_where_a_figure_chooses_another_layer():
    view = View(layer=1, neuron=55)
    assert at_cell(view, heads(), (0, 2)) == View(layer=0, head=2)
    assert at_mark(view, LINES, 0, 1) == View(layer=0, pos=4)
    assert at_mark(view, LINES, 0, 2) == View(layer=1, neuron=55, pos=4)


def test_what_the_chosen_token_looks_at_stays_while_it_is_chosen():
    once = at_mark(View(pos=4, src=2), LINES, 0, 1)
    assert once == View(pos=4, src=2, layer=0)
    assert at_mark(once, LINES, 0, 1) == once, "a second click changes nothing"


def test_a_mark_that_stands_for_nothing_and_one_that_is_not_there_change_nothing():
    assert at_mark(View(src=1), replace(LINES, stands=()), 0, 1) == View(src=1)
    assert at_mark(View(src=1), LINES, 7, 1) == View(src=1)


RANGE = replace(LINES, stands=(), beside={(0, 0): "8bit", (0, 2): "3bit", (1, 2): "3bit=sym"})
BARS = Bars(
    [Bar("float32", 4.0, "4", accent=True), Bar("bfloat16", 2.0, "2"), Bar("float16", 2.0, "2")],
    "bytes",
    beside={(1,): "bf16", (2,): "fp16"},
)


@pytest.fixture
def two_models(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server with two models, of which none is loaded."""
    host.models.clear()
    monkeypatch.setenv(host.VARIABLE, "tiny-llama,tiny-gpt2")
    yield
    host.models.clear()


@pytest.mark.parametrize(
    ("figure", "mark", "opened"),
    [
        (RANGE, (0, 0), "8bit"),
        (RANGE, (0, 2), "3bit"),
        (RANGE, (1, 2), "3bit=sym"),
        (BARS, (1, 0), "bf16"),
        (BARS, (1, 1), "fp16"),
    ],
)
@pytest.mark.usefixtures("two_models")
def test_a_mark_that_stands_for_a_variant_opens_it_beside_the_run(figure, mark, opened):
    view = View(panel="quantization", model="tiny-gpt2", text="abc", pos=1, layer=1)
    after = at_mark(view, figure, *mark)
    assert after == replace(view, panel=OPENING, model2=f"tiny-gpt2~{opened}")


@pytest.mark.usefixtures("two_models")
def test_a_variant_of_a_variant_is_named_in_one_spelling_and_an_unknown_model_is_the_first():
    assert at_mark(View(model="tiny-gpt2~prune=0.50"), RANGE, 0, 2).model2 == "tiny-gpt2~prune=0.5~3bit"
    assert at_mark(View(model="gone"), RANGE, 0, 2).model2 == "tiny-llama~3bit"


@pytest.mark.usefixtures("two_models")
def test_what_stood_beside_the_run_makes_way_for_a_variant_on_the_same_text():
    change = Change(Intervention("z", "zero", layer=0, head=1))
    view = View(panel="pruning", model="tiny-llama", text="abc", text2="xyz", model2="tiny-gpt2", changes=(change,))
    alone = View(panel=OPENING, model="tiny-llama", text="abc", model2="tiny-llama~3bit")
    assert at_mark(view, RANGE, 0, 2) == alone


@pytest.mark.parametrize(("figure", "mark"), [(RANGE, (0, 1)), (RANGE, (1, 0)), (RANGE, (2, 0)), (BARS, (0, 0))])
def test_a_mark_without_a_variant_among_some_that_have_one_changes_nothing(figure, mark):
    assert at_mark(View(src=1), figure, *mark) == View(src=1)


def test_a_walk_over_variants_begins_at_the_first_mark():
    assert begins(RANGE, RANGE.drawn(), Fitted(length=8, pos=4, src=0, layer=0, head=0)) is None


def test_marks_that_mean_something_else_are_told_by_another_number():
    """What is drawn does not matter: a click on its way means what the mark under it meant."""
    others = (
        LINES,
        replace(RANGE, beside={}),
        replace(RANGE, beside={**RANGE.beside, (0, 0): "6bit"}),
        replace(RANGE, beside={place: of for place, of in RANGE.beside.items() if of != "8bit"}),
        replace(RANGE, stands=LINES.stands),
        BARS,
    )
    assert len({marks.identity(figure) for figure in (RANGE, *others)}) == 1 + len(others)
    in_another_order = dict(reversed(RANGE.beside.items()))
    same = replace(RANGE, values=2 * RANGE.values, remark="Choose a dot.", beside=in_another_order)
    assert marks.identity(same) == marks.identity(RANGE)

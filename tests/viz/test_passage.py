"""The passage: widths that follow logarithms, bands for what is left out, and a picture that can be read in words."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.snapshot import described
from tests.viz.passages import LAYERS, passage
from viz import notebook
from viz.partners import FIRST, SECOND, Unlike
from viz.passage import Arc, Line, Passage, Word, gaps, widths
from viz.theme import DARK, FOCUS, LIGHT

ODD = "<b>&</b>"  # a reader's text


def long_one(**changes) -> Passage:
    """Four lines of a text of 20 tokens, the second of them chosen, with an arc from further back and one from ahead;
    a model without an output."""
    given = passage("abcd", places=(2, 3, 9, 17), tokens=20)
    arcs = (
        Arc(0, 0, 1, 0, 0.6, 0.1, chosen=True),
        Arc(0, 2, 3, 0, 0.9, 1.5, chosen=False),
        Arc(3, 5, 1, 3, 0.7, 0.4, chosen=True, told="layer 3, head 5: 70 %"),
    )
    lines = tuple(Line(line.place, line.label, added=line.place == 17) for line in given.lines)
    fields = {
        "lines": lines,
        "arcs": arcs,
        "chosen": 1,
        "words": (),
        "best": (),
        "best_ids": (),
        "after": "",
        "end": "384 numbers",
    }
    return replace(given, **fields | changes)


def alone() -> Passage:
    """A text of one token."""
    return replace(passage("a"), arcs=(), words=())


def drawn(given: Passage) -> Any:
    """The traces of the picture."""
    return given.traces().data


@pytest.mark.parametrize("name", ["short", "long", "one token"])
def test_the_picture(name, picture):
    given = {"short": passage(("Paris", "·is", ODD, "北京")), "long": long_one(), "one token": alone()}[name]
    assert {"light": described(given.drawn()), "words": given.alternative(), "table": given.table()} == picture


def test_widths_follow_the_logarithm_of_the_lengths():
    given = replace(passage("ab"), lengths=np.array([[1.0, 10.0, 100.0, 1000.0, 100.0], [10.0] * 5]))
    np.testing.assert_allclose(widths(given), [[0, 1 / 3, 2 / 3, 1, 2 / 3], [1 / 3] * 5])


def test_lengths_that_have_no_logarithm_still_have_a_width():
    lengths = np.array([[0.0, 1.0, np.nan, 100.0, np.inf]])
    np.testing.assert_allclose(widths(replace(alone(), lengths=lengths)), [[0, 0, 0, 1, 1]])
    np.testing.assert_array_equal(widths(replace(alone(), lengths=np.full((1, 5), 7.0))), np.full((1, 5), 0.5))
    np.testing.assert_array_equal(widths(replace(alone(), lengths=np.zeros((1, 5)))), np.zeros((1, 5)))


def test_what_is_left_out_stands_between_the_lines():
    assert gaps(passage("abcd")) == ()
    assert gaps(long_one()) == ((0, 0, 1), (2, 4, 8), (3, 10, 16), (4, 18, 19))
    texts = [note.text for note in long_one().traces().layout.annotations]
    left = [text for text in texts if text.startswith("<i>") and "token" in text]
    assert left == ["<i>2 tokens</i>", "<i>5 tokens</i>", "<i>7 tokens</i>", "<i>2 tokens</i>"]


def test_nothing_stands_on_anything_else():
    words = tuple(Word(layer, label, 0.3, answer=False) for layer, label in ((0, "·another"), (1, "·word"), (9, "·x")))
    given = long_one(words=words, lengths=np.ones((4, 31)))
    notes = given.traces().layout.annotations
    left = sorted(note.y for note in notes if note.xref == "paper" and note.xanchor == "right")
    assert np.diff(left).min() > 0.8
    first, beside, far = (note.y for note in notes if note.bordercolor)
    chosen, following = left[2], left[3]
    assert chosen < first == far < beside < following


@pytest.mark.parametrize("dark", [False, True])
def test_words_inside_the_picture_stand_on_the_ground_of_the_theme(dark):
    figure = passage("abcd").plotly(dark)
    ground = (DARK if dark else LIGHT).background
    grounds = [(note.text, note.bgcolor) for note in figure.layout.annotations if note.bgcolor]
    assert grounds == [(text, ground) for text in ("<b>layer 2: 75 %</b>", "·y", "<b>·x</b>")]


def test_the_chosen_line_takes_the_first_colour_and_its_arcs_the_accent():
    chosen, others, *_behind, dots, _lengths = drawn(passage("abcd"))
    assert (chosen.line.color, chosen.fill, others.fill) == (None, None, "toself")
    assert chosen.zorder > others.zorder
    assert dots.marker.color == FOCUS
    assert len(dots.x) == 2


def test_few_traces_hold_everything():
    many = passage([f"t{i}" for i in range(24)])
    assert len(many.arcs) == 46
    assert len(drawn(many)) == len(drawn(passage("ab"))) <= 11


def test_an_arc_begins_on_its_source_before_its_layer_and_ends_on_the_line_that_looks():
    grey = drawn(long_one())[4]
    end = int(np.flatnonzero(np.isnan(grey.x))[0])
    assert -0.5 <= grey.x[0] < 0 < grey.x[end - 1] < 0.5
    labels = {note.text: note.y for note in long_one().traces().layout.annotations}
    np.testing.assert_allclose([grey.y[0], grey.y[end - 1]], [labels["a"], labels["<i>d</i>"]], rtol=1e-6)


def test_a_wide_contribution_is_not_rounded_to_the_whole():
    grey, _own, _lengths = drawn(long_one())[-3:]
    assert grey.hovertext == ("layer 0, head 2<br>d ← a<br>attention weight 90 %<br>150 % of the stream's length",)


def test_the_words_say_what_it_predicts_takes_and_would_say_before():
    words = passage("abcd").alternative()
    assert "It holds 20 numbers. Smallest: 1.00 (a, entering layer 0). Largest: 20.0 (d, leaving layer 3)." in words
    assert "After the last one: “·x” 50 %, “·y” 25 %." in words
    assert "“d” takes 75 % from “c” (layer 1, head 1), 75 % from “c” (layer 2, head 1)." in words
    assert "If the model stopped earlier, it would say “·y” after layer 0, “·x” after layer 3." in words
    assert words.endswith("Lines are as wide as the logarithm of their length.")
    assert "“b” ends in 384 numbers." in long_one().alternative()
    assert "takes" not in alone().alternative()


def test_equal_tokens_are_told_apart_by_their_positions():
    given = passage("aba")
    assert [given.called(i) for i in range(3)] == ["a at position 0", "b", "a at position 2"]
    assert given.name(LAYERS + 1) == "b, entering layer 0"


def test_every_number_has_its_row():
    given = passage("abcd")
    rows = given.table().rows
    assert len(rows) == 4 + 2 + 6 + 2 + 4 * (LAYERS + 1)
    assert {row[0] for row in rows} == {
        "prediction",
        "likely next token",
        "arc",
        "word after the layer",
        "stream before layer 0",
        "stream after the layer",
    }
    assert ("arc", 1, 1, "d", 3, "c", 2, None, 0.75, 0.2, None, None) in rows
    assert ("stream after the layer", 3, None, "d", 3, None, None, 20.0, None, None, None, None) in rows
    nameless = long_one(lines=tuple(replace(line, leads="·x") for line in long_one().lines))
    assert nameless.table().rows[0][-2:] == ("·x", None)


def test_a_difference_is_the_logarithm_of_how_much_longer_each_stream_is():
    difference = passage("abcd", 10.0).minus(passage("abcd"))
    np.testing.assert_allclose(difference.values, np.ones((4, LAYERS + 1)))
    assert (difference.names, difference.chosen, difference.remark) == (tuple("abcd"), 3, "")
    dead = replace(passage("abcd"), lengths=np.zeros((4, LAYERS + 1)))
    assert not dead.minus(dead).values.any()


def test_what_one_alone_has_is_named_beneath_a_difference():
    first, second = passage("abcd"), passage("axcd")
    second = replace(
        second, arcs=(*second.arcs[:-1], replace(second.arcs[-1], head=7)), words=(Word(3, "·z", 0.5, answer=True),)
    )
    remark = first.minus(second).remark
    assert f"{FIRST} b, {SECOND} x." in remark
    assert (
        "Arcs that one alone has between tokens of both: "
        f"{FIRST} layer 2, head 1: “d” from “c”, {SECOND} layer 2, head 7: “d” from “c”."
    ) in remark
    assert (
        "Words that one alone has under the chosen line: "
        f"{FIRST} “·y” after layer 0, {FIRST} “·x” after layer 3, {SECOND} “·z” after layer 3."
    ) in remark


def test_passages_of_other_depths_have_a_difference_in_the_layers_of_both():
    shallow = replace(passage("abcd"), lengths=np.ones((4, 4)), words=())
    assert passage("abcd").minus(shallow).places == ("in", "0", "1", "2")


def test_passages_of_no_common_token_have_no_difference():
    with pytest.raises(Unlike, match="no token of the first is in the second"):
        passage("abcd").minus(passage("xyz"))


def test_lighter_forms_leave_out_grey_arcs_then_lines_and_say_so():
    whole, bare, few = passage("abcd").lighter()
    assert (len(whole.arcs), len(bare.arcs), len(few.arcs)) == (6, 2, 2)
    assert bare.alternative().endswith("Arcs of other tokens are left out.")
    assert few.alternative().endswith("Lines from which the chosen token takes nothing are left out.")
    assert [line.label for line in few.lines] == ["c", "d"]
    assert (few.chosen, gaps(few)) == (1, ((0, 0, 1),))
    np.testing.assert_array_equal(few.lengths, whole.lengths[2:])
    assert len(list(alone().lighter())) == 1


def test_a_deep_model_on_a_text_with_all_its_lines_fits_into_a_notebook():
    count, layers = 24, 80
    arcs = tuple(Arc(layer, 1, i, i - 1, 0.75, 0.2, i == count - 1) for layer in range(layers) for i in range(1, count))
    lengths = np.geomspace(1.0, 1e4, count * (layers + 1)).reshape(count, layers + 1)
    deep = replace(passage([f"·token{i}" for i in range(count)]), lengths=lengths, arcs=arcs)
    shown = deep.in_notebook("The passage", deep.alternative())
    assert notebook.size(shown) <= notebook.MOST


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lengths": np.ones((3, 5))}, r"lengths are \(3, 5\), the lines say \(4, 'layers \+ 1'\)"),
        ({"lengths": np.ones((4, 1))}, r"lengths are \(4, 1\)"),
        ({"lengths": np.ones((0, 5)), "lines": ()}, "the chosen line 3 is outside of 0 lines"),
        ({"chosen": 4}, "the chosen line 4 is outside of 4 lines"),
        ({"steps": ()}, "there are 0 steps, the passage is told in 5"),
        ({"tokens": 3}, "a line stands at position 3 of 3 tokens"),
        ({"lines": passage("abcd").lines[::-1]}, "the line at position 2 is not in the order of the text"),
        ({"arcs": (Arc(4, 0, 3, 1, 0.9, 0.1, chosen=True),)}, "is outside of 4 layers and 4 lines"),
        ({"arcs": (Arc(0, 0, 3, 4, 0.9, 0.1, chosen=True),)}, "is outside of 4 layers and 4 lines"),
        ({"arcs": (Arc(0, 0, 2, 1, 0.9, 0.1, chosen=True),)}, "is said to be the chosen line's, 3"),
        ({"arcs": (Arc(0, 0, 3, 1, 0.9, 0.1, chosen=False),)}, "is not said to be the chosen line's, 3"),
        ({"arcs": passage("abcd").arcs[::-1]}, "is not in the order of the layers and lines"),
        ({"words": (Word(4, "·x", 0.5, answer=True),)}, "is outside of 4 layers"),
        ({"words": passage("abcd").words[::-1]}, "is not in the order of the layers"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        replace(passage("abcd"), **changes)


def test_a_reader_s_text_stays_text():
    given = passage((ODD, "b"))
    lines = (replace(given.lines[0], leads=ODD), given.lines[1])
    told = tuple(replace(arc, told=ODD) for arc in given.arcs)
    shown = replace(
        given, lines=lines, arcs=told, words=(Word(0, ODD, 0.5, answer=False),), best=((ODD, 0.5),), best_ids=(1,)
    )
    assert ODD not in str(shown.plotly().to_json())

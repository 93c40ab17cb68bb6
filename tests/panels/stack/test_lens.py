"""The lens: what each layer would answer, as the plain model's own norm and head give it; when the answer leads."""

import numpy as np
import pytest

from anatomy.measure import leads_from
from anatomy.request import Want
from anatomy.view import Fitted
from panels.output.output import PANEL as OUTPUT
from panels.stack.lens import PANEL, read
from tests import once
from tests.models.tiny import HEADLESS, MODELS, tiny_engine
from tests.panels.made import made
from tests.snapshot import described

WITH_HEAD = [kind for kind in MODELS if kind not in HEADLESS]
NAMES = {5: "<b>", 6: "six", 7: "seven"}
VIEW = Fitted(layer=1, pos=0)


def small(ids: list[list[int]]):
    """After each of three layers the best tokens have 50 % and 25 %."""
    logp = np.log(np.full((3, 2), [0.5, 0.25]))
    return made("a", {Want("lens_ids", pos=0): ids, Want("lens_logp", pos=0): logp}, names=NAMES)


BEHIND = small([[6, 7], [6, 5], [5, 6]])


@pytest.mark.parametrize("kind", WITH_HEAD)
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
def test_the_printed_program_finds_the_same_probabilities(kind, answered, program):
    trace, view = answered(PANEL, kind)
    found, ours = np.asarray(program(PANEL, trace, view, kind)), read(trace, view).steps
    np.testing.assert_allclose(found[:, 0], [step.probability for step in ours], atol=1e-5)
    known = [layer for layer, step in enumerate(ours) if step.answer is not None]
    assert known
    np.testing.assert_allclose(found[known, 1], [ours[layer].answer for layer in known], atol=1e-5)


@pytest.mark.parametrize("kind", WITH_HEAD)
def test_after_the_last_layer_stands_the_models_own_answer(kind, answered):
    trace, view = answered(PANEL, kind)
    output, _ = answered(OUTPUT, kind)
    last = read(trace, view).last
    assert last.best == output[Want("next_ids", pos=view.pos)][0]
    assert (last.rank, last.answer) == (1, last.probability)


@pytest.mark.parametrize("kind", HEADLESS)
def test_a_model_without_a_head_has_no_lens(kind):
    reason = PANEL.applies(tiny_engine(kind).spec)
    assert reason
    assert reason == OUTPUT.applies(tiny_engine(kind).spec)


@pytest.mark.parametrize(("best", "layer"), [([5, 5, 5], 0), ([6, 5, 5], 1), ([5, 6, 5], 2), ([6, 7, 5], 2), ([5], 0)])
def test_the_answer_leads_from_where_it_stays(best, layer):
    assert leads_from(np.array(best)[:, None]) == layer


def test_the_answers_rank_is_known_where_it_is_among_the_best():
    first, second, last = read(BEHIND, VIEW).steps
    assert (first.rank, first.answer) == (None, None)
    assert (second.rank, second.answer) == (2, pytest.approx(0.25))
    assert (last.rank, last.answer) == (1, pytest.approx(0.5))


def test_the_caption_says_since_when_and_what_the_chosen_layer_would_name():
    assert once.caption(PANEL, BEHIND, VIEW) == (
        "“<b>”, the answer with 50 % in the end, is the best token only after the last layer. "
        "After layer 1 the stream would name “six” (50 %); “<b>” has rank 2 (25 %)."
    )
    assert once.caption(PANEL, BEHIND, Fitted(layer=0, pos=0)).endswith("“<b>” is not among the 2 best.")
    assert "from layer 1 on. After layer 1 it has 50 %." in once.caption(PANEL, small([[6, 5], [5, 6], [5, 6]]), VIEW)
    assert "is the best token after every layer" in once.caption(PANEL, small([[5, 6]] * 3), VIEW)


def test_layers_where_the_answer_leads_are_in_the_accent_and_the_others_show_it_as_a_mark():
    leading, behind, numbers, marks = once.figure(PANEL, BEHIND, VIEW).data
    assert (list(leading.y), list(behind.y)) == ([2], [0, 1])
    assert (list(marks.y), list(marks.x)) == ([1], [25])
    assert leading.name == "“&lt;b&gt;” leads"
    assert "&lt;b&gt;" in numbers.text[2]


def test_the_chosen_layer_is_in_bold():
    assert list(once.figure(PANEL, BEHIND, VIEW).layout.yaxis.ticktext) == ["0", "<b>1</b>", "2"]
    assert PANEL.places == ("layer",)


def test_the_table_holds_the_numbers_of_the_figure():
    rows = once.table(PANEL, BEHIND, VIEW).rows
    assert [row[:3] for row in rows] == [(0, "six", 6), (1, "six", 6), (2, "<b>", 5)]
    assert [row[4] for row in rows] == [None, 2, 1]


def test_the_formula_ends_with_the_models_own_output():
    lines = once.formula(PANEL, BEHIND, VIEW).splitlines()
    assert lines[1] == "after layer 1: log p(“six”) = −0.693   p = 50 %"
    assert lines[2] == "after layer 2: log p(“<b>”) = −0.693   p = 50 %"

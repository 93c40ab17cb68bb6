"""Watched tokens: who leads until which layer; probability and rank as the plain model's own end gives them."""

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.spec import Stack
from anatomy.view import Fitted
from panels.output.output import PANEL as OUTPUT
from panels.stack.watched import PANEL, Spell, read, spells
from tests import once
from tests.anatomy.spec import spec
from tests.models.tiny import HEADLESS, MODELS, tiny_engine
from tests.panels.made import made
from tests.snapshot import described

WITH_HEAD = [kind for kind in MODELS if kind not in HEADLESS]
NAMES = {5: "<b>", 6: "six", 7: "seven"}
VIEW = Fitted(pos=0)
BY_RANK = Fitted(pos=0, settings=(("watched", "rank"),))


def small(places: list[list[int]]):
    """<b> is the final answer; a token of rank r has the probability 2⁻ʳ."""
    ids = [5, 6, 7][: len(places[0])]
    arrays = {"watch_ids": ids, "watch_rank": places, "watch_logp": -np.log(2) * np.array(places)}
    wanted = {Want(site, pos=0): array for site, array in arrays.items()}
    return made("a", wanted, spec(stacks=(Stack("dec", len(places), True),)), NAMES)


LATE = small([[30, 1], [2, 1], [1, 3]])


@pytest.mark.parametrize("kind", WITH_HEAD)
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
def test_the_printed_program_finds_the_same_probabilities_and_ranks(kind, answered, program):
    trace, view = answered(PANEL, kind)
    found = np.asarray(program(PANEL, trace, view, kind))
    watched = read(trace, view)
    np.testing.assert_allclose(found[..., 0], watched.probability, atol=1e-5)
    np.testing.assert_array_equal(found[..., 1], watched.rank)


@pytest.mark.parametrize("kind", WITH_HEAD)
def test_the_first_token_is_the_models_own_answer_and_leads_in_the_end(kind, answered):
    trace, view = answered(PANEL, kind)
    output, _ = answered(OUTPUT, kind)
    assert trace[Want("watch_ids", pos=view.pos)][0] == output[Want("next_ids", pos=view.pos)][0]
    assert read(trace, view).spells[-1].column == 0


@pytest.mark.parametrize("kind", HEADLESS)
def test_a_model_without_a_head_has_nothing_to_watch(kind):
    reason = PANEL.applies(tiny_engine(kind).spec)
    assert reason
    assert reason == OUTPUT.applies(tiny_engine(kind).spec)


def test_a_spell_is_a_run_of_layers_with_one_leader():
    found = spells(np.array([[3, 2], [3, 1], [3, 1], [1, 2]]))
    assert found == (Spell(None, 0, 0), Spell(1, 1, 2), Spell(0, 3, 3))


def test_the_caption_says_who_leads_until_which_layer():
    assert once.caption(PANEL, LATE, VIEW) == (
        "“six” leads up to layer 1, then “<b>” after the last layer, with 50 % in the end. "
        "After layer 0 “<b>” has rank 30 of 50 tokens."
    )
    assert once.caption(PANEL, small([[1], [1]]), VIEW) == "“<b>” leads after every layer, with 50 % in the end."
    told = once.caption(PANEL, small([[9, 9, 1], [9, 1, 9], [1, 2, 3], [1, 2, 3]]), VIEW)
    assert told.startswith("“seven” leads after layer 0, then “six” after layer 1, then “<b>” from layer 2 on")


def test_many_spells_are_counted():
    six, seven, answer = [3, 1, 2], [3, 2, 1], [1, 2, 3]
    told = once.caption(PANEL, small([six, seven, six, seven, answer]), VIEW)
    assert (
        "then the lead changes 3 times (the last time to “seven”, after layer 3), then “<b>” after the last layer"
        in told
    )


def test_leaders_that_the_engine_leaves_out_are_owned_up_to():
    told = once.caption(PANEL, small([[3, 2], [2, 1], [1, 2]]), VIEW)
    assert told.startswith("A token that is not drawn leads after layer 0, then “six” after layer 1")
    assert told.endswith("Only the 2 tokens that led last are drawn; earlier leaders are left out.")


def test_the_answer_is_in_the_accent_and_the_longest_other_leader_dashed():
    answer, other, rest = once.figure(PANEL, small([[9, 1, 2], [9, 1, 2], [9, 2, 1], [1, 2, 3]]), VIEW).data
    assert (answer.name, answer.line.width) == ("“&lt;b&gt;”", 3)
    assert (other.name, other.line.dash) == ("“six”", "dash")
    assert rest.name == "“seven”"


def test_every_line_is_named_without_hovering():
    figure = once.figure(PANEL, small([[9, 1, 2], [9, 1, 2], [9, 2, 1], [1, 2, 3]]), VIEW)
    assert figure.layout.showlegend
    assert len({(line.line.color, line.line.dash) for line in figure.data}) == 3


def test_probability_or_rank_is_drawn_on_a_log_scale():
    for view, values, title in ((VIEW, [2**-30, 0.25, 0.5], "probability"), (BY_RANK, [30, 2, 1], "rank (1 is")):
        figure = once.figure(PANEL, LATE, view)
        np.testing.assert_allclose(figure.data[0].y, values, rtol=1e-5)
        assert figure.layout.yaxis.type == "log"
        assert figure.layout.yaxis.title.text.startswith(title)


def test_the_table_holds_every_token_after_every_layer():
    rows = once.table(PANEL, LATE, VIEW).rows
    assert len(rows) == 6
    assert rows[0][:3] == (0, "<b>", 5)
    assert rows[3] == (1, "six", 6, pytest.approx(0.5), 1)


def test_the_formula_shows_the_layers_around_the_last_change():
    lines = once.formula(PANEL, LATE, VIEW).splitlines()
    assert lines[2] == "after layer 1: p(“six”) = 0.500, rank 1;  p(“<b>”) = 0.250, rank 2"
    assert lines[3] == "after layer 2: p(“<b>”) = 0.500, rank 1;  p(“six”) = 0.125, rank 3"
    assert len(once.formula(PANEL, small([[1], [1]]), VIEW).splitlines()) == 4

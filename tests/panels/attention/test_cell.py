"""One cell's arithmetic: every step from q, k and v alone arrives at the model's own score, weight and z."""

import numpy as np
import pytest

from anatomy.view import Fitted
from panels.attention.cell import PANEL, STEP, read
from tests import once
from tests.models.tiny import MODELS
from tests.panels.handmade import attending, even
from tests.snapshot import described


@pytest.mark.parametrize("kind", MODELS)
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind)
    told = {
        "says": once.caption(PANEL, trace, view),
        "table": once.table(PANEL, trace, view),
        "formula": once.formula(PANEL, trace, view),
    }
    assert {"figure": described(once.figure(PANEL, trace, view))} | told == picture


@pytest.mark.parametrize("step", ["softmax", "value"])
def test_the_later_steps(step, answered, picture):
    trace, view = answered(PANEL, settings=(("step", step),))
    assert {"figure": described(once.figure(PANEL, trace, view)), "table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "mistral", "gpt2", "bert", "t5"])
@pytest.mark.parametrize("step", STEP.options)
def test_the_printed_program_finds_the_same_numbers(kind, step, answered, program):
    trace, view = answered(PANEL, kind, settings=(("step", step),))
    given, found = read(trace, view), program(PANEL, trace, view, kind).numpy()
    expected = {
        "product": given.products,
        "softmax": np.stack([given.scaled, given.weights]),
        "value": np.stack([given.write, given.total]),
    }
    np.testing.assert_allclose(found, expected[step], atol=1e-5)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("src", [None, 0, 17])
def test_every_step_arrives_at_the_models_own_number(kind, src, answered):
    trace, view = answered(PANEL, kind, src=src)
    found = read(trace, view)
    np.testing.assert_allclose(found.scaled[found.seen], found.scores[found.seen], atol=1e-5)
    np.testing.assert_allclose(found.weights, found.pattern, atol=1e-6)
    assert found.dot == pytest.approx(float(found.cell.q @ found.cell.k))
    assert found.off < 1e-5


@pytest.mark.real
@pytest.mark.parametrize("layer", [0, 15, 29])
def test_every_head_of_the_real_model_adds_up(layer, really_answered):
    for head in range(9):
        trace, view = really_answered(PANEL, layer=layer, head=head)
        found = read(trace, view)
        assert np.abs(found.scaled - found.scores)[found.seen].max() < 1e-4
        assert np.abs(found.weights - found.pattern).max() < 1e-5
        assert found.off < 1e-5


def test_a_masked_cell_ends_at_the_mask(answered):
    trace, view = answered(PANEL, pos=3, src=9)
    assert once.caption(PANEL, trace, view).endswith("the mask makes it −∞, and the weight 0.")
    assert once.formula(PANEL, trace, view).endswith("the weight e^−∞ = 0")
    for step in STEP.options:
        assert once.figure(PANEL, trace, view.with_setting(STEP, step)).data


def test_a_long_row_shows_the_strongest_and_the_chosen_and_says_how_many_it_leaves_out():
    trace = attending(" ".join(f"w{i}" for i in range(40)), even(40))
    view = Fitted(layer=1, head=0, pos=39, src=30).with_setting(STEP, "softmax")
    labels = once.figure(PANEL, trace, view).layout.yaxis.ticktext
    assert len(labels) == 17
    assert "30 w30" in labels
    assert "23 are left out" in once.caption(PANEL, trace, view)
    assert len(once.table(PANEL, trace, view).rows) == 40


@pytest.mark.parametrize("step", STEP.options)
def test_one_token_is_enough(step, answered):
    trace, view = answered(PANEL, text="a", settings=(("step", step),))
    assert once.figure(PANEL, trace, view).data
    assert "100 %" in once.caption(PANEL, trace, view)

"""Settling: each lens's KL divergence as the plain model gives it, an even guess beside it, and what it cannot say."""

import math

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.view import Fitted
from panels.output.output import PANEL as OUTPUT
from panels.stack.settling import PANEL, read, settled_from
from tests import once
from tests.models.tiny import HEADLESS, MODELS, tiny_engine
from tests.panels.made import made
from tests.snapshot import described

WITH_HEAD = [kind for kind in MODELS if kind not in HEADLESS]
VIEW = Fitted(layer=1, pos=0)


def small(values: list[float], entropy: float = math.log(5)):
    """Fifty tokens: an even guess is log 50 − log 5 = 2.30 nats away."""
    return made("<b>", {Want("lens_kl", pos=0): values, Want("entropy", pos=0): entropy})


@pytest.mark.parametrize("kind", WITH_HEAD)
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
def test_the_printed_program_finds_the_same_distances(kind, answered, program):
    trace, view = answered(PANEL, kind)
    found = np.asarray(program(PANEL, trace, view, kind))
    np.testing.assert_allclose(found, read(trace, view).kl, atol=1e-5)
    assert found[0] > 0.01


@pytest.mark.parametrize("kind", WITH_HEAD)
def test_an_even_guess_is_as_far_as_the_whole_distribution_says(kind, answered):
    trace, view = answered(PANEL, kind)
    output, _ = answered(OUTPUT, kind)
    logits = output[Want("logits", pos=view.pos)].astype(np.float64)
    logp = logits - np.log(np.exp(logits).sum())
    assert read(trace, view).even == pytest.approx(float((np.exp(logp) * (logp + np.log(len(logp)))).sum()), abs=1e-4)


@pytest.mark.parametrize("kind", HEADLESS)
def test_a_model_without_a_head_has_no_answer_to_settle_on(kind):
    reason = PANEL.applies(tiny_engine(kind).spec)
    assert reason
    assert reason == OUTPUT.applies(tiny_engine(kind).spec)


@pytest.mark.parametrize(("values", "layer"), [([9, 1, 0], 2), ([9, 0.5, 0], 1), ([0.1, 0.9, 0], 2), ([0, 0, 0], 0)])
def test_the_answer_has_settled_where_no_later_layer_is_farther(values, layer):
    assert settled_from(np.array(values), 0.5) == layer


def test_the_caption_holds_the_chosen_layer_against_an_even_guess():
    told = once.caption(PANEL, small([9, 1.5, 0]), VIEW)
    assert told.startswith(
        "After layer 1 the lens is 1.50 nats from the final answer at “<b>”, nearer than an even guess among all "
        "tokens (2.30 nats). It stays within 1 nat only after the last layer. "
        "1 layer of 3 lies farther away than an even guess."
    )
    assert "9.00 nats from the final answer at “<b>”, farther than" in once.caption(
        PANEL, small([9, 1, 0]), Fitted(pos=0)
    )
    assert "within 1 nat from layer 1 on. A raw lens" in once.caption(PANEL, small([2, 0.05, 0]), VIEW)
    assert "2 layers of 3 lie farther" in once.caption(PANEL, small([9, 9, 0]), VIEW)


def test_the_caption_owns_up_to_what_a_raw_lens_cannot_say():
    assert "does not show that nothing is known" in once.caption(PANEL, small([9, 1, 0]), VIEW)


def test_the_figure_marks_the_chosen_layer_and_the_even_guess():
    figure = once.figure(PANEL, small([9, 1.5, 0]), VIEW)
    curve, mark = figure.data
    assert list(curve.y) == [9, 1.5, 0]
    assert (list(mark.x), list(mark.y)) == ([1], [1.5])
    assert figure.layout.shapes[0].y0 == pytest.approx(math.log(10))


def test_the_table_holds_every_layer_and_what_it_brings():
    assert once.table(PANEL, small([9, 1.5, 0]), VIEW).rows == ((0, 9, None), (1, 1.5, 7.5), (2, 0, 1.5))


def test_the_formula_puts_the_numbers_in():
    lines = once.formula(PANEL, small([9, 1.5, 0]), VIEW).splitlines()
    assert lines[1] == "KL(p ‖ q) = Σ p · (log p − log q) = 1.50 nats after layer 1"
    assert lines[2] == "q even: log 50 − entropy of p = 3.91 − 1.61 = 2.30 nats"
    assert lines[3] == "largest step towards the answer: layer 1, 9.00 → 1.50 nats"

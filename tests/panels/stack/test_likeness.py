"""Layers compared: cosines of one token's streams as the plain model gives them, on one scale for every text."""

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.spec import Stack
from anatomy.view import Fitted
from panels.stack.likeness import PANEL, read
from tests import once
from tests.anatomy.spec import spec
from tests.models.tiny import MODELS
from tests.panels.made import made
from tests.snapshot import described

VIEW = Fitted(layer=0, pos=1)


def small(*places: tuple[float, float]):
    """Streams that lie in two of the eight dimensions, a layer each."""
    wanted = {Want("resid_post", layer, pos=1): [*place, 0, 0, 0, 0, 0, 0] for layer, place in enumerate(places)}
    return made("a <b>", wanted, spec(stacks=(Stack("dec", len(places), True),)))


TURNING = small((1, 0), (4, 3), (0, -2))


@pytest.mark.parametrize("kind", MODELS)
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "bert-headless", "t5"])
def test_the_printed_program_finds_the_same_matrix(kind, answered, program):
    trace, view = answered(PANEL, kind)
    np.testing.assert_allclose(program(PANEL, trace, view, kind), once.figure(PANEL, trace, view).z, atol=1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_the_matrix_is_symmetric_and_every_layer_is_like_itself(kind, answered):
    values = read(*answered(PANEL, kind)).cosine
    np.testing.assert_allclose(values, values.T, atol=1e-6)
    np.testing.assert_allclose(np.diag(values), 1, atol=1e-6)
    assert values.min() < 0.999


def test_the_scale_is_the_same_for_every_text():
    for trace in (TURNING, small((1, 0))):
        grid = once.figure(PANEL, trace, VIEW)
        assert (grid.low, grid.high, grid.signed, grid.unit) == (-1, 1, True, "cosine")


def test_the_focus_is_the_chosen_layer_and_the_one_least_like_it():
    assert once.figure(PANEL, TURNING, VIEW).focus == (0, 2)
    assert once.figure(PANEL, TURNING, Fitted(layer=1, pos=1)).focus == (1, 2)
    assert read(TURNING, Fitted(layer=2, pos=1)).far == 1


def test_the_caption_names_the_sharpest_turn_and_how_much_one_dimension_decides():
    assert once.caption(PANEL, TURNING, Fitted(layer=1, pos=1)) == (
        "From one layer to the next the stream of “<b>” keeps a cosine of 0.10 on average; it turns most in layer 2 "
        "(−0.60 with layer 1's). After layer 1 it is least like after layer 2 (−0.60). A few large dimensions can "
        "decide a cosine: dimension 0 holds 64 % of the squared length after layer 1."
    )


def test_a_single_layer_has_nothing_to_be_compared_with():
    assert once.caption(PANEL, small((1, 0)), VIEW).startswith("The model has a single layer: the stream of “<b>”")


def test_a_stream_without_length_has_no_large_dimension():
    assert read(small((0, 0), (1, 0)), VIEW).largest == (0, 0.0)


def test_the_table_holds_the_chosen_row_and_the_steps():
    rows = once.table(PANEL, TURNING, VIEW).rows
    np.testing.assert_allclose([row[1] for row in rows], [1, 0.8, 0], atol=1e-6)
    assert rows[0][2] is None
    np.testing.assert_allclose([row[2] for row in rows[1:]], [0.8, -0.6], atol=1e-6)


def test_the_formula_puts_dot_product_and_lengths_in():
    lines = once.formula(PANEL, TURNING, Fitted(layer=1, pos=1)).splitlines()
    assert lines[2] == "= −6.00 / (5.00 · 2.00) = −0.60"
    assert lines[3] == "without dimension 0, the largest of a: −1.00"

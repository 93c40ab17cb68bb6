"""A curve with its inputs: every input counted once, points and cells on one axis, words that stay text."""

import numpy as np
import pytest

from tests.snapshot import described
from viz.activation import BINS, Activation


def given(tokens: int, neurons: int = 20) -> Activation:
    x = np.linspace(-3, 3, 61)
    every = np.sin(np.arange(tokens * neurons)) * 2.5
    own = every[:neurons]
    notes = tuple(f"neuron <{i}>" for i in range(neurons))
    return Activation(x, x**2, every, own, own**2, notes, (1, 5), "gate (activation)", "f(gate)", "neurons of “<b>”")


@pytest.mark.parametrize("tokens", [1, 5])
def test_the_picture(tokens, picture):
    assert described(given(tokens).drawn()) == picture


@pytest.mark.parametrize("tokens", [2, 500])
def test_every_input_is_counted_in_equal_cells(tokens):
    *_, bars, steps = given(tokens).drawn().data
    assert len(bars.x) == len(steps.x) == BINS
    assert bars.y.sum() == pytest.approx(100, rel=1e-5)
    assert steps.y.sum() == pytest.approx(100, rel=1e-5)
    np.testing.assert_allclose(np.diff(bars.x), 6 / BINS, rtol=1e-4)


def test_inputs_beyond_the_curve_count_in_the_outer_cells():
    narrow = given(2)
    wide = Activation(**vars(narrow) | {"all": np.full(50, 9.0)})
    assert wide.drawn().data[3].y[-1] == pytest.approx(100)


def test_each_of_the_chosen_tokens_inputs_is_drawn_once():
    _, faint, strong, *_ = given(3).drawn().data
    assert (len(faint.x), len(strong.x)) == (18, 2)
    np.testing.assert_allclose(strong.x, given(3).own[[1, 5]], rtol=1e-6)


def test_both_pictures_share_their_axis():
    figure = given(3).drawn()
    assert tuple(figure.layout.xaxis.range) == tuple(figure.layout.xaxis2.range) == (-3, 3)


def test_words_stay_text():
    figure = given(2).drawn()
    assert figure.data[1].name == "neurons of “&lt;b&gt;”"
    assert figure.data[2].hovertext[0] == "neuron &lt;1&gt;"

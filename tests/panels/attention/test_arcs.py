"""The ribbons: as thick as the weights are, none lost unsaid, labels as data."""

import numpy as np
import pytest

from anatomy.view import Fitted
from panels.attention.arcs import PANEL
from panels.common.shared import FIRST
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


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
def test_the_printed_program_finds_the_same_weights(kind, answered, program):
    trace, view = answered(PANEL, kind)
    row = program(PANEL, trace, view, kind).numpy()[view.pos]
    for src, _, weight in once.table(PANEL, trace, view).rows:
        assert row[src] == pytest.approx(weight, abs=1e-5)


def long(n: int):
    weights = even(n)
    weights[-1] = 0.0001
    weights[-1, [5, 7]] = 0.75, 0.25 - 0.0001 * (n - 2)
    return attending(" ".join(f"w{i}" for i in range(n)), weights), Fitted(layer=1, head=0, pos=n - 1)


def thickness(figure) -> list[float]:
    """Of every ribbon of the chosen token, in rows at its start."""
    x, y = (np.asarray(values, float) for values in (figure.data[0].x, figure.data[0].y))
    starts = np.split(y, np.flatnonzero(np.isnan(x)) + 1)
    return [round(abs(part[0] - part[-2]), 3) for part in starts if len(part) > 1]


def test_a_ribbon_is_as_thick_as_its_weight():
    weights = even(3)
    weights[2] = 0.5, 0.0, 0.5
    figure = once.figure(PANEL, attending("a b c", weights), Fitted(layer=1, head=0, pos=2))
    assert thickness(figure) == [0.4, 0.4]


def test_a_long_text_shows_the_chosen_tokens_strongest_and_says_so():
    trace, view = long(61)
    told = once.caption(PANEL, trace, view)
    assert "With 61 tokens only the chosen one's strongest 20 are drawn, 99.59 % of its attention" in told
    labels = [note.text for note in once.figure(PANEL, trace, view).layout.annotations]
    assert labels.count("<b>60 w60</b>") == 1
    assert "<b>5 w5</b>" in labels
    assert len(labels) == 1 + 20 + 2
    assert len(thickness(once.figure(PANEL, trace, view))) == 2


def test_sixty_tokens_are_all_shown():
    trace, view = long(60)
    assert len(once.figure(PANEL, trace, view).layout.annotations) == 2 * 60 + 2


def test_without_the_first_token_the_shares_are_of_the_rest():
    weights = even(3)
    weights[2] = 0.8, 0.15, 0.05
    trace, view = attending("a b c", weights), Fitted(layer=1, head=0, pos=2).with_setting(FIRST, False)
    assert "goes to “b”: 75 %" in once.caption(PANEL, trace, view)
    assert "The first token is left out" in once.caption(PANEL, trace, view)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("n", [1, 70])
def test_the_first_token_with_or_without_itself(n, first):
    trace = attending(" ".join(f"w{i}" for i in range(n)), even(n))
    view = Fitted(layer=1, head=0, pos=0).with_setting(FIRST, first)
    assert once.figure(PANEL, trace, view).data
    assert ("nothing but the first token" in once.caption(PANEL, trace, view)) is not first
    assert once.formula(PANEL, trace, view)


def test_labels_are_escaped():
    trace = attending("<b> &amp;", even(2))
    texts = " ".join(note.text for note in once.figure(PANEL, trace, Fitted(layer=1, head=0, pos=0)).layout.annotations)
    assert "&lt;b&gt;" in texts
    assert "&amp;amp;" in texts

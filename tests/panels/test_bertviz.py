"""BertViz's views get the run's own weights, the part of a long text is named, and its own program runs."""

import numpy as np
import pytest

from anatomy.view import Fitted
from panels.bertviz import PANEL, VIEW
from tests.models.tiny import MODELS
from tests.panels.handmade import attending, even
from tests.snapshot import described

MODEL = (("bertviz", "model"),)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("settings", [(), MODEL], ids=["head", "model"])
def test_the_picture_caption_and_table_of_every_family(kind, settings, answered, picture):
    trace, view = answered(PANEL, kind, settings=settings, text="the cat")
    told = {"says": PANEL.says(trace, view), "table": PANEL.table(trace, view), "formula": PANEL.formula(trace, view)}
    assert {"figure": described(PANEL.draw(trace, view))} | told == picture


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # in BertViz
@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
@pytest.mark.parametrize("settings", [(), MODEL], ids=["head", "model"])
def test_bertvizs_own_program_finds_the_same_weights(kind, settings, answered, program):
    trace, view = answered(PANEL, kind, settings=settings)
    found = program(PANEL, trace, view, kind).numpy()
    np.testing.assert_allclose(found, PANEL.draw(trace, view).weights, atol=1e-5)


def test_a_long_text_shows_the_tokens_up_to_the_chosen_one_and_says_which():
    trace = attending(" ".join(f"w{i}" for i in range(80)), even(80))
    figure = PANEL.draw(trace, Fitted(layer=1, head=0, pos=70))
    assert figure.labels[-1] == "w70"
    assert len(figure.labels) == 48
    assert "Of 80 tokens, positions 23 to 70 are shown." in PANEL.says(trace, Fitted(layer=1, head=0, pos=70))
    assert PANEL.draw(trace, Fitted(layer=1, head=0, pos=3)).labels[0] == "w0"


def test_the_strongest_link_is_named():
    weights = even(3)
    weights[2] = 0.1, 0.8, 0.1
    assert "“c” → “b” with 80 %" in PANEL.says(attending("a b c", weights), Fitted(layer=1, head=0, pos=2))


@pytest.mark.parametrize("view", VIEW.options)
def test_one_token_is_enough(view, answered):
    trace, fitted = answered(PANEL, text="a", settings=(("bertviz", view),))
    assert PANEL.draw(trace, fitted).weights.shape[2:] == (1, 1)
    assert PANEL.says(trace, fitted).startswith("One ")

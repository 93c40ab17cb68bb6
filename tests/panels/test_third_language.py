"""Every panel in a language of which only some messages are translated: nothing raises, and no place stays open."""

import re

import pytest

from panels import load
from tests import third
from tests.models.tiny import tiny_engine

_OPEN = re.compile(r"\{[a-z_]+(:[^{}]+)?\}")


@pytest.fixture(autouse=True)
def _polish():
    with third.spoken():
        yield


@pytest.mark.parametrize("kind", ["llama", "bert", "gpt2", "t5"])
@pytest.mark.parametrize("panel", load().values(), ids=load())
def test_a_panel_is_whole_in_a_third_language(panel, kind, answered):
    if panel.applies(tiny_engine(kind).spec) is not None:
        return
    trace, view = answered(panel, kind)
    assert panel.draw(trace, view) is not None
    said = (panel.caption(trace, view), panel.formula(trace, view))
    assert panel.table(trace, view).rows
    assert not [sentence for sentence in said if _OPEN.search(sentence)]
    assert all(said)


def test_a_caption_mixes_what_is_translated_with_what_is_not(answered):
    panel = load()["tokens"]
    trace, view = answered(panel, text="the cat sat on the mat")
    caption = panel.caption(trace, view)
    assert re.match(r"\d+ token(y|ów)? na 6 słów: \d,\d na słowo\. ", caption), caption


def test_figures_carry_the_language_s_marks(answered):
    from viz.export import to_plotly

    panel = load()["writes"]
    figure = to_plotly(panel.draw(*answered(panel)))
    assert figure.layout.separators == ",\u00a0"

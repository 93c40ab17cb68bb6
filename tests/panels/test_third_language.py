"""Every panel in a language of which only some messages are translated: nothing raises, and no place stays open."""

import re

import pytest

from panels import load
from tests import once, third
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
    assert once.figure(panel, trace, view) is not None
    said = (once.caption(panel, trace, view), once.formula(panel, trace, view))
    assert once.table(panel, trace, view).rows
    assert not [sentence for sentence in said if _OPEN.search(sentence)]
    assert all(said)


def test_a_caption_mixes_what_is_translated_with_what_is_not(answered):
    panel = load()["tokens"]
    trace, view = answered(panel, text="the cat sat on the mat")
    caption = once.caption(panel, trace, view)
    assert re.match(r"\d+ token(y|ów)? na 6 słów: \d,\d\d na słowo\. ", caption), caption


def test_figures_carry_the_language_s_marks(answered):
    panel = load()["writes"]
    figure = once.described(panel, *answered(panel)).plotly()
    assert figure.layout.separators == ",\u00a0"

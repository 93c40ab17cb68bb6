"""The passage around which no columns stand: what the page shows with it, and where the way back leads."""

import pytest
import streamlit as st

import panels
from anatomy.view import DEFAULT_PANEL, OPENING, View
from tests.ui.test_page import component, drawn, keys, words
from ui import opening
from viz.passage import WHOLE

TITLE = panels.load()[OPENING].title
AROUND = {"stagemap", "claims", "picker"}


@pytest.mark.parametrize("query", [{}, {"lang": "en"}, {"panel": OPENING}, {"panel": OPENING, "text": "abc"}])
def test_the_passage_stands_across_the_page_with_a_button_that_closes_it(open_page, query):
    app = open_page(**query)
    assert not app.exception
    assert TITLE in words(app)
    assert drawn(app)
    assert not keys(app) & AROUND
    assert component(app, "whole_way")["open"]
    assert component(app, "whole_way")["label"] == "Close"


@pytest.mark.parametrize("query", [{"panel": "output"}, {"layer": "1"}, {"text": "abc"}, {"lang": "en", "head": "0"}])
def test_every_other_panel_has_the_button_that_opens_it(open_page, query):
    app = open_page(**query)
    assert TITLE not in words(app)
    assert keys(app) >= {"stagemap", "claims"}
    assert not component(app, "whole_way")["open"]
    assert component(app, "whole_way")["label"] == "How it works"


@pytest.mark.parametrize(("query", "panel"), [({}, DEFAULT_PANEL), ({"panel": OPENING}, OPENING)])
def test_embedded_nothing_says_attention_and_no_panel_has_that_button(open_page, query, panel):
    app = open_page(embed=True, **query)
    assert not app.exception
    assert keys(app) == {f"{panel}.figure"}
    assert "Open in Stagelight" in words(app)


@pytest.mark.parametrize(("length", "row"), [(1, False), (WHOLE, False), (WHOLE + 1, True)])
def test_the_tokens_of_a_short_text_stand_in_the_figure_alone(open_page, length, row):
    app = open_page(panel=OPENING, text="x" * length)
    assert ("strip" in keys(app)) == row
    assert ("continuation" in keys(app)) == row


def test_what_was_added_can_be_taken_back(open_page):
    app = open_page(panel=OPENING, text="abc", tail="100")
    assert "strip" not in keys(app)
    assert component(app, "continuation")["tail"] == 1
    lines = component(app, "passage.figure")["lines"]
    assert [line[4] for line in lines] == [0, 0, 0, 1]


@pytest.mark.parametrize("text", ["", "y" * 2_000], ids=["empty", "too many tokens"])
def test_a_refused_text_has_the_question_and_the_way_out(open_page, text):
    app = open_page(panel=OPENING, text=text)
    assert not app.exception
    assert TITLE in words(app)
    assert '<p class="notice refused"' in words(app)
    assert component(app, "whole_way")["open"]
    assert not drawn(app)


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert", "bert-headless", "t5"])
def test_every_family_has_its_passage(open_page, family):
    app = open_page(family, panel=OPENING, text="abcabc")
    assert not app.exception
    assert '<p class="says">' in words(app)
    assert len(component(app, "passage.figure")["steps"]) == 5


@pytest.mark.parametrize("panel", ["output", "residual", DEFAULT_PANEL])
def test_the_way_back_leads_to_the_panel_of_before_with_all_choices(monkeypatch, panel):
    monkeypatch.setattr(st, "session_state", {})
    view = View(panel=panel, text="abc", layer=2, pos=1)
    opened = opening._opened(view)
    assert (opened.panel, opened.text, opened.layer, opened.pos) == (OPENING, "abc", 2, 1)
    assert opening._closed(opened) == view


def test_without_a_panel_before_it_the_way_out_leads_to_the_first_one(monkeypatch):
    monkeypatch.setattr(st, "session_state", {})
    assert opening._closed(opening._opened(View(panel=OPENING))) == View()

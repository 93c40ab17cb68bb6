"""The page without a browser: what it draws for every panel and family, and what it says when it cannot."""

import json
import re
from html import unescape

import pytest
from streamlit.testing.v1 import AppTest

import articles
import panels
from anatomy.stages import STAGES
from anatomy.view import DEFAULT_PANEL, DEFAULT_TEXT, OPENING, View
from tests.share import diagonal
from tests.ui.conftest import loaded
from ui import host, links
from ui.aside import whole_title

FAMILIES = ("llama", "gpt2", "bert-headless")


def words(app: AppTest) -> str:
    """Everything that stands on the page as HTML, without the marks of explained terms."""
    return re.sub("</?dfn[^>]*>", "", "\n".join(str(element.proto.body) for element in app.get("html")))


def component(app: AppTest, key: str) -> dict:
    """What a component of the page was given."""
    return json.loads(app.get_by_key(key).proto.json)[0]


def keys(app: AppTest) -> set[str]:
    """Keys of all components."""
    return {element.key for element in app.get("bidi_component")}


def drawn(app: AppTest) -> bool:
    """Whether a figure stands on the page."""
    figures = {key for key in keys(app) if key.endswith(".figure")}
    return bool(figures or app.get("plotly_chart") or app.get("iframe"))


def test_a_visit_without_a_link_shows_the_passage_across_the_page(open_page):
    app = open_page()
    assert not app.exception
    assert app.query_params == {}
    assert component(app, "textbox")["text"] == DEFAULT_TEXT
    assert panels.load()[OPENING].title in words(app)
    assert {"passage.figure", "whole_way"} <= keys(app)
    assert not keys(app) & {"stagemap", "claims", "heads.figure"}


def test_a_panel_shows_text_tokens_map_figure_and_articles(open_page):
    app = open_page(panel="attention")
    assert not app.exception
    assert component(app, "textbox")["text"] == DEFAULT_TEXT
    assert len(component(app, "strip")["labels"]) == len(DEFAULT_TEXT)
    boxes = component(app, "stagemap")["boxes"]
    assert [box["stage"] for box in boxes] == list(STAGES)
    assert component(app, "stagemap")["current"] == panels.load()[DEFAULT_PANEL].stage
    assert keys(app) >= {"attention.figure", "heads.figure"}
    assert panels.load()[DEFAULT_PANEL].title in words(app)
    assert [tab["title"] for tab in component(app, "claims")["tabs"]][1:] == [
        whole_title(each) for each in articles.load()
    ]
    headings = [place.title for _article, place in articles.headings("attention")]
    assert [group["title"] for group in component(app, "claims")["groups"]][1:] == headings


@pytest.mark.parametrize(("panel", "family"), diagonal([*panels.load()], FAMILIES))
def test_every_panel_is_drawn_or_says_why_this_model_has_none(open_page, panel, family):
    app = open_page(family, panel=panel)
    assert not app.exception
    spec = next(iter(host.models().values())).spec()
    reason = panels.load()[panel].applies(spec)
    if reason is None:
        assert drawn(app)
        assert '<p class="says">' in words(app)
    else:
        assert not drawn(app)
        assert reason in unescape(words(app))


def test_the_link_decides_what_every_widget_shows(open_page):
    app = open_page(panel="attention", layer="2", head="3", pos="4", scale="log", first="0", text="abcabc")
    assert component(app, "textbox")["text"] == "abcabc"
    assert component(app, "strip")["chosen"] == 4
    assert app.get_by_key("attention.layer").value == 2
    assert app.get_by_key("attention.head").value == 3
    assert app.get_by_key("attention.scale").value == "log"
    assert app.toggle(key="attention.first").value is False
    assert "In layer 2, head 3" in words(app)


def test_a_widget_that_misses_what_it_is_told_starts_with_the_links_value(open_page):
    app = open_page(panel="attention", layer="2", head="3", scale="log", first="0", lang="zh")
    starts = {name: list(app.get_by_key(f"attention.{name}").proto.default) for name in ("layer", "head", "scale")}
    assert starts == {"layer": [2], "head": [3], "scale": [1]}
    assert app.toggle(key="attention.first").proto.default is False
    assert app.get_by_key("lang").proto.default == 1
    app = open_page(panel="sampling", topp="0.5")
    assert list(app.get_by_key("sampling.topp").proto.default) == [0.5]


def test_the_pages_own_run_draws_what_its_link_asks_for_whatever_the_session_knows_by_then(open_page, monkeypatch):
    monkeypatch.setattr(links, "known", lambda: View(layer=1))
    app = open_page(layer="2", head="3")
    assert not app.exception
    assert "In layer 2, head 3" in words(app)


def test_a_widget_writes_to_the_link_and_only_what_differs_from_the_default(open_page):
    app = open_page(text="abcabc")
    app.toggle(key="attention.first").set_value(False).run()
    assert app.query_params["first"] == "0"
    app.toggle(key="attention.first").set_value(True).run()
    assert "first" not in app.query_params
    app.get_by_key("attention.head").set_value(1).run()
    assert app.query_params["head"] == "1"
    assert "head 1" in words(app)
    assert app.query_params["text"] == "abcabc"


def test_an_action_that_comes_with_an_older_link_keeps_the_action_before_it(open_page):
    app = open_page(panel=DEFAULT_PANEL)
    app.session_state["link"] = {"text": "abcabc", "utm": "kept"}  # known here, not yet in the browser
    app.get_by_key("attention.head").set_value(1).run()
    assert dict(app.query_params) == {"text": "abcabc", "head": "1", "utm": "kept"}
    assert component(app, "textbox")["text"] == "abcabc"


def test_what_a_browser_reports_from_before_it_heard_of_a_change_is_nobodys_choice(open_page):
    app = open_page(text="abcabc", head="1")
    before = app.get_by_key("attention.head")
    app.query_params["head"] = "2"
    app.run()
    assert "head 2" in words(app)
    before.set_value(1).run()  # of the page from before, where head 1 is what stands there
    assert app.query_params["head"] == "2"
    assert "head 2" in words(app)
    (head,) = [widget for widget in app.get("button_group") if str(widget.key).startswith("attention.head")]
    head.set_value(1).run()
    assert app.query_params["head"] == "1"
    assert "head 1" in words(app)


def test_another_panel_of_the_stage_is_one_choice_away(open_page):
    app = open_page(panel="attention")
    app.get_by_key("picker").set_value("heads").run()
    assert app.query_params["panel"] == "heads"
    assert panels.load()["heads"].title in words(app)


def test_every_box_of_the_map_links_to_its_stage_with_text_and_choices_kept(open_page):
    app = open_page(text="abc", layer="1")
    for box in component(app, "stagemap")["boxes"]:
        assert "text=abc" in box["href"]
        assert "layer=1" in box["href"]
        opened = panels.load()[box["panel"]]
        assert opened.stage == box["stage"]


def test_bad_values_in_a_link_fall_back_and_say_so(open_page):
    app = open_page(layer="abc", panel="nope", scale="7", model="other", pos="-1")
    assert not app.exception
    assert drawn(app)
    for word in ("layer", "nope", "scale", "other", "pos"):
        assert word in "".join(re.findall(r'class="notice quiet".*', words(app)))


def test_numbers_beyond_the_model_and_the_text_are_brought_inside(open_page):
    app = open_page(layer="999", head="77", pos="5000", text="abc")
    assert not app.exception
    assert component(app, "strip")["chosen"] == 2
    assert app.get_by_key("attention.layer").value == 2


@pytest.mark.parametrize(
    "text", ["", "x" * 100_001, "y" * 2_000], ids=["empty", "too many characters", "too many tokens"]
)
def test_a_refused_text_is_answered_by_a_sentence_and_stays_in_the_box(open_page, text):
    app = open_page(text=text)
    assert not app.exception
    assert '<p class="notice refused"' in words(app)
    assert component(app, "textbox")["text"] == text
    assert not drawn(app)


ODD = {
    "spaces": "   \n\t  ",
    "control": "a\x00b\x1bc\x7f",
    "html": '<img src=x onerror="alert(1)"><script>alert(1)</script>',
    "image": "![x](https://evil.example/x.png) **b**",
    "markdown": "# h :red[c] $x$ [l](javascript:alert(1))",
    "special": "<|im_end|><|endoftext|>",
    "rtl": "שלום עולם مرحبا",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈",
    "chinese": "法国的首都是巴黎",
    "one": "x",
}


@pytest.mark.slow
@pytest.mark.parametrize(("panel", "name"), diagonal(["tokens", "embedding", "attention", "output"], [*ODD]))
def test_odd_texts_are_drawn_and_never_become_markup(open_page, panel, name):
    text = ODD[name]
    app = open_page(panel=panel, text=text)
    assert not app.exception
    assert drawn(app)
    assert component(app, "textbox")["text"] == text
    assert "<img" not in words(app)
    assert "<script" not in words(app)
    assert not any(said.value for said in app.markdown), "a reader's text may not be read as Markdown"


def test_an_embedded_panel_stands_alone(open_page):
    app = open_page(embed=True, panel="attention", text="abc")
    assert not app.exception
    assert keys(app) == {"attention.figure"}
    assert panels.load()["attention"].title in words(app)
    assert app.get_by_key("attention.head").value is not None
    assert not app.tabs
    assert "What the articles say" not in words(app)


def test_only_the_open_tabs_body_runs(open_page, monkeypatch):
    app = open_page(panel="attention")
    assert '<pre class="formula">' in words(app)
    assert not app.dataframe
    assert not app.code


def test_several_models_can_be_chosen_between_by_name_only(open_page, monkeypatch):
    app = open_page()
    monkeypatch.setenv(host.VARIABLE, "tiny-llama,tiny-gpt2")
    host.models.clear()
    for model in host.models().values():
        loaded(model)
    app.run()
    assert app.selectbox(key="model").options == ["tiny-llama", "tiny-gpt2"]
    app.selectbox(key="model").select("tiny-gpt2").run()
    assert app.query_params["model"] == "tiny-gpt2"
    assert "GPT-2 architecture" in words(app)
    assert not app.exception

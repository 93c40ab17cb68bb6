"""Where a reader lands who switches models: the same text and stage, a panel that the other model has, and why."""

from dataclasses import replace
from threading import Event

import pytest
import streamlit as st

import panels
from anatomy.view import OPENING, View
from tests.models.tiny import tiny_engine
from tests.ui.conftest import loaded
from tests.ui.test_lacking import picker
from tests.ui.test_page import drawn, words
from ui import host, landing

KINDS = ("llama", "gpt2", "bert", "bert-headless", "t5")
NO_LAYER = "“Lens” was open. This model has no output layer over the vocabulary"


def choose(app, name):
    """The reader chooses another model at the top of the page."""
    (box,) = [widget for widget in app.selectbox if str(widget.key).partition("~")[0] == "model"]
    return box.set_value(name).run()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("panel", panels.load())
def test_every_panel_leads_to_one_that_the_model_has_of_the_same_stage_where_there_is_one(kind, panel):
    spec, sought = tiny_engine(kind).spec, panels.load()[panel]
    found = landing.nearest(sought, spec)
    assert found.closed(spec) is None
    if sought.closed(spec) is None:
        assert found is sought
    elif any(each.closed(spec) is None for each in panels.of_stage(sought.stage)):
        assert found.stage == sought.stage
        assert found is next(each for each in panels.of_stage(sought.stage) if each.closed(spec) is None)


def test_without_a_panel_of_the_stage_the_next_stage_before_it_is_shown():
    spec = replace(tiny_engine().spec, position=None)
    assert all(each.closed(spec) for each in panels.of_stage("position"))
    found = landing.nearest(panels.load()["rotation"], spec)
    assert found.stage == "embedding"
    sentence = landing._sentence(panels.load()["rotation"], found, "This model does not turn queries and keys.")
    assert sentence == (
        "“Rotary lab” was open. This model does not turn queries and keys. It has no other panel of the stage "
        "“Position” either: “Map” of the stage “Embedding” is shown in its place."
    )


def test_where_a_model_has_no_panel_at_all_the_one_that_was_open_says_why(monkeypatch):
    spec = tiny_engine().spec
    for panel in [*panels.load().values()]:
        monkeypatch.setitem(panels.load(), panel.id, replace(panel, applies=lambda spec: "It has none."))
    assert landing.nearest(panels.load()["lens"], spec) is panels.load()["lens"]


def test_a_switch_keeps_text_stage_and_settings_and_says_what_it_changed(serve):
    opened = serve("llama", "bert-headless")
    loaded(host.models()["tiny-bert-headless"])
    app = choose(opened(model="tiny-llama", panel="lens", text="abcab", layer="2", scale="log"), "tiny-bert-headless")
    assert not app.exception
    assert app.query_params == {
        "model": "tiny-bert-headless", "panel": "likeness", "text": "abcab", "scale": "log",
    }  # fmt: skip
    assert drawn(app)
    assert NO_LAYER in words(app)
    assert "“Alike” is shown in its place." in words(app)
    picker(app).set_value("lens").run()
    assert "was open" not in words(app)
    assert "This model has no output layer" in words(app)
    picker(app).set_value("likeness").run()
    assert "was open" not in words(app)


def test_a_panel_that_the_other_model_has_stays_open_without_a_word(serve):
    opened = serve("llama", "bert-headless")
    loaded(host.models()["tiny-bert-headless"])
    for panel in ("likeness", "heads", "residual", OPENING):
        app = choose(opened(model="tiny-llama", panel=panel), "tiny-bert-headless")
        assert app.query_params == {"model": "tiny-bert-headless", "panel": panel}
        assert "was open" not in words(app)


def test_there_and_back_leads_to_the_panel_of_before(serve):
    opened = serve("llama", "bert-headless")
    loaded(host.models()["tiny-bert-headless"])
    for panel, shown in (("attribution", "pooled"), ("rotation", "position"), ("promoted", "neurons")):
        app = choose(opened(model="tiny-llama", panel=panel), "tiny-bert-headless")
        assert app.query_params["panel"] == shown
        choose(app, "tiny-llama")
        assert app.query_params == {"model": "tiny-llama", "panel": panel}
        assert "was open" not in words(app)


def test_what_the_model_has_is_decided_once_that_is_known_and_only_once(serve):
    gate = Event()
    opened = serve("llama", "bert-headless", absent={"bert-headless": gate})
    app = choose(opened(model="tiny-llama", panel="lens"), "tiny-bert-headless")
    assert "the model is being loaded" in words(app)
    assert app.query_params == {"model": "tiny-bert-headless", "panel": "lens"}
    gate.set()
    loaded(host.models()["tiny-bert-headless"])
    app.run()
    assert not app.exception
    assert app.query_params == {"model": "tiny-bert-headless", "panel": "likeness"}
    assert NO_LAYER in words(app)
    app.query_params["panel"] = "lens"  # Back
    app.run()
    assert app.query_params == {"model": "tiny-bert-headless", "panel": "lens"}
    assert "This model has no output layer" in words(app)


def test_a_reader_who_goes_elsewhere_before_that_is_not_fetched_back(serve):
    gate = Event()
    opened = serve("llama", "bert-headless", absent={"bert-headless": gate})
    app = choose(opened(model="tiny-llama", panel="lens"), "tiny-bert-headless")
    app.query_params["model"] = "tiny-llama"  # Back
    app.run()
    gate.set()
    loaded(host.models()["tiny-bert-headless"])
    app.query_params["model"] = "tiny-bert-headless"  # Forward
    app.run()
    assert app.query_params == {"model": "tiny-bert-headless", "panel": "lens"}


def test_what_the_reader_has_just_gone_to_is_not_changed(monkeypatch):
    class Anew(Exception):
        """In place of the page drawn anew."""

    def anew() -> None:
        raise Anew

    changes = []
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(landing.lacking, "known", lambda name: None)
    monkeypatch.setattr(landing.links, "go", changes.append)
    monkeypatch.setattr(landing.polled, "anew", anew)
    there = landing.to_model("other")(View(panel="lens"))
    with pytest.raises(Anew):
        landing.settle(there, tiny_engine("bert-headless").spec)
    (change,) = changes
    for gone_to in (replace(there, panel="cell"), replace(there, model="third")):
        assert change(gone_to) == gone_to
    assert change(there) == replace(there, panel="likeness")


def test_a_link_to_a_panel_that_its_model_lacks_shows_that_panel(serve):
    app = serve("bert-headless", "llama")(model="tiny-bert-headless", panel="lens")
    assert app.query_params == {"model": "tiny-bert-headless", "panel": "lens"}
    assert "This model has no output layer" in words(app)
    assert "was open" not in words(app)


def test_places_of_the_other_model_go(serve, monkeypatch):
    serve("llama", "gpt2")
    loaded(host.models()["tiny-gpt2"])
    monkeypatch.setattr(st, "session_state", {})
    view = View(
        model="tiny-llama", panel="cell", text="ab", layer=2, head=3, pos=1, src=0, tail=(7,), beside="tiny-gpt2"
    )
    assert landing.to_model("tiny-gpt2")(view) == View(model="tiny-gpt2", panel="cell", text="ab")

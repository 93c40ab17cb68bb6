"""Step by step: what may come next, what a click makes of the link, and the way back."""

from dataclasses import replace
from math import exp

import numpy as np
import pytest

from anatomy.request import Run
from anatomy.sampling import Settings
from anatomy.trace import readable
from anatomy.view import View
from models.serving.recorded import FIRST_VIEW, RecordedEngine
from models.serving.store import Store
from panels.common.shared import MIN_P, PENALTY, TEMPERATURE, TOP_K, TOP_P
from tests.models.tiny import tiny_engine
from tests.ui.test_page import component, drawn, words
from ui import continuation, host, links, page

TEXT = "abcabc"


def row(app) -> dict:
    """What the row under the tokens was given."""
    return component(app, "continuation")


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_the_chips_are_the_models_best_next_tokens_with_their_probabilities(open_page, family):
    engine = tiny_engine(family)
    trace = engine.run(Run(engine.spec.id, TEXT), continuation.needs(engine.spec, len(TEXT)))
    ids, logp = (trace[want] for want in continuation.needs(engine.spec, len(TEXT)))
    chips = row(open_page(family, text=TEXT))["chips"]
    assert [chip[0] for chip in chips] == ids[:20].tolist()
    assert [chip[1] for chip in chips] == [engine._tokenizer.label(int(token)) for token in ids[:20]]
    np.testing.assert_allclose([chip[3] for chip in chips], np.exp(logp[:20].astype(float)), rtol=1e-6)


@pytest.mark.parametrize("family", ["bert", "bert-headless"])
def test_a_model_that_does_not_go_on_with_a_text_has_no_row(open_page, family):
    app = open_page(family, text=TEXT)
    assert app.get("bidi_component")
    assert not any(element.key == "continuation" for element in app.get("bidi_component"))


def test_an_embedded_panel_has_no_row(open_page):
    app = open_page(embed=True, text=TEXT)
    assert not any(element.key == "continuation" for element in app.get("bidi_component"))


def test_tokens_of_the_tail_join_the_strip_and_every_panel(open_page):
    app = open_page(text=TEXT, tail="100.101")
    strip = component(app, "strip")
    assert strip["labels"] == [*TEXT, "d", "e"]
    assert strip["ids"][-2:] == [100, 101]
    assert strip["added"] == 2
    assert strip["chosen"] == 7
    assert row(app)["tail"] == 2
    assert row(app)["count"] == "2 tokens added"
    assert "<mark>“e”</mark> gives" in words(app)


def test_a_text_as_it_was_typed_has_nothing_to_take_back(open_page):
    app = open_page(text=TEXT)
    assert component(app, "strip")["added"] == 0
    assert row(app)["count"] == ""
    assert row(app)["full"] is None


def test_a_step_goes_to_the_last_token_and_keeps_the_other_choices():
    view = View(text="a", panel="residual", layer=2, pos=0, src=0, settings=(("scale", "log"),))
    assert continuation.going_on(view, 0, 7) == View(
        text="a", panel="residual", layer=2, tail=(7,), settings=(("scale", "log"),)
    )


def test_a_step_that_is_said_twice_is_one_step():
    once = continuation.going_on(View(tail=(1,)), 1, 7)
    assert continuation.going_on(once, 1, 7) == once


@pytest.mark.parametrize(("count", "expected"), [(2, (1, 2)), (1, (1,)), (0, ()), (9, (1, 2, 3))])
def test_what_was_added_is_taken_back_from_its_end(count, expected):
    assert continuation.taken_back(View(tail=(1, 2, 3), pos=4, src=1), count) == View(tail=expected)


def test_at_the_longest_text_the_chips_say_why_they_cannot_be_chosen(open_page):
    longest = tiny_engine().max_tokens
    app = open_page(text="x" * longest)
    assert drawn(app)
    assert row(app)["chips"]
    assert f"the limit is {longest}" in row(app)["full"]
    assert row(open_page(text="x" * (longest - 2), tail="100"))["full"] is None
    assert row(open_page(text="x" * (longest - 1), tail="100"))["full"] is not None


@pytest.mark.parametrize("tail", ["99999", ".".join(["100"] * 100)], ids=["unknown token", "too long"])
def test_a_tail_that_is_refused_keeps_the_text_and_can_be_taken_back(open_page, tail):
    app = open_page(text=TEXT, tail=tail)
    assert not app.exception
    assert '<p class="notice refused"' in words(app)
    assert component(app, "textbox")["text"] == TEXT
    assert row(app)["chips"] == []
    assert row(app)["tail"] == len(tail.split("."))


def test_the_recorded_first_view_knows_what_comes_next():
    engine = RecordedEngine(FIRST_VIEW)
    (spec,) = engine.specs()
    run = View().run(spec)
    trace = engine.run(run, continuation.needs(spec, len(engine.run(run).tokens)))
    best = continuation.tokens_of(trace)
    assert best[0].label == "·Germany"
    assert best[0].probability == exp(float(trace[continuation.needs(spec, len(trace.tokens))[1]][0]))


def test_labels_of_added_tokens_travel_as_data(open_page):
    app = open_page(text="a", tail="60.98.62")
    assert component(app, "strip")["labels"] == ["a", "<", "b", ">"]
    assert "<mark>“&gt;”</mark> gives" in words(app)


def test_characters_that_no_token_covers_are_named_readably():
    assert page.unspelled("\x13") == "The tokenizer leaves out: ‹U+0013›"
    assert page.unspelled("\x13é\u200d") == "The tokenizer leaves out: ‹U+0013› é ‹U+200D›"
    many = "".join(map(chr, range(0x4E00, 0x4E00 + 30)))
    assert page.unspelled(many).endswith(f"{readable(many[23], b'')} and 6 more")


def test_a_text_with_such_characters_says_so_under_its_tokens(open_page, monkeypatch):
    tokenizer = tiny_engine("llama")._tokenizer
    plain = tokenizer.tokenize
    monkeypatch.setattr(tokenizer, "tokenize", lambda *asked: tuple(t for t in plain(*asked) if t.text != "\x13"))
    app = open_page(text="a\x13b")
    assert "The tokenizer leaves out: ‹U+0013›" in words(app)
    assert "leaves out" not in words(open_page(text="ab"))


def test_what_a_panel_and_its_chooser_share_stands_at_the_panel_alone(open_page):
    app = open_page(panel="cell", text=TEXT)
    for name in ("layer", "head"):
        assert app.get_by_key(f"cell.{name}").value is not None
        with pytest.raises(KeyError):
            app.get_by_key(f"attention.{name}")
    assert app.get_by_key("attention.scale").value == "linear"
    app.get_by_key("cell.layer").set_value(2).run()
    assert "In layer 2" in words(app)


def test_a_stepper_that_moves_nothing_as_the_panel_is_set_is_left_out(open_page):
    app = open_page(panel="attribution", text=TEXT, by="heads")
    assert app.get_by_key("attribution.head").value is not None
    for shown in ("parts", "neurons"):
        app = open_page(panel="attribution", text=TEXT, by=shown)
        assert app.get_by_key("attribution.layer").value is not None
        with pytest.raises(KeyError):
            app.get_by_key("attribution.head")


def test_a_token_is_drawn_by_the_settings_of_the_page():
    model = loaded_model("llama")
    view = View(text=TEXT).with_setting(TEMPERATURE, 2.0)
    longer = {continuation.drawn(view, model, seed).tail for seed in range(6)}
    assert all(len(tail) == 1 for tail in longer)
    assert len(longer) > 1, "six draws at a high temperature are not all alike"
    assert continuation.drawn(view, model, 3) == continuation.drawn(view, model, 3)
    again = continuation.drawn(continuation.drawn(view, model, 3), model, 4)
    assert len(again.tail) == 2


def test_it_is_drawn_by_every_setting_of_the_sampling_panel_and_the_button_names_them(monkeypatch):
    model, view, asked = loaded_model("llama"), View(text=TEXT), []
    for control, value in {TEMPERATURE: 0.7, TOP_K: 20, TOP_P: 0.9, MIN_P: 0.1, PENALTY: 1.3}.items():
        view = view.with_setting(control, value)
    monkeypatch.setattr(model, "extend", lambda run, count, how, seed: asked.append((run, how)) or run)
    continuation.drawn(view, model, 3)
    assert asked == [(view.run(model.spec()), Settings(1.3, 0.7, 20, 0.9, 0.1))]
    assert continuation.said(view) == (
        "Draw a token at temperature 0.7, top-k 20, top-p 0.9, min-p 0.1, repetition penalty 1.3, as the output's "
        "panels are set"
    )


def test_the_row_says_that_it_goes_on_after_the_last_token_whichever_is_chosen(open_page):
    assert row(open_page(text=TEXT, pos="1"))["words"]["lead"] == "after the last token"


def test_nobody_waits_for_a_token_that_another_reader_has_drawn(monkeypatch):
    """The model may take long; what all readers share, the order of changes to links, is free meanwhile."""
    model, view, locked, changes = loaded_model("llama"), View(text=TEXT), [], []

    def extend(run, count, how, seed):
        locked.append(links._IN_ORDER.locked())
        return replace(run, tail=(5,))

    monkeypatch.setattr(model, "extend", extend)
    monkeypatch.setattr(links, "known", lambda: view)
    monkeypatch.setattr(links, "go", changes.append)
    continuation._draw(model)
    assert locked == [False]
    (change,) = changes
    assert change(view).tail == (5,)
    assert change(View(text="another")) == View(text="another"), "what the reader did meanwhile stays"


def test_an_encoder_draws_nothing():
    view = View(text=TEXT)
    assert continuation.drawn(view, loaded_model("bert"), 1) == view
    assert continuation.drawn(view, host.HostedModel("local:x", recorded=None), 1) == view


def loaded_model(kind: str) -> host.HostedModel:
    """A model of the server with a tiny engine behind it."""
    model = host.HostedModel(f"local:tiny-{kind}", recorded=None)
    model._live = Store(tiny_engine(kind), 1 << 20)
    return model

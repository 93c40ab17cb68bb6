"""The colour of the tokens: its numbers are the model's own, it costs no figure, and what is missing is said."""

import math
from dataclasses import replace

import numpy as np
import pytest

from anatomy.request import Run, Want, choice
from anatomy.view import COLOURS, View
from models.engine import Estimate
from models.serving.store import Store
from tests.anatomy.spec import SPEC
from tests.models.tiny import MODELS, tiny_engine
from tests.ui.test_page import component, drawn
from ui import asking, colours, tinting
from ui.asking import Halt
from ui.components.strip import STEPS, Tints
from viz.format import number, percent

TEXT, PANEL = "abcabcab", "residual"


def coloured(app) -> dict:
    return component(app, "strip")["colour"]


def test_without_a_choice_nothing_is_asked_for_and_nothing_said(open_page, monkeypatch):
    asked, get = [], Store.get

    def noted(store: Store, run: Run, wants: object = (), *, background: bool = False, **how: object) -> object:
        asked.extend(() if background else wants)  # verdicts ask in the background
        return get(store, run, wants, background=background, **how)

    monkeypatch.setattr(Store, "get", noted)
    app = open_page(text="abcabcabcabc", panel="tokens")
    assert coloured(app)["options"] == [[name, name, colours.ALL[name].whole] for name in COLOURS]
    assert coloured(app)["chosen"] == coloured(app)["says"] == ""
    assert "steps" not in coloured(app)
    assert asked
    assert {want.site for want in asked}.isdisjoint({"surprisal", "dla_src", "pattern"})


def test_surprisal_is_the_models_and_the_first_token_has_none(open_page):
    found = coloured(open_page(text=TEXT, panel=PANEL, colour="surprisal"))
    nats = tiny_engine().run(Run(tiny_engine().spec.id, TEXT), [Want("surprisal")])[Want("surprisal")]
    assert found["values"] == ["", *map(number, nats[1:].tolist())]
    assert found["steps"][0] == -1
    assert np.argmax(found["steps"]) == np.nanargmax(nats)
    assert found["none"] == "nothing comes before it, so nothing predicts it"
    assert found["value"] == "surprisal {value} nats"
    assert found["ends"][0] == "0"
    assert found["ends"][1].endswith(" nats")


def test_attention_is_the_chosen_heads_from_the_chosen_token(open_page):
    found = coloured(open_page(text=TEXT, panel=PANEL, colour="attention", layer="1", head="2", pos="4"))
    pattern = tiny_engine().run(Run(tiny_engine().spec.id, TEXT), [Want("pattern", 1)])[Want("pattern", 1)][2, 4]
    assert np.argmax(found["steps"]) == np.argmax(pattern)
    assert found["steps"][5:] == [-1, -1, -1]
    assert all(value.endswith("%") for value in found["values"][:5])
    most = int(np.argmax(pattern))
    told = f"Most goes to “{TEXT[most]}” at {most}: {percent(float(pattern[most]))}."
    assert found["says"] == f"What head 2 of layer 1 looks at from “b”: shares of its attention. {told}"


def test_attention_follows_the_switch_of_the_first_token(open_page):
    found = coloured(open_page(text=TEXT, panel=PANEL, colour="attention", pos="4", first="0"))
    assert found["steps"][0] == -1
    assert "the first token left out: shares of the rest" in found["says"]
    assert found["unlike"] == "the first token is left out"
    assert found["none"] == "it is not looked at from the chosen token"


def test_contributions_are_signed_and_those_of_the_best_token(open_page):
    found = coloured(open_page(text=TEXT, panel=PANEL, colour="contribution", pos="5"))
    want = Want("dla_src", pos=5, token=choice(1))
    logits = tiny_engine().run(Run(tiny_engine().spec.id, TEXT), [want])[want]
    assert found["values"] == [*map(number, logits[:6].tolist()), "", ""]
    assert found["signed"]
    shares = np.array(found["steps"][:6]) / (STEPS / 2) - 1
    high = float(found["ends"][1].removesuffix(" (logit)"))
    np.testing.assert_allclose(shares * high, logits[:6], atol=high / STEPS * 1.01)
    assert found["ends"][0] == f"−{number(high)}"


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("colour", COLOURS)
def test_of_every_family_each_colour_is_there_or_said_to_be_missing(open_page, kind, colour):
    app = open_page(kind, text=TEXT, panel=PANEL, colour=colour)
    found, spec = coloured(app), tiny_engine(kind).spec
    assert not app.exception
    assert found["says"]
    closed = colours.ALL[colour].closed(spec)
    assert ("steps" in found) == (closed is None)
    if closed is not None:
        assert found["says"] == closed
    others = {name for name in COLOURS if colours.ALL[name].closed(spec) is None}
    assert {option[0] for option in found["options"]} == others | {colour}


def test_one_token_has_no_surprisal_and_no_number_is_made_up(open_page):
    found = coloured(open_page(text="a", panel=PANEL, colour="surprisal"))
    assert found["steps"] == [-1]
    assert found["values"] == [""]


def test_an_error_in_a_colour_costs_the_colour_alone(open_page, monkeypatch, mishaps):
    def breaks(*given: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(colours.ALL, "surprisal", replace(colours.ALL["surprisal"], read=breaks))
    app = open_page(text="abcabc", panel=PANEL, colour="surprisal")
    assert not app.exception
    assert "error of the program (ZeroDivisionError)" in coloured(app)["says"]
    assert component(app, "strip")["labels"] == list("abcabc")
    assert drawn(app)
    assert mishaps()


def test_tokens_that_the_model_cannot_take_are_there_uncoloured(open_page):
    app = open_page(text="ab" * 100, panel=PANEL, colour="surprisal")
    assert len(component(app, "strip")["labels"]) == 200
    assert "steps" not in coloured(app)
    assert coloured(app)["says"]


@pytest.mark.parametrize("text", ["cbacba", "cbbcbb"], ids=["first", "second"])
def test_a_long_texts_tokens_stand_there_before_their_colour_and_get_it(open_page, monkeypatch, text):
    seen = []
    draw = tinting.TokensRow._draw
    monkeypatch.setattr(tinting.TokensRow, "_draw", lambda row, known: seen.append(known) or draw(row, known))
    monkeypatch.setattr(tinting, "SHORT", 5)
    app = open_page(text=text, panel=PANEL, colour="contribution")
    assert [known.tints is None for known in seen] == [True, False]
    assert seen[0].why == "The colour follows the figure."
    assert "steps" in coloured(app)
    app.query_params["pos"] = "2"
    app.run()
    assert [known.tints is None for known in seen] == [True, False, False]


def test_what_takes_long_comes_by_asking(open_page, monkeypatch):
    monkeypatch.setattr(tinting, "SHORT", 5)
    monkeypatch.setattr(tinting, "SLOW", -1.0)
    app = open_page(text="bcabca", panel=PANEL, colour="contribution")
    assert coloured(app)["slow"]
    assert coloured(app)["says"].startswith("For a text of this length this colour takes about ")
    assert "steps" not in coloured(app)
    assert drawn(app)
    spec, run = tiny_engine().spec, Run(tiny_engine().spec.id, "bcabca")
    view = View(text="bcabca").fit(spec, tiny_engine().run(run, []).tokens)
    app.session_state["tinting.asked"] = (run, tuple(colours.ALL["contribution"].needs(spec, view)))
    app.run()
    assert "steps" in coloured(app)
    assert not coloured(app)["slow"]


def test_a_colour_that_was_stopped_can_be_asked_for_again(monkeypatch):
    class Model:
        def spec(self):
            return SPEC

        def estimate(self, run, wants):
            return Estimate(tokens=2, seconds=0.1, nbytes=1)

    monkeypatch.setattr(asking, "ask", lambda *given: Halt("…", stopped=True))
    view = View(colour="surprisal").fit(SPEC, ())
    known = tinting.finished(Model(), Run(SPEC.id, "x"), view, None, None)
    assert (known.tints, known.why, known.slow) == (None, "This colour was stopped before its end.", True)


@pytest.mark.parametrize(
    ("signed", "value", "step"),
    [
        (False, 0.0, 0),
        (False, 2.0, STEPS),
        (False, 9.0, STEPS),
        (True, -2.0, 0),
        (True, 0.0, STEPS // 2),
        (False, math.nan, -1),
    ],
)
def test_a_number_stands_on_the_scale_where_it_lies_between_the_ends(signed, value, step):
    tints = Tints(np.array([value]), 2.0, ("",), "", "", ("", ""), "", signed)
    assert tints.step(0) == step

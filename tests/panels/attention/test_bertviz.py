"""BertViz's views get the run's own weights, the part of a long text is named, and its own program runs."""

from dataclasses import replace

import numpy as np
import pytest

from anatomy.view import Fitted
from panels.attention.bertviz import PANEL, VIEW
from tests import once
from tests.alike import assert_rounding
from tests.models.tiny import MODELS
from tests.panels.handmade import SMALL, attending, even
from tests.snapshot import described

WIDE = replace(SMALL, n_heads=32, n_kv=8, d_head=128)

MODEL, NEURON = (("bertviz", "model"),), (("bertviz", "neuron"),)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("settings", [(), MODEL, NEURON], ids=["head", "model", "neuron"])
def test_the_picture_caption_and_table_of_every_family(kind, settings, answered, picture):
    trace, view = answered(PANEL, kind, settings=settings, text="the cat")
    told = {
        "says": once.caption(PANEL, trace, view),
        "table": once.table(PANEL, trace, view),
        "formula": once.formula(PANEL, trace, view),
    }
    assert {"figure": described(once.figure(PANEL, trace, view))} | told == picture


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # in BertViz
@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
@pytest.mark.parametrize("settings", [(), MODEL], ids=["head", "model"])
def test_bertvizs_own_program_finds_the_same_weights(kind, settings, answered, program):
    trace, view = answered(PANEL, kind, settings=settings)
    found = program(PANEL, trace, view, kind).numpy()
    np.testing.assert_allclose(found, once.figure(PANEL, trace, view).weights, atol=1e-5)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "t5"])
def test_the_printed_program_finds_the_products_of_the_neuron_view(kind, answered, program):
    trace, view = answered(PANEL, kind, settings=NEURON)
    found = program(PANEL, trace, view, kind).numpy()
    shown = once.figure(PANEL, trace, view).neurons
    sharing = trace.spec.n_heads // trace.spec.n_kv
    keys = shown.keys[0, view.head // sharing]
    np.testing.assert_allclose(found[:, :-2], shown.queries[0, view.head, shown.pos] * keys, atol=1e-5)
    dots = [row[2] for row in once.table(PANEL, trace, view).rows]
    np.testing.assert_allclose(found[:, -2], dots, atol=1e-5)
    np.testing.assert_allclose(found[:, -1], np.array(dots) / np.sqrt(trace.spec.d_head), atol=1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_what_becomes_of_q_and_k_is_the_models_own_score(kind, answered):
    trace, view = answered(PANEL, kind, settings=NEURON)
    line = next(
        line for line in once.formula(PANEL, trace, view).splitlines() if line.startswith("the model's own score")
    )
    assert_rounding(line.split("difference ")[1])


@pytest.mark.parametrize("kind", MODELS)
def test_the_neuron_view_has_keys_once_and_says_who_shares_them(kind, answered):
    trace, view = answered(PANEL, kind, settings=NEURON)
    shown, spec = once.figure(PANEL, trace, view).neurons, trace.spec
    assert shown.queries.shape[1:] == (spec.n_heads, len(trace.tokens), spec.d_head)
    assert shown.keys.shape[1:] == (spec.n_kv, len(trace.tokens), spec.d_head)
    assert shown.causal is spec.stack().causal
    assert ("share key/value head" in once.caption(PANEL, trace, view)) is (spec.n_kv < spec.n_heads)


def test_the_neuron_view_asks_for_its_own_arrays_only(answered):
    asked = {want.site for want in answered(PANEL, settings=NEURON)[0].arrays}
    assert asked == {"pattern", "q", "k", "scores"}
    assert {want.site for want in answered(PANEL)[0].arrays} == {"pattern"}


def test_the_neuron_view_of_a_wide_model_has_room_for_fewer_tokens():
    trace = attending(" ".join(f"w{i}" for i in range(80)), even(80), model=WIDE)
    view = Fitted(layer=1, head=0, pos=70).with_setting(VIEW, "neuron")
    figure = once.figure(PANEL, trace, view)
    assert len(figure.labels) == 23 == 120_000 // (40 * 128)
    assert figure.labels[figure.neurons.pos] == "w70"
    told = once.caption(PANEL, trace, view)
    assert "“w70” gives most of what it gives to those shown to “w48”" in told
    assert told.endswith("Of 80 tokens, positions 48 to 70 are shown.")


def test_the_neuron_view_names_the_strongest_answer():
    weights = even(3)
    weights[2] = 0.1, 0.8, 0.1
    trace, view = attending("a b c", weights), Fitted(layer=1, head=0, pos=2).with_setting(VIEW, "neuron")
    assert once.caption(PANEL, trace, view).startswith(
        "In layer 1, head 0, “c” gives most to “b”: q·k = 23.0, the score −0.223, the weight 80 %."
    )
    assert once.table(PANEL, trace, view).rows[1] == (1, "b", 23.0, pytest.approx(np.log(0.8)), pytest.approx(0.8))


def test_a_model_that_does_not_scale_says_what_bertviz_draws_instead():
    view = Fitted(layer=1, head=0, pos=1).with_setting(VIEW, "neuron")
    told = once.caption(PANEL, attending("a b", even(2), model=replace(SMALL, scales=(1.0, 1.0))), view)
    assert told.endswith("BertViz colours q·k after a division by √2, which this model leaves out.")
    told = once.caption(PANEL, attending("a b", even(2), model=replace(SMALL, scales=(1.0, 0.25))), view)
    assert told.endswith("BertViz colours q·k after a division by √2; this layer multiplies it with 0.250 instead.")


def test_a_long_text_shows_the_tokens_up_to_the_chosen_one_and_says_which():
    trace = attending(" ".join(f"w{i}" for i in range(80)), even(80))
    figure = once.figure(PANEL, trace, Fitted(layer=1, head=0, pos=70))
    assert figure.labels[-1] == "w70"
    assert len(figure.labels) == 48
    assert "two tokens of those shown is" in once.caption(PANEL, trace, Fitted(layer=1, head=0, pos=70))
    assert "Of 80 tokens, positions 23 to 70 are shown." in once.caption(PANEL, trace, Fitted(layer=1, head=0, pos=70))
    assert once.figure(PANEL, trace, Fitted(layer=1, head=0, pos=3)).labels[0] == "w0"


def test_the_strongest_link_is_named():
    weights = even(3)
    weights[2] = 0.1, 0.8, 0.1
    assert "“c” → “b” with 80 %" in once.caption(PANEL, attending("a b c", weights), Fitted(layer=1, head=0, pos=2))


@pytest.mark.parametrize("view", VIEW.options)
def test_one_token_is_enough(view, answered):
    trace, fitted = answered(PANEL, text="a", settings=(("bertviz", view),))
    assert once.figure(PANEL, trace, fitted).weights.shape[2:] == (1, 1)
    assert once.caption(PANEL, trace, fitted).startswith("In layer" if view == "neuron" else "One ")

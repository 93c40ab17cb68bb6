"""The prediction: softmax over the whole vocabulary, nothing cut off, temperature, entropy, and who has no head."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.measure import softmax
from anatomy.request import Want
from anatomy.view import Fitted
from panels.output.output import PANEL, SHOWN, read
from tests import once
from tests.anatomy.spec import spec
from tests.models.tiny import HEADLESS, MODELS, tiny_engine
from tests.panels.made import made
from tests.snapshot import described

WITH_HEAD = [kind for kind in MODELS if kind not in HEADLESS]
VIEW = Fitted(pos=1)


def small(probabilities: dict[int, float], head: str = "causal", shown: int = 2):
    """The given probabilities; the rest of the 50 tokens share what is left."""
    rest = (1 - sum(probabilities.values())) / (50 - len(probabilities))
    p = np.array([probabilities.get(token, rest) for token in range(50)])
    best = np.argsort(-p, kind="stable")[:shown]
    arrays = {Want("logits", pos=1): np.log(p) + 3, Want("next_ids", pos=1): best}
    return made("a b", arrays, spec(head=head), {int(token): f"<{token}>" for token in best})


@pytest.mark.parametrize("kind", WITH_HEAD)
@pytest.mark.parametrize("settings", [(), (("temp", "0.5"),)], ids=["T 1", "T 0.5"])
def test_the_picture_caption_and_table_of_every_family(kind, settings, answered, picture):
    trace, view = answered(PANEL, kind, settings=settings)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
@pytest.mark.parametrize("temperature", ["1", "0.3"])
def test_the_printed_program_finds_the_same_distribution(kind, temperature, answered, program):
    trace, view = answered(PANEL, kind, settings=(("temp", temperature),))
    np.testing.assert_allclose(program(PANEL, trace, view, kind), read(trace, view).probabilities, atol=1e-5)


@pytest.mark.parametrize("kind", WITH_HEAD)
def test_the_bars_and_the_sum_of_all_others_are_the_whole_vocabulary(kind, answered):
    trace, view = answered(PANEL, kind)
    figure = once.figure(PANEL, trace, view)
    assert sum(float(bars.x.sum()) for bars in figure.data) == pytest.approx(100, abs=1e-3)
    assert sum(len(bars.x) for bars in figure.data) == SHOWN + 1
    assert figure.layout.yaxis.ticktext[-1] == f"all other {trace.spec.vocab - SHOWN} tokens"
    assert sum(row[4] for row in once.table(PANEL, trace, view).rows) == pytest.approx(1)


def test_a_model_without_a_head_says_why_there_is_nothing():
    assert "no output layer" in PANEL.applies(tiny_engine("bert-headless").spec)
    assert all(PANEL.applies(tiny_engine(kind).spec) is None for kind in WITH_HEAD)


def test_the_caption_names_the_best_its_probability_the_entropy_and_how_many_hold_most():
    told = once.caption(PANEL, small({7: 0.75, 3: 0.2}), VIEW)
    assert told.startswith("After “b” the model gives “<7>” 75 %. The entropy is 0.881 nats, and 2 tokens hold 90 %")
    assert told.endswith("out of 50.")
    assert "1 token holds 90 %" in once.caption(PANEL, small({7: 0.95}), VIEW)


def test_a_model_that_reads_both_ways_names_a_token_for_the_place_itself():
    told = once.caption(PANEL, small({7: 0.75}, head="masked"), VIEW)
    assert told.startswith("In the place of “b”, with the whole text in sight, the model gives “<7>” 75 %")


def test_the_temperature_sharpens_and_is_said():
    trace = small({7: 0.6, 3: 0.3})
    cold = Fitted(pos=1, settings=(("temp", "0.5"),))
    assert read(trace, cold).probabilities[7] > read(trace, VIEW).probabilities[7]
    assert "at temperature 0.5" in once.caption(PANEL, trace, cold)
    assert "temperature" not in once.caption(PANEL, trace, VIEW)
    assert read(trace, cold).ids == read(trace, VIEW).ids == (7, 3)


@given(st.floats(0.1, 2.0), st.lists(st.floats(-200, 200), min_size=2, max_size=40))
def test_probabilities_sum_to_one_at_every_temperature(temperature, logits):
    assert softmax(np.array(logits), temperature).sum() == pytest.approx(1)


def test_the_table_holds_the_numbers_of_the_figure():
    trace = small({7: 0.75, 3: 0.2})
    figure, rows = once.figure(PANEL, trace, VIEW), once.table(PANEL, trace, VIEW).rows
    drawn = [*figure.data[0].x, *figure.data[1].x]
    np.testing.assert_allclose(drawn, [100 * row[4] for row in rows], rtol=1e-6)
    assert rows[-1][:4] == (None, "all other 48 tokens", None, None)


def test_the_formula_divides_by_the_sum_over_the_vocabulary():
    lines = once.formula(PANEL, small({7: 0.75, 3: 0.2}), VIEW).splitlines()
    assert lines[2] == "Σ over 50 tokens = 1.333"
    assert lines[3].endswith("= 1.00 / 1.333 = 75 %")
    assert lines[4].endswith("= 0.267 / 1.333 = 20 %")
    assert lines[-1] == "Σ p over the vocabulary = 1.000000"


def test_the_formula_holds_at_the_lowest_temperature_with_large_logits():
    trace = made("a b", {Want("logits", pos=1): np.linspace(-300, 300, 50), Want("next_ids", pos=1): [49, 48]})
    named = trace.plus({}, {49: "x", 48: "y"})
    lines = once.formula(PANEL, named, Fitted(pos=1, settings=(("temp", "0.1"),))).splitlines()
    assert lines[3].endswith("= 1.00 / 1.000 = 100 %")


def test_labels_of_users_stay_text():
    assert list(once.figure(PANEL, small({7: 0.75, 3: 0.2}), VIEW).layout.yaxis.ticktext)[:2] == [
        "&lt;7&gt;",
        "&lt;3&gt;",
    ]

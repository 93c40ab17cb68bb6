"""Sampling: the library's own processors give the same distribution; bars, diamonds and table hold its numbers."""

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.view import Fitted
from panels.common.shared import MIN_P, PENALTY, TOP_K, TOP_P
from panels.output.sampling import PANEL, SHOWN, read
from tests import once
from tests.anatomy.spec import spec
from tests.models.tiny import MODELS, tiny_engine
from tests.panels.made import made
from tests.snapshot import described

CAUSAL = ["llama", "mistral", "qwen2", "gpt2"]
EVERYTHING = (("minp", "0.05"), ("penalty", "1.3"), ("temp", "0.7"), ("topk", "20"), ("topp", "0.9"))
OFF = (("topk", "0"),)


def small(probabilities: dict[int, float], settings: tuple = (), named: int = 50):
    """The given probabilities after “a b”; the rest of the 50 tokens share what is left."""
    rest = (1 - sum(probabilities.values())) / (50 - len(probabilities))
    p = np.array([probabilities.get(token, rest) for token in range(50)])
    best = np.argsort(-p, kind="stable")
    arrays = {Want("logits", pos=1): np.log(p) + 3, Want("next_ids", pos=1): best}
    return made("a b", arrays, spec(), {int(row): f"<{row}>" for row in best[:named]}), Fitted(pos=1, settings=settings)


@pytest.mark.parametrize("kind", CAUSAL)
@pytest.mark.parametrize("settings", [(), EVERYTHING], ids=["default", "everything"])
def test_the_picture_caption_and_table_of_every_family(kind, settings, answered, picture):
    trace, view = answered(PANEL, kind, settings=settings)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view), "formula": once.formula(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("settings", [(), EVERYTHING, OFF], ids=["default", "everything", "off"])
def test_the_printed_program_finds_the_same_distribution(kind, settings, answered, program):
    trace, view = answered(PANEL, kind, settings=settings)
    np.testing.assert_allclose(program(PANEL, trace, view, kind), read(trace, view).left, atol=1e-5)


@pytest.mark.parametrize("settings", [(), EVERYTHING, OFF], ids=["default", "everything", "off"])
def test_the_bars_are_the_whole_distribution_and_the_diamonds_the_model_s_own(settings, answered):
    trace, view = answered(PANEL, "llama", settings=settings)
    *bars, numbers, diamonds = once.figure(PANEL, trace, view).data
    assert sum(float(part.x.sum()) for part in bars) == pytest.approx(100, abs=1e-3)
    assert len(numbers.text) == sum(len(part.x) for part in bars)
    assert float(diamonds.x.sum()) == pytest.approx(100, abs=1e-3)
    low, high = once.figure(PANEL, trace, view).layout.xaxis.range
    assert low <= 0 <= float(diamonds.x.max()) <= high


def test_the_caption_tells_what_is_left_and_what_each_step_takes():
    told = once.caption(PANEL, *small({7: 0.6, 3: 0.3}, (("topk", "2"),)))
    assert told == (
        "After “b”, 2 tokens of 50 can be drawn; the model gave them 90 %. Top-k removes 10 % of what reached it. "
        "“<7>” goes from 60 % to 67 %; the entropy goes from 1.29 nats to 0.637 nats."
    )
    assert "1 token of 50 can be drawn; the model gave it 60 %" in once.caption(
        PANEL, *small({7: 0.6, 3: 0.3}, (("topk", "1"),))
    )
    assert "No step removes a token." in once.caption(PANEL, *small({7: 0.6}, OFF))


def test_the_table_has_a_row_per_step_in_the_order_of_generate():
    trace, view = small({7: 0.6, 3: 0.3}, (("topk", "2"), ("topp", "0.5")))
    rows = once.table(PANEL, trace, view).rows
    assert [row[0] for row in rows] == [
        "the model's own",
        "repetition penalty",
        "temperature",
        "top-k",
        "top-p",
        "min-p",
    ]
    assert [row[1] for row in rows] == [None, 1.0, 1.0, 2, 0.5, 0.0]
    assert [row[2] for row in rows] == [50, 50, 50, 2, 1, 1]
    assert rows[4][3] == pytest.approx(1 / 3)


def test_tokens_of_the_text_up_to_here_are_penalized():
    trace, view = small({0: 0.5, 7: 0.3}, (("penalty", "2"), ("topk", "0")))  # “a” has id 0
    assert read(trace, view).ids[0] == 7
    assert "<7>" in once.caption(PANEL, trace, view)
    lines = once.formula(PANEL, *small({0: 0.9}, (("penalty", "1.5"),))).splitlines()
    assert lines[1].startswith("repetition penalty 1.5: 2.895 / 1.5 = 1.93")


def test_the_model_s_order_is_kept_where_names_are_missing():
    trace, view = small({7: 0.6, 3: 0.2, 9: 0.1}, OFF, named=2)
    assert read(trace, view).ids == (7, 3)
    assert any(label.startswith("all other: 48") for label in once.figure(PANEL, trace, view).layout.yaxis.ticktext)


def test_the_best_token_is_told_by_its_id_where_the_engine_has_no_name_for_it():
    """A penalty takes all tokens that have names down, as they stand in the text."""
    trace, view = small({0: 0.3, 7: 0.2}, (("penalty", "2"), ("topk", "0")), named=1)  # “a” has id 0
    assert (read(trace, view).ids, read(trace, view).names) == ((7,), ("token 7",))
    assert "“token 7”" in once.caption(PANEL, trace, view)
    assert "token 7" in once.formula(PANEL, trace, view)
    assert once.figure(PANEL, trace, view).layout.yaxis.ticktext[0] == "token 7"
    assert len(once.table(PANEL, trace, view).rows) > 1


def test_at_most_so_many_bars_have_names():
    assert len(read(*small({7: 0.6})).ids) == SHOWN


def test_models_that_draw_nothing_say_why():
    assert "no next token is drawn" in PANEL.applies(tiny_engine("bert").spec)
    assert "no output layer" in PANEL.applies(tiny_engine("bert-headless").spec)
    assert all((PANEL.applies(tiny_engine(kind).spec) is None) == (kind in CAUSAL) for kind in MODELS)


@pytest.mark.parametrize("control", [TOP_K, TOP_P, MIN_P, PENALTY])
def test_both_ends_of_every_slider_can_be_drawn(control):
    for value in (control.low, control.high):
        trace, view = small({7: 0.6, 3: 0.3}, ((control.name, f"{value:g}"),))
        assert read(trace, view).steps[-1].kept >= 1
        assert once.figure(PANEL, trace, view).data

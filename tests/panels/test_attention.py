"""The attention map: what the caption says of a cell has to be true of the weights and of the text."""

import re

import numpy as np
import pytest

from anatomy.view import Fitted
from panels.attention import PANEL
from panels.shared import FIRST, SCALE
from tests.models.tiny import MODELS
from tests.panels.handmade import attending, even
from tests.snapshot import described

WORDS = "Paris is in France . Berlin is"
PLAIN = Fitted(layer=1, head=0, pos=6)
WITHOUT_FIRST = PLAIN.with_setting(FIRST, False)


def looking(src: int, weight: float = 0.73, pos: int = 6) -> np.ndarray:
    """[7 7] even rows, but the token at pos gives `weight` to src and the rest to the first."""
    weights = even(7)
    weights[pos] = 0
    weights[pos, 0] = 1 - weight
    weights[pos, src] += weight
    return weights


def said(src: int, view: Fitted = PLAIN, **choices) -> str:
    return PANEL.says(attending(WORDS, looking(src, **choices)), view)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("settings", [(), (("first", "0"),), (("scale", "log"),)], ids=["all", "without first", "log"])
def test_the_picture_caption_and_table_of_every_family(kind, settings, answered, picture):
    trace, view = answered(PANEL, kind, settings=settings)
    figure, numbers = PANEL.draw(trace, view), PANEL.table(trace, view)
    assert {"figure": described(figure), "says": PANEL.says(trace, view), "table": numbers} == picture


@pytest.mark.parametrize("kind", ["llama", "mistral", "gpt2", "bert"])
@pytest.mark.parametrize("first", ["0", "1"])
def test_the_printed_program_finds_the_same_numbers(kind, first, answered, program):
    trace, view = answered(PANEL, kind, settings=(("first", first),))
    found = np.nan_to_num(program(PANEL, trace, view, kind).numpy())
    np.testing.assert_allclose(found, np.nan_to_num(PANEL.draw(trace, view).z), atol=1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_the_formula_holds_with_the_numbers_put_in(kind, answered):
    trace, view = answered(PANEL, kind)
    lines = PANEL.formula(trace, view)
    differences = re.findall(r"difference (\S+?)\)?$", lines, flags=re.MULTILINE)
    assert len(differences) == 2
    assert all(d == "0" or re.search(r"·10⁻(¹.|[⁵⁶⁷⁸⁹])", d) for d in differences), lines


def test_rows_shown_sum_to_one_with_and_without_the_first_token(answered):
    trace, view = answered(PANEL)
    for setting in (True, False):
        z = PANEL.draw(trace, view.with_setting(FIRST, setting)).z
        np.testing.assert_allclose(np.nansum(z, axis=1)[1:], 1, atol=1e-5)


def test_the_future_is_empty_not_zero(answered):
    trace, view = answered(PANEL)
    z = PANEL.draw(trace, view).z
    assert np.isnan(z[np.triu_indices(len(z), 1)]).all()
    assert not np.isnan(z[np.tril_indices(len(z))]).any()


def test_a_bidirectional_model_has_no_empty_cell(answered):
    trace, view = answered(PANEL, "bert")
    assert not np.isnan(PANEL.draw(trace, view).z).any()


def test_a_sliding_window_is_empty_before_it(answered):
    trace, view = answered(PANEL, "mistral")
    z = PANEL.draw(trace, view).z
    assert np.isnan(z[-1, :-4]).all()
    assert "lies outside of its window" in PANEL.says(trace, Fitted(layer=1, head=0, pos=view.pos, src=0))


def test_the_word_that_followed_the_last_time_is_named():
    assert said(2) == (
        "In layer 1, head 0, “is” gives 73 % of its attention to “in”: the token that followed the last time “is” was "
        "read. Among all 6 heads this one copies most (0.73)."
    )


def test_an_earlier_but_not_the_last_copy_is_not_called_the_last():
    trace = attending("a b a c a", np.vstack([even(5)[:4], [0.1, 0.9, 0, 0, 0]]))
    assert "a token that followed an earlier “a”" in PANEL.says(trace, Fitted(layer=1, head=0, pos=4))


@pytest.mark.parametrize(
    ("src", "words"),
    [(6, "itself"), (5, "the token just before"), (0, "the first token"), (1, "the same token, 5 tokens before it")],
)
def test_what_is_looked_at_is_named_by_its_place(src, words):
    assert f": {words}." in said(src)


def test_a_token_with_no_special_place_is_named_by_its_distance():
    assert ": 3 tokens before it." in said(3)


def test_the_percent_in_the_caption_is_the_weight():
    assert "gives 60 % of its attention" in said(3, weight=0.6)
    assert "gives 90 % of its attention" in said(3, weight=0.9)


def test_a_chosen_cell_that_is_not_the_strongest_names_the_strongest_too():
    told = said(3, Fitted(layer=1, head=0, pos=6, src=0))
    assert "gives 27 % of its attention to “Paris”: the first token. Most goes to “France” (73 %)." in told


def test_a_masked_cell_is_explained():
    told = said(3, Fitted(layer=1, head=0, pos=3, src=5))
    assert "“France” is kept from looking at “Berlin”, which stands later in the text. Most goes to" in told


def test_without_the_first_token_the_rest_is_all():
    trace = attending(WORDS, looking(3, weight=0.2))
    assert PANEL.draw(trace, PLAIN).focus == (6, 0)
    assert PANEL.draw(trace, WITHOUT_FIRST).focus == (6, 3)
    told = PANEL.says(trace, WITHOUT_FIRST)
    assert "gives 100 % of its attention to “France”" in told
    assert "The first token, left out here, takes 80 %; shares are of the rest." in told


def test_the_first_token_alone_has_no_row_without_itself():
    trace = attending(WORDS, even(7))
    view = Fitted(layer=1, head=0, pos=0).with_setting(FIRST, False)
    assert np.isnan(PANEL.draw(trace, view).z[0]).all()
    assert PANEL.draw(trace, view).focus is None
    assert PANEL.says(trace, view).startswith("In layer 1, head 0, “Paris” has nothing but the first token to look at")


def test_choosing_the_left_out_token_says_that_it_is_left_out():
    told = said(3, Fitted(layer=1, head=0, pos=6, src=0).with_setting(FIRST, False))
    assert "what “is” gives to the first token is left out. Most goes to “France” (100 %)." in told


def test_a_head_that_is_best_at_nothing_is_not_praised():
    assert "Among all" not in PANEL.says(attending(WORDS, looking(2)), Fitted(layer=1, head=1, pos=6))


def test_every_head_has_the_same_scale():
    trace = attending(WORDS, looking(2))
    grids = [PANEL.draw(trace, Fitted(layer=1, head=head, pos=6)) for head in (0, 1)]
    assert {(grid.low, grid.high, grid.unit) for grid in grids} == {(0.0, 1.0, "probability")}


def test_the_log_scale_shows_the_same_numbers():
    trace = attending(WORDS, looking(2))
    linear, log = PANEL.draw(trace, PLAIN), PANEL.draw(trace, PLAIN.with_setting(SCALE, "log"))
    assert log.logarithmic
    assert not linear.logarithmic
    np.testing.assert_array_equal(linear.z, log.z)


def test_the_table_is_the_chosen_row_and_runs_to_one():
    numbers = PANEL.table(attending(WORDS, looking(2)), Fitted(layer=1, head=0, pos=3))
    assert [row[1] for row in numbers.rows] == ["Paris", "is", "in", "France"]
    assert numbers.rows[-1][-1] == pytest.approx(1)
    assert [row[3] for row in numbers.rows] == pytest.approx([0.25] * 4)


def test_equal_tokens_keep_their_own_rows_and_columns():
    trace = attending("the the the", even(3))
    figure = PANEL.draw(trace, Fitted(layer=1, head=0, pos=2)).figure()
    assert figure.layout.xaxis.ticktext == ("the", "the", "the")
    assert len(set(figure.layout.xaxis.tickvals)) == 3


def test_a_handmade_formula_prints_its_own_score():
    trace = attending("a b", np.array([[1, 0], [0.5, 0.5]]))
    lines = PANEL.formula(trace, Fitted(layer=1, head=0, pos=1, src=1)).splitlines()
    q = k = np.array([2.0, 3.0])
    assert lines[1].startswith(
        f"q·k / √2 = {q @ k:.1f} / 1.41 = {q @ k / np.sqrt(2):.2f} (the model's own score: −0.693"
    )


@pytest.mark.real
def test_the_first_view_shows_a_head_that_copies(really_answered):
    trace, view = really_answered(PANEL)
    assert PANEL.says(trace, view) == (
        "In layer 17, head 5, “·of” gives 73 % of its attention to “·France”: the token that followed the last time "
        "“·of” was read. Among all 270 heads this one copies most (0.64)."
    )


@pytest.mark.real
def test_the_formula_holds_in_every_layer_of_the_real_model(really_answered):
    for layer in (0, 15, 29):
        trace, view = really_answered(PANEL, layer=layer)
        differences = re.findall(r"difference (\S+?)\)?$", PANEL.formula(trace, view), flags=re.MULTILINE)
        assert len(differences) == 2
        assert all(re.search(r"·10⁻(¹.|[⁵⁶⁷⁸⁹])", difference) for difference in differences), differences

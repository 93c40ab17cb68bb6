"""The attention map: what the caption says of a cell has to be true of the weights and of the text."""

import re

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.attention import arcs
from panels.attention.attention import PANEL
from panels.attention.attention_map import read
from panels.attention.attention_shown import LENGTH, MEASURE
from panels.common.shared import FIRST, SCALE, WORDS
from tests import once
from tests.alike import assert_rounding
from tests.models.tiny import MODELS, tiny_model
from tests.panels.handmade import attending, even
from tests.panels.toys import answer, result
from tests.snapshot import described
from ui.figure import at_cell
from viz.format import number, percent
from viz.heatmap import heatmap

SENTENCE = "Paris is in France . Berlin is"
PLAIN = Fitted(layer=1, head=0, pos=6)
WITHOUT_FIRST = PLAIN.with_setting(FIRST, False)
LENGTHS = PLAIN.with_setting(MEASURE, LENGTH)
MODES = {
    "all": (),
    "without first": (("first", "0"),),
    "log": (("scale", "log"),),
    "words": (("words", "1"),),
    "words without first": (("first", "0"), ("words", "1")),
    "lengths": (("measure", "value"),),
    "log lengths": (("measure", "value"), ("scale", "log")),
    "lengths of words without first": (("first", "0"), ("measure", "value"), ("words", "1")),
}


def looking(src: int, weight: float = 0.73, pos: int = 6) -> np.ndarray:
    """[7 7] even rows, but the token at pos gives `weight` to src and the rest to the first."""
    weights = even(7)
    weights[pos] = 0
    weights[pos, 0] = 1 - weight
    weights[pos, src] += weight
    return weights


def said(src: int, view: Fitted = PLAIN, **choices) -> str:
    return once.caption(PANEL, attending(SENTENCE, looking(src, **choices)), view)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("settings", MODES.values(), ids=MODES)
def test_the_picture_caption_and_table_of_every_family(kind, settings, answered, picture):
    trace, view = answered(PANEL, kind, settings=settings)
    figure, numbers = once.figure(PANEL, trace, view), once.table(PANEL, trace, view)
    assert {"figure": described(figure), "says": once.caption(PANEL, trace, view), "table": numbers} == picture


@pytest.mark.parametrize("kind", ["llama", "mistral", "gpt2", "bert", "t5"])
@pytest.mark.parametrize("settings", [mode for name, mode in MODES.items() if "log" not in name])
def test_the_printed_program_finds_the_same_numbers(kind, settings, answered, program):
    trace, view = answered(PANEL, kind, settings=settings)
    found = np.nan_to_num(program(PANEL, trace, view, kind).numpy())
    np.testing.assert_allclose(found, np.nan_to_num(once.figure(PANEL, trace, view).z), atol=1e-5, rtol=1e-4)


def test_the_printed_program_joins_the_pieces_of_a_real_tokenizer(tmp_path):
    trace, view = answer(PANEL, text="the unable, the tables' lé", settings=MODES["words"])
    assert 5 < len(once.figure(PANEL, trace, view).rows) < len(trace.tokens)
    tiny_model("llama").save_pretrained(tmp_path)
    found = result(PANEL, trace, view, tmp_path).numpy()
    np.testing.assert_allclose(found, np.nan_to_num(once.figure(PANEL, trace, view).z), atol=1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_the_formula_holds_with_the_numbers_put_in(kind, answered):
    trace, view = answered(PANEL, kind)
    lines = once.formula(PANEL, trace, view)
    differences = re.findall(r"difference (.+?)\)?$", lines, flags=re.MULTILINE)
    assert len(differences) == 2
    for difference in differences:
        assert_rounding(difference)


def test_rows_shown_sum_to_one_with_and_without_the_first_token(answered):
    trace, view = answered(PANEL)
    for setting in (True, False):
        z = once.figure(PANEL, trace, view.with_setting(FIRST, setting)).z
        np.testing.assert_allclose(np.nansum(z, axis=1)[1:], 1, atol=1e-5)


def test_the_future_is_empty_not_zero(answered):
    trace, view = answered(PANEL)
    z = once.figure(PANEL, trace, view).z
    assert np.isnan(z[np.triu_indices(len(z), 1)]).all()
    assert not np.isnan(z[np.tril_indices(len(z))]).any()


def test_a_bidirectional_model_has_no_empty_cell(answered):
    trace, view = answered(PANEL, "bert")
    assert not np.isnan(once.figure(PANEL, trace, view).z).any()


def test_a_sliding_window_is_empty_before_it(answered):
    trace, view = answered(PANEL, "mistral")
    z = once.figure(PANEL, trace, view).z
    assert np.isnan(z[-1, :-4]).all()
    assert "lies outside of its window" in once.caption(PANEL, trace, Fitted(layer=1, head=0, pos=view.pos, src=0))


def test_the_word_that_followed_the_last_time_is_named():
    assert said(2) == (
        "In layer 1, head 0, “is” gives 73 % of its attention to “in”: the token that followed the last time “is” was "
        "read. Among all 6 heads this one copies most (0.73)."
    )


def test_an_earlier_but_not_the_last_copy_is_not_called_the_last():
    trace = attending("a b a c a", np.vstack([even(5)[:4], [0.1, 0.9, 0, 0, 0]]))
    assert "a token that followed an earlier “a”" in once.caption(PANEL, trace, Fitted(layer=1, head=0, pos=4))


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
    trace = attending(SENTENCE, looking(3, weight=0.2))
    assert once.figure(PANEL, trace, PLAIN).focus == (6, 0)
    assert once.figure(PANEL, trace, WITHOUT_FIRST).focus == (6, 3)
    told = once.caption(PANEL, trace, WITHOUT_FIRST)
    assert "gives 100 % of its attention to “France”" in told
    assert "The first token, left out here, takes 80 %; shares are of the rest." in told


def test_the_first_token_alone_has_no_row_without_itself():
    trace = attending(SENTENCE, even(7))
    view = Fitted(layer=1, head=0, pos=0).with_setting(FIRST, False)
    assert np.isnan(once.figure(PANEL, trace, view).z[0]).all()
    assert once.figure(PANEL, trace, view).focus is None
    assert once.caption(PANEL, trace, view).startswith(
        "In layer 1, head 0, “Paris” has nothing but the first token to look at"
    )


def test_choosing_the_left_out_token_says_that_it_is_left_out():
    told = said(3, Fitted(layer=1, head=0, pos=6, src=0).with_setting(FIRST, False))
    assert "what “is” gives to the first token is left out. Most goes to “France” (100 %)." in told


def test_a_head_that_is_best_at_nothing_is_not_praised():
    assert "Among all" not in once.caption(PANEL, attending(SENTENCE, looking(2)), Fitted(layer=1, head=1, pos=6))


def test_every_head_has_the_same_scale():
    trace = attending(SENTENCE, looking(2))
    grids = [once.figure(PANEL, trace, Fitted(layer=1, head=head, pos=6)) for head in (0, 1)]
    assert {(grid.low, grid.high, grid.unit) for grid in grids} == {(0.0, 1.0, "probability")}


def test_the_log_scale_shows_the_same_numbers():
    trace = attending(SENTENCE, looking(2))
    linear, log = once.figure(PANEL, trace, PLAIN), once.figure(PANEL, trace, PLAIN.with_setting(SCALE, "log"))
    assert log.logarithmic
    assert not linear.logarithmic
    np.testing.assert_array_equal(linear.z, log.z)


def test_the_table_is_the_chosen_row_and_runs_to_one():
    numbers = once.table(PANEL, attending(SENTENCE, looking(2)), Fitted(layer=1, head=0, pos=3))
    assert [row[1] for row in numbers.rows] == ["Paris", "is", "in", "France"]
    assert numbers.rows[-1][-1] == pytest.approx(1)
    assert [row[3] for row in numbers.rows] == pytest.approx([0.25] * 4)


def test_equal_tokens_keep_their_own_rows_and_columns():
    trace = attending("the the the", even(3))
    figure = heatmap(once.figure(PANEL, trace, Fitted(layer=1, head=0, pos=2)))
    assert figure.layout.xaxis.ticktext == ("the", "the", "the")
    assert len(set(figure.layout.xaxis.tickvals)) == 3


def test_a_handmade_formula_prints_its_own_score():
    trace = attending("a b", np.array([[1, 0], [0.5, 0.5]]))
    lines = once.formula(PANEL, trace, Fitted(layer=1, head=0, pos=1, src=1)).splitlines()
    q = k = np.array([2.0, 3.0])
    assert lines[1].startswith(
        f"q·k / √2 = {q @ k:.1f} / 1.41 = {q @ k / np.sqrt(2):.2f} (the model's own score: −0.693"
    )


def with_lengths(trace: Trace, lengths: list[float], layer: int = 1) -> Trace:
    """The same answer, where the value of each token has this length after the projection."""
    return trace.plus({Want("contribution", layer): (trace[Want("pattern", layer)] * lengths).astype("f4")})


def test_rows_of_words_sum_to_one_with_and_without_the_first_token(answered):
    for kind in ("llama", "mistral", "bert"):
        trace, view = answered(PANEL, kind, settings=MODES["words"])
        for setting in (True, False):
            chosen = view.with_setting(FIRST, setting)
            attention = read(trace, chosen)
            row, cells = attention.row, attention.cells.values
            assert cells.shape == (len(row.words),) * 2
            assert len(row.words) < len(trace.tokens)
            np.testing.assert_array_equal(row.shown, cells[row.looking])
            np.testing.assert_allclose(np.nansum(cells, axis=1), 1, atol=1e-5)


def test_a_word_is_summed_over_keys_and_averaged_over_queries(answered):
    trace, view = answered(PANEL, text="ab cd", settings=MODES["words"])
    pattern = trace[Want("pattern", view.layer)][view.head]
    figure = once.figure(PANEL, trace, view)
    assert figure.rows == ("ab", "·", "cd")
    assert figure.z[2, 0] == pytest.approx(pattern[3:, :2].sum(axis=1).mean())
    assert np.isnan(figure.z[0, 2])


def test_words_say_how_they_were_joined(answered):
    trace, view = answered(PANEL, settings=MODES["words"])
    figure = once.figure(PANEL, trace, view)
    assert (figure.row_axis, figure.col_axis) == ("looking (query), averaged", "looked at (key), summed")
    assert "Tokens of one word are joined: weights summed over keys, averaged over queries." in once.caption(
        PANEL, trace, view
    )
    plain = attending(SENTENCE, looking(2))
    assert "No word of this text takes more than one token" in once.caption(
        PANEL, plain, PLAIN.with_setting(WORDS, True)
    )


def test_choosing_a_cell_of_words_chooses_their_last_tokens_and_shows_the_same_cell(answered):
    trace, view = answered(PANEL, settings=MODES["words"])
    figure = once.figure(PANEL, trace, view)
    chosen = at_cell(view, figure, (5, 2))
    assert trace.labels[chosen.pos] == "e"
    assert trace.labels[chosen.src] == "t"
    assert (chosen.pos, chosen.src) == (11, 6)
    assert once.figure(PANEL, trace, chosen.fit(trace.spec, trace.tokens)).focus == (5, 2)


@pytest.mark.parametrize("pos", range(9, 12))
def test_every_token_of_a_word_chooses_its_row(pos, answered):
    trace, view = answered(PANEL, pos=pos, src=0, settings=MODES["words"])
    assert once.figure(PANEL, trace, view).focus == (5, 0)


def test_equal_words_keep_their_own_rows(answered):
    trace, view = answered(PANEL, text="the the the", settings=MODES["words"])
    figure = once.figure(PANEL, trace, view)
    assert figure.rows == ("the", "·", "the", "·", "the")
    assert heatmap(figure).layout.xaxis.ticktext == figure.cols


def test_characters_of_a_script_without_spaces_stay_apart_and_whole(answered):
    trace, view = answered(PANEL, text="北京 ok", settings=MODES["words"])
    assert once.figure(PANEL, trace, view).rows == ("北", "京", "·", "ok")


@pytest.mark.parametrize("settings", MODES.values(), ids=MODES)
def test_one_token_alone(settings, answered):
    trace, view = answered(PANEL, text="a", settings=settings)
    figure = once.figure(PANEL, trace, view)
    assert figure.z.shape == (1, 1)
    assert figure.high > figure.low
    assert all(
        (once.caption(PANEL, trace, view), once.formula(PANEL, trace, view), once.table(PANEL, trace, view).columns)
    )


def test_the_caption_of_lengths_holds_them_against_the_weights():
    trace = with_lengths(attending(SENTENCE, looking(3, weight=0.4)), [0.1, 1, 1, 3, 1, 1, 1])
    assert once.caption(PANEL, trace, LENGTHS) == (
        "In layer 1, head 0, weight × value writes a vector of length 1.20 for “is” from “France”: 95 % of all such "
        "lengths of its row, for 40 % of the weight. The first token gets 60 % of the weight and 4.8 % of the lengths."
    )


def test_without_the_first_token_lengths_stay_what_they_are():
    trace = with_lengths(attending(SENTENCE, looking(3, weight=0.4)), [9, 1, 1, 3, 1, 1, 1])
    assert once.figure(PANEL, trace, LENGTHS).focus == (6, 0)
    view = LENGTHS.with_setting(FIRST, False)
    assert once.figure(PANEL, trace, view).z[6, 3] == pytest.approx(1.2)
    assert "The first token, left out here, gets 60 % of the weight and 82 % of the lengths." in once.caption(
        PANEL, trace, view
    )


def test_lengths_start_at_zero_and_have_one_scale_for_the_layer():
    trace = with_lengths(attending(SENTENCE, looking(3)), [1, 1, 1, 3, 1, 1, 1])
    grids = [once.figure(PANEL, trace, Fitted(layer=1, head=head, pos=6, settings=MODES["lengths"])) for head in (0, 1)]
    assert {(grid.low, grid.high, grid.unit, grid.percent) for grid in grids} == {(0.0, 2.5, "L2 norm", False)}
    log = once.figure(PANEL, trace, LENGTHS.with_setting(SCALE, "log"))
    assert (log.low, log.high) == (0.001, 2.5)


def test_the_table_of_lengths_has_weights_beside_them():
    trace = with_lengths(attending(SENTENCE, looking(3, weight=0.4)), [0.1, 1, 1, 3, 1, 1, 1])
    numbers = once.table(PANEL, trace, LENGTHS)
    assert numbers.columns[3:] == ("weight (probability)", "weight × value (L2 norm)", "share of all lengths")
    assert numbers.rows[1][3:] == pytest.approx((0.4, 1.2, 1.2 / 1.26))
    assert sum(row[-1] for row in numbers.rows) == pytest.approx(1)


@pytest.mark.parametrize("name", ["words without first", "lengths of words without first"])
def test_a_word_that_lost_its_first_token_is_told_as_it_is_drawn(name, answered):
    trace, view = answered(PANEL, src=0, settings=MODES[name])
    figure, numbers = once.figure(PANEL, trace, view), once.table(PANEL, trace, view)
    np.testing.assert_allclose([row[-1] for row in numbers.rows], figure.z[figure.focus[0]], rtol=1e-5)
    pattern = trace[Want("pattern", view.layer)][view.head][19:]
    if name == "lengths of words without first":
        assert f"for {percent(pattern[:, 1:3].sum(axis=1).mean())} of the weight" in once.caption(PANEL, trace, view)
        shown = trace[Want("contribution", view.layer)][view.head][19:, 1:3].sum(axis=1).mean()
        assert f"a vector of length {number(shown)} for" in once.caption(PANEL, trace, view)
        assert f"of the lengths of its row: {number(shown)} / " in once.formula(PANEL, trace, view)
    else:
        share = pattern[:, 1:3].sum() / pattern[:, 1:].sum()
        assert f"gives {percent(share)} of its attention to “the”" in once.caption(PANEL, trace, view)
        assert f" = {number(share)}\n" in once.formula(PANEL, trace, view)


def test_the_table_of_words_counts_their_tokens(answered):
    trace, view = answered(PANEL, settings=MODES["words"])
    numbers = once.table(PANEL, trace, view)
    assert numbers.columns[:3] == ("place", "word", "tokens")
    assert sum(row[2] for row in numbers.rows) == len(trace.tokens)
    assert numbers.rows[-1][-1] == pytest.approx(1)


def test_the_formula_of_words_writes_out_the_sums_and_their_mean(answered):
    trace, view = answered(PANEL, text="ab cd", src=1, settings=MODES["words"])
    weights = trace[Want("pattern", view.layer)][view.head][3:, :2].astype(float)
    sums = [f"({number(row[0])} + {number(row[1])}) = {number(row.sum())}" for row in weights]
    each = " + ".join(number(row.sum()) for row in weights)
    assert once.formula(PANEL, trace, view).splitlines() == [
        f"layer {view.layer}, query head {view.head}: “cd” → “ab”",
        "summed over the keys of “ab”:",
        f"  “c”: {sums[0]}",
        f"  “d”: {sums[1]}",
        f"averaged over the queries: ({each}) / 2 = {number(weights.sum() / 2)}",
        "all of “cd”'s row: 1.00",
    ]


def test_the_formula_of_lengths_is_weight_times_length_of_the_value():
    trace = with_lengths(attending(SENTENCE, looking(3, weight=0.4)), [0.1, 1, 1, 3, 1, 1, 1])
    lines = once.formula(PANEL, trace, LENGTHS).splitlines()
    assert lines[1] == "‖weight × v W_O‖ = weight × ‖v W_O‖ = 0.400 × 3.00 = 1.20"
    assert lines[2] == "of the lengths of its row: 1.20 / 1.26 = 95 %; of the weights: 40 %"


def test_a_panel_that_shows_tokens_alone_follows_neither_words_nor_lengths(answered):
    trace, view = answered(PANEL)
    other = Fitted(**vars(view) | {"settings": MODES["lengths of words without first"]})
    assert once.caption(arcs.PANEL, trace, other) == once.caption(arcs.PANEL, trace, view.with_setting(FIRST, False))
    assert arcs.PANEL.snippet(trace.spec, other) == arcs.PANEL.snippet(trace.spec, view.with_setting(FIRST, False))


@pytest.mark.real
def test_the_first_view_shows_a_head_that_copies(really_answered):
    trace, view = really_answered(PANEL)
    assert once.caption(PANEL, trace, view) == (
        "In layer 17, head 5, “·of” gives 73 % of its attention to “·France”: the token that followed the last time "
        "“·of” was read. Among all 270 heads this one copies most (0.64)."
    )


@pytest.mark.real
def test_the_formula_holds_in_every_layer_of_the_real_model(really_answered):
    for layer in (0, 15, 29):
        trace, view = really_answered(PANEL, layer=layer)
        differences = re.findall(r"difference (.+?)\)?$", once.formula(PANEL, trace, view), flags=re.MULTILINE)
        assert len(differences) == 2
        for difference in differences:
            assert_rounding(difference)

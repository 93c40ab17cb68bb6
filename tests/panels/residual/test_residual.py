"""Length of the stream: as hooks on the plain model measure it, with the first token's outsized one told."""

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.shared import FIRST, NORM_SCALE, WORDS
from panels.residual.residual import PANEL, read
from tests import once
from tests.models.tiny import MODELS
from tests.panels.made import made
from tests.snapshot import described
from viz.format import number

VIEW = Fitted(layer=1, pos=2)
ALL_SINGLE = "No word of this text takes more than one token: nothing is joined."
WITHOUT_FIRST = Fitted(layer=1, pos=2, settings=(("first", "0"),))
MODES = {
    "log": (),
    "linear without first": (("first", "0"), ("norms", "linear")),
    "words": (("words", "1"),),
    "words without first": (("first", "0"), ("words", "1")),
}


def lengths(trace: Trace) -> np.ndarray:
    """[pos place] of every token by itself."""
    return read(trace, VIEW).norm


def small(words: str = "a b c", top: float = 300.0):
    """Lengths 1, 2, 4, 8 for each token, but the first one's last is `top`."""
    n = len(words.split())
    values = np.repeat([[1.0], [2.0], [4.0], [8.0]], n, axis=1)
    values[3, 0] = top
    return made(words, {Want("norm_pre"): values[:-1], Want("norm_post"): values[1:]})


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("settings", MODES.values(), ids=MODES)
def test_the_picture_caption_and_table_of_every_family(kind, settings, answered, picture):
    trace, view = answered(PANEL, kind, settings=settings)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
@pytest.mark.parametrize("first", ["0", "1"])
def test_the_printed_program_measures_the_same_means_of_words(kind, first, answered, program):
    trace, view = answered(PANEL, kind, settings=(("first", first), ("words", "1")))
    np.testing.assert_allclose(program(PANEL, trace, view, kind), read(trace, view).norm, rtol=1e-4)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "bert-headless", "t5"])
def test_the_printed_program_measures_the_same_lengths(kind, answered, program):
    trace, view = answered(PANEL, kind)
    np.testing.assert_allclose(program(PANEL, trace, view, kind), read(trace, view).norm, rtol=1e-4)


def test_lengths_begin_before_the_first_layer():
    np.testing.assert_array_equal(read(small(), VIEW).norm[1], [1, 2, 4, 8])


def test_the_caption_names_both_ends_and_the_longest():
    assert once.caption(PANEL, small(), VIEW) == (
        "“c” enters with length 1.00 and leaves layer 2 with 8.00. "
        "The longest is the first token with 300 after layer 2, 38 × the median of the others."
    )
    assert "with 880 after layer 2, 110 × the median" in once.caption(PANEL, small(top=880), VIEW)


def test_one_token_alone_is_compared_with_nothing():
    assert once.caption(PANEL, small("a"), Fitted(pos=0)) == "“a” enters with length 1.00 and leaves layer 2 with 300."


def test_the_first_token_can_be_left_out():
    assert [trace.name for trace in once.figure(PANEL, small(), VIEW).data] == ["c", "a", "b"]
    assert [trace.name for trace in once.figure(PANEL, small(), WITHOUT_FIRST).data] == ["c", "b"]
    assert once.table(PANEL, small(), VIEW).rows[-1][-1] == 300
    assert once.table(PANEL, small(), WITHOUT_FIRST).rows[-1][-1] == 8


def test_the_first_token_stays_when_it_is_the_chosen_one():
    view = Fitted(pos=0, settings=WITHOUT_FIRST.settings)
    assert [trace.name for trace in once.figure(PANEL, small(), view).data] == ["a", "b", "c"]


def test_the_scale_is_logarithmic_unless_asked_otherwise():
    assert once.figure(PANEL, small(), VIEW).layout.yaxis.type == "log"
    linear = Fitted(pos=2, settings=(("norms", "linear"),))
    assert once.figure(PANEL, small(), linear).layout.yaxis.type is None
    assert "L2 norm, log scale" in once.figure(PANEL, small(), VIEW).layout.yaxis.title.text
    assert "log" not in once.figure(PANEL, small(), linear).layout.yaxis.title.text


def test_long_texts_are_drawn_as_a_band_and_the_caption_says_so():
    words = " ".join(f"w{i}" for i in range(70))
    assert once.caption(PANEL, small(words), VIEW).endswith(" The 68 other tokens are drawn as their range and median.")
    assert len(once.figure(PANEL, small(words), VIEW).data) == 5


def test_the_table_holds_the_numbers_of_the_figure():
    trace = small()
    np.testing.assert_allclose(
        [row[1] for row in once.table(PANEL, trace, VIEW).rows], once.figure(PANEL, trace, VIEW).data[0].y
    )


def test_the_formula_names_the_largest_step():
    trace = made("a", {Want("norm_pre"): [[1.0], [2.0], [10.0]], Want("norm_post"): [[2.0], [10.0], [12.0]]})
    assert once.formula(PANEL, trace, Fitted(pos=0)).splitlines()[-1] == "largest step: layer 1, 2.00 → 10.0, × 5.00"


def test_its_controls_are_shared():
    assert PANEL.controls == (FIRST, NORM_SCALE, WORDS)


def test_a_word_is_the_mean_of_its_tokens(answered):
    trace, view = answered(PANEL, text="ab cd", settings=MODES["words"])
    figure = once.figure(PANEL, trace, view)
    assert {line.name for line in figure.data} == {"ab", "·", "cd"}
    np.testing.assert_allclose(figure.data[0].y, lengths(trace)[3:].mean(axis=0), rtol=1e-6)
    assert "Tokens of one word are joined: their lengths are averaged." in once.caption(PANEL, trace, view)
    ends = [lengths(trace)[3:, place] for place in (0, -1)]
    shown = "; ".join(f"({number(c)} + {number(d)}) / 2 = {number((c + d) / 2)}" for c, d in ends)
    assert f"mean over its 2 tokens: {shown}" in once.formula(PANEL, trace, view)


def test_the_first_token_leaves_its_word_and_the_rest_of_it_stays(answered):
    trace, view = answered(PANEL, text="abc d", settings=MODES["words without first"])
    assert {line.name for line in once.figure(PANEL, trace, view).data} == {"bc", "·", "d"}
    chosen, _ = answered(PANEL, text="abc d", pos=0, settings=MODES["words without first"])
    figure = once.figure(PANEL, chosen, Fitted(pos=0, settings=MODES["words without first"]))
    assert figure.data[0].name == "abc"


def test_the_longest_word_is_named_with_its_mean(answered):
    trace, view = answered(PANEL, settings=MODES["words"])
    top = max(lengths(trace)[part].mean(axis=0).max() for part in (slice(0, 3), slice(4, 7), slice(9, 12)))
    largest = max(row[4] for row in once.table(PANEL, trace, view).rows)
    assert largest >= top
    assert f"with {number(largest)} " in once.caption(PANEL, trace, view)


def test_a_text_of_words_that_are_tokens_is_the_same_but_for_the_note():
    view = VIEW.with_setting(WORDS, True)
    assert once.caption(PANEL, small(), view) == f"{once.caption(PANEL, small(), VIEW)} {ALL_SINGLE}"
    np.testing.assert_array_equal(
        once.figure(PANEL, small(), view).data[0].y, once.figure(PANEL, small(), VIEW).data[0].y
    )

"""The matrix of cosines: symmetric, on one scale for every text, equal tokens at 1, the caption about other tokens."""

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.view import Fitted
from panels.embedding.similarity import PANEL, read
from tests import once
from tests.models.tiny import MODELS
from tests.panels.made import made
from tests.snapshot import described

PLACES = {"a": (1, 0), "b": (0, 2), "c": (3, 4)}


def small(words: str = "a b a c"):
    return made(words, {Want("tok_embed"): [[*PLACES[word], 0, 0, 0, 0, 0, 0] for word in words.split()]})


@pytest.mark.parametrize("kind", MODELS)
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "bert-headless", "t5"])
def test_the_printed_program_finds_the_same_matrix(kind, answered, program):
    trace, view = answered(PANEL, kind)
    np.testing.assert_allclose(program(PANEL, trace, view, kind), once.figure(PANEL, trace, view).z, atol=1e-5)


def test_the_matrix_is_symmetric_with_ones_between_equal_tokens():
    values = read(small(), Fitted(pos=0)).shown.values
    np.testing.assert_array_equal(values, values.T)
    np.testing.assert_allclose(np.diag(values), 1)
    assert values[0, 2] == 1


def test_the_scale_is_the_same_for_every_text():
    for words in ("a", "a b a c"):
        grid = once.figure(PANEL, small(words), Fitted(pos=0))
        assert (grid.low, grid.high, grid.signed, grid.unit, grid.selects) == (-1, 1, True, "cosine", "token")


def test_the_focus_is_the_most_alike_token_that_is_another():
    trace = small()
    assert read(trace, Fitted(pos=0)).nearest == 3
    assert once.figure(PANEL, trace, Fitted(pos=0)).focus == (0, 3)
    assert once.figure(PANEL, small("a a"), Fitted(pos=0)).focus == (0, 0)


def test_the_caption_speaks_of_other_tokens():
    told = once.caption(PANEL, small(), Fitted(pos=0))
    assert "“a” is most like “c” among the tokens of this text (cosine 0.60)" in told
    # a·b twice 0, a·c twice 0.6, b·c 0.8
    assert "the 5 pairs of different tokens average 0.40" in told
    assert "most like “c”" in once.caption(PANEL, small(), Fitted(pos=1))
    assert "cosine 0.80" in once.caption(PANEL, small(), Fitted(pos=1))


@pytest.mark.parametrize("words", ["a", "a a a"])
def test_a_text_of_one_token_says_so(words):
    assert once.caption(PANEL, small(words), Fitted(pos=0)).startswith("The text holds no token but “a”")


def test_the_table_holds_the_chosen_row():
    trace = small()
    table = once.table(PANEL, trace, Fitted(pos=3))
    np.testing.assert_allclose([row[2] for row in table.rows], once.figure(PANEL, trace, Fitted(pos=3)).z[3])
    assert table.columns[2] == "cosine with position 3"


def test_the_formula_puts_dot_product_and_lengths_in():
    assert once.formula(PANEL, small(), Fitted(pos=0)).splitlines()[-1] == "= 3.00 / (1.00 · 5.00) = 0.60"

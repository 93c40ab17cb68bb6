"""The vector of a text: the mean of its tokens' vectors, shared out among them."""

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.view import Fitted
from panels.output.pooled import PANEL, read
from tests import once
from tests.anatomy.spec import SPEC
from tests.models.tiny import MODELS, tiny_engine
from tests.panels.made import made
from tests.snapshot import described

WITHOUT_HEAD = [kind for kind in MODELS if tiny_engine(kind).spec.head is None]


def vectors(rows, words: str):
    """Tokens with these vectors, their other dimensions 0."""
    given = np.zeros((len(rows), SPEC.d_model), np.float32)
    given[:, : len(rows[0])] = rows
    return made(words, {Want("resid_post", SPEC.layers - 1): given})


@pytest.mark.parametrize("kind", WITHOUT_HEAD)
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_that_predicts_says_so_instead(kind):
    reason = PANEL.applies(tiny_engine(kind).spec)
    assert (reason is None) == (kind in WITHOUT_HEAD)


@pytest.mark.parametrize("kind", WITHOUT_HEAD)
def test_the_printed_program_finds_the_same_shares(kind, answered, program):
    trace, view = answered(PANEL, kind)
    np.testing.assert_allclose(program(PANEL, trace, view, kind), read(trace, view).share, atol=1e-5)


@pytest.mark.parametrize("kind", WITHOUT_HEAD)
def test_the_shares_add_up_to_one(kind, answered):
    text = read(*answered(PANEL, kind))
    assert text.share.sum() == pytest.approx(1)
    assert np.abs(text.cosine).max() <= 1 + 1e-9


def test_the_mean_and_the_shares_of_known_vectors():
    text = read(vectors([[2, 0, 0], [0, 2, 0]], "a b"), Fitted(pos=0))
    np.testing.assert_allclose(text.mean[:3], [1, 1, 0])
    np.testing.assert_allclose(text.share, [0.5, 0.5])
    np.testing.assert_allclose(text.cosine, [0.5**0.5] * 2)


def test_one_token_is_the_whole_text():
    trace = vectors([[3, 4, 0]], "a")
    assert "of length 5.00" in once.caption(PANEL, trace, Fitted(pos=0))
    np.testing.assert_allclose(read(trace, Fitted(pos=0)).share, [1])


def test_the_chosen_token_is_drawn_even_among_many_and_the_rest_stand_together():
    rows = np.eye(3)[[0] * 99 + [1]]
    trace = vectors(rows, " ".join(f"w{i}" for i in range(100)))
    figure = once.figure(PANEL, trace, Fitted(pos=99))
    labels = "".join(figure.layout.yaxis.ticktext)
    assert "w99" in labels
    assert "76 other tokens" in labels
    total = sum(float(np.sum(bars.x)) for bars in figure.data)
    assert total == pytest.approx(100, abs=1e-3)


def test_the_table_of_a_long_text_lists_those_around_the_chosen_token():
    trace = vectors(np.random.default_rng(0).normal(size=(3_000, 2)), " ".join(["w"] * 3_000))
    table = once.table(PANEL, trace, Fitted(pos=2_500))
    assert table.note == "Listed are 2,000 of 3,000 tokens, those around the chosen one."
    assert [row[0] for row in table.rows] == [*range(1_000, 3_000)]
    assert len(once.figure(PANEL, trace, Fitted(pos=2_500)).data[0].y) <= 26


def test_vectors_that_are_zero_or_cancel_out_have_no_share_and_the_caption_says_so():
    for rows in ([[0.0], [0.0]], [[1.0], [-1.0]]):
        trace = vectors(rows, "a b")
        np.testing.assert_array_equal(read(trace, Fitted(pos=0)).share, [0, 0])
        assert "is 0: no token has a share in it." in once.caption(PANEL, trace, Fitted(pos=0))
        assert once.figure(PANEL, trace, Fitted(pos=0)).data

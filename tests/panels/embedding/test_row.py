"""The row of the table: its numbers as the model's own table has them, folded without loss, and the text's lengths."""

from dataclasses import replace

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.view import Fitted
from panels.embedding.row import PANEL, folded
from tests import once
from tests.anatomy.spec import spec
from tests.models.tiny import MODELS
from tests.panels.made import made
from tests.snapshot import described

LENGTHS = (("row", "lengths"),)
VIEW = Fitted(pos=1)
ROWS = [[0, 0, 0, 0, 0, 0, 3, 4], [1, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 3, 4]]
SMALL = made("a b a", {Want("tok_embed"): ROWS})


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("settings", [(), LENGTHS], ids=["values", "lengths"])
def test_the_picture_caption_and_table_of_every_family(kind, settings, answered, picture):
    trace, view = answered(PANEL, kind, settings=settings)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "bert-headless", "t5"])
def test_the_printed_program_finds_the_same_numbers(kind, answered, program):
    trace, view = answered(PANEL, kind)
    np.testing.assert_array_equal(program(PANEL, trace, view, kind), trace[Want("tok_embed")][view.pos])
    np.testing.assert_array_equal(once.figure(PANEL, trace, view).z.ravel(), trace[Want("tok_embed")][view.pos])


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_the_printed_program_finds_the_same_lengths(kind, answered, program):
    trace, view = answered(PANEL, kind, settings=LENGTHS)
    np.testing.assert_allclose(
        program(PANEL, trace, view, kind), [row[3] for row in once.table(PANEL, trace, view).rows], rtol=1e-5
    )


@pytest.mark.parametrize(
    ("size", "shape"), [(8, (1, 8)), (32, (1, 32)), (576, (18, 32)), (600, (19, 32)), (4096, (64, 64))]
)
def test_folding_loses_nothing(size, shape):
    row = np.arange(size, dtype="f4")
    lines = folded(row)
    assert lines.shape == shape
    np.testing.assert_array_equal(lines.ravel()[:size], row)
    assert np.isnan(lines.ravel()[size:]).all()


def test_the_colours_are_the_same_for_every_token_of_the_text():
    assert once.figure(PANEL, SMALL, VIEW).high == once.figure(PANEL, SMALL, Fitted(pos=0)).high == 4


def test_the_largest_number_is_in_focus():
    assert once.figure(PANEL, SMALL, Fitted(pos=0)).focus == (0, 7)


def test_the_caption_tells_range_zeros_and_rank():
    assert once.caption(PANEL, SMALL, Fitted(pos=0)).startswith(
        "“a” enters as 8 numbers from 0 to 4.00; 6 are exactly 0. The row's length is 5.00, the longest of the "
        "text's 2 different tokens; their median is 3.00."
    )
    assert "the shortest" in once.caption(PANEL, SMALL, VIEW)
    assert "The row's length is 5.00. " in once.caption(PANEL, made("a a", {Want("tok_embed"): [ROWS[0]] * 2}), VIEW)


@pytest.mark.parametrize(
    ("facts", "words"),
    [({"tied": True}, "(tied)"), ({"tied": False}, "(untied)"), ({"tied": False, "head": None}, "no output layer")],
)
def test_whether_the_output_shares_the_table_is_said(facts, words):
    assert words in once.caption(PANEL, replace(SMALL, spec=spec(**facts)), VIEW)


def test_the_formula_is_the_root_of_the_squares():
    lines = once.formula(PANEL, SMALL, Fitted(pos=0)).splitlines()
    assert lines[0].endswith("8 numbers) = √25.0 = 5.00")
    assert lines[1] == "largest: dimension 7, (4.00)² / 25.0 = 64 % of the squared length"


def test_a_scaled_embedding_says_so():
    trace = replace(SMALL, spec=spec(embed_scale=2.0))
    assert "multiplies the row by 2.00" in once.formula(PANEL, trace, VIEW)


def test_a_row_of_zeros_has_a_place():
    trace = made("a b", {Want("tok_embed"): np.zeros((2, 8))})
    assert once.figure(PANEL, trace, Fitted(pos=0, settings=LENGTHS)).data[0].y.tolist() == [0]
    assert once.figure(PANEL, trace, Fitted(pos=0)).high == 1
    assert "= 0 % of the squared length" in once.formula(PANEL, trace, VIEW)

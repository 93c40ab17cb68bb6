"""Outlier dimensions: named by size, with shares that are of the whole vector."""

from dataclasses import replace

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.view import Fitted
from panels.residual.outliers import PANEL, read
from tests import once
from tests.anatomy.spec import SPEC
from tests.models.tiny import MODELS
from tests.panels.made import made
from tests.snapshot import described

WIDE = replace(SPEC, d_model=20)
VIEW = Fitted(layer=1, pos=1)
LAYERS = Fitted(layer=1, pos=1, settings=(("outliers", "layers"),))
SETTINGS = pytest.mark.parametrize("settings", [(), (("outliers", "layers"),)], ids=["one layer", "all layers"])


def small(numbers: dict[int, float], others: dict[int, float] | None = None, words: str = "a b c"):
    """Twenty dimensions; the second token, or the only one, has these numbers at layer 1, the others those."""
    pos = min(1, len(words.split()) - 1)
    vectors = np.zeros((len(words.split()), 20))
    for dim, value in (others or numbers).items():
        vectors[:, dim] = value
    vectors[pos] = 0
    vectors[pos, list(numbers)] = list(numbers.values())
    arrays = {Want("resid_post", layer, pos=pos): np.eye(20)[layer] for layer in range(3)}
    arrays |= {Want("resid_pre", 0, pos=pos): np.ones(20), Want("resid_post", 1, pos=pos): vectors[pos]}
    return made(words, arrays | {Want("resid_post", 1): vectors}, WIDE)


@pytest.mark.parametrize("kind", MODELS)
@SETTINGS
def test_the_picture_caption_and_table_of_every_family(kind, settings, answered, picture):
    trace, view = answered(PANEL, kind, settings=settings)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "bert-headless", "t5"])
def test_the_printed_program_finds_the_same_dimensions(kind, answered, program):
    trace, view = answered(PANEL, kind)
    found = read(trace, view)
    ours = [found.vector[found.top], found.shares[found.top]]
    np.testing.assert_allclose(program(PANEL, trace, view, kind), ours, atol=1e-4)


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_the_printed_program_finds_the_same_shares_in_all_layers(kind, answered, program):
    trace, view = answered(PANEL, kind, settings=(("outliers", "layers"),))
    found = read(trace, view)
    ours = found.shares_by_place[:, found.top]
    np.testing.assert_allclose(program(PANEL, trace, view, kind), ours, atol=1e-5)


def test_shares_are_of_the_whole_vector_and_sum_to_one(answered):
    assert read(*answered(PANEL)).shares.sum() == pytest.approx(1)
    found = read(small({4: 3.0, 7: -4.0}), VIEW)
    assert list(found.top[:2]) == [7, 4]
    assert found.shares[7] == pytest.approx(16 / 25)
    assert found.half == 1


def test_the_caption_names_dimensions_shares_and_the_other_tokens():
    told = once.caption(PANEL, small({4: 3.0, 7: -4.0}, others={4: 9.0, 7: 1.0}), VIEW)
    assert told.startswith(
        "After layer 1, a single dimension holds half or more of the squared length of “b”: the largest"
    )
    assert "dim 7 (64 %), dim 4 (36 %), dim 0 (0 %)" in told
    assert "each of 20 would hold 5.0 %" in told
    assert told.endswith("Dim 7 is the largest in 0 of the 2 other tokens too.")
    assert once.caption(PANEL, small({7: -4.0}), VIEW).endswith("Dim 7 is the largest in 2 of the 2 other tokens too.")
    assert "2 dimensions hold half" in once.caption(PANEL, small({4: 1.0, 7: 1.0, 8: 1.0}), VIEW)


def test_one_token_alone_is_not_compared_with_others():
    trace, view = small({7: 2.0}, words="a"), Fitted(layer=1, pos=0)
    assert "other" not in once.caption(PANEL, trace, view)
    assert len(once.figure(PANEL, trace, view).data) == 2
    assert len(once.figure(PANEL, small({7: 2.0}), VIEW).data) == 3


def test_a_vector_without_length_has_no_shares():
    trace = small({})
    assert not read(trace, VIEW).shares.any()
    assert once.caption(PANEL, trace, VIEW).endswith("has no length: all of its 20 numbers are 0.")
    assert once.figure(PANEL, trace, VIEW).data


def test_the_map_has_a_row_for_what_enters_and_frames_the_chosen_layer():
    grid = once.figure(PANEL, small({1: 5.0}), LAYERS)
    assert (grid.rows[0], len(grid.rows), grid.focus) == ("in", 4, (2, 0))
    assert (grid.low, grid.high) == (0, 1)
    np.testing.assert_allclose(grid.z[:, 0], [1 / 20, 0, 1, 0], atol=1e-6)


def test_the_table_holds_the_numbers_of_the_figure():
    trace = small({4: 3.0, 7: -4.0})
    rows, figure = once.table(PANEL, trace, VIEW).rows, once.figure(PANEL, trace, VIEW)
    np.testing.assert_allclose([row[1] for row in rows], figure.data[0].x)
    np.testing.assert_allclose([100 * row[2] for row in rows], figure.data[1].x, rtol=1e-6)
    np.testing.assert_allclose([row[4] for row in rows], figure.data[2].x)
    assert rows[-1][3] == pytest.approx(1)
    np.testing.assert_allclose(
        [row[1:] for row in once.table(PANEL, trace, LAYERS).rows], once.figure(PANEL, trace, LAYERS).z, rtol=1e-6
    )


def test_the_formula_arrives_at_the_share():
    line = once.formula(PANEL, small({4: 3.0, 7: -4.0}), VIEW).splitlines()[1]
    assert line == "share of dim 7 = x² / ‖x‖² = (−4.00)² / 25.0 = 16.0 / 25.0 = 64 %"

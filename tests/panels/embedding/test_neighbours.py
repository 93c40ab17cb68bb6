"""The nearest rows of the table: as plain transformers finds them, named, on a scale that ends at 1."""

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.view import Fitted
from panels.embedding.neighbours import PANEL
from tests import once
from tests.models.tiny import MODELS
from tests.panels.made import made
from tests.snapshot import described

VIEW = Fitted(pos=1)


def small(cosines: tuple[float, ...] = (0.8, 0.5, 0.25)):
    rows = [[value, *[0] * 7] for value in (2, 3, 4)]
    return made(
        "the <b>",
        {
            Want("tok_embed", pos=1): [0.5] * 4 + [0] * 4,
            Want("near_ids", pos=1): [7, 8, 9],
            Want("near_cos", pos=1): cosines,
            Want("near_rows", pos=1): rows,
        },
        names={7: "same", 8: "same", 9: "<i>"},
    )


@pytest.mark.parametrize("kind", MODELS)
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "bert-headless", "t5"])
def test_the_printed_program_finds_the_same_cosines(kind, answered, program):
    trace, view = answered(PANEL, kind)
    np.testing.assert_allclose(program(PANEL, trace, view, kind), trace[Want("near_cos", pos=view.pos)], atol=1e-5)


def test_the_caption_names_the_first_and_the_last():
    assert once.caption(PANEL, small(), VIEW) == (
        "Among 50 rows, “same” points most nearly the way of “<b>” (cosine 0.80); number 3 is “<i>” (0.25)."
    )
    assert "(cosine 0.90)" in once.caption(PANEL, small((0.9, 0.5, 0.1)), VIEW)


def test_equal_names_are_bars_of_their_own_and_the_scale_ends_at_the_same_direction():
    figure = once.figure(PANEL, small(), VIEW)
    assert list(figure.layout.yaxis.ticktext) == ["same", "same", "&lt;i&gt;"]
    assert max(figure.layout.xaxis.tickvals) == 1.0
    assert figure.layout.xaxis.title.text == "cosine with “&lt;b&gt;” (1: same direction)"


def test_the_table_holds_the_numbers_of_the_figure():
    trace = small()
    np.testing.assert_allclose(
        [row[3] for row in once.table(PANEL, trace, VIEW).rows], once.figure(PANEL, trace, VIEW).data[0].x
    )


def test_the_formula_puts_dot_product_and_lengths_in():
    assert once.formula(PANEL, small(), VIEW).splitlines()[-1] == "= 1.00 / (1.00 · 2.00) = 0.80"

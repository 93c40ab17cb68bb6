"""What attention and FFN add: as hooks on the plain model measure it, shares that sum to one."""

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.view import Fitted
from panels.residual.writes import PANEL, Writes, read
from tests import once
from tests.models.tiny import MODELS
from tests.panels.made import made
from tests.snapshot import described

VIEW = Fitted(layer=1, pos=1)
AS_LENGTH = Fitted(layer=1, pos=1, settings=(("writes", "length"),))


def small(attention: tuple[float, ...] = (1.0, 3.0, 2.0), ffn: tuple[float, ...] = (3.0, 1.0, 4.0)):
    """A text of two tokens; the second one's lengths are given, its cosines are 0.5 and −0.25."""
    arrays = {"norm_attn": attention, "norm_ffn": ffn, "cos_attn": (0.5,) * 3, "cos_ffn": (-0.25,) * 3}
    return made("a b", {Want(site): np.stack([np.ones(3), values], axis=1) for site, values in arrays.items()})


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("settings", [(), (("writes", "length"),)], ids=["share", "length"])
def test_the_picture_caption_and_table_of_every_family(kind, settings, answered, picture):
    trace, view = answered(PANEL, kind, settings=settings)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "bert-headless", "t5"])
def test_the_printed_program_measures_the_same_lengths(kind, answered, program):
    trace, view = answered(PANEL, kind)
    np.testing.assert_allclose(program(PANEL, trace, view, kind), read(trace, view).norm, rtol=1e-4)


def test_shares_sum_to_one_and_nothing_written_is_half():
    norm = np.array([[1.0, 0.0], [3.0, 0.0]])
    np.testing.assert_array_equal(Writes(0, "a", True, norm, norm).share, [[0.25, 0.5], [0.75, 0.5]])


def test_the_figure_shows_shares_or_lengths_with_their_unit():
    trace = small()
    share, length = once.figure(PANEL, trace, VIEW), once.figure(PANEL, trace, AS_LENGTH)
    np.testing.assert_allclose(share.data[0].y + share.data[1].y, 100, rtol=1e-6)
    np.testing.assert_allclose(length.data[1].y, [3, 1, 4])
    assert "(%)" in share.layout.yaxis.title.text
    assert "(L2 norm)" in length.layout.yaxis.title.text
    assert (share.layout.barmode, length.layout.barmode) == ("stack", "group")


def test_the_caption_follows_the_layer():
    told = once.caption(PANEL, small(), VIEW)
    assert told.startswith("In layer 1 attention adds a vector of length 3.00 to “b” (cosine with the stream 0.50)")
    assert "the FFN one of 1.00 (−0.25)" in told
    assert "‖attention‖ / (‖attention‖ + ‖FFN‖), is 75 %" in told
    assert told.endswith("The FFN adds the longer vector in 2 of 3 layers.")
    assert "is 25 %" in once.caption(PANEL, small(), Fitted(layer=0, pos=1))


def test_the_chosen_layer_is_framed():
    assert once.figure(PANEL, small(), VIEW).layout.shapes[0].x0 == 0.5
    assert PANEL.places == ("layer",)


def test_the_table_holds_the_numbers_of_both_figures_and_the_cosines():
    trace = small()
    rows = once.table(PANEL, trace, VIEW).rows
    np.testing.assert_allclose([100 * row[3] for row in rows], once.figure(PANEL, trace, VIEW).data[0].y)
    np.testing.assert_allclose([row[1:3] for row in rows], read(trace, VIEW).norm.T)
    assert rows[0][4:] == (0.5, -0.25)


def test_the_formula_arrives_at_the_share():
    assert once.formula(PANEL, small(), VIEW).splitlines()[2] == "= 3.00 / (3.00 + 1.00) = 75 %"

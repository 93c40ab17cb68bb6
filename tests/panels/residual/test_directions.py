"""Directions: cosines as the plain model's vectors give them, in words that fit their size."""

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.view import Fitted
from panels.residual.directions import PANEL, read
from tests import once
from tests.alike import assert_rounding
from tests.anatomy.spec import SPEC
from tests.models.tiny import MODELS
from tests.panels.made import made
from tests.snapshot import described

VIEW = Fitted(layer=1, pos=1)
BY_WRITE = Fitted(layer=1, pos=1, settings=(("toward", "write"),))
SETTINGS = pytest.mark.parametrize("settings", [(), (("toward", "write"),)], ids=["stream", "write"])


def small(attention=(0.1, 0.6, -0.2), ffn=(0.3, -0.7, 0.2)):
    """A text of two tokens; the second one's cosines are given, the first one's are 0."""
    whole = {"cos_attn": attention, "cos_ffn": ffn}
    arrays = {Want(site): np.stack([np.zeros(3), values], axis=1) for site, values in whole.items()}
    vectors = ("attn_out", "ffn_out", "resid_pre", "resid_mid")
    ones = {Want(site, layer, pos=1): np.ones(SPEC.d_model) for site in vectors for layer in range(3)}
    return made("a b", arrays | ones)


@pytest.mark.parametrize("kind", MODELS)
@SETTINGS
def test_the_picture_caption_and_table_of_every_family(kind, settings, answered, picture):
    trace, view = answered(PANEL, kind, settings=settings)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "bert-headless", "t5"])
@SETTINGS
def test_the_printed_program_finds_the_same_cosines(kind, settings, answered, program):
    trace, view = answered(PANEL, kind, settings=settings)
    np.testing.assert_allclose(program(PANEL, trace, view, kind), read(trace, view).cosine, atol=1e-5)


@pytest.mark.parametrize("kind", ["llama", "bert"])
@SETTINGS
def test_the_formula_arrives_at_the_cosine_of_the_figure(kind, settings, answered):
    lines = once.formula(PANEL, *answered(PANEL, kind, settings=settings)).splitlines()
    differences = [line.rsplit("difference from the figure ", 1)[1].rstrip(")") for line in lines[2:]]
    assert len(differences) == 2
    for difference in differences:
        assert_rounding(difference)


def test_writes_are_compared_in_the_order_of_the_model(answered):
    trace, view = answered(PANEL, settings=(("toward", "write"),))
    ffn, after = (
        trace[Want(site, layer, pos=view.pos)].astype(float) for site, layer in (("ffn_out", 0), ("attn_out", 1))
    )
    expected = ffn @ after / np.linalg.norm(ffn) / np.linalg.norm(after)
    assert read(trace, view).cosine[0, 1] == pytest.approx(expected)


def test_the_chosen_token_and_layer_are_told():
    told = once.caption(PANEL, small(), VIEW)
    assert told.startswith(
        "In layer 1 attention's write to “b” points along the stream (cosine 0.60). "
        "The FFN's points against the stream (−0.70)."
    )
    assert told.endswith(
        "Of 6 writes 2 have a cosine below 0; highest is attention in layer 1 (0.60), lowest FFN in layer 1 (−0.70)."
    )
    assert "mostly across the stream (cosine 0.10). The FFN's points mostly across the stream (0.30)." in once.caption(
        PANEL, small(), Fitted(layer=0, pos=1)
    )
    assert "Of 6 writes 1 has a cosine" in once.caption(PANEL, small(attention=(0.1, 0.6, 0.2)), VIEW)


def test_the_axis_runs_from_against_to_along():
    figure = once.figure(PANEL, small(), VIEW)
    assert tuple(figure.layout.yaxis.range) == (-1, 1)
    assert "cosine with the stream" in figure.layout.yaxis.title.text
    assert "the write before it" in PANEL.controls[0].labels


def test_the_table_has_the_angles():
    row = once.table(PANEL, small(attention=(0.1, 0.5, 0.2)), VIEW).rows[1]
    assert row[1:3] == pytest.approx((0.5, -0.7), rel=1e-6)
    assert row[3] == pytest.approx(60, abs=1e-4)


def test_only_what_is_shown_is_asked_for():
    assert Want("cos_attn") not in PANEL.needs(SPEC, BY_WRITE)
    assert Want("attn_out", 2, pos=1) not in PANEL.needs(SPEC, VIEW)

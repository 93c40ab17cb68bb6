"""Norms: the formula with the model's own gain and bias gives what the model's own norm gives; where it stands."""

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.spec import Norm
from anatomy.view import Fitted
from panels.residual.normalization import PANEL, read
from tests import once
from tests.anatomy.spec import SPEC, spec
from tests.models.tiny import MODELS
from tests.panels.made import made
from tests.snapshot import described

VIEW = Fitted(layer=1, pos=0)
SETTINGS = pytest.mark.parametrize("settings", [(), (("norm", "ffn"),)], ids=["attention", "ffn"])


def small(after: list[float] | None = None):
    """Four numbers with a root mean square of 2.5, gain 2 for the first, 0.5 for the others; eps is tiny."""
    model = spec(d_model=4, norm=Norm("rms", "pre", 1e-12))
    own = after or [3 / 2.5 * 2, -4 / 2.5 * 0.5, 0, 0]
    vectors = {"resid_pre": [3.0, -4.0, 0.0, 0.0], "attn_in": own}
    gain = {Want("attn_gain", 1): np.array([2.0, 0.5, 0.5, 0.5])}
    return made("a", {Want(site, 1, pos=0): np.array(row) for site, row in vectors.items()} | gain, model)


@pytest.mark.parametrize("kind", MODELS)
@SETTINGS
def test_the_picture_caption_and_table_of_every_family(kind, settings, answered, picture):
    trace, view = answered(PANEL, kind, settings=settings)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", MODELS)
@SETTINGS
@pytest.mark.parametrize("layer", [0, 2])
def test_the_formula_gives_what_the_models_own_norm_gives(kind, settings, layer, answered):
    given = read(*answered(PANEL, kind, settings=settings, layer=layer)).steps
    assert given.off < 1e-5
    assert np.abs(given.after).max() > 0.5
    assert (given.bias is None) == (kind in ("llama", "mistral", "qwen2", "t5"))


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "bert-headless", "t5"])
@SETTINGS
def test_the_printed_program_finds_the_same_steps(kind, settings, answered, program):
    trace, view = answered(PANEL, kind, settings=settings)
    token = read(trace, view)
    given = token.steps
    parts = (given.before, given.unit, given.gain, given.bias, given.after)
    ours = [part[token.top] for part in parts if part is not None]
    np.testing.assert_allclose(program(PANEL, trace, view, kind), ours, atol=1e-4)


def test_the_error_is_measured_and_printed():
    assert read(small(), VIEW).steps.off < 1e-6
    assert read(small(after=[2.4, -0.8, 0, 0.25]), VIEW).steps.off == pytest.approx(0.25)
    assert once.formula(PANEL, small(after=[2.4, -0.8, 0, 0.25]), VIEW).endswith("the model's own norm 0.25")


def test_the_caption_follows_the_largest_dimension():
    told = once.caption(PANEL, small(), VIEW)
    assert told.startswith(
        "In layer 1 an RMSNorm stands before attention, which reads its result; the stream itself goes on"
    )
    assert "divides every number of “a” by their root mean square, 2.50." in told
    assert told.endswith("Dim 1, the largest before (−4.00), has gain 0.500 and is number 2 by size after it (−0.800).")


def test_where_the_norm_stands_is_said_for_each_family(answered):
    ffn = (("norm", "ffn"),)
    assert "an RMSNorm stands before the FFN" in once.caption(PANEL, *answered(PANEL, "llama", settings=ffn))
    assert "a LayerNorm stands before attention" in once.caption(PANEL, *answered(PANEL, "gpt2"))
    told = once.caption(PANEL, *answered(PANEL, "bert", settings=ffn))
    assert "a LayerNorm follows the sum of the stream and the FFN's write. It takes the mean" in told


def test_biases_are_shown_where_there_are_any(answered):
    with_bias, without = (once.figure(PANEL, *answered(PANEL, kind)) for kind in ("gpt2", "llama"))
    assert [axis.title.text for axis in with_bias.select_xaxes()] == ["before", "normalized", "gain", "bias", "after"]
    assert [axis.title.text for axis in without.select_xaxes()] == ["before", "normalized", "gain", "after"]
    assert Want("attn_norm_bias", 1) not in PANEL.needs(SPEC, VIEW)


def test_the_formula_has_the_real_numbers():
    lines = once.formula(PANEL, small(), VIEW).splitlines()
    assert lines[2] == "dim 1: −4.00 / 2.50 · 0.500 = −0.800"
    assert lines[3].startswith("root mean square: 2.50 before, 1.00 normalized,")


def test_a_vector_of_zeros_stays_a_figure():
    model = spec(d_model=4, norm=Norm("rms", "pre", 1e-12))
    zeros = {Want("resid_pre", 1, pos=0): np.zeros(4), Want("attn_in", 1, pos=0): np.zeros(4)}
    trace = made("a", zeros | {Want("attn_gain", 1): np.ones(4)}, model)
    assert once.figure(PANEL, trace, VIEW).data
    assert "0 / … · 1.00 = 0" in once.formula(PANEL, trace, VIEW)


def test_the_table_holds_the_numbers_of_the_figure(answered):
    trace, view = answered(PANEL, "gpt2")
    rows, figure = once.table(PANEL, trace, view).rows, once.figure(PANEL, trace, view)
    for column, bars in enumerate(figure.data, start=1):
        np.testing.assert_allclose([row[column] for row in rows], bars.x, rtol=1e-6)


@pytest.mark.real
def test_every_norm_of_the_default_model_follows_the_formula(really_answered):
    for settings in ((), (("norm", "ffn"),)):
        for layer in (0, 17, 29):
            given = read(*really_answered(PANEL, layer=layer, settings=settings)).steps
            assert given.off <= 1e-6 * max(1.0, float(np.abs(given.after).max()))

"""The activation function: the curve is the model's own, points lie on it, the histogram counts every input."""

from dataclasses import replace

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.spec import Ffn
from anatomy.view import Fitted
from panels.ffn.activation import PANEL, read
from panels.ffn.neurons import strongest
from tests import once
from tests.alike import assert_rounding
from tests.anatomy.spec import SPEC, spec
from tests.models.tiny import MODELS
from tests.panels.made import made
from tests.snapshot import described

VIEW = Fitted(layer=1, pos=0)
RELU = spec(ffn=Ffn(False, "relu"))


def small(rows: list[list[float]], model=RELU):
    """Twelve inputs per token; those not given are 0. The neurons are what ReLU makes of the first token's."""
    given = np.array([[*row, *[0.0] * (12 - len(row))] for row in rows])
    arrays = {Want("up", 1): given, Want("act", 1, pos=0): np.maximum(given[0], 0)}
    return made(" ".join("abc"[: len(rows)]), arrays, model)


@pytest.mark.parametrize("kind", MODELS)
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "bert-headless", "t5"])
def test_the_printed_program_finds_the_same_points(kind, answered, program):
    trace, view = answered(PANEL, kind)
    x, y = program(PANEL, trace, view, kind).numpy()
    _, faint, strong, *_ = once.figure(PANEL, trace, view).data
    for ours, axis in ((x, "x"), (y, "y")):
        drawn = np.sort(np.concatenate([faint[axis], strong[axis]]))
        np.testing.assert_allclose(np.sort(ours), drawn, atol=1e-5)


@pytest.mark.parametrize("kind", ["gpt2", "bert"])
def test_an_ungated_neuron_is_the_function_of_its_input(kind, answered):
    last = once.formula(PANEL, *answered(PANEL, kind)).splitlines()[-1]
    assert_rounding(last.split("largest difference from the model's own ")[1])


def test_every_dot_chooses_its_neuron_and_a_ring_lies_around_the_chosen_one():
    trace, view = small([[3.0, -1.0, 2.0, *[0.5] * 9], [0.0] * 12]), replace(VIEW, neuron=1)
    shown = once.described(PANEL, trace, view)
    drawn = shown.drawn().data
    for number in (1, 2):
        chosen = [shown.meant(number, point) for point in range(len(drawn[number].x))]
        assert all(set(each) == {"neuron", "layer"} and each["layer"] == 1 for each in chosen)
        inputs = [float(read(trace, view).own[each["neuron"]]) for each in chosen]
        np.testing.assert_allclose(inputs, drawn[number].x)
    assert (drawn[3].x.tolist(), drawn[3].y.tolist(), drawn[3].name) == ([-1.0], [0.0], "the chosen one")
    assert shown.meant(3, 0) == shown.meant(0, 0) == {}
    assert len(once.figure(PANEL, trace, VIEW).data) == len(drawn) - 1
    assert once.caption(PANEL, trace, view).endswith("The chosen one is neuron 1: ReLU(−1.00) = 0.")


def test_a_chosen_neuron_that_is_none_of_the_strongest_is_the_last_row_of_the_table(answered):
    trace, view = answered(PANEL, "gpt2")
    weak = next(neuron for neuron in range(trace.spec.d_ff) if neuron not in read(trace, view).top)
    rows = once.table(PANEL, trace, replace(view, neuron=weak)).rows
    assert (len(rows), rows[-1][0]) == (13, weak)
    assert rows[:-1] == once.table(PANEL, trace, view).rows


def test_points_lie_on_the_curve(answered):
    curve, faint, strong, *_ = once.figure(PANEL, *answered(PANEL)).data
    assert len(strong.x) == 12
    for points in (faint, strong):
        np.testing.assert_allclose(np.interp(points.x, curve.x, curve.y), points.y, atol=1e-3)


def test_the_strongest_neurons_stand_out(answered):
    trace, view = answered(PANEL)
    *_, strong, bars, _ = once.figure(PANEL, trace, view).data
    inputs, top = read(trace, view), strongest(trace[Want("act", view.layer, pos=view.pos)])
    np.testing.assert_allclose(np.sort(strong.x), np.sort(inputs.all[view.pos, top]), rtol=1e-6)
    assert bars.name == f"all {inputs.all.size:,} inputs"


def test_the_histogram_counts_every_input(answered):
    *_, bars, steps = once.figure(PANEL, *answered(PANEL)).data
    assert bars.y.sum() == pytest.approx(100, abs=1e-3)
    assert steps.y.sum() == pytest.approx(100, abs=1e-3)


def test_one_token_alone_is_not_compared_with_itself():
    assert len(once.figure(PANEL, small([[1, -2]]), VIEW).data) == 4
    assert len(once.figure(PANEL, small([[1, -2], [3]]), VIEW).data) == 5


def test_the_caption_counts_what_is_below_zero():
    told = once.caption(PANEL, small([[1, -2, -3], [-1]]), VIEW)
    assert told.startswith("In layer 1, 12 % of all 24 inputs are below 0, where ReLU gives exactly 0; for “a” 17 %.")
    assert told.endswith("inputs run from −3.00 to 1.00; on average the function gives them 17 % of their size.")
    assert "SiLU gives no less than −0.279" in once.caption(
        PANEL, made("a", {Want("gate", 1): np.ones((1, 12)), Want("act", 1, pos=0): np.ones(12)}, SPEC), VIEW
    )


def test_inputs_that_are_all_zero_have_a_figure():
    assert once.figure(PANEL, small([[]]), VIEW).data
    assert "gives them 0 % of their size" in once.caption(PANEL, small([[]]), VIEW)


def test_a_function_that_is_not_known_is_named():
    assert PANEL.applies(SPEC) is None
    assert PANEL.applies(replace(SPEC, ffn=Ffn(False, "mish"))).startswith(
        "This model's activation function is “mish”;"
    )


def test_the_table_holds_the_points_of_the_figure(answered):
    trace, view = answered(PANEL, "gpt2")
    rows = once.table(PANEL, trace, view).rows
    strong = once.figure(PANEL, trace, view).data[2]
    np.testing.assert_allclose(sorted(row[1] for row in rows), np.sort(strong.x), rtol=1e-6)
    np.testing.assert_allclose(sorted(row[2] for row in rows), np.sort(strong.y), rtol=1e-5)


def test_the_formula_has_the_real_numbers():
    assert once.formula(PANEL, small([[2, -1]]), VIEW).splitlines()[1:] == [
        "ReLU(x) = max(x, 0)",
        "neuron 0: ReLU(2.00) = 2.00",
        "over all 12 neurons: largest difference from the model's own below 10⁻⁵",
    ]

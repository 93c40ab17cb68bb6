"""Neurons: as hooks on the plain model see them, strongest first whichever their sign, gates where there are any."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from anatomy.request import Run, Want
from anatomy.spec import Ffn
from anatomy.view import Fitted
from panels.common.names import ffn_name
from panels.ffn.neurons import PANEL, read, strongest
from tests import once
from tests.alike import assert_rounding
from tests.anatomy.spec import SPEC, spec
from tests.models.tiny import MODELS, new_tiny_engine, tiny_engine
from tests.panels.made import made
from tests.snapshot import described

VIEW = Fitted(layer=1, pos=0)
PLAIN = spec(ffn=Ffn(False, "gelu"))
SUM = {"ffn_out": np.array([3.0, 4.0, *[0.0] * 6]), "ffn_sum_gap": np.array(2.5e-6)}


def small(act: list[float], model=SPEC):
    """Twelve neurons; those not given are 0. Where there are gates they are 2, and up makes the product right."""
    whole = np.array([*act, *[0.0] * (12 - len(act))])
    up = whole / (1.7616 if model.ffn.gated else 2)  # SiLU(2) = 1.7616
    arrays = {"act": whole, "gate": np.full(12, 2.0), "up": up} | SUM
    return made("a", {Want(site, 1, pos=0): array for site, array in arrays.items()}, model)


@pytest.mark.parametrize("kind", MODELS)
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind)
    trace = trace.plus({Want("ffn_sum_gap", view.layer, pos=view.pos): SUM["ffn_sum_gap"]})  # its digits are chance
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "bert-headless", "t5"])
def test_the_printed_program_finds_the_same_neurons(kind, answered, program):
    trace, view = answered(PANEL, kind)
    strongest = read(trace, view).top.tolist()
    weak = next(neuron for neuron in range(trace.spec.d_ff) if neuron not in strongest)
    for neuron, shown in ((None, 12), (strongest[3], 12), (weak, 13)):
        chosen = replace(view, neuron=neuron)
        ours = list(read(trace, chosen).of_shown.values())
        assert len(ours[0]) == shown
        np.testing.assert_allclose(program(PANEL, trace, chosen, kind), ours, atol=1e-4)


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2"])
def test_a_gated_neuron_is_the_product_of_its_factors(kind, answered):
    found = {site: array.astype(float) for site, array in read(*answered(PANEL, kind)).values.items()}
    np.testing.assert_allclose(found["act"], found["gate"] / (1 + np.exp(-found["gate"])) * found["up"], atol=1e-5)
    np.testing.assert_allclose(found["act"], found["opened"] * found["up"], atol=1e-5)


def test_the_strongest_come_first_whichever_their_sign():
    assert list(strongest(np.array([1.0, -3.0, 2.0]))) == [1, 2, 0]
    assert list(once.figure(PANEL, small([1, -3, 2]), VIEW).layout.yaxis.ticktext)[:3] == [
        "neuron 1",
        "neuron 2",
        "neuron 0",
    ]


def test_the_caption_counts_what_is_shown():
    told = once.caption(PANEL, small([1, -3, 2]), VIEW)
    assert told.startswith("In layer 1 neuron 1 responds most to “a” (−3.00). The 12 neurons shown, of 12, hold 100 %")
    assert "2 are above 0." in told
    assert "neuron 0 responds most" in once.caption(PANEL, small([5, -3, 2]), VIEW)


def test_a_share_is_of_all_neurons_not_of_those_shown():
    many = replace(SPEC, d_ff=48)
    arrays = {Want(site, 1, pos=0): np.ones(48) for site in ("act", "gate", "up")}
    arrays |= {Want(site, 1, pos=0): array for site, array in SUM.items()}
    assert "The 12 neurons shown, of 48, hold 25 %" in once.caption(PANEL, made("a", arrays, many), VIEW)


# Of 48 neurons the last is the strongest, the first the weakest; neuron 20 is number 28.
MANY = replace(SPEC, d_ff=48)
WEAK = replace(VIEW, neuron=20)


def rising():
    arrays = {Want(site, 1, pos=0): np.arange(1.0, 49.0) for site in ("act", "gate", "up")}
    return made("a", arrays | {Want(site, 1, pos=0): array for site, array in SUM.items()}, MANY)


def test_a_chosen_neuron_that_is_none_of_the_strongest_stands_below_them_in_bold():
    labels = list(once.figure(PANEL, rising(), WEAK).layout.yaxis.ticktext)
    assert labels == [*(f"neuron {number}" for number in range(47, 35, -1)), "<b>neuron 20</b>"]
    assert once.table(PANEL, rising(), WEAK).rows[-1][:2] == (20, 21.0)
    told = once.caption(PANEL, rising(), WEAK)
    assert "The chosen one, neuron 20, is number 28 (21.0). The 13 neurons shown, of 48," in told
    assert once.formula(PANEL, rising(), WEAK).startswith("layer 1, neuron 20, “a”\n")
    assert once.formula(PANEL, rising(), WEAK).splitlines()[2].endswith("× 21.0 = 21.0")


def test_a_chosen_neuron_among_the_strongest_is_marked_in_its_place_and_the_first_is_not_told_twice():
    second, first = replace(VIEW, neuron=46), replace(VIEW, neuron=47)
    labels = list(once.figure(PANEL, rising(), second).layout.yaxis.ticktext)
    assert labels[:3] == ["neuron 47", "<b>neuron 46</b>", "neuron 45"]
    assert len(labels) == 12
    assert "The chosen one, neuron 46, is number 2 (47.0)." in once.caption(PANEL, rising(), second)
    assert once.caption(PANEL, rising(), first) == once.caption(PANEL, rising(), VIEW)


def test_a_bar_chooses_its_neuron_and_layer_under_each_measure_and_in_a_difference():
    shown = once.described(PANEL, rising(), WEAK)
    assert [shown.meant(trace, 12) for trace in range(4)] == [{"neuron": 20, "layer": 1}] * 4
    assert shown.meant(0, 0) == {"neuron": 47, "layer": 1}
    difference = shown.minus(once.described(PANEL, rising(), WEAK))
    at = difference.labels.index("neuron 20")
    assert (difference.focus, difference.meant(0, at)) == (at, {"neuron": 20, "layer": 1})


def test_a_silent_layer_has_a_figure_and_a_caption():
    assert "hold 0 %" in once.caption(PANEL, small([]), VIEW)
    assert once.figure(PANEL, small([]), VIEW).data


def test_gates_are_shown_where_there_are_any():
    gated, plain = once.figure(PANEL, small([1, 2]), VIEW), once.figure(PANEL, small([1, 2], PLAIN), VIEW)
    assert [axis.title.text for axis in gated.select_xaxes()] == [
        "SiLU(gate) × up<br>(activation)",
        "gate<br>(activation)",
        "SiLU(gate)",
        "up (activation)",
    ]
    assert [axis.title.text for axis in plain.select_xaxes()] == ["GELU(up) (activation)", "up (activation)"]
    assert Want("gate", 1, pos=0) not in PANEL.needs(PLAIN, VIEW)


def test_the_table_holds_the_numbers_of_the_figure():
    trace = small([1, -3, 2])
    figure, rows = once.figure(PANEL, trace, VIEW), once.table(PANEL, trace, VIEW).rows
    for column, bars in enumerate(figure.data, start=1):
        np.testing.assert_allclose([row[column] for row in rows], bars.x)


def test_the_formula_multiplies():
    lines = once.formula(PANEL, small([1, -3, 2]), VIEW).splitlines()
    assert lines[2] == "= SiLU(2.00) × −1.70 = 1.76 × −1.70 = −3.00"
    assert lines[3].startswith("over all 12 neurons: largest difference from the model's own ")
    assert_rounding(lines[3].removeprefix("over all 12 neurons: largest difference from the model's own "))
    assert once.formula(PANEL, small([4.0], PLAIN), VIEW).splitlines()[1] == "neuron = GELU(up) = GELU(2.00) = 4.00"


def test_all_neurons_times_their_rows_are_what_the_ffn_adds():
    trace = small([1, -3, 2])
    assert once.caption(PANEL, trace, VIEW).endswith(
        "The sum of all neurons, each times its row of the down projection, is what the FFN adds to the stream "
        "(length 5.00; difference below 10⁻⁴)."
    )
    assert once.formula(PANEL, trace, VIEW).splitlines()[-1] == (
        "Σ neuron × its row of the down projection, over 12 neurons = what the FFN adds: length 5.00, "
        "largest difference below 10⁻⁴"
    )
    biased = small([1, -3, 2], replace(SPEC, biases=("down",)))
    assert "that projection's bias" in once.caption(PANEL, biased, VIEW)
    assert "over 12 neurons, + bias = what" in once.formula(PANEL, biased, VIEW)


@pytest.mark.parametrize("kind", MODELS)
def test_the_sum_that_is_printed_is_that_of_the_librarys_own_projection(kind, answered):
    trace, view = answered(PANEL, kind)
    module = tiny_engine(kind)._loaded.layers[view.layer].get_submodule(trace.spec.paths.ffn)
    with torch.inference_mode():
        added = module(torch.from_numpy(np.array(trace[Want("act", view.layer, pos=view.pos)]))[None])[0].numpy()
    np.testing.assert_allclose(added, trace[Want("ffn_out", view.layer, pos=view.pos)], atol=1e-5)
    assert read(trace, view).sum_gap < 1e-5


def test_a_write_that_no_neuron_makes_is_shown():
    engine = new_tiny_engine("gpt2")
    engine.model.transformer.h[1].mlp.c_proj.register_forward_hook(lambda module, given, out: out + 0.25)
    want = Want("ffn_sum_gap", 1)
    found = engine.run(Run(engine.spec.id, "some words"), [want])[want]
    np.testing.assert_allclose(found, 0.25, atol=1e-5)


@pytest.mark.parametrize(
    ("gated", "act", "name"),
    [
        (True, "silu", "SwiGLU"),
        (True, "gelu_pytorch_tanh", "GeGLU"),
        (False, "gelu_new", "GELU (tanh)"),
        (False, "relu", "ReLU"),
        (True, "mish", "gated mish"),
    ],
)
def test_an_ffn_is_named_by_its_parts(gated, act, name):
    assert ffn_name(spec(ffn=Ffn(gated, act))) == name

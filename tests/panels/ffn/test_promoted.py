"""What neurons say: values and lengths as the plain model has them, tokens raised and lowered named."""

from dataclasses import replace

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.view import Fitted
from panels.ffn.promoted import PANEL, read
from tests import once
from tests.anatomy.spec import SPEC, spec
from tests.models.tiny import HEADLESS, MODELS, tiny_engine
from tests.panels.made import made
from tests.snapshot import described

VIEW = Fitted(layer=1, pos=0)
WITH_TOKENS = [kind for kind in MODELS if kind not in ("bert", *HEADLESS)]


def small(model=SPEC):
    """Two neurons: 5 with value −2 writes length 6, raises 7 by 0.5 and 8 by 0.25, lowers 9 by 0.75 and 3 by 0.5."""
    arrays = {
        "ids": [5, 2],
        "acts": [-2.0, 1.0],
        "norms": [6.0, 3.0],
        "up_ids": [[7, 8], [8, 7]],
        "up_logits": [[0.5, 0.25], [0.2, 0.1]],
        "down_ids": [[9, 3], [3, 9]],
        "down_logits": [[-0.75, -0.5], [-0.2, -0.1]],
    }
    wants = {Want(f"write_{site}", 1, pos=0): array for site, array in arrays.items()}
    return made("a", wants, model, {i: f"<{i}>" for i in (3, 7, 8, 9)})


@pytest.mark.parametrize("kind", WITH_TOKENS)
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_printed_program_finds_the_same_neurons_and_logits(kind, answered, program):
    trace, view = answered(PANEL, kind)
    ours = np.array([(n.act, n.length, n.up[0][1], n.down[0][1]) for n in read(trace, view).neurons]).T
    np.testing.assert_allclose(program(PANEL, trace, view, kind), ours, atol=1e-5)


@pytest.mark.parametrize("kind", WITH_TOKENS)
def test_what_is_raised_is_raised_and_the_longest_come_first(kind, answered):
    found = read(*answered(PANEL, kind)).neurons
    lengths = [each.length for each in found]
    assert lengths == sorted(lengths, reverse=True)
    assert len(found) == 10
    for each in found:
        assert each.up[0][1] > 0 > each.down[0][1]
        assert [value for _, value in each.up] == sorted((value for _, value in each.up), reverse=True)


@pytest.mark.parametrize(("kind", "reason"), [("bert", "normalizes after each sum"), ("bert-headless", "no output")])
def test_a_model_without_a_direct_way_to_logits_says_why(kind, reason):
    assert reason in PANEL.applies(tiny_engine(kind).spec)


def test_the_caption_names_the_first_neuron_and_its_tokens():
    told = once.caption(PANEL, small(), VIEW)
    assert told.startswith("In layer 1 neuron 5 writes most to “a”: its value, −2.00, times its row has length 6.00.")
    assert "raises “<7>” (+0.50) most and lowers “<9>” (−0.75)" in told
    assert told.endswith("Shown are 2 neurons of 12.")


def test_the_chosen_neuron_is_in_bold_and_told_with_its_place():
    second, other, first = (replace(VIEW, neuron=neuron) for neuron in (2, 7, 5))
    assert list(once.figure(PANEL, small(), second).layout.yaxis.ticktext) == ["neuron 5", "<b>neuron 2</b>"]
    assert once.caption(PANEL, small(), second).endswith(
        "The chosen one, neuron 2, is number 2, with length 3.00: by itself it raises “<8>” (+0.20) most and lowers "
        "“<3>” (−0.20) most."
    )
    assert once.caption(PANEL, small(), other).endswith("The chosen one, neuron 7, is not shown.")
    assert once.caption(PANEL, small(), first) == once.caption(PANEL, small(), VIEW)


def test_a_bar_chooses_its_neuron_and_layer():
    shown = once.described(PANEL, small(), VIEW)
    assert (shown.meant(0, 0), shown.meant(1, 0)) == ({"neuron": 5, "layer": 1}, {"neuron": 2, "layer": 1})


def test_the_bars_name_what_is_raised_and_lowered():
    figure = once.figure(PANEL, small(), VIEW)
    assert figure.data[0].text[0] == "6.0   ↑ &lt;7&gt; &lt;8&gt;   ↓ &lt;9&gt; &lt;3&gt;"
    assert "Raises “&lt;7&gt;” +0.50, “&lt;8&gt;” +0.25." in figure.data[0].hovertext[0].replace("<br>", " ")
    assert list(figure.layout.yaxis.ticktext) == ["neuron 5", "neuron 2"]


def test_long_tokens_are_cut_in_the_figure_and_whole_in_its_hover_box():
    long = "x" * 40
    trace = small().plus({}, {7: long})
    bar = once.figure(PANEL, trace, VIEW).data[0]
    assert "↑ xxxxxxxx… " in bar.text[0]
    assert long in bar.hovertext[0]


def test_the_table_holds_the_numbers_of_the_figure():
    rows = once.table(PANEL, small(), VIEW).rows
    assert rows[0] == (5, -2.0, 6.0, "raises", "<7>", 0.5)
    assert rows[2] == (5, -2.0, 6.0, "lowers", "<9>", -0.75)
    assert len(rows) == 8


def test_the_formula_multiplies_value_and_row():
    lines = once.formula(PANEL, small(), VIEW).splitlines()
    assert lines[2] == "‖write‖ = |value| × ‖row‖ = 2.00 × 3.00 = 6.00"
    assert "(write − its mean)" not in lines[3]
    layer_norm = spec(norm=type(SPEC.norm)("layer", "pre", 1e-5))
    assert "(write − its mean)" in once.formula(PANEL, small(layer_norm), VIEW)


@pytest.mark.parametrize("text", ["a", "a" * 60])
def test_a_single_token_and_a_long_text_are_drawn(text, answered):
    trace, view = answered(PANEL, "gpt2", text=text)
    assert described(once.figure(PANEL, trace, view))

"""Idle neurons: counted as the plain model's neurons are, the rule said."""

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.view import Fitted
from panels.ffn.sparsity import PANEL
from tests import once
from tests.alike import assert_rounding
from tests.models.tiny import MODELS
from tests.panels.made import made
from tests.snapshot import described

VIEW = Fitted(layer=1, pos=1)
WITHOUT_FIRST = Fitted(layer=1, pos=1, settings=(("first", "0"),))


def small(shares=(0.1, 0.25, 0.9), words: str = "a b c"):
    """The chosen token, the second, has these shares; the others half. Its neurons at layer 1: 3 of 12 next to zero."""
    array = np.full((3, len(words.split())), 0.5)
    array[:, 1] = shares
    act = np.array([-100.0, *[5.0] * 8, 1.0, 0.5, 0.0])
    return made(words, {Want("act_small"): array, Want("act", 1, pos=1): act})


@pytest.mark.parametrize("kind", MODELS)
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "bert-headless", "t5"])
def test_the_printed_program_finds_the_same_shares(kind, answered, program):
    trace, view = answered(PANEL, kind)
    np.testing.assert_allclose(program(PANEL, trace, view, kind), trace[Want("act_small")], atol=1e-6)


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_the_formula_counts_what_the_figure_shows(kind, answered):
    assert_rounding(once.formula(PANEL, *answered(PANEL, kind)).rsplit("difference from the figure ", 1)[1])


def test_the_formula_has_the_rule_and_the_count():
    lines = once.formula(PANEL, small(), VIEW).splitlines()
    assert lines[1:4] == ["next to zero: |neuron| ≤ 1 % · 100 = 1.00", "3 of 12 neurons = 25 %", "exactly 0: 1"]


def test_the_caption_follows_the_layer_and_names_the_ends():
    told = once.caption(PANEL, small(), VIEW)
    assert told.startswith(
        "For “b” 25 % of the 12 neurons of layer 1 stay next to zero: at most 1 % of the size of its"
    )
    assert "Most do in layer 2 (90 %), fewest in layer 0 (10 %)." in told


def test_the_first_token_can_be_left_out():
    assert len(once.figure(PANEL, small(), VIEW).data) == 3
    assert [line.name for line in once.figure(PANEL, small(), WITHOUT_FIRST).data] == ["“b” (1)", "“c” (2)"]


def test_many_tokens_become_a_band():
    trace = small(words=" ".join(f"w{i}" for i in range(80)))
    assert len(once.figure(PANEL, trace, VIEW).data) == 5
    assert once.caption(PANEL, trace, VIEW).endswith("The 78 other tokens are drawn as their range and median.")


def test_the_figure_is_in_percent_and_the_table_in_shares():
    trace = small()
    np.testing.assert_allclose(once.figure(PANEL, trace, VIEW).data[0].y, [10, 25, 90], rtol=1e-6)
    assert [row[1] for row in once.table(PANEL, trace, VIEW).rows] == pytest.approx([0.1, 0.25, 0.9])
    assert "(%)" in once.figure(PANEL, trace, VIEW).layout.yaxis.title.text

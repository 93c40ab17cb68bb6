"""Positions: wavelengths of the model's own frequencies, or its table; nothing for a model with neither."""

import math

import numpy as np
import plotly.graph_objects as go
import pytest

from anatomy.request import Want
from anatomy.spec import LearnedPositions, RelativeBias, Rope
from anatomy.view import Fitted
from panels.position.position import PANEL
from panels.position.position_waves import wavelengths
from tests import once
from tests.anatomy.spec import spec
from tests.models.tiny import MODELS
from tests.panels.made import made
from tests.snapshot import described
from viz.grid import Grid

ROTARY = spec(position=Rope(10_000.0, (1.0, 0.1, 0.01)), max_pos=100)
LEARNED = spec(position=LearnedPositions(512))
VIEW = Fitted(pos=1)


def learned(words: str = "a b c"):
    rows = [[1, 0], [3, 4], [4, 3]][: len(words.split())]
    return made(words, {Want("pos_embed"): [[*row, 0, 0, 0, 0, 0, 0] for row in rows]}, LEARNED)


@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind != "t5"])
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


def test_the_printed_program_finds_the_same_wavelengths(answered, program):
    trace, view = answered(PANEL, "llama")
    np.testing.assert_allclose(program(PANEL, trace, view, "llama"), wavelengths(trace.spec.position), rtol=1e-5)


@pytest.mark.parametrize("kind", ["gpt2", "bert", "bert-headless"])
def test_the_printed_program_finds_the_same_matrix(kind, answered, program):
    trace, view = answered(PANEL, kind)
    np.testing.assert_allclose(program(PANEL, trace, view, kind), once.figure(PANEL, trace, view).z, atol=1e-5)


def test_a_wavelength_is_a_full_turn():
    waves = wavelengths(Rope(1.0, (2.0, 0.5, 0.0)))
    assert waves[0] * 2.0 == pytest.approx(2 * math.pi)
    assert list(waves[1:]) == [4 * math.pi, math.inf]


def test_unscaled_frequencies_are_those_of_the_paper(answered):
    trace, _ = answered(PANEL, "llama")
    rope, width = trace.spec.position, trace.spec.d_head
    assert rope.frequencies == pytest.approx([rope.theta ** (-2 * i / width) for i in range(width // 2)], rel=1e-6)


def test_rotary_positions_ask_for_no_forward_pass():
    assert PANEL.needs(ROTARY, VIEW) == ()
    assert PANEL.needs(LEARNED, VIEW) == (Want("pos_embed"),)


def test_wavelengths_stand_beside_the_text_and_the_longest_text():
    figure = once.figure(PANEL, made("a b c", {}, ROTARY), VIEW)
    assert isinstance(figure, go.Figure)
    assert [level.text for level in figure.layout.annotations] == ["longest text: 100 tokens", "this text: 3 tokens"]
    assert "tokens per turn" in figure.layout.yaxis.title.text
    assert [len(trace.x) for trace in figure.data] == [2, 1]  # the third turns in 628 tokens


def test_a_pair_that_does_not_turn_is_left_out_of_the_figure():
    still = spec(position=Rope(10_000.0, (1.0, 0.0)), max_pos=100)
    assert sum(len(trace.x) for trace in once.figure(PANEL, made("a b", {}, still), VIEW).data) == 1


def test_the_caption_counts_full_circles():
    told = once.caption(PANEL, made("a b c", {}, ROTARY), VIEW)
    assert "The fastest of 3 pairs turns once in 6.28 tokens, the slowest once in 628 (base θ = 10,000)." in told
    assert "None of them comes full circle within this text of 3 tokens; 1 pair turns less than once" in told
    assert "One of them comes" in once.caption(PANEL, made("a b c d e f g", {}, ROTARY), VIEW)


def test_learned_rows_are_compared():
    grid = once.figure(PANEL, learned(), VIEW)
    assert isinstance(grid, Grid)
    assert grid.focus == (1, 2)
    assert once.caption(PANEL, learned(), VIEW) == (
        "The model knows the order by a vector for each position: a trained row of 8 numbers, added to the embedding "
        "of the token that stands there. This text uses 3 of 512 rows. Row 1 is most like row 2 (cosine 0.96)."
    )
    assert once.caption(PANEL, learned("a"), Fitted(pos=0)).endswith("This text uses 1 of 512 rows.")


def test_the_tables_hold_the_numbers_of_the_figures():
    rotary = once.table(PANEL, made("a b c", {}, ROTARY), VIEW)
    np.testing.assert_allclose([row[2] for row in rotary.rows], wavelengths(ROTARY.position))
    assert rotary.rows[0][3] == pytest.approx(math.degrees(1))
    table = once.table(PANEL, learned(), VIEW)
    np.testing.assert_allclose([row[3] for row in table.rows], once.figure(PANEL, learned(), VIEW).z[1])
    assert [row[2] for row in table.rows] == [1, 5, 5]


def test_the_formula_has_the_angle_of_the_chosen_position():
    lines = once.formula(PANEL, made("a b c", {}, ROTARY), Fitted(pos=2)).splitlines()
    assert lines[2] == "pair 0: α = 2 × 1.00 = 115°"
    assert "length 5.00" in once.formula(PANEL, learned(), VIEW)


def test_a_rescaled_rotation_is_called_so():
    rescaled = spec(position=Rope(500_000.0, (1.0,), "llama3"))
    assert "rescaled (llama3)" in once.formula(PANEL, made("a b", {}, rescaled), VIEW)


def test_a_model_with_neither_says_so():
    assert PANEL.applies(spec(position=None)) == "This model has neither rotary nor learned positions."
    assert PANEL.applies(spec(position=RelativeBias(32, 128, True))).startswith(
        "This model has neither rotary nor learned positions: it adds a number to the scores"
    )
    assert PANEL.applies(ROTARY) is PANEL.applies(LEARNED) is None

"""What choosing a part of a figure does to the view."""

from dataclasses import replace

import numpy as np

from anatomy.control import Choice
from anatomy.view import View
from ui.figure import at_cell, at_chip
from viz.chips import Chip, Chips
from viz.grid import Grid, Part

TEXT = Chips((Chip("a", "1", "61"), Chip("b", "2", "62")), ("kind",), "2 tokens")
OTHER = Chips(TEXT.chips, TEXT.legend, TEXT.title, of_text=False)


def test_a_chip_of_the_text_chooses_its_token():
    assert at_chip(View(src=0), TEXT, 1) == View(pos=1)


def test_a_chip_of_anything_else_chooses_nothing():
    assert at_chip(View(src=0), OTHER, 1) == View(src=0)


def test_a_chip_that_stands_for_another_token_chooses_that_one():
    rows = Chips(TEXT.chips, TEXT.legend, TEXT.title, places=(4, None))
    assert at_chip(View(src=0), rows, 0) == View(pos=4)
    assert at_chip(View(src=0), rows, 1) == View(src=0)


def heads(**more: object) -> Grid:
    return Grid(np.zeros((1, 3)), ("1",), ("", "", ""), "", "", "share", "heads", selects="head", **more)


def test_a_head_is_chosen_by_the_place_of_its_cell():
    assert at_cell(View(), heads(), (0, 2)) == View(layer=0, head=2)


ZOOM = Choice("zoom", "Zoom", ("whole", "256"))
# Three rows and columns of two tokens each; token 3 looking at token 2 is chosen.
POOLED = Grid(
    np.zeros((3, 3)),
    ("0–1", "2–3", "4–5"),
    ("0–1", "2–3", "4–5"),
    "",
    "",
    "",
    "map",
    focus=(1, 1),
    selects="cell",
    part=Part((0, 2, 4, 6), (0, 2, 4, 6), (3, 2), 6),
    opens=(ZOOM, "256"),
)


def test_a_cell_of_many_pairs_chooses_one_that_the_mask_lets_look():
    assert at_cell(View(), POOLED, (2, 0)) == View(pos=5, src=0)


def test_along_a_row_or_column_of_cells_the_chosen_token_stays():
    assert at_cell(View(pos=3, src=2), POOLED, (1, 0)) == View(pos=3, src=0)
    assert at_cell(View(pos=3, src=2), POOLED, (2, 1)) == View(pos=5, src=2)


def test_opening_a_cell_chooses_it_and_shows_its_window_and_leaving_brings_the_whole_back():
    opened = at_cell(View(), POOLED, (2, 0), "open")
    assert opened == View(pos=5, src=0).with_setting(ZOOM, "256")
    near = replace(POOLED, opens=None, leaves=(ZOOM, "whole"))
    assert at_cell(opened, near, (0, 0), "leave") == View(pos=5, src=0)
    assert at_cell(opened, near, (4, 1), "place") == replace(opened, pos=4, src=1)
    assert at_cell(View(), heads(), (0, 1), "leave") == View()


def test_a_cell_that_stands_for_another_place_chooses_that_one():
    ranked = heads(names=("L7 H1", "L0 H2", ""), places=((7, 1), (0, 2), None))
    assert at_cell(View(), ranked, (0, 0)) == View(layer=7, head=1)
    assert at_cell(View(layer=3), ranked, (0, 2)) == View(layer=3)

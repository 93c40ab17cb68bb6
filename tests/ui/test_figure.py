"""What choosing a part of a figure does to the view."""

import numpy as np

from anatomy.view import View
from ui.figure import at_cell, at_chip
from viz.chips import Chip, Chips
from viz.grid import Grid

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


def test_a_cell_that_stands_for_another_place_chooses_that_one():
    ranked = heads(names=("L7 H1", "L0 H2", ""), places=((7, 1), (0, 2), None))
    assert at_cell(View(), ranked, (0, 0)) == View(layer=7, head=1)
    assert at_cell(View(layer=3), ranked, (0, 2)) == View(layer=3)

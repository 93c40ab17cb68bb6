"""What choosing a part of a figure does to the view."""

from anatomy.view import View
from ui.figure import at_chip
from viz.chips import Chip, Chips

TEXT = Chips((Chip("a", "1", "61"), Chip("b", "2", "62")), ("kind",), "2 tokens")
OTHER = Chips(TEXT.chips, TEXT.legend, TEXT.title, of_text=False)


def test_a_chip_of_the_text_chooses_its_token():
    assert at_chip(View(src=0), TEXT, 1) == View(pos=1)


def test_a_chip_of_anything_else_chooses_nothing():
    assert at_chip(View(src=0), OTHER, 1) == View(src=0)

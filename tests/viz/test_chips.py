"""Chips as HTML: escaped, readable, without scripts."""

import pytest

from tests.viz.examples import CHIPS
from viz.chips import Chip, Chips


def test_labels_are_escaped():
    assert "&lt;i&gt;" in CHIPS.html()
    assert "<i>" not in CHIPS.html()


def test_every_chip_shows_label_id_and_bytes():
    assert "<b>·is</b><span>314</span><small>20 69 73</small>" in CHIPS.html()


def test_the_chosen_chip_and_every_kind_are_marked():
    written = CHIPS.html()
    assert written.count('aria-current="true"') == 1
    assert 'class="t1" aria-current' in written
    assert all(name in written for name in CHIPS.legend)


def test_a_tint_without_a_name_is_refused():
    with pytest.raises(ValueError, match="tint 3"):
        Chips((Chip("a", "1", "61", tint=3),), ("word",), "1 token")


def test_a_focus_outside_is_refused():
    with pytest.raises(ValueError, match="outside"):
        Chips((Chip("a", "1", "61"),), ("word",), "1 token", focus=1)


def test_words_stand_above_each_row_and_are_escaped():
    rows = Chips(CHIPS.chips, CHIPS.legend, CHIPS.title, rows=((0, "<one>"), (1, "two"), (2, "none")))
    written = rows.html()
    assert written.index("&lt;one&gt;") < written.index("&lt;i&gt;") < written.index(">two<") < written.index("·is")
    assert written.index("·is") < written.index(">none<")


def test_as_many_places_as_chips_are_asked_for():
    with pytest.raises(ValueError, match="3 places for 2 chips"):
        Chips(CHIPS.chips, CHIPS.legend, CHIPS.title, places=(0, 1, 2))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_picture(dark, picture):
    assert CHIPS.html(dark).splitlines() == picture

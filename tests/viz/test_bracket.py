"""Tokens that hold a character together: under one bracket in HTML and in pictures, in rows that wrap."""

import pytest

from anatomy.characters import Share
from viz.bracket import short
from viz.chips import Chip, Chips

FAMILY = "👩‍👦"
PIECES = tuple(Chip(f"‹患 {part}/3›", str(part), "E6", shares=(Share("患", part, 3),)) for part in (1, 2, 3))
CHIPS = Chips((Chip("·is", "314", "20 69 73"), *PIECES), ("word",), "4 tokens")


@pytest.mark.parametrize(
    ("label", "shares", "shown"),
    [
        ("·is", (), "·is"),
        ("a b", (), "a b"),
        ("‹患 1/3›", (Share("患", 1, 3),), "1/3"),
        ("·‹患 1/3›", (Share("患", 1, 3),), "· 1/3"),
        ("‹患 3/3›‹者 1/2›", (Share("患", 3, 3), Share("者", 1, 2)), "3/3 1/2"),
        ("👩", (Share(FAMILY, 1, 3),), "👩"),
    ],
)
def test_under_a_bracket_a_label_says_which_part_it_is_and_what_else_it_holds(label, shares, shown):
    assert short(label, shares) == shown


def test_in_html_the_character_stands_once_over_a_line_that_begins_and_ends_with_it():
    written = CHIPS.html()
    assert written.count("患") == 1
    assert '<i class="from">患</i></div><b>1/3</b>' in written
    assert '<i class=""></i></div><b>2/3</b>' in written
    assert '<i class="to"></i></div><b>3/3</b>' in written
    assert '<ol class="chips parted">' in written


def test_html_escapes_what_stands_over_a_line():
    assert "<b>x" not in Chips((Chip("1/2", "1", "", shares=(Share("<b>x", 1, 2),)),), ("word",), "1 token").html()


def test_a_picture_has_the_character_once_and_a_line_over_each_piece():
    layout = CHIPS.plotly().layout
    assert [note.text for note in layout.annotations] == ["患"]
    assert len(layout.shapes) == 3
    assert [bar for trace in CHIPS.plotly().data for bar in trace.text][1:] == [
        f"<b>{part}/3</b><br><span style='font-size:10px'>{part}</span><br><span style='font-size:10px'>E6</span>"
        for part in (1, 2, 3)
    ]


def test_over_pieces_that_wrap_each_row_has_its_lines_which_go_on_over_the_gaps():
    many = tuple(Chip(f"‹患 {part}/30›", "12345", "", shares=(Share("患", part, 30),)) for part in range(1, 31))
    figure = Chips(many, ("word",), "30 tokens").plotly()
    (boxes,) = figure.data
    tops = [middle - boxes.width / 2 for middle in boxes.y]
    lines = [shape.path.split() for shape in figure.layout.shapes]
    assert len(set(tops)) > 1
    for path, top, left, width in list(zip(lines, tops, boxes.base, boxes.x, strict=True))[1:-1]:
        assert list(map(float, (path[1], path[2]))) == pytest.approx([left, top - 5])
        assert list(map(float, (path[4], path[5]))) == pytest.approx([left + width + 8, top - 5])


def test_chips_without_parts_are_drawn_as_before():
    plain = Chips((Chip("·is", "314", "20 69 73"),), ("word",), "1 token")
    assert "parted" not in plain.html()
    assert not plain.plotly().layout.shapes
    assert not plain.plotly().layout.annotations


def test_a_difference_keeps_the_characters():
    assert [chip.shares for chip in CHIPS.minus(CHIPS).chips] == [chip.shares for chip in CHIPS.chips]

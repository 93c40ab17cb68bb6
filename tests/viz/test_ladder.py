"""Rows of blocks: each row covers the same width, labels fit, and what grew stands out."""

import pytest

from tests.snapshot import described
from viz.ladder import Block, Ladder


def steps(labels: str = "abc", new: bool = True) -> Ladder:
    """Single blocks, then the first two joined."""
    single = tuple(Block(i, 1, label, f"byte {i}") for i, label in enumerate(labels))
    joined = (Block(0, 2, labels[:2], "joined", new=new), *single[2:])
    return Ladder((single, joined), ("bytes", "1: rule 1"), "byte", "step", ("joined", "as before"))


def test_the_picture(picture):
    assert described(steps().drawn()) == picture


def test_rows_stand_from_the_top_and_cover_all_bytes():
    figure = steps().drawn()
    low, high = figure.layout.yaxis.range
    assert low > high
    for row in (0, 1):
        widths = [x for bars in figure.data[:2] for x, y in zip(bars.x, bars.y, strict=True) if y == row]
        assert sum(widths) == 3
    assert figure.layout.xaxis.range == (0, 3)


def test_what_grew_is_in_the_accent_with_its_label():
    new, calm, words = steps().drawn().data
    assert (new.text, calm.text) == (("ab",), None)
    assert words.text == ("a", "b", "c", "c")


def test_labels_shrink_where_many_have_to_fit():
    small, large = (steps("x" * count).drawn().data[2].textfont.size for count in (80, 3))
    assert small < large


def test_labels_stay_text():
    assert steps("<&>").drawn().data[2].text[:2] == ("&lt;", "&amp;")


def test_a_row_without_a_name_is_noticed():
    with pytest.raises(ValueError, match="2 rows and 1 names"):
        Ladder(steps().rows, ("bytes",), "byte", "step", ("joined", "as before"))

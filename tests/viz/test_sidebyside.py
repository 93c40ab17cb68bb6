"""Several things side by side: bars cut into shares, and amounts over many powers of ten."""

import math

import pytest

from tests.snapshot import described
from viz.sidebyside import Amounts, Series, Shares, powers

ROWS = ("one\n<i>100</i>", "two")
PARTS = (
    Series("table", (25.0, 1.0), ("25", "1")),
    Series("layers", (75.0, 98.0), ("75", "98")),
    Series("a & b", (None, 1.0), ("none", "1")),
)
SIZES = (Series("now", (2e3, 5e9), ("2 kB", "5 GB")), Series("later", (None, 3e11), ("none", "300 GB")))
TICKS = [(10.0**power, f"10^{power}") for power in range(0, 15)]


def test_the_picture_of_shares(picture):
    assert described(Shares(ROWS, PARTS, "share of all").drawn()) == picture


def test_the_picture_of_amounts(picture):
    assert described(Amounts(ROWS, SIZES, "bytes (log scale)", TICKS).drawn()) == picture


def test_shares_fill_the_bar_and_small_ones_print_no_number():
    table, layers, other = Shares(ROWS, PARTS, "share of all").drawn().data
    assert list(table.x + layers.x + other.x) == pytest.approx([100, 100])
    assert table.text == ("25 %", "")


def test_labels_are_text_and_break_where_they_say():
    figure = Shares(ROWS, PARTS, "share of all").drawn()
    assert figure.layout.yaxis.ticktext == ("one<br>&lt;i&gt;100&lt;/i&gt;", "two")
    assert figure.data[2].name == "a &amp; b"


def test_every_bar_and_its_number_are_inside_the_axis():
    figure = Amounts(ROWS, SIZES, "bytes (log scale)", TICKS).drawn()
    low, high = figure.layout.xaxis.range
    assert low < math.log10(2e3)
    assert high > math.log10(3e11) + 0.5
    assert all(low <= math.log10(value) <= high for value in figure.layout.xaxis.tickvals)


def test_what_is_not_there_has_no_bar():
    now, later = Amounts(ROWS, SIZES, "bytes (log scale)", TICKS).drawn().data
    assert later.x[0] is None
    assert now.x[0] == 2e3


def test_powers_of_ten_are_thinned_where_they_are_many():
    assert powers(1, 1e4) == [1, 10, 100, 1e3, 1e4]
    assert powers(1, 1e10) == [1, 100, 1e4, 1e6, 1e8, 1e10]

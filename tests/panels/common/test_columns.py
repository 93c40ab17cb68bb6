"""Positions in columns: one token each as long as there is room, else every token in exactly one, none lost."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.measure import POOLED
from panels.common.columns import ROWS, Columns, around, caption_around, columns_of, span, table_note, table_rows


@given(count=st.integers(1, 3_000), alone=st.integers(1, 1_200))
def test_every_token_stands_in_one_column(count, alone):
    columns = columns_of(count, alone=alone)
    held = [range(first, end) for first, end in pairwise(columns.edges)]
    assert [pos for tokens in held for pos in tokens] == list(range(count))
    assert all(columns.of(pos) == column for column, tokens in enumerate(held) for pos in tokens)
    assert len(columns) == (count if count <= alone else min(count, POOLED))
    assert columns.sizes.max() - columns.sizes.min() <= 1


def test_as_long_as_each_token_has_a_column_nothing_changes():
    columns, values = columns_of(256), np.arange(512.0).reshape(2, 256)
    assert not columns.pooled
    for reduced in (columns.mean, columns.largest):
        assert reduced(values) is values
    assert columns.labels(["a"] * 256) == ("a",) * 256
    np.testing.assert_array_equal(columns.middles, np.arange(256))
    assert columns.caption() == ""


def test_a_text_may_keep_a_column_per_token_for_longer():
    assert len(columns_of(1_000, alone=1_000)) == 1_000
    assert len(columns_of(1_001, alone=1_000)) == 256


def test_columns_hold_the_mean_and_the_largest_of_their_tokens():
    columns = Columns((0, 3, 6, 10))
    values = np.array([[3, 1, 2, 9, 9, 9, 0, 1, 2, 5]], "f4")
    np.testing.assert_allclose(columns.mean(values), [[2, 9, 2]])
    np.testing.assert_array_equal(columns.largest(values), [[3, 9, 5]])
    assert columns.mean(values).dtype == np.float32
    assert columns.labels([]) == ("0–2", "3–5", "6–9")
    np.testing.assert_array_equal(columns.middles, [1, 4, 7.5])
    assert columns.caption() == "Each column covers 3 to 4 tokens: their mean."
    assert columns_of(512).caption() == "Each column covers 2 tokens: their mean."
    assert (span(7, 8), span(128, 160)) == ("7", "128–159")


def test_what_is_not_a_number_counts_for_nothing():
    columns = Columns((0, 3, 6))
    values = np.array([np.nan, 1, 3, np.nan, np.nan, np.nan])
    for reduced, expected in ((columns.mean, 2), (columns.largest, 3)):
        np.testing.assert_array_equal(reduced(values), [expected, np.nan])


@pytest.mark.parametrize(
    ("count", "pos", "found"), [(5, 2, (0, 5)), (20, 0, (0, 8)), (20, 10, (6, 14)), (20, 19, (12, 20)), (8, 7, (0, 8))]
)
def test_the_tokens_around_one_hold_it_and_stay_inside_the_text(count, pos, found):
    shown = around(count, pos, 8)
    assert (shown.start, shown.stop) == found
    assert pos in shown


def test_what_is_left_out_is_said():
    assert caption_around(8, range(8)) == ""
    told = "Drawn are 256 of 8,192 tokens, those around the chosen one: positions 1,000 to 1,255."
    assert caption_around(8_192, range(1_000, 1_256)) == told
    assert table_note(ROWS, table_rows(ROWS, 5)) is None
    assert table_note(8_192, table_rows(8_192, 5)) == "Listed are 2,000 of 8,192 tokens, those around the chosen one."

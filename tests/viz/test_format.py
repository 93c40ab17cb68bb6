"""Numbers in words: leading digits, no false 0 or 100, one minus sign."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.language import use_locale
from viz import nouns
from viz.format import change, cosine, counted, escaped, number, percent, quoted, rounding, signed_percent, thousands


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1.0, "100 %"),
        (0.9996, "99.96 %"),
        (0.996, "99.6 %"),
        (0.94, "94 %"),
        (0.0999, "10 %"),
        (0.0994, "9.9 %"),
        (0.03, "3.0 %"),
        (0.0045, "0.45 %"),
        (0.00001, "< 0.01 %"),
        (0.0, "0 %"),
        (float("nan"), "–"),
        (1.0 + 1e-7, "100 %"),
        (1.2, "120 %"),
        (2.0, "200 %"),
        (-0.144, "−14 %"),
        (-0.0051, "−0.51 %"),
        (-0.00001, "> −0.01 %"),
        (-2.0, "−200 %"),
    ],
)
def test_percents(share, text):
    assert percent(share) == text


@given(st.floats(1e-12, 1 - 1e-5))
def test_a_share_between_nothing_and_all_never_reads_as_either(share):
    assert percent(share) not in ("0 %", "100 %")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.8973, "0.897"),
        (44.12, "44.1"),
        (9.999, "10.0"),
        (1391.2, "1,391"),
        (23411.0, "23,411"),
        (-3.2, "−3.20"),
        (2.1e-7, "2.10·10⁻⁷"),
        (-1.234e9, "−1.23·10⁹"),
        (0.0, "0"),
        (float("nan"), "–"),
        (float("-inf"), "−∞"),
    ],
)
def test_measured_numbers(value, text):
    assert number(value) == text


@pytest.mark.parametrize(("value", "text"), [(99_499.4, "99,499"), (207_506.3, "2.08·10⁵"), (-1e5, "−1.00·10⁵")])
def test_no_more_whole_digits_are_printed_than_are_the_models(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("difference", "compared", "text"),
    [
        (2.5e-7, [1.0], "below 10⁻⁵"),
        (-2.5e-7, [1.0], "below 10⁻⁵"),
        (0.0, [1.0], "below 10⁻⁵"),
        (3.9e-5, [-239.0], "below 10⁻³"),
        (3.9e-5, [1.0], "3.9·10⁻⁵"),
        (0.5, [1.0, 100.0], "0.50"),
        (1e-6, [np.array([0.1, -np.inf]), np.array([[12.0]])], "below 10⁻⁴"),
        (0.0, [0.0], "0"),
        (float("nan"), [1.0], "–"),
        (3.0, [2e6], "below 10"),
    ],
)
def test_what_is_only_rounding_is_told_as_a_bound_of_the_size_compared(difference, compared, text):
    assert rounding(difference, *compared) == text


def test_digits_can_be_chosen():
    assert (number(26.785, 4), number(0.0321, 1), number(178.4, 2)) == ("26.79", "0.03", "178")


def test_large_counts_are_said_in_millions_and_beyond():
    counts = (999_999, 1_000_000, 134_515_008, 8_030_261_248, 1.638e12)
    assert [counted(count) for count in counts] == ["999,999", "1.000 M", "134.5 M", "8.030 B", "1.638 T"]


def test_large_counts_step_by_ten_thousand_in_chinese():
    with use_locale("zh"):
        assert [counted(count) for count in (9999, 134_515_008, 8.03e9, 15.6e12)] == [
            "9,999",
            "1.345 亿",
            "80.30 亿",
            "15.60 万亿",
        ]


def test_a_cosine_has_no_negative_zero():
    assert (cosine(-0.001), cosine(-0.005001), cosine(1.0)) == ("0.00", "−0.01", "1.00")


def test_counts_agree_with_their_noun():
    assert [nouns.tokens(count) for count in (1, 0, 49137)] == ["1 token", "0 tokens", "49,137 tokens"]
    assert thousands(-1200) == "−1,200"


def test_labels_are_quoted_and_escaped():
    assert quoted("·of") == "“·of”"
    assert escaped('<b>"&"</b>') == '&lt;b&gt;"&amp;"&lt;/b&gt;'


@pytest.mark.parametrize(
    ("share", "text"),
    [(2.674, "267 %"), (-1.465, "−146 %"), (0.128, "13 %"), (-0.0012, "−0.12 %"), (0.0, "0 %"), (1.0, "100 %")],
)
def test_shares_that_may_lie_outside_of_0_and_1(share, text):
    assert signed_percent(share) == text


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [(0.94, 0.98, "goes from 94 % to 98 %"), (0.941, 0.942, "stays at about 94 %"), (0.94, 0.94, "stays at 94 %")],
)
def test_a_number_is_never_said_to_go_from_one_to_the_same(before, after, text):
    assert change(before, after, percent) == text

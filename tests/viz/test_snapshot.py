"""The comparison of snapshots itself: it has to see a change, and only a change."""

import json

import numpy as np
import plotly.graph_objects as go
import pytest

from tests.snapshot import alike, described, plain, written
from viz.format import number


def test_packed_arrays_become_numbers():
    figure = go.Figure(go.Heatmap(z=np.arange(4, dtype="f4").reshape(2, 2) / 3))
    assert "bdata" in str(figure.to_plotly_json())
    assert described(figure)["data"][0]["z"] == [[0.0, 0.3333], [0.6667, 1.0]]


def test_the_template_is_left_out_and_keys_are_sorted():
    told = described(go.Figure(go.Scatter(y=[1], x=[2]), layout={"template": "plotly", "title": "t", "height": 30}))
    assert "template" not in told["layout"]
    assert list(told["layout"]) == sorted(told["layout"])


@pytest.mark.parametrize(("value", "shown"), [(1e-9, 0.0), (123456.0, 123500.0), (float("nan"), "nan"), (7, 7)])
def test_numbers_are_rounded(value, shown):
    assert plain(value) == shown


def test_what_is_written_is_json_with_a_line_per_row():
    text = written({"z": [[1, 2], [3, 4]], "label": "·is"})
    assert json.loads(text) == {"z": [[1, 2], [3, 4]], "label": "·is"}
    assert len(text.splitlines()) == 7


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (0.1234, 0.1235),
        (0.0, 1e-7),
        ([1.0, 2.0], [1.0, 2.001]),
        ("gives 73 % of", "gives 74 % of"),
        ("0.64", "0.65"),
        ("−0.01", "0.00"),
        ("9.99·10⁻⁵", "1.00·10⁻⁴"),
        ("99.9", "100"),
        ([0.5, 40.0, 1e-4], [0.5, 40.0, 2e-4]),
        ([["a", 350.0, None], ["b", 1e-4, 2.0]], [["a", 350.0, None], ["b", 2e-4, 2.0]]),
    ],
)
def test_the_last_digit_of_a_measurement_may_differ(a, b):
    assert alike(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (0.12, 0.13),
        (0.0, 1e-4),
        (1, 2),
        ([1.0], [1.0, 1.0]),
        ({"a": 1}, {"b": 1}),
        ("layer 17", "layer 18"),
        ("2.10·10⁻⁷", "2.12·10⁻⁷"),
        ("2.10·10⁻⁷", "2.10·10⁻⁶"),
        ("−0.52", "0.52"),
        ("below 10⁻⁵", "below 10⁻⁴"),
        ([0.5, 1e-4], [0.5, 2e-4]),
        (["a", 1e-4, 350.0], ["a", 9e-4, 350.0]),
        ([[1, 1e-4, 350.0], [2, 0.5, 2.0]], [[1, 9e-4, 350.0], [2, 0.5, 2.0]]),
        ([["a", 1e-4, 350.0], ["b", 0.5, 2.0]], [["a", 9e-4, 350.0], ["b", 0.5, 2.0]]),
        ("gives 73 % of", "gives 75 % of"),
        ("“the”", "“a”"),
        (1.0, "1.0"),
        (True, None),
    ],
)
def test_a_change_is_seen(a, b):
    assert not alike(a, b)
    assert not alike(b, a)


def test_a_whole_number_may_differ_only_where_it_was_printed_as_a_measurement():
    assert number(1391.4) == "1,391"
    assert alike("a length of 1,391", "a length of 1,392")
    assert not alike("a length of 1,391", "a length of 1,393")
    assert alike(f"a length of {number(99.96)}", "a length of 99.9")
    assert not alike("49,152 tokens", "49,153 tokens")
    assert number(49_152.0) == "49,152"
    assert not alike("49,152 tokens", "49,153 tokens")

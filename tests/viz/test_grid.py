"""The heat map: what stands where, on which scale, with which labels; at 1 and at 500 tokens."""

import html
from dataclasses import replace

import numpy as np
import pytest

from anatomy.alignment import by_token, identity
from tests.snapshot import described
from tests.viz.examples import CASES, attention, cosines, heads, tiled
from viz.heatmap import cell_text, heatmap
from viz.partners import aligning
from viz.theme import DARK, LIGHT, colorscale


@pytest.mark.parametrize("case", CASES)
def test_the_picture(case, picture):
    assert described(heatmap(CASES[case])) == picture


@pytest.mark.parametrize("case", CASES)
def test_axes_are_titled_and_the_colour_bar_names_the_unit(case):
    grid = CASES[case]
    figure = heatmap(grid)
    assert figure.layout.xaxis.title.text == grid.col_axis
    assert figure.layout.yaxis.title.text == grid.row_axis
    assert figure.layout.title.text == grid.title
    assert figure.data[0].colorbar.title.text == grid.unit


def test_equal_tokens_stay_apart():
    labels = ("the", "the", "the")
    grid = replace(attention(3), rows=labels, cols=labels)
    axis = heatmap(grid).layout.xaxis
    assert list(axis.ticktext) == ["the"] * 3
    assert list(axis.tickvals) == [0, 1, 2]


def test_row_zero_is_on_top():
    low, high = heatmap(attention(5)).layout.yaxis.range
    assert low > high


@pytest.mark.parametrize("n", [1, 2, 10, 24, 80, 500])
def test_labels_have_room_at_every_length(n):
    figure = heatmap(attention(n))
    for axis, pixels in ((figure.layout.xaxis, _plot(figure)[0]), (figure.layout.yaxis, _plot(figure)[1])):
        assert len(axis.tickvals) == len(axis.ticktext)
        assert pixels / len(axis.tickvals) > 15
        assert len(axis.tickvals) <= 40


@pytest.mark.parametrize("n", [1, 2, 10, 24, 80, 500])
def test_cells_of_tokens_by_tokens_are_square(n):
    width, height = _plot(heatmap(attention(n)))
    below = max(0, 140 - height)  # the colour bar of a very small map may be longer than the map
    assert width == pytest.approx(height, abs=2 + below)
    assert 100 <= round(width) <= 640


def _plot(figure) -> tuple[float, float]:
    """Pixels of the plotting area."""
    layout = figure.layout
    return layout.width - layout.margin.l - layout.margin.r, layout.height - layout.margin.t - layout.margin.b


def test_thinned_labels_say_where_they_stand():
    assert heatmap(attention(80)).layout.xaxis.ticktext[1] == "5 Paris"


def test_labels_are_escaped_everywhere():
    odd = "<img src=x>"
    grid = replace(
        attention(2), rows=(odd, odd), cols=(odd, odd), row_axis=odd, col_axis=odd, unit=odd, title=odd, empty=odd
    )
    text = html.unescape(heatmap(grid).to_json().replace("&lt;", "{escaped}"))
    assert "<img" not in text
    assert "{escaped}img" in text


def test_long_labels_are_cut():
    grid = replace(attention(2), rows=("x" * 80, "y"), cols=("x" * 80, "y"))
    figure = heatmap(grid)
    assert figure.layout.yaxis.ticktext[0].endswith("…")
    assert figure.layout.margin.l < 200


def test_numbers_stand_in_cells_that_have_room():
    text = heatmap(attention(5)).data[0].text
    assert text[4][4] == "20"
    assert text[0][1] == ""
    assert heatmap(heads()).data[0].text[2][5 + 1] == "0.23"  # after the gap between groups
    assert heatmap(attention(80)).data[0].text is None


def test_amounts_next_to_nothing_have_no_number_on_a_scale_of_lengths():
    grid = replace(attention(2), z=np.array([[12.5, np.nan], [0.0019, 0.3]]), high=25.0, percent=False)
    assert cell_text(grid) == [["12", ""], ["", "0.30"]]
    assert cell_text(replace(grid, logarithmic=True, low=0.01))[1] == ["0.0019", "0.30"]


def test_words_stand_in_cells_that_have_room_and_whole_in_the_hover_boxes():
    words = ("<b>", "capital of everything", "北京北京北京", "a")
    grid = heads(z=np.full((2, 2), 0.5), rows=("0", "1"), cols=("a", "b"), focus=None, groups=0, inside=words)
    trace = heatmap(replace(grid, cols=("a", "b"))).data[0]
    assert trace.text[0][0] == "&lt;b&gt;"
    assert all(text.endswith("…") for text in (trace.text[0][1], trace.text[1][0]))
    assert [word for row in trace.hovertext for word in row] == ["&lt;b&gt;", *words[1:]]
    assert "<b>%{hovertext}</b>" in trace.hovertemplate
    assert heatmap(replace(grid, inside=None)).data[0].hovertext is None


def test_as_many_words_as_cells_are_asked_for():
    with pytest.raises(ValueError, match="there are 2 words inside for 4 cells"):
        heads(z=np.zeros((2, 2)), rows=("0", "1"), cols=("a", "b"), focus=None, inside=("a", "b"))


def test_signed_numbers_carry_their_sign_and_zero_has_none():
    text = heatmap(cosines()).data[0].text
    assert text[0][1] == "−0.25"
    assert text[0][2] == "0.00"


def test_probabilities_run_from_zero_and_signed_numbers_are_symmetric():
    amount, signed = heatmap(attention(5)).data[0], heatmap(cosines()).data[0]
    assert (amount.zmin, amount.zmax) == (0, 1)
    assert (signed.zmin, signed.zmax) == (-1, 1)
    assert tuple(signed.colorscale[5]) == (0.5, LIGHT.background)
    assert [tuple(stop) for stop in amount.colorscale] == colorscale(dark=False, signed=False)


def test_a_log_scale_colours_by_powers_of_ten_and_keeps_the_numbers():
    grid = attention(5, logarithmic=True, low=1e-3)
    trace = heatmap(grid).data[0]
    np.testing.assert_allclose(10.0 ** trace.z[4, 0], 0.2, rtol=1e-5)
    np.testing.assert_allclose(trace.customdata[4, 0], 0.2, rtol=1e-5)
    assert trace.colorbar.ticktext[0] == "≤ 0.1 %"
    assert list(trace.colorbar.tickvals) == [-3, -2, -1, 0]


def test_a_zero_on_a_log_scale_has_the_lowest_colour():
    grid = replace(attention(2, logarithmic=True, low=1e-3), z=np.array([[1.0, np.nan], [0.0, 1.0]]))
    z = heatmap(grid).data[0].z
    assert z[1, 0] == pytest.approx(-3)
    assert np.isnan(z[0, 1])


def test_empty_cells_are_named_where_there_are_any():
    assert heatmap(attention(5)).layout.title.subtitle.text == "grey cells: masked"
    assert heatmap(cosines()).layout.title.subtitle.text is None


def test_the_chosen_cell_is_outlined():
    shapes = heatmap(attention(5)).layout.shapes
    assert [(s.x0, s.x1, s.y0, s.y1) for s in shapes] == [(1.5, 2.5, 3.5, 4.5)]
    assert shapes[0].line.color == LIGHT.focus
    assert heatmap(attention(5, focus=None)).layout.shapes == ()


def test_the_outline_of_a_tiny_cell_can_still_be_seen_and_lies_inside():
    figure = heatmap(attention(500))
    frame, axis = figure.layout.shapes[0], figure.layout.yaxis
    assert (frame.y1 - frame.y0) * _plot(figure)[1] / 500 >= 9
    assert frame.y1 <= axis.range[0]


def test_groups_of_heads_are_set_apart_and_nothing_is_covered():
    figure = heatmap(heads())
    trace, bars = figure.data[0], _bars(figure)
    assert len(bars) == 2
    assert trace.z.shape == (6, 9 + 2)
    assert len(trace.x) == trace.z.shape[1] + 1
    for start, end in bars:
        (between,) = np.flatnonzero(np.isclose(trace.x, start, atol=1e-5))
        assert trace.x[between + 1] == pytest.approx(end, abs=1e-5)
        assert np.isnan(trace.z[:, between]).all()
    assert not np.isnan(np.delete(trace.z, [3, 7], axis=1)).any()
    assert list(figure.layout.xaxis.ticktext) == list("012345678")


def _bars(figure) -> list[tuple[float, float]]:
    """(start, end) of the bars in the page's colour that part columns."""
    return [(s.x0, s.x1) for s in figure.layout.shapes if s.fillcolor == LIGHT.background and s.yref == "y domain"]


def test_small_pictures_are_one_trace_of_bytes_and_nothing_of_them_is_covered():
    grid = tiled()
    assert grid.tiles is not None
    figure = heatmap(grid)
    (trace,) = figure.data
    assert trace.z.dtype == np.uint8
    row, col = 2, 5
    x = figure.layout.xaxis.tickvals[col] - 0.5
    y = figure.layout.yaxis.tickvals[row] - 0.5
    left, top = round((x + 0.5) / trace.dx), round((y + 0.5) / trace.dy)
    np.testing.assert_array_equal(trace.z[top : top + 4, left : left + 4], grid.tiles[row, col])
    assert len(_bars(figure)) == 8
    assert all(end <= x + 1e-6 or start >= x + 1 - 1e-6 for start, end in _bars(figure))


def test_500_tokens_travel_as_typed_numbers():
    trace = heatmap(attention(500)).data[0]
    assert trace.z.dtype == np.float32
    assert len(heatmap(attention(500)).to_json()) < 1.6 * 500 * 500 * 4


def test_the_dark_picture_differs_only_in_colours():
    light, dark = described(heatmap(cosines())), described(heatmap(cosines(), dark=True))
    assert light["data"][0]["z"] == dark["data"][0]["z"]
    assert dark["layout"]["plot_bgcolor"] == DARK.empty
    assert light["data"][0]["colorscale"] != dark["data"][0]["colorscale"]


@pytest.mark.parametrize(
    ("change", "culprit"),
    [
        ({"rows": ("a",)}, "labels say"),
        ({"low": 2.0}, "above the low"),
        ({"logarithmic": True, "low": 0.0}, "logarithmic"),
        ({"focus": (9, 0)}, "outside"),
        ({"tiles": np.zeros((1, 1, 2, 2), np.uint8)}, "tiles"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused(change, culprit):
    with pytest.raises(ValueError, match=culprit):
        replace(attention(3), **change)


def test_cells_with_names_print_them_and_those_without_are_no_cells():
    grid = heads(z=np.array([[0.5, 0.2], [np.nan, np.nan]]), rows=("1", "3"), cols=("", ""), focus=None, groups=0)
    named = replace(grid, names=("<L0>", "L1 H2", "L0 H0", ""))
    trace = heatmap(named).data[0]
    assert list(trace.text[0]) == list(trace.hovertext[0]) == ["&lt;L0&gt;", "L1 H2"]
    assert named.holes
    assert not replace(named, names=("a", "b", "", "")).holes
    assert grid.holes
    assert heatmap(named).layout.title.subtitle.text is not None
    assert heatmap(replace(named, names=("a", "b", "", ""))).layout.title.subtitle.text is None


def test_a_cell_means_itself_or_the_place_that_it_is_given():
    grid = heads(z=np.zeros((1, 2)), rows=("1",), cols=("", ""), focus=None, groups=0)
    assert grid.place((0, 1)) == (0, 1)
    assert replace(grid, places=((7, 3), None)).place((0, 0)) == (7, 3)
    assert replace(grid, places=((7, 3), None)).place((0, 1)) is None
    with pytest.raises(ValueError, match="there are 1 places for 2 cells"):
        replace(grid, places=((7, 3),))


def test_a_hidden_cell_counts_beside_one_that_has_a_number():
    masked = attention(3, hidden=0.0)
    open_to_all = replace(masked, z=np.full((3, 3), 1 / 3))
    with aligning(masked.rows, masked.rows, identity(3).pairs):
        opened, closed = open_to_all.minus(masked), masked.minus(open_to_all)
        alone = masked.minus(masked)
        unknown = open_to_all.minus(attention(3))
    np.testing.assert_allclose(opened.z[0], [1 / 3 - 1, 1 / 3, 1 / 3])
    np.testing.assert_allclose(closed.z, -opened.z)
    assert np.isnan(alone.z[0, 1:]).all()  # hidden in both
    assert np.isnan(unknown.z[0, 1:]).all()  # nobody says what an empty cell counts


def test_cells_of_tokens_that_one_text_alone_has_count_for_nothing():
    one, other = attention(3, hidden=0.0), attention(2, hidden=0.0)
    with aligning(one.rows, other.rows, by_token(tuple(map(hash, one.rows)), tuple(map(hash, other.rows))).pairs):
        difference = one.minus(other)
    assert np.isnan(difference.z[2]).all()

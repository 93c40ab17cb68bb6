"""What a notebook's cell shows: both forms hold figure and caption, stay small, and run nothing of the reader's."""

import base64
import gzip
import json
import re
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.viz.examples import CHIPS, attention
from tests.viz.kinds import KINDS, arcs
from viz import notebook
from viz.chips import Chips
from viz.description import Description
from viz.export import to_json, to_notebook
from viz.grid import Grid
from viz.heads import Heads
from viz.sentences import wrapped

ODD = "</script><script>alert(1)</script><!-- \"'"


def packed(html: str) -> dict:
    """The figure that the HTML unpacks."""
    (data,) = re.findall(r'unpack\("([^"]*)"\)', html)
    return json.loads(gzip.decompress(base64.b64decode(data)))


@pytest.mark.parametrize("name", [name for name, (first, _s, _l) in KINDS.items() if not isinstance(first, Chips)])
def test_both_forms_hold_the_figure_with_question_and_caption(name):
    figure = KINDS[name][0]
    shown = to_notebook(figure, "Which?", "It is this one.")
    assert set(shown) == {notebook.PLOTLY, "text/html", "text/plain"}
    plotly = shown[notebook.PLOTLY]
    assert plotly["data"] == json.loads(to_json(figure))["data"] == packed(shown["text/html"])["data"]
    heading = plotly["layout"]["title"]["text"]
    assert heading.startswith("<b>Which?</b><br>")
    assert "It is this one." in heading
    assert not isinstance(figure, Grid) or heading.endswith(figure.title)
    for words in ("Which?", "It is this one."):
        assert words in shown["text/html"]
        assert words in shown["text/plain"]


def test_chips_are_html_without_a_script():
    shown = to_notebook(CHIPS, "Which?", "Two.")
    assert set(shown) == {"text/html", "text/plain"}
    assert "<script" not in shown["text/html"]


def test_bertviz_s_page_stands_in_a_frame():
    weights = np.full((1, 2, 3, 3), 1 / 3, np.float32)
    heads = Heads(weights, ("a", "b", ODD), (0,), "head", 0, "Heads")
    shown = to_notebook(heads, ODD, "All.")
    assert shown["text/html"].count("<script") == 0, "the page is an attribute of its frame"
    assert "<iframe srcdoc=" in shown["text/html"]


def test_a_reader_s_text_cannot_leave_its_place():
    grid = replace(attention(2), rows=(ODD, "a"), cols=(ODD, "a"), title=ODD)
    html = to_notebook(grid, ODD, ODD)["text/html"]
    assert html.count("<script") == html.count("</script") == 1
    assert "alert(1)" not in re.sub(r"&lt;/script&gt;&lt;script&gt;alert\(1\)", "", html)


def lighter_of(figure: Description) -> Description:
    return [*figure.lighter()][-1]


def test_a_large_map_is_shown_in_means_and_says_so():
    n = 256
    noise = np.random.default_rng(0).random((n, n)).astype(np.float32)
    grid = replace(attention(n), z=np.where(np.tri(n, dtype=bool), noise, np.nan).astype(np.float32))
    shown = to_notebook(grid, "Which?", "All.")
    assert notebook.size(shown) <= notebook.MOST < len(to_json(grid))
    title = shown[notebook.PLOTLY]["layout"]["title"]["text"]
    assert "Shown in a lighter form" in title
    assert re.search(r"each cell: the mean of up to \d × \d$", title)


def test_the_means_of_a_lighter_map_are_those_of_its_cells_that_are_not_empty():
    grid = replace(attention(128), focus=(127, 64))
    light = lighter_of(grid)
    assert isinstance(light, Grid)
    assert light.z.shape == (64, 64)
    np.testing.assert_allclose(light.z[3, 1], grid.z[6:8, 2:4].mean(), rtol=1e-6)
    np.testing.assert_allclose(light.z[3, 3], np.nanmean(grid.z[6:8, 6:8]), rtol=1e-6)
    assert np.isnan(light.z[0, 5])
    assert light.focus == (63, 32)
    assert light.rows[0] == f"{grid.rows[0]}–{grid.rows[1]}"


def test_a_lighter_map_of_largest_weights_keeps_the_largest():
    grid = replace(attention(128), measure="largest weight", focus=(127, 64))
    light = lighter_of(grid)
    assert isinstance(light, Grid)
    np.testing.assert_allclose(light.z[3, 1], grid.z[6:8, 2:4].max(), rtol=1e-6)
    assert light.title.endswith("each cell: the largest of up to 2 × 2")


def test_a_narrow_figure_is_made_wide_enough_for_its_caption():
    layout = to_notebook(attention(2), "Which?", "All of it. " * 12)[notebook.PLOTLY]["layout"]
    assert layout["width"] >= 520
    lines = layout["title"]["text"].split("<br>")
    assert max(len(re.sub("<[^>]*>", "", line)) for line in lines) <= 76
    assert layout["margin"]["t"] > attention(2).plotly().to_dict()["layout"]["margin"]["t"] + 18 * 3


def test_the_same_figure_is_drawn_where_each_of_its_scripts_stands():
    html = to_notebook(arcs("ab", 1.0), "Which?", "All.")["text/html"]
    assert "document.currentScript" in html
    assert re.search(r"</div><script>\(async \(here\)", html), "the place is what stands before the script"


def test_lighter_ribbons_and_inputs_say_what_they_leave_out():
    many = arcs("abcdefghij" * 3, 1.0)
    light = lighter_of(many)
    assert "ribbons below 30 % are left out" in light.alternative()
    assert 0 < light.numbers().size < many.numbers().size
    assert "Only the strongest have words" in lighter_of(KINDS["activation"][0]).alternative()


def test_the_script_is_shown_once_and_again_where_its_cell_runs_again(monkeypatch):
    shown: list[object] = []
    cell = {"cellId": "one"}
    kernel = SimpleNamespace(get_parent=lambda: {"metadata": dict(cell)})
    here = SimpleNamespace(
        get_ipython=lambda: SimpleNamespace(kernel=kernel), display=SimpleNamespace(display=shown.append)
    )
    monkeypatch.setitem(sys.modules, "IPython", here)
    monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace())
    monkeypatch.setattr(notebook, "_shown_in", [])
    notebook.show_script_once()
    cell["cellId"] = "two"
    notebook.show_script_once()
    assert len(shown) == 1
    cell["cellId"] = "one"
    notebook.show_script_once()
    assert len(shown) == 2
    (page,) = {made._repr_html_() for made in shown}
    assert "plotly.js v" in gzip.decompress(base64.b64decode(re.findall(r'unpack\("([^"]*)"\)', page)[0])).decode()


def test_outside_of_a_notebook_nothing_is_shown(monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.setattr(notebook, "_shown_in", [])
    notebook.show_script_once()
    assert notebook._shown_in == []


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ("one two three", ["one two", "three"]),
        ("", [""]),
        ("abcdefghijkl", ["abcdefgh", "ijkl"]),
        ("a abcdefghijkl", ["a abcdef", "ghijkl"]),
        ("患者头痛两天", ["患者头痛", "两天"]),
    ],
)
def test_sentences_are_broken_between_words_and_long_ones_anywhere(words, lines):
    assert wrapped(words, 8) == lines

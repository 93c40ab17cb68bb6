"""Files that stand alone: nothing is fetched, nothing of the reader's text runs."""

import base64
import csv
import hashlib
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from panels.panel import Table
from tests.viz.examples import CHIPS, attention, heads
from viz.bars import Bars
from viz.export import partial, to_csv, to_html, to_json, to_matrix, to_picture
from viz.grid import Part
from viz.rows import Bar
from viz.theme import DARK, palette

ODD = '</script><script>alert(1)</script><!-- "&'


def scripts(page: str) -> list[tuple[str, str]]:
    """(attributes, content) of every script element, as a browser would cut them."""
    return re.findall(r"<script([^>]*)>(.*?)</script", page, flags=re.DOTALL | re.IGNORECASE)


@pytest.fixture(scope="module")
def page() -> str:
    grid = replace(attention(2), rows=(ODD, "a"), cols=(ODD, "a"), title=ODD)
    return to_html(grid, title=ODD, caption=ODD)


def test_the_reader_s_text_cannot_leave_its_place(page):
    assert len(scripts(page)) == 3
    assert "alert(1)</" not in page
    assert "<title>&lt;/script&gt;" in page


def test_the_numbers_survive_the_escaping(page):
    ((_, numbers),) = [found for found in scripts(page) if "application/json" in found[0]]
    layout = json.loads(numbers)["layout"]
    assert layout["yaxis"]["ticktext"][1] == "a"
    assert layout["title"]["text"].startswith("&lt;/script")


def test_the_policy_allows_exactly_the_scripts_of_the_page(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy[1]
    allowed = set(re.findall(r"'sha256-([^']*)'", policy[1]))
    code = [content for attributes, content in scripts(page) if not attributes]
    assert {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in code} == allowed


def test_plotly_is_inside_once_and_nothing_is_fetched(page):
    assert page.count("plotly.js v") == 1
    head = page[: page.index("<script>")]
    assert not re.search(r'(?:src|href)\s*=\s*["\']?(?:https?:)?//', head)
    assert "<link" not in head


def test_the_caption_is_the_alternative_text(page):
    assert 'role="figure" aria-label="&lt;/script&gt;' in page


def test_a_plotly_figure_is_dressed_and_exported():
    page = to_html(Bars((Bar("a", 1.0, "1"), Bar("b", 2.0, "2")), "number"), "Bars", "Two bars.", dark=True)
    assert DARK.background in page
    assert '"type":"bar"' in page


def test_chips_need_no_script():
    page = to_html(CHIPS, "Tokens", "2 tokens")
    assert not scripts(page)
    assert "script-src 'none'" in page
    assert "&lt;i&gt;" in page


def test_json_holds_the_numbers():
    figure = json.loads(to_json(attention(3)))
    assert figure["data"][0]["type"] == "heatmap"
    assert json.loads(to_json(CHIPS))["chips"][1]["label"] == "·is"


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def test_a_table_can_be_read_back():
    table = Table(("token", "weight"), (("·is", 0.1234567890123), ('a,\n"b"', None), ("北京", -2)))
    text = to_csv(table)
    assert text.startswith("\ufeff")
    assert "\r\n" in text
    assert rows_of(text) == [["token", "weight"], ["·is", "0.1234567890123"], ['a,\n"b"', ""], ["北京", "-2"]]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_text_that_a_spreadsheet_would_run_is_guarded(text):
    assert rows_of(to_csv(Table(("token",), ((text,),))))[1] == [f"'{text}"]


def test_numbers_below_zero_stay_numbers():
    assert rows_of(to_csv(Table(("x",), ((-1.5,),))))[1] == ["-1.5"]


def test_a_matrix_has_every_number_with_all_its_digits_and_names_that_tell_equal_tokens_apart():
    grid = attention(6)
    grid = replace(grid, z=grid.z.astype(np.float32))
    header, *lines = rows_of(to_matrix(grid))
    assert header[0] == "looking (query) × looked at (key): probability"
    assert header[1:] == [line[0] for line in lines] == [f"{i} {label}" for i, label in enumerate(grid.rows)]
    found = np.array([[np.nan if cell == "" else float(cell) for cell in line[1:]] for line in lines], np.float32)
    np.testing.assert_array_equal(found, grid.z)


def test_a_matrix_of_layers_and_heads_keeps_their_numbers():
    header, *lines = rows_of(to_matrix(heads()))
    assert header[1:] == [str(head) for head in range(9)]
    assert [line[0] for line in lines] == [str(layer) for layer in range(6)]


def test_a_matrix_of_a_long_text_says_which_part_of_it_it_is():
    names = ("0–1", "2–4", "5")
    pooled = replace(
        attention(3), rows=names, cols=names, part=Part((0, 2, 5, 6), (0, 2, 5, 6), None, 6), measure="largest"
    )
    window = replace(attention(3), rows=("4 a", "5 b", "6 c"), part=Part((4, 5, 6, 7), (0, 1, 2, 3), None, 90))
    whole = attention(3, part=Part((0, 1, 2, 3), (0, 1, 2, 3), None, 3))
    assert [partial(grid) for grid in (attention(3), whole, pooled)] == [
        None,
        None,
        "the whole text, each cell for up to 3 × 3 pairs: largest",
    ]
    assert partial(window) == "tokens 4–6 by 0–2 of 90"
    header, *lines = rows_of(to_matrix(pooled))
    assert header == [f"looking (query) × looked at (key): probability ({partial(pooled)})", *names]
    assert [line[0] for line in lines] == list(names)
    assert rows_of(to_matrix(window))[1][0] == "4 a"


def test_cells_with_names_are_no_matrix():
    with pytest.raises(ValueError, match="no matrix"):
        to_matrix(attention(2, names=("a", "b", "c", "d")))


@pytest.mark.parametrize("dark", [False, True])
def test_a_picture_is_made_of_chips_as_of_grids_in_the_theme_s_colours(dark):
    for figure in (CHIPS, attention(3)):
        layout = json.loads(to_picture(figure, dark))["layout"]
        assert layout["template"]["layout"]["paper_bgcolor"] == palette(dark).background


def test_the_page_of_a_long_text_stays_small_beside_the_library():
    def size(n: int) -> int:
        return len(to_html(attention(n), "t", "c"))

    assert size(500) - size(1) < 1.6 * 500 * 500 * 4
    assert np.isfinite(size(1))

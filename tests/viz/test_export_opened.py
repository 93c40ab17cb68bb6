"""Exported pages in a real browser: they draw, fetch nothing, and the reader's text runs nothing."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browsing import Window, point_at
from tests.share import diagonal
from tests.viz.examples import CHIPS, attention, heads, tiled
from viz.export import to_html

pytestmark = pytest.mark.browser
ODD = "</script><script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">"

GRIDS = {"attention": attention(5), "heads": heads(), "tiles": tiled()}


def opened(window: Window, folder: Path, html: str) -> Page:
    file = folder / "page.html"
    file.write_text(html, encoding="utf-8")
    window.page.goto(file.as_uri())
    return window.page


@pytest.mark.parametrize(("kind", "dark"), diagonal(list(GRIDS), [False, True]))
def test_a_figure_draws_alone(kind, dark, window, tmp_path):
    alone, grid = window(), GRIDS[kind]
    page = opened(alone, tmp_path, to_html(grid, "Title", "Caption.", dark))
    expect(page.locator(".heatmaplayer image").first).to_be_visible()
    expect(page.locator(".xtick")).to_have_count(len(grid.cols))
    assert len(alone.asked) == 1
    assert alone.errors == []


def test_the_reader_s_text_runs_nothing(window, tmp_path):
    alone = window()
    grid = replace(attention(2), rows=(ODD, ODD), cols=(ODD, ODD), title=ODD, empty=ODD)
    page = opened(alone, tmp_path, to_html(grid, ODD, ODD))
    expect(page.locator(".heatmaplayer image").first).to_be_visible()
    expect(page).to_have_title(ODD)
    expect(page.locator("h1")).to_have_text(ODD)
    expect(page.locator(".ytick").first).to_have_text(re.compile("^</script>"))
    assert len(alone.asked) == 1


def test_a_cell_under_the_pointer_is_named_by_its_tokens(window, tmp_path):
    page = opened(window(), tmp_path, to_html(heads(), "Title", "Caption."))
    expect(page.locator(".heatmaplayer image").first).to_be_visible()
    told = page.locator(".hoverlayer .hovertext")
    point_at(page.locator(".nsewdrag"), right=12, bottom=12, shows=told)
    expect(told).to_have_text("layer 5head 80.53 probability")


def test_chips_show_without_scripts(window, tmp_path):
    alone = window(java_script_enabled=False)
    page = opened(alone, tmp_path, to_html(CHIPS, "Title", "Caption."))
    expect(page.locator(".chips li")).to_have_count(2)
    expect(page.locator(".chips b").first).to_have_text("<i>")
    assert alone.errors == []

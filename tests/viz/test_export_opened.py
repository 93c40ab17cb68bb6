"""Exported pages in a real browser: they draw, fetch nothing, and the reader's text runs nothing."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.viz.examples import CHIPS, attention, heads, tiled
from viz.export import to_html

pytestmark = pytest.mark.browser
ODD = "</script><script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium")
    assert found, "chromium is not installed"
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that keeps what was asked for in `page.asked` and what was complained of in `page.said`."""
    page = browser.new_page()
    page.asked, page.said = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    yield page
    page.close()


def opened(page: Page, folder: Path, html: str) -> None:
    file = folder / "page.html"
    file.write_text(html, encoding="utf-8")
    page.goto(file.as_uri())


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("grid", [attention(5), heads(), tiled()], ids=["attention", "heads", "tiles"])
def test_a_figure_draws_alone(grid, dark, page, tmp_path):
    opened(page, tmp_path, to_html(grid, "Title", "Caption.", dark))
    page.wait_for_selector(".heatmaplayer image")
    assert page.locator(".xtick").count() == len(grid.cols)
    assert len(page.asked) == 1
    assert page.said == []


def test_the_reader_s_text_runs_nothing(page, tmp_path):
    grid = replace(attention(2), rows=(ODD, ODD), cols=(ODD, ODD), title=ODD, empty=ODD)
    opened(page, tmp_path, to_html(grid, ODD, ODD))
    page.wait_for_selector(".heatmaplayer image")
    assert page.title() == ODD
    assert page.locator("h1").text_content() == ODD
    assert page.locator(".ytick").first.text_content().startswith("</script>")
    assert len(page.asked) == 1


def test_a_cell_under_the_pointer_is_named_by_its_tokens(page, tmp_path):
    opened(page, tmp_path, to_html(heads(), "Title", "Caption."))
    page.wait_for_selector(".heatmaplayer image")
    box = page.locator(".nsewdrag").bounding_box()
    page.mouse.move(box["x"] + box["width"] - 12, box["y"] + box["height"] - 12)
    hover = page.locator(".hoverlayer .hovertext")
    hover.wait_for()
    assert hover.text_content() == "layer 5head 80.53 probability"


def test_chips_show_without_scripts(page, tmp_path):
    opened(page, tmp_path, to_html(CHIPS, "Title", "Caption."))
    assert page.locator(".chips li").count() == 2
    assert page.locator(".chips b").first.text_content() == "<i>"
    assert page.said == []

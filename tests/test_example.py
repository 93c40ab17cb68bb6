"""The example notebook and the guide for Python: what they show is what comes out, with the network unplugged."""

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from playwright.sync_api import expect

from tests import example
from tests.browsing import ROOT, Window
from tests.snapshot import alike, plain
from viz.notebook import MOST, PLOTLY, size

GUIDE = ROOT / "docs" / "python.md"
SCRIPT_MOST = 2_000_000  # bytes of plotly's script, packed
OFFLINE = {"require_js_url": "", "mathjax_url": ""}  # nbconvert's page asks nobody; the guide says so too
_TELLS = re.compile(r"^(.+?) +# → (.+)$")


@pytest.fixture(scope="module")
def committed() -> NotebookNode:
    return nbformat.read(example.NOTEBOOK, 4)


def outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def figures(notebook: NotebookNode) -> list[NotebookNode]:
    """The outputs that are drawn by plotly."""
    return [output for output in outputs(notebook) if PLOTLY in output.get("data", {})]


def test_the_notebook_is_what_its_source_makes(committed):
    nbformat.validate(committed)
    made = [(cell.id, cell.cell_type, cell.source) for cell in example.notebook().cells]
    assert [(cell.id, cell.cell_type, cell.source) for cell in committed.cells] == made
    assert not any(cell.metadata for cell in committed.cells)
    assert set(committed.metadata) == {"kernelspec", "language_info"}
    counts = [cell.execution_count for cell in committed.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1)), "it was not run from top to bottom"


@pytest.mark.real
@pytest.mark.slow
def test_running_it_anew_gives_the_same(committed):
    for cell, new in zip(committed.cells, example.executed().cells, strict=True):
        assert [shape(output) for output in new.get("outputs", ())] == [
            shape(output) for output in cell.get("outputs", ())
        ]
        for output, told in zip(cell.get("outputs", ()), new.get("outputs", ()), strict=True):
            assert alike(numbers(told), numbers(output)), (
                f"{cell.source}\ngives\n{numbers(told)}\nand gave\n{numbers(output)}"
            )


def shape(output: NotebookNode) -> tuple:
    return output.output_type, output.get("name"), sorted(output.get("data", ()))


def numbers(output: NotebookNode) -> dict:
    """What an output tells in words, and what plotly draws of it."""
    data = output.get("data", {})
    return plain({"text": output.get("text"), "plain": data.get("text/plain"), "figure": data.get(PLOTLY)})


def test_plotly_s_script_comes_once_and_every_answer_is_small(committed):
    sizes = [size(output.data) for output in outputs(committed) if "data" in output]
    large = [found for found in sizes if found > MOST]
    assert len(large) == 1
    assert large[0] < SCRIPT_MOST
    assert len(figures(committed)) >= 3
    assert all(size(output.data) <= MOST for output in figures(committed))
    page = "".join(output.data.get("text/html", "") for output in outputs(committed) if "data" in output)
    assert page.count("window.stagelight ??=") == 1


def test_nothing_in_it_comes_from_elsewhere_or_tells_of_this_machine(committed):
    told = json.dumps(outputs(committed), ensure_ascii=False)
    assert not re.findall(r"https?:|\b(?:src|href)=", told)
    whole = example.NOTEBOOK.read_text("utf-8")
    assert not [place for place in (str(ROOT), str(Path.home()), "stderr", "/tmp") if f"{place}" in whole]


@pytest.mark.browser
def test_a_page_made_of_it_draws_every_figure_without_the_network(
    committed, window: Callable[..., Window], tmp_path: Path
):
    html, _resources = HTMLExporter(**OFFLINE).from_notebook_node(committed)
    file = tmp_path / "example.html"
    file.write_text(html, "utf-8")
    alone = window()
    alone.context.set_offline(True)
    alone.page.goto(file.as_uri())
    drawn = alone.page.locator(".js-plotly-plot").filter(has=alone.page.locator(".main-svg .cartesianlayer .subplot"))
    expect(drawn).to_have_count(len(figures(committed)))
    for i, output in enumerate(figures(committed)):
        expect(drawn.nth(i).locator(".gtitle, .xtitle").first).to_be_visible()
        expect(alone.page.get_by_role("figure").nth(i)).to_contain_text(output.data["text/plain"].partition("\n")[0])
    assert alone.asked == [file.as_uri()]
    assert alone.errors == []


@pytest.mark.real
@pytest.mark.slow
def test_the_examples_of_the_guide_give_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STAGELIGHT_MEMORY", "16")  # what other tests of this process have left counts, too
    names: dict[str, object] = {}
    pieces = example.code(GUIDE.read_text("utf-8"))
    assert len(pieces) > 8
    told = 0
    for piece in pieces:
        exec(compile(piece, GUIDE.name, "exec"), names)
        for asked, said in filter(None, map(told_in, piece.splitlines())):
            assert repr(eval(asked, names)) == said
            told += 1
    assert told > 20


def told_in(line: str) -> tuple[str, str] | None:
    """A line's code and what its comment says comes out of it."""
    found = _TELLS.match(line)
    return (found[1], repr(ast.literal_eval(found[2]))) if found else None


def test_the_guide_names_every_way_to_an_offline_page():
    said = GUIDE.read_text("utf-8")
    assert all(f"--HTMLExporter.{option}= " in said for option in OFFLINE)

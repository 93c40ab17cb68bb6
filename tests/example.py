"""The example notebook, made of `docs/example.md`: its text as cells of words, its pieces of Python as cells of code.

`python -m tests.example`, or `make example`, runs it and writes `docs/example.ipynb`.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode, v4

ROOT = Path(__file__).parent.parent
SOURCE, NOTEBOOK = ROOT / "docs" / "example.md", ROOT / "docs" / "example.ipynb"
_COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)
_CODE = re.compile(r"^```python\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
# The last digits depend on how matrices lie in memory, which is measured, and on the number of threads.
_SAME_EACH_TIME = {"STAGELIGHT_PACKED": "loaded", "OMP_NUM_THREADS": "1"}


def code(markdown: str) -> list[str]:
    """The pieces of Python in a document, in order."""
    return _CODE.findall(markdown)


def notebook() -> NotebookNode:
    """The notebook, not run yet. The names of its cells are the same each time."""
    cells = list(_cells(_COMMENT.sub("", SOURCE.read_text("utf-8"))))
    for i, cell in enumerate(cells):
        cell["id"] = f"cell-{i}"
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return v4.new_notebook(cells=cells, metadata=about)


def _cells(markdown: str) -> Iterator[NotebookNode]:
    for i, piece in enumerate(_CODE.split(markdown)):
        if i % 2:
            yield v4.new_code_cell(piece)
        elif piece.strip():
            yield v4.new_markdown_cell(_unwrapped(piece.strip()))


def _unwrapped(words: str) -> str:
    """Paragraphs on a line each."""
    return "\n\n".join(" ".join(paragraph.splitlines()) for paragraph in words.split("\n\n"))


def executed() -> NotebookNode:
    """The notebook with its outputs, run in an empty folder. What belongs to this machine and moment is left out:
    what is told on standard error while a model is opened, and the interpreter's version."""
    run = notebook()
    with TemporaryDirectory() as folder:
        client = NotebookClient(run, timeout=600, record_timing=False, resources={"metadata": {"path": folder}})
        client.execute(env={**os.environ, **_SAME_EACH_TIME, "PYTHONPATH": str(ROOT)})
    run.metadata["language_info"] = {"name": "python"}
    for cell in run.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return run


if __name__ == "__main__":
    nbformat.write(executed(), NOTEBOOK)
    print(f"{NOTEBOOK.relative_to(ROOT)}: {NOTEBOOK.stat().st_size:,} bytes")

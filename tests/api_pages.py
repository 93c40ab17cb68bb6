"""API pages made of the docstrings by pdoc, with our templates in `docs/api/`: `make api` writes them into build/api.

Our docstrings are no markup but plain text: sentences, code that is indented, names in backticks, and lists of fields
in two columns. Nothing in a page is fetched from elsewhere.
"""

import re
import sys
from html import escape
from itertools import groupby, pairwise
from pathlib import Path
from textwrap import dedent

import pdoc
from markupsafe import Markup
from pdoc import render

ROOT = Path(__file__).parent.parent
# stagelight itself, the kinds of description and what they share, a panel and its answer, questions and answers.
MODULES = (
    "stagelight",
    *(f"viz.{name}" for name in ("description", "cells", "grid", "bars", "lines", "curves", "pairs", "dots")),
    *(f"viz.{name}" for name in ("scatter", "chips", "upright", "measures", "components", "plane", "arcs", "groups")),
    *(f"viz.{name}" for name in ("ladder", "sidebyside", "activation", "heads", "partners", "table", "notebook")),
    *("panels.panel", "panels.answer", "panels.beside"),
    *(
        f"anatomy.{name}"
        for name in ("alignment", "request", "interventions", "sites", "trace", "view", "spec", "control", "refused")
    ),
)
_FIELD = re.compile(r"(\S.*?) {2,}(?=\S)")
_ROOM = 100  # characters: a line that ends earlier, with room for the next word, ends there on purpose


def write(folder: Path) -> None:
    """A page per module, and the list of them."""
    render.configure(docformat="markdown", search=False, template_directory=ROOT / "docs" / "api")
    render.env.filters["blocks"] = blocks
    pdoc.pdoc(*MODULES, output_directory=folder)


def blocks(docstring: str) -> Markup:
    """A docstring as HTML: a paragraph, a list of fields or a piece of code for each of its blocks."""
    parts = groupby(re.split(r"\n\s*\n", docstring.strip("\n")), _is_code)
    whole = (block for code, group in parts for block in (["\n\n".join(group)] if code else group))
    return Markup("\n").join(Markup(_block(block)) for block in whole)


def _is_code(block: str) -> bool:
    return all(line.startswith("    ") for line in block.splitlines() if line)


def _block(block: str) -> str:
    if _is_code(block):
        return f"<pre><code>{escape(dedent(block))}</code></pre>"
    lines = block.splitlines()
    if field := _FIELD.match(lines[0]):
        return _fields(lines, field.end())
    return f"<p>{_inline(_joined(lines))}</p>"


def _fields(lines: list[str], column: int) -> str:
    """Names on the left, from some column on what they are."""
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        name, says = line[:column].strip(), line[column:]
        if name:
            found.append((name, [says]))
        else:
            found[-1][1].append(says)
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{_inline(_joined(says))}</dd>' for name, says in found)}</dl>"


def _joined(lines: list[str]) -> str:
    """Lines as one, but for ends that are meant."""
    text = lines[0]
    for line, following in pairwise(lines):
        meant = len(line) + 1 + len(following.split()[0]) <= _ROOM
        text += ("\n" if meant else " ") + following.strip()
    return text


def _inline(text: str) -> str:
    """Names in backticks as code, ends of lines that are meant."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False)).replace("\n", "<br>")


if __name__ == "__main__":
    write(Path(sys.argv[1]))

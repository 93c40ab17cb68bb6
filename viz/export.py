"""Figures as files: a page that needs nothing but itself, JSON, what a browser makes a picture of, tables and matrices
for spreadsheets."""

import base64
import csv
import hashlib
import html
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import cache
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import plotly.io
from plotly.offline import get_plotlyjs

from anatomy.language import _, get_locale
from viz import notebook
from viz.chips import Chips
from viz.description import Description
from viz.format import thousands
from viz.grid import Grid
from viz.heads import Heads
from viz.theme import DARK, FONT, LIGHT

Figure = Description | Heads
# Spreadsheets run a cell that begins like this as a formula (the wide forms in East Asian settings).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_START = """
const {data, layout} = JSON.parse(document.getElementById("numbers").textContent);
Plotly.newPlot("figure", data, layout, {displaylogo: false, responsive: false});
"""


_ROOTS = "\n".join(
    f"{root} {{ color-scheme: {scheme}; --background: {colours.background}; --text: {colours.text}; }}"
    for root, scheme, colours in ((":root", "light", LIGHT), (":root.dark", "dark", DARK))
)


_FRAMED = "body { margin: 0; max-width: none; padding: 2px; }"


class Columns(Protocol):
    """What is read of a table: `panels.Table` has it."""

    @property
    def columns(self) -> Sequence[str]: ...
    @property
    def rows(self) -> Sequence[Sequence[str | int | float | None]]: ...


def to_html(figure: Figure, title: str, caption: str, dark: bool = False) -> str:
    """A page of its own with the figure: everything is inside, and its policy lets nothing else run or load."""
    if isinstance(figure, Chips):
        return _page(title, caption, f'<div role="figure">{figure.html(dark)}</div>', (), dark)
    if isinstance(figure, Heads):
        return _page(title, caption, figure.body(), figure.scripts(), dark)
    numbers = to_json(figure, dark).replace("<", "\\u003c")  # cannot end the script element it stands in
    label = html.escape(caption, quote=True)
    body = (
        f'<div id="figure" role="figure" aria-label="{label}"></div>'
        f'<script type="application/json" id="numbers">{numbers}</script>'
    )
    return _page(title, caption, body, (_library(), _START), dark)


def to_frame(figure: Heads, dark: bool = False, before: Sequence[str] = (), driven: bool = False) -> str:
    """The same page without heading and caption, to stand in a frame of a page that has both. before: scripts that run
    ahead of its own, and may set the class of its root to "dark"; driven: the page has the choice of the head, too."""
    body = f"<style>{_FRAMED}</style>{figure.body(driven)}"
    return _page(figure.title, "", body, (*before, *figure.scripts()), dark)


def _page(title: str, caption: str, body: str, scripts: Sequence[str], dark: bool) -> str:
    allowed = " ".join(_fingerprint(script) for script in scripts) or "'none'"
    policy = f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:"
    code = "".join(f"<script>{script}</script>" for script in scripts)
    heading = f"<h1>{html.escape(title)}</h1>\n<p>{html.escape(caption)}</p>" if caption else ""
    return f"""<!doctype html>
<html lang="{get_locale()}"{' class="dark"' if dark else ""}>
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>
{_ROOTS}
body {{ margin: 2rem auto; max-width: 60rem; padding: 0 1rem; background: var(--background); color: var(--text);
  font: 16px/1.5 {FONT}; }}
h1 {{ font-size: 1.4rem; }}
#figure {{ overflow-x: auto; }}
</style>
</head>
<body>
{heading}
{body}
{code}
</body>
</html>
"""


@cache
def _library() -> str:
    """plotly.js, with the two sequences that end or confuse a script element broken up."""
    return get_plotlyjs().replace("</script", "<\\/script").replace("<!--", "<\\!--")


@cache
def _fingerprint(script: str) -> str:
    """The script as a content security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def to_notebook(figure: Figure, title: str, caption: str) -> dict[str, Any]:
    """What a notebook's cell shows of the figure, by mime type. BertViz's pages have only HTML, in a frame, of whatever
    size they are."""
    if isinstance(figure, Heads):
        attributes = f'width="100%" height="{figure.height + 24}" style="border:0"'
        return notebook.standing(
            title, caption, f'<iframe srcdoc="{html.escape(to_frame(figure))}" {attributes}></iframe>'
        )
    return figure.in_notebook(title, caption)


def to_json(figure: Figure, dark: bool = False) -> str:
    """A plotly figure as plotly's own JSON; chips and heads as their fields."""
    if isinstance(figure, Chips):
        return json.dumps(asdict(figure), ensure_ascii=False)
    if isinstance(figure, Heads):
        return json.dumps(asdict(figure), ensure_ascii=False, default=np.ndarray.tolist)
    return str(plotly.io.to_json(figure.plotly(dark), validate=False))


def to_picture(figure: Description, dark: bool = False) -> str:
    """What plotly.js makes a picture of, as JSON, of every kind of description: chips too."""
    return str(plotly.io.to_json(figure.plotly(dark), validate=False))


def to_matrix(grid: Grid) -> str:
    """A grid's cells as a spreadsheet reads them, a line per row: the first line and the first column name columns and
    rows, tokens with their places. Numbers with all their digits; empty where a cell is.

    The corner says what stands in rows and columns, the unit, and of a long text which part of it that is (`partial`).
    ValueError for a grid whose cells have names: it is no matrix.
    """
    if grid.names is not None:
        raise ValueError("cells with names are no matrix: take the table")
    rows, cols = headers(grid)
    corner = f"{grid.row_axis} × {grid.col_axis}: {grid.unit}"
    if (part := partial(grid)) is not None:
        corner += f" ({part})"
    cells = (["" if np.isnan(value) else value for value in row] for row in grid.z)
    return _csv([(corner, *cols), *((name, *row) for name, row in zip(rows, cells, strict=True))])


def partial(grid: Grid) -> str | None:
    """In words, what of the whole matrix of a long text a grid has: a number for several tokens each, or those of a
    window; None where it is the whole."""
    if grid.part is None:
        return grid.measure
    rows, columns = (max(end - start for start, end in pairwise(ends)) for ends in (grid.part.rows, grid.part.cols))
    if max(rows, columns) > 1:
        sizes = {"rows": thousands(rows), "columns": thousands(columns)}
        if grid.measure is None:
            return _("the whole text, each cell for up to {rows} × {columns} pairs", **sizes)
        return _(
            "the whole text, each cell for up to {rows} × {columns} pairs: {measure}", **sizes, measure=grid.measure
        )
    top, bottom, left, right = grid.part.window
    if bottom - top >= grid.part.length <= right - left:
        return None
    return _(
        "tokens {rows} by {columns} of {count}",
        rows=f"{top}–{bottom - 1}",
        columns=f"{left}–{right - 1}",
        count=grid.part.length,
    )


def headers(grid: Grid) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of rows and of columns: labels, those of tokens behind their places in the text."""
    if grid.part is not None:
        return _placed(grid.rows, grid.part.rows), _placed(grid.cols, grid.part.cols)
    single = grid.places is None  # else they are words, or something else that has places of its own
    rows = _placed(grid.rows, range(len(grid.rows))) if single and grid.selects in ("cell", "token") else grid.rows
    cols = _placed(grid.cols, range(len(grid.cols))) if single and grid.selects == "cell" else grid.cols
    return tuple(rows), tuple(cols)


def _placed(labels: Sequence[str], places: Sequence[int]) -> tuple[str, ...]:
    """Labels behind the places at which they begin, where they do not begin with these."""
    if any(end - start > 1 for start, end in pairwise(places)):
        return tuple(labels)  # of several tokens: their places
    pairs = zip(labels, places, strict=False)
    return tuple(label if re.match(rf"{place} ", label) else f"{place} {label}" for label, place in pairs)


def to_csv(table: Columns) -> str:
    """Comma-separated values as spreadsheets read them: byte order mark (without it they misread “·”), CRLF, empty for
    None, and a ' before text that they would run as a formula. Numbers in full."""
    return _csv((table.columns, *table.rows))


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerows([_cell(value) for value in row] for row in rows)
    return "\ufeff" + buffer.getvalue()


def _cell(value: str | int | float | None) -> str | int | float:
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value

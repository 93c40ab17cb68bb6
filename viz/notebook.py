"""Figures in notebooks: what a cell shows of a figure with its question and caption, without the network.

Two forms of each. Plotly's own type, which Jupyter Lab and VS Code draw by themselves. And HTML for pages that are
made of a notebook (nbconvert): its figures need plotly's script, 4.8 MB, which comes once per notebook, packed, in an
output of its own. An answer by itself stays below MOST bytes: where the whole figure is larger, its description gives a
lighter one, which says what it leaves out.
"""

import base64
import gzip
import hashlib
import html
import json
import sys
from functools import cache
from typing import Any

import plotly.graph_objects as go
import plotly.io
from plotly.offline import get_plotlyjs

from anatomy.language import _
from viz.sentences import above
from viz.theme import FONT, LIGHT

_LEAST = 560  # pixels of a figure: in narrower windows it is moved within its place
MOST = 100_000  # bytes of an answer, in all its forms together
PLOTLY = "application/vnd.plotly.v1+json"
_UNPACK = """const unpack = async (packed) => {
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
};"""
_DRAW = """<script>(async (here) => {
%s
const place = here ? here.previousElementSibling : document.getElementById("%s");
if (!window.stagelight && !window.Plotly) {
  place.textContent = %s;
  return;
}
await window.stagelight;
const {data, layout} = JSON.parse(await unpack("%s"));
Plotly.newPlot(place, data, layout, {displaylogo: false, responsive: false});
})(document.currentScript);</script>"""
_LOAD = """<script>window.stagelight ??= (async () => {
%s
if (!window.Plotly) (0, eval)(await unpack("%s"));
})();</script>"""


def size(shown: dict[str, Any]) -> int:
    """Bytes of a bundle as a notebook's file holds it."""
    return len(json.dumps(shown, ensure_ascii=False).encode())


def plotted(figure: go.Figure, title: str, caption: str) -> dict[str, Any]:
    """A plotly figure in both forms, with its question above and its caption beneath."""
    text = str(plotly.io.to_json(figure, validate=False))
    above(figure, title, caption)
    whole = json.loads(str(plotly.io.to_json(figure, validate=False)))
    name = f"stagelight-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    missing = _(
        "This figure needs plotly's script: call stagelight.script() in a cell above, and run the notebook again."
    )
    place = f'<div id="{name}" style="min-width: {_LEAST}px"></div>'
    body = place + _DRAW % (_UNPACK, name, _in_script(missing), _packed(text))
    return {PLOTLY: whole | {"config": {"displaylogo": False}}} | standing(title, caption, body)


def standing(title: str, caption: str, body: str) -> dict[str, Any]:
    """HTML between its question and its caption, on a light ground of its own, for a notebook may be dark; and both as
    plain text."""
    ground = f"background: {LIGHT.background}; color: {LIGHT.text}; padding: 12px; overflow-x: auto"
    style = f"{ground}; font: 14px/1.5 {html.escape(FONT)}"
    heading = f"<strong>{html.escape(title)}</strong>" if title else ""
    page = (
        f'<div role="figure" aria-label="{html.escape(caption)}" style="{style}">{heading}'
        f"<p>{html.escape(caption)}</p>{body}</div>"
    )
    return {"text/html": page, "text/plain": f"{title}\n{caption}".strip()}


def _in_script(words: str) -> str:
    """Words as JavaScript's, which cannot end the script that they stand in."""
    return json.dumps(words).replace("<", "\\u003c")


@cache
def _library() -> str:
    return _packed(get_plotlyjs())


def _packed(text: str) -> str:
    """Text as base64 of its gzip, the same bytes each time."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


class Script:
    """Plotly's script as a cell's output: invisible, and what the figures of a page made of the notebook need."""

    def _repr_html_(self) -> str:
        return _LOAD % (_UNPACK, _library())

    def __repr__(self) -> str:
        return "plotly's script, for the figures of this notebook"


def script() -> Script:
    """Plotly's script for this notebook, where it is to stand in a cell of your choice. Answers show it by themselves
    before the first of them."""
    _shown_in.append(_cell())
    return Script()


_shown_in: list[str | None] = []  # cells whose output holds the script


def show_script_once() -> None:
    """The script as an output of its own, in a notebook, unless another cell has it already."""
    if "ipykernel" not in sys.modules or (_shown_in and _cell() != _shown_in[-1]):
        return
    sys.modules["IPython"].display.display(script())


def _cell() -> str | None:
    """The notebook's cell that runs now: what stood in its output before is about to go. nbclient, which nbconvert runs
    notebooks with, gives cells no ids: there it is the cell's code. None outside of notebooks."""
    kernel = getattr(sys.modules["IPython"].get_ipython(), "kernel", None) if "IPython" in sys.modules else None
    parent = kernel.get_parent() if kernel is not None else {}
    return parent.get("metadata", {}).get("cellId") or parent.get("content", {}).get("code")

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

import plotly.io
from plotly.offline import get_plotlyjs

from anatomy.language import _
from viz.chips import Chips
from viz.description import Description, beneath
from viz.export import to_frame
from viz.heads import Heads
from viz.theme import FONT, LIGHT

MOST = 100_000  # bytes of an answer, in all its forms together
PLOTLY = "application/vnd.plotly.v1+json"
_UNPACK = """const unpack = async (packed) => {
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
};"""
_DRAW = """<script>(async () => {
%s
const place = document.getElementById("%s");
if (!window.stagelight && !window.Plotly) {
  place.textContent = %s;
  return;
}
await window.stagelight;
const {data, layout} = JSON.parse(await unpack("%s"));
Plotly.newPlot(place, data, layout, {displaylogo: false, responsive: false});
})();</script>"""
_LOAD = """<script>window.stagelight ??= (async () => {
%s
if (!window.Plotly) (0, eval)(await unpack("%s"));
})();</script>"""


def bundle(figure: Description | Heads, title: str, caption: str) -> dict[str, Any]:
    """What a notebook's cell shows, by mime type. BertViz's pages have only HTML, in a frame, of whatever size they
    are."""
    plain = f"{title}\n{caption}"
    if isinstance(figure, Heads):
        frame = f'<iframe srcdoc="{html.escape(to_frame(figure))}" width="100%" height="{figure.height + 24}"'
        return {"text/html": _standing(title, caption, f'{frame} style="border:0"></iframe>'), "text/plain": plain}
    if isinstance(figure, Chips):
        return {"text/html": _standing(title, caption, figure.html()), "text/plain": plain}
    shown: dict[str, Any] = {}
    for light in figure.lighter():
        shown = _bundle(light, title, caption) | {"text/plain": plain}
        if size(shown) <= MOST:
            break
    return shown


def size(shown: dict[str, Any]) -> int:
    """Bytes of a bundle as a notebook's file holds it."""
    return len(json.dumps(shown, ensure_ascii=False).encode())


def _bundle(figure: Description, title: str, caption: str) -> dict[str, Any]:
    text = str(plotly.io.to_json(figure.plotly(), validate=False))
    with_words = figure.plotly()
    beneath(with_words, caption, title)
    whole = json.loads(str(plotly.io.to_json(with_words, validate=False)))
    name = f"stagelight-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    missing = _(
        "This figure needs plotly's script: call stagelight.script() in a cell above, and run the notebook again."
    )
    body = f'<div id="{name}"></div>{_DRAW % (_UNPACK, name, _in_script(missing), _packed(text))}'
    return {PLOTLY: whole | {"config": {"displaylogo": False}}, "text/html": _standing(title, caption, body)}


def _standing(title: str, caption: str, body: str) -> str:
    """A figure between its question and its caption, on a light ground of its own: a notebook may be dark."""
    style = f"background: {LIGHT.background}; color: {LIGHT.text}; font: 14px/1.5 {html.escape(FONT)}; padding: 12px"
    return (
        f'<div role="figure" aria-label="{html.escape(caption)}" style="{style}"><strong>{html.escape(title)}</strong>'
        f"<p>{html.escape(caption)}</p>{body}</div>"
    )


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

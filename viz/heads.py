"""BertViz's own head view and model view (Vig 2019), as a page that loads nothing.

Its scripts, and the two libraries they call, are read from installed packages when a page is made: d3 5 from mpld3,
jQuery from XStatic-jQuery. BertViz itself is not imported: that would start torch and IPython.
"""

import html
import json
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from viz.theme import FONT, palette

_FILES = {
    "d3": ("mpld3", "mpld3/js/d3.v5.min.js"),
    "jquery": ("XStatic-jQuery", "xstatic/pkg/jquery/data/jquery.min.js"),
    "head": ("bertviz", "bertviz/head_view.js"),
    "model": ("bertviz", "bertviz/model_view.js"),
}
# BertViz asks require.js for its libraries; here they are already there.
_REQUIRE = "function requirejs(names, start) { start(window.jQuery, window.d3); }\n"
_NUMBERS = 'JSON.parse(document.getElementById("numbers").textContent)'
_ROOT = "bertviz"
_HEAD_ROW, _MODEL_ROW, _AROUND = 22.5, 18, 90  # pixels of a token in the two views, and beside them


@dataclass(frozen=True)
class Heads:
    """weights: [layer head pos src] of the layers shown, the same tokens on both sides.

    labels  of the tokens
    layers  their numbers in the model
    view    "head": all heads of one layer on each other; "model": a small picture per layer and head
    head    the one switched on when the head view opens
    title   of the figure
    """

    weights: Float[np.ndarray, "layer head pos src"]
    labels: tuple[str, ...]
    layers: tuple[int, ...]
    view: Literal["head", "model"]
    head: int
    title: str

    def __post_init__(self) -> None:
        shape = (len(self.layers), self.weights.shape[1], len(self.labels), len(self.labels))
        if self.weights.shape != shape:
            raise ValueError(f"weights are {self.weights.shape}, layers and labels say {shape}")

    @property
    def height(self) -> int:
        """Pixels that the view takes."""
        n, heads = len(self.labels), self.weights.shape[1]
        if self.view == "head":
            return round(_AROUND + _HEAD_ROW * n)
        small = len(self.layers) * (n * 7 * 12 / heads + 10)
        return round(_AROUND + max(small, _MODEL_ROW * n + 55))

    def body(self, dark: bool) -> str:
        """The elements that the scripts fill, and the numbers as data that cannot end their element."""
        numbers = json.dumps(self._numbers(dark), ensure_ascii=False).replace("<", "\\u003c")
        layer = 'Layer: <select id="layer"></select>' if self.view == "head" else ""
        return (
            f"<style>{_style(dark)}</style>"
            f'<div id="{_ROOT}" role="figure" aria-label="{html.escape(self.title, quote=True)}">'
            f'<span>{layer}</span><div id="vis"></div></div>'
            f'<script type="application/json" id="numbers">{numbers}</script>'
        )

    def scripts(self) -> tuple[str, ...]:
        """What runs, in order; the same for every text."""
        return (_read("d3"), _read("jquery"), _REQUIRE, _view(self.view))

    def _numbers(self, dark: bool) -> dict:
        rounded = np.round(self.weights.astype(np.float64), 3).tolist()
        return {
            "attention": [{"name": None, "attn": rounded, "left_text": self.labels, "right_text": self.labels}],
            "default_filter": "0",
            "display_mode": "dark" if dark else "light",
            "root_div_id": _ROOT,
            "layer": self.layers[0] if self.view == "head" else None,
            "heads": [self.head],
            "include_layers": self.layers,
            "include_heads": list(range(self.weights.shape[1])),
            "total_heads": self.weights.shape[1],
        }


def missing() -> str | None:
    """Which packages to install for these views, as a sentence; None when all are there."""
    absent = sorted({package for package, _ in _FILES.values() if not _installed(package)})
    if not absent:
        return None
    return f"The scripts of these views come from packages that are not installed: pip install {' '.join(absent)}."


def _installed(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True


@cache
def _read(name: str) -> str:
    """A script of an installed package, with the two sequences that end or confuse a script element broken up."""
    package, path = _FILES[name]
    script = Path(str(distribution(package).locate_file(path))).read_text(encoding="utf-8")
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


@cache
def _view(name: Literal["head", "model"]) -> str:
    """BertViz's script without the addresses of its libraries, its data taken from the page."""
    script = _read(name)
    start, end = script.find("require.config("), script.find("requirejs(")
    if not 0 <= start < end or script.count("PYTHON_PARAMS;") != 1:
        version = distribution("bertviz").version
        raise ValueError(f"bertviz {version} lays its scripts out differently: viz/heads.py was written for 1.4")
    return script[end:].replace("PYTHON_PARAMS;", f"{_NUMBERS};")


def _style(dark: bool) -> str:
    """BertViz writes its labels in black, whatever the background."""
    colours = palette(dark)
    return (
        f"#{_ROOT} {{ font: 14px {FONT}; color: {colours.text}; overflow-x: auto; }}"
        f"#{_ROOT} text {{ fill: {colours.text}; }}"
        f"#{_ROOT} svg {{ overflow: visible; }}"
    )

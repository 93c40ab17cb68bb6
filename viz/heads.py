"""BertViz's own head view, model view and neuron view (Vig 2019), as a page that loads nothing.

Its scripts, and the two libraries they call, are read from installed packages when a page is made: d3 5 from mpld3,
jQuery from XStatic-jQuery. BertViz itself is not imported: that would start torch and IPython.
"""

import html
import json
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal, NoReturn

import numpy as np
from jaxtyping import Float

from anatomy.language import _
from viz.partners import Unlike
from viz.theme import FONT

_FILES = {
    "d3": ("mpld3", "mpld3/js/d3.v5.min.js"),
    "jquery": ("XStatic-jQuery", "xstatic/pkg/jquery/data/jquery.min.js"),
    "head": ("bertviz", "bertviz/head_view.js"),
    "model": ("bertviz", "bertviz/model_view.js"),
    "neuron": ("bertviz", "bertviz/neuron_view.js"),
}
# BertViz asks require.js for its libraries; here they are already there.
_REQUIRE = "function requirejs(names, start) { start(window.jQuery, window.d3); }\n"
# Where each view asks for its numbers.
_ASKS = {"head": "PYTHON_PARAMS;", "model": "PYTHON_PARAMS;", "neuron": "window.bertviz_params\n"}
_NUMBERS = 'JSON.parse(document.getElementById("numbers").textContent)'
# The page's theme is the class of its root, which another script may have set before.
_THEMED = f"""Object.assign({_NUMBERS}, {{
  display_mode: document.documentElement.classList.contains("dark") ? "dark" : "light",
}})"""
# The neuron view wants keys for every query head: here each key/value head's stand under the heads that share it.
_SHARE = """const shared = (given) => {
  const {queries, keys} = given.attention.all, share = queries[0].length / keys[0].length;
  given.attention.all.keys = keys.map((heads) => queries[0].map((_, head) => heads[Math.floor(head / share)]));
  return given;
};
"""
# The neuron view opens folded up, with no token chosen: the pointer goes where a reader's would.
_OPEN = f"""const pos = {_NUMBERS}.pos, row = document.querySelectorAll("#collapsed #leftText > g")[pos];
row?.dispatchEvent(new MouseEvent("mouseover"));
row?.querySelectorAll("rect")[1]?.dispatchEvent(new MouseEvent("click"));
"""
_ROOT = "bertviz"
_HEAD_ROW, _MODEL_ROW, _NEURON_ROW, _AROUND = 22.5, 18, 26, 90  # pixels of a token in each view, and beside them
# BertViz writes its labels in black, whatever the background, which its neuron view makes black or white.
_STYLE = f"""
#{_ROOT} {{ font: 14px {FONT}; color: var(--text); overflow-x: auto; }}
#{_ROOT} text {{ fill: var(--text); }}
#{_ROOT} svg {{ overflow: visible; }}
#{_ROOT}#{_ROOT} {{ background: transparent !important; }}
"""
_WIDE = f"#{_ROOT} #vis {{ min-width: 1010px; }}"  # the neuron view, from its first word to its last


@dataclass(frozen=True)
class Vectors:
    """queries: [layer head pos d_head]; keys: [layer kv src d_head], one set per key/value head.

    pos     the token whose arithmetic is open
    causal  whether a token sees only those before it
    """

    queries: Float[np.ndarray, "layer head pos d_head"]
    keys: Float[np.ndarray, "layer kv src d_head"]
    pos: int
    causal: bool


@dataclass(frozen=True)
class Heads:
    """A page of BertViz's: no description, for the scripts draw it. It has neither a plotly picture nor a difference.

    weights [layer head pos src] of the layers shown, the same tokens on both sides.

    labels  of the tokens
    layers  their numbers in the model
    view    "head": all heads of one layer on each other; "model": a small picture per layer and head; "neuron": q, k
            and their products, component by component, of one head at a time
    head    the one switched on when the view opens
    title   of the figure
    neurons what the neuron view shows besides

    ValueError where shapes do not fit, or queries and keys are missing or not wanted.
    """

    weights: Float[np.ndarray, "layer head pos src"]
    labels: tuple[str, ...]
    layers: tuple[int, ...]
    view: Literal["head", "model", "neuron"]
    head: int
    title: str
    neurons: Vectors | None = None

    def __post_init__(self) -> None:
        shape = (len(self.layers), self.weights.shape[1], len(self.labels), len(self.labels))
        if self.weights.shape != shape:
            raise ValueError(f"weights are {self.weights.shape}, layers and labels say {shape}")
        if (self.neurons is None) is (self.view == "neuron"):
            raise ValueError(f"the {self.view} view {'needs' if self.view == 'neuron' else 'has no'} queries and keys")

    @property
    def height(self) -> int:
        """Pixels that the view takes."""
        n, heads = len(self.labels), self.weights.shape[1]
        if self.view == "head":
            return round(_AROUND + _HEAD_ROW * n)
        if self.view == "neuron":
            return 2 * _AROUND + 10 + _NEURON_ROW * n
        small = len(self.layers) * (n * 7 * 12 / heads + 10)
        return round(_AROUND + max(small, _MODEL_ROW * n + 55))

    def minus(self, other: object) -> NoReturn:
        """Unlike: what a script draws of each has no difference."""
        raise Unlike("BertViz's pages have no difference: take the panel attention, heads or cell")

    def body(self) -> str:
        """The elements that the scripts fill, and the numbers as data that cannot end their element."""
        numbers = json.dumps(self._numbers(), ensure_ascii=False).replace("<", "\\u003c")
        return (
            f"<style>{_STYLE}{_WIDE if self.view == 'neuron' else ''}</style>"
            f'<div id="{_ROOT}" role="figure" aria-label="{html.escape(self.title, quote=True)}">'
            f'<span>{self._selects()}</span><div id="vis"></div></div>'
            f'<script type="application/json" id="numbers">{numbers}</script>'
        )

    def scripts(self) -> tuple[str, ...]:
        """What runs, in order; the same for every text."""
        before, after = ((_SHARE,), (_OPEN,)) if self.view == "neuron" else ((), ())
        return (_read("d3"), _read("jquery"), _REQUIRE, *before, _view(self.view), *after)

    def _selects(self) -> str:
        """What the script fills with the numbers to choose from."""
        if self.view == "head":
            return f'<label>{html.escape(_("Layer:"))} <select id="layer"></select></label>'
        if self.view == "neuron":  # the script counts the layers that it is given from 0: none to choose
            layer = html.escape(_("Layer {layer}", layer=self.layers[0]))
            return f'{layer} · <label>{html.escape(_("Head:"))} <select id="att_head"></select></label>'
        return ""

    def _numbers(self) -> dict:
        rounded = np.round(self.weights.astype(np.float64), 3).tolist()
        if self.neurons is not None:
            return self._neuron_numbers(rounded, self.neurons)
        return {
            "attention": [{"name": None, "attn": rounded, "left_text": self.labels, "right_text": self.labels}],
            "default_filter": "0",
            "root_div_id": _ROOT,
            "layer": self.layers[0] if self.view == "head" else None,
            "heads": [self.head],
            "include_layers": self.layers,
            "include_heads": list(range(self.weights.shape[1])),
            "total_heads": self.weights.shape[1],
        }

    def _neuron_numbers(self, rounded: list, given: Vectors) -> dict:
        """Queries and keys with three decimals: what is drawn of them is a colour."""
        queries, keys = (np.round(each.astype(np.float64), 3).tolist() for each in (given.queries, given.keys))
        every = {"attn": rounded, "queries": queries, "keys": keys, "left_text": self.labels, "right_text": self.labels}
        return {
            "attention": {"all": every},
            "default_filter": "all",
            "bidirectional": not given.causal,
            "root_div_id": _ROOT,
            "layer": 0,
            "head": self.head,
            "pos": given.pos,
        }


def missing() -> str | None:
    """Which packages to install for these views, as a sentence; None when all are there."""
    absent = sorted({package for package, _file in _FILES.values() if not _installed(package)})
    if not absent:
        return None
    return _(
        "The scripts of these views come from packages that are not installed: pip install {packages}.",
        packages=" ".join(absent),
    )


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
def _view(name: Literal["head", "model", "neuron"]) -> str:
    """BertViz's script without the addresses of its libraries, its data taken from the page."""
    script, asks = _read(name), _ASKS[name]
    start, end = script.find("require.config("), script.find("requirejs(")
    if not 0 <= start < end or script.count(asks) != 1:
        version = distribution("bertviz").version
        raise ValueError(f"bertviz {version} lays its scripts out differently: viz/heads.py was written for 1.4")
    return script[end:].replace(asks, f"shared({_THEMED});" if name == "neuron" else f"{_THEMED};")

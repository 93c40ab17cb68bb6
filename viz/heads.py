"""BertViz's own head view, model view and neuron view (Vig 2019), as a page that loads nothing."""

import html
import json
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from jaxtyping import Float

from anatomy.language import N_, _
from viz import heads_scripts
from viz.heads_scripts import IN_A_ROW, SQUARE, View
from viz.partners import Unlike
from viz.theme import DARK, FONT, LIGHT, Palette

_ROOT = "bertviz"
_HEAD_ROW, _MODEL_ROW, _NEURON_ROW = 22.5, 18, 26  # pixels of a token in each view
_EDGE = 40  # for the sentence above a view that is wider than its place, and for its scroll bar
_WIDER = N_("The picture is wider than its place: scroll it sideways.")
# What BertViz says in English: the scripts fill the places.
_WORDS = {
    "head": N_("head {head}"),
    "heads": N_("head"),
    "layers": N_("layer"),
    "one": N_("layer {layer}, head {head}"),
    "query": N_("query"),
    "key": N_("key"),
    "weight": N_("weight"),
    "none": N_("No token is chosen"),
}


def _colours(root: str, colours: Palette) -> str:
    """The theme's colours by name: those of numbers lie within the scales, whose ends are near black."""
    named = {
        "soft": colours.soft,
        "mute": colours.muted,
        "line": colours.border,
        "accent": colours.accent,
        "below": colours.diverging[1],
        "above": colours.diverging[-2],
        "amount": colours.sequential[3],
        "kinds": " ".join(colours.categorical),
    }
    return f"{root} {{ {' '.join(f'--{name}: {value};' for name, value in named.items())} }}"


# BertViz writes its labels in black, whatever the background, which its neuron view makes black or white.
_STYLE = f"""
{_colours(":root", LIGHT)}
{_colours(":root.dark", DARK)}
#{_ROOT} {{ font: 14px {FONT}; color: var(--text); overflow-x: auto; }}
#{_ROOT} text {{ fill: var(--text); }}
#{_ROOT} svg {{ overflow: visible; display: block; }}
#{_ROOT}#{_ROOT} {{ background: transparent !important; }}
#{_ROOT} :is(#heading text, #heading tspan, #vis > svg > text:not(.detail)) {{
  fill: var(--mute) !important; font: 13px {FONT} !important;
}}
#{_ROOT} .background {{ fill: var(--soft); }}
#{_ROOT} [role="checkbox"] {{ cursor: pointer; stroke: var(--background); stroke-width: 2; }}
#{_ROOT} [role="checkbox"]:focus-visible {{ outline: 2px solid var(--accent); outline-offset: -1px; }}
#{_ROOT} [role="checkbox"] ~ text {{ font-size: 12px; text-anchor: middle; pointer-events: none; }}
#{_ROOT} .attn_background.chosen {{ stroke: var(--accent); stroke-opacity: 0.8; }}
#{_ROOT} .detail {{ cursor: pointer; }}
#{_ROOT} .hint {{ position: sticky; left: 0; margin: 0 0 4px; font-size: 12.5px; color: var(--mute); }}
"""
_WIDE = f"#{_ROOT} #vis {{ min-width: 672px; }}"  # the neuron view, from its first word to its last


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
    head    the one switched on when the view opens, or marked
    layer   the one whose head is marked in the model view; None marks none
    title   of the figure
    neurons what the neuron view shows besides

    ValueError where shapes do not fit, or queries and keys are missing or not wanted.
    """

    weights: Float[np.ndarray, "layer head pos src"]
    labels: tuple[str, ...]
    layers: tuple[int, ...]
    view: View
    head: int
    title: str
    neurons: Vectors | None = None
    layer: int | None = None

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
            return round(16 + SQUARE * -(-heads // IN_A_ROW) + 14 + _HEAD_ROW * n)
        if self.view == "neuron":
            return _EDGE + 50 + _NEURON_ROW * n
        small = len(self.layers) * (n * 7 * 12 / heads + 10)
        return round(_EDGE + max(small + 45, _MODEL_ROW * n + 55))

    def minus(self, other: object) -> NoReturn:
        """Unlike: what a script draws of each has no difference."""
        raise Unlike("BertViz's pages have no difference: take the panel attention, heads or cell")

    def body(self, driven: bool = False) -> str:
        """The elements that the scripts fill, and the numbers as data that cannot end their element.

        driven: the page around it has the choice of the head, which else the neuron view has itself.
        """
        numbers = json.dumps(self._numbers(), ensure_ascii=False).replace("<", "\\u003c")
        return (
            f"<style>{_STYLE}{_WIDE if self.view == 'neuron' else ''}</style>"
            f'<div id="{_ROOT}" role="figure" aria-label="{html.escape(self.title, quote=True)}">'
            f'{"" if driven else self._select()}<p class="hint" hidden>{html.escape(_(_WIDER))}</p>'
            f'<div id="vis"></div></div>'
            f'<script type="application/json" id="numbers">{numbers}</script>'
        )

    def scripts(self) -> tuple[str, ...]:
        """What runs, in order; the same for every text."""
        return heads_scripts.scripts(self.view)

    def _select(self) -> str:
        """What the script of the neuron view fills with the heads. No view has a choice of layers: it gets its own."""
        if self.view != "neuron":
            return ""
        layer = html.escape(_("Layer {layer}", layer=self.layers[0]))
        return f'<span>{layer} · <label>{html.escape(_("Head:"))} <select id="att_head"></select></label></span>'

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
            "chosen": None if self.layer is None else [self.layers.index(self.layer), self.head],
            "words": {name: _(word) for name, word in _WORDS.items()},
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
            "words": {name: _(word) for name, word in _WORDS.items()},
        }

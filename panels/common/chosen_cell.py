"""The cell that several panels take apart: the chosen query, the key it looks at, and what the model makes of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy.language import _
from anatomy.request import Want
from anatomy.spec import ModelSpec, RelativeBias
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.attention_row import at, row_of, wanted
from panels.common.shared import FIRST
from panels.common.snippet import PATTERNS
from viz.format import bracketed, number, quoted

_OF_TOKENS = ("q", "scores", "pattern")


@dataclass(frozen=True)
class Cell:
    """One query and one key of a head, in float64.

    pos, src       positions of the token that looks and of the one looked at
    group          key/value head that the query head reads
    q, k           after rotation, as the model multiplies them
    score, weight  the model's own (logit, probability): −∞ and 0 where masked
    """

    pos: int
    src: int
    group: int
    q: Float[np.ndarray, " d_head"]
    k: Float[np.ndarray, " d_head"]
    score: float
    weight: float


def wants(view: Fitted) -> Sequence[Want]:
    """What `cell_of` reads: of a long text the chosen token's query, scores and weights, and every key."""
    return (*(wanted(view, site) for site in _OF_TOKENS), Want("k", view.layer))


def cell_of(trace: Trace, view: Fitted) -> Cell:
    """The chosen cell; where no key is chosen the one that gets most, as in the attention map."""
    row = row_of(trace, view)
    src = row.pos if row.src is None else row.src
    group = group_of(trace.spec, view)
    return Cell(
        pos=row.pos,
        src=src,
        group=group,
        q=at(trace, view, "q")[view.head].astype(np.float64),
        k=trace[Want("k", view.layer)][group, src].astype(np.float64),
        score=float(row.scores[src]),
        weight=float(row.pattern[src]),
    )


def group_of(spec: ModelSpec, view: Fitted) -> int:
    """Key/value head that the chosen query head reads."""
    return view.head // (spec.n_heads // spec.n_kv)


def rule(spec: ModelSpec, layer: int) -> str:
    """What goes into the softmax, in symbols: q·k / √d, or as this model has it."""
    return Factor.of(spec, layer).symbols("d") + (" + b" if isinstance(spec.position, RelativeBias) else "")


@dataclass(frozen=True)
class Factor:
    """What a layer multiplies q·k with to give a score.

    value  the number itself
    width  d_head, where the number is 1 / √d_head (Vaswani et al. 2017, sec. 3.2.1), or that over `times`; None for
           another
    times  what √d_head is multiplied with: the layer's number, from 1 on, in some of GPT-2's kind; else 1
    """

    value: float
    width: int | None
    times: int = 1

    @classmethod
    def of(cls, spec: ModelSpec, layer: int) -> "Factor":
        """The factor of one layer."""
        value, usual = spec.scale(layer), 1 / math.sqrt(spec.d_head)
        times = layer + 1 if math.isclose(value * (layer + 1), usual, rel_tol=1e-9) else 1
        return cls(value, spec.d_head, times) if math.isclose(value * times, usual, rel_tol=1e-9) else cls(value, None)

    @property
    def usual(self) -> bool:
        """It is 1 / √d_head and nothing else."""
        return self.width is not None and self.times == 1

    def symbols(self, width: str = "") -> str:
        """How a score begins: q·k / √64, q·k, or q·k × 0.0589. width: what stands in place of its number."""
        if self.width is not None:
            root = f"√{width or self.width}"
            return f"q·k / {root}" if self.times == 1 else f"q·k / ({self.times} · {root})"
        return "q·k" if self.value == 1 else f"q·k × {number(self.value)}"

    def written(self, dot: float) -> str:
        """The same with a number for q·k: 12.3 / 8.00, 12.3, or 12.3 × 0.0589."""
        if self.width is not None:
            return f"{number(dot)} / {number(self.times * math.sqrt(self.width))}"
        return number(dot) if self.value == 1 else f"{number(dot)} × {number(self.value)}"


def biases(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The wanted numbers that the model adds to the scores for the distance; none where it adds nothing."""
    return (wanted(view, "pos_bias"),) if isinstance(spec.position, RelativeBias) else ()


@dataclass(frozen=True)
class Scored:
    """The chosen row's scores before the mask, as q, k and the model's own rule give them: logits in float64.

    dots    q·k                                                     [src]
    factor  what it is multiplied with
    added   for the distance, where the model adds something        [src]
    """

    dots: Float[np.ndarray, " src"]
    factor: Factor
    added: Float[np.ndarray, " src"] | None

    @property
    def values(self) -> Float[np.ndarray, " src"]:
        """The scores themselves: q·k / √d_head (Vaswani et al. 2017, sec. 3.2.1), or as this model has it."""
        scaled = self.dots * self.factor.value
        return scaled if self.added is None else scaled + self.added

    @property
    def rule(self) -> str:
        """How a score is made, in symbols, with its numbers put in: q·k / √64, or q·k + b."""
        return self.factor.symbols() + ("" if self.added is None else " + b")

    def written(self, src: int) -> str:
        """One key's score with its numbers: 12.3 / 8.00 = 1.54."""
        more = "" if self.added is None else f" + {bracketed(float(self.added[src]))}"
        terms = f"{self.factor.written(float(self.dots[src]))}{more}"
        return terms if terms == number(float(self.values[src])) else f"{terms} = {number(float(self.values[src]))}"


def scored(trace: Trace, view: Fitted) -> Scored:
    """The scores of the chosen token in the chosen head with every key, masked or not."""
    query = at(trace, view, "q")[view.head].astype(np.float64)  # [d_head]
    dots = trace[Want("k", view.layer)][group_of(trace.spec, view)].astype(np.float64) @ query  # [src]
    biased = isinstance(trace.spec.position, RelativeBias)
    bias = at(trace, view, "pos_bias")[view.head].astype(np.float64) if biased else None
    return Scored(dots, Factor.of(trace.spec, view.layer), bias)


def place(trace: Trace, view: Fitted, cell: Cell) -> str:
    """Which cell it is, as the first line of a formula: layer 17, head 5: “·of” → “·France”."""
    looking, looked = quoted(trace.tokens[cell.pos].label), quoted(trace.tokens[cell.src].label)
    return _(
        "layer {layer}, head {head}: {looking} → {looked}",
        layer=view.layer,
        head=view.head,
        looking=looking,
        looked=looked,
    )


def scaled(spec: ModelSpec, layer: int) -> str:
    """What follows q @ k in a program."""
    factor = Factor.of(spec, layer)
    if factor.usual:
        return f" / {factor.width} ** 0.5"
    return "" if factor.value == 1 else f" * {factor.value!r}"


def snippet(view: Fitted) -> str:
    """Python after `opening`: leaves q, k, v, z of the layer, the head's `group`, `pos` and `src` of the cell."""
    return f"""{_src(view)}{KEEP}
q, k, v, z = kept[{view.layer}]
group = {view.head} // (q.shape[0] // k.shape[0])
pos, src = {view.pos}, {"src" if view.src is None else view.src}
"""


def _src(view: Fitted) -> str:
    """The key that gets most, where the reader chose none."""
    if view.src is not None:
        return ""
    row = f"attentions[{view.layer}][0, {view.head}, {view.pos}]"
    if view[FIRST]:
        return f"{PATTERNS}row = {row}\nsrc = {_MOST}\n"
    if not view.pos:
        return "src = 0\n"
    return f"{PATTERNS}row = {row}[1:]  # the first token left out\nsrc = 1 + {_MOST}\n"


_MOST = "int((row >= row.max() * (1 - 1e-6)).nonzero()[0])  # the first of those that get most"


KEEP = """
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

kept = []  # of every layer: q [head, pos, d_head], k and v [kv, src, d_head], z [pos, head, d_head]


def keep(module, q, k, v, mask, **more):
    z, weights = sdpa_attention_forward(module, q, k, v, mask, **more)
    kept.append((q[0], k[0], v[0], z[0]))
    return z, weights


AttentionInterface.register("keep", keep)
AttentionMaskInterface.register("keep", sdpa_mask)
model.set_attn_implementation("keep")
with torch.no_grad():
    model(**inputs)
"""

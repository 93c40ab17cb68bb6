"""The cell that several panels take apart: the chosen query, the key it looks at, and what the model makes of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy.request import Want
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.attention_row import row_of
from panels.heads_snippet import PATTERNS
from panels.shared import FIRST
from viz.format import quoted

_SITES = ("q", "k", "scores", "pattern")


@dataclass(frozen=True)
class Cell:
    """One query and one key of a head, in float64.

    pos, src       positions of the token that looks and of the one looked at
    group          key/value head that the query head reads
    q, k           after rotation, as the model multiplies them
    score, weight  the model's own: −∞ and 0 where masked
    """

    pos: int
    src: int
    group: int
    q: Float[np.ndarray, " d_head"]
    k: Float[np.ndarray, " d_head"]
    score: float
    weight: float


def wants(view: Fitted) -> Sequence[Want]:
    """What `cell_of` reads."""
    return tuple(Want(site, view.layer) for site in _SITES)


def cell_of(trace: Trace, view: Fitted) -> Cell:
    """The chosen cell; where no key is chosen the one that gets most, as in the attention map."""
    row = row_of(trace, view)
    src = row.pos if row.src is None else row.src
    group = view.head // (trace.spec.n_heads // trace.spec.n_kv)
    return Cell(
        pos=row.pos,
        src=src,
        group=group,
        q=trace[Want("q", view.layer)][view.head, row.pos].astype(np.float64),
        k=trace[Want("k", view.layer)][group, src].astype(np.float64),
        score=float(row.scores[src]),
        weight=float(row.pattern[src]),
    )


def place(trace: Trace, view: Fitted, cell: Cell) -> str:
    """layer 17, head 5: “·of” → “·France”."""
    looking, looked = quoted(trace.labels[cell.pos]), quoted(trace.labels[cell.src])
    return f"layer {view.layer}, head {view.head}: {looking} → {looked}"


def snippet(view: Fitted) -> str:
    """Python after `opening`: leaves q, k, v, z of the layer, the head's `group`, `pos` and `src` of the cell."""
    return f"""{_src(view)}{_KEEP}
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
        return f"{PATTERNS}src = int({row}.argmax())\n"
    return f"{PATTERNS}src = 1 + int({row}[1:].argmax())  # the first token left out\n" if view.pos else "src = 0\n"


_KEEP = """
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

"""What every head of every layer does on a text, in scores: what the overview of all heads is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from jaxtyping import Float, Int, UInt8

from anatomy.measure import max_pool
from anatomy.request import Want
from anatomy.trace import Token, Trace
from anatomy.view import Fitted
from panels.attention.head_kinds import KINDS, MAPS, HeadKind, opening_show, shown
from panels.attention.head_order import ORDER, SCORE, Ranking
from panels.common.attention_row import at, is_long, wanted
from viz.scale import ceiling

SMALL_MAPS = Want("head_maps")
_MOST_BYTES = 180_000  # of all small maps


@dataclass(frozen=True)
class HeadScores:
    """The scores of every head on the text, and the chosen head's own weights.

    kind         the score on the cells; for the small maps the one that explains most of what they show
    instead      whether this opens instead of copying, of which the text has no case
    every        each kind's scores, by its slug; NaN where the text offers no case
    maps         a small map of each head's weights, 255 = 1; None where scores are shown
    in_order     whether the heads stand in the order of that score instead of by layer
    sharing      query heads that share a key/value head
    layer, head  the chosen head
    pos, tokens  the chosen token, and all of the text
    alone        whether the weights are the chosen token's alone: of a long text
    pattern      the chosen head's weights (probability)
    """

    kind: HeadKind
    instead: bool
    every: Mapping[str, Float[np.ndarray, "layer head"]]
    maps: UInt8[np.ndarray, "layer head row col"] | None
    in_order: bool
    sharing: int
    layer: int
    head: int
    pos: int
    tokens: Sequence[Token]
    alone: bool
    pattern: Float[np.ndarray, "row src"]

    @property
    def values(self) -> Float[np.ndarray, "layer head"]:
        """The scores on the cells."""
        return self.every[self.kind.slug]

    @cached_property
    def ranking(self) -> Ranking:
        """The heads in the order of that score."""
        return Ranking(self.values)

    @cached_property
    def high(self) -> float:
        """The end of the colour scale: 1 for the small maps, else the next round number above the highest score."""
        if self.maps is not None or np.isnan(self.values).all():
            return 1.0
        return ceiling(float(np.nanmax(self.values)))

    @cached_property
    def ids(self) -> Int[np.ndarray, " pos"]:
        """Vocabulary ids of the text's tokens."""
        return np.array([token.id for token in self.tokens])


def read(trace: Trace, view: Fitted) -> HeadScores:
    """Every kind's scores, the small maps where they are shown, and the weights of the chosen head."""
    maps, alone = shown(view) == MAPS, is_long(view)
    return HeadScores(
        kind=KINDS["first" if maps else shown(view)],
        every={slug: trace[kind.want] for slug, kind in KINDS.items()},
        instead=shown(view) == opening_show(view).opens,
        maps=_small(trace) if maps else None,
        in_order=view[ORDER] == SCORE,
        sharing=trace.spec.n_heads // trace.spec.n_kv,
        layer=view.layer,
        head=view.head,
        pos=view.pos,
        tokens=trace.tokens,
        alone=alone,
        pattern=at(trace, view, "pattern")[view.head][None] if alone else trace[wanted(view, "pattern")][view.head],
    )


def _small(trace: Trace) -> UInt8[np.ndarray, "layer head row col"]:
    """The small maps, of a model with very many heads in larger cells: all together they have to travel."""
    maps = trace[SMALL_MAPS]
    side = maps.shape[-1]
    while side > 1 and _packed_size(maps.shape[:2], side, trace.spec.stack().causal) > _MOST_BYTES:
        side = -(-side // 2)
    return max_pool(maps, side)


def _packed_size(heads: Sequence[int], side: int, causal: bool) -> int:
    """Bytes of the small maps on the wire: of causal ones the cells above the diagonal, all 0, stay behind."""
    return prod(heads) * (side * (side + 1) // 2 if causal else side * side)

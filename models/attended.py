"""How one layer's attention was called: enough to form its scores and weights, all at once or a few rows at a time.

A map of 8,192 tokens takes 268 MB a head. Whatever can be worked out from its rows is worked out from tiles of them,
so that a whole map is never held. Where nothing after a token is looked at, a tile ends with the last token that it can
see.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

CELLS = 1 << 21  # weights in a tile, of all its heads: 8 MB


@dataclass(frozen=True)
class Tile:
    """Rows of attention: weights[head, i, j] is what token first + i gives token j; past the last column all are 0."""

    first: int
    weights: Float[Tensor, "head row src"]


@dataclass(frozen=True)
class Attended:
    """Queries, keys, and what else the scores are made of.

    mask    True where a token may look; None: everywhere or, when causal, at itself and what stands before it
    bias    added to the scores, or None
    scaling factor on q·k; None: 1 / √d_head
    """

    query: Float[Tensor, "head pos d_head"]
    key: Float[Tensor, "kv src d_head"]
    mask: Bool[Tensor, "h pos src"] | None
    scaling: float | None
    causal: bool
    bias: Float[Tensor, "head pos src"] | None = None

    @cached_property
    def whole(self) -> Float[Tensor, "head pos src"]:
        """The weights of all heads; formed once."""
        return self.weights(0, self.query.shape[1])

    def scores(self, first: int, end: int, head: int | None = None) -> Float[Tensor, "head row src"]:
        """Scores of the tokens from `first` to before `end`, of one head [1 row src] or of all; every column."""
        return self._scores(first, end, head, self.key.shape[1])

    def weights(self, first: int, end: int, head: int | None = None) -> Float[Tensor, "head row src"]:
        """Their softmax, likewise."""
        return self.scores(first, end, head).softmax(dim=-1, dtype=torch.float32)

    def tiles(self, head: int | None = None, first: int = 0, end: int | None = None) -> Iterator[Tile]:
        """The weights of these rows, tile by tile, of one head or of all. A text that fits in a tile comes as one."""
        pos, src = self.query.shape[1], self.key.shape[1]
        last = pos if end is None else end
        rows = max(1, CELLS // (src * (1 if head is not None else len(self.query))))
        if head is None and first == 0 and rows >= last == pos:
            yield Tile(0, self.whole)
            return
        for start in range(first, last, rows):
            stop = min(start + rows, last)
            width = stop if self.causal and self.mask is None else src
            scores = self._scores(start, stop, head, width)
            yield Tile(start, scores.softmax(dim=-1, dtype=torch.float32))

    def _scores(self, first: int, end: int, head: int | None, width: int) -> Float[Tensor, "head row src"]:
        """q·k scaled (Vaswani et al. 2017, sec. 3.2.1) and biased, −inf where the mask is False or, without a mask,
        where causal attention may not look. Query head h reads key/value head h // (head / kv) (GQA, Ainslie et al.
        2023)."""
        group = len(self.query) // len(self.key)
        heads = slice(None) if head is None else slice(head, head + 1)
        query = self.query[heads, first:end]
        key = (self.key if head is None else self.key[head // group, None])[:, :width].transpose(1, 2)
        shared = query.unflatten(0, (len(key), -1))  # [kv group row d_head]
        scale = query.shape[-1] ** -0.5 if self.scaling is None else self.scaling
        zero = query.new_zeros(1, 1, 1)
        scores = torch.baddbmm(zero, shared.flatten(1, 2), key, alpha=scale)  # [kv group·row src]
        scores = scores.unflatten(1, shared.shape[1:3]).flatten(0, 1)
        if self.bias is not None:
            scores += self.bias[heads, first:end, :width]
        return self._barred(scores, first, heads)

    def _barred(self, scores: Float[Tensor, "head row src"], first: int, heads: slice) -> Float[Tensor, "head row src"]:
        """Scores of rows from `first` on, −inf where they may not look; changed in place."""
        rows, width = scores.shape[1:]
        if self.mask is not None:
            mask = self.mask[heads if len(self.mask) > 1 else slice(None), first : first + rows, :width]
            scores.masked_fill_(~mask, -torch.inf)
        elif self.causal:  # the columns before `first` are seen by all of these rows
            scores[:, :, first:].masked_fill_(torch.ones(rows, width - first, dtype=torch.bool).triu(1), -torch.inf)
        return scores

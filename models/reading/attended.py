"""How one layer's attention was called: enough to form its scores and weights, all at once or a few rows at a time.

A map of 8,192 tokens takes 268 MB a head. Whatever can be worked out from its rows is worked out from tiles of them,
so that a whole map is never held. Where nothing after a token is looked at, a tile ends with the last token that it can
see. Scores are formed for a block of rows, because a matrix product likes many; what follows takes a few rows of the
block at a time, so that they stay in the processor's own cache from one step to the next.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import threshold

from anatomy.rounding import FRACTION

CELLS = 1 << 19  # weights in a tile, of all its heads: 2 MB
ROWS = 64  # of a block; a text of at most twice as many is one block
_FAR = 80.0  # below the best score of a row, from which on a weight is 0; an exponential that underflows is slow
_BARRED = -1e30  # score of what may not be looked at
# (weights of some rows, the first of them, the head or None for all) → the weights as a change leaves them
OfWeights = Callable[[Tensor, int, int | None], Tensor]


@dataclass(frozen=True)
class Tile:
    """Rows of attention: weights[head, i, j] is the probability that token first + i gives token j; past the last
    column all are 0.

    exponents  scores minus the largest of their row, −80 at least
    totals     Σ exp(exponents) of each row, by which the weights are divided
    shared     what exponents and totals are of, where a change leaves weights that are no distribution: their sizes as
               shares of their row (`shares_of`); None: the weights themselves
    """

    first: int
    weights: Float[Tensor, "head row src"]
    exponents: Float[Tensor, "head row src"]
    totals: Float[Tensor, "head row"]
    shared: Float[Tensor, "head row src"] | None = None

    @property
    def shares(self) -> Float[Tensor, "head row src"]:
        """Each row as a distribution, of which entropies are; all 0 where all of its weights are."""
        return self.weights if self.shared is None else self.shared

    @cached_property
    def entropy(self) -> Float[Tensor, " head"]:
        """Σ over the rows of −Σ p log p, in nats: log p is exponent − log total, no logarithm of a weight is taken. A
        row of zeros has 0."""
        pairs = zip(self.shares.flatten(1), self.exponents.flatten(1), strict=True)
        return self.totals.log().sum(-1) - torch.stack([torch.dot(*pair) for pair in pairs])


@dataclass(frozen=True)
class Attended:
    """Queries, keys, and what else the scores are made of; of a model in half precision its own numbers in float32, in
    which scores and weights are formed.

    mask    True where a token may look, h 1 where heads share it; None: everywhere or, when causal, at itself and what
            stands before it
    bias    added to the scores, or None
    scaling factor on q·k; None: 1 / √d_head
    change  what becomes of the weights in a run in which they are changed; None: they are the softmax of the scores
    """

    query: Float[Tensor, "head pos d_head"]
    key: Float[Tensor, "kv src d_head"]
    mask: Bool[Tensor, "h pos src"] | None
    scaling: float | None
    causal: bool
    bias: Float[Tensor, "head pos src"] | None = None
    change: OfWeights | None = None

    @property
    def simple(self) -> bool:
        """Nothing but queries and keys make the weights."""
        return self.mask is None and self.bias is None and self.change is None

    @property
    def factor(self) -> float:
        """What q·k is multiplied with."""
        return self.query.shape[-1] ** -0.5 if self.scaling is None else self.scaling

    @property
    def sizes(self) -> Float[Tensor, "head pos 1"]:
        """Of each row of scores, the size of the numbers that its largest is added up of: Σ |q·k| scaled, and |bias|.
        A score of float32 may be off by a share of that."""
        of_head = self.key.abs().repeat_interleave(len(self.query) // len(self.key), 0)  # [head src d_head]
        sums = self.query.abs() @ of_head.transpose(1, 2) * abs(self.factor)  # [head pos src]
        return (sums if self.bias is None else sums + self.bias.abs()).amax(-1, keepdim=True)

    def like(self, other: "Attended") -> bool:
        """Scores are formed in the same way, so that the two may be taken together."""
        return self.simple and other.simple and (self.scaling, self.causal) == (other.scaling, other.causal)

    @cached_property
    def scored(self) -> Float[Tensor, "head pos src"]:
        """The scores of all heads; formed once, and then held."""
        return self.scores(0, self.query.shape[1])

    @cached_property
    def whole(self) -> Float[Tensor, "head pos src"]:
        """The weights of all heads; formed once, from the scores where those are held."""
        held = vars(self).get("scored")
        if held is None or self.change is not None:
            return self.weights(0, self.query.shape[1])
        return held.softmax(dim=-1, dtype=torch.float32)

    def scores(self, first: int, end: int, head: int | None = None) -> Float[Tensor, "head row src"]:
        """Scores of the tokens from `first` to before `end`, of one head [1 row src] or of all; every column."""
        return self._scores(first, end, head, self.key.shape[1])

    def weights(self, first: int, end: int, head: int | None = None) -> Float[Tensor, "head row src"]:
        """Their softmax, likewise: probabilities."""
        weights = self.scores(first, end, head).softmax(dim=-1, dtype=torch.float32)
        return weights if self.change is None else self.change(weights, first, head)

    def allowed(self, first: int, end: int, head: int | None = None) -> Bool[Tensor, "h row src"]:
        """True where the tokens from `first` to before `end` may look; h is 1 where all heads share it."""
        src = self.key.shape[1]
        if self.mask is not None:
            heads = slice(None) if head is None or len(self.mask) == 1 else slice(head, head + 1)
            return self.mask[heads, first:end, :src]
        every = torch.ones(1, end - first, src, dtype=torch.bool)
        return every.tril_(first) if self.causal else every

    def tiles(self, head: int | None = None, first: int = 0, end: int | None = None) -> Iterator[Tile]:
        """The weights of these rows, tile by tile, of one head or of all. Each lasts until the next is asked for."""
        pos, src = self.query.shape[1], self.key.shape[1]
        last = pos if end is None else end
        if self.change is not None:
            yield from self._changed_tiles(head, first, last)
            return
        heads = len(self.query) if head is None else 1
        at_once = min(last - first, pos if pos <= 2 * ROWS else ROWS)
        room = self.query.new_empty(heads * at_once * src)  # the same for every block: fresh memory costs time
        for start in range(first, last, at_once):
            stop = min(start + at_once, last)
            width = stop if self.causal and self.mask is None else src
            scores = self._scores(start, stop, head, width, _BARRED, room).float()
            number = -(-heads * (stop - start) * width // CELLS)  # of tiles in this block
            row = start
            for rows in scores.split(-(-(stop - start) // number), 1):
                yield _tile(row, rows)
                row += rows.shape[1]

    def _changed_tiles(self, head: int | None, first: int, last: int) -> Iterator[Tile]:
        """The same where the weights are not the softmax of the scores: the exponents are the shares' logarithms."""
        src, heads = self.key.shape[1], len(self.query) if head is None else 1
        at_once = max(1, min(ROWS, CELLS // (heads * src)))
        for start in range(first, last, at_once):
            end = min(start + at_once, last)
            width = end if self.causal and self.mask is None else src
            weights = self.weights(start, end, head)[..., :width]
            shares = shares_of(weights)
            exponents = shares.log().clamp(min=-_FAR)  # 0 · log 0 counts as 0
            yield Tile(start, weights, exponents, weights.new_ones(weights.shape[:2]), shares)

    def _scores(
        self, first: int, end: int, head: int | None, width: int, barred: float = -torch.inf, room: Tensor | None = None
    ) -> Float[Tensor, "head row src"]:
        """q·k scaled (Vaswani et al. 2017, sec. 3.2.1) and biased; `barred` where the mask is False or, without a mask,
        where causal attention may not look. Query head h reads key/value head h // (head / kv) (GQA, Ainslie et al.
        2023). room: memory to write them into."""
        group = len(self.query) // len(self.key)
        heads = slice(None) if head is None else slice(head, head + 1)
        query = self.query[heads, first:end]
        key = (self.key if head is None else self.key[head // group, None])[:, :width].transpose(1, 2)
        shared = query.unflatten(0, (len(key), -1))  # [kv group row d_head]
        zero, rows = query.new_zeros(1, 1, 1), shared.flatten(1, 2)
        out = None if room is None else room[: len(key) * rows.shape[1] * width].view(len(key), -1, width)
        scores = torch.baddbmm(zero, rows, key, beta=0, alpha=self.factor, out=out)  # [kv group·row src]
        scores = scores.unflatten(1, shared.shape[1:3]).flatten(0, 1)
        if self.bias is not None:
            scores += self.bias[heads, first:end, :width]
        return self._bar(scores, first, heads, barred)

    def _bar(
        self, scores: Float[Tensor, "head row src"], first: int, heads: slice, barred: float
    ) -> Float[Tensor, "head row src"]:
        """Scores of rows from `first` on, `barred` where they may not look; changed in place."""
        rows, width = scores.shape[1:]
        if self.mask is not None:
            mask = self.mask[heads if len(self.mask) > 1 else slice(None), first : first + rows, :width]
            scores.masked_fill_(~mask, barred)
        elif self.causal:  # the columns before `first` are seen by all of these rows
            scores[:, :, first:] += torch.full((rows, width - first), barred, dtype=scores.dtype).triu_(1)
        return scores


def _tile(first: int, scores: Float[Tensor, "head row src"]) -> Tile:
    """The softmax of some rows, its steps one by one; the scores are changed in place."""
    scores.sub_(scores.amax(-1, keepdim=True)).clamp_(min=-_FAR)
    weights = threshold(scores.exp(), 2 * math.exp(-_FAR), 0.0, inplace=True)
    totals = weights.sum(-1)  # [head row]
    weights *= totals.reciprocal()[..., None]
    return Tile(first, weights, scores, totals)


def shares_of(weights: Float[Tensor, "head row src"]) -> Float[Tensor, "head row src"]:
    """|w| / Σ |w| of each row, in any run a distribution: weights that are one are themselves to the last bit, a row of
    zeros stays one. What a run's weights are below 0 or times a factor counts by its size."""
    sizes = weights.abs()
    totals = sizes.sum(-1, keepdim=True)
    one = ((totals - 1).abs() <= FRACTION) | (totals == 0)  # no more than the softmax's own rounding
    return sizes / torch.where(one, 1.0, totals)


def together(several: Sequence[Attended]) -> Attended:
    """Several layers' attention as one with the heads of all, the first layer's first. ValueError where a mask, a bias
    or a scale belongs to one of them."""
    if not all(attended.like(several[0]) for attended in several):
        raise ValueError(
            "attention with a mask, bias or scale of its own cannot be taken together with another layer's"
        )
    query, key = (torch.cat([getattr(one, name) for one in several]) for name in ("query", "key"))
    return Attended(query, key, None, several[0].scaling, several[0].causal)

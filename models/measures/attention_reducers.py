"""What is kept of a layer's attention: kinds of heads, how far they look, small maps. Worked out tile by tile.

The torch counterparts of `anatomy.measure`, which they are tested against. A reducer takes the tiles of one layer in
any order and gives, at the end, one row for each of its sites.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from anatomy.measure import LOCAL, edges
from anatomy.rounding import FRACTION
from models.reading.attended import Tile

MAP_SIDE = 32  # cells on a side of a thumbnail of attention
# Tokens, at most, of a text of which what each pair counts for is kept from layer to layer: 16 MB where tiles end with
# the last token that they can see, 29 MB where they are as wide as the text.
KEPT = 1024
FEW = 8  # cells that are pooled one by one
_CHUNK = 1 << 14  # cells of all heads that are compared at a time: what stands between stays in the processor's cache
_TINY = 1e-30  # too small to change any weight that counts
KINDS = ("previous", "first", "local", "duplicate", "induction", "later", "distance", "entropy")
_DISTANCE = KINDS.index("distance")


@dataclass(frozen=True)
class Text:
    """The tokens, and what head scores need of them, worked out once for all layers where the text is one tile."""

    ids: Int[np.ndarray, " pos"]

    @cached_property
    def rows(self) -> Float[Tensor, " kind"]:
        """How many tokens offer a case of each of KINDS: what its sum is divided by. NaN for none."""
        n = len(self.ids)
        copied = np.isin(self.ids, _repeated(self.ids)).sum()
        counts = (n - 1, n - 1, n - 1 - LOCAL, copied, _led(self.ids), n, n - 1, n)
        return torch.tensor([count if count > 0 else np.nan for count in counts], dtype=torch.float64)

    def pairs(self, tile: Tile) -> Float[Tensor, "kind pairs"]:
        """What each (row, src) of a tile counts for in the sums of KINDS[:-1]. Of a short text all are kept."""
        rows, columns = tile.weights.shape[1:]
        if len(self.ids) > KEPT:
            return self._pairs(tile.first, rows, columns)
        place = (tile.first, rows, columns)
        if place not in self._kept:
            self._kept[place] = self._pairs(*place)
        return self._kept[place]

    def _pairs(self, first: int, rows: int, columns: int) -> Float[Tensor, "kind pairs"]:
        counts = torch.zeros(len(KINDS) - 1, rows, columns)
        previous, start, local, copies, led, later, distance = counts
        own = slice(first, first + rows)
        previous.diagonal(first - 1).fill_(1.0) if first else previous[1:].diagonal().fill_(1.0)
        start[:, 0] = 1.0
        local.fill_(1.0).triu_(first - LOCAL).tril_(first + LOCAL)
        local[: max(0, LOCAL + 1 - first)] = 0.0  # rows that may look at little else
        copies.copy_(self._ids[:columns]).eq_(self._ids[own, None])  # numbers, not truths: that is quicker
        led[:, 1:].copy_(copies[:, :-1]).gt_(copies[:, 1:])  # what followed the same token, and is another one
        led.tril_(first)  # and stood there before
        copies.diagonal(first).zero_()  # the token itself is no other place
        later.fill_(1.0).triu_(first + 1)
        torch.sub(self._places[:columns], self._places[own, None], out=distance).abs_()
        counts[[1, 6], : max(0, 1 - first)] = 0.0  # the first token can look at nothing before it
        return counts.flatten(1)

    @cached_property
    def _ids(self) -> Float[Tensor, " pos"]:
        return torch.from_numpy(np.unique(self.ids, return_inverse=True)[1]).float()  # numbered anew: exact as floats

    @cached_property
    def _places(self) -> Float[Tensor, " pos"]:
        return torch.arange(len(self.ids), dtype=torch.float32)

    @cached_property
    def _kept(self) -> dict[tuple[int, int, int], Float[Tensor, "kind pairs"]]:
        """By first row, rows and columns: the tiles of every layer are cut alike."""
        return {}


def _repeated(ids: Int[np.ndarray, " pos"]) -> Int[np.ndarray, " id"]:
    """The tokens that stand in the text more than once."""
    tokens, counts = np.unique(ids, return_counts=True)
    return tokens[counts > 1]


def _led(ids: Int[np.ndarray, " pos"]) -> int:
    """Places whose token stood in the text before and was followed by another one there."""
    followed: set[int] = set()
    led = 0
    for place, token in enumerate(ids.tolist()):
        if place and ids[place - 1] != token:
            followed.add(int(ids[place - 1]))
        led += token in followed
    return led


@dataclass(frozen=True)
class Moved:
    """Length of what each value adds through each head's part of the output projection when its weight is 1.

    arrives  how much of it arrives at each position; None: all of it, as in every run whose writes are not changed
    """

    lengths: Float[Tensor, "head src"]
    arrives: Float[Tensor, "head pos"] | None = None

    def by(self, weights: Float[Tensor, "head row src"], first: int, head: int | None = None) -> Tensor:
        """Lengths of what these weights of the rows from `first` on move: [head row src]. head: whose alone."""
        heads = slice(None) if head is None else slice(head, head + 1)
        brought = (weights * self.lengths[heads, None, : weights.shape[2]]).abs_()
        if self.arrives is None:
            return brought
        return brought * self.arrives[heads, first : first + weights.shape[1], None]


class StreamingReducer(Protocol):
    """Takes the tiles of one layer's attention, gives a row for each of its sites."""

    def add(self, tile: Tile) -> None:
        """Take in one tile; each row of attention comes once, in any order."""
        ...

    def done(self) -> tuple[np.ndarray, ...]:
        """A row for each site, once every tile has been added."""
        ...


class HeadScores:
    """`anatomy.measure.head_scores`, in the order of KINDS."""

    def __init__(self, text: Text, heads: int) -> None:
        self._text = text
        self._sums = torch.zeros(len(KINDS), heads, dtype=torch.float64)

    def add(self, tile: Tile) -> None:
        """Sums of weights × what each pair counts for, and of entropies."""
        pairs = self._text.pairs(tile)
        sums = pairs @ tile.weights.flatten(1).T  # [kind head]
        if tile.shared is not None:
            sums[_DISTANCE] = tile.shared.flatten(1) @ pairs[_DISTANCE]
        self._sums += torch.cat([sums, tile.entropy[None]])

    def done(self) -> tuple[Float[np.ndarray, " head"], ...]:
        """The means."""
        return tuple((self._sums / self._text.rows[:, None]).float().numpy())


class Apart:
    """`anatomy.measure.apart`, in nats: every pair of heads once, those equally far apart in their order at a time.

    The mean over rows of differences of entropies is the difference of sums over all cells, so rows need not be kept
    apart. With s = p + q the entropy of (p + q) / 2 is ½ log 2 · Σ s − ½ Σ s log s. Weights that are no distribution
    count by their sizes, as shares of their row; a row of zeros is itself, and 0 far from another one.
    """

    def __init__(self, text: Text, heads: int) -> None:
        self._rows, self._total = len(text.ids), torch.zeros(heads, dtype=torch.float64)

    def add(self, tile: Tile) -> None:
        """The divergence of every pair, summed over these rows."""
        heads = len(tile.weights)
        rows = _that_read(tile).repeat(2)
        pairs = [(step, heads if 2 * step < heads else heads // 2) for step in range(1, heads // 2 + 1)]
        totals = [torch.zeros(count, dtype=torch.float64) for _step, count in pairs]  # Σ s log s
        for cells in tile.shares.flatten(1).split(_CHUNK, 1):
            twice = cells.repeat(2, 1).add_(_TINY)  # 0 · log 0 counts as 0
            for total, (step, count) in zip(totals, pairs, strict=True):
                summed = twice[:count] + twice[step : step + count]  # [pair cell]
                total += summed.log().mul_(summed).sum(-1)
        own = tile.entropy.double().repeat(2)
        for total, (step, count) in zip(totals, pairs, strict=True):
            read = rows[:count] + rows[step : step + count]  # Σ s
            unlike = (read * math.log(2) - (total + own[:count] + own[step : step + count])) / 2
            self._total[:count] += unlike
            self._total.index_add_(0, torch.arange(step, step + count) % heads, unlike)

    def done(self) -> tuple[Float[np.ndarray, " head"]]:
        """The mean over rows and the other heads."""
        others = max(1, len(self._total) - 1)
        return ((self._total / (self._rows * others)).clamp(min=0.0).float().numpy(),)


def _that_read(tile: Tile) -> Float[Tensor, " head"]:
    """How many rows of each head are no row of zeros, as floats."""
    heads, rows = tile.weights.shape[:2]
    if tile.shared is None:
        return torch.full((heads,), rows, dtype=torch.float64)
    return tile.shared.any(-1).sum(-1).double()


class Reach:
    """`anatomy.measure.reach`: the share of all weight that goes to tokens at each distance."""

    def __init__(self, text: Text, heads: int) -> None:
        self._weights = torch.zeros(len(text.ids), dtype=torch.float64)

    def add(self, tile: Tile) -> None:
        """The weight at each distance from these rows."""
        rows, columns = tile.weights.shape[1:]
        along = columns + rows - 1
        lifted = pad(tile.shares.sum(0).flip(0), (0, rows)).flatten()[: rows * along]
        sums = lifted.view(rows, along).sum(0)  # of each diagonal, the one that looks back furthest last
        back = tile.first + rows  # diagonals that look back or at the token itself
        self._weights[:back] += sums[:back].flip(0)
        self._weights[1 : 1 + along - back] += sums[back:]

    def done(self) -> tuple[Float[np.ndarray, " src"]]:
        """Shares that add up to 1; all 0 where no row reads anything."""
        total = float(self._weights.sum())
        return ((self._weights / total if total else self._weights).float().numpy(),)


class Grid:
    """Maps [map row src] cut into cells at these edges: the largest of each, or the mean. What no block brings is 0.

    rows, columns  where cells begin, and where the last one ends
    """

    def __init__(self, maps: int, rows: np.ndarray, columns: np.ndarray, largest: bool) -> None:
        self._rows, self._columns, self._largest = rows, columns, largest
        size = maps, len(rows) - 1, int(columns[-1] - columns[0])
        self._strips = torch.full(size, -torch.inf if largest else 0.0)  # rows pooled, columns not yet

    def add(self, block: Float[Tensor, "map row src"], first: int) -> None:
        """Rows of the maps from `first` on; columns from 0 on."""
        cut = np.clip(self._rows, first, first + block.shape[1]) - first
        met = np.flatnonzero(np.diff(cut))
        block = block[:, :, self._columns[0] : self._columns[-1]]
        if not len(met) or not block.shape[2]:
            return
        strips = self._strips[:, met[0] : met[-1] + 1, : block.shape[2]]
        pooled = _pooled(block, cut[met[0] : met[-1] + 2], self._largest)
        (torch.maximum if self._largest else torch.add)(strips, pooled, out=strips)

    @property
    def cells(self) -> Float[Tensor, "map row col"]:
        """The largest number of each cell, or the mean, once all rows have been added."""
        cut = self._columns - self._columns[0]
        if self._largest:
            cells = _largest(self._strips, cut, axis=2)
            return torch.where(cells == -torch.inf, 0.0, cells)
        sizes = np.diff(self._rows)[:, None] * np.diff(cut)
        return torch.from_numpy(np.add.reduceat(self._strips.numpy(), cut[:-1], axis=2) / sizes.astype(np.float32))


def _pooled(block: Float[Tensor, "map row src"], cut: np.ndarray, largest: bool) -> Float[Tensor, "map cell src"]:
    """Rows pooled into the cells that are cut there: the largest of each, or the sum."""
    sizes = np.diff(cut).tolist()
    if largest and len(sizes) > FEW and max(sizes) - min(sizes) <= 1:
        return _largest(block, cut, axis=1)
    pieces = block[:, cut[0] : cut[-1]]
    if max(sizes) == 1:
        return pieces
    return torch.stack([rows.amax(1) if largest else rows.sum(1) for rows in pieces.split(sizes, 1)], 1)


def _largest(block: Float[Tensor, "map row src"], cut: np.ndarray, axis: int) -> Float[Tensor, "map row src"]:
    """The largest of each cell along an axis, where cells are nearly equal: of two runs of equal length that cover it.

    Runs of 1, 2, 4 … places are each the larger of two half as long (the sparse table of Bender and Farach-Colton
    2000), which takes few steps however many cells there are.
    """
    length = 1
    while 2 * length <= np.diff(cut).min():
        runs = block.shape[axis] - length
        block = torch.maximum(block.narrow(axis, 0, runs), block.narrow(axis, length, runs))
        length *= 2
    ends = (torch.from_numpy(places) for places in (cut[:-1], cut[1:] - length))
    return torch.maximum(*(block.index_select(axis, places) for places in ends))


class Strongest:
    """`anatomy.measure.strongest` of weight × length of the value through the head's part of the output projection;
    with it that weight and that length.

    moved: length of what each value adds through each head when its weight is 1 (activation)
    """

    def __init__(self, text: Text, moved: Moved) -> None:
        n = len(text.ids)
        self._moved = moved
        self._source, self._head = np.full(n, -1), np.full(n, -1)
        self._weight, self._length = np.zeros(n, np.float32), np.zeros(n, np.float32)

    def add(self, tile: Tile) -> None:
        """The strongest of each of these rows."""
        rows = tile.weights.shape[1]
        brought = self._moved.by(tile.weights, tile.first)  # [head row src]
        brought.nan_to_num_(nan=0.0, posinf=torch.inf)  # of a model whose numbers overflow
        brought[:, :, 0] = 0.0
        brought.diagonal(tile.first, 1, 2).zero_()
        by_head = brought.amax(-1)  # [head row]
        most = by_head.amax(0)  # [row]
        least = most * (1 - FRACTION)
        heads = _first(by_head >= least, 0)  # [row]
        each = torch.arange(rows)
        sources = _first(brought[heads, each] >= least[:, None], 1)  # [row]
        there = most > 0
        own = slice(tile.first, tile.first + rows)
        self._source[own] = torch.where(there, sources, -1).numpy()
        self._head[own] = torch.where(there, heads, -1).numpy()
        self._weight[own] = torch.where(there, tile.weights[heads, each, sources], 0.0).numpy()
        self._length[own] = torch.where(there, brought[heads, each, sources], 0.0).numpy()

    def done(self) -> tuple[np.ndarray, ...]:
        """Source, head, weight and length for each token: the sites top_src, top_head, top_weight, top_moved."""
        return self._source, self._head, self._weight, self._length


def _first(found: Bool[Tensor, "..."], axis: int) -> Int[Tensor, "..."]:
    """Where along an axis the first True stands; one there is."""
    places = torch.arange(found.shape[axis]).view([-1 if at == axis else 1 for at in range(found.ndim)])
    return torch.where(found, places, found.shape[axis]).amin(axis)


class Thumbnails:
    """Each head's map as at most MAP_SIDE × MAP_SIDE cells, the largest weight of each, in 256 steps: uint8."""

    def __init__(self, text: Text, heads: int) -> None:
        cut = edges(len(text.ids), MAP_SIDE)
        self._grid = Grid(heads, cut, cut, largest=True)

    def add(self, tile: Tile) -> None:
        """The largest of these rows."""
        self._grid.add(tile.weights, tile.first)

    def done(self) -> tuple[np.ndarray]:
        """The cells of every head, [head row col]: 255 stands for a weight of 1."""
        return ((self._grid.cells.clamp(0, 1) * 255).round().to(torch.uint8).numpy(),)

"""What is kept of a layer's attention: kinds of heads, how far they look, small maps. Worked out tile by tile.

The torch counterparts of `anatomy.measure`, which they are tested against. A fold takes the tiles of one layer in any
order and gives, at the end, one row for each of its sites.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anatomy.measure import LOCAL, edges
from models.attended import Tile

MAP_SIDE = 32  # cells on a side of a thumbnail of attention
_TINY = 1e-30  # too small to change any weight that counts
KINDS = ("previous", "first", "local", "duplicate", "induction", "later", "distance", "entropy")


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

    def pairs(self, tile: Tile) -> Float[Tensor, "4 pairs"]:
        """What each (row, src) of a tile counts for in the sums of KINDS[3:7]."""
        rows, columns = tile.weights.shape[1:]
        if rows == len(self.ids):
            return self._all
        return self._pairs(tile.first, rows, columns)

    @cached_property
    def _all(self) -> Float[Tensor, "4 pairs"]:
        return self._pairs(0, len(self.ids), len(self.ids))

    def _pairs(self, first: int, rows: int, columns: int) -> Float[Tensor, "4 pairs"]:
        ids = torch.from_numpy(self.ids)
        place, src = torch.arange(first, first + rows)[:, None], torch.arange(columns)
        same = ids[place] == ids[:columns]
        led = torch.zeros_like(same)  # what followed an earlier place of the same token, and is another token
        led[:, 1:] = same[:, :-1] & ~same[:, 1:] & (place > src[:-1])
        away = src - place
        looked = away.abs() * (place > 0)  # the first token's own distances do not count
        return torch.stack([(same & (away != 0)).float(), led.float(), (away > 0).float(), looked.float()]).flatten(1)

    def distances(self, tile: Tile) -> Int[Tensor, " pairs"]:
        """How many tokens lie between the two of each (row, src) pair, plus one; 0 for a token and itself."""
        rows, columns = tile.weights.shape[1:]
        place = torch.arange(tile.first, tile.first + rows)
        return (place[:, None] - torch.arange(columns)).abs().flatten()


def _repeated(ids: Int[np.ndarray, " pos"]) -> Int[np.ndarray, " id"]:
    """The tokens that stand in the text more than once."""
    found, counts = np.unique(ids, return_counts=True)
    return found[counts > 1]


def _led(ids: Int[np.ndarray, " pos"]) -> int:
    """Places whose token stood in the text before and was followed by another one there."""
    followed: set[int] = set()
    led = 0
    for place, token in enumerate(ids.tolist()):
        if place and ids[place - 1] != token:
            followed.add(int(ids[place - 1]))
        led += token in followed
    return led


class Fold(Protocol):
    """Takes the tiles of one layer's attention, gives a row for each of its sites."""

    def add(self, tile: Tile) -> None: ...

    def done(self) -> tuple[np.ndarray, ...]: ...


class HeadScores:
    """`anatomy.measure.head_scores`, in the order of KINDS."""

    def __init__(self, text: Text, heads: int) -> None:
        self._text = text
        self._sums = torch.zeros(len(KINDS), heads, dtype=torch.float64)

    def add(self, tile: Tile) -> None:
        """Sums of weights along diagonals and columns, and of weights × what each pair counts for."""
        weights, first = tile.weights, tile.first
        later = weights[:, max(0, LOCAL + 1 - first) :]  # rows with more than LOCAL tokens before them
        offset = max(first, LOCAL + 1)
        self._sums[0] += torch.diagonal(weights, first - 1, 1, 2).sum(-1)
        self._sums[1] += weights[:, max(0, 1 - first) :, 0].sum(-1)
        for away in range(-LOCAL, LOCAL + 1):
            self._sums[2] += torch.diagonal(later, offset + away, 1, 2).sum(-1)
        self._sums[3:7] += self._text.pairs(tile) @ weights.flatten(1).T
        self._sums[7] += entropies(weights).sum(-1)

    def done(self) -> tuple[Float[np.ndarray, " head"], ...]:
        """The means."""
        return tuple((self._sums / self._text.rows[:, None]).float().numpy())


class Apart:
    """`anatomy.measure.apart`: each pair of heads once, one head beside all that follow it at a time.

    The mean over rows of differences of entropies is the difference of sums over all cells, so rows need not be kept
    apart, and cells that no head looks at can be left out.
    """

    def __init__(self, text: Text, heads: int) -> None:
        self._rows, self._total = len(text.ids), torch.zeros(heads, dtype=torch.float64)

    def add(self, tile: Tile) -> None:
        """The divergence of every pair over these rows."""
        cells = tile.weights[:, (tile.weights > 0).any(0)]  # [head cell]
        own = entropies(cells)  # [head] summed over the rows
        for head in range(len(cells) - 1):
            mixed = (cells[head + 1 :] + cells[head]).mul_(0.5)  # [other cell]
            found = entropies(mixed) - (own[head + 1 :] + own[head]) / 2  # [other]
            self._total[head] += found.sum()
            self._total[head + 1 :] += found

    def done(self) -> tuple[Float[np.ndarray, " head"]]:
        """The mean over rows and the other heads."""
        others = max(1, len(self._total) - 1)
        return ((self._total / (self._rows * others)).clamp(min=0.0).float().numpy(),)


class Reach:
    """`anatomy.measure.reach`: the share of all weight that goes to tokens at each distance."""

    def __init__(self, text: Text, heads: int) -> None:
        self._text, self._found = text, torch.zeros(len(text.ids), dtype=torch.float64)

    def add(self, tile: Tile) -> None:
        """The weight at each distance from these rows."""
        weights = tile.weights.sum(0).double()  # [row src]
        self._found += torch.bincount(self._text.distances(tile), weights.flatten(), len(self._found))

    def done(self) -> tuple[Float[np.ndarray, " src"]]:
        """Shares that add up to 1."""
        return ((self._found / self._found.sum()).float().numpy(),)


class Grid:
    """Maps cut into cells at these edges: the largest of each, or the mean. Nothing in a map is below 0."""

    def __init__(self, maps: int, rows: np.ndarray, columns: np.ndarray, largest: bool) -> None:
        self._rows, self._columns, self._largest = rows, columns, largest
        self._cells = torch.zeros(maps, len(rows) - 1, len(columns) - 1, dtype=torch.float32)

    def add(self, block: Float[Tensor, "map row src"], first: int) -> None:
        """Rows of the maps from `first` on; columns from 0 on."""
        met = self._cells
        for axis, cut, begin in ((1, self._rows, first), (2, self._columns, 0)):
            start, sizes, skipped = _met(cut, begin, begin + block.shape[axis])
            if not sizes:
                return
            pieces = block.narrow(axis, skipped, sum(sizes)).split(sizes, axis)
            pooled = [piece.amax(axis) if self._largest else piece.sum(axis) for piece in pieces]
            block, met = torch.stack(pooled, axis), met.narrow(axis, start, len(sizes))
        met.copy_(torch.maximum(met, block) if self._largest else met + block)

    @property
    def cells(self) -> Float[Tensor, "map row col"]:
        """What has been found."""
        if self._largest:
            return self._cells
        sizes = np.diff(self._rows)[:, None] * np.diff(self._columns)
        return self._cells / torch.from_numpy(sizes.astype(np.float32))


def _met(cut: np.ndarray, begin: int, end: int) -> tuple[int, list[int], int]:
    """Of the cells cut there, those that the places from `begin` to before `end` meet: (the first, how many places of
    each, how many places stand before the first)."""
    sizes = np.diff(np.clip(cut, begin, end))
    met = np.flatnonzero(sizes)
    return (int(met[0]), sizes[met].tolist(), max(0, int(cut[0]) - begin)) if len(met) else (0, [], 0)


class Thumbnails:
    """Each head's map as at most MAP_SIDE × MAP_SIDE cells, the largest weight of each, in 256 steps: uint8."""

    def __init__(self, text: Text, heads: int) -> None:
        cut = edges(len(text.ids), MAP_SIDE)
        self._grid = Grid(heads, cut, cut, largest=True)

    def add(self, tile: Tile) -> None:
        """The largest of these rows."""
        self._grid.add(tile.weights, tile.first)

    def done(self) -> tuple[np.ndarray]:
        """[head row col]"""
        return ((self._grid.cells.clamp(0, 1) * 255).round().to(torch.uint8).numpy(),)


def entropies(rows: Float[Tensor, "... src"]) -> Float[Tensor, "..."]:
    """−Σ p log p of each row: its entropy, in nats."""
    logs = rows.add(_TINY).log_()  # 0 · log 0 counts as 0; `torch.special.entr` says the same at twice the time
    return -logs.mul_(rows).sum(-1)

"""What is kept of every layer: lengths, directions, neurons at rest, kinds of heads; few numbers for whole arrays.

The torch counterparts of `anatomy.measure`, which they are tested against; here because they run inside the forward
pass, once per layer, on arrays of millions of numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anatomy.measure import NEAR_ZERO, close_by, earlier_copies
from models.recorder import ORDER, Sites

MAP_SIDE = 32  # cells on a side of a thumbnail of attention
_TINY = 1e-30  # too small to change any weight that counts
KINDS = ("previous", "first", "duplicate", "induction", "local", "later", "distance", "entropy")


@dataclass(frozen=True)
class Text:
    """The tokens, and what head scores need of them, worked out once for all layers."""

    ids: Int[np.ndarray, " pos"]

    @cached_property
    def weights(self) -> Float[Tensor, "pairs 7"]:
        """What each (pos, src) pair counts for in the mean of KINDS[:7]; a column of NaN where there is no case."""
        n = len(self.ids)
        place = np.arange(n)
        copies = earlier_copies(self.ids)
        followers = np.zeros_like(copies)
        followers[:, 1:] = copies[:, :-1] & (place[:, None] > place[None, :-1])
        followers &= self.ids[:, None] != self.ids[None, :]
        later = (place > 0)[:, None]
        local = close_by(n)
        cases = (
            (place[:, None] - 1 == place, later),
            ((place == 0) & later, later),
            (copies, copies.any(axis=1)),
            (followers, followers.any(axis=1)),
            (local, local.any(axis=1)),
            (place[:, None] < place, place >= 0),
            (np.abs(place[:, None] - place) * later, later),
        )
        columns = [weight.ravel() / rows.sum() if rows.any() else np.full(n * n, np.nan) for weight, rows in cases]
        return torch.from_numpy(np.stack(columns, axis=1).astype(np.float32))

    @cached_property
    def distances(self) -> Int[Tensor, " pairs"]:
        """How many tokens lie between the two of each (pos, src) pair, plus one; 0 for a token and itself."""
        place = torch.arange(len(self.ids))
        return (place[:, None] - place).abs().flatten()


@dataclass(frozen=True)
class Seen:
    """One layer as it ran: the sites that were wanted of it, the text, and its FFN as a function of what it reads."""

    sites: Sites
    text: Text
    ffn: Callable[[Float[Tensor, "row d_model"]], Float[Tensor, "row d_model"]]


@dataclass(frozen=True)
class Reduction:
    """Sites that one layer gives a row of, the sites they are made from, and how."""

    gives: tuple[str, ...]
    needs: frozenset[str]
    of: Callable[[Seen], tuple[np.ndarray, ...]]


def head_scores(pattern: Float[Tensor, "head pos src"], text: Text) -> tuple[Float[np.ndarray, " head"], ...]:
    """`anatomy.measure.head_scores`, in the order of KINDS. All but the last are sums of weighted attention, so one
    matrix product gives them."""
    sums = pattern.flatten(1) @ text.weights  # [head 7]
    return (*sums.T.numpy(), entropies(pattern).mean(-1).numpy())


def entropies(rows: Float[Tensor, "... src"]) -> Float[Tensor, "..."]:
    """−Σ p log p of each row: its entropy, in nats."""
    logs = rows.add(_TINY).log_()  # 0 · log 0 counts as 0; `torch.special.entr` says the same at twice the time
    return -logs.mul_(rows).sum(-1)


def apart(pattern: Float[Tensor, "head pos src"]) -> Float[np.ndarray, " head"]:
    """`anatomy.measure.apart`: each pair of heads once, one head beside all that follow it at a time.

    The mean over rows of differences of entropies is the difference of sums over all cells, so rows need not be kept
    apart, and cells that no head looks at (those behind the mask, half of all) can be left out.
    """
    heads, n = pattern.shape[:2]
    cells = pattern[:, (pattern > 0).any(0)]  # [head cell]
    own = entropies(cells)  # [head] summed over the rows
    total = torch.zeros(heads)
    for head in range(heads - 1):
        mixed = (cells[head + 1 :] + cells[head]).mul_(0.5)  # [other cell]
        found = (entropies(mixed) - (own[head + 1 :] + own[head]) / 2) / n  # [other]
        total[head] += found.sum()
        total[head + 1 :] += found
    return (total / max(1, heads - 1)).clamp_(min=0.0).numpy()


def reach(pattern: Float[Tensor, "head pos src"], text: Text) -> Float[np.ndarray, " src"]:
    """`anatomy.measure.reach`: the share of all weight that goes to tokens at each distance."""
    weights = pattern.sum(0).double()  # [pos src]
    found = torch.bincount(text.distances, weights.flatten(), len(text.ids))
    return (found / weights.sum()).float().numpy()


def thumbnails(pattern: Float[Tensor, "head pos src"]) -> np.ndarray:
    """Each head's map as at most MAP_SIDE × MAP_SIDE cells, the largest weight of each, in 256 steps: uint8."""
    for axis in (1, 2):
        pattern = _pool(pattern, axis)
    return (pattern.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def _pool(maps: Tensor, axis: int) -> Tensor:
    """The largest of each of min(length, MAP_SIDE) nearly equal runs along one axis."""
    length = maps.shape[axis]
    cells = min(length, MAP_SIDE)
    if length % cells == 0:
        return maps.unflatten(axis, (cells, length // cells)).amax(axis + 1)
    edges = np.append(np.arange(cells) * length // cells, length)
    pieces = maps.split(np.diff(edges).tolist(), dim=axis)
    return torch.stack([piece.amax(axis) for piece in pieces], dim=axis)


def lengths(vectors: Float[Tensor, "pos d_model"]) -> Float[np.ndarray, " pos"]:
    """Euclidean length of each row."""
    return torch.linalg.vector_norm(vectors, dim=-1, dtype=torch.float64).float().numpy()


def directions(write: Float[Tensor, "pos d_model"], stream: Float[Tensor, "pos d_model"]) -> Float[np.ndarray, " pos"]:
    """Cosine between paired rows; 0 where one of them has no length."""
    a, b = write.double(), stream.double()
    sizes = a.norm(dim=-1) * b.norm(dim=-1)
    return torch.where(sizes > 0, (a * b).sum(-1) / sizes, 0.0).float().numpy()


def small(act: Float[Tensor, "pos d_ff"]) -> Float[np.ndarray, " pos"]:
    """`anatomy.measure.near_zero`: the share of each token's neurons that are next to nothing beside its strongest."""
    sizes = act.abs()
    return (sizes <= NEAR_ZERO * sizes.amax(-1, keepdim=True)).float().mean(-1).numpy()


def exactly_zero(act: Float[Tensor, "pos d_ff"]) -> Float[np.ndarray, " pos"]:
    """`anatomy.measure.exactly_zero`: the share of each token's neurons that are 0."""
    return (act == 0).float().mean(-1).numpy()


def bend(seen: Seen) -> Float[np.ndarray, " pos"]:
    """How far the FFN is from linear: ‖F(x+y) − F(x) − F(y) + F(0)‖ / ‖F(x+y)‖, x what it reads at a token and y at
    the token before (the last, for the first). 0 where F(x+y) has no length.

    A linear map with a bias gives 0. F(x) and F(y) are what the FFN wrote in the run.
    """
    read, wrote = seen.sites["ffn_in"], seen.sites["ffn_out"]
    both = seen.ffn(read + read.roll(1, 0))  # [pos d_model]
    rest = both - wrote - wrote.roll(1, 0) + seen.ffn(torch.zeros_like(read[:1]))
    sizes = torch.linalg.vector_norm(both, dim=-1, dtype=torch.float64)
    bent = torch.linalg.vector_norm(rest, dim=-1, dtype=torch.float64)
    return torch.where(sizes > 0, bent / sizes, 0.0).float().numpy()


def _length(site: str) -> Callable[[Seen], tuple[np.ndarray, ...]]:
    return lambda seen: (lengths(seen.sites[site]),)


def _direction(write: str, stream: str) -> Callable[[Seen], tuple[np.ndarray, ...]]:
    return lambda seen: (directions(seen.sites[write], seen.sites[stream]),)


REDUCTIONS = (
    Reduction(
        tuple(f"head_{kind}" for kind in KINDS),
        frozenset({"pattern"}),
        lambda seen: head_scores(seen.sites["pattern"], seen.text),
    ),
    Reduction(("head_apart",), frozenset({"pattern"}), lambda seen: (apart(seen.sites["pattern"]),)),
    Reduction(("head_reach",), frozenset({"pattern"}), lambda seen: (reach(seen.sites["pattern"], seen.text),)),
    Reduction(("head_maps",), frozenset({"pattern"}), lambda seen: (thumbnails(seen.sites["pattern"]),)),
    Reduction(("norm_pre",), frozenset({"resid_pre"}), _length("resid_pre")),
    Reduction(("norm_mid",), frozenset({"resid_mid"}), _length("resid_mid")),
    Reduction(("norm_post",), frozenset({"resid_post"}), _length("resid_post")),
    Reduction(("norm_attn",), frozenset({"attn_out"}), _length("attn_out")),
    Reduction(("norm_ffn",), frozenset({"ffn_out"}), _length("ffn_out")),
    Reduction(("cos_attn",), frozenset({"attn_out", "resid_pre"}), _direction("attn_out", "resid_pre")),
    Reduction(("cos_ffn",), frozenset({"ffn_out", "resid_mid"}), _direction("ffn_out", "resid_mid")),
    Reduction(("act_small",), frozenset({"act"}), lambda seen: (small(seen.sites["act"]),)),
    Reduction(("act_zero",), frozenset({"act"}), lambda seen: (exactly_zero(seen.sites["act"]),)),
    Reduction(("ffn_bend",), frozenset({"ffn_in", "ffn_out"}), lambda seen: (bend(seen),)),
    Reduction(("layer_order",), frozenset({ORDER}), lambda seen: (seen.sites[ORDER].numpy(),)),
)
REDUCED = {site: reduction for reduction in REDUCTIONS for site in reduction.gives}

"""What is kept of every layer: lengths, directions, idle neurons, kinds of heads; a few numbers for whole arrays.

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
from models.recorder import Sites

MAP_SIDE = 32  # cells on a side of a thumbnail of attention
_TINY = 1e-30  # too small to change any weight that counts
KINDS = ("previous", "first", "duplicate", "induction", "local", "distance", "entropy")


@dataclass(frozen=True)
class Text:
    """The tokens, and what head scores need of them, worked out once for all layers."""

    ids: Int[np.ndarray, " pos"]

    @cached_property
    def weights(self) -> Float[Tensor, "pairs 6"]:
        """What each (pos, src) pair counts for in the mean of KINDS[:6]; a column of NaN where there is no case."""
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
            (np.abs(place[:, None] - place) * later, later),
        )
        columns = [weight.ravel() / rows.sum() if rows.any() else np.full(n * n, np.nan) for weight, rows in cases]
        return torch.from_numpy(np.stack(columns, axis=1).astype(np.float32))


@dataclass(frozen=True)
class Reduction:
    """Sites that one layer gives a row of, what they are made from, and how: (the layer's sites, text) → rows."""

    gives: tuple[str, ...]
    needs: frozenset[str]
    of: Callable[[Sites, Text], tuple[np.ndarray, ...]]


def head_scores(pattern: Float[Tensor, "head pos src"], text: Text) -> tuple[Float[np.ndarray, " head"], ...]:
    """`anatomy.measure.head_scores`, in the order of KINDS. Six of the seven are sums of weighted attention, so one
    matrix product gives them."""
    sums = pattern.flatten(1) @ text.weights  # [head 6]
    logs = pattern.add(_TINY).log_()  # 0 · log 0 counts as 0; `torch.special.entr` says the same at twice the time
    entropy = -logs.mul_(pattern).sum(-1).mean(-1)  # [head]
    return (*sums.T.numpy(), entropy.numpy())


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


def _length(site: str) -> Callable[[Sites, Text], tuple[np.ndarray, ...]]:
    return lambda sites, text: (lengths(sites[site]),)


def _direction(write: str, stream: str) -> Callable[[Sites, Text], tuple[np.ndarray, ...]]:
    return lambda sites, text: (directions(sites[write], sites[stream]),)


REDUCTIONS = (
    Reduction(
        tuple(f"head_{kind}" for kind in KINDS),
        frozenset({"pattern"}),
        lambda sites, text: head_scores(sites["pattern"], text),
    ),
    Reduction(("head_maps",), frozenset({"pattern"}), lambda sites, text: (thumbnails(sites["pattern"]),)),
    Reduction(("norm_pre",), frozenset({"resid_pre"}), _length("resid_pre")),
    Reduction(("norm_mid",), frozenset({"resid_mid"}), _length("resid_mid")),
    Reduction(("norm_post",), frozenset({"resid_post"}), _length("resid_post")),
    Reduction(("norm_attn",), frozenset({"attn_out"}), _length("attn_out")),
    Reduction(("norm_ffn",), frozenset({"ffn_out"}), _length("ffn_out")),
    Reduction(("cos_attn",), frozenset({"attn_out", "resid_pre"}), _direction("attn_out", "resid_pre")),
    Reduction(("act_small",), frozenset({"act"}), lambda sites, text: (small(sites["act"]),)),
    Reduction(("cos_ffn",), frozenset({"ffn_out", "resid_mid"}), _direction("ffn_out", "resid_mid")),
)
REDUCED = {site: reduction for reduction in REDUCTIONS for site in reduction.gives}

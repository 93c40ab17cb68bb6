"""What is kept of every layer: lengths, directions, neurons at rest, kinds of heads; few numbers for whole arrays.

The torch counterparts of `anatomy.measure`, which they are tested against; here because they run inside the forward
pass, once per layer, on arrays of millions of numbers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.measure import NEAR_ZERO
from models.measures.attention_reducers import KINDS, Apart, HeadScores, Reach, StreamingReducer, Text, Thumbnails
from models.reading.recorder import ORDER

ROWS = 256  # of a layer's numbers, reduced at a time


@dataclass(frozen=True)
class Seen:
    """One layer as it ran: the sites that were wanted of it, and its FFN as a function of what it reads."""

    sites: Mapping[str, Tensor]
    ffn: Callable[[Float[Tensor, "row d_model"]], Float[Tensor, "row d_model"]]


@dataclass(frozen=True)
class AttentionReduction:
    """Sites that the tiles of one layer's attention give a row of: what to fold them with.

    by_head  each head is looked at by itself, so that those of several layers may be folded together
    needs    what the tiles are rows of
    """

    gives: tuple[str, ...]
    begin: Callable[[Text, int], StreamingReducer]  # (text, heads) → an empty fold
    by_head: bool = True
    needs: frozenset[str] = frozenset({"pattern"})


@dataclass(frozen=True)
class Reduction:
    """Sites that one layer gives a row of, the sites they are made from, and how."""

    gives: tuple[str, ...]
    needs: frozenset[str]
    of: Callable[[Seen], tuple[np.ndarray, ...]]


def lengths(vectors: Float[Tensor, "pos d_model"]) -> Float[np.ndarray, " pos"]:
    """Euclidean length of each row."""
    return _by_rows(_lengths, vectors)


def directions(write: Float[Tensor, "pos d_model"], stream: Float[Tensor, "pos d_model"]) -> Float[np.ndarray, " pos"]:
    """Cosine between paired rows; 0 where one of them has no length."""
    return _by_rows(_directions, write, stream)


def small(act: Float[Tensor, "pos d_ff"]) -> Float[np.ndarray, " pos"]:
    """`anatomy.measure.near_zero`: the share of each token's neurons that are next to nothing beside its strongest."""
    return _by_rows(_small, act)


def exactly_zero(act: Float[Tensor, "pos d_ff"]) -> Float[np.ndarray, " pos"]:
    """`anatomy.measure.exactly_zero`: the share of each token's neurons that are 0."""
    return _by_rows(lambda rows: (rows == 0).float().mean(-1), act)


def bend(seen: Seen) -> Float[np.ndarray, " pos"]:
    """How far the FFN is from linear: ‖F(x+y) − F(x) − F(y) + F(0)‖ / ‖F(x+y)‖, x what it reads at a token and y at
    the token before (the last, for the first). 0 where F(x+y) has no length.

    A linear map with a bias gives 0. F(x) and F(y) are what the FFN wrote in the run.
    """
    read, wrote = seen.sites["ffn_in"], seen.sites["ffn_out"]
    nothing = seen.ffn(torch.zeros_like(read[:1]))

    def bent(x: Tensor, y: Tensor, of_x: Tensor, of_y: Tensor) -> Tensor:
        both = seen.ffn(x + y)  # [row d_model]
        sizes, rests = _lengths(both), _lengths(both - of_x - of_y + nothing)
        return torch.where(sizes > 0, rests / sizes, 0.0)

    return _by_rows(bent, read, read.roll(1, 0), wrote, wrote.roll(1, 0))


def _by_rows(numbers: Callable[..., Tensor], *rows: Tensor) -> Float[np.ndarray, " pos"]:
    """A number for each row, worked out for ROWS of them at a time, so that what stands between stays small."""
    return torch.cat([numbers(*chunk) for chunk in zip(*(some.split(ROWS) for some in rows), strict=True)]).numpy()


def _lengths(vectors: Float[Tensor, "row d_model"]) -> Float[Tensor, " row"]:
    return torch.linalg.vector_norm(vectors, dim=-1, dtype=torch.float64).float()


def _directions(write: Float[Tensor, "row d_model"], stream: Float[Tensor, "row d_model"]) -> Float[Tensor, " row"]:
    a, b = write.double(), stream.double()
    sizes = a.norm(dim=-1) * b.norm(dim=-1)
    return torch.where(sizes > 0, (a * b).sum(-1) / sizes, 0.0).float()


def _small(act: Float[Tensor, "row d_ff"]) -> Float[Tensor, " row"]:
    sizes = act.abs()
    return (sizes <= NEAR_ZERO * sizes.amax(-1, keepdim=True)).float().mean(-1)


def _length(site: str) -> Callable[[Seen], tuple[np.ndarray, ...]]:
    return lambda seen: (lengths(seen.sites[site]),)


def _direction(write: str, stream: str) -> Callable[[Seen], tuple[np.ndarray, ...]]:
    return lambda seen: (directions(seen.sites[write], seen.sites[stream]),)


ATTENTION_REDUCTIONS = (
    AttentionReduction(tuple(f"head_{kind}" for kind in KINDS), HeadScores),
    AttentionReduction(("head_apart",), Apart, by_head=False),
    AttentionReduction(("head_reach",), Reach, by_head=False),
    AttentionReduction(("head_maps",), Thumbnails),
)
REDUCTIONS = (
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
ATTENTION_REDUCED = {site: reduction for reduction in ATTENTION_REDUCTIONS for site in reduction.gives}

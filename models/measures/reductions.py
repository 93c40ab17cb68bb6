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
from anatomy.spec import ModelSpec
from models.measure import Measure
from models.measures.attention_reducers import (
    KINDS,
    MAP_SIDE,
    Apart,
    HeadScores,
    Moved,
    Reach,
    StreamingReducer,
    Strongest,
    Text,
    Thumbnails,
)
from models.reading import interventions
from models.reading.recorder import MOST_PARTS, ORDER

ROWS = 256  # of a layer's numbers, reduced at a time


@dataclass(frozen=True)
class Seen:
    """One layer as it ran: the sites that were wanted of it, and its FFN as a function of what it reads.

    layer  its number
    """

    sites: Mapping[str, Tensor]
    ffn: Callable[[Float[Tensor, "row d_model"]], Float[Tensor, "row d_model"]]
    layer: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class AttentionReduction(Measure):
    """Sites that the tiles of one layer's attention give a row of.

    begin    (text, heads, moved) → what takes the tiles
    moves    whether it is given `moved`, the length of what each value adds through each head when its weight is 1
    by_head  each head is looked at by itself, so that those of several layers may go together
    share    spec → seconds beside forming the weights, as a share of what the kinds of heads take with them
    """

    begin: Callable[[Text, int, Moved | None], StreamingReducer]
    moves: bool = False
    by_head: bool = True
    share: Callable[[ModelSpec], float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Reduction(Measure):
    """Sites that one layer gives a row of. of: makes the rows out of what was seen of the layer."""

    of: Callable[[Seen], tuple[np.ndarray, ...]]


def lengths(vectors: Float[Tensor, "pos d_model"]) -> Float[np.ndarray, " pos"]:
    """Euclidean length of each row, summed up in float64."""
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

    A linear map with a bias gives 0. F(x) and F(y) are what the FFN wrote in the run; worked out anew in a run in which
    something else stands in the place of that.
    """
    read = seen.sites["ffn_in"]
    wrote = seen.sites["ffn_out"] if interventions.whole(seen.layer) else seen.ffn(read)
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


FORMING = 0.5  # of what the kinds of heads take: the weights formed, and next to nothing made of them
_PAIR = 0.3  # the same, for two heads held against each other
_PATTERN = frozenset({"pattern"})


def _of_weights(
    begin: Callable[[Text, int], StreamingReducer],
) -> Callable[[Text, int, Moved | None], StreamingReducer]:
    """What takes the tiles alone."""
    return lambda text, heads, moved: begin(text, heads)


def _strongest(text: Text, heads: int, moved: Moved | None) -> Strongest:
    assert moved is not None, "it is asked for with `moves`"
    return Strongest(text, moved)


ATTENTION_REDUCTIONS = (
    AttentionReduction(
        tuple(f"head_{kind}" for kind in KINDS), _PATTERN, begin=_of_weights(HeadScores), share=lambda spec: 1 - FORMING
    ),
    AttentionReduction(
        ("head_apart",),
        _PATTERN,
        begin=_of_weights(Apart),
        by_head=False,
        share=lambda spec: _PAIR * (spec.n_heads - 1) / 2,
    ),
    AttentionReduction(("head_reach",), _PATTERN, begin=_of_weights(Reach), by_head=False, share=lambda spec: 0.25),
    AttentionReduction(
        ("head_maps",),
        _PATTERN,
        begin=_of_weights(Thumbnails),
        share=lambda spec: 0.25,
        lengths={"row": MAP_SIDE, "col": MAP_SIDE},
    ),
    AttentionReduction(
        ("top_src", "top_head", "top_weight", "top_moved"),
        frozenset({"contribution"}),
        begin=_strongest,
        moves=True,
        by_head=False,
        share=lambda spec: 0.25,
    ),
)
REDUCTIONS = (
    Reduction(("norm_pre",), frozenset({"resid_pre"}), of=_length("resid_pre")),
    Reduction(("norm_mid",), frozenset({"resid_mid"}), of=_length("resid_mid")),
    Reduction(("norm_post",), frozenset({"resid_post"}), of=_length("resid_post")),
    Reduction(("norm_attn",), frozenset({"attn_out"}), of=_length("attn_out")),
    Reduction(("norm_ffn",), frozenset({"ffn_out"}), of=_length("ffn_out")),
    Reduction(("cos_attn",), frozenset({"attn_out", "resid_pre"}), of=_direction("attn_out", "resid_pre")),
    Reduction(("cos_ffn",), frozenset({"ffn_out", "resid_mid"}), of=_direction("ffn_out", "resid_mid")),
    Reduction(("act_small",), frozenset({"act"}), of=lambda seen: (small(seen.sites["act"]),)),
    Reduction(("act_zero",), frozenset({"act"}), of=lambda seen: (exactly_zero(seen.sites["act"]),)),
    Reduction(("ffn_bend",), frozenset({"ffn_in", "ffn_out"}), of=lambda seen: (bend(seen),)),
    Reduction(
        ("layer_order",),
        frozenset({ORDER}),
        of=lambda seen: (seen.sites[ORDER].numpy(),),
        lengths={"event": MOST_PARTS},
    ),
)
REDUCED = {site: reduction for reduction in REDUCTIONS for site in reduction.gives}
ATTENTION_REDUCED = {site: reduction for reduction in ATTENTION_REDUCTIONS for site in reduction.gives}

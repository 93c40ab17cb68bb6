"""Maths on arrays: what engines reduce and panels derive. Pure numpy, float64 inside where sums are long."""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from anatomy.rounding import FRACTION, largest_at

Array = np.ndarray
LOCAL = 4  # tokens away that still count as close by
POOLED = 256  # cells a side, at most, of a map that is pooled for the screen


def softmax(logits: Float[Array, "... n"], temperature: float = 1.0) -> Float[Array, "... n"]:
    """Probabilities from logits divided by the temperature, over the last axis. float64, sums to 1.

    ValueError for a temperature that is not above 0.
    """
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}: it has to be above 0")
    scaled = logits.astype(np.float64) / temperature
    weights = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def entropy(probabilities: Float[Array, "... n"]) -> Float[Array, "..."]:
    """Entropy over the last axis, in nats (Shannon 1948); 0 · log 0 counts as 0."""
    p = probabilities.astype(np.float64)
    return -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=-1)


def as_shares(weights: Float[Array, "... n"]) -> Float[Array, "... n"]:
    """|w| / Σ |w| over the last axis, in float64: what is a distribution but for rounding stays what it is, and zeros
    stay zeros. A change may leave attention weights below 0, or some that do not add up to 1."""
    sizes = np.abs(weights.astype(np.float64))
    totals = sizes.sum(axis=-1, keepdims=True)
    return sizes / np.where((np.abs(totals - 1) <= FRACTION) | (totals == 0), 1.0, totals)


def nucleus(probabilities: Float[Array, " n"], mass: float) -> int:
    """How many of the most probable entries it takes to hold at least `mass`."""
    running = np.cumsum(np.sort(probabilities.astype(np.float64))[::-1])
    return int(np.searchsorted(running, mass * running[-1] - 1e-12) + 1)


def norms(vectors: Float[Array, "... d"]) -> Float[Array, "..."]:
    """Euclidean length over the last axis, in float64."""
    return np.sqrt((vectors.astype(np.float64) ** 2).sum(axis=-1))


def cosines(a: Float[Array, "... d"], b: Float[Array, "... d"]) -> Float[Array, "..."]:
    """Cosine of the angle between paired vectors; 0 where one of them has no length."""
    lengths = norms(a) * norms(b)
    dots = (a.astype(np.float64) * b.astype(np.float64)).sum(axis=-1)
    return np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths > 0)


def cosine_matrix(vectors: Float[Array, "n d"]) -> Float[Array, "n n"]:
    """Cosine between every two rows, from −1 to 1; 0 where one of them has no length."""
    lengths = norms(vectors)[:, None]
    unit = np.divide(vectors, lengths, out=np.zeros(vectors.shape), where=lengths > 0)
    return np.clip(unit @ unit.T, -1.0, 1.0)


def principal_plane(points: Float[Array, "n d"]) -> tuple[Float[Array, "n 2"], tuple[float, float]]:
    """(coordinates, share of the variance on each axis) of the two main directions (PCA, Pearson 1901).

    Signs are fixed so that the coordinate of largest size on each axis is positive: same text, same picture. From the
    eigenvectors of the smaller of the two products, which is far quicker than the singular vectors and as exact here.
    """
    centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    wide = points.shape[0] <= points.shape[1]
    values, vectors = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    spread = np.maximum(values[:-3:-1], 0.0)  # variance × n on the axes of most variance, largest first
    main = vectors[:, :-3:-1] * np.sqrt(spread) if wide else centred @ vectors[:, :-3:-1]
    flat = np.zeros((len(points), 2))
    flat[:, : main.shape[1]] = main
    largest = [largest_at(np.abs(axis)) for axis in flat.T]
    flat *= np.where(flat[largest, (0, 1)] < 0, -1.0, 1.0)
    total = float((centred**2).sum())
    shares = [float(size) / total if total > 0 else 0.0 for size in (*spread, 0.0)[:2]]
    return flat, (shares[0], shares[1])


def relative_gap(actual: Float[Array, "..."], expected: Float[Array, "..."]) -> float:
    """Largest difference, as a share of the largest number expected; 0 where they are equal, if only in being 0."""
    gap = float(np.abs(actual.astype(np.float64) - expected).max())
    return gap / float(np.abs(expected).max()) if gap else 0.0


NEAR_ZERO = 0.01  # of a token's strongest neuron: what counts as next to nothing


def near_zero(act: Float[Array, "... d_ff"]) -> Float[Array, "..."]:
    """Share of the neurons whose size is at most NEAR_ZERO of the largest of the same token; 1 where all are 0."""
    sizes = np.abs(act)
    return (sizes <= NEAR_ZERO * sizes.max(axis=-1, keepdims=True)).mean(axis=-1)


def exactly_zero(act: Float[Array, "... d_ff"]) -> Float[Array, "..."]:
    """Share of the neurons that are 0, as ReLU leaves them."""
    return (act == 0).mean(axis=-1)


def rms_normalized(x: Float[Array, "... d"], eps: float) -> Float[Array, "... d"]:
    """x / √(mean(x²) + ε), before any gain. RMSNorm (Zhang and Sennrich 2019), eq. 4."""
    x = x.astype(np.float64)
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + eps)


def layer_normalized(x: Float[Array, "... d"], eps: float) -> Float[Array, "... d"]:
    """(x − mean) / √(variance + ε), before any gain and bias. LayerNorm (Ba, Kiros and Hinton 2016), eq. 4."""
    centred = x.astype(np.float64) - x.mean(axis=-1, keepdims=True, dtype=np.float64)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)


def strongest(contributions: Float[Array, "head pos src"]) -> tuple[Int[Array, " pos"], Int[Array, " pos"]]:
    """(source, head) of the largest contribution to each token, the first token's and its own left out; −1 where there
    is none above 0. Equal ones, but for what sums may be off by rounding: the first head, then the first source.

    contributions: lengths of what each head brings each token of each other one, 0 where it may not look (L2 norm).
    """
    others = np.nan_to_num(np.array(contributions, np.float64), nan=0.0, posinf=np.inf)
    others[:, :, 0] = 0.0
    others[:, range(others.shape[1]), range(others.shape[1])] = 0.0
    found = others >= others.max(axis=(0, 2), keepdims=True) * (1 - FRACTION)  # [head pos src]
    places = found.transpose(1, 0, 2).reshape(len(others[0]), -1).argmax(axis=1)  # [pos] the first True of head · src
    heads, sources = np.unravel_index(places, (len(others), others.shape[2]))
    there = others.any(axis=(0, 2))
    return np.where(there, sources, -1), np.where(there, heads, -1)


def contributions(parts: Float[Array, "... part d"]) -> Float[Array, "... part"]:
    """Each part's share in the squared length of their sum: part · sum / ‖sum‖². They add up to 1; one that points
    away from the sum is below 0. 0 for all where the sum is 0."""
    parts = parts.astype(np.float64)
    total = parts.sum(axis=-2, keepdims=True)
    squared = (total**2).sum(axis=-1)
    return np.divide((parts * total).sum(axis=-1), squared, out=np.zeros(parts.shape[:-1]), where=squared > 0)


def other_copies(ids: Int[Array, " n"]) -> np.ndarray:
    """[pos src] True where src is another place of the same token as pos, before it or after."""
    same = ids[:, None] == ids[None, :]
    np.fill_diagonal(same, False)
    return same


def head_scores(pattern: Float[Array, "head pos src"], ids: Int[Array, " pos"]) -> dict[str, Float[Array, " head"]]:
    """What kind of head each is, from its weights on this text. Keys as the sites `head_…`; NaN where the text
    offers no case (no repeated token, a single token).

    previous, first, distance: means over the tokens after the first. entropy: mean over all rows, in nats.
    duplicate: weight on other places of the same token. induction: weight on the tokens that followed those
    places (Olsson et al. 2022, "In-context Learning and Induction Heads"), copies of the token itself not counted:
    in a row of equal tokens there is nothing else to follow.
    later: weight on all tokens that come after, over all rows.
    entropy and distance are of each row as a distribution (`as_shares`), whatever a change makes of its weights.
    local: weight on tokens at most LOCAL away, the token itself among them, over the tokens that have more than LOCAL
    before them (the others may look at nothing else).
    """
    n = len(ids)
    copies = other_copies(ids)
    followers = np.zeros_like(copies)
    followers[:, 1:] = copies[:, :-1] & (np.arange(n)[:, None] > np.arange(n - 1)[None, :])
    followers &= ids[:, None] != ids[None, :]
    place = np.arange(n)
    after_first, shares = pattern[:, 1:], as_shares(pattern)
    weights = {
        "previous": pattern[:, place[1:], place[:-1]],
        "first": after_first[:, :, 0],
        "duplicate": _mass(pattern, copies),
        "induction": _mass(pattern, followers),
        "local": _mass(pattern, close_by(n)),
        "later": _mass(pattern, ~np.tri(n, dtype=bool), np.ones(n, bool)),
        "entropy": entropy(shares),
        "distance": (shares[:, 1:] * np.abs(place[1:, None] - place[None, :])).sum(axis=-1, dtype=np.float64),
    }
    return {name: _mean(values).astype(np.float32) for name, values in weights.items()}


def apart(pattern: Float[Array, "head pos src"]) -> Float[Array, " head"]:
    """How unlike each head's rows are those of the other heads: Jensen–Shannon divergence in nats, the mean over rows
    and over the other heads; between 0 and log 2. A head without others: 0. Lin 1991, sec. IV.

    Of rows as distributions (`as_shares`). A row of zeros is no distribution: it is 0 far from another one, and ½ log 2
    from one that reads.
    """
    shares = as_shares(pattern)
    rows, read = entropy(shares), shares.sum(axis=-1)  # [head pos]
    means = np.zeros(len(pattern))
    for head, map_ in enumerate(shares):
        others = np.delete(np.arange(len(pattern)), head)
        summed = map_ + shares[others]  # [other pos src]
        mixed = (entropy(summed) + (read[head] + read[others]) * math.log(2)) / 2  # [other pos]
        divergence = mixed - (rows[head] + rows[others]) / 2
        means[head] = divergence.mean() if len(others) else 0.0
    return means


def reach(pattern: Float[Array, "head pos src"]) -> Float[Array, " src"]:
    """Share of all weight, over heads and rows, that goes to tokens 0, 1, 2 … away; adds up to 1. Of rows as
    distributions (`as_shares`); all 0 where no row reads anything."""
    place = np.arange(pattern.shape[-1])
    weights = as_shares(pattern).sum(axis=0)  # [pos src]
    distances = np.abs(place[:, None] - place)
    total = weights.sum()
    return np.bincount(distances.ravel(), weights.ravel(), len(place)) / (total if total else 1.0)


def close_by(n: int) -> np.ndarray:
    """[pos src] True where src is at most LOCAL tokens from pos, for the tokens with more than LOCAL before them."""
    place = np.arange(n)
    return (np.abs(place[:, None] - place) <= LOCAL) & (place > LOCAL)[:, None]


def _mass(
    pattern: Float[Array, "head pos src"], where: np.ndarray, rows: np.ndarray | None = None
) -> Float[Array, "head rows"]:
    """Weight on the marked sources, for those rows; None: for the rows that have any."""
    chosen = where.any(axis=1) if rows is None else rows
    return np.einsum("hps,ps->hp", pattern[:, chosen].astype(np.float64), where[chosen].astype(np.float64))


def _mean(values: Float[Array, "head rows"]) -> Float[Array, " head"]:
    return values.mean(axis=1, dtype=np.float64) if values.shape[1] else np.full(len(values), np.nan)


def max_pool(maps: Float[Array, "... n m"], side: int) -> Float[Array, "... r c"]:
    """The largest value of each cell when the last two axes are cut into at most side × side cells."""
    for axis in (-2, -1):
        maps = np.maximum.reduceat(maps, edges(maps.shape[axis], side)[:-1], axis=axis)
    return maps


def edges(length: int, side: int, first: int = 0) -> Int[Array, " edge"]:
    """Where min(length, side) nearly equal cells of `length` places begin, counted from `first`, and where they end."""
    cells = min(length, side)
    return first + np.arange(cells + 1) * length // cells


def as_bytes(weights: Float[Array, "..."]) -> np.ndarray:
    """Probabilities in 256 steps, as uint8."""
    return np.rint(np.clip(weights, 0.0, 1.0) * 255).astype(np.uint8)


def relu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """max(x, 0). Nair and Hinton 2010."""
    return np.maximum(x.astype(np.float64), 0.0)


def silu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """x · sigmoid(x), also called swish. Elfwing, Uchibe and Doya 2018; Ramachandran, Zoph and Le 2017."""
    x = x.astype(np.float64)
    return x * (0.5 + 0.5 * np.tanh(x / 2))  # the sigmoid, in a form that does not overflow


def gelu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """x · Φ(x), Φ the distribution function of the normal distribution. Hendrycks and Gimpel 2016."""
    x = x.astype(np.float64)
    erf = np.array([math.erf(value) for value in (x / math.sqrt(2)).ravel()]).reshape(x.shape)
    return x * 0.5 * (1 + erf)


def gelu_tanh(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """GELU by a hyperbolic tangent instead of Φ. Hendrycks and Gimpel 2016, sec. 2."""
    x = x.astype(np.float64)
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


# Activation functions by the names that configurations give them.
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": relu,
    "silu": silu,
    "swish": silu,
    "gelu": gelu,
    "gelu_new": gelu_tanh,
    "gelu_fast": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
}


def leads_from(ids: Int[np.ndarray, "layer k"]) -> int:
    """The first layer from which on the last layer's best token leads. ids: best tokens of each layer, best first."""
    others = np.flatnonzero(ids[:, 0] != ids[-1, 0])
    return int(others[-1]) + 1 if others.size else 0

"""Rotary positions: turning pairs of components by position × frequency, and the frequencies of Llama 3.1.

RoFormer (Su et al. 2021), sec. 3.2.2. Component i pairs with i + pairs, as in the library's Llama; components beyond
2 × pairs are not turned.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Array = np.ndarray


@dataclass(frozen=True)
class Rescaling:
    """Llama 3.1's stretch of the frequencies. factor: how many times slower the slow pairs turn; low, high: turns
    within `original` tokens below which a pair is slow, and above which it is left alone."""

    factor: float
    low: float
    high: float
    original: int


# The published configuration of Llama 3.1 (8B, 70B and 405B share it): config.json of meta-llama/Llama-3.1-8B.
LLAMA_31_THETA, LLAMA_31_WIDTH, LLAMA_31_CONTEXT = 500_000.0, 128, 131_072
LLAMA_31_RESCALING = Rescaling(factor=8.0, low=1.0, high=4.0, original=8192)


def angles(position: float, frequencies: Float[Array, " pair"]) -> Float[Array, " pair"]:
    """Radians by which each pair is turned at a position, whole turns included."""
    return position * np.asarray(frequencies, np.float64)


def in_pairs(vector: Float[Array, " d_head"], count: int) -> Float[Array, "pair 2"]:
    """The vector as `count` points on planes: (component i, component i + count)."""
    return np.stack([vector[:count], vector[count : 2 * count]], axis=-1).astype(np.float64)


def turned(vector: Float[Array, " d_head"], by: Float[Array, " pair"], stretch: float = 1.0) -> Float[Array, " d_head"]:
    """The vector with each pair (a, b) → (a cos α − b sin α, a sin α + b cos α) × stretch. −α turns back. float64."""
    count = len(by)
    a, b = stretch * in_pairs(vector, count).T
    rest = vector[2 * count :].astype(np.float64)
    return np.concatenate([a * np.cos(by) - b * np.sin(by), a * np.sin(by) + b * np.cos(by), rest])


def dots_by_distance(
    q: Float[Array, " d_head"],
    k: Float[Array, " d_head"],
    frequencies: Float[Array, " pair"],
    distances: Float[Array, " distance"],
    stretch: float = 1.0,
) -> Float[Array, " distance"]:
    """q·k of an unturned query and key when the key stands so many tokens before the query.

    Per pair (Su et al. 2021, eq. 16): (q₁k₁ + q₂k₂) cos dω + (q₁k₂ − q₂k₁) sin dω; times stretch², where the turn
    lengthens both.
    """
    count = len(frequencies)
    q_pairs, k_pairs = stretch * in_pairs(q, count), stretch * in_pairs(k, count)
    along = (q_pairs * k_pairs).sum(axis=-1)  # [pair]
    across = q_pairs[:, 0] * k_pairs[:, 1] - q_pairs[:, 1] * k_pairs[:, 0]  # [pair]
    by = np.asarray(distances, np.float64)[:, None] * np.asarray(frequencies, np.float64)  # [distance pair]
    rest = float(q[2 * count :].astype(np.float64) @ k[2 * count :].astype(np.float64))
    return np.cos(by) @ along + np.sin(by) @ across + rest


def plain_frequencies(theta: float, width: int) -> Float[Array, " pair"]:
    """Radians per token of each pair: θ^(−2i / width) (Su et al. 2021, sec. 3.2.2)."""
    return theta ** (-np.arange(0, width, 2) / width)


def rescaled(frequencies: Float[Array, " pair"], by: Rescaling) -> Float[Array, " pair"]:
    """Frequencies after Llama 3.1's stretch: fast pairs as they were, slow ones divided by the factor, those between
    blended in proportion to their turns (`rope_type: llama3` in transformers; Grattafiori et al. 2024, sec. 3.2)."""
    turns = by.original * frequencies / (2 * math.pi)  # within the original context
    kept = np.clip((turns - by.low) / (by.high - by.low), 0.0, 1.0)
    return kept * frequencies + (1 - kept) * frequencies / by.factor

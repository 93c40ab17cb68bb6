"""From logits to the distribution that a token is drawn from: penalty, temperature, top-k, top-p, min-p.

The order is that of transformers' own `generate()`, and each step gives what its logits processor of the library gives
(transformers 5, generation/logits_process.py), in float32 as there. What a step removes has the score −∞.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

import numpy as np
from jaxtyping import Float, Int

from anatomy.language import N_
from anatomy.measure import entropy, softmax

Array = np.ndarray


@dataclass(frozen=True)
class Settings:
    """How a token is drawn; every default leaves the distribution alone. ValueError for a number out of its range.

    penalty      what the logits of tokens that stand in the text are divided by (or multiplied, below 0); 1 for none
    temperature  what all logits are divided by
    top_k        how many of the best tokens stay; 0 for all
    top_p        the smallest set of best tokens that holds this probability stays; 1 for all
    min_p        tokens below this share of the best one's probability go; 0 for none
    """

    penalty: float = 1.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    def __post_init__(self) -> None:
        for name, number, fits, asked in (
            ("the repetition penalty", self.penalty, 0 < self.penalty < inf, "above 0 and finite"),
            ("temperature", self.temperature, 0 < self.temperature < inf, "above 0 and finite"),
            ("top-k", self.top_k, self.top_k >= 0, "0 (all) or more"),
            ("top-p", self.top_p, 0 < self.top_p <= 1, "above 0 and at most 1 (all)"),
            ("min-p", self.min_p, 0 <= self.min_p <= 1, "from 0 (all) to 1"),
        ):
            if not fits:
                raise ValueError(f"{name} is {number}: it has to be {asked}")


@dataclass(frozen=True)
class Step:
    """What one step leaves: its name, and the scores of all tokens, −∞ for those that are excluded by now.

    kept     how many tokens can still be drawn
    removed  probability of the tokens that this step excludes, by the distribution before it
    entropy  of what is left, in nats
    """

    name: str
    scores: Float[Array, " vocab"]
    kept: int
    removed: float
    entropy: float

    @property
    def probabilities(self) -> Float[Array, " vocab"]:
        """Softmax of the scores; 0 for what is excluded."""
        return softmax(self.scores)


def steps(logits: Float[Array, " vocab"], ids: Iterable[int], settings: Settings) -> tuple[Step, ...]:
    """The distribution as the model gives it, then after every step, in order. ids: the tokens of the text so far."""
    distributions = [_step(N_("the model's own"), logits.astype(np.float32), 0.0)]
    for name, scores in _in_order(distributions[0].scores, np.unique(np.fromiter(ids, np.int64)), settings):
        gone = np.isneginf(scores) & ~np.isneginf(distributions[-1].scores)
        distributions.append(_step(name, scores, float(distributions[-1].probabilities[gone].sum())))
    return tuple(distributions)


def _in_order(
    scores: Float[Array, " vocab"], ids: Int[Array, " distinct"], settings: Settings
) -> Iterable[tuple[str, Float[Array, " vocab"]]]:
    scores = penalized(scores, ids, settings.penalty)
    yield N_("repetition penalty"), scores
    scores = heated(scores, settings.temperature)
    yield N_("temperature"), scores
    scores = top_k(scores, settings.top_k)
    yield N_("top-k"), scores
    scores = top_p(scores, settings.top_p)
    yield N_("top-p"), scores
    yield N_("min-p"), min_p(scores, settings.min_p)


def _step(name: str, scores: Float[Array, " vocab"], removed: float) -> Step:
    return Step(name, scores, int((~np.isneginf(scores)).sum()), removed, float(entropy(softmax(scores))))


def penalized(scores: Float[Array, " vocab"], ids: Int[Array, " distinct"], penalty: float) -> Float[Array, " vocab"]:
    """Scores of the text's tokens divided by the penalty where above 0, multiplied where below. Keskar et al. 2019
    (CTRL), sec. 4.1, with the library's sign rule; 1 for none."""
    if penalty == 1:
        return scores
    result = scores.copy()
    own = scores[ids]
    result[ids] = np.where(own < 0, own * np.float32(penalty), own / np.float32(penalty))
    return result


def heated(scores: Float[Array, " vocab"], temperature: float) -> Float[Array, " vocab"]:
    """Scores divided by the temperature."""
    return scores / np.float32(temperature)


def top_k(scores: Float[Array, " vocab"], k: int) -> Float[Array, " vocab"]:
    """The k best stay, with those that equal the last of them; 0 keeps all. Fan, Lewis and Dauphin 2018, sec. 5.4."""
    if k == 0:
        return scores
    place = len(scores) - min(k, len(scores))
    return _without(scores, scores < np.partition(scores, place)[place])


def top_p(scores: Float[Array, " vocab"], p: float) -> Float[Array, " vocab"]:
    """The best tokens that together hold at least p stay, one at least. Holtzman et al. 2019, sec. 3.1."""
    if p == 1:
        return scores
    order = np.argsort(scores, kind="stable")
    running = np.cumsum(_float32_softmax(scores[order]), dtype=np.float32)
    tail = running <= np.float32(1 - p)
    tail[-1] = False
    gone = np.empty_like(tail)
    gone[order] = tail
    return _without(scores, gone)


def min_p(scores: Float[Array, " vocab"], p: float) -> Float[Array, " vocab"]:
    """Tokens below p × the best one's probability go. Nguyen et al. 2024, "Turning Up the Heat"."""
    probabilities = _float32_softmax(scores)
    gone = probabilities < np.float32(p) * probabilities.max()
    gone[probabilities.argmax()] = False
    return _without(scores, gone)


def _without(scores: Float[Array, " vocab"], gone: np.ndarray) -> Float[Array, " vocab"]:
    return np.where(gone, np.float32(-np.inf), scores)


def _float32_softmax(scores: Float[Array, " vocab"]) -> Float[Array, " vocab"]:
    """As the library computes it, so that tokens on an edge fall on the same side."""
    weights = np.exp(scores - scores.max())
    return weights / weights.sum(dtype=np.float32)

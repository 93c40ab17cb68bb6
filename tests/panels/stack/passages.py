"""Passages on traces made by hand or by chance, and what they have to show, searched for slowly."""

from collections.abc import Iterator

import numpy as np

from anatomy.request import Want
from anatomy.spec import ModelSpec, Stack
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.stack.passage_paths import CHOSEN, MOST, OTHERS, Tops
from panels.stack.passage_reading import Way, read
from tests.anatomy.spec import spec
from tests.panels.made import made

LAYERS = 4
TOPS = tuple(f"top_{part}" for part in ("src", "head", "weight", "moved"))
NAMES = {5: "<b>", 6: "six", 7: "seven", 8: "eight"}
WORDS = "one two three four five six"
NONE = (-1, -1, 0.0, 0.0)
BOTH = {(1, 5): (2, 3, 0.8, 10.0), (2, 5): (1, 0, 0.5625, 15.0), (3, 4): (2, 1, 0.9, 8.0)}  # arcs of the last two words


def model(layers: int = LAYERS, causal: bool = True, **changes) -> ModelSpec:
    """The small model with so many layers."""
    return spec(stacks=(Stack("dec", layers, causal),), **changes)


def told(
    arcs: dict[tuple[int, int], tuple[int, int, float, float]] | None = None,
    leaders: tuple[int, ...] = (6, 6, 5, 5),
    words: str = WORDS,
    pos: int = -1,
    of: ModelSpec | None = None,
) -> tuple[Trace, Fitted]:
    """A trace and a view. arcs: (source, head, weight, length) by layer and token; leaders: best token after each one,
    the last the answer, with probabilities of 10 %, 20 % …; every stream enters layer i with length 10 · (i + 1)."""
    chosen, count = of or model(len(leaders)), len(words.split())
    pos %= count
    tops = np.full((chosen.layers, count, 4), NONE)
    for place, arc in (arcs or {}).items():
        tops[place] = arc
    sizes = np.repeat(10.0 * np.arange(1, chosen.layers + 2)[:, None], count, axis=1)
    arrays: dict[Want, object] = {Want(site): tops[..., i] for i, site in enumerate(TOPS)}
    arrays |= {Want("norm_pre"): sizes[:-1], Want("norm_post"): sizes[1:]}
    if chosen.head:
        shares = np.log(np.stack([0.1 * np.arange(1, len(leaders) + 1), np.full(len(leaders), 0.01)], axis=1))
        ids, logp = np.array([[leader, 40] for leader in leaders]), np.log([0.75, 0.125])
        arrays |= {Want("lens_ids", pos=pos): ids, Want("lens_logp", pos=pos): shares}
        arrays |= {Want("next_ids", pos=pos): [leaders[-1], 8], Want("next_logp", pos=pos): logp}
        arrays |= {Want("next_ids"): [[leaders[-1], 8]] * count, Want("next_logp"): [logp] * count}
    return made(words, arrays, chosen, NAMES), Fitted(pos=pos, length=count)


def way(*args, **choices) -> Way:
    """What the panel reads of such a trace."""
    return read(*told(*args, **choices))


def ways_to(tops: Tops, pos: int, limit: int, least: np.ndarray) -> Iterator[tuple[tuple[int, int], ...]]:
    """Every way on which something reaches a position's stream before a layer, as (layer, taker) of its arcs; the
    empty one too."""
    yield ()
    for layer in range(limit):
        if tops.weight[layer, pos] > least[pos]:
            for rest in ways_to(tops, int(tops.source[layer, pos]), layer, least):
                yield ((layer, pos), *rest)


def searched(tops: Tops, pos: int) -> tuple[list[int], set[tuple[int, int]]]:
    """(lines, arcs on the way) by going through every way by itself."""
    least = np.full(tops.weight.shape[1], OTHERS)
    least[pos] = CHOSEN
    best: dict[int, tuple[float, int]] = {}
    arcs: set[tuple[int, int]] = set()
    for found in ways_to(tops, pos, len(tops.weight), least):
        end = int(tops.source[found[-1]]) if found else pos
        strength = min((float(tops.share[arc]) for arc in found), default=np.inf)
        best[end] = max(best.get(end, (-1.0, 0)), (strength, -len(found)))
        arcs |= set(found)
    lines = sorted(best, key=lambda place: (*best[place], place), reverse=True)[:MOST]
    between = {arc for arc in arcs if {arc[1], int(tops.source[arc])} <= set(lines)}
    return sorted(lines), between


def drawn_by_chance(seed: int, tokens: int, layers: int, causal: bool) -> Tops:
    """Contributions by chance, many of equal share; from the first token and a token itself none."""
    chance = np.random.default_rng(seed)
    source = np.full((layers, tokens), -1)
    for layer, pos in np.ndindex(source.shape):
        others = [src for src in range(1, pos if causal else tokens) if src != pos]
        source[layer, pos] = chance.choice(others) if others else -1
    there = source >= 0
    weight = np.where(there, chance.uniform(0.4, 1.0, source.shape), 0.0)
    share = np.where(there, chance.integers(1, 5, source.shape) / 4, 0.0)
    return Tops(source, np.where(there, chance.integers(0, 4, source.shape), -1), weight, share)


def scaled(tops: Tops, trace: Trace) -> tuple[np.ndarray, ...]:
    """The arrays of the sites that these are: a share as a length."""
    return tops.source, tops.head, tops.weight, tops.share * trace[Want("norm_pre")]


def slowly(leaders: list[str]) -> list[tuple[int, str]]:
    """(layer, word) of each that leads there and in the next layer, begins there, and was not the last to be named."""
    said: list[tuple[int, str]] = []
    for layer, word in enumerate(leaders[:-1]):
        begins = layer == 0 or leaders[layer - 1] != word
        if begins and leaders[layer + 1] == word and (not said or said[-1][1] != word):
            said.append((layer, word))
    return said

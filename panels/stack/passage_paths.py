"""Which arcs the passage draws, and of a long text which lines: those that the chosen token's answer rests on.

Of each layer and token only the largest contribution is asked: attention weight × length of the value through the
output projection (Kobayashi et al. 2020, "Attention is Not Only a Weight", sec. 3), the first token's and the token's
own apart. It is drawn where it comes of a head that looks mostly at one token.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from viz.passage import WHOLE

CHOSEN = 0.5  # attention weight (probability) over which the chosen token's arcs are drawn
OTHERS = 0.6  # the same for every other token's, of which there are many
MOST = 16  # lines of a longer text


@dataclass(frozen=True)
class Tops:
    """For each layer and token the largest contribution of one head, the first token's and its own left out.

    source, head  where it comes from; −1 where there is none
    weight        attention weight (probability)
    share         its length over that of the stream that enters the layer
    """

    source: Int[np.ndarray, "layer pos"]
    head: Int[np.ndarray, "layer pos"]
    weight: Float[np.ndarray, "layer pos"]
    share: Float[np.ndarray, "layer pos"]


@dataclass(frozen=True)
class Taken:
    """One of these that is drawn: what the token at `pos` takes from the one at `src`."""

    layer: int
    head: int
    pos: int
    src: int
    weight: float
    share: float


@dataclass(frozen=True)
class Paths:
    """lines: positions, in the order of the text; taken: arcs between them, by layer and then by position."""

    lines: tuple[int, ...]
    taken: tuple[Taken, ...]


def paths(tops: Tops | None, tokens: int, pos: int) -> Paths:
    """Lines and arcs for a chosen position. tops: None where they are not there yet, so that only its line is known."""
    if tops is None:
        return Paths(tuple(range(tokens)) if tokens <= WHOLE else (pos,), ())
    drawn = strong(tops, pos)
    if tokens <= WHOLE:
        lines, kept = tuple(range(tokens)), drawn
    else:
        lines, kept = rested_on(tops, drawn, pos)
    return Paths(lines, between(tops, kept, lines))


def strong(tops: Tops, pos: int) -> Bool[np.ndarray, "layer pos"]:
    """Which contributions come of a head that looks mostly at one token. pos: the chosen one."""
    least = np.full(tops.weight.shape[1], OTHERS)
    least[pos] = CHOSEN
    return tops.weight > least


def between(tops: Tops, kept: Bool[np.ndarray, "layer pos"], lines: Collection[int]) -> tuple[Taken, ...]:
    """Those that are kept and have both ends at these positions."""
    taken = (_taken(tops, layer, place) for layer, place in np.argwhere(kept).tolist())
    return tuple(arc for arc in taken if arc.pos in lines and arc.src in lines)


def _taken(tops: Tops, layer: int, pos: int) -> Taken:
    at = layer, pos
    weight, share = float(tops.weight[at]), float(tops.share[at])
    return Taken(layer, int(tops.head[at]), pos, int(tops.source[at]), weight, share)


def rested_on(
    tops: Tops, drawn: Bool[np.ndarray, "layer pos"], pos: int, most: int = MOST
) -> tuple[tuple[int, ...], Bool[np.ndarray, "layer pos"]]:
    """(the chosen position and those that it rests on most, which arcs lie on the way to it).

    From the last layer down: what a token has taken in by a layer counts where it is read in a later one. A way is as
    strong as the smallest share on it; of equally strong ones the shorter comes first, so that none is cut in two.
    """
    kept, ways = np.zeros_like(drawn), {pos: (np.inf, 0)}  # of each position: (strength, −arcs on the way)
    for layer in reversed(range(len(drawn))):
        later = dict(ways)  # whose streams are read after this layer: what they take in here counts
        for place in filter(later.__contains__, np.flatnonzero(drawn[layer]).tolist()):
            source, (strength, steps) = int(tops.source[layer, place]), later[place]
            kept[layer, place] = True
            way = min(strength, float(tops.share[layer, place])), steps - 1
            ways[source] = max(ways.get(source, way), way)
    strongest = sorted(ways, key=lambda place: (*ways[place], place), reverse=True)
    return tuple(sorted(strongest[:most])), kept


def told(taken: Sequence[Taken], pos: int, most: int) -> tuple[Taken, ...]:
    """The chosen token's arcs that are worth words, in the order of the layers: from tokens that are no neighbours, of
    each source the largest share, the largest of those."""
    best: dict[int, Taken] = {}
    for arc in taken:
        if arc.pos == pos and abs(arc.src - pos) > 1 and (arc.src not in best or arc.share > best[arc.src].share):
            best[arc.src] = arc
    strongest = sorted(best.values(), key=lambda arc: (-arc.share, arc.layer))[:most]
    return tuple(sorted(strongest, key=lambda arc: arc.layer))

"""The passages of two runs in one: the same part of both texts, and each arc in it that one run has."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from anatomy.alignment import Alignment
from panels.stack.passage_drawing import arc_between, draw
from panels.stack.passage_paths import MOST, Paths, Tops, between, rested_on, strong
from panels.stack.passage_reading import Way
from viz import passage_two
from viz.passage import WHOLE, Arc
from viz.passage_two import PassageOfTwo

Kept = Bool[np.ndarray, "layer pos"]


@dataclass(frozen=True)
class _Part:
    """What is drawn of one run. kept: its contributions that are drawn as arcs, where both ends are among the lines."""

    lines: tuple[int, ...]
    kept: Kept


def beside(a: Way, b: Way, alignment: Alignment) -> PassageOfTwo:
    """The passage of B in which each arc and word says whether A has it too.

    a, b       what the panel read of the first run and of the second
    alignment  of their tokens
    """
    one_model = a.spec.alike(b.spec)
    if a.tops is None or b.tops is None:
        parts = [_Part(lines, _none(way)) for way, lines in zip((a, b), _first_lines(a, b, alignment), strict=True)]
        drawn = draw(_shown(a, None, parts[0])), draw(_shown(b, None, parts[1]))
        return passage_two.beside(*drawn, alignment.pairs, one_model)
    one, other = _parts(a, b, a.tops, b.tops, alignment)
    weak = ((), ())
    if one_model:
        weak = (
            _weak(a, a.tops, one, _seen(other.kept, alignment.in_b, len(a.tokens))),
            _weak(b, b.tops, other, _seen(one.kept, alignment.in_a, len(b.tokens))),
        )
    shown = draw(_shown(a, a.tops, one)), draw(_shown(b, b.tops, other))
    return passage_two.beside(*shown, alignment.pairs, one_model, weak)


def _none(way: Way) -> Kept:
    return np.zeros((way.spec.layers, len(way.tokens)), bool)


def _shown(way: Way, tops: Tops | None, part: _Part) -> Way:
    """The run with these lines and arcs; where the other's arcs are not there yet, its own are not drawn either."""
    taken = between(tops, part.kept, set(part.lines)) if tops else ()
    return replace(way, complete=tops is not None, tops=tops, paths=Paths(part.lines, taken))


def _first_lines(a: Way, b: Way, alignment: Alignment) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Every token of short texts; of long ones the chosen tokens and their partners."""
    if len(alignment.pairs) <= WHOLE:
        return tuple(range(len(a.tokens))), tuple(range(len(b.tokens)))
    return _with_partners({a.pos}, {b.pos}, alignment)


def _with_partners(ours: Set[int], theirs: Set[int], alignment: Alignment) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Places of A and of B, each with its partners' places."""
    pairs = [(i, j) for i, j in alignment.pairs if i in ours or j in theirs]
    one, other = zip(*pairs, strict=True)
    return tuple(i for i in one if i is not None), tuple(j for j in other if j is not None)


def _parts(a: Way, b: Way, of_a: Tops, of_b: Tops, alignment: Alignment) -> tuple[_Part, _Part]:
    """Of short texts everything; of long ones the tokens on which either chosen token rests, as many as can be drawn.
    An arc on the way in one run is asked for in the other too."""
    ours, theirs = strong(of_a, a.pos), strong(of_b, b.pos)
    if len(alignment.pairs) <= WHOLE:
        lines = _first_lines(a, b, alignment)
        return _Part(lines[0], ours), _Part(lines[1], theirs)
    way_a, way_b, lines = ours, theirs, ((a.pos,), (b.pos,))
    for most in range(MOST, 0, -1):
        (lines_a, way_a), (lines_b, way_b) = (
            rested_on(tops, kept, way.pos, most) for tops, kept, way in ((of_a, ours, a), (of_b, theirs, b))
        )
        lines = _with_partners(set(lines_a), set(lines_b), alignment)
        if len(lines[0]) + len(set(lines[1]) - set(alignment.in_a)) <= WHOLE:
            break
    if not a.spec.alike(b.spec):
        return _Part(lines[0], way_a), _Part(lines[1], way_b)
    ours &= way_a | _seen(way_b, alignment.in_b, len(a.tokens))
    theirs &= way_b | _seen(way_a, alignment.in_a, len(b.tokens))
    return _Part(lines[0], ours), _Part(lines[1], theirs)


def _seen(kept: Kept, partners: Mapping[int, int], tokens: int) -> Kept:
    """The same at the partners' places in the other text, of so many tokens. partners: other place → own place."""
    there = np.zeros((len(kept), tokens), bool)
    there[:, list(partners)] = kept[:, list(partners.values())]
    return there


def _weak(way: Way, tops: Tops, part: _Part, asked: Kept) -> tuple[Arc, ...]:
    """The largest contributions where the other run has an arc and this one none: their weight is known."""
    number = {place: i for i, place in enumerate(part.lines)}
    return tuple(arc_between(way, arc, number, "") for arc in between(tops, asked & ~part.kept, set(part.lines)))

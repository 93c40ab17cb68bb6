"""Which parts of two runs' passages belong together: tokens, arcs, words and next tokens in pairs."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from viz.partners import Partner, by_name
from viz.passage_parts import Arc, Parts, Word
from viz.passage_two_parts import LEAST, A, ArcOfTwo, B, Change, NextOfTwo, TokenOfTwo, WordOfTwo


def rows(a: Parts, b: Parts, pairs: Sequence[Partner]) -> list[tuple[int, TokenOfTwo]]:
    """(number of a pair of tokens, its row), of those that have a line in one run at least."""
    ours, theirs = ({line.place: line for line in side.lines} for side in (a, b))
    found = []
    for at, (i, j) in enumerate(pairs):
        one, other = ours.get(-1 if i is None else i), theirs.get(-1 if j is None else j)
        if one or other:
            found.append((at, TokenOfTwo(one, other, A if j is None else B if i is None else "")))
    return found


def arcs(
    a: Parts, b: Parts, at: tuple[dict[int, int], dict[int, int]], weak: Sequence[Sequence[Arc]], one_model: bool
) -> list[ArcOfTwo]:
    """The arcs of both, in the order of the layers and rows. at: the row of each line of A, and of B."""
    found = list(_of_one_model(a, b, at, weak) if one_model else _of_two_models(a, b, at))
    return sorted(found, key=lambda arc: (arc.layer, arc.looking))


def _of_one_model(a: Parts, b: Parts, at: tuple[dict, dict], weak: Sequence[Sequence[Arc]]) -> Iterator[ArcOfTwo]:
    """Arcs are partners that have one head, layer and both ends in common."""
    ours, theirs = (_by_head(side.arcs, rows) for side, rows in zip((a, b), at, strict=True))
    too_weak = [_by_head(side, rows) for side, rows in zip(weak, at, strict=True)]
    for key in dict.fromkeys((*theirs, *ours)):
        one, other = ours.get(key) or too_weak[0].get(key), theirs.get(key) or too_weak[1].get(key)
        change = changed(one and one.weight, other and other.weight)
        yield ArcOfTwo(key[0], key[2], key[3], one, other, change)


def _by_head(given: Sequence[Arc], at: dict[int, int]) -> dict[tuple[int, int, int, int], Arc]:
    return {(arc.layer, arc.head, at[arc.looking], at[arc.looked]): arc for arc in given}


def _of_two_models(a: Parts, b: Parts, at: tuple[dict, dict]) -> Iterator[ArcOfTwo]:
    """Layers and heads of two models have nothing to do with each other: arcs are partners that have both ends in
    common. The strongest of A's stands beside each of B's."""
    ours, theirs = (_by_ends(side.arcs, rows) for side, rows in zip((a, b), at, strict=True))
    for ends, of_b in theirs.items():
        best = max(ours.get(ends, ()), key=lambda arc: arc.weight, default=None)
        for arc in of_b:
            yield ArcOfTwo(arc.layer, *ends, best, arc, "same" if best else "new")
    for ends, of_a in ours.items():
        for arc in of_a if ends not in theirs else ():
            yield ArcOfTwo(_as_deep(arc.layer, a, b), *ends, arc, None, "gone")


def _by_ends(given: Sequence[Arc], at: dict[int, int]) -> dict[tuple[int, int], list[Arc]]:
    found: dict[tuple[int, int], list[Arc]] = {}
    for arc in given:
        found.setdefault((at[arc.looking], at[arc.looked]), []).append(arc)
    return found


def _as_deep(layer: int, a: Parts, b: Parts) -> int:
    """The layer of B that lies as deep in it as one of A's lies in A."""
    return int((layer + 0.5) * b.layers / a.layers)


def changed(before: float | None, after: float | None) -> Change:
    """What became of a weight or a probability; None: it is not known, the run has it not among its strongest."""
    if before is None or after is None:
        return "new" if before is None else "gone"
    if abs(after - before) < LEAST:
        return "same"
    return "stronger" if after > before else "weaker"


def words(a: Parts, b: Parts, one_model: bool) -> list[WordOfTwo]:
    """The words of both under their chosen lines, in the order of the layers; the n-th of a word with the n-th."""
    found = []
    for i, j in by_name([word.label for word in a.words], [word.label for word in b.words]):
        one, other = None if i is None else a.words[i], None if j is None else b.words[j]
        layer = other.layer if other else _as_deep(a.words[i or 0].layer, a, b)
        found.append(WordOfTwo(layer, one, other, _of_word(one, other, one_model)))
    return sorted(found, key=lambda word: word.layer)


def _of_word(one: Word | None, other: Word | None, one_model: bool) -> Change:
    if one is None or other is None:
        return changed(one and one.probability, other and other.probability)
    if not one_model:
        return "same"
    if one.layer != other.layer:
        return "earlier" if other.layer < one.layer else "later"
    return changed(one.probability, other.probability)


def following(a: Parts, b: Parts) -> tuple[NextOfTwo, ...]:
    """The likeliest next tokens of both: B's in their order, then what only A has."""
    pairs = by_name([label for label, _share in b.best], [label for label, _share in a.best])
    nan = float("nan")
    return tuple(
        NextOfTwo(
            (a.best[j or 0] if i is None else b.best[i])[0],
            nan if j is None else a.best[j][1],
            nan if i is None else b.best[i][1],
        )
        for i, j in pairs
    )


def lengths(a: Parts, b: Parts, of_rows: Sequence[TokenOfTwo]) -> Float[np.ndarray, "row stream"]:
    """B's lengths of the rows; A's where B has no line, at the same depth."""
    ours, theirs = ({line.place: row for line, row in zip(side.lines, side.lengths, strict=True)} for side in (a, b))
    depths = np.linspace(0, a.layers, b.layers + 1)
    return np.array(
        [
            theirs[row.b.place]
            if row.b
            else np.interp(depths, np.arange(a.layers + 1), ours[row.line.place]).astype(b.lengths.dtype)
            for row in of_rows
        ]
    )

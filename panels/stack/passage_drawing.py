"""The passage as a figure: made of what was read of a run."""

from collections.abc import Mapping

from anatomy.language import _
from anatomy.spec import ModelSpec
from panels.panel import Table
from panels.stack.passage_paths import Taken
from panels.stack.passage_reading import Way
from panels.stack.passage_steps import steps
from panels.stack.passage_words import after, notes
from viz import nouns
from viz.format import percent
from viz.passage import Arc, Line, Passage, Word


def draw(way: Way) -> Passage:
    """Every part of it, with the steps that it is told in."""
    lines = [_line(way, place) for place in way.paths.lines]
    number = {place: i for i, place in enumerate(way.paths.lines)}
    words = {arc: _arc_words(arc) for arc in way.told}
    arcs = [arc_between(way, arc, number, words.get(arc, "")) for arc in way.paths.taken]
    return Passage(
        lines=tuple(lines),
        lengths=way.lengths[list(way.paths.lines)],
        arcs=tuple(arcs),
        words=tuple(Word(said.first, said.label, said.probability, said.answer) for said in way.said),
        chosen=number[way.pos],
        tokens=len(way.tokens),
        best=tuple((label, share) for _id, label, share in way.best),
        best_ids=tuple(row for row, _label, _share in way.best),
        added=way.tail,
        after=after(way),
        end="" if way.spec.head else nouns.numbers(way.spec.d_model),
        goes_on=way.goes_on,
        steps=steps(way),
        notes=notes(way),
        opens=_opens(way.spec),
    )


def _line(way: Way, place: int) -> Line:
    leads, share = way.leads.get(place, ("", float("nan")))
    if place == way.pos and way.best:
        _id, leads, share = way.best[0]
    added = place >= len(way.tokens) - way.tail
    return Line(place, way.tokens[place].label, leads, share, added)


def arc_between(way: Way, arc: Taken, number: Mapping[int, int], words: str) -> Arc:
    """An arc between lines. number: of each position's line."""
    ends = number[arc.pos], number[arc.src]
    return Arc(arc.layer, arc.head, *ends, arc.weight, arc.share, arc.pos == way.pos, words)


def _arc_words(arc: Taken) -> str:
    return _("layer {layer}, head {head}: {weight}", layer=arc.layer, head=arc.head, weight=percent(arc.weight))


def _opens(spec: ModelSpec) -> dict[str, str]:
    """In which panel each part is seen in full."""
    return {"arc": "attention", "stream": "residual"} | ({"word": "lens", "next": "output"} if spec.head else {})


def table(way: Way) -> Table:
    """Every number that is drawn."""
    return draw(way).table()

"""The passage: one line per token through all layers, what it takes from others on its way, and what it predicts."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.language import N_, _
from viz.description import Plotted
from viz.format import listed, percent, quoted
from viz.lines import Lines
from viz.marks import Stands
from viz.partners import (
    UNITS,
    Partner,
    Subtracted,
    alone,
    both,
    called,
    common,
    in_order,
    labels,
    largest,
    meet,
    of_axis,
    ratio,
    stood,
)
from viz.passage_notes import explained as explained
from viz.passage_parts import WHOLE as WHOLE
from viz.passage_parts import Arc as Arc
from viz.passage_parts import Line as Line
from viz.passage_parts import Parts
from viz.passage_parts import Step as Step
from viz.passage_parts import Word as Word
from viz.passage_parts import gaps as gaps
from viz.passage_parts import widths as widths
from viz.passage_picture import picture, thickness
from viz.passage_table import table
from viz.sentences import beneath
from viz.table import Table
from viz.theme import palette

_TOLD = 6  # arcs that the alternative text names, and arcs or words without a partner


@dataclass(frozen=True)
class Passage(Parts, Plotted):
    """The passage of a text; its fields are those of `viz.passage_parts.Parts`. Its numbers are the lengths; what
    stands beside them, weights and probabilities, is in its table."""

    kind: ClassVar[str] = N_("The way of the tokens through the layers")

    def traces(self) -> go.Figure:
        """The chosen line and its arcs in two colours over the grey ones of the others; tokens on the left, what they
        predict on the right, and under the chosen line what it would say before."""
        return picture(self)

    def drawn(self) -> go.Figure:
        """The picture without a theme, over the likeliest next tokens and the notes."""
        figure = self.traces()
        words = " ".join(filter(None, (_leaders(self), *explained(self), thickness(self), self.remark)))
        if words:
            beneath(figure, words)
        return figure

    def plotly(self, dark: bool = False) -> go.Figure:
        """The picture in the colours of the light or dark theme, its words on the theme's ground."""
        figure = super().plotly(dark)
        for note in figure.select_annotations():
            note.bgcolor = None if note.xref == "paper" else palette(dark).background
        return figure

    @property
    def axes(self) -> str:
        """Lines, layers, and what a line's width is."""
        return _("token × layer: length of the stream (L2 norm)")

    def numbers(self) -> Float[np.ndarray, " number"]:
        """The lengths, line after line."""
        return self.lengths.ravel()

    def name(self, i: int) -> str:
        """A line before the first layer, or after one."""
        line, stream = divmod(i, self.layers + 1)
        if not stream:
            return _("{token}, entering layer 0", token=self.called(line))
        return _("{token}, leaving layer {layer}", token=self.called(line), layer=stream - 1)

    def alternative(self) -> str:
        """The figure in words: its lengths, what the chosen token predicts, takes from others and would say before,
        and the notes."""
        return " ".join(
            filter(None, (super().alternative(), _leaders(self), _taken(self), _said(self), *explained(self)))
        )

    def table(self) -> Table:
        """A row per prediction, arc, word and next token, then one per length."""
        return table(self)

    def minus(self, other: Self) -> Lines:
        """The logarithm of how much longer each stream is, at the lines of both, matched in the order of the text, and
        the layers of both; the lines, arcs and words of one alone are named beneath.

        Unlike (a ValueError) where no token of one is in the other.
        """
        meet(self, other)
        mine, theirs = ([line.label for line in side.lines] for side in (self, other))
        places = tuple([line.place for line in side.lines] for side in (self, other))
        pairs = in_order(mine, theirs, (self.chosen, other.chosen), (places[0], places[1]))
        rows, there = common(pairs, "token")
        layer = [(i, i) for i in range(min(self.layers, other.layers) + 1)]
        layers = min(self.layers, other.layers)
        one, two = self.lengths[rows, : layers + 1], other.lengths[there, : layers + 1]
        values = ratio(one, two)
        return Lines(
            values=values,
            names=labels(both(pairs), mine, theirs),
            places=(_("in"), *map(str, range(layers))),
            chosen=rows.index(self.chosen) if self.chosen in rows else 0,
            x_axis=_("after layer (in: before layer 0)"),
            y_axis=of_axis(_("length of the stream (L2 norm)"), logarithmic=True),
            lead=True,
            reach=largest(values, UNITS),
            remark=" ".join(filter(None, (alone((pairs, mine, theirs)), *_alone(self, other, pairs)))),
            subtracted=(Subtracted.of(_("length of the stream (L2 norm)"), one, two, ratio=True),),
            stands=stood((Stands("pos", tuple(places[1])), Stands.each("layer", layers, before=1)), both(pairs), layer),
        )

    def lighter(self) -> Iterator["Passage"]:
        """Without the arcs of tokens other than the chosen one; then without the lines that it takes nothing from."""
        yield self
        arcs = tuple(arc for arc in self.arcs if arc.chosen)
        bare = replace(self, arcs=arcs, notes=(*self.notes, _("Arcs of other tokens are left out.")))
        if len(arcs) < len(self.arcs):
            yield bare
        kept = sorted({self.chosen, *(arc.looked for arc in arcs)})
        if len(kept) < len(self.lines):
            yield _of_lines(bare, kept)


def _of_lines(given: Passage, kept: list[int]) -> Passage:
    """Only some of the lines, among them all that arcs begin or end at."""
    at = {line: i for i, line in enumerate(kept)}
    return replace(
        given,
        lines=tuple(given.lines[i] for i in kept),
        lengths=given.lengths[kept],
        arcs=tuple(replace(arc, looking=at[arc.looking], looked=at[arc.looked]) for arc in given.arcs),
        chosen=at[given.chosen],
        notes=(*given.notes, _("Lines from which the chosen token takes nothing are left out.")),
    )


def _leaders(given: Parts) -> str:
    """What the chosen line ends in: the likeliest next tokens, or numbers; "" where nothing is known of it."""
    if given.best:
        tokens = listed(f"{quoted(label)} {percent(share)}" for label, share in given.best)
        return _("{heading}: {tokens}.", heading=given.after[:1].upper() + given.after[1:], tokens=tokens)
    if given.end:
        return _("{token} ends in {end}.", token=quoted(given.lines[given.chosen].label), end=given.end)
    return ""


def _taken(given: Parts) -> str:
    """What the chosen line takes from others: what the picture tells, then the largest weights, in the order of the
    layers; "" for nothing."""
    own = sorted((arc for arc in given.arcs if arc.chosen), key=lambda arc: (not arc.told, -arc.weight))
    arcs = [
        _(
            "{weight} from {token} (layer {layer}, head {head})",
            weight=percent(arc.weight),
            token=given.called(arc.looked, quoted),
            layer=arc.layer,
            head=arc.head,
        )
        for arc in sorted(own[:_TOLD], key=lambda arc: arc.layer)
    ]
    if not arcs:
        return ""
    more = " …" if len(own) > _TOLD else ""
    return _("{token} takes {arcs}.", token=quoted(given.lines[given.chosen].label), arcs=listed(arcs) + more)


def _said(given: Parts) -> str:
    """What the chosen line would say if the model stopped earlier; "" where that is not known."""
    words = listed(map(_word, given.words))
    return _("If the model stopped earlier, it would say {words}.", words=words) if words else ""


def _alone(first: Parts, second: Parts, lines: list[Partner]) -> Iterator[str]:
    """A sentence on the arcs, and one on the words, that only one of the two has. lines: which belong together."""
    whole = both(lines)
    arcs = [
        _between(side, {pair[number]: at for at, pair in enumerate(whole)})
        for number, side in enumerate((first, second))
    ]
    found = _marked(*arcs)
    if found:
        yield _("Arcs that one alone has between tokens of both: {names}.", names=found)
    words = [{(word.layer, word.label): _word(word) for word in side.words} for side in (first, second)]
    found = _marked(*words)
    if found:
        yield _("Words that one alone has under the chosen line: {names}.", names=found)


def _between(given: Parts, lines: dict[int, int]) -> dict[tuple, str]:
    """The arcs between some lines, by layer, head and the numbers that lines has; the chosen one's first."""
    return {
        (arc.layer, arc.head, lines[arc.looking], lines[arc.looked]): _arc(given, arc)
        for arc in sorted(given.arcs, key=lambda arc: not arc.chosen)
        if arc.looking in lines and arc.looked in lines
    }


def _arc(given: Parts, arc: Arc) -> str:
    return _(
        "layer {layer}, head {head}: {token} from {other}",
        layer=arc.layer,
        head=arc.head,
        token=quoted(given.lines[arc.looking].label),
        other=quoted(given.lines[arc.looked].label),
    )


def _word(word: Word) -> str:
    return _("{token} after layer {layer}", token=quoted(word.label), layer=word.layer)


def _marked(first: dict[tuple, str], second: dict[tuple, str]) -> str:
    """The names of what one side alone has, with its mark; "" for none."""
    lone = [f"{called().first} {name}" for key, name in first.items() if key not in second]
    lone += [f"{called().second} {name}" for key, name in second.items() if key not in first]
    return listed(lone[:_TOLD]) + (" …" if len(lone) > _TOLD else "")

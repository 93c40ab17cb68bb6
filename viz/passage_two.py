"""The passages of two runs, A and B, in one: B's lines, with arcs and words that are new, gone, stronger or weaker."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.language import N_, _
from viz.description import Plotted, Told
from viz.partners import Partner, Unlike
from viz.passage import Passage
from viz.passage_parts import Arc, Line, Parts
from viz.passage_two_pairs import arcs, following, lengths, rows, words
from viz.passage_two_parts import PartsOfTwo
from viz.passage_two_picture import picture
from viz.passage_two_table import table
from viz.passage_two_words import caption, explained, named
from viz.sentences import beneath
from viz.table import Table
from viz.theme import palette


@dataclass(frozen=True)
class PassageOfTwo(PartsOfTwo, Plotted, Told):
    """The passages of two runs; its fields are those of `viz.passage_two_parts.PartsOfTwo`. Its numbers are what the
    weights of the arcs have changed by."""

    kind: ClassVar[str] = N_("The way of the tokens through the layers, in two runs")

    def traces(self) -> go.Figure:
        """Lines and unchanged arcs in grey; each kind of change with its own stroke and its sign."""
        return picture(self)

    def drawn(self) -> go.Figure:
        """The picture without a theme, over its sentences."""
        figure = self.traces()
        beneath(figure, " ".join(filter(None, (self.caption, *explained(self), self.remark))))
        return figure

    def plotly(self, dark: bool = False) -> go.Figure:
        """The picture in the colours of the light or dark theme, its words on the theme's ground."""
        figure = super().plotly(dark)
        for note in figure.select_annotations():
            note.bgcolor = None if note.xref == "paper" else palette(dark).background
        return figure

    @property
    def caption(self) -> str:
        """What comes next in both runs, how many arcs became what, and the foremost change."""
        return caption(self)

    @property
    def axes(self) -> str:
        """What the numbers are."""
        return _("token × layer: attention weights of both runs, and their difference")

    def numbers(self) -> Float[np.ndarray, " number"]:
        """B's weight less A's, arc after arc; one that is not known counts as 0."""
        return np.array([arc.grown for arc in self.arcs], np.float64)

    def name(self, i: int) -> str:
        """An arc."""
        return named(self, self.arcs[i])

    def alternative(self) -> str:
        """The figure in words: its kind, what has changed, and the notes."""
        parts = (_("{kind}. {axes}.", kind=_(self.kind), axes=self.axes), self.caption, *explained(self), self.remark)
        return " ".join(filter(None, parts))

    def table(self) -> Table:
        """A row per token, likely next token, arc and word, then one per length."""
        return table(self)

    def minus(self, other: Self) -> Self:
        """It is a comparison already: Unlike."""
        raise Unlike(_("What two runs have in common and what not has no difference from another such comparison."))


def beside(
    a: Passage,
    b: Passage,
    pairs: Sequence[Partner],
    one_model: bool = True,
    weak: tuple[Sequence[Arc], Sequence[Arc]] = ((), ()),
) -> PassageOfTwo:
    """The passages of two runs.

    pairs      (place in A, place in B) of all tokens of both texts, in order
    one_model  both runs are of one model: a head is the same in both
    weak       arcs of A, and of B, that are too weak to be drawn there, but are drawn in the other run

    ValueError where a line is at none of these places.
    """
    found = rows(a, b, pairs)
    of_rows = tuple(row for _at, row in found)
    at = _rows_of(a, [row.a for row in of_rows]), _rows_of(b, [row.b for row in of_rows])
    return PassageOfTwo(
        rows=of_rows,
        places=tuple(place for place, _row in found),
        tokens=len(pairs),
        arcs=tuple(arcs(a, b, at, weak, one_model)),
        words=tuple(words(a, b, one_model)),
        best=following(a, b),
        lengths=lengths(a, b, of_rows),
        chosen=at[1][b.chosen],
        chosen_a=at[0][a.chosen],
        one_model=one_model,
        after=b.after or a.after,
        end=b.end,
        alike=_alike(a, b),
        opens=a.opens,
    )


def _rows_of(given: Parts, lines: Sequence[Line | None]) -> dict[int, int]:
    """The row of each line."""
    places = {line.place: row for row, line in enumerate(lines) if line is not None}
    lost = next((line for line in given.lines if line.place not in places), None)
    if lost is not None:
        raise ValueError(f"the line at position {lost.place} is in none of the pairs")
    return {i: places[line.place] for i, line in enumerate(given.lines)}


def _alike(a: Parts, b: Parts) -> bool:
    """Whether every number and label of both is the same."""
    return (
        np.array_equal(a.lengths, b.lengths, equal_nan=True)
        and repr((a.lines, a.arcs, a.words, a.chosen, a.best)) == repr((b.lines, b.arcs, b.words, b.chosen, b.best))
    )  # fmt: skip

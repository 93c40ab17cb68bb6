"""What the passages of two runs, A and B, are together: tokens, arcs, words, next tokens, and what became of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import isnan
from typing import Literal

import numpy as np
from jaxtyping import Float

from anatomy.language import N_, _
from viz.format import percent, quoted
from viz.passage_parts import STEPS, Arc, Line, Parts, Step, Word

A, B = "A", "B"  # the first run, and the second: letters in circles are in few fonts
LEAST = 0.05  # change of a weight or a probability from which on it is drawn
_UNTOLD = (Step("", "", "", (), ()),) * STEPS  # two runs are not told in steps
Change = Literal["new", "gone", "stronger", "weaker", "earlier", "later", "same"]
CHANGES: dict[Change, str] = {
    "new": N_("new"),
    "gone": N_("gone"),
    "stronger": N_("stronger"),
    "weaker": N_("weaker"),
    "earlier": N_("earlier"),
    "later": N_("later"),
    "same": N_("unchanged"),
}
SIGNS: dict[Change, str] = {
    "new": "+",
    "gone": "×",
    "stronger": "▲",
    "weaker": "▼",
    "earlier": "◀",
    "later": "▶",
    "same": "",
}


@dataclass(frozen=True)
class TokenOfTwo:
    """A row of the figure: A's line, B's line, or both.

    lone  "A" or "B" where the token has no partner in the other text, else ""
    """

    a: Line | None
    b: Line | None
    lone: str = ""

    @property
    def line(self) -> Line:
        """The line that is drawn: B's, where it has one."""
        line = self.b or self.a
        assert line is not None, "a row is of one run at least"
        return line

    @property
    def was(self) -> str:
        """The token that stood here in A, where B has another one; "" else."""
        return self.a.label if self.a and self.b and self.a.label != self.b.label else ""

    @property
    def marked(self) -> str:
        """The token, with the run where it is of one alone."""
        return f"{self.lone}: {self.line.label}" if self.lone else self.line.label


@dataclass(frozen=True)
class ArcOfTwo:
    """An arc between two rows.

    layer   of B, in which it is drawn
    a, b    of each run, as far as its numbers are known, also where it is too weak there to be drawn; None in A where
            it is new, None in B where it is gone
    """

    layer: int
    looking: int
    looked: int
    a: Arc | None
    b: Arc | None
    change: Change

    @property
    def arc(self) -> Arc:
        """The arc that is drawn: A's where it is gone, else B's."""
        arc = self.a if self.change == "gone" else self.b
        assert arc is not None, "an arc is of one run at least"
        return arc

    @property
    def numbers(self) -> str:
        """Its attention weight in A and in B."""
        return from_to(*self._weights)

    @property
    def grown(self) -> float:
        """By how much its weight has changed: one that is not known counts as 0."""
        before, after = (0.0 if isnan(weight) else weight for weight in self._weights)
        return after - before

    @property
    def _weights(self) -> tuple[float, float]:
        before, after = (arc.weight if arc else float("nan") for arc in (self.a, self.b))
        return before, after


@dataclass(frozen=True)
class WordOfTwo:
    """A word under the chosen line. layer: of B, after which it is drawn."""

    layer: int
    a: Word | None
    b: Word | None
    change: Change

    @property
    def word(self) -> Word:
        """The word that is drawn: B's, where it has it."""
        word = self.b or self.a
        assert word is not None, "a word is of one run at least"
        return word

    @property
    def numbers(self) -> str:
        """Its probability in A and in B."""
        return from_to(*(word.probability if word else float("nan") for word in (self.a, self.b)))


@dataclass(frozen=True)
class NextOfTwo:
    """A likely next token with its probability in A and in B; NaN where it is not among the likeliest."""

    label: str
    a: float
    b: float


@dataclass(frozen=True)
class PartsOfTwo:
    """Everything that two runs' passages are, side by side.

    rows       tokens, in the order of both texts
    places     of each row among the pairs of all tokens; tokens: how many pairs there are
    arcs       in the order of the layers and rows; words: in the order of the layers
    best       likely next tokens after the chosen one
    lengths    L2 norm of each row's stream in B (in A where B has none), entering layer 0 and leaving each layer
    chosen     row that is chosen in B; chosen_a: in A
    one_model  both runs are of one model: a head is the same in both
    after      heading of `best`; end: what a line ends in where nothing is predicted
    alike      every number of both is the same
    opens      id of the panel in which an "arc" is seen in full
    """

    rows: tuple[TokenOfTwo, ...]
    places: tuple[int, ...]
    tokens: int
    arcs: tuple[ArcOfTwo, ...]
    words: tuple[WordOfTwo, ...]
    best: tuple[NextOfTwo, ...]
    lengths: Float[np.ndarray, "row stream"]
    chosen: int
    chosen_a: int
    one_model: bool
    after: str
    end: str
    alike: bool
    opens: Mapping[str, str] = field(default_factory=dict)

    @property
    def layers(self) -> int:
        """Of B."""
        return self.lengths.shape[1] - 1

    def known(self, run: str) -> int:
        """How many of the likeliest next tokens of a run are known; 0 where it predicts none."""
        return sum(not isnan(each.a if run == A else each.b) for each in self.best)

    def place(self, row: int) -> int | None:
        """The position of a row's token in A, whose tokens a reader chooses; None where A has none."""
        line = self.rows[row].a
        return None if line is None else line.place

    def seen(self, at: int) -> tuple[int, int, int, int] | None:
        """(layer, head, looking position, looked position) at which an arc is seen in full, as A has them; None where A
        does not have both tokens, or, being another model, has no such head."""
        own = self.arcs[at]
        arc = own.arc if self.one_model else own.a
        looking, looked = self.place(own.looking), self.place(own.looked)
        if arc is None or looking is None or looked is None or "arc" not in self.opens:
            return None
        return arc.layer, arc.head, looking, looked

    def called(self, row: int) -> str:
        """A row's token in quotation marks, with its position where other rows have the same."""
        own = self.rows[row]
        if sum(each.line.label == own.line.label for each in self.rows) == 1:
            return quoted(own.line.label)
        return _("{token} at position {pos}", token=quoted(own.line.label), pos=own.line.place)

    @cached_property
    def merged(self) -> Parts:
        """Everything that is drawn as if it were of one run, whose text are the pairs: for what stands where."""
        return Parts(
            lines=tuple(
                Line(place, _label(row), *_leads(row)) for place, row in zip(self.places, self.rows, strict=True)
            ),
            lengths=self.lengths,
            arcs=tuple(
                Arc(own.layer, own.arc.head, own.looking, own.looked, own.arc.weight, own.arc.share,
                    own.looking == self.chosen)
                for own in self.arcs
            ),
            words=tuple(Word(own.layer, own.word.label, own.word.probability, own.word.answer) for own in self.words),
            chosen=self.chosen,
            tokens=self.tokens,
            best=(),
            after=self.after,
            end=self.end,
            goes_on=False,
            steps=_UNTOLD,
            notes=(),
        )  # fmt: skip


def _label(row: TokenOfTwo) -> str:
    """A token as it stands beside the picture: with what it was, or the run that alone has it."""
    return f"{row.was} → {row.line.label}" if row.was else row.marked


def _leads(row: TokenOfTwo) -> tuple[str, float]:
    """What is predicted there, in A and in B where that is not the same, with the probability in B; where B predicts
    nothing, A's with its mark."""
    one, other = (line if line and line.leads else None for line in (row.a, row.b))
    if other is None:
        return (f"{A}: {one.leads}", one.share) if one else ("", float("nan"))
    return " → ".join(dict.fromkeys(line.leads for line in (one, other) if line)), other.share


def from_to(before: float, after: float) -> str:
    """Two shares as "3 % → 41 %"; one where the other is not known, or where both read alike."""
    first, last = percent(before), percent(after)
    if isnan(before) or first == last:
        return last
    return first if isnan(after) else _("{before} → {after}", before=first, after=last)

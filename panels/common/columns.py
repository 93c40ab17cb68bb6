"""Columns: the positions of a text as a figure has room for them. One token each; in a long text several side by side.

A figure over positions asks `columns_of(len(trace.tokens))`, brings its arrays [… pos] into the columns with `mean` or
`largest`, names the columns with `labels`, finds the chosen token's with `of` and says in its caption what became of
the numbers: of bars of means `caption` does. As long as every token has a column all of these change nothing (and
`caption` is empty), so there is one path.

A figure that is nothing without single tokens shows those around the chosen one instead: `around`, said by
`caption_around`. Tables list no more than ROWS: those around the chosen token (`table_rows`), or those that get most of
its attention (`most_weight`); `table_note` and `most_note` go into `Table.note`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from anatomy.language import _, ngettext
from anatomy.measure import POOLED, edges
from anatomy.rounding import largest_first
from viz import nouns
from viz.format import thousands

ROWS = 2_000  # of a table


@dataclass(frozen=True)
class Columns:
    """Tokens in columns of nearly equal size, in order: column i holds the tokens from edges[i] up to edges[i + 1]."""

    edges: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.edges) - 1

    @property
    def count(self) -> int:
        """How many tokens there are."""
        return self.edges[-1]

    @property
    def pooled(self) -> bool:
        """Whether any column holds more than one token."""
        return len(self) < self.count

    @cached_property
    def sizes(self) -> Int[np.ndarray, " column"]:
        """How many tokens each column holds."""
        return np.diff(self.edges)

    @property
    def middles(self) -> Float[np.ndarray, " column"]:
        """Where each column stands on an axis of positions: its own position, or the middle of several."""
        return np.array(self.edges[:-1]) + (self.sizes - 1) / 2

    @property
    def firsts(self) -> tuple[int, ...]:
        """The first token of each column."""
        return self.edges[:-1]

    def of(self, pos: int) -> int:
        """The column that holds a token."""
        return int(np.searchsorted(self.edges, pos, side="right")) - 1

    def labels(self, labels: Sequence[str]) -> tuple[str, ...]:
        """The tokens' own labels; of columns of several the positions: 32–63."""
        return tuple(map(self.span, range(len(self)))) if self.pooled else tuple(labels)

    def span(self, column: int) -> str:
        """The positions of a column: 7, 32–63."""
        return span(self.edges[column], self.edges[column + 1])

    def mean(self, values: Float[np.ndarray, "... pos"]) -> Float[np.ndarray, "... column"]:
        """Mean of each column, of the numbers that are not NaN; NaN where none is. The given array where each token
        has a column."""
        if not self.pooled:
            return values
        there = ~np.isnan(values)
        total = self._reduced(np.add, np.where(there, values, 0.0).astype(np.float64))
        count = self._reduced(np.add, there.astype(np.int64))
        means = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
        return means.astype(np.result_type(values, np.float32))

    def largest(self, values: Float[np.ndarray, "... pos"]) -> Float[np.ndarray, "... column"]:
        """Largest number of each column, NaN left out; NaN where there is nothing else."""
        return self._reduced(np.fmax, values) if self.pooled else values

    def _reduced(self, how: np.ufunc, values: np.ndarray) -> np.ndarray:
        return how.reduceat(values, self.edges[:-1], axis=-1)

    def caption(self) -> str:
        """One sentence: how many tokens a column is the mean of; "" where it is one each."""
        return _("Each column covers {tokens}: their mean.", tokens=self.covers) if self.pooled else ""

    @property
    def covers(self) -> str:
        """How many tokens a column holds, in words: 32 tokens, 4 to 5 tokens."""
        few, most = int(self.sizes.min()), int(self.sizes.max())
        if few == most:
            return nouns.tokens(most)
        return _("{few} to {most} tokens", few=few, most=most)


def columns_of(count: int, alone: int = POOLED) -> Columns:
    """A column per token in a text of up to `alone` tokens; else POOLED columns of nearly equal size."""
    return Columns(tuple(edges(count, count if count <= alone else POOLED).tolist()))


def span(first: int, end: int) -> str:
    """Tokens from the first to before the end, by their positions: 7, 128–159."""
    return f"{first}" if end - first == 1 else f"{first}–{end - 1}"


def around(count: int, pos: int, most: int) -> range:
    """At most `most` positions out of 0 … count − 1 with the chosen one in the middle, as far as it goes."""
    start = max(0, min(pos - most // 2, count - most))
    return range(start, min(count, start + most))


def caption_around(count: int, shown: range) -> str:
    """One sentence: that only the tokens around the chosen one are drawn; "" where all are."""
    if len(shown) == count:
        return ""
    return ngettext(
        "Drawn is {shown} of {count} token, those around the chosen one: positions {first} to {last}.",
        "Drawn are {shown} of {count} tokens, those around the chosen one: positions {first} to {last}.",
        count,
        shown=thousands(len(shown)),
        first=thousands(shown.start),
        last=thousands(shown.stop - 1),
    )


def table_rows(count: int, pos: int, most: int = ROWS) -> range:
    """The positions that a table lists: all, or those around the chosen one."""
    return around(count, pos, most)


def table_note(count: int, shown: range) -> str | None:
    """The note of a table that does not list every token; None for one that does."""
    if len(shown) == count:
        return None
    return ngettext(
        "Listed is {shown} of {count} token, those around the chosen one.",
        "Listed are {shown} of {count} tokens, those around the chosen one.",
        count,
        shown=thousands(len(shown)),
    )


def most_weight(weights: Float[np.ndarray, " src"], places: Int[np.ndarray, " place"]) -> Int[np.ndarray, " row"]:
    """At most ROWS of these places for a table: those that get most, in the order of the text."""
    if len(places) <= ROWS:
        return places
    return np.sort(places[largest_first(weights[places])[:ROWS]])


def most_note(listed: int, every: int) -> str | None:
    """The note of a table that does not list all; None for one that does."""
    if listed == every:
        return None
    return _(
        "Listed are the {listed} tokens that get most, of the {every} that this one may see.",
        listed=thousands(listed),
        every=thousands(every),
    )

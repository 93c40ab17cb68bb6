"""Bars over the tokens of a text: each has one, or in a long text those around the chosen one, above the whole."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from anatomy.language import _, ngettext
from panels.common.columns import Columns, around, columns_of
from viz.format import thousands
from viz.whole import Whole

MOST = 120  # bars in a row that a reader can tell apart and hit
NEAR = 24  # of a longer text: the chosen one and those around it


@dataclass(frozen=True)
class Row:
    """Which tokens or words of a text have a bar of their own.

    count   how many there are
    chosen  the chosen one
    """

    count: int
    chosen: int

    @property
    def long(self) -> bool:
        """Whether only a part has bars of its own, above the whole."""
        return self.count > MOST

    @property
    def near(self) -> range:
        """Those that have bars of their own."""
        return around(self.count, self.chosen, NEAR if self.long else self.count)

    @cached_property
    def columns(self) -> Columns:
        """The whole below them: a column each, or for several."""
        return columns_of(self.count)

    @property
    def places(self) -> tuple[int, ...]:
        """Which one each bar stands for, and then, in a long text, each column: the chosen one, or its first."""
        if not self.long:
            return tuple(self.near)
        held = self.columns.of(self.chosen)
        firsts = (self.chosen if i == held else first for i, first in enumerate(self.columns.firsts))
        return (*self.near, *firsts)

    def whole(
        self, values: Float[np.ndarray, " pos"], note: Callable[[str, float], str], x_axis: str, y_axis: str
    ) -> Whole | None:
        """The whole of a long text: a column for each value, or for the mean of several; None of a short one.

        note    the words of a column: of its places and its value
        y_axis  what a value is; the means of several are called just that
        """
        if not self.long:
            return None
        columns, means = self.columns, self.columns.mean(values)
        return Whole(
            values=means,
            middles=columns.middles,
            widths=columns.sizes,
            notes=tuple(note(columns.span(i), mean) for i, mean in enumerate(means.tolist())),
            x_axis=x_axis,
            y_axis=_("mean") if columns.pooled else y_axis,
            focus=columns.of(self.chosen),
            part=(self.near.start, self.near.stop),
        )

    def caption(self, as_words: bool = False) -> str:
        """One sentence: which part has bars of its own, and what the whole below is; "" where all have."""
        if not self.long:
            return ""
        near, most = self.near, int(self.columns.sizes.max())
        values = {"first": thousands(near[0]), "last": thousands(near[-1]), "all": thousands(self.count)}
        if not self.columns.pooled:
            return _each_word(values) if as_words else _each_token(values)
        return _means_of_words(most, values) if as_words else _means_of_tokens(most, values)


def _each_word(values: dict[str, str]) -> str:
    return _("Above stand the words {first} to {last}, around the chosen one; below, all {all}.", **values)


def _each_token(values: dict[str, str]) -> str:
    return _("Above stand the tokens at {first} to {last}, around the chosen one; below, all {all}.", **values)


def _means_of_words(most: int, values: dict[str, str]) -> str:
    return ngettext(
        "Above stand the words {first} to {last}, around the chosen one; below, all {all}: each column is the "
        "mean of up to {count} word.",
        "Above stand the words {first} to {last}, around the chosen one; below, all {all}: each column is the "
        "mean of up to {count} words.",
        most,
        **values,
    )


def _means_of_tokens(most: int, values: dict[str, str]) -> str:
    return ngettext(
        "Above stand the tokens at {first} to {last}, around the chosen one; below, all {all}: each column is the "
        "mean of up to {count} token.",
        "Above stand the tokens at {first} to {last}, around the chosen one; below, all {all}: each column is the "
        "mean of up to {count} tokens.",
        most,
        **values,
    )

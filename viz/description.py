"""Description: a figure as plain values. Each kind knows its pictures, its table, its alternative text, and its
difference from another of its kind."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.language import _, ngettext
from viz import notebook
from viz.format import number, thousands
from viz.marks import Choice, Stands, chosen
from viz.partners import Subtracted
from viz.sentences import beneath
from viz.table import Table
from viz.theme import dress


class Description(ABC):
    """A figure as plain values, without a model, a page or a theme.

    kind  what such a figure is called, before it is translated
    """

    kind: ClassVar[str]

    @abstractmethod
    def plotly(self, dark: bool = False) -> go.Figure:
        """The picture in our own colours of the light or dark theme, ready to stand outside the page."""

    @abstractmethod
    def table(self) -> Table:
        """Every number that is drawn, with what it belongs to."""

    @abstractmethod
    def minus(self, other: Self) -> "Description":
        """What this one has more than another of its kind, place by place; 0 where they are equal.

        The scale is symmetric around 0, and the other one's difference from this one is the same with all signs
        changed. What has no partner in the other is marked (`viz.partners`).

        Unlike (a ValueError) where their axes do not meet, or nothing of one is in the other.
        """

    def in_notebook(self, title: str, caption: str) -> dict[str, Any]:
        """What a notebook's cell shows, by mime type, in at most `viz.notebook.MOST` bytes where the figure or one of
        its lighter forms fits."""
        shown: dict[str, Any] = {}
        for place, light in enumerate(self.lighter()):
            whole = (
                "" if not place else " " + _("Shown in a lighter form: `plotly()` of the description gives the whole.")
            )
            shown = notebook.plotted(light.plotly(), title, caption + whole)
            if notebook.size(shown) <= notebook.MOST:
                break
        return shown

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """The figure at the end of a notebook's cell, with its own words as a caption."""
        notebook.show_script_once()
        return self.in_notebook("", self.alternative())

    def lighter(self) -> Iterator[Self]:
        """The same figure, then ever lighter ones for where few bytes are to be had: each says on itself what it
        leaves out."""
        yield self

    @property
    @abstractmethod
    def axes(self) -> str:
        """What the axes show, with units, in words."""

    @abstractmethod
    def numbers(self) -> Float[np.ndarray, " number"]:
        """The figure's numbers, without what stands beside them to compare; NaN where there is none."""

    @abstractmethod
    def name(self, i: int) -> str:
        """What the i-th of `numbers` belongs to."""

    def alternative(self) -> str:
        """The figure in words, for those who do not see it: its kind, its axes, how many numbers, their two ends."""
        begin = _("{kind}. {axes}.", kind=_(self.kind), axes=self.axes)
        numbers = self.numbers()
        there = np.flatnonzero(np.isfinite(numbers))
        if not there.size:
            return begin + " " + _("It holds no number.")
        if not numbers[there].any():
            return " ".join((begin, _("All of its numbers are 0.")))
        low, high = (int(there[end(numbers[there])]) for end in (np.argmin, np.argmax))
        return " ".join(
            (
                begin,
                ngettext(
                    "It holds {shown} number.", "It holds {shown} numbers.", there.size, shown=thousands(there.size)
                ),
                _("Smallest: {value} ({name}).", value=number(float(numbers[low])), name=self.name(low)),
                _("Largest: {value} ({name}).", value=number(float(numbers[high])), name=self.name(high)),
            )
        )


class Told(Description):
    """A figure of two runs, which says itself what has changed between them."""

    @property
    @abstractmethod
    def caption(self) -> str:
        """What has changed, in sentences."""


@dataclass(frozen=True)
class Plotted(Description):
    """A kind that the page too shows through plotly, in the theme that the page has.

    remark  a sentence that stands beneath the figure; "" for none
    stands  what its marks stand for along each direction that the kind has, None along one that means nothing; empty
            where none does
    beside  what choosing the mark at a place opens beside the run that the figure is of: what is altered in the model,
            as a variant's name has it ("3bit"); the places are those of `place`. Empty where nothing opens
    about   words in the title of its numbers that belong to one text, such as its likeliest next token: titles that
            differ in nothing else have a difference, whose title has both; "" for none
    subtracted  of a difference, what each part of its numbers was made of, in their order; empty for any other
    """

    remark: str = field(default="", kw_only=True)
    stands: tuple[Stands | None, ...] = field(default=(), kw_only=True)
    beside: Mapping[tuple[int | None, ...], str] = field(default_factory=dict, kw_only=True)
    about: str = field(default="", kw_only=True)
    subtracted: tuple[Subtracted, ...] = field(default=(), kw_only=True, repr=False, compare=False)

    @abstractmethod
    def traces(self) -> go.Figure:
        """The picture without theme and remark: its own colours can be read on light and dark."""

    def place(self, trace: int, point: int) -> tuple[int | None, ...] | None:
        """Where a point of a trace of `traces` stands along each direction of `stands`; None for one without a place.

        trace, point  counted from 0, as plotly counts them
        """
        return None

    def meant(self, trace: int, point: int) -> dict[Choice, int]:
        """What choosing a point of a trace means; empty for nothing. trace, point: as in `place`."""
        return chosen(self.stands, self.place(trace, point)) if self.stands else {}

    def opened(self, trace: int, point: int) -> str | None:
        """What choosing a point of a trace opens beside the run; None for nothing. trace, point: as in `place`."""
        place = self.place(trace, point) if self.beside else None
        return None if place is None else self.beside.get(place)

    @property
    def chooses(self) -> bool:
        """Whether choosing any of its marks means something."""
        return bool(self.stands or self.beside)

    def drawn(self) -> go.Figure:
        """The picture without a theme, as the page dresses it."""
        figure = self.traces()
        if self.remark:
            beneath(figure, self.remark)
        return figure

    def plotly(self, dark: bool = False) -> go.Figure:
        """The picture in our own colours of the light or dark theme, ready to stand outside the page."""
        return dress(self.drawn(), dark)

    def alternative(self) -> str:
        """The figure in words, its remark at the end."""
        return " ".join(part for part in (super().alternative(), self.remark) if part)


class OnAxes(Plotted):
    """A plotted kind between an x and a y axis, whose titles hold the units."""

    x_axis: str
    y_axis: str

    @property
    def axes(self) -> str:
        """Both titles."""
        return _("{y} over {x}", y=self.y_axis, x=self.x_axis)

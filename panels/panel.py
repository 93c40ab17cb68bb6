"""What a panel is: what it needs, how it draws, what it tells."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import plotly.graph_objects as go

from anatomy.control import Control
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from viz.chips import Chips
from viz.grid import Grid
from viz.heads import Heads

Figure = go.Figure | Grid | Chips | Heads


@dataclass(frozen=True)
class Table:
    """The numbers behind a figure: column names with units, rows of plain values.

    note  a sentence on what is not listed; None where everything is

    A row that does not have a value for each column raises ValueError.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float | None, ...], ...]
    note: str | None = None

    def __post_init__(self) -> None:
        odd = next((row for row in self.rows if len(row) != len(self.columns)), None)
        if odd is not None:
            raise ValueError(f"a row has {len(odd)} values, the table {len(self.columns)} columns")


@dataclass(frozen=True)
class Panel:
    """One question about one stage, and how the model answers it.

    id        in links and file names
    stage     key of anatomy.stages.STAGES
    order     place among the stage's panels, 0 first
    name      two or three words for the panel picker
    title     the question
    needs     (spec, view) → the wanted arrays; view is fitted: layer, head and pos are chosen
    draw      (trace, view) → the figure
    caption   (trace, view) → one or two sentences computed from the numbers: caption and alternative text
    table     (trace, view) → the same numbers as a table
    formula   (trace, view) → lines of plain text with the real numbers put in
    snippet   (spec, view) → Python that computes the figure's numbers with plain transformers
    controls  the panel's own switches
    idle      (spec, view) → those of its controls that change nothing for this text: the page leaves them out
    applies   spec → None, or why this model has no such part
    chooser   id of the panel that stands beside it and chooses what it shows
    places    which of layer and head the figure depends on: the page shows a stepper for each
    wide      its figure is not legible on a phone: there it is 560 px wide, and moved within its card
    others    it also shows the same text under the other models at hand: `trace.of_others`
    later     (spec, view) → arrays that fill the figure in, in the order in which they are to come, each of one
              position: it draws with those that are there, and says that the others are not
    """

    id: str
    stage: str
    order: int
    name: str
    title: str
    needs: Callable[[ModelSpec, Fitted], Sequence[Want]]
    draw: Callable[[Trace, Fitted], Figure]
    caption: Callable[[Trace, Fitted], str]
    table: Callable[[Trace, Fitted], Table]
    formula: Callable[[Trace, Fitted], str]
    snippet: Callable[[ModelSpec, Fitted], str]
    controls: tuple[Control, ...] = ()
    idle: Callable[[ModelSpec, Fitted], Sequence[Control]] = lambda spec, view: ()
    applies: Callable[[ModelSpec], str | None] = lambda spec: None
    chooser: str | None = None
    places: tuple[Literal["layer", "head"], ...] = ()
    wide: bool = False
    others: bool = False
    later: Callable[[ModelSpec, Fitted], Sequence[Want]] = lambda spec, view: ()

"""What a panel is: what it needs, how it draws, what it tells."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from anatomy.alignment import Alignment
from anatomy.control import Control, Slider
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from viz.description import Description, Told
from viz.heads import Heads
from viz.table import Table as Table

Figure = Description | Heads
Stepper = Literal["layer", "head"]
Movable = Control | Stepper
Reading = TypeVar("Reading")


@dataclass(frozen=True)
class Panel(Generic[Reading]):
    """One question about one stage, and how the model answers it.

    id        in links and file names
    stage     key of anatomy.stages.STAGES
    order     place among the stage's panels, 0 first
    name      two or three words for the panel picker
    title     the question
    needs     (spec, view) → the wanted arrays; view is fitted: layer, head and pos are chosen
    read      (trace, view) → what the panel found: the numbers that figure, caption, table and formula are made of.
              All of the panel's arithmetic is done here, once for each time that it is shown
    draw      reading → the figure's description
    caption   reading → one or two sentences computed from the numbers: caption and alternative text
    table     reading → the same numbers as a table
    formula   reading → lines of plain text with the real numbers put in
    snippet   (spec, view) → Python that computes the figure's numbers with plain transformers
    controls  the panel's own switches
    fitting   (spec, view, control) → the control as it is for this model and text: with an end or a default of its own
    idle      (spec, view) → those of its controls and places that change nothing for this text, or as it is set: the
              page leaves them out
    applies   spec → None, or why this model has no such part
    facts     what of `anatomy.facts` it computes with: where the model does not bear one out, the panel is closed
    chooser   id of the panel that stands beside it and chooses what it shows
    places    which of layer and head the figure depends on: the page shows a stepper for each
    whole     it is drawn across the page: without the map, the articles and the picker of its stage beside it
    wide      its figure is not legible on a phone: there it is 560 px wide, and moved within its card
    others    it also shows the same text under the other models at hand: `trace.of_others`
    both      (what was read of run A, of run B, the alignment of their tokens) → the figure of two runs that stands in
              place of B − A; None where the difference of both figures is what there is to see
    later     (spec, view) → arrays that fill the figure in, in the order in which they are to come, each of one
              position, or all whole: it draws with those that are there, and says that the others are not
    """

    id: str
    stage: str
    order: int
    name: str
    title: str
    needs: Callable[[ModelSpec, Fitted], Sequence[Want]]
    read: Callable[[Trace, Fitted], Reading]
    draw: Callable[[Reading], Figure]
    caption: Callable[[Reading], str]
    table: Callable[[Reading], Table]
    formula: Callable[[Reading], str]
    snippet: Callable[[ModelSpec, Fitted], str]
    controls: tuple[Control, ...] = ()
    fitting: Callable[[ModelSpec, Fitted, Control], Control] = lambda spec, view, control: control
    idle: Callable[[ModelSpec, Fitted], Sequence[Movable]] = lambda spec, view: ()
    applies: Callable[[ModelSpec], str | None] = lambda spec: None
    facts: tuple[str, ...] = ()
    chooser: str | None = None
    places: tuple[Stepper, ...] = ()
    whole: bool = False
    wide: bool = False
    others: bool = False
    both: Callable[[Reading, Reading, Alignment], Told] | None = None
    later: Callable[[ModelSpec, Fitted], Sequence[Want]] = lambda spec, view: ()

    def offered(self, spec: ModelSpec, view: Fitted) -> tuple[Control, ...]:
        """Its controls that change something here, as they are for this model and text. A slider with one number
        changes nothing."""
        idle = {left_out.name for left_out in self.idle(spec, view) if not isinstance(left_out, str)}
        there = (control for control in self.fitted(spec, view) if control.name not in idle)
        return tuple(control for control in there if not (isinstance(control, Slider) and control.low == control.high))

    def fitted(self, spec: ModelSpec, view: Fitted) -> tuple[Control, ...]:
        """All of its controls as they are for this model and text."""
        return tuple(self.fitting(spec, view, control) for control in self.controls)

    def closed(self, spec: ModelSpec) -> str | None:
        """Why it shows nothing of this model, as a sentence; None where it does."""
        doubt = spec.doubt(self.facts)
        return self.applies(spec) or (None if doubt is None else str(doubt))

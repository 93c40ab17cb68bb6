"""What the stage shows of one run, and of a second one beside it."""

from dataclasses import dataclass

from anatomy.trace import Trace
from anatomy.view import Fitted
from ui import later
from ui.asking import Halt
from ui.host import HostedModel
from ui.later import Arrival, Filling
from ui.sides import Absent, Second
from ui.withheld import Figures


@dataclass(frozen=True)
class Answer:
    """Which figures are drawn, the arrays that they are drawn from, what fills them in later, and the second run."""

    figures: Figures
    trace: Trace
    arrival: Arrival
    beside: "SecondAnswer | Absent | None" = None

    @property
    def whole(self) -> Trace:
        """The arrays with what has come by now."""
        return self.arrival.added_to(self.trace)

    @property
    def coming(self) -> bool:
        """Whether more is on its way, in either run."""
        return self.filling is not None

    @property
    def filling(self) -> Filling | None:
        """What brings it, of the first run while that has some to come, else of the second."""
        other = self.beside.answer if isinstance(self.beside, SecondAnswer) else None
        arrivals = (self.arrival, *((other.arrival,) if isinstance(other, Answer) else ()))
        return next((arrival.filling for arrival in arrivals if arrival.coming), None)


@dataclass(frozen=True)
class SecondAnswer:
    """The second run, and what it has to show; a Halt where it has no answer."""

    side: Second
    answer: Answer | Halt


def answer(model: HostedModel, figures: Figures, trace: Trace, view: Fitted, side: str = "") -> Answer:
    """The arrays that were asked for, with what has come by now of those that fill the figures in."""
    return Answer(figures, trace, later.arrived(model, trace.run, figures.drawn, trace.spec, view, side))

"""Which figures of a panel are drawn for a text of this length, and why one is not."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import panels
from anatomy.language import _
from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.spec import ModelSpec
from anatomy.view import Fitted
from models.engine import Estimate
from panels import stagemap
from panels.panel import Panel
from viz.format import lasting

SLOW = 5.0  # seconds that the figure beside may add to what the page costs without it, unasked
SHORT = 256  # tokens up to which nothing is slow


class Answering(Protocol):
    """What is asked of a model here: `ui.host.HostedModel`, as far as it matters."""

    def spec(self) -> ModelSpec: ...

    def holds(self, run: Run, wants: Iterable[Want]) -> bool: ...

    def estimate(self, run: Run, wants: Iterable[Want]) -> Estimate | None: ...


@dataclass(frozen=True)
class Figures:
    """The panel on view and the one beside it that chooses for it.

    drawn    those that the model has and that are drawn now
    chooser  the one beside it, where it is not drawn; None else
    why      why not, as a sentence
    slow     it would only take long: a click brings it
    """

    drawn: tuple[Panel, ...]
    chooser: Panel | None = None
    why: str = ""
    slow: bool = False

    def needs(self, spec: ModelSpec, view: Fitted) -> list[Want]:
        """What they ask of the model."""
        return [want for panel in self.drawn for want in panel.needs(spec, view)]


def figures(model: Answering, run: Run, view: Fitted, panel: Panel) -> Figures:
    """What is drawn of a panel. Loading: the kind of model is not known yet."""
    spec = model.spec()
    shown = had(spec, panel)
    if len(shown) < 2:
        return Figures(shown)
    chooser = shown[1]
    why, slow = _why(model, run, view, *shown)
    return Figures(shown[:1], chooser, why, slow) if why else Figures(shown)


def had(spec: ModelSpec, panel: Panel) -> tuple[Panel, ...]:
    """The panel, then the one that chooses for it, as far as this model has what they show; none where it lacks what
    the panel itself shows."""
    both = (panel,) if panel.chooser is None else (panel, panels.load()[panel.chooser])
    shown = tuple(each for each in both if each.closed(spec) is None)
    return shown if panel in shown else ()


def _why(model: Answering, run: Run, view: Fitted, panel: Panel, chooser: Panel) -> tuple[str, bool]:
    """(why the figure beside is not drawn unasked, or ""; whether it would only take long)."""
    spec = model.spec()
    theirs = chooser.needs(spec, view)
    if view.length <= SHORT or model.holds(run, theirs):
        return "", False
    own = [*stagemap.needs(spec, view), *panel.needs(spec, view)]
    try:
        more = _seconds(model, run, [*own, *theirs]) - _seconds(model, run, own)
    except Refused as refused:
        return str(refused), False
    if more <= SLOW:
        return "", False
    return _("For a text of this length this figure takes about {time}.", time=lasting(more)), True


def _seconds(model: Answering, run: Run, wants: Sequence[Want]) -> float:
    cost = model.estimate(run, wants)
    return 0.0 if cost is None else cost.seconds

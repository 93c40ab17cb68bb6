"""Two answers of one panel side by side, and their difference."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from anatomy.alignment import Alignment
from anatomy.control import Choice
from anatomy.language import _
from anatomy.spec import ModelSpec
from anatomy.view import Fitted
from panels.answer import PanelAnswer
from panels.panel import Panel, Table
from viz.change import changed, unchanged
from viz.chips import Chips
from viz.description import Description, Told
from viz.format import quoted
from viz.partners import Unlike, aligning


def opened_with(panel: Panel, spec: ModelSpec, view: Fitted) -> dict[str, str]:
    """What the choices of a panel stand at in a run, by name: the second run has the same, also where nobody has chosen
    and its text by itself would open with another. Nothing of a panel that has nothing to show of this model."""
    if panel.closed(spec) is not None:
        return {}
    return {each.name: view[each] for each in panel.fitted(spec, view) if isinstance(each, Choice)}


@dataclass(frozen=True)
class BesideAnswer:
    """What a panel shows of two runs.

    a, b       the panel's answers, of the first run and of the second
    labels     the labels of all tokens of both runs
    alignment  of their tokens
    view       what is chosen, with both runs in it
    """

    a: PanelAnswer
    b: PanelAnswer
    labels: tuple[tuple[str, ...], tuple[str, ...]]
    alignment: Alignment
    view: Fitted

    @property
    def panel(self) -> Panel:
        """The panel that both are of."""
        return self.a.panel

    @property
    def key(self) -> str:
        """What the difference is known by on a page."""
        return f"{self.panel.id}-difference"

    @property
    def description(self) -> Description:
        """B − A; the Unlike is raised where there is none."""
        if isinstance(self.difference, Unlike):
            raise self.difference
        return self.difference

    @cached_property
    def table(self) -> Table:
        """Every number of the difference."""
        return self.description.table()

    @cached_property
    def difference(self) -> Description | Unlike:
        """B − A, from the descriptions alone, or the panel's own figure of both. Where there is none an Unlike, with a
        sentence for readers."""
        if self.panel.both is not None:
            return self.panel.both(self.a.reading, self.b.reading, self.alignment)
        ours, theirs = self.b.description, self.a.description
        if not isinstance(ours, Description) or not isinstance(theirs, Description):
            return Unlike(_("This figure is a page of BertViz, which is not made of numbers that could be subtracted."))
        try:
            with self._aligned():
                return ours.minus(theirs)
        except Unlike as unlike:
            return unlike

    @cached_property
    def caption(self) -> str:
        """What changed most, and by how much; where there is no difference, why."""
        if isinstance(self.difference, Told):
            return self.difference.caption
        a, b, difference = self.a.description, self.b.description, self.difference
        if isinstance(difference, Unlike) or not isinstance(a, Description) or not isinstance(b, Description):
            return str(getattr(difference, "sentence", difference))
        said = changed(a, b, difference)
        if self.b.view.changed is not None and unchanged(a, b, difference):
            said = f"{said} {_('The change does not reach what this figure shows: it comes later, or elsewhere.')}"
        partly = _("This is of what is drawn, a part of the texts.") if self._partly(a, b) else ""
        return " ".join(filter(None, (said, self._elsewhere(), partly)))

    def _elsewhere(self) -> str:
        """That the two figures are about other pairs of tokens: where none is chosen, each about the one that its own
        run gives most weight to."""
        a, b = (_looked_at(each.reading) for each in (self.a, self.b))
        if self.view.src is not None or a is None or b is None or self.alignment.in_b.get(a) == b:
            return ""
        a, b = quoted(self.labels[0][a]), quoted(self.labels[1][b])
        return _("A is about {a} and B about {b}, where each looks most: choose one, and both are about it.", a=a, b=b)

    def _partly(self, *figures: Description) -> bool:
        """Whether either figure draws a part of a long text alone."""
        for figure, labels in zip(figures, self.labels, strict=True):
            chips = isinstance(figure, Chips) and not figure.rows and len(figure.chips) < len(labels)
            if chips or getattr(figure, "part", None) is not None or getattr(figure, "whole", None) is not None:
                return True
        return False

    @contextmanager
    def _aligned(self) -> Iterator[None]:
        """B is what is subtracted from: its places come first."""
        a, b = self.labels
        with aligning(b, a, self.alignment.swapped().pairs):
            yield


def _looked_at(reading: object) -> int | None:
    """The token that is looked at in the cell that a panel is about; None for a panel that is about no cell."""
    given = getattr(reading, "given", reading)
    return getattr(getattr(given, "cell", given), "src", None)

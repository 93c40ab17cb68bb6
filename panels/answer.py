"""What one panel shows of one run: read once, from which figure, sentences, numbers, formula and program follow."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import reached, what_if
from panels.panel import Figure, Panel, Table


@dataclass(frozen=True)
class PanelAnswer:
    """A panel with what it read of a trace, for a fitted view of a model. Each part is made when it is first asked
    for, in the language of then, and kept."""

    panel: Panel
    spec: ModelSpec
    view: Fitted
    reading: Any
    side: str = ""

    @classmethod
    def of(cls, panel: Panel, trace: Trace, view: Fitted, side: str = "") -> "PanelAnswer":
        """The panel's answer; the trace holds what `panel.needs` names. All arithmetic is done here. side: "b" of the
        second of two runs."""
        return cls(panel, trace.spec, view, panel.read(trace, view), side)

    @property
    def key(self) -> str:
        """What the answer's figure and tabs are known by on a page."""
        return f"{self.panel.id}-{self.side}" if self.side else self.panel.id

    @cached_property
    def description(self) -> Figure:
        """The figure as plain values; of BertViz's panel its page."""
        return self.panel.draw(self.reading)

    @cached_property
    def caption(self) -> str:
        """One or two sentences computed from the numbers."""
        remark = reached.remark(self.spec, self.view, self.panel.needs(self.spec, self.view))
        said = self.panel.caption(self.reading)
        return f"{said} {remark}" if remark else said

    @cached_property
    def table(self) -> Table:
        """The same numbers as a table."""
        return self.panel.table(self.reading)

    @cached_property
    def formula(self) -> str:
        """Lines of plain text with the numbers put in."""
        return self.panel.formula(self.reading)

    @cached_property
    def python(self) -> str:
        """A program that computes the figure's numbers with plain transformers; with Stagelight where they are of a run
        in which something is changed, or of a variant. Those of its tokens are the same whatever is changed."""
        altered = self.view.changed is not None or self.spec.alterations
        if not altered or self.panel.stage == "tokens":
            return self.panel.snippet(self.spec, self.view)
        controls = self.panel.fitted(self.spec, self.view)
        return what_if.program(self.panel.id, self.spec, self.view, controls)

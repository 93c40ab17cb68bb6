"""A panel's answer about one run, and about two: each part is made when it is first asked for."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from anatomy.language import _, use_locale
from anatomy.view import Fitted
from panels.answer import PanelAnswer
from panels.beside import BesideAnswer
from panels.panel import Panel, Table
from viz import export, notebook
from viz.description import Description
from viz.heads import Heads
from viz.partners import Unlike

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


class _Shown(ABC):
    """What the answers about one run and about two share: how they show themselves, in one language throughout."""

    language: str
    _uncopied: ClassVar[str]  # why it cannot be pickled

    @property
    @abstractmethod
    def title(self) -> str: ...
    @property
    @abstractmethod
    def caption(self) -> str: ...
    @property
    @abstractmethod
    def description(self) -> Description | Heads: ...

    def __repr__(self) -> str:
        return f"{self.title}\n{self.caption}"

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError(self._uncopied)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """The figure with question and caption as a notebook draws it: plotly's own type, which Jupyter Lab and VS Code
        draw by themselves, and HTML for pages made of the notebook. Plotly's script comes once per notebook."""
        notebook.show_script_once()
        with self._spoken():
            return export.to_notebook(self.description, self.title, self.caption)

    def _spoken(self) -> AbstractContextManager[None]:
        """While this is open, its language is the one that is set."""
        return use_locale(self.language)

    def _title(self, panel: Panel) -> str:
        with self._spoken():
            return _(panel.title)

    def _frame(self, table: Table) -> "pd.DataFrame":
        import pandas as pd  # 0.3 s that a figure does not wait for

        return pd.DataFrame([list(row) for row in table.rows], columns=pd.Index(table.columns))

    def _saved(self, path: Path, table: Table, dark: bool) -> Path:
        """The answer in a file of the kind that its ending says."""
        with self._spoken():
            match path.suffix.lower():
                case ".html":
                    written = export.to_html(self.description, self.title, self.caption, dark)
                case ".json":
                    written = export.to_json(self.description, dark)
                case ".csv":
                    written = export.to_csv(table)
                case ending:
                    raise ValueError(f"{path} ends in {ending!r}: give .html, .json or .csv")
        path.write_text(written, "utf-8", newline="")
        return path


@dataclass(frozen=True, repr=False, eq=False)
class Answer(_Shown):
    """A panel's answer about one run. Each part is made when it is first asked for.

    of        the panel, the model's facts, the choices made, and what was read of the run
    language  of its words
    """

    of: PanelAnswer
    language: str = "en"
    _uncopied = "an answer cannot be pickled or copied: its description, its table and its words can be"

    @property
    def view(self) -> Fitted:
        """What was chosen, by you or by the panel: layer, head, neuron, position, its own controls."""
        return self.of.view

    @cached_property
    def title(self) -> str:
        """The panel's question."""
        return self._title(self.of.panel)

    @cached_property
    def description(self) -> Description | Heads:
        """The figure as plain values, of which `minus` gives the difference from another of its kind. BertViz's panel
        has a page of its own instead (`viz.heads.Heads`), without a table or a difference."""
        with self._spoken():
            return self.of.description

    @property
    def figure(self) -> "go.Figure":
        """A plotly figure on a light ground; `answer.description.plotly(dark=True)` is the dark one.

        TypeError for BertViz's panel, which plotly cannot draw: save it as a page.
        """
        if isinstance(self.description, Heads):
            raise TypeError("BertViz's view is a page, not a plotly figure: write it with answer.save('page.html')")
        with self._spoken():
            return self.description.plotly()

    @cached_property
    def caption(self) -> str:
        """One or two sentences computed from the numbers."""
        with self._spoken():
            return self.of.caption

    @property
    def table(self) -> "pd.DataFrame":
        """The numbers behind the figure and its sentences; those of every cell or point are `description.table()`."""
        with self._spoken():
            return self._frame(self.of.table)

    @cached_property
    def formula(self) -> str:
        """Lines of plain text with the numbers put in."""
        with self._spoken():
            return self.of.formula

    @property
    def python(self) -> str:
        """A program that computes the figure's numbers with plain transformers; of a run in which something is changed,
        one that makes it with Stagelight."""
        return self.of.python

    def save(self, path: str | Path, *, dark: bool = False) -> Path:
        """Write it to a file that needs nothing but itself, by its ending: .html (a page with figure and caption),
        .json (the figure) or .csv (the table). The path is given back; ValueError for another ending."""
        with self._spoken():
            return self._saved(Path(path), self.of.table, dark)


@dataclass(frozen=True, repr=False, eq=False)
class TwoAnswers(_Shown):
    """A panel's answers about two runs, and what the second has more than the first: B − A. Each part is made when it
    is first asked for.

    of        both answers, with the tokens that belong together
    language  of its words
    """

    of: BesideAnswer
    language: str = "en"
    _uncopied = "answers cannot be pickled or copied: their descriptions, tables and words can be"

    @property
    def a(self) -> Answer:
        """The answer about the first run."""
        return Answer(self.of.a, self.language)

    @property
    def b(self) -> Answer:
        """The answer about the second run."""
        return Answer(self.of.b, self.language)

    @property
    def title(self) -> str:
        """The panel's question."""
        return self._title(self.of.panel)

    @property
    def unlike(self) -> Unlike | None:
        """Why the two figures have no difference; None where they have one."""
        with self._spoken():
            return self.of.difference if isinstance(self.of.difference, Unlike) else None

    @property
    def description(self) -> Description:
        """The difference as plain values: positive where the second run has more. Unlike where there is none."""
        with self._spoken():
            return self.of.description

    @property
    def figure(self) -> "go.Figure":
        """A plotly figure of the difference on a light ground; `description.plotly(dark=True)` is the dark one. Unlike
        where there is none."""
        with self._spoken():
            return self.description.plotly()

    @property
    def caption(self) -> str:
        """What the difference is, in words; where there is none, why."""
        with self._spoken():
            return self.of.caption

    @property
    def table(self) -> "pd.DataFrame":
        """Every number of the difference, with what it belongs to. Unlike where there is none."""
        with self._spoken():
            return self._frame(self.of.table)

    def save(self, path: str | Path, *, dark: bool = False) -> Path:
        """Write the difference to a file, as `Answer.save` does. Unlike where there is none."""
        with self._spoken():
            return self._saved(Path(path), self.of.table, dark)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """The difference as a notebook draws it, with the panel's question; where there is none, the sentence why."""
        return {"text/plain": repr(self)} if self.unlike is not None else super()._repr_mimebundle_(include, exclude)

"""Two runs in the stage: the panel of each, side by side, and below them B − A beside that of its overview."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from html import escape

import streamlit as st

from anatomy.language import _, spaced
from anatomy.trace import Trace
from anatomy.view import Fitted, View
from panels.answer import PanelAnswer
from panels.beside import BesideAnswer
from panels.panel import Panel
from ui import changed, controls, details, figure, later, links, mishap, overview, text
from ui.answers import Answer
from ui.sides import Second
from viz.partners import Unlike

MOST_LETTERS = 160  # of a text that a heading tells


@dataclass(frozen=True)
class Pair:
    """What is drawn of two runs: the arrays of both, and of which places.

    view  of the first run, as the link has it, with all choices made
    """

    a: Answer
    b: Answer
    side: Second
    view: Fitted

    def of(self, panel: Panel, traces: tuple[Trace, Trace]) -> BesideAnswer:
        """A panel's answers of both runs. traces: of A and B, with all that the panel reads."""
        a, b = traces
        return BesideAnswer(
            PanelAnswer.of(panel, a, self.view.alone),
            PanelAnswer.of(panel, b, self.side.fitted, "b"),
            self.side.labels,
            self.side.alignment,
            self.view,
        )


def draw(answer: Answer, other: Answer, side: Second, view: Fitted, traces: tuple[Trace, Trace]) -> None:
    """The panel in both runs. answer, other: of A and of B; view: of the first run; traces: of A and B."""
    panel = answer.figures.drawn[0]
    controls.row(panel, answer.trace.spec, view)
    pair = Pair(answer, other, side, view)
    later.show(other.arrival, "b")
    if side.apart:
        text.notice(side.apart)
    both = pair.of(panel, traces)
    if panel.both is not None:
        _in_one(both)
        return
    with st.container(key="pair-wide" if panel.wide else "pair"):
        left, right = st.columns(2, gap="small")
        with left:
            _card(both.a, "A")
        with right:
            _card(both.b, "B", side.go, side.misfits)
    _differences(pair, both, traces)


def _in_one(both: BesideAnswer) -> None:
    """A panel that shows both runs in one figure, which has its own sentence."""
    with st.container(key=f"card-{both.key}"), mishap.costing(f"the panel {both.key}"):
        figure.show(both.description, spaced(both.caption), f"{both.key}.figure", both.view)
        if not st.context.is_embedded:
            details.folded_of_difference(both)


def _card(
    answer: PanelAnswer,
    side: str,
    go: Callable[[Callable[[View], View]], None] = links.go,
    misfits: Sequence[str] = (),
) -> None:
    """One run's figure, below its sentence. go: what changes the view where something in it is clicked; misfits: what
    was chosen that this run has not."""
    panel = answer.panel
    with st.container(border=True, key=f"card-{answer.key}"), mishap.costing(f"the panel {answer.key}"):
        _letter(side, answer)
        for misfit in misfits:
            text.notice(misfit)
        text.answer(answer.caption)
        with _wide(panel, answer.key), mishap.costing(f"the figure of {answer.key}"):
            figure.show(answer.description, spaced(answer.caption), f"{answer.key}.figure", answer.view, go)
        if not st.context.is_embedded:
            details.folded(answer)


def _letter(side: str, answer: PanelAnswer) -> None:
    """Which run the card is of: its letter, its model, and what is changed in it."""
    spec, shown = answer.spec, answer.view.text
    name = spec.weights.title or spec.name
    same = answer.view.changed is not None and answer.view.changed.other.text == shown
    if st.context.is_embedded and not same:  # nothing else tells the two texts
        name = f"{name} · {shown[:MOST_LETTERS]}{'…' if len(shown) > MOST_LETTERS else ''}"
    said = changed.in_short(answer.view)
    st.html(f'<h3 class="run"><b>{side}</b> <span>{escape(f"{name} · {said}" if said else name)}</span></h3>')


def _wide(panel: Panel, key: str):
    return st.container(key=f"wide-{key}") if panel.wide else nullcontext()


def _differences(pair: Pair, both: BesideAnswer, traces: tuple[Trace, Trace]) -> None:
    """B − A; on its left that of the overview which chooses for it, if there is one."""
    _panel, *choosers = pair.a.figures.drawn
    theirs = [panel for panel in choosers if panel in pair.b.figures.drawn]
    withheld = next((figures for figures in (pair.a.figures, pair.b.figures) if figures.chooser is not None), None)
    if not theirs and withheld is None:
        _difference(both)
        return
    with st.container(key="two"):
        left, right = st.columns(2, gap="small")
        with left, mishap.costing("the overview"):
            if withheld is None:
                _chooser(pair.of(theirs[0], traces), both)
            else:
                overview.on_request(withheld, pair.a.trace.run)
        with right:
            _difference(both)


def _difference(both: BesideAnswer) -> None:
    with st.container(border=True, key=f"card-{both.key}"), mishap.costing(f"the panel {both.key}"):
        st.html(f'<h3 class="run"><b>B − A</b> <span>{escape(_(both.panel.name))}</span></h3>')
        _drawn(both)
        if not st.context.is_embedded and not isinstance(both.difference, Unlike):
            details.folded_of_difference(both)


def _chooser(chooser: BesideAnswer, chosen_for: BesideAnswer) -> None:
    """The difference of the overview, in which the reader picks what the figures show."""
    panel = chooser.panel
    with st.container(border=True, key=f"chooser-{chooser.key}"), mishap.costing(f"the panel {chooser.key}"):
        st.html(f'<h3 class="run"><b>B − A</b> <span>{escape(_(panel.name))}</span></h3>')
        controls.row(panel, chooser.a.spec, chooser.view, controls.NARROW, chosen_for.panel)
        _drawn(chooser)


def _drawn(both: BesideAnswer) -> None:
    """The difference under its sentence, or why there is none."""
    difference = both.difference
    if isinstance(difference, Unlike):
        text.notice(difference.sentence)
        return
    text.answer(both.caption)
    with _wide(both.panel, both.key), mishap.costing(f"the figure of {both.key}"):
        figure.show(difference, spaced(both.caption), f"{both.key}.figure", both.view)

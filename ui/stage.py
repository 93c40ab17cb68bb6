"""The middle of the page: one panel of a stage, its question, its answer for this text, and its figure."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from html import escape

import streamlit as st

import panels
from anatomy.language import _, spaced
from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.spec import ModelSpec
from anatomy.stages import STAGES
from anatomy.trace import Trace
from anatomy.view import Fitted, View
from panels.answer import PanelAnswer
from panels.panel import Panel
from ui import (
    asking,
    controls,
    details,
    excerpts,
    figure,
    lacking,
    landing,
    later,
    links,
    mishap,
    opening,
    overview,
    polled,
    sides,
    text,
    two,
    waiting,
    withheld,
)
from ui.answers import Answer, SecondAnswer, answer
from ui.asking import Halt
from ui.handed import Handed
from ui.host import HostedModel, Loading, models, titled
from ui.sides import Absent, Second
from ui.withheld import Figures

Asking = Callable[[HostedModel, Run, Sequence[Want]], Trace | Halt]


def shown(model: HostedModel, run: Run, view: Fitted, panel: Panel) -> Figures:
    """Which figures are drawn: an embedded panel stands without the one that chooses for it."""
    figures = withheld.figures(model, run, view, panel)
    return replace(figures, drawn=figures.drawn[:1], chooser=None) if st.context.is_embedded else figures


def draw(model: HostedModel, view: Fitted, answer: Answer) -> None:
    """The stage as a part of the page that redraws alone when one of its own controls moves."""
    coming = answer.coming
    with st.container(key="stage"):
        (_filling if coming else _stage)(model, answer.trace.run, view, coming, Handed(answer))


def _drawn(model: HostedModel, run: Run, drawn: Fitted, filling: bool, handed: Handed[Answer]) -> None:
    """drawn: what the page was drawn for; filling: it comes back by itself for what fills the figure in; handed: its
    answer within the page's own run."""
    links.set_locale()
    with mishap.costing("the stage"):
        answer, view = handed.take(), drawn
        if answer is None:
            answer, view = _asked_again(model, run, drawn, filling)
        _shown(model, run, answer, view)


def _shown(model: HostedModel, run: Run, answer: Answer, view: Fitted) -> None:
    """One panel: an error in it costs its answer and its figures, and leaves the way to the others of its stage."""
    trace = answer.whole
    panel, alone = panels.load()[view.panel], bool(st.context.is_embedded)
    if panel.others:
        trace = replace(trace, of_others=_of_others(model, run))
    landing.tell(view, trace.spec)
    _heading(panel)
    beside = answer.beside
    if isinstance(beside, Absent):
        _absent(beside)
    elif isinstance(beside, SecondAnswer) and isinstance(beside.answer, Halt):
        _halted(beside.answer)
    if isinstance(beside, SecondAnswer) and isinstance(beside.answer, Answer) and panel.closed(trace.spec) is None:
        _both(answer, beside.answer, beside.side, panel, trace, view)
    else:
        _one(model, run, answer, panel, trace, view)
    if answer.filling is not None:
        polled.slower(later.EVERY, answer.filling.begun)
    if alone:
        text.elsewhere(_("Open in Stagelight"), links.query(view))


def _absent(absent: Absent) -> None:
    """Why the second run is not there, and what can be done."""
    text.notice(absent.says)
    if absent.loading is not None:
        waiting.in_the_background(absent.loading)
        waiting.offer_again(absent.loading, "again.second")


def _one(model: HostedModel, run: Run, answer: Answer, panel: Panel, trace: Trace, view: Fitted) -> None:
    """The panel of one run: its sentence, what fills it in, its figures."""
    read = None
    with mishap.costing(f"the panel {panel.id}"):
        read = _read(model, panel, trace, view)
    if not st.context.is_embedded and not panel.whole:
        _picker(panel, trace.spec)
    if not panel.whole:  # above a tall figure, where it is seen
        later.show(answer.arrival)
    if read is not None:
        _figures(answer.figures, run, trace, read)
    if panel.whole:
        later.show(answer.arrival)


def _both(answer: Answer, other: Answer, side: Second, panel: Panel, trace: Trace, view: Fitted) -> None:
    """The panel of both runs. answer, trace: of the first; other: of the second."""
    if not st.context.is_embedded and not panel.whole:
        _picker(panel, trace.spec)
    later.show(answer.arrival)
    own = other.whole
    if panel.others:
        own = replace(own, of_others=_cut_by_others(side.model, side.run)[0])
    with mishap.costing(f"the panel {panel.id}"):
        two.draw(answer, other, side, view, (trace, own))


def _halted(halt: Halt) -> None:
    """Why the second run has nothing to show here; the first one stands below as it does alone."""
    text.notice(_("Run B is not shown: {reason}", reason=halt.says), "quiet" if halt.stopped else "refused")
    if halt.stopped:
        asking.run_again("again.b")


def _heading(panel: Panel) -> None:
    """The panel's question; beside that of one across the page, what closes it."""
    if not panel.whole or st.context.is_embedded:
        text.heading(_(panel.title))
        return
    with st.container(key="heading", horizontal=True, vertical_alignment="center"):
        text.heading(_(panel.title))
        opening.close()


def _read(model: HostedModel, panel: Panel, trace: Trace, view: Fitted) -> PanelAnswer | None:
    """What the panel read, after its sentence; None where the model has no such part: in its place stands why, and
    which model has one."""
    reason = panel.closed(trace.spec)
    if reason is not None:
        text.notice(reason)
        lacking.offer(panel, model)
        return None
    read = PanelAnswer.of(panel, trace, view)
    text.answer(read.caption)
    return read


def _asked_again(model: HostedModel, run: Run, drawn: Fitted, filling: bool) -> tuple[Answer, Fitted]:
    """What a part that came back shows, and of which view. Once the link means anything but other settings, or the
    answer takes more than this part may wait for, the whole page is drawn again."""
    try:
        spec = model.spec()
        cut = model.run(run)
        view, side = sides.placed(links.known(), links.known().fit(spec, cut.tokens), cut)
        other = replace(view, settings=drawn.settings) != drawn
        elsewhere = other and (links.current() or not filling)
        if elsewhere or asking.extra_waits():
            polled.anew()
        figures = shown(model, run, view, panels.load()[view.panel])
        with waiting.impatient():
            own = answer(model, figures, model.run(run, figures.needs(spec, view)), view)
            panel = panels.load()[view.panel]
            found = replace(own, beside=beside(side, panel, figures, _at_once))
        if found.coming != filling and links.current():
            polled.anew()
        return found, view
    except (Loading, Refused):
        polled.anew()


def beside(side: Second | Absent | None, panel: Panel, first: Figures, ask: Asking) -> SecondAnswer | Absent | None:
    """The second run, where there is one, with its answer. first: what is drawn of the first run; ask: how a question
    is asked."""
    if not isinstance(side, Second):
        return side
    try:
        return _beside(side, panel, first, ask)
    except Loading:
        return sides.loading(side.model, side.fitted.model)


def _beside(side: Second, panel: Panel, first: Figures, ask: Asking) -> SecondAnswer:
    closed = panel.closed(side.cut.spec)
    if closed is not None:
        return SecondAnswer(side, Halt(closed))
    figures = shown(side.model, side.run, side.fitted, panel)
    if figures.chooser is not None and figures.slow and figures.chooser in first.drawn:  # the reader has asked for it
        figures = replace(figures, drawn=(*figures.drawn, figures.chooser), chooser=None)
    trace = ask(side.model, side.run, figures.needs(side.cut.spec, side.fitted))
    if isinstance(trace, Halt):
        return SecondAnswer(side, trace)
    return SecondAnswer(side, answer(side.model, figures, trace, side.fitted, "b"))


def _at_once(model: HostedModel, run: Run, wants: Sequence[Want]) -> Trace | Halt:
    """A part of the page that came back asks so: what is refused costs the second run alone."""
    try:
        return model.run(run, wants)
    except Refused as refused:
        return Halt(str(refused))


_stage = st.fragment(_drawn)
_filling = st.fragment(_drawn, run_every=later.EVERY)


def _of_others(model: HostedModel, run: Run) -> tuple[Trace, ...]:
    """The same text, cut by every other model of this server; one that is still being loaded joins when it is there."""
    own = models().own(models().name_of(model))
    others = {name: other for name, other in models().items() if name != own}
    if not others:
        text.aside(
            _(
                "This server has no other model whose tokenizer could stand beside this one. Whoever starts the server "
                "can add one by its address, with a comma between two: {command}",
                command=lacking.command(),
            )
        )
    for name, other in others.items():
        other.begin()
        if not other.ready:
            text.aside(_("{model} is still being loaded: its row joins when it is there.", model=titled(name)))
        waiting.in_the_background(other)
        if other.failure is not None:
            text.notice(other.failure)
            waiting.offer_again(other, f"again.{name}")
    cut, refused = _cut_by_others(model, run)
    for sentence in refused:
        text.notice(sentence)
    return cut


def _cut_by_others(model: HostedModel, run: Run) -> tuple[tuple[Trace, ...], tuple[str, ...]]:
    """(the text as every other model cuts it that is there, why some cannot)."""
    cut, refusals = [], []
    own = models().own(models().name_of(model))
    for other in (other for name, other in models().items() if name != own):  # a variant cuts as its model does
        if other.live:
            try:
                cut.append(other.run(Run(other.spec().id, run.text)))
            except Refused as refused:  # what one model cannot read, another may
                refusals.append(f"{other.spec().weights.title or other.spec().name}: {refused}")
    return tuple(cut), tuple(refusals)


def _figures(figures: Figures, run: Run, trace: Trace, answer: PanelAnswer) -> None:
    """The panel's card; on its left the one that chooses for it, if there is one."""
    _panel, *choosers = figures.drawn
    if not choosers and figures.chooser is None:
        _card(answer)
        return
    with st.container(key="two"):
        left, right = st.columns(2, gap="small")
        with left, mishap.costing("the overview"):
            if figures.chooser is None:
                _chooser(PanelAnswer.of(choosers[0], trace, answer.view), answer)
            else:
                overview.on_request(figures, run)
        with right:
            _card(answer)


def _card(answer: PanelAnswer) -> None:
    """The figure with its controls above and its tabs below."""
    panel = answer.panel
    with st.container(border=not panel.whole, key=f"card-{panel.id}"), mishap.costing(f"the panel {panel.id}"):
        controls.row(panel, answer.spec, answer.view)
        wide = st.container(key=f"wide-{panel.id}") if panel.wide else nullcontext()
        with wide, mishap.costing(f"the figure of {panel.id}"):
            figure.show(answer.description, spaced(answer.caption), f"{panel.id}.figure", answer.view)
        if not st.context.is_embedded:
            details.tabs(answer)


def _chooser(answer: PanelAnswer, chosen_for: PanelAnswer) -> None:
    """The overview beside a figure, in which the reader picks what the figure shows. What both can be set to stands at
    the figure alone."""
    panel, drawn = answer.panel, answer.description
    with st.container(border=True, key=f"chooser-{panel.id}"), mishap.costing(f"the panel {panel.id}"):
        st.html(f"<h3>{escape(getattr(drawn, 'title', _(panel.name)))}</h3>")
        controls.row(panel, answer.spec, answer.view, controls.NARROW, chosen_for.panel)
        figure.show(drawn, spaced(answer.caption), f"{panel.id}.figure", answer.view)


def halted(model: HostedModel, run: Run, view: Fitted, halt: Halt, chosen: bool) -> None:
    """The stage of a text that has no answer: why, and what can be done. chosen: the reader has picked a token."""
    panel = panels.load()[view.panel]
    with st.container(key="stage"):
        landing.tell(view, model.spec())
        _heading(panel)
        if not st.context.is_embedded and not panel.whole:
            _picker(panel, model.spec())
        text.notice(halt.says, "quiet" if halt.stopped else "refused")
        if halt.stopped:
            asking.run_again()
        excerpts.offer(model, run, view, halt.longest, chosen, "halted")


def _picker(panel: Panel, spec: ModelSpec) -> None:
    """The stage's panels by name, where it has several; those that the model lacks are marked."""
    others = {shown.id: lacking.label(shown, spec) for shown in panels.of_stage(panel.stage)}
    if len(others) < 2:
        return
    name = controls.hold("picker", panel.id)
    st.segmented_control(
        _("Panels of {stage}", stage=_(STAGES[panel.stage].title)),
        list(others),
        format_func=others.__getitem__,
        default=panel.id,
        key=name,
        label_visibility="collapsed",
        required=True,
        on_change=controls.writes("picker", panel.id, at_panel),
    )


def at_panel(view: View, target: str) -> View:
    """The view with another panel open; text and choices stay."""
    return replace(view, panel=target)

"""The middle of the page: one panel of a stage, its question, its answer for this text, and its figure."""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from html import escape

import streamlit as st

import panels
from anatomy.language import _, spaced
from anatomy.refused import Refused
from anatomy.request import Run
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
    polled,
    text,
    waiting,
    withheld,
)
from ui.asking import Halt
from ui.handed import Handed
from ui.host import HostedModel, Loading, models, titled
from ui.later import Arrival
from ui.withheld import Figures


def shown(model: HostedModel, run: Run, view: Fitted, panel: Panel) -> Figures:
    """Which figures are drawn: an embedded panel stands without the one that chooses for it."""
    figures = withheld.figures(model, run, view, panel)
    return replace(figures, drawn=figures.drawn[:1], chooser=None) if st.context.is_embedded else figures


@dataclass(frozen=True)
class Answer:
    """What the stage shows: which figures, the arrays that they are drawn from, and what fills them in later."""

    figures: Figures
    trace: Trace
    arrival: Arrival


def answer(model: HostedModel, figures: Figures, trace: Trace, view: Fitted) -> Answer:
    """The arrays that were asked for, with what has come by now of those that fill the figures in."""
    return Answer(figures, trace, later.arrived(model, trace.run, figures.drawn, trace.spec, view))


def draw(model: HostedModel, view: Fitted, answer: Answer) -> None:
    """The stage as a part of the page that redraws alone when one of its own controls moves."""
    coming = answer.arrival.coming
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
    figures, arrival, trace = answer.figures, answer.arrival, answer.arrival.added_to(answer.trace)
    panel, alone, read = panels.load()[view.panel], bool(st.context.is_embedded), None
    if panel.others:
        trace = replace(trace, of_others=_of_others(model, run))
    landing.tell(view, trace.spec)
    _heading(panel)
    with mishap.costing(f"the panel {panel.id}"):
        read = _read(model, panel, trace, view)
    if not alone and not panel.whole:
        _picker(panel, trace.spec)
    if not panel.whole:  # above a tall figure, where it is seen
        later.show(arrival)
    if read is not None:
        _figures(figures, run, trace, read)
    if panel.whole:
        later.show(arrival)
    if arrival.filling is not None and arrival.coming:
        polled.slower(later.EVERY, arrival.filling.begun)
    if alone:
        text.elsewhere(_("Open in Stagelight"), links.query(view))


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
        view = links.known().fit(spec, model.run(run).tokens)
        other = replace(view, settings=drawn.settings) != drawn
        elsewhere = other and (links.current() or not filling)
        if elsewhere or asking.extra_waits():
            polled.anew()
        figures = shown(model, run, view, panels.load()[view.panel])
        arrival = later.arrived(model, run, figures.drawn, spec, view)
        if arrival.coming != filling and links.current():
            polled.anew()
        with waiting.impatient():
            return Answer(figures, model.run(run, figures.needs(spec, view)), arrival), view
    except (Loading, Refused):
        polled.anew()


_stage = st.fragment(_drawn)
_filling = st.fragment(_drawn, run_every=later.EVERY)


def _of_others(model: HostedModel, run: Run) -> tuple[Trace, ...]:
    """The same text, cut by every other model of this server; one that is still being loaded joins when it is there."""
    others = {name: other for name, other in models().items() if other is not model}
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
    cut = []
    for other in others.values():
        if other.live:
            try:
                cut.append(other.run(Run(other.spec().id, run.text)))
            except Refused as refused:  # what one model cannot read, another may
                text.notice(f"{other.spec().weights.title or other.spec().name}: {refused}")
    return tuple(cut)


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
                _on_request(figures.chooser, figures, run)
        with right:
            _card(answer)


def _on_request(chooser: Panel, figures: Figures, run: Run) -> None:
    """In place of the overview: why it is not there, and how to have it."""
    with st.container(border=True, key=f"chooser-{chooser.id}"):
        st.html(f"<h3>{escape(_(chooser.name))}</h3>")
        text.line(figures.why)
        if figures.slow:
            asking.extra(f"{chooser.id}.ask", _("Work it out"), (run, chooser.id))


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

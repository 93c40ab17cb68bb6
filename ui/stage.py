"""The middle of the page: one panel of a stage, its question, its answer for this text, and its figure."""

from collections.abc import Sequence
from dataclasses import replace
from html import escape

import streamlit as st

import panels
from anatomy.language import _, spaced
from anatomy.request import Run, Want
from anatomy.spec import ModelSpec
from anatomy.stages import STAGES
from anatomy.trace import Trace
from anatomy.view import Fitted, View
from models.engine import Refused
from panels import Panel
from ui import controls, details, figure, links, text, waiting
from ui.host import Loading, Model, models


def needs(spec: ModelSpec, view: Fitted, panel: Panel) -> Sequence[Want]:
    """What the panel, and the one beside it that chooses for it, ask of the model."""
    return [want for shown in _shown(panel, spec) for want in shown.needs(spec, view)]


def draw(model: Model, run: Run, view: Fitted) -> None:
    """The stage as a part of the page that redraws alone when one of its own controls moves."""
    with st.container(key="stage"):
        _stage(model, run, replace(view, settings=()))


@st.fragment
def _stage(model: Model, run: Run, drawn: Fitted) -> None:
    """drawn: what the rest of the page shows; once the link says otherwise, the whole page is drawn again."""
    links.speak()
    spec = model.spec()
    try:
        view = links.read().fit(spec, model.run(run).tokens)
        if replace(view, settings=()) != drawn:
            st.rerun()
        panel = panels.load()[view.panel]
        trace = model.run(run, needs(spec, view, panel))
        if panel.beside:
            trace = replace(trace, beside=_beside(model, run))
    except (Loading, Refused):
        st.rerun()
    alone = bool(st.context.is_embedded)
    text.heading(_(panel.title))
    reason = panel.applies(spec)
    if reason is None:
        text.answer(panel.says(trace, view))
    else:
        text.notice(reason)
    if not alone:
        _picker(panel)
    if reason is None:
        _figures(_shown(panel, spec)[: 1 if alone else 2], trace, view)
    if alone:
        text.elsewhere(_("Open in Stagelight"), links.query(view))


def _beside(model: Model, run: Run) -> tuple[Trace, ...]:
    """The same text, cut by every other model of this server; one that is still being loaded joins when it is there."""
    others = [other for other in models().values() if other is not model]
    for other in others:
        other.begin()
        waiting.in_the_background(other)
    cut = []
    for other in others:
        if other.live:
            try:
                cut.append(other.run(Run(other.spec().id, run.text)))
            except Refused as refused:  # what one model cannot read, another may
                text.notice(f"{other.spec().weights.title or other.spec().name}: {refused}")
    return tuple(cut)


def _figures(shown: Sequence[Panel], trace: Trace, view: Fitted) -> None:
    """The panel's card; on its left the one that chooses for it, if there is one."""
    if len(shown) == 1:
        _card(shown[0], trace, view)
        return
    with st.container(key="two"):
        left, right = st.columns(2, gap="small")
        with left:
            _chooser(shown[1], shown[0], trace, view)
        with right:
            _card(shown[0], trace, view)


def _shown(panel: Panel, spec: ModelSpec) -> list[Panel]:
    """The panel, then the one that chooses for it, as far as this model has what they show."""
    both = [panel] if panel.chooser is None else [panel, panels.load()[panel.chooser]]
    return [shown for shown in both if shown.applies(spec) is None]


def _card(panel: Panel, trace: Trace, view: Fitted) -> None:
    """The figure with its controls above and its tabs below."""
    with st.container(border=True, key=f"card-{panel.id}"):
        controls.row(panel, trace.spec, view)
        figure.show(panel.draw(trace, view), spaced(panel.says(trace, view)), f"{panel.id}.figure")
        if not st.context.is_embedded:
            details.tabs(panel, trace, view)


def _chooser(panel: Panel, chosen_for: Panel, trace: Trace, view: Fitted) -> None:
    """The overview beside a figure, in which the reader picks what the figure shows. What both can be set to stands at
    the figure alone."""
    with st.container(border=True, key=f"chooser-{panel.id}"):
        drawn = panel.draw(trace, view)
        st.html(f"<h3>{escape(getattr(drawn, 'title', _(panel.name)))}</h3>")
        controls.row(panel, trace.spec, view, controls.NARROW, chosen_for)
        figure.show(drawn, spaced(panel.says(trace, view)), f"{panel.id}.figure")


def _picker(panel: Panel) -> None:
    """The stage's panels by name, where it has several."""
    others = {shown.id: _(shown.name) for shown in panels.of_stage(panel.stage)}
    if len(others) < 2:
        return
    controls.hold("picker", panel.id)
    st.segmented_control(
        _("Panels of {stage}", stage=_(STAGES[panel.stage].title)),
        list(others),
        format_func=others.__getitem__,
        key="picker",
        label_visibility="collapsed",
        required=True,
        on_change=controls.writes("picker", panel.id, at_panel),
    )


def at_panel(view: View, target: str) -> View:
    """The view with another panel open; text and choices stay."""
    return replace(view, panel=target)

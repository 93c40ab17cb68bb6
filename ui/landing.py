"""Where a reader lands who switches models: the same text, and of the same stage a panel that the other model has.

What kind of model the other one is may not be known before it is loaded. Then it is decided at the page's first run
that knows it, for the reader who switched: a link that opens a panel which its model lacks shows that panel.
"""

from dataclasses import dataclass, replace

import streamlit as st

import panels
from anatomy.language import _
from anatomy.spec import ModelSpec
from anatomy.stages import STAGES
from anatomy.view import View
from panels.panel import Panel
from ui import lacking, links, polled, text

_CHOSEN, _LANDED = "model chosen", "landed"  # in the session: (model, panel) as chosen, and what became of it


@dataclass(frozen=True)
class Landed:
    """A model's name in links, the panel that was open before it was chosen, and the one that is shown in its place."""

    model: str
    before: str
    shown: str

    def of(self, view: View) -> bool:
        """Whether the reader is still there."""
        return (self.model, self.shown) == (view.model, view.panel)


def to_model(name: str) -> links.Change:
    """The way to another model of this server."""
    spec = lacking.known(name)
    return lambda view: _on_model(view, name, spec)


def _on_model(view: View, name: str, spec: ModelSpec | None) -> View:
    """The view on it: places belong to the old one and go, settings stay. What was open before a panel was shown in its
    place is what the reader looks for there, too. spec: None where it is not known yet."""
    landed = st.session_state.get(_LANDED)
    sought = landed.before if landed is not None and landed.of(view) else view.panel
    there = replace(view.with_model(name), panel=sought)
    if spec is not None:
        return _landed(there, spec)
    st.session_state[_CHOSEN] = (there.model, there.panel)
    return there


def settle(view: View, spec: ModelSpec) -> None:
    """Go on to a panel that the model has, where the reader has chosen this model before it was known what it has. The
    page is drawn anew for that, and the choice is forgotten: Back leads to the panel that the model lacks."""
    chosen = st.session_state.get(_CHOSEN)
    if chosen is None:
        return
    if chosen == (view.model, view.panel) and nearest(panels.load()[view.panel], spec).id != view.panel:
        links.go(lambda now: _landed(now, spec) if chosen == (now.model, now.panel) else now)
        polled.anew()
    st.session_state.pop(_CHOSEN, None)


def nearest(panel: Panel, spec: ModelSpec) -> Panel:
    """The panel where the model has it, else the first of its stage that the model has, else that of the next stage on
    the map; the panel itself where the model has none at all."""
    if panel.closed(spec) is None:
        return panel
    here = STAGES[panel.stage].number
    stages = sorted(STAGES.values(), key=lambda stage: (abs(stage.number - here), stage.number))
    had = (each for stage in stages for each in panels.of_stage(stage.id) if each.closed(spec) is None)
    return next(had, panel)


def _landed(view: View, spec: ModelSpec) -> View:
    """The view with the nearest panel that its model has; that it is another one is kept, to be said."""
    shown = nearest(panels.load()[view.panel], spec).id
    if shown == view.panel:
        return view
    st.session_state[_LANDED] = Landed(view.model, view.panel, shown)
    return replace(view, panel=shown)


def tell(view: View, spec: ModelSpec) -> None:
    """Say why this panel is shown and not the one that was open, for as long as the reader stays at it."""
    landed = st.session_state.get(_LANDED)
    if landed is None:
        return
    reason = panels.load()[landed.before].closed(spec)
    if reason is None or not landed.of(view):
        st.session_state.pop(_LANDED, None)
        return
    text.notice(_sentence(panels.load()[landed.before], panels.load()[landed.shown], reason))


def _sentence(before: Panel, shown: Panel, reason: str) -> str:
    """What was open, why it is not here, and what is shown. reason: a whole sentence."""
    names = {"before": _(before.name), "shown": _(shown.name), "reason": reason}
    if before.stage == shown.stage:
        return _("“{before}” was open. {reason} “{shown}” is shown in its place.", **names)
    return _(
        "“{before}” was open. {reason} It has no other panel of the stage “{stage}” either: “{shown}” of the stage "
        "“{next}” is shown in its place.",
        **names,
        stage=_(STAGES[before.stage].title),
        next=_(STAGES[shown.stage].title),
    )

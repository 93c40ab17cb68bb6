"""What if…: a change in the second run, made of what the reader points at: a layer, a head, a neuron, a token.

Whoever has clicked a head or a token finds it here: a button turns it off, and a form below says anything else. The
whole stands in a part of the page that redraws alone, and nothing of it is drawn while it is closed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial, reduce

import numpy as np
import streamlit as st

import panels
from anatomy import allowed, interventions
from anatomy.interventions import MOST, Change
from anatomy.language import N_, _
from anatomy.refused import Refused
from anatomy.request import Intervention, Run
from anatomy.sites import SITES
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted, View
from ui import breaking, change_form, changed, links, mishap, polled, session, sides, text
from ui.change_form import Asked
from ui.components import step_in
from ui.host import HostedModel, Loading
from ui.sides import Absent
from viz.format import quoted

KEY = "what_if"
_REFUSED = "what_if.refused"
_TOO_MANY = N_("A link holds at most {most} changes: take some out of the list first.")
_TOO_LONG = N_("A link has no room for all these texts: shorten them, or take some changes out of the list first.")


@dataclass(frozen=True)
class Pointed:
    """What a change is made of: the second run, as it is without changes, and what is chosen in it.

    model   that it is of
    fitted  what is chosen, in it
    cut     its tokens
    neuron  the chosen one where the open panel speaks of neurons, else the one that it speaks of; None for none
    apart   its text is another one than the first run's
    """

    model: HostedModel
    fitted: Fitted
    cut: Trace
    neuron: int | None = None
    apart: bool = False

    @property
    def spec(self) -> ModelSpec:
        """Its model."""
        return self.cut.spec

    @property
    def token(self) -> str:
        """The chosen token, as sentences have it."""
        return quoted(self.cut.labels[self.fitted.pos])


def offer(model: HostedModel, view: View) -> None:
    """The button and what opens below it. model: the first run's; view: with both runs in it."""
    _offered(model, view)


@st.fragment
def _offered(model: HostedModel, drawn: View) -> None:
    """drawn: what the page was drawn for; where the link means something else by now, the whole page is drawn anew."""
    links.set_locale()
    view = links.known() if session.in_part() else drawn
    if replace(view, settings=drawn.settings) != drawn and links.current():
        polled.anew()
    place = st.popover(_("What if…"), key=KEY, on_change="rerun", width="content")
    if place.open:
        with place, st.container(key="what_if_body"), mishap.costing("what can be changed"):
            _body(model, view)


def _body(model: HostedModel, view: View) -> None:
    try:
        pointed = pointed_at(model, view)
    except Loading:
        pointed = Absent(_("What can be changed is offered once the model is loaded."))
    except Refused as refused:
        pointed = Absent(str(refused))
    if isinstance(pointed, Absent):
        text.notice(pointed.says)
        return
    step_in.show("what_if.step_in")
    says = (
        _("The change is made in run B. A click on a head, a neuron, a token or a cell of a figure chooses where.")
        if pointed.apart
        else _(
            "Run B is this run with a change. A click on a head, a neuron, a token or a cell of a figure chooses where."
        )
    )
    text.aside(says)
    with st.container(key="what_if_quick", gap=None):
        for i, (says, made) in enumerate(quick(pointed)):
            st.button(
                changed.plain(says), key=f"{KEY}.quick.{i}", width="stretch", on_click=partial(_click, pointed, (made,))
            )
    with st.container(key="what_if_breaking", gap="small"):
        allows = partial(possible, pointed)
        breaking.draw(pointed.spec, pointed.fitted.layer, allows, partial(_click, pointed))
    with st.container(key="what_if_form", gap="small"):
        change_form.draw(_asked(pointed))
        _said(pointed)
        st.button(_("Change it"), key=f"{KEY}.make", on_click=partial(_make, pointed))


def pointed_at(model: HostedModel, view: View) -> Pointed | Absent:
    """What the reader points at, in the second run where there is one. Loading, Refused: its text has no tokens yet, or
    cannot have any."""
    spec = model.spec()
    cut = model.run(view.run(spec))
    plain = view.with_changes(())
    fitted, side = sides.placed(plain, plain.fit(spec, cut.tokens), cut)
    if isinstance(side, Absent):
        return side
    if side is None:
        return Pointed(model, fitted, cut, _neuron(model, cut, fitted))
    same = side.model is model and side.fitted.text == fitted.text
    neuron = _neuron(model, cut, fitted) if same else _chosen_neuron(side.cut.spec, side.fitted)
    return Pointed(side.model, side.fitted, side.cut, neuron, side.cut.text != cut.text)


def _neuron(model: HostedModel, cut: Trace, view: Fitted) -> int | None:
    """The chosen neuron, or else that of the chosen layer which responds most to the chosen token: where the open panel
    shows them."""
    if view.neuron is not None:
        return _chosen_neuron(cut.spec, view)
    panel = panels.load()[view.panel]
    if panel.closed(cut.spec) is not None:
        return None
    place = ("act", view.layer, view.pos)
    wants = [want for want in panel.needs(cut.spec, view) if (want.site, want.layer, want.pos) == place]
    arrays = model.held(cut.run, wants).arrays if wants else {}
    return next((int(np.abs(array).argmax()) for array in arrays.values()), None)


def _chosen_neuron(spec: ModelSpec, view: Fitted) -> int | None:
    """The chosen neuron, where the open panel shows neurons: where it asks for their values or their numbers."""
    panel = panels.load()[view.panel]
    if view.neuron is None or panel.closed(spec) is not None:
        return None
    sites = (SITES[want.site] for want in panel.needs(spec, view))
    return view.neuron if any(site.unit == "neuron" or "d_ff" in site.axes for site in sites) else None


def quick(pointed: Pointed) -> list[tuple[str, Intervention]]:
    """What can be changed by one click: (in words, the change); only what this model allows."""
    return [(says, made) for says, made in _quick(pointed) if possible(pointed, (made,))]


def _quick(pointed: Pointed) -> Iterator[tuple[str, Intervention]]:
    layer, head, pos = pointed.fitted.layer, pointed.fitted.head, pointed.fitted.pos
    if pointed.neuron is not None:
        says = _("Turn off neuron {neuron} of layer {layer}", neuron=pointed.neuron, layer=layer)
        yield says, Intervention("act", "zero", layer=layer, neuron=pointed.neuron)
    says = _("Turn off head {head} of layer {layer}", head=head, layer=layer)
    yield says, Intervention("z", "zero", layer=layer, head=head)
    yield _("Turn off attention of layer {layer}", layer=layer), Intervention("attn_out", "zero", layer=layer)
    yield _("Turn off the FFN of layer {layer}", layer=layer), Intervention("ffn_out", "zero", layer=layer)
    if pointed.apart:
        says = _("Take layer {layer}'s stream at {token} from A", layer=layer, token=pointed.token)
        yield says, Intervention("resid_post", "patch", layer=layer, pos=pos)


def possible(pointed: Pointed, made: tuple[Intervention, ...]) -> bool:
    """Whether the model allows some changes by themselves."""
    try:
        _check(pointed, made)
    except Refused:
        return False
    return True


def _check(pointed: Pointed, made: tuple[Intervention, ...]) -> None:
    """Refused for changes that the second run does not allow."""
    run = pointed.cut.run
    allowed.check(interventions.of(run, made, run), pointed.spec, len(pointed.cut.tokens))


def added(view: View, made: Intervention) -> View:
    """The view with a change after those it has; where it is in the list already, that one is switched on."""
    if any(change.made == made for change in view.changes):
        return view.with_changes(replace(change, on=change.on or change.made == made) for change in view.changes)
    return view.with_changes((*view.changes, Change(made)))


def put(pointed: Pointed, view: View, made: Iterable[Intervention]) -> View:
    """The same with several, checked. Refused for what the model does not allow together with the other changes that
    are on, and where a link could not hold them."""
    after = reduce(added, made, view)
    _check(pointed, tuple(change.made for change in after.changes if change.on))
    if len(after.changes) > MOST:
        raise Refused(_TOO_MANY, most=MOST)
    if interventions.read(interventions.written(after.changes)) is None:
        raise Refused(_TOO_LONG)
    return after


@mishap.harmless
def _click(pointed: Pointed, made: tuple[Intervention, ...]) -> None:
    links.set_locale()  # a callback runs before the page
    _try(pointed, made)


@mishap.harmless
def _make(pointed: Pointed) -> None:
    links.set_locale()  # a callback runs before the page
    asked = _asked(pointed)
    try:
        made = change_form.read(asked)
    except Loading:
        st.session_state[_REFUSED] = Refused(change_form.LOADING), change_form.written(asked)
    except Refused as refused:
        st.session_state[_REFUSED] = refused, change_form.written(asked)
    else:
        _try(pointed, (made,))


def _try(pointed: Pointed, made: tuple[Intervention, ...]) -> None:
    """Make some changes, and close what it was asked in; or keep why not, to be said there."""
    try:
        put(pointed, links.known(), made)
    except Refused as refused:
        st.session_state[_REFUSED] = refused, change_form.written(_asked(pointed))
    else:
        st.session_state[KEY] = False
        links.go(lambda view: put(pointed, view, made))


def _said(pointed: Pointed) -> None:
    """Why the last change was not made, as long as the form says the same."""
    refused, of = st.session_state.get(_REFUSED, (None, None))
    if refused is not None and of == change_form.written(_asked(pointed)):
        text.notice(str(refused), "refused")


def _asked(pointed: Pointed) -> Asked:
    """What the form is about."""
    fitted = pointed.fitted
    return Asked(
        spec=pointed.spec,
        layer=fitted.layer,
        head=fitted.head,
        neuron=pointed.neuron,
        pos=fitted.pos,
        token=pointed.token,
        apart=pointed.apart,
        entry=partial(entry, pointed.model),
    )


def entry(model: HostedModel, typed: str) -> tuple[int, str]:
    """(id, label) of the first token of what the reader typed. Loading: the model that cuts it is not there yet."""
    if not model.live:
        raise Loading
    cut = model.run(Run(model.spec().id, typed)) if typed else None
    first = next((place for place, token in enumerate(cut.tokens) if not token.special), None) if cut else None
    if cut is None or first is None:
        raise Refused(N_("Write a word: its first token is the one that is gone towards."))
    return cut.tokens[first].id, cut.labels[first]

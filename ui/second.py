"""The row of the second run, below that of the first: its text, its model, and the way out."""

from dataclasses import replace

import streamlit as st

from anatomy.language import N_, _
from anatomy.variants import written
from anatomy.view import View
from models.engine import MAX_CHARACTERS
from ui import changed, controls, links, mishap, text, varying
from ui.components import textbox
from ui.examples import PAIRS
from ui.host import models, titled

_FRESH = "second.fresh"
_TEXT, _MODEL, _VARIANT = N_("Another text"), N_("Another model"), N_("The same model, changed")


def offer(view: View) -> None:
    """The menu that puts a second run beside the first: another text, another model, or a pair of texts to try."""
    texts, model = view.text2 is None, view.model2 is None and len(models()) > 1
    other = [*([_MODEL] if model else []), *([_VARIANT] if view.model2 is None else [])]
    ways = [*([_TEXT] if texts else []), *other, *PAIRS]
    st.menu_button(_("Compare"), [_(way) for way in ways], key="compare", on_click=_on_compare)


@mishap.harmless
def _on_compare() -> None:
    links.set_locale()  # a callback runs before the page
    shown = st.session_state["compare"]
    chosen = next((way for way in (_TEXT, _MODEL, _VARIANT, *PAIRS) if shown in (way, _(way))), None)
    if chosen is not None:
        st.session_state[_FRESH] = chosen == _TEXT
        links.go(lambda view: compared(view, chosen))


def compared(view: View, way: str) -> View:
    """The view with a second run beside the first. A second text begins as the first one, to be changed; a second model
    is the next one of this server; of the same model changed it is a
    variant to begin with, and beside a variant the model as it is."""
    if way in PAIRS:
        first, other = PAIRS[way]
        return replace(view.with_text(first).with_second_text(other), text2=other)
    if way == _TEXT:
        return replace(view, text2=view.second.text)
    if way == _VARIANT:
        base = models().own(view.model)
        return view.with_second_model(written(base, [varying.FIRST]) if view.model == base else base)
    others = [name for name in models() if name != models().own(view.model)]
    return view.with_second_model(others[0]) if others and view.model2 is None else view


def row(view: View) -> None:
    """The second run's text, its model where the server has several, what is changed in it, and what ends the
    comparison or turns it round. A run in which no more than something is changed needs no box for its text."""
    if view.text2 is None and view.model2 is None:
        with st.container(key="second_row", horizontal=True, gap="small"):
            changed.shown(view, "B" if view.two else "")
            _close()
        return
    other = view.second
    with st.container(key="second_row", horizontal=True, gap="small"):
        fresh = st.session_state.pop(_FRESH, False)  # to be typed in at once
        textbox.show(other.text, MAX_CHARACTERS, lambda typed: links.go(lambda now: typed_in(now, typed)), "B", fresh)
        names = list(models())
        if len(names) > 1:
            _model(names, models().own(other.model))
        known = models().shown(other.model)
        varying.choice("variant2", known, lambda now: now.second.model, View.with_second_model)
        if altered := varying.altered_in(known):
            text.aside(altered)
        st.button(_("Swap"), key="swap", on_click=lambda: links.go(lambda now: now.swapped))
        _close()
    if view.changes:
        with st.container(key="changes_row"):
            changed.shown(view)


def _close() -> None:
    st.button(_("Close"), key="close_second", on_click=lambda: links.go(lambda now: now.alone))


def typed_in(view: View, text: str) -> View:
    """The view after the second run's text was changed."""
    return view.with_second_text(text)


def _model(names: list[str], shown: str) -> None:
    name = controls.hold("model2", shown)
    st.selectbox(
        _("Model of the second run"),
        names,
        names.index(shown),
        format_func=titled,
        key=name,
        label_visibility="collapsed",
        width=215,
        on_change=controls.writes("model2", shown, on_model),
    )


def on_model(view: View, name: str) -> View:
    """The view after the second run's model was chosen: it stays a second run also where that is the first's."""
    return view.with_second_model(name)

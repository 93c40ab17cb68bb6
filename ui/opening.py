"""The passage as the page's opening: the way in from any panel, and the way back to it."""

from dataclasses import replace

import streamlit as st

from anatomy.view import DEFAULT_PANEL, OPENING, View
from ui import links
from ui.components import whole_way

_BEFORE = "panel before the passage"


def show() -> None:
    """The button at the top of the page that opens the passage."""
    whole_way.show(opened=False, turn=_turn)


def close() -> None:
    """The button beside its question that closes it."""
    whole_way.show(opened=True, turn=_turn)


def _turn(opened: bool) -> None:
    links.go(_opened if opened else _closed)


def _opened(view: View) -> View:
    """The view with the passage open; which panel it was is kept for the way back."""
    if view.panel != OPENING:
        st.session_state[_BEFORE] = view.panel
    return replace(view, panel=OPENING)


def _closed(view: View) -> View:
    """The view of before, or of the first panel where nothing was before."""
    return replace(view, panel=st.session_state.get(_BEFORE, DEFAULT_PANEL))

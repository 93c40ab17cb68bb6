"""Widgets for what a panel can be set to. Each shows the link's value and writes its own back to the link."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import streamlit as st

from anatomy.control import Choice, Control, Slider, Switch
from anatomy.language import N_, _
from anatomy.spec import ModelSpec
from anatomy.view import Fitted, View
from panels import Panel
from ui import links

MOST_SEGMENTS = 16
WIDE, NARROW = 90, 26
PLACES = {"layer": N_("Layer"), "head": N_("Head")}


def row(panel: Panel, spec: ModelSpec, view: Fitted, letters: int = WIDE, beside: Panel | None = None) -> None:
    """The steppers and controls of one panel, side by side; without those that stand at the panel beside it.

    letters  about how many stand in a row
    """
    theirs = (beside.places, beside.controls) if beside else ((), ())
    places = [place for place in panel.places if _count(spec, place) > 1 and place not in theirs[0]]
    own = [control for control in panel.controls if control not in theirs[1]]
    if not places and not own:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key=f"{panel.id}.controls"):
        for place in places:
            _stepper(f"{panel.id}.{place}", place, _count(spec, place), view)
        for control in own:
            _control(f"{panel.id}.{control.name}", control, view, letters)


def _count(spec: ModelSpec, place: str) -> int:
    return spec.layers if place == "layer" else spec.n_heads


def _stepper(key: str, place: str, count: int, view: Fitted) -> None:
    """Which layer or which head: all of them in a row where they fit, else a number with − and +."""
    value = getattr(view, place)
    changed = writes(key, value, lambda now, number: replace(now, **{place: int(number)}))
    if count <= MOST_SEGMENTS:
        hold(key, value)
        st.segmented_control(_(PLACES[place]), range(count), key=key, required=True, on_change=changed)
    else:
        hold(key, value)
        st.number_input(_(PLACES[place]), 0, count - 1, step=1, key=key, on_change=changed, width=140)


def _control(key: str, control: Control, view: Fitted, letters: int) -> None:
    value = view[control]
    changed = writes(key, value, lambda now, setting: now.with_setting(control, setting))
    hold(key, value)
    match control:
        case Choice() if sum(len(_(control.shown(option))) + 3 for option in control.options) > letters:
            st.selectbox(
                _(control.label),
                control.options,
                format_func=lambda option: _(control.shown(option)),
                key=key,
                on_change=changed,
            )
        case Choice():
            st.segmented_control(
                _(control.label),
                control.options,
                format_func=lambda option: _(control.shown(option)),
                key=key,
                required=True,
                on_change=changed,
            )
        case Switch():
            st.toggle(_(control.label), key=key, on_change=changed)
        case Slider():
            st.slider(
                _(control.label), control.low, control.high, step=control.step, key=key, on_change=changed, width=260
            )


def hold(key: str, value: Any) -> None:
    """Let a widget show what the link says.

    Until the reader has used it, it is told again on every run: a widget drawn anew before the browser had put up the
    first one falls back to its first option, and would report that as the reader's choice. After that it is told only
    what differs, or quick clicks would be taken back by the answers to earlier ones.
    """
    if key not in st.session_state:
        st.session_state[_used(key)] = False
    if not st.session_state[_used(key)] or st.session_state[key] != value:
        st.session_state[key] = value


def _used(key: str) -> str:
    return f"{key} used"


def writes(key: str, shown: Any, change: Callable[[View, Any], View]) -> Callable[[], None]:
    """A callback that puts the widget's new value into the link. shown: its old one, which a widget that comes back
    after it was away for a while reports as new."""

    def call() -> None:
        value = st.session_state[key]
        if value is not None and value != shown:
            st.session_state[_used(key)] = True
            links.go(lambda view: change(view, value))

    return call

"""Widgets for what a panel can be set to. Each shows the link's value and writes its own back to the link."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from anatomy.control import Choice, Control, Place, Slider, Switch
from anatomy.language import N_, _
from anatomy.spec import ModelSpec
from anatomy.view import Fitted, View
from panels.panel import Panel
from ui import links, mishap
from viz.format import thousands

MOST_SEGMENTS = 16
WIDE, NARROW = 90, 26
PLACES = {"layer": N_("Layer"), "head": N_("Head")}
# What each of the steppers does: a control says it of itself.
SAYS = {
    "layer": N_(
        "Which layer the figure shows: 0 is the first, next to the embedding; the highest is next to the output."
    ),
    "head": N_("Which of the heads of a layer the figure shows: they work side by side, and their numbers start at 0."),
}


def row(panel: Panel, spec: ModelSpec, view: Fitted, letters: int = WIDE, chosen_for: Panel | None = None) -> None:
    """The steppers and controls of one panel, side by side; without those that stand at the panel beside it, and those
    that change nothing for this text.

    letters  about how many stand in a row
    """
    theirs = (chosen_for.places, chosen_for.controls) if chosen_for else ((), ())
    left = panel.idle(spec, view)
    places = [place for place in panel.places if _count(spec, place) > 1 and place not in (*theirs[0], *left)]
    left_out = {control.name for control in theirs[1]}
    offered = [control for control in panel.offered(spec, view) if control.name not in left_out]
    own = [control for control in offered if not isinstance(control, Place)]
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
    value, label, says = getattr(view, place), _(PLACES[place]), _(SAYS[place])
    name = hold(key, value)
    changed = writes(key, value, lambda now, number: now.at(**{place: int(number)}))
    if count <= MOST_SEGMENTS:
        st.segmented_control(label, range(count), default=value, key=name, required=True, on_change=changed, help=says)
    else:
        st.number_input(label, 0, count - 1, value, step=1, key=name, on_change=changed, help=says, width=156)


def _control(key: str, control: Control, view: Fitted, letters: int) -> None:
    value = _number_of(control, view) if isinstance(control, Slider) else view[control]
    name = hold(key, value)
    changed = writes(key, value, lambda now, setting: now.with_setting(control, setting))
    says = _(control.says)
    match control:
        case Choice() if sum(len(_(control.shown(option))) + 3 for option in control.options) > letters:
            st.selectbox(
                _(control.label),
                control.options,
                control.options.index(view[control]),
                format_func=lambda option: _(control.shown(option)),
                key=name,
                on_change=changed,
                help=says,
            )
        case Choice():
            st.segmented_control(
                _(control.label),
                control.options,
                format_func=lambda option: _(control.shown(option)),
                default=value,
                key=name,
                required=True,
                on_change=changed,
                help=says,
            )
        case Switch():
            with st.container(horizontal=True, vertical_alignment="center", width="content", key=f"{key}.pair"):
                st.toggle(_(control.label), view[control], key=name, on_change=changed, width="content")
                st.markdown("", help=says, width="content")  # in the switch's own label its help would turn it
        case Slider(powers=True):
            st.select_slider(
                _(control.label),
                range(int(control.low), int(control.high) + 1),
                int(view[control]),
                format_func=lambda power: thousands(2**power),
                key=name,
                on_change=changed,
                help=says,
                width=260,
            )
        case Slider():
            st.slider(
                _(control.label),
                control.low,
                control.high,
                _number_of(control, view),
                step=control.step,
                key=name,
                on_change=changed,
                help=says,
                width=260,
            )


def _number_of(slider: Slider, view: Fitted) -> float:
    """A slider's value: a whole number where its ends are. Streamlit has sliders of these or of others, not of both."""
    return type(slider.low)(view[slider])


def hold(key: str, value: Any) -> str:
    """Let a widget show what the link says. Its name: the key that it is drawn with.

    Where something else than the widget has changed the link, the widget gets another name: what the browser reports
    under the old one, from before it heard of that, nobody has chosen.

    Until the reader has used it, its value is set on every run: a widget drawn anew before the browser had put up the
    first one falls back to its default, and would report that as the reader's choice. After that it is not set, or
    quick clicks would be taken back by the answers to earlier ones. For what slips through, the same value is its
    default.
    """
    state, name = st.session_state, _name(key)
    if name in state and state[name] != value:
        if state.get(_own(key)) == value:  # its own, of which a newer move is on its way
            state[name] = value
        else:
            state[_number(key)] = state.get(_number(key), 0) + 1
            state[_own(key)] = None
            name = _name(key)
    if name not in state:
        state[_used(key)] = False
    if not state[_used(key)]:
        state[name] = value
    return name


def _name(key: str) -> str:
    number = st.session_state.get(_number(key), 0)
    return f"{key}~{number}" if number else key


def _number(key: str) -> str:
    return f"{key} number"


def _own(key: str) -> str:
    return f"{key} own"


def _used(key: str) -> str:
    return f"{key} used"


def writes(key: str, shown: Any, change: Callable[[View, Any], View]) -> Callable[[], None]:
    """A callback that puts the new value of the widget that `hold` has named into the link. shown: its old one, which a
    widget that comes back after it was away for a while reports as new."""
    return prepared(key, shown, lambda value: lambda view: change(view, value))


def prepared(key: str, shown: Any, change: Callable[[Any], Callable[[View], View]]) -> Callable[[], None]:
    """The same of a change that is made of the new value beforehand: nobody waits while that looks something up."""
    name = _name(key)

    @mishap.harmless
    def call() -> None:
        if name != _name(key):
            return
        value = st.session_state[name]
        if value is not None and value != shown:
            st.session_state[_used(key)], st.session_state[_own(key)] = True, value
            links.go(change(value))

    return call

"""What is changed in the second run, in words: the reader's list, each change to be switched off and taken out."""

import re
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

import streamlit as st

from anatomy import interventions
from anatomy.interventions import Change
from anatomy.language import _
from anatomy.refused import Refused
from anatomy.request import Intervention, Run
from anatomy.view import View
from ui import controls, links
from ui.host import HostedModel, Loading
from ui.take import hosted
from viz import what_if

_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-!|~$:.&])")


def shown(view: View, letter: str = "") -> None:
    """The list. view: with both runs in it; letter: of the run, where nothing beside the list has it."""
    model = hosted(view.second)
    labels = _labels(model, view.second)
    with st.container(key="changes", gap=None):
        for at, change in enumerate(view.changes):
            with st.container(key=f"change_{at}", horizontal=True, vertical_alignment="center", gap="small"):
                if letter:
                    st.html(f'<b class="side" aria-hidden="true">{letter if at == 0 else ""}</b>', width="content")
                _one(at, change, plain(told(change.made, model, labels)))


def _one(at: int, change: Change, says: str) -> None:
    """One entry. at: its place in the list; says: what it does, as Markdown that marks nothing."""
    key = f"change.{_digest(change.made)}.{at}"
    name = controls.hold(key, change.on)
    turned = controls.writes(key, change.on, lambda view, on: switched(view, at, change.made, bool(on)))
    st.toggle(says, change.on, key=name, on_change=turned)
    st.button(
        _("Remove"),
        key=f"{key}.remove",
        type="tertiary",
        on_click=lambda: links.go(lambda view: without(view, at, change.made)),
    )


def _digest(made: Intervention) -> str:
    """A name for a change that is short and the same every time."""
    return sha256(interventions.written([Change(made)]).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def switched(view: View, at: int, made: Intervention, on: bool) -> View:
    """The view with a change of the list on or off; itself where another one stands there by now."""
    return view.with_changes(
        replace(change, on=on) if (i, change.made) == (at, made) else change for i, change in enumerate(view.changes)
    )


def without(view: View, at: int, made: Intervention) -> View:
    """The view with a change taken out of the list; itself where another one stands there by now."""
    return view.with_changes(change for i, change in enumerate(view.changes) if (i, change.made) != (at, made))


def in_short(view: View) -> str:
    """What is changed in the run that a view is of alone, in one line; "" for nothing."""
    made = () if view.changed is None else view.changed.interventions
    model = hosted(view)
    return what_if.in_short(made, [label(model, one.token) for one in made])


def told(made: Intervention, model: HostedModel, labels: Sequence[str] = ()) -> str:
    """What a change does, in a few words. model: the one that is changed; labels: of its text's tokens."""
    at = labels[made.pos] if made.pos is not None and made.pos < len(labels) else ""
    return what_if.told(made, label(model, made.token), at)


def _labels(model: HostedModel, view: View) -> tuple[str, ...]:
    """Of the tokens of a run; () while the model that cuts its text is not there, and where it refuses to."""
    if not model.live:
        return ()
    try:
        return model.run(replace(view, changed=None).run(model.spec())).labels
    except (Loading, Refused):
        return ()


def label(model: HostedModel, token: int | None) -> str:
    """What an entry of the vocabulary is called; "" for none, and while the model that knows is not there."""
    if token is None or not model.live:
        return ""
    try:
        return model.run(Run(model.spec().id, "a", tail=(token,))).tokens[-1].label
    except (Loading, Refused, ValueError):  # the list stands also where the change is refused
        return ""


def plain(words: str) -> str:
    """Words as Markdown that says just them, whatever a reader or a token puts there."""
    return _MARKS.sub(r"\\\1", words)

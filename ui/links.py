"""The link: the only place where the selection lives. Reading it, and going to another one."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from urllib.parse import urlencode

import streamlit as st

import panels
from anatomy.language import LANGUAGES
from anatomy.language import speak as speak_language
from anatomy.view import View, read_view

FIELDS = tuple(field.name for field in fields(View) if field.name != "settings")
Change = Callable[[View], View]
_KNOWN = "link"


def arrive() -> tuple[View, tuple[str, ...]]:
    """At the start of a run of the page: (the link's view, complaints about values that it cannot mean)."""
    st.session_state[_KNOWN] = st.query_params.to_dict()
    return _meant(st.query_params.to_dict())


def read() -> View:
    """The link's view."""
    return _meant(st.query_params.to_dict())[0]


def language() -> str:
    """The language of the page: the link's, else the browser's where there is a catalogue for it, else English."""
    asked = st.query_params.get("lang")
    if asked in LANGUAGES:
        return asked
    preferred = (st.context.locale or "").partition("-")[0].lower()
    return preferred if preferred in LANGUAGES else "en"


def speak() -> None:
    """Speak the page's language: first thing in every part of the page that runs by itself."""
    speak_language(language())


def go(change: Change) -> None:
    """Change the view: the new one is written to the link in one step, which the browser's Back undoes.

    What the browser sends with an action is its link from before the last answer reached it. So the change starts
    from the link that this session knows, or two quick actions would undo each other.
    """
    known = st.session_state.get(_KNOWN, {})
    ours = {*FIELDS, *(control.name for control in panels.controls())}
    others = {name: value for name, value in known.items() if name not in ours}
    st.session_state[_KNOWN] = others | change(_meant(known)[0]).query()
    st.query_params.from_dict(st.session_state[_KNOWN])


def current() -> bool:
    """Whether the link that came with this run is the one this session knows, not one from before the last action."""
    return st.query_params.to_dict() == st.session_state.get(_KNOWN)


def _meant(query: Mapping[str, str]) -> tuple[View, tuple[str, ...]]:
    return read_view(query, panels.load(), panels.controls())


def query(view: View, **more: str) -> str:
    """The view as it stands behind a page's address: empty for the first view, else with its question mark."""
    pairs = more | view.query()
    return f"?{urlencode(pairs)}" if pairs else ""


def address(view: View, **more: str) -> str:
    """The full link to a view on this server, as the reader's browser reaches it."""
    return (st.context.url or "").rstrip("/") + "/" + query(view, **more)

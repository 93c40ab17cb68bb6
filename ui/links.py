"""The link: the only place where the selection lives. Reading it, and going to another one."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from math import isclose
from threading import Lock
from urllib.parse import quote_plus, urlencode

import streamlit as st

import panels
from anatomy.control import Slider
from anatomy.language import LANGUAGES, N_, _
from anatomy.language import set_locale as speak_language
from anatomy.view import DEFAULT_PANEL, OPENING, View, read_view
from ui import long_links, session

FIELDS = tuple(field.name for field in fields(View) if field.name != "settings")
Change = Callable[[View], View]
_KNOWN = "link"
LOST = "link.lost"  # how many changes of run B went with the text or the model that they were made in, until it is said
# A run that a newer one replaces goes on until it next asks for the session's state, where Streamlit stops it. Between
# that look and its write the newer one could write, and would be taken back: so one after the other.
_IN_ORDER = Lock()
_REPLACED = "\ufffd"
_HALVES = N_("This link holds halves of characters, which are none: each is read as {mark}.")
_BETWEEN = N_("The link's {name} is {value}, between two steps: {step} is used.")


def arrive() -> tuple[View, tuple[str, ...]]:
    """At the start of a run of the page: (the link's view, complaints about values that it cannot mean)."""
    query = session.query()
    with _IN_ORDER:
        st.session_state[_KNOWN] = query
    return _meant(query)


def read() -> View:
    """The link's view."""
    return _meant(session.query())[0]


def known() -> View:
    """The view of the link that this session knows: of a part of the page that comes back by itself, with the link from
    before the reader's last action perhaps."""
    return _meant(st.session_state.get(_KNOWN, {}))[0]


def language() -> str:
    """The language of the page: the link's, else the browser's where there is a catalogue for it, else English."""
    asked = session.query().get("lang")
    if asked in LANGUAGES:
        return asked
    preferred = (st.context.locale or "").partition("-")[0].lower()
    return preferred if preferred in LANGUAGES else "en"


def set_locale() -> None:
    """Speak the page's language: first thing in every part of the page that runs by itself."""
    speak_language(language())


def go(change: Change) -> None:
    """Change the view: the new one is written to the link in one step, which the browser's Back undoes.

    What the browser sends with an action is its link from before the last answer reached it. So the change starts
    from the link that this session knows, or two quick actions would undo each other.
    """
    with _IN_ORDER:
        known = st.session_state.get(_KNOWN, {})
        before = _meant(known)[0]
        after = change(before)
        if len(after.changes) < len(before.changes) and _runs(after) != _runs(before):
            st.session_state[LOST] = len(before.changes) - len(after.changes)
        written = {name: _whole(value) for name, value in after.query().items()}
        st.session_state[_KNOWN] = ended(long_links.into(written, _others(known)))
        st.query_params.from_dict(st.session_state[_KNOWN])


def _runs(view: View) -> tuple[str | None, ...]:
    """What the two runs are of."""
    return view.text, view.model, view.text2, view.model2


def _others(query: Mapping[str, str]) -> dict[str, str]:
    """What stands in a link that is none of ours."""
    ours = {*FIELDS, *long_links.NAMES, *(control.name for control in panels.controls())}
    return {name: value for name, value in query.items() if name not in ours}


def only_here(view: View) -> bool:
    """Whether the page's address holds only the name of a text of the view, which this server keeps."""
    return any(name in long_links.KEPT_NAMES for name in long_links.into(view.query(), _others(session.query())))


def ended(query: Mapping[str, str]) -> dict[str, str]:
    """The same query, not with the text at its end where that ends like a sentence (". ~ _ -"): programs that find
    addresses in a message leave such an end out of them."""
    *_rest, last = query or [""]
    if last not in (*long_links.TEXTS, *long_links.NAMES) or not query[last] or _quoted_end(query[last]).isalnum():
        return dict(query)
    rest = {name: value for name, value in query.items() if name != last}
    return {last: query[last]} | (rest or {"panel": DEFAULT_PANEL})


def _quoted_end(text: str) -> str:
    """The last letter of a text in a link."""
    return quote_plus(text[-1:], errors="replace")[-1]


def current() -> bool:
    """Whether the link that came with this run is the one this session knows, not one from before the last action."""
    return session.query() == st.session_state.get(_KNOWN)


def _meant(query: Mapping[str, str]) -> tuple[View, tuple[str, ...]]:
    plain, damage = long_links.out_of(query)
    whole = {name: _whole(value) for name, value in plain.items()}
    halves = () if whole == plain else (_(_HALVES, mark=_REPLACED),)
    opening = DEFAULT_PANEL if damage or st.context.is_embedded else OPENING
    view, complaints = read_view(whole, panels.load(), panels.controls(), opening)
    stepped, moved = _on_steps(view)
    return stepped, (*damage, *halves, *complaints, *moved)


def _whole(text: str) -> str:
    """A text without halves of characters (unpaired surrogates): no link and no page can hold one."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _on_steps(view: View) -> tuple[View, tuple[str, ...]]:
    """(the view with every slider at one of its steps, complaints about those that were between two)."""
    complaints = []
    for control in panels.controls():
        if isinstance(control, Slider) and control.name in dict(view.settings):
            value, step = view[control], _step(control, view[control])
            if not isclose(value, step, abs_tol=1e-9):
                complaints.append(_(_BETWEEN, name=control.name, value=f"{value:g}", step=f"{step:g}"))
            view = view.with_setting(control, step) if value != step else view
    return view, tuple(complaints)


def _step(control: Slider, value: float) -> float:
    """The step of a slider that is next to a value."""
    step = control.low + round((value - control.low) / control.step) * control.step
    return min(round(step, 9), control.high)


def query(view: View, **more: str) -> str:
    """The view as it stands behind the page's address in a link on this page, with its question mark."""
    return _written(more | long_links.near(view.query()))


def address(view: View, **more: str) -> str:
    """The full link to a view on this server, as the reader's browser reaches it."""
    return (st.context.url or "").rstrip("/") + "/" + _written(long_links.into(view.query(), more))


def _written(pairs: Mapping[str, str]) -> str:
    return f"?{urlencode(ended(pairs), errors='replace')}" if pairs else ""

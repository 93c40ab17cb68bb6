"""Whose page a thread draws, of which link, and how it gives way to what that reader does next."""

from urllib.parse import parse_qsl

import streamlit as st
from streamlit.runtime import exists, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.state.query_params import EMBED_QUERY_PARAMS_KEYS

_SEEN = "seen before"


def page() -> str | None:
    """Whose page this is; None outside of one."""
    context = get_script_run_ctx(suppress_warning=True)
    return None if context is None else context.session_id


def query() -> dict[str, str]:
    """What stands in the link of this run, or in the one it has gone to; of a name that stands there twice the last.

    `st.query_params` are the session's: a run that a newer one replaces can still put its own there after that began.
    """
    context = get_script_run_ctx(suppress_warning=True)
    if context is None:
        return st.query_params.to_dict()
    pairs = parse_qsl(context.query_string, keep_blank_values=True)
    return {name: value for name, value in pairs if name.lower() not in EMBED_QUERY_PARAMS_KEYS}


def in_part() -> bool:
    """Whether only a part of the page is being drawn."""
    context = get_script_run_ctx(suppress_warning=True)
    return context is not None and bool(context.fragment_ids_this_run)


def ended() -> bool:
    """Whether the browser of this page has gone: its tab was closed, or its connection lost."""
    return exists() and not get_instance().is_active_session(page() or "")


def first_time(what: str) -> bool:
    """Whether this session has not asked that before."""
    seen = st.session_state.setdefault(_SEEN, set())
    new = what not in seen
    seen.add(what)
    return new


def give_way() -> None:
    """Let Streamlit end this run, if its reader has gone or done something else by now. It looks wherever a session's
    state is asked for, and ends the run by an exception that goes past all of ours."""
    st.session_state.get("any")

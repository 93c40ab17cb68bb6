"""The link: the only place where the selection lives. Reading it, and going to another one."""

from collections.abc import Callable
from urllib.parse import urlencode

import streamlit as st

import panels
from anatomy.view import View, read_view

FIELDS = ("panel", "model", "text", "layer", "head", "pos", "src")
Change = Callable[[View], View]


def read() -> tuple[View, tuple[str, ...]]:
    """(the link's view, complaints about values that it cannot mean)."""
    return read_view(st.query_params.to_dict(), panels.load(), panels.controls())


def go(change: Change) -> None:
    """Change the view: the new one is written to the link in one step, which the browser's Back undoes."""
    ours = {*FIELDS, *(control.name for control in panels.controls())}
    others = {name: value for name, value in st.query_params.to_dict().items() if name not in ours}
    st.query_params.from_dict(others | change(read()[0]).query())


def query(view: View, **more: str) -> str:
    """The view as it stands behind a page's address: empty for the first view, else with its question mark."""
    pairs = more | view.query()
    return f"?{urlencode(pairs)}" if pairs else ""


def address(view: View, **more: str) -> str:
    """The full link to a view on this server, as the reader's browser reaches it."""
    return (st.context.url or "").rstrip("/") + "/" + query(view, **more)

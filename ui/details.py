"""Behind a figure: its formula, its numbers, the Python that makes it, and how to take it along."""

from collections.abc import Callable
from functools import partial
from html import escape

import pandas as pd
import streamlit as st

from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from ui import links
from viz import export

HEIGHT = 720


def tabs(panel: Panel, trace: Trace, view: Fitted) -> None:
    """The four tabs; only the open one's body runs."""
    bodies: dict[str, Callable[[Panel, Trace, Fitted], None]] = {
        "Formula": _formula,
        "Numbers": _numbers,
        "Python": _python,
        "Link, embed, export": _take_along,
    }
    opened = st.tabs(list(bodies), key=f"{panel.id}.tabs", on_change="rerun")
    for tab, body in zip(opened, bodies.values(), strict=True):
        if tab.open:
            with tab:
                body(panel, trace, view)


def _formula(panel: Panel, trace: Trace, view: Fitted) -> None:
    st.html(f'<pre class="formula">{escape(panel.formula(trace, view), quote=False)}</pre>')


def _numbers(panel: Panel, trace: Trace, view: Fitted) -> None:
    table = panel.table(trace, view)
    rows = min(len(table.rows), 12)
    st.dataframe(frame(table), hide_index=True, height=38 + 35 * rows, alt=f"Numbers: {panel.title}")


def _python(panel: Panel, trace: Trace, view: Fitted) -> None:
    st.code(panel.snippet(trace.spec, view), language="python")


def _take_along(panel: Panel, trace: Trace, view: Fitted) -> None:
    st.html("<p>A link to this figure, as it stands:</p>")
    st.code(links.address(view), language=None, wrap_lines=True)
    st.html("<p>For a page or a slide that shows it alone:</p>")
    st.code(embedding(links.address(view, embed="true"), panel.title), language="html", wrap_lines=True)
    st.html("<p>Files that need nothing but themselves:</p>")
    with st.container(horizontal=True, gap="small"):
        for label, kind, mime, make in FILES:
            st.download_button(
                label,
                partial(make, panel, trace, view),
                f"stagelight-{panel.id}.{kind}",
                mime,
                key=f"{panel.id}.{kind}",
                on_click="ignore",
            )


def _page(panel: Panel, trace: Trace, view: Fitted) -> bytes:
    return export.to_html(panel.draw(trace, view), panel.title, panel.says(trace, view)).encode()


def _figure(panel: Panel, trace: Trace, view: Fitted) -> bytes:
    return export.to_json(panel.draw(trace, view)).encode()


def _table(panel: Panel, trace: Trace, view: Fitted) -> bytes:
    return export.to_csv(panel.table(trace, view)).encode()


# Made when the reader clicks, not before.
FILES = (
    ("Page (HTML)", "html", "text/html", _page),
    ("Figure (JSON)", "json", "application/json", _figure),
    ("Table (CSV)", "csv", "text/csv", _table),
)


def frame(table: Table) -> pd.DataFrame:
    """A panel's table for the page; two columns of one name stay apart."""
    return pd.DataFrame([list(row) for row in table.rows], columns=pd.Index(table.columns))


def embedding(address: str, title: str) -> str:
    """The HTML that shows one panel in another page."""
    return (
        f'<iframe src="{escape(address)}" title="{escape(title)}"\n'
        f'  width="100%" height="{HEIGHT}" loading="lazy" style="border:0"></iframe>'
    )

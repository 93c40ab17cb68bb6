"""Behind a figure: its formula, its numbers, the Python that makes it, and how to take it along."""

from collections.abc import Callable
from functools import partial
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from anatomy import glossary
from anatomy.language import N_, _, get_locale, use_locale
from anatomy.sites import SITES
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.panel import Panel, Table
from ui import links, text
from viz import export

if TYPE_CHECKING:
    import pandas as pd

HEIGHT = 720


def tabs(panel: Panel, trace: Trace, view: Fitted) -> None:
    """The tabs; only the open one's body runs."""
    bodies: dict[str, Callable[[Panel, Trace, Fitted], None]] = {
        _("Formula"): _formula,
        _("Numbers"): _numbers,
        _("Terms"): _terms,
        _("Python"): _python,
        _("Link, embed, export"): _take_along,
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
    st.dataframe(frame(table), hide_index=True, height=38 + 35 * rows, alt=_("Numbers: {title}", title=_(panel.title)))
    if table.note:
        text.aside(table.note)


def _terms(panel: Panel, trace: Trace, view: Fitted) -> None:
    """What the panel reads of the model, and the words that it uses."""
    shown = f"{_(panel.title)} {panel.caption(trace, view)} {panel.formula(trace, view)}"
    words = "".join(_word(entry.shown, entry.explained) for entry in glossary.find(shown))
    read = "".join(_word(*about(site)) for site in dict.fromkeys(want.site for want in panel.needs(trace.spec, view)))
    st.html(f'<dl class="terms">{read}{words}</dl>')


def about(name: str) -> tuple[str, str]:
    """An array of the model: its name and axes; what it is, and in which unit."""
    site = SITES[name]
    unit = glossary.unit(site.unit)
    return (
        f"{name} [{' '.join(site.axes)}]",
        _("{says} · unit: {unit}", says=_(site.says), unit=unit.shown),
    )


def _word(term: str, says: str) -> str:
    return f"<dt>{escape(term)}</dt><dd>{escape(says)}</dd>"


def _python(panel: Panel, trace: Trace, view: Fitted) -> None:
    st.code(panel.snippet(trace.spec, view), language="python")


def _take_along(panel: Panel, trace: Trace, view: Fitted) -> None:
    text.line(_("A link to this figure, as it stands:"))
    st.code(links.address(view), language=None, wrap_lines=True)
    text.line(_("For a page or a slide that shows it alone:"))
    st.code(embedding(links.address(view, embed="true"), _(panel.title)), language="html", wrap_lines=True)
    text.line(_("Files that need nothing but themselves:"))
    with st.container(horizontal=True, gap="small"):
        for label, kind, mime, make in FILES:
            st.download_button(
                _(label),
                partial(_made, make, get_locale(), panel, trace, view),
                f"stagelight-{panel.id}.{kind}",
                mime,
                key=f"{panel.id}.{kind}",
                on_click="ignore",
            )


def _made(make: Callable[..., bytes], language: str, panel: Panel, trace: Trace, view: Fitted) -> bytes:
    """A file in the reader's language; it is made after the page's run, outside of its context."""
    with use_locale(language):
        return make(panel, trace, view)


def _page(panel: Panel, trace: Trace, view: Fitted) -> bytes:
    return export.to_html(panel.draw(trace, view), _(panel.title), panel.caption(trace, view)).encode()


def _figure(panel: Panel, trace: Trace, view: Fitted) -> bytes:
    return export.to_json(panel.draw(trace, view)).encode()


def _table(panel: Panel, trace: Trace, view: Fitted) -> bytes:
    return export.to_csv(panel.table(trace, view)).encode()


# Made when the reader clicks, not before.
FILES = (
    (N_("Page (HTML)"), "html", "text/html", _page),
    (N_("Figure (JSON)"), "json", "application/json", _figure),
    (N_("Table (CSV)"), "csv", "text/csv", _table),
)


def frame(table: Table) -> "pd.DataFrame":
    """A panel's table for the page; two columns of one name stay apart."""
    import pandas as pd  # 0.3 s that the first figure does not wait for

    return pd.DataFrame([list(row) for row in table.rows], columns=pd.Index(table.columns))


def embedding(address: str, title: str) -> str:
    """The HTML that shows one panel in another page."""
    return (
        f'<iframe src="{escape(address)}" title="{escape(title)}"\n'
        f'  width="100%" height="{HEIGHT}" loading="lazy" style="border:0"></iframe>'
    )

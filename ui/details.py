"""Behind a figure: its formula, its numbers, the Python that makes it, and how to take it along."""

from collections.abc import Callable
from functools import partial
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from anatomy import glossary
from anatomy.language import N_, _, get_locale, use_locale
from anatomy.sites import SITES
from panels.answer import PanelAnswer
from panels.panel import Table
from ui import links, mishap, text
from viz import export

if TYPE_CHECKING:
    import pandas as pd

HEIGHT = 720


def tabs(answer: PanelAnswer) -> None:
    """The tabs; only the open one's body runs."""
    bodies: dict[str, Callable[[PanelAnswer], None]] = {
        _("Formula"): _formula,
        _("Numbers"): _numbers,
        _("Terms"): _terms,
        _("Python"): _python,
        _("Link, embed, export"): _take_along,
    }
    opened = st.tabs(list(bodies), key=f"{answer.panel.id}.tabs", on_change="rerun")
    for tab, body in zip(opened, bodies.values(), strict=True):
        if tab.open:
            with tab, mishap.costing(f"a tab of {answer.panel.id}"):
                body(answer)


def _formula(answer: PanelAnswer) -> None:
    st.html(f'<pre class="formula">{escape(answer.formula, quote=False)}</pre>')


def _numbers(answer: PanelAnswer) -> None:
    table = answer.table
    rows = min(len(table.rows), 12)
    st.dataframe(
        frame(table),
        hide_index=True,
        height=38 + 35 * rows,
        placeholder="",
        alt=_("Numbers: {title}", title=_(answer.panel.title)),
    )
    if table.note:
        text.aside(table.note)


def _terms(answer: PanelAnswer) -> None:
    """What the panel reads of the model, and the words that it uses."""
    shown = f"{_(answer.panel.title)} {answer.caption} {answer.formula}"
    words = "".join(_word(entry.shown, entry.explained) for entry in glossary.find(shown))
    read = "".join(
        _word(*about(site))
        for site in dict.fromkeys(want.site for want in answer.panel.needs(answer.spec, answer.view))
    )
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


def _python(answer: PanelAnswer) -> None:
    st.code(answer.python, language="python")


def _take_along(answer: PanelAnswer) -> None:
    text.line(_("A link to this figure, as it stands:"))
    st.code(links.address(answer.view), language=None, wrap_lines=True)
    text.line(_("For a page or a slide that shows it alone:"))
    st.code(
        embedding(links.address(answer.view, embed="true"), _(answer.panel.title)), language="html", wrap_lines=True
    )
    text.line(_("Files that need nothing but themselves:"))
    with st.container(horizontal=True, gap="small"):
        for label, kind, mime, make in FILES:
            st.download_button(
                _(label),
                partial(_made, make, get_locale(), answer),
                f"stagelight-{answer.panel.id}.{kind}",
                mime,
                key=f"{answer.panel.id}.{kind}",
                on_click="ignore",
            )


def _made(make: Callable[..., bytes], language: str, answer: PanelAnswer) -> bytes:
    """A file in the reader's language; it is made after the page's run, outside of its context."""
    with use_locale(language):
        return make(answer)


def _page(answer: PanelAnswer) -> bytes:
    return export.to_html(answer.description, _(answer.panel.title), answer.caption).encode()


def _figure(answer: PanelAnswer) -> bytes:
    return export.to_json(answer.description).encode()


def _table(answer: PanelAnswer) -> bytes:
    return export.to_csv(answer.table).encode()


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

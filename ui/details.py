"""Behind a figure: its formula, its numbers, the Python that makes it, and how to take it along."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anatomy import glossary
from anatomy.language import _
from anatomy.sites import SITES
from panels.answer import PanelAnswer
from panels.beside import BesideAnswer
from panels.panel import Table
from ui import mishap, programs, take, text
from ui.host import models
from viz.format import thousands

if TYPE_CHECKING:
    import pandas as pd

MOST_COLUMNS = 400  # of a table on the page: a difference has one for each token


def tabs(answer: PanelAnswer) -> None:
    """The tabs; only the open one's body runs."""
    _tabs(
        answer.key,
        {
            _("Formula"): lambda: _formula(answer),
            _("Numbers"): lambda: _numbers(answer),
            _("Terms"): lambda: _terms(answer),
            _("Python"): lambda: _python(answer),
            _("Link, embed, export"): lambda: take.show(answer),
        },
    )


def folded(answer: PanelAnswer) -> None:
    """The same tabs behind one line, where two runs stand above their difference."""
    if (opened := _opened(answer.key)) is not None:
        with opened:
            tabs(answer)


def folded_of_difference(answer: BesideAnswer) -> None:
    """The tabs of a difference behind one line: how it is made of two runs stands in the tabs of these."""
    if (opened := _opened(answer.key)) is not None:
        with opened:
            _tabs_of_difference(answer)


def _opened(key: str) -> DeltaGenerator | None:
    """The place behind the line; None while it is closed."""
    place = st.expander(_("Numbers and more"), key=f"{key}.more", on_change="rerun")
    return place if place.open else None


def _tabs_of_difference(answer: BesideAnswer) -> None:
    _tabs(
        answer.key,
        {
            _("Numbers"): lambda: _numbers(answer),
            _("Link, embed, export"): lambda: take.show(answer),
        },
    )


def _tabs(key: str, bodies: Mapping[str, Callable[[], None]]) -> None:
    opened = st.tabs(list(bodies), key=f"{key}.tabs", on_change="rerun")
    for tab, body in zip(opened, bodies.values(), strict=True):
        if tab.open:
            with tab, mishap.costing(f"a tab of {key}"):
                body()


def _formula(answer: PanelAnswer) -> None:
    st.html(f'<pre class="formula">{escape(answer.formula, quote=False)}</pre>')


def _numbers(answer: PanelAnswer | BesideAnswer) -> None:
    table = answer.table
    rows, columns = min(len(table.rows), 12), len(table.columns)
    shown = table if columns <= MOST_COLUMNS else table.narrowed(MOST_COLUMNS)
    st.dataframe(
        frame(shown),
        hide_index=True,
        height=38 + 35 * rows,
        placeholder="",
        alt=_("Numbers: {title}", title=_(answer.panel.title)),
    )
    if table.note:
        text.aside(table.note)
    if columns > MOST_COLUMNS:
        first, every = thousands(MOST_COLUMNS), thousands(columns)
        text.aside(_("Shown are the first {first} of {every} columns: the file has all.", first=first, every=every))


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
    own = take.hosted(answer.view)
    others = [other.address for other in models().values() if other is not own]
    st.code(programs.filled(answer.python, own.address, others), language="python")


def frame(table: Table) -> "pd.DataFrame":
    """A panel's table for the page. Where several columns have one name, the second and all that follow are numbered:
    what the table is sent with takes each name once."""
    import pandas as pd  # 0.3 s that the first figure does not wait for

    return pd.DataFrame([list(row) for row in table.rows], columns=pd.Index(apart(table.columns)))


def apart(names: Sequence[str]) -> list[str]:
    """The names, each once: the second "·to" is "·to (2)"."""
    given: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for name in names:
        one = name
        while one in given:
            counts[name] += 1
            one = f"{name} ({counts[name] + 1})"
        given[one] = name
    return list(given)

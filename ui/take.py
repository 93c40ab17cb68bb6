"""How to take a figure along: its link, the HTML that embeds it, and files of all of it."""

from collections.abc import Callable
from functools import partial
from html import escape

import streamlit as st

from anatomy.language import N_, _, get_locale, use_locale
from anatomy.request import Run, Want
from anatomy.view import View
from panels.answer import PanelAnswer
from panels.beside import BesideAnswer
from ui import arrays_file, links, text
from ui.components import take
from ui.components.take import Asked, Picture
from ui.host import HostedModel, models
from viz import export
from viz.description import Description
from viz.grid import Grid

HEIGHT, HEIGHT_OF_TWO = 720, 1_500
KINDS = ("png", "svg")
Shown = PanelAnswer | BesideAnswer
Make = Callable[[Shown], bytes]


def show(answer: Shown) -> None:
    """The tab: link, embedding, pictures and files. Of a difference there are no arrays: each run has its own. A run in
    which something is changed has no link of its own: that of both runs stands there."""
    view = answer.view.both
    alone = view is answer.view
    text.line(_("A link to this figure, as it stands:") if alone else _("A link to both runs, of which this is B:"))
    st.code(links.address(view), language=None, wrap_lines=True)
    slide = _("For a page or a slide that shows it alone:") if alone else _("For a page or a slide that shows both:")
    text.line(slide)
    st.code(
        embedding(links.address(view, embed="true"), _(answer.panel.title), view.two),
        language="html",
        wrap_lines=True,
    )
    _pictures(answer)
    text.line(_("Files that need nothing but themselves:"))
    with st.container(key=f"{answer.key}-files", horizontal=True, gap="small"):
        for label, ending, mime, make in FILES:
            _button(label, ending, mime, partial(_made, make, get_locale(), answer), answer)
        matrix = _matrix_of(answer)
        if matrix is not None:
            _button(_MATRIX, "matrix.csv", "text/csv", partial(_made, _matrix, get_locale(), answer), answer)
        if isinstance(answer, PanelAnswer):
            _button(_ARRAYS, "npz", "application/octet-stream", _arrays(answer), answer)
    part = None if matrix is None else export.partial(matrix)
    if part is not None:
        text.aside(_("The matrix is that of the figure: {part}.", part=part))


def hosted(view: View) -> HostedModel:
    """The model of this server that a figure is of: the one that its view names, else the first."""
    return models().get(view.model) or next(iter(models().values()))


def embedding(address: str, title: str, two: bool = False) -> str:
    """The HTML that shows one panel in another page. two: of two runs, whose difference stands below them."""
    return (
        f'<iframe src="{escape(address)}" title="{escape(title)}"\n'
        f'  width="100%" height="{HEIGHT_OF_TWO if two else HEIGHT}" loading="lazy" style="border:0"></iframe>'
    )


def _pictures(answer: Shown) -> None:
    """The figure as a picture, in the theme that it is seen in; or why there is none."""
    if not isinstance(answer.description, Description):
        text.line(_("BertViz draws this view by scripts of its own, which make no picture: take the page (HTML)."))
        return
    text.line(_("A picture in the theme on screen, for a slide or a paper:"))
    key = f"{answer.key}.take"
    picture = _picture(answer, key)
    last: Asked | None = st.session_state.get(f"{key}.asked", (None, None))[0]
    take.show(key, KINDS, _named(answer), partial(_ask, key), partial(_have, key), picture, last.number if last else 0)


def _ask(key: str, asked: Asked) -> None:
    """Note what the reader wants, and of which view."""
    st.session_state[f"{key}.asked"] = asked, links.query(links.known())


def _have(key: str, number: int) -> None:
    """The browser has what it asked for: it is not made and sent again."""
    asked, _of = st.session_state.get(f"{key}.asked", (None, None))
    if asked is not None and asked.number == number:
        st.session_state[f"{key}.asked"] = asked, None


def _picture(answer: Shown, key: str) -> Picture | None:
    """What the picture is made of that the reader has asked for; None without one, and once the view is another."""
    asked, of = st.session_state.get(f"{key}.asked", (None, None))
    if asked is None or of != links.query(links.known()) or not isinstance(answer.description, Description):
        return None
    return Picture(asked, export.to_picture(answer.description, asked.dark), _(answer.panel.title), answer.caption)


def _named(answer: Shown) -> str:
    """The name of the files, without an ending."""
    return f"stagelight-{answer.key}"


def _button(label: str, ending: str, mime: str, make: Callable[[], bytes], answer: Shown) -> None:
    """A file that is made when the reader asks for it, not before."""
    st.download_button(
        _(label), make, f"{_named(answer)}.{ending}", mime, key=f"{answer.key}.{ending}", on_click="ignore"
    )


def _made(make: Make, language: str, answer: Shown) -> bytes:
    """A file in the reader's language; it is made after the page's run, outside of its context."""
    with use_locale(language):
        return make(answer)


def _page(answer: Shown) -> bytes:
    return export.to_html(answer.description, _(answer.panel.title), answer.caption).encode()


def _figure(answer: Shown) -> bytes:
    return export.to_json(answer.description).encode()


def _table(answer: Shown) -> bytes:
    return export.to_csv(answer.table).encode()


def _matrix_of(answer: Shown) -> Grid | None:
    """The figure where it is a matrix: a grid whose cells have neither names nor words of their own, which the table
    has."""
    figure = answer.description
    return figure if isinstance(figure, Grid) and figure.names is None and figure.inside is None else None


def _matrix(answer: Shown) -> bytes:
    """ValueError for a figure that is no matrix."""
    matrix = _matrix_of(answer)
    if matrix is None:
        raise ValueError(f"the figure of {answer.panel.id} is no matrix")
    return export.to_matrix(matrix).encode()


def _arrays(answer: PanelAnswer) -> Callable[[], bytes]:
    """What makes the file of the arrays: it asks for them again, so that no page holds them until somebody wants the
    file. Of what fills the figure in, the file has what is there by then."""
    spec, view = answer.spec, answer.view
    needs, later = tuple(answer.panel.needs(spec, view)), tuple(answer.panel.later(spec, view))
    return partial(_packed, hosted(view), view.run(spec), needs, later)


def _packed(model: HostedModel, run: Run, needs: tuple[Want, ...], later: tuple[Want, ...]) -> bytes:
    held = model.held(run, later) if later else ()
    wants = (*needs, *(want for want in later if want in held))
    return arrays_file.packed(model.run(run, wants), wants)


FILES: tuple[tuple[str, str, str, Make], ...] = (
    (N_("Page (HTML)"), "html", "text/html", _page),
    (N_("Figure (JSON)"), "json", "application/json", _figure),
    (N_("Table (CSV)"), "csv", "text/csv", _table),
)
_MATRIX = N_("Matrix (CSV)")
_ARRAYS = N_("Arrays (NumPy)")

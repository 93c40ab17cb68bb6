"""The link holds the whole selection, and nothing a reader types can break out of it."""

from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

import panels
from anatomy.view import DEFAULT_PANEL, OPENING, View, read_view
from ui import figure, links, take, text
from viz.grid import Grid

VIEWS = st.builds(
    View,
    panel=st.sampled_from(sorted(panels.load())),
    text=st.text(st.characters(exclude_categories=["Cs"])),
    layer=st.none() | st.integers(0, 99),
    head=st.none() | st.integers(0, 99),
    pos=st.none() | st.integers(0, 9999),
    src=st.none() | st.integers(0, 9999),
)


@given(VIEWS)
def test_a_view_comes_back_from_its_link(view):
    query = dict(parse_qsl(links.query(view).removeprefix("?"), keep_blank_values=True))
    for opening in (DEFAULT_PANEL, OPENING):
        assert read_view(query, panels.load(), panels.controls(), opening) == (view, ())


@given(VIEWS, st.text(".,;:!?'\"()[]{}<>*_~-+ ", max_size=3), st.sampled_from([{}, {"embed": "true"}]))
def test_no_link_ends_in_what_programs_leave_out_of_an_address(view, end, more):
    view = replace(view, text=view.text + end)
    assume(view.text)
    for link in (links.query(view, **more), links.address(view, **more)):
        assert link[-1].isalnum()
        query = dict(parse_qsl(link.partition("?")[2], keep_blank_values=True))
        plain = {name: value for name, value in query.items() if name not in more}
        assert read_view(plain, panels.load(), panels.controls()) == (view, ())


def test_the_pages_own_address_ends_like_its_links():
    text = links.ended({"panel": "lens", "text": "Water boils."})
    assert list(text.items()) == [("text", "Water boils."), ("panel", "lens")]
    assert list(links.ended({"text": "..."})) == ["text", "panel"]
    assert list(links.ended({"packed": "AB_"})) == ["packed", "panel"]
    assert list(links.ended({"panel": "lens", "text": "a"})) == ["panel", "text"]
    assert links.ended({}) == {}


def test_a_link_names_its_panel_where_it_would_say_nothing_else():
    assert links.query(View()) == f"?panel={DEFAULT_PANEL}"
    assert links.query(View(panel=OPENING)) == f"?panel={OPENING}"
    assert links.query(View(layer=3)) == "?layer=3"


def test_an_embedding_keeps_the_whole_link_inside_one_attribute():
    view = replace(View(), text='"><script>alert(1)</script>&panel=x', layer=3)
    tags = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            tags.append((tag, dict(attributes)))

    address = "http://host:1/" + links.query(view, embed="true")
    Reader().feed(take.embedding(address, 'A "title"'))
    ((tag, attributes),) = tags
    assert tag == "iframe"
    assert attributes["title"] == 'A "title"'
    assert dict(parse_qsl(urlsplit(attributes["src"]).query)) == {"embed": "true", "text": view.text, "layer": "3"}


def test_what_a_sentence_quotes_stands_out_and_nothing_in_it_is_html():
    assert text.marked("“<b>” and “a&b”") == "<mark>“&lt;b&gt;”</mark> and <mark>“a&amp;b”</mark>"


def test_no_line_ends_between_a_number_and_its_percent_sign_but_in_what_the_reader_wrote():
    assert text.marked("“5 %” has 29 %, below 30 % 2 %") == "<mark>“5 %”</mark> has 29\u00a0%, below 30\u00a0% 2\u00a0%"


@pytest.mark.parametrize(
    ("selects", "expected"),
    [
        ("cell", {"pos": 2, "src": 5}),
        ("head", {"layer": 2, "head": 5}),
        ("token", {"pos": 2, "src": None}),
        ("none", {}),
    ],
)
def test_choosing_a_cell_means_what_the_grid_says(selects, expected):
    labels = ("a",) * 6
    grid = Grid(np.zeros((6, 6)), labels, labels, "r", "c", "u", "t", selects=selects)
    view = View(pos=1, src=1)
    assert figure.at_cell(view, grid, (2, 5)) == replace(view, **expected)


def page_of_a_newer_run() -> None:
    """Notes what its link is after the run before has put its own into the session, and after going elsewhere."""
    from dataclasses import replace

    import streamlit as st
    from streamlit.runtime.state import get_session_state

    from ui import links, session

    with get_session_state().query_params() as of_the_session:
        of_the_session.populate_from_query_string("layer=3&lang=zh")
    assert st.query_params.to_dict() == {"layer": "3", "lang": "zh"}
    seen = [session.query(), links.arrive()[0].layer, links.known().layer, links.language(), links.current()]
    links.go(lambda view: replace(view, layer=8))
    st.session_state["seen"] = [*seen, links.read().layer, session.query(), links.current()]


def test_a_run_reads_its_own_link_whatever_the_one_that_it_replaces_leaves_behind():
    app = AppTest.from_function(page_of_a_newer_run)
    app.query_params.update({"layer": ["1", "19"], "text": "a b", "embed": "true"})
    app.run()
    assert not app.exception
    own = {"layer": "19", "text": "a b"}
    assert app.session_state["seen"] == [own, 19, 19, "en", True, 8, own | {"layer": "8"}, True]

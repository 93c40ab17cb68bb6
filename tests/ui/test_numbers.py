"""The numbers behind a figure: what a table leaves out is said beneath it."""

import pytest
from streamlit.testing.v1 import AppTest


def page(note: str | None) -> None:
    """The tab of numbers of a panel with a table of one row."""
    from types import SimpleNamespace
    from typing import Any

    from panels.panel import Table
    from ui import details

    panel: Any = SimpleNamespace(title="Which?")
    answer: Any = SimpleNamespace(panel=panel, table=Table(("position",), ((7,),), note))
    details._numbers(answer)


@pytest.mark.parametrize("note", ["Listed are 1 of 8,192 tokens <b>.", None])
def test_the_note_of_a_table_stands_beneath_it_as_plain_text(note):
    app = AppTest.from_function(page, kwargs={"note": note}).run()
    assert not app.exception
    assert app.dataframe[0].value.to_numpy().tolist() == [[7]]
    lines = [element.proto.body for element in app.get("html")]
    assert lines == ([] if note is None else [line for line in lines if "8,192 tokens &lt;b&gt;." in line])
    assert len(lines) == (note is not None)

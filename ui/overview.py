"""In place of an overview that is not drawn unasked: why, and how to have it."""

from html import escape

import streamlit as st

from anatomy.language import _
from anatomy.request import Run
from ui import asking, text
from ui.withheld import Figures


def on_request(figures: Figures, run: Run) -> None:
    """The sentence, and a button where it would only take long. run: the page's first one. ValueError where the
    overview is drawn."""
    chooser = figures.chooser
    if chooser is None:
        raise ValueError("the overview is not withheld")
    with st.container(border=True, key=f"chooser-{chooser.id}"):
        st.html(f"<h3>{escape(_(chooser.name))}</h3>")
        text.line(figures.why)
        if figures.slow:
            asking.extra(f"{chooser.id}.ask", _("Work it out"), (run, chooser.id))

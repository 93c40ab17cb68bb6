"""While a model loads: how far it is, as one slim line that goes away by itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anatomy.language import _
from models.engine import Progress
from ui import host, links, text
from ui.host import Model

EVERY = 0.4


def until_loaded(model: Model) -> None:
    """In place of the figures: what is being done. Draws the page again once the model is there."""
    with st.container(key="waiting"):
        text.heading(_("One moment: the model is being loaded"))
        text.answer(_("It is fetched once and kept. After that it starts in seconds, without a network."))
        _line(model)


def in_the_background(model: Model) -> None:
    """Beside a recorded view: the same line, small. Draws the page again once the model is there."""
    if not model.ready:
        _line(model)


@contextmanager
def in_line(place: DeltaGenerator) -> Iterator[None]:
    """While the page asks its questions: which place they have in the queue, then how far the answer is."""
    with place:
        told = st.empty()

    def tell(progress: Progress) -> None:
        told.html(f'<p class="working">{escape(_capital(progress.says))}</p>')

    with host.watched(tell):
        try:
            yield
        finally:
            told.empty()


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


@st.fragment(run_every=EVERY)
def _line(model: Model) -> None:
    links.speak()
    # A poll may carry the link from before the reader's last action: drawing that would undo it. The next one will not.
    if model.ready and links.current():
        st.rerun()
    progress = model.progress
    step = _capital(progress.says)
    if not progress.total:
        st.html(f'<p class="working">{escape(step)}</p>')
        return
    size = _("{done} of {total} MB", done=f"{progress.done / 1e6:.0f}", total=f"{progress.total / 1e6:.0f}")
    st.progress(min(progress.done / progress.total, 1.0), text=f"{step} · {size}".replace("_", "\\_"))

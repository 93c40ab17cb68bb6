"""While the reader waits: how far the loading of a model is, and how far an answer, which can be cancelled."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from time import monotonic

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anatomy.language import _, ngettext
from anatomy.memory import gigabytes
from models.engine import Estimate, Progress
from models.serving.queue import Place
from ui import host, links, mishap, polled, session, text
from ui.host import HostedModel
from viz.format import fixed, lasting

EVERY = 0.4
PATIENCE = 0.7  # seconds of waiting of which nothing is said: most answers are there by then
_APART = 0.5  # seconds between two looks at a question that belong to two questions


def until_loaded(model: HostedModel) -> None:
    """In place of the figures: what is being done. Draws the page again once the model is there."""
    with st.container(key="waiting"):
        if model.made_of is None:
            text.heading(_("One moment: the model is being loaded"))
            text.answer(_("One that has to be fetched is kept: after that it starts in seconds, without a network."))
        else:
            base = host.titled(host.models().name_of(model.made_of))
            text.heading(_("One moment: the variant is being made"))
            text.answer(_("It is made of {model}. Whoever reads {model} goes first.", model=base))
        polled.every(EVERY, _line)(model)


def in_the_background(model: HostedModel) -> None:
    """Beside a recorded view: the same line, small. Draws the page again once the model is there."""
    if not model.ready:
        polled.every(EVERY, _line)(model)


def offer_again(model: HostedModel, key: str = "again.load") -> None:
    """Below the sentence that says why a model could not be loaded: a button that tries again; where that would end in
    the same way, what would not."""
    if model.settled:
        text.aside(_("This is read when the server starts: put it right there, then start the server again."))
    elif model.failure is not None:
        st.button(_("Try again"), key=key, on_click=model.again)


class Patience:
    """How long the reader has waited for one question. Each look counts on, until there are none for a while."""

    def __init__(self) -> None:
        self._since = self._seen = 0.0

    def over(self) -> bool:
        """Whether it is time to say something."""
        now = monotonic()
        if now - self._seen > _APART:
            self._since = now
        self._seen = now
        return now - self._since >= PATIENCE


class Line:
    """A card over the page's lower edge: what the question costs, its place in the queue or how far it is, Cancel."""

    def __init__(self, place: DeltaGenerator) -> None:
        """place: empty, outside of every part of the page that runs by itself."""
        self._place, self._patience = place, Patience()
        self._cost: Callable[[], Estimate | None] = lambda: None
        self._stop: Callable[[], None] = lambda: None
        self._bar: DeltaGenerator | None = None
        self._cards = 0

    @contextmanager
    def about(self, cost: Callable[[], Estimate | None], stop: Callable[[], None]) -> Iterator[None]:
        """While this is open, the card is about one question. cost: asked where the wait is long; stop: called when the
        reader cancels, before the page is drawn again."""
        self._cost, self._stop = cost, stop
        try:
            yield
        finally:
            self.close()

    def close(self) -> None:
        """Take the card away."""
        self._cost = self._stop = lambda: None
        if self._bar is not None:
            self._bar = None
            self._place.empty()

    def tell(self, progress: Progress) -> None:
        """Say how far it is, where the wait has been long enough for it."""
        if not self._patience.over():
            return
        if self._bar is None:
            self._bar = self._begun()
        self._bar.progress(_share(progress), text=_named(progress))

    def _begun(self) -> DeltaGenerator:
        """The card; back comes the place of its bar."""
        self._cards += 1
        with self._place.container(key=f"running-{self._cards}"):
            cost = self._cost()
            st.html(f'<p class="cost">{escape(_("Working on it") if cost is None else costs(cost))}</p>')
            bar = st.empty()
            st.button(_("Cancel"), key=f"cancel-{self._cards}", on_click=self._stop)
        return bar


@contextmanager
def in_line(place: DeltaGenerator) -> Iterator[Line]:
    """While the page asks its questions. place: as for `Line`."""
    line = Line(place)
    with host.watched(line.tell):
        try:
            yield line
        finally:
            line.close()


@contextmanager
def impatient() -> Iterator[None]:
    """While a part of the page that runs by itself asks: once it takes long, the whole page asks in its place. It has
    the card, and what a reader does elsewhere can stop it; a part's own run cannot be stopped."""
    patience = Patience()

    def tell(progress: Progress) -> None:
        if patience.over() and session.in_part():
            polled.anew()

    with host.watched(tell):
        yield


def costs(cost: Estimate) -> str:
    """An estimate in words: "2,048 tokens · about 12 s · about 0.9 GB of memory"."""
    return ngettext(
        "{count} token · about {time} · about {memory} of memory",
        "{count} tokens · about {time} · about {memory} of memory",
        cost.tokens,
        time=lasting(cost.seconds),
        memory=gigabytes(cost.nbytes),
    )


def _share(progress: Progress) -> float:
    return min(progress.done / progress.total, 1.0) if progress.total else 0.0


def _named(progress: Progress) -> str:
    """The step and its count, as Streamlit's Markdown leaves it alone."""
    step = _capital(progress.says)
    if progress.total and not isinstance(progress, Place):
        step = _("{step}: {done} of {total}", step=step, done=progress.done, total=progress.total)
    return step.replace("_", "\\_")


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _line(model: HostedModel) -> None:
    links.set_locale()
    with mishap.costing("the progress of the loading"):
        _progress_of(model)


def _progress_of(model: HostedModel) -> None:
    if session.in_part():  # it came back: the page around it is on the screen
        model.hurry()
    # A poll may carry the link from before the reader's last action: drawing that would undo it. The next one will not.
    if model.ready and links.current():
        polled.anew()
    base = model.made_of
    made = base is not None and base.live  # before that, its base is being loaded
    progress = model.progress if made or base is None else base.progress
    step = _capital(progress.says)
    if not progress.total:
        st.html(f'<p class="working">{escape(step)}</p>')
        return
    size = _("{done} of {total} MB", done=fixed(progress.done / 1e6, 0), total=fixed(progress.total / 1e6, 0))
    said = _named(progress) if made else f"{step} · {size}".replace("_", "\\_")
    st.progress(_share(progress), text=said)

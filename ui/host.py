"""What runs once per server: the recorded first view, and the models, loaded in the background while it is shown."""

import gc
import logging
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from threading import Event, Lock, Thread

import streamlit as st

from anatomy.language import N_
from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import DEFAULT_MODEL
from models.connect import connect
from models.engine import Engine, Estimate, Progress, Report
from models.serving.queue import Queue
from models.serving.recorded import FIRST_VIEW, NotRecorded
from models.serving.store import Store, share
from ui import session

VARIABLE = "STAGELIGHT_MODEL"
HEAD_START = 4.0  # seconds that a recorded view has at most before the model is loaded: both need the same cores
DEFAULT_MODELS = (DEFAULT_MODEL, "minilm-l6")  # a decoder, and an encoder to hold claims against
_LOG = logging.getLogger(__name__)


def _unseen(progress: Progress) -> None:
    """A report that draws nothing."""


_watch: ContextVar[Report] = ContextVar("watch", default=_unseen)


@contextmanager
def watched(report: Report) -> Iterator[None]:
    """Inside this `with`, every question that has to wait tells the report its place in the queue
    (`models.serving.queue.Place`), then how far it is: in the asker's own thread, several times a second."""
    before = _watch.set(report)
    try:
        yield
    finally:
        _watch.reset(before)


class Loading(Exception):
    """The model that could answer is not there yet."""


class HostedModel:
    """One model of this server: loaded once, in the background, from the moment somebody asks for it. What was recorded
    of it is shown first: it is loaded when that is there, or does not do.

    progress   how far the loading is
    queue      where its questions wait; the models of a server share one, as they share its cores
    """

    def __init__(self, address: str, recorded: Engine | None, queue: Queue | None = None, of: int = 1) -> None:
        """of: how many models the server has; they share the memory for answers."""
        self.address = address
        self._models = of
        self._queue = queue or Queue()
        self.progress = Progress(N_("starting the model"))
        self._refused: Refused | None = None
        self._recorded = recorded
        self._live: Store | None = None
        self._start = Lock()
        self._thread: Thread | None = None
        self._shown_first = Event()

    @property
    def ready(self) -> bool:
        """The model is loaded, or it never will be."""
        return self._live is not None or self._refused is not None

    @property
    def failure(self) -> str | None:
        """Why it did not load, as a sentence in the reader's language; None while it may still."""
        return None if self._refused is None else str(self._refused)

    @property
    def live(self) -> bool:
        """The model itself answers, not only a recording."""
        return self._live is not None

    def begin(self) -> None:
        """Start loading, if nobody has yet."""
        with self._start:
            if self._thread is None:
                self._thread = Thread(target=self._load, name=f"load {self.address}", daemon=True)
                self._thread.start()

    def hurry(self) -> None:
        """Load it without further delay, once it has begun: the recorded view is on a screen, or does not do."""
        self._shown_first.set()

    def spec(self) -> ModelSpec:
        """What kind of model it is. Loading: not known yet. Refused: it cannot be had."""
        known = self._live or self._recorded
        if known is None:
            raise self._absent()
        return known.specs()[0]

    def run(self, run: Run, wants: Iterable[Want] = (), *, background: bool = False) -> Trace:
        """The answer from the loaded model, until then from the recording. Loading: neither has it yet. Refused: with a
        sentence; also where too many wait. background: it can wait until no reader does.

        A session that Streamlit stops while it waits, because its tab was closed or its reader went on, leaves the
        queue.
        """
        if self._live is not None:
            return self._live.get(run, wants, background=background, watch=None if session.page() is None else _notify)
        if self._recorded is not None:
            with suppress(NotRecorded):
                return self._recorded.run(run, wants)
        raise self._absent()

    def holds(self, run: Run, wants: Iterable[Want]) -> bool:
        """Whether `run` would answer at once: the arrays are here, or the recording is all there is."""
        return self._live is None or self._live.holds(run, wants)

    def estimate(self, run: Run, wants: Iterable[Want]) -> Estimate | None:
        """What of these wants is not here would cost; None where no model is there to ask. Refused as the run would
        be, save for its size."""
        return None if self._live is None else self._live.estimate(run, wants)

    def held(self, run: Run, wants: Iterable[Want]) -> Trace:
        """Tokens, and those of the wanted arrays that are here: nothing is computed, nobody waits. A recording gives
        all of them or none. Loading, Refused: as in `run`."""
        if self._live is not None:
            return self._live.held(run, wants)
        if self._recorded is not None:
            for some in (tuple(wants), ()):
                with suppress(NotRecorded):
                    return self._recorded.run(run, some)
        raise self._absent()

    def fetch(self, run: Run, wants: Iterable[Want], watch: Report) -> None:
        """Have the loaded model work out what fills in a figure that a reader sees already; then `held` has it.
        watch: see `Queue.ask`. Loading: the model is not there yet."""
        if self._live is None:
            raise self._absent()
        self._live.get(run, wants, later=True, watch=watch)

    def extend(self, run: Run, count: int, *, temperature: float, top_k: int, top_p: float, seed: int) -> Run:
        """The run with tokens that the model goes on with; see `Engine.extend`. Loading: it is not there yet."""
        if self._live is None:
            raise self._absent()
        return self._live.extend(run, count, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)

    def _absent(self) -> Exception:
        """Why nobody can answer now; the model, which could, waits no longer."""
        self.hurry()
        return Loading() if self._refused is None else self._refused

    def _load(self) -> None:
        if self._recorded is not None:
            self._shown_first.wait(HEAD_START)
        try:
            self._live = Store(connect(self.address, self._report), share(self._models), self._queue)
        except Refused as refused:
            self._refused = refused
            return
        except Exception as error:
            _LOG.exception("loading %s failed", self.address)
            kind = type(error).__name__
            message = N_("The model {address} could not be loaded ({kind}): see the server's log.")
            self._refused = Refused(message, address=self.address, kind=kind)
            return
        # What was just loaded stays for good: the collector need not walk it after every rerun.
        gc.collect()
        gc.freeze()

    def _report(self, progress: Progress) -> None:
        self.progress = progress


@st.cache_resource(show_spinner=False)
def models() -> dict[str, HostedModel]:
    """This server's models by the name that stands in links; the first one is shown when a link names none."""
    hosted = {name(address): address for address in addresses(sys.argv[1:], os.environ.get(VARIABLE, ""))}
    queue = Queue()
    return {
        shown: HostedModel(address, _recording() if shown == DEFAULT_MODEL else None, queue, len(hosted))
        for shown, address in hosted.items()
    }


def titled(name: str) -> str:
    """A model of this server as the choice shows it: its title where it is known, else its name in links."""
    try:
        return models()[name].spec().weights.title or name
    except (Loading, Refused):
        return name


def _notify(progress: Progress) -> None:
    """Tell whoever watches, as long as somebody does."""
    _watch.get()(progress)
    session.give_way()


def _recording() -> Engine | None:
    """The first view of the default model, as it was recorded; None in a copy of the program without it."""
    return connect(f"recorded:{FIRST_VIEW}") if FIRST_VIEW.exists() else None


def addresses(arguments: list[str], variable: str) -> list[str]:
    """Where the models come from: `--model ADDRESS` (repeated for several), else the variable (commas between
    several), else the two that the page is made for. Set by whoever starts the server, never by a link."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--model", action="append", default=[])
    given = parser.parse_known_args(arguments)[0].model
    given = given or [part.strip() for part in variable.split(",") if part.strip()]
    return [part if ":" in part else f"local:{part}" for part in given or DEFAULT_MODELS]


def name(address: str) -> str:
    """The name of a model in links: the last part of its address."""
    return address.partition(":")[2].rstrip("/").rsplit("/", 1)[-1]

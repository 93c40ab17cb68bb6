"""What runs once per server: the recorded first view, and the models, loaded in the background while it is shown."""

import gc
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from copy import copy
from threading import Event, Lock, Thread
from time import monotonic

import streamlit as st

from anatomy.alignment import Alignment
from anatomy.language import N_
from anatomy.parting import Parting, Places, Spread
from anatomy.refused import Refused, Sentence, Settled
from anatomy.request import Run, Want
from anatomy.sampling import Settings
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import DEFAULT_MODEL
from models.connect import adapters, connect
from models.engine import Engine, Estimate, Progress, Report
from models.serving.boundary import short_of_memory
from models.serving.queue import Queue
from models.serving.recorded import FIRST_VIEW, NotRecorded
from models.serving.store import Store, share
from ui import session
from ui.addresses import addresses, named

VARIABLE = "STAGELIGHT_MODEL"
HEAD_START = 4.0  # seconds that a recorded view has at most before the model is loaded: both need the same cores
AGAIN = 15.0  # seconds after which a new visit tries a load again that failed
_STARTING = N_("starting the model")
_BROKE = N_(
    "The model {address} could not be loaded: {error}, at the step “{step}”. Its files may be damaged, cut short or of "
    "a kind that this program does not know. Fetch or copy them again, then try again; the server's log has the "
    "traceback."
)
_NO_MEMORY = N_(
    "The model {address} does not fit into the memory that is free ({error}). Close other programs or open a smaller "
    "model, then try again."
)
_ENDED = N_(
    "Loading the model {address} ended without a result, at the step “{step}”. Try again, or restart the server."
)
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
        self.progress = Progress(_STARTING)
        self._refused: Refused | None = None
        self._failed_at = 0.0
        self._recorded = recorded
        self._live: Store | None = None
        self._start = Lock()
        self._thread: Thread | None = None
        self._shown_first = Event()

    @property
    def ready(self) -> bool:
        """The model is loaded, or it could not be."""
        return self._live is not None or self._refused is not None

    @property
    def failure(self) -> str | None:
        """Why it did not load, as a sentence in the reader's language; None while it may still."""
        refused = self._refused
        return None if refused is None else str(refused)

    @property
    def settled(self) -> bool:
        """It did not load, and another try would end in the same way."""
        return isinstance(self._refused, Settled)

    @property
    def live(self) -> bool:
        """The model itself answers, not only a recording."""
        return self._live is not None

    def begin(self) -> None:
        """Start loading, if nobody has yet."""
        with self._start:
            if self._thread is None:
                self._launch()

    def visited(self) -> None:
        """Start loading, for somebody who comes anew: what failed a while ago may have been mended since."""
        if monotonic() - self._failed_at >= AGAIN:
            self.again()
        self.begin()

    def again(self) -> None:
        """Try again to load what could not be loaded."""
        with self._start:
            if self._refused is not None:
                self._launch()

    def _launch(self) -> None:
        """A thread that loads. Where there can be none, that is why it could not be loaded."""
        self._refused, self.progress = None, Progress(_STARTING)
        self._thread = Thread(target=self._load, name=f"load {self.address}", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            self._fail(self._broken(error))

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

    def extend(self, run: Run, count: int, how: Settings, seed: int) -> Run:
        """The run with tokens that the model goes on with; see `Engine.extend`. Loading: it is not there yet."""
        if self._live is None:
            raise self._absent()
        watch = None if session.page() is None else _stay
        return self._live.extend(run, count, how, seed=seed, watch=watch)

    def parting(
        self, run: Run, other: "HostedModel", other_run: Run, alignment: Alignment, at: Places | None = None
    ) -> Parting:
        """What a second run, of this model or of another, differs by from this one; see `Store.parting`. Loading: one
        of the two is not there yet; Refused: with a sentence. No recording has it."""
        if self._live is None or other._live is None:
            raise (self if self._live is None else other)._absent()
        watch = None if session.page() is None else _notify
        return self._live.parting(run, other._live, other_run, alignment, at, watch=watch)

    def spread(
        self,
        run: Run,
        other: "HostedModel",
        controls: Sequence[Run],
        alignment: Alignment,
        at: Places | None,
        tokens: Sequence[int],
    ) -> Spread:
        """What the runs of a baseline come to; see `Store.spread`. It raises what `parting` does."""
        if self._live is None or other._live is None:
            raise (self if self._live is None else other)._absent()
        watch = None if session.page() is None else _notify
        return self._live.spread(run, other._live, controls, alignment, at, tokens, watch=watch)

    def parting_estimate(self, run: Run, other: "HostedModel", other_run: Run) -> Estimate | None:
        """What `parting` would cost; None where a model is not there to ask. Refused as in `estimate`."""
        if self._live is None or other._live is None:
            return None
        return self._live.parting_estimate(run, other._live, other_run)

    def _absent(self) -> Exception:
        """Why nobody can answer now; the model, which could, waits no longer."""
        self.hurry()
        refused = self._refused
        return Loading() if refused is None else copy(refused)  # raised once for each who asks

    def _load(self) -> None:
        """In a thread of its own. However it ends, there is a model or a sentence."""
        refused = None
        try:
            if self._recorded is not None:
                self._shown_first.wait(HEAD_START)
            self._live = Store(connect(self.address, self._report), share(self._models), self._queue, to_readers=True)
        except Refused as error:
            refused = copy(error)  # without the frames of its traceback, which hold what was loaded so far
        except BaseException as error:  # a library's panic is no Exception
            _LOG.exception("loading %s failed", self.address)
            refused = self._broken(error)
        finally:
            if self._live is None:
                self._fail(refused or Refused(_ENDED, address=self.address, step=self._step))
        # What was just loaded stays for good: the collector need not walk it after every rerun.
        gc.collect()
        if self._live is not None:
            gc.freeze()

    def _fail(self, refused: Refused) -> None:
        self._failed_at, self._refused = monotonic(), refused

    def _broken(self, error: BaseException) -> Refused:
        """The sentence for an error that no part of the loading has one for."""
        said = str(error).strip().partition("\n")[0][:200]
        kind = type(error).__name__
        about = {"address": self.address, "error": f"{kind}: {said}" if said else kind}
        if short_of_memory(error):
            return Refused(_NO_MEMORY, **about)
        return Refused(_BROKE, **about, step=self._step)

    @property
    def _step(self) -> Sentence:
        """What the loading is at, for a sentence that is read later."""
        return Sentence(self.progress.step, what=self.progress.what)

    def _report(self, progress: Progress) -> None:
        self.progress = progress


@st.cache_resource(show_spinner=False)
def models() -> dict[str, HostedModel]:
    """This server's models by the name that stands in links; the first one is shown when a link names none. Refused
    where whoever started the server has named none behind `--model`, or adapters otherwise than they are named."""
    adapters()
    hosted = named(addresses(sys.argv[1:], os.environ.get(VARIABLE, "")))
    queue = Queue()
    return {
        shown: HostedModel(address, _recording() if address == f"local:{DEFAULT_MODEL}" else None, queue, len(hosted))
        for shown, address in hosted.items()
    }


def titled(name: str) -> str:
    """A model of this server as the choice shows it: its title where it is known, and its name in links where it is
    not, where it is one of several folders of one name, or with the title where another model has the same."""
    if "/" in name:
        return name
    title = _title(name)
    same = sum(_title(other) == title for other in models())
    return title if same < 2 or title == name else f"{title} · {name}"


def _title(name: str) -> str:
    try:
        return models()[name].spec().weights.title or name
    except (Loading, Refused):
        return name


def _notify(progress: Progress) -> None:
    """Tell whoever watches, as long as somebody does."""
    _watch.get()(progress)
    session.give_way()


def _stay(progress: Progress) -> None:
    """Tell whoever watches, and leave the line with a session that has ended. What its reader does next comes after
    this: an action of his is being carried out."""
    _watch.get()(progress)
    if session.ended():
        session.give_way()


def _recording() -> Engine | None:
    """The first view of the default model, as it was recorded; None in a copy of the program in which it is not there
    or damaged: the model does without."""
    try:
        return connect(f"recorded:{FIRST_VIEW}") if FIRST_VIEW.exists() else None
    except Refused as refused:
        _LOG.warning("%s", refused)
        return None

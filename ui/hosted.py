"""A model of this server: loaded once, in the background, while what was recorded of it is shown."""

import gc
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from copy import copy
from threading import Event, RLock, Thread
from time import monotonic

from anatomy.alignment import Alignment
from anatomy.language import N_
from anatomy.parting import Parting, Places, Spread
from anatomy.refused import Refused, Sentence, Settled
from anatomy.request import Run, Want
from anatomy.sampling import Settings
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.variants import Alteration
from models.connect import connect, vary
from models.engine import Engine, Estimate, Progress, Report
from models.serving.boundary import short_of_memory
from models.serving.queue import Queue
from models.serving.recorded import NotRecorded
from models.serving.store import Store, share
from ui import session

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
    made_of    the model of this server that it is a variant of; None for one that is loaded from files
    """

    made_of: "HostedModel | None" = None
    _says_broken = _BROKE

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
        self._start = RLock()  # whoever writes what is live, what was refused, and who loads
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
            self._fail(self._broken(error), self._thread)

    def wait(self) -> None:
        """Until it is loaded, for somebody who is no reader. Refused where it cannot be."""
        self.begin()
        self.hurry()
        thread = self._thread
        if thread is not None and thread.ident is not None:
            thread.join()
        if self._live is None:
            raise self._absent()

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
        if (live := self._live) is not None:
            return live.get(run, wants, background=background, watch=None if session.page() is None else _notify)
        if self._recorded is not None:
            with suppress(NotRecorded):
                return self._recorded.run(run, wants)
        raise self._absent()

    def holds(self, run: Run, wants: Iterable[Want]) -> bool:
        """Whether `run` would answer at once: the arrays are here, or the recording is all there is."""
        live = self._live
        return live is None or live.holds(run, wants)

    def estimate(self, run: Run, wants: Iterable[Want]) -> Estimate | None:
        """What of these wants is not here would cost; None where no model is there to ask. Refused as the run would
        be, save for its size."""
        live = self._live
        return None if live is None else live.estimate(run, wants)

    def held(self, run: Run, wants: Iterable[Want]) -> Trace:
        """Tokens, and those of the wanted arrays that are here: nothing is computed, nobody waits. A recording gives
        all of them or none. Loading, Refused: as in `run`."""
        if (live := self._live) is not None:
            return live.held(run, wants)
        if self._recorded is not None:
            for some in (tuple(wants), ()):
                with suppress(NotRecorded):
                    return self._recorded.run(run, some)
        raise self._absent()

    def fetch(self, run: Run, wants: Iterable[Want], watch: Report) -> None:
        """Have the loaded model work out what fills in a figure that a reader sees already; then `held` has it.
        watch: see `Queue.ask`. Loading: the model is not there yet."""
        self._loaded().get(run, wants, later=True, watch=watch)

    def extend(self, run: Run, count: int, how: Settings, seed: int) -> Run:
        """The run with tokens that the model goes on with; see `Engine.extend`. Loading: it is not there yet."""
        live = self._loaded()
        watch = None if session.page() is None else _stay
        return live.extend(run, count, how, seed=seed, watch=watch)

    def parting(
        self, run: Run, other: "HostedModel", other_run: Run, alignment: Alignment, at: Places | None = None
    ) -> Parting:
        """What a second run, of this model or of another, differs by from this one; see `Store.parting`. Loading: one
        of the two is not there yet; Refused: with a sentence. No recording has it."""
        live, others = self._loaded(), other._loaded()
        watch = None if session.page() is None else _notify
        return live.parting(run, others, other_run, alignment, at, watch=watch)

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
        live, others = self._loaded(), other._loaded()
        watch = None if session.page() is None else _notify
        return live.spread(run, others, controls, alignment, at, tokens, watch=watch)

    def parting_estimate(self, run: Run, other: "HostedModel", other_run: Run) -> Estimate | None:
        """What `parting` would cost; None where a model is not there to ask. Refused as in `estimate`."""
        live, others = self._live, other._live
        return None if live is None or others is None else live.parting_estimate(run, others, other_run)

    def varied(self, alterations: tuple[Alteration, ...], report: Report, cancelled: Callable[[], bool]) -> Engine:
        """An engine of this model, altered, beside the one that is loaded; see `models.connect.vary`. Loading: it is
        not there yet; Refused: it cannot be made."""
        return vary(self._loaded().engine, alterations, report, cancelled)

    def _loaded(self) -> Store:
        """The model itself. Loading: it is not there yet. Refused: it cannot be had."""
        if (live := self._live) is None:
            raise self._absent()
        return live

    def _absent(self) -> Exception:
        """Why nobody can answer now; the model, which could, waits no longer."""
        self.hurry()
        refused = self._refused
        return Loading() if refused is None else copy(refused)  # raised once for each who asks

    def _load(self) -> None:
        """In a thread of its own. However it ends, there is a model or a sentence."""
        refused, loaded, thread = None, False, self._thread
        try:
            if self._recorded is not None:
                self._shown_first.wait(HEAD_START)
            self._open()
            loaded = True
        except Refused as error:
            refused = copy(error)  # without the frames of its traceback, which hold what was loaded so far
        except BaseException as error:  # a library's panic is no Exception
            _LOG.exception("loading %s failed", self.address)
            refused = self._broken(error)
        finally:
            if not loaded:
                self._fail(refused or Refused(_ENDED, address=self.address, step=self._step), thread)
        gc.collect()
        if loaded:
            self._settle()

    def _open(self) -> None:
        """Have the model, ready to be asked. Refused: it cannot be had."""
        store = Store(connect(self.address, self._report), share(self._models), self._queue, to_readers=True)
        self._have(store)

    def _have(self, store: Store) -> None:
        """From now on this answers."""
        with self._start:
            self._live = store

    def _settle(self) -> None:
        """What was just loaded stays for good: the collector need not walk it after every rerun."""
        gc.freeze()

    def _fail(self, refused: Refused, thread: Thread | None) -> None:
        """Nothing came of what this thread did. Where the model is there all the same, or another thread is at it by
        now, nobody needs to know."""
        with self._start:
            if self._live is None and self._thread is thread:
                self._failed_at, self._refused = monotonic(), refused

    def _broken(self, error: BaseException) -> Refused:
        """The sentence for an error that no part of the loading has one for."""
        said = str(error).strip().partition("\n")[0][:200]
        kind = type(error).__name__
        about = {"address": self.address, "error": f"{kind}: {said}" if said else kind}
        if short_of_memory(error):
            return Refused(_NO_MEMORY, **about)
        return Refused(self._says_broken, **about, step=self._step)

    @property
    def _step(self) -> Sentence:
        """What the loading is at, for a sentence that is read later."""
        return Sentence(self.progress.step, what=self.progress.what)

    def _report(self, progress: Progress) -> None:
        self.progress = progress


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

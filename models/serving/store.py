"""Store: answers of an engine, kept while they fit a budget. Equal questions at the same time are computed once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from threading import Lock

import numpy as np

from anatomy.alignment import Alignment
from anatomy.language import N_
from anatomy.measure import softmax
from anatomy.parting import Parting, Places, Spread, last_pair, spread, watched_wants
from anatomy.positions import found, mentioned
from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.sampling import Settings
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from models import memory
from models.engine import Engine, Estimate, Report
from models.lru import ByteLru
from models.serving.boundary import Answer, answering
from models.serving.queue import Queue

ARRAYS = 10  # of the memory that the program may use, one in so many is for answers, of all models together
VARIANTS = 3  # and one in so many for weights of variants
_BYTES_PER_TOKEN = 500  # a Token and its strings, roughly
_BYTES_PER_NAME = 100
LONGEST_CUT = 60.0  # seconds that a text waits for another one that is being cut into tokens
_CUTTING = N_(
    "Another text has been in the tokenizer for {seconds} seconds and does not come to an end. Ask again in a minute; "
    "if that does not help, the server has to be restarted."
)


def share(models: int) -> int:
    """Bytes for the answers of one of so many models in a program. Refused where the setting cannot be read."""
    return memory.limit() // ARRAYS // models


def of_variants() -> int:
    """Bytes for the weights that variants of a program's models have for themselves, of all of them together. Refused
    where the setting cannot be read."""
    return memory.limit() // VARIANTS


def _as_it_is(model: str, work: Callable[[], Answer]) -> Answer:
    """What the work gives, or raises."""
    return work()


class Store:
    """An engine with a memory. Arrays are kept by run and want; those used longest ago go first.

    What has to be computed waits in the queue, which several stores may share. Tokens do not: they need no model.
    """

    def __init__(
        self,
        engine: Engine,
        budget_bytes: int,
        queue: Queue | None = None,
        *,
        to_readers: bool = False,
        variant: bool = False,
    ) -> None:
        """variant: what is asked of it goes behind what readers ask of other models; see `Queue.ask`.

        to_readers: whatever the engine raises beside its refusals becomes one (`models.serving.boundary`). Without
        it, as for whoever asks from Python, an error of the program stays what it is."""
        self._engine = engine
        self._answering = answering if to_readers else _as_it_is
        self._queue, self._variant = queue or Queue(), variant
        self._arrays: ByteLru[tuple[Run, Want], np.ndarray] = ByteLru(budget_bytes)
        self._texts: ByteLru[Run, Trace] = ByteLru(max(budget_bytes // 16, 1 << 20))  # tokens and names, no arrays
        self._partings: ByteLru[tuple[Run, Run, Alignment, bool], Parting] = ByteLru(max(budget_bytes // 16, 1 << 20))
        self._cutting, self._writing = Lock(), Lock()

    def specs(self) -> tuple[ModelSpec, ...]:
        """The models that the engine runs."""
        return self._engine.specs()

    def get(
        self,
        run: Run,
        wants: Iterable[Want] = (),
        *,
        background: bool = False,
        later: bool = False,
        watch: Report | None = None,
    ) -> Trace:
        """Tokens and the wanted arrays; the engine is asked for what is not here. Refused as the engine refuses, and
        where the queue is full. background, later, watch: see `Queue.ask`."""
        asked = tuple(dict.fromkeys(wants))
        if not asked:
            return self._text(run)
        known = self._known(run, asked)
        if known is None or len(known.arrays) < len(asked):
            held = {} if known is None else known.arrays
            missing = tuple(want for want in asked if want not in held)
            work = partial(self._compute, run, missing)
            how = {"background": background, "later": later, "variant": self._variant, "watch": watch}
            answer = self._queue.ask(run, frozenset(missing), work, **how, expected=self._expected(run, missing))
            known = answer if known is None else known.plus(answer.arrays, answer.names)
        return _of(known, {want: known.arrays[want] for want in asked})

    def held(self, run: Run, wants: Iterable[Want]) -> Trace:
        """Tokens, and those of the wanted arrays that are here. Nothing is computed for it."""
        known = self._known(run, tuple(dict.fromkeys(wants)))
        return self._text(run) if known is None else _of(known, known.arrays)

    def holds(self, run: Run, wants: Iterable[Want]) -> bool:
        """Whether all of these wants are here, so that `get` computes nothing."""
        asked = tuple(dict.fromkeys(wants))
        known = self._known(run, asked)
        return known is not None and len(known.arrays) == len(asked)

    def on_ids(self, ids: Sequence[int]) -> Run:
        """The run on exactly these tokens; see `Engine.on_ids`."""
        return self._engine.on_ids(ids)

    def again(self) -> "Store":
        """A store of the same model that holds nothing, and whose engine has kept nothing either: what it is asked for
        is computed once more."""
        return Store(self._engine.again(), self._arrays.budget, to_readers=self._answering is answering)

    @property
    def engine(self) -> Engine:
        """What answers where this store does not: whoever asks it waits in no queue."""
        return self._engine

    def estimate(self, run: Run, wants: Iterable[Want] = ()) -> Estimate:
        """What of these wants is not here would cost, queue apart; see `Engine.estimate`."""
        asked = tuple(dict.fromkeys(wants))
        known = self._known(run, asked)
        missing = [want for want in asked if known is None or want not in known.arrays]
        return self._answering(run.model, lambda: self._engine.estimate(run, missing))

    def extend(
        self,
        run: Run,
        count: int = 1,
        how: Settings | None = None,
        *,
        seed: int = 0,
        watch: Report | None = None,
    ) -> Run:
        """The run with a longer tail, as the engine goes on with it; see `Engine.extend`. It waits in the queue too;
        watch: see `Queue.ask`."""

        def work(report: Report, cancelled: Callable[[], bool]) -> Run:
            asked = partial(self._engine.extend, run, count, how, seed=seed, report=report, cancelled=cancelled)
            return self._answering(run.model, asked)

        reading = self._expected(run, (Want("norm_pre"),))  # the whole text, in all layers
        about = ("extend", run, count, how, seed)
        return self._queue.ask(about, frozenset(), work, variant=self._variant, watch=watch, expected=reading)

    def parting(
        self,
        run: Run,
        other: "Store",
        other_run: Run,
        alignment: Alignment,
        at: Places | None = None,
        *,
        streams: bool = True,
        watch: Report | None = None,
    ) -> Parting:
        """What a second run, of this store's model or of another's, differs by from this one; see `Engine.parting`. It
        waits in the queue too; watch: see `Queue.ask`.

        at       the places in both whose best tokens are watched; None: the last that belong together
        streams  whether the distance of the streams is wanted, too
        """
        parted = self._parted(run, other, other_run, alignment, streams, watch)
        at = at or last_pair(alignment, self.get(run), other.get(other_run))
        sides = zip((self, other), (run, other_run), at, parted.predicts, strict=True)
        a, b = (
            store.get(one, watched_wants(pos) if predicts else (), watch=watch) for store, one, pos, predicts in sides
        )
        return parted.watching(a, b, at)

    def parting_estimate(self, run: Run, other: "Store", other_run: Run) -> Estimate:
        """What `parting` would cost, queue apart. What is held is not looked up: that takes the alignment."""
        return self._answering(run.model, lambda: self._engine.parting_estimate(run, other._engine, other_run))

    def holds_parting(self, run: Run, other_run: Run, alignment: Alignment) -> bool:
        """Whether what these two differ by is here, but for the tokens that are watched."""
        return (run, other_run, alignment, True) in self._partings

    def spread(
        self,
        run: Run,
        other: "Store",
        controls: Sequence[Run],
        alignment: Alignment,
        at: Places | None,
        tokens: Sequence[int] = (),
        *,
        watch: Report | None = None,
    ) -> Spread:
        """What the runs of a baseline come to beside this one: from the least to the most of them, place by place.

        run        the first run, from which their distance is taken
        controls   the runs, of the other store's model; all on the text that the alignment is of
        at, tokens  the place, and the tokens whose probability there is looked up
        """
        partings = [self._parted(run, other, one, alignment, False, watch) for one in controls]
        if at is None or not tokens or not all(parted.predicts[1] for parted in partings):
            return spread(partings, {})
        want = Want("logits", pos=at[1])
        rows = [softmax(other.get(one, (want,), watch=watch)[want].astype(np.float64)) for one in controls]
        return spread(partings, {token: [float(row[token]) for row in rows] for token in tokens})

    def _parted(
        self, run: Run, other: "Store", other_run: Run, alignment: Alignment, streams: bool, watch: Report | None
    ) -> Parting:
        """The parting without watched tokens: held, or computed when it is its turn."""
        key = (run, other_run, alignment, streams)

        def work(report: Report, cancelled: Callable[[], bool]) -> Parting:
            if (known := self._partings.get(key)) is not None:
                return known
            asked = partial(self._engine.parting, run, other._engine, other_run, alignment, streams=streams)
            parted = self._answering(run.model, partial(asked, report=report, cancelled=cancelled))
            self._partings.put(key, parted, parted.nbytes)
            return parted

        known = self._partings.get(key)
        expected = partial(self._seconds_apart, run, other, other_run)
        about, variant = ("parting", *key), self._variant or other._variant
        return known or self._queue.ask(about, frozenset(), work, variant=variant, watch=watch, expected=expected)

    def _seconds_apart(self, run: Run, other: "Store", other_run: Run) -> float:
        return self._engine.parting_estimate(run, other._engine, other_run).seconds

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays held now."""
        return self._arrays.nbytes

    def _text(self, run: Run) -> Trace:
        """The run's tokens alone. One text is cut at a time: a class that opens the same one has it cut once."""
        text = self._texts.get(run) or self._cut(run)
        return Trace(run, text.spec, text.tokens, {})

    def _cut(self, run: Run) -> Trace:
        """A text that is not held, cut when it is its turn; somebody may have had it cut meanwhile."""
        if not self._cutting.acquire(timeout=LONGEST_CUT):
            raise Refused(_CUTTING, seconds=round(LONGEST_CUT))
        try:
            return self._texts.get(run) or self._answering(run.model, lambda: self._keep(self._engine.run(run)))
        finally:
            self._cutting.release()

    def _expected(self, run: Run, wants: tuple[Want, ...]) -> Callable[[], float]:
        """What gives the seconds that these wants are said to take."""
        return lambda: self._engine.estimate(run, wants).seconds

    def _known(self, run: Run, wants: tuple[Want, ...]) -> Trace | None:
        """What is held of the wanted arrays, with the text and all its names; None where the text is not held."""
        arrays = {want: found(lambda asked: self._arrays.get((run, asked)), want) for want in wants}
        held = {want: array for want, array in arrays.items() if array is not None}
        text = self._texts.get(run)  # after the arrays: whoever keeps them writes their names first
        if text is None or not text.names.keys() >= set(mentioned(held)):
            return None
        return Trace(run, text.spec, text.tokens, held, text.names)

    def _compute(self, run: Run, missing: tuple[Want, ...], report: Report, cancelled: Callable[[], bool]) -> Trace:
        """In the worker: the arrays that nobody computed while this question waited, and those that somebody did."""
        known = self._known(run, missing)
        held = {} if known is None else known.arrays
        still = tuple(want for want in missing if want not in held)
        if known is not None and not still:
            return known
        work = partial(self._engine.run, run, still, report=report, cancelled=cancelled)
        answer = self._answering(run.model, work)
        self._keep(answer)
        return answer if known is None else known.plus(answer.arrays, answer.names)

    def _keep(self, answer: Trace) -> Trace:
        """Hold an answer; give back its text with all names known so far."""
        with self._writing:
            before = self._texts.get(answer.run)
            names = {**(before.names if before else {}), **answer.names}
            text = Trace(answer.run, answer.spec, answer.tokens, {}, names)
            size = len(text.tokens) * _BYTES_PER_TOKEN + len(names) * _BYTES_PER_NAME
            self._texts.put(answer.run, text, size)
        for want, array in answer.arrays.items():
            self._arrays.put((answer.run, want), array, array.nbytes)
        return text


def _of(known: Trace, arrays: Mapping[Want, np.ndarray]) -> Trace:
    """The same text with these arrays, and with the names of the ids that they mention."""
    return Trace(known.run, known.spec, known.tokens, arrays, {row: known.names[row] for row in mentioned(arrays)})

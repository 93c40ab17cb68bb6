"""The line in front of the engines: one worker computes, questions wait in order, and each asker knows its place.

Equal questions are one: who asks what stands in the line already, or a part of it, waits for the same answer. Readers
go first, then what fills in a figure that a reader sees already (`later`), then the same two about variants of models
(`variant`); what nobody sits waiting for (`background`) takes its turn when none of these is left. A page asks several
questions about its text: the later ones go before texts that came after the first one, or every page of a class would
be there only when all are. A question whose askers have all gone is not computed, or no further; one that nobody sits
waiting for is put off when a reader comes meanwhile.

A second thread watches the worker. A question that gives no sign of life for too long is given up: its askers are told
so, and it is asked to stop. Where it does not, another worker takes over the line. No thread can be ended from outside:
the old one stays with what holds it, and whatever it still gives is dropped. Only so many of them may stay.
"""

import atexit
import logging
import sys
import traceback
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import wait as until_done
from contextvars import copy_context
from threading import Condition, Event, Thread, current_thread
from time import monotonic
from weakref import WeakSet

from anatomy.language import N_
from anatomy.refused import Refused
from models.engine import Cancelled, Progress, Report
from models.serving.job import Answer, Job, Place, Turn, Work, turn_of, unknown

LONGEST = 64  # readers' questions that may wait; of those about variants fewer, where others wait
EVERY = 0.15  # seconds between two times that an asker is told its place; further back in the line more
SELDOM = 0.4  # and at most so many
SLICE = 0.1  # seconds that a question which was put off once may take before it is again; twice as many each time
# A forward pass lets go of Python's lock at each of its thousands of tensor operations. Beside the threads that draw a
# class's pages it waits up to so many seconds to get it back; with Python's own 0.005 it took five times as long.
SWITCH = 0.0005
HEAD_START = 20.0  # seconds at most by which a later question about a text goes before others
REMEMBERED = 256  # texts of which is known when they were first asked about
TICK = 1.0  # seconds between two looks of the watch
TO_STOP = 10.0  # seconds that a question which was given up has for stopping, before its worker is replaced
# While a worker that was replaced lives, it may hold what all runs need. Then a question that has not even begun to
# report waits at most so long; after one that waited in vain, the next ones less.
HELD, HELD_AGAIN = 30.0, 5.0
MOST_HANGING = 3  # workers that were replaced and live on, from which on nothing is begun any more
ENDING = 30.0  # seconds that the end of the program waits for what is being computed
_FULL = N_("{count} questions wait for this server's model already, and no more can. Ask again in a minute.")
_SILENT = N_(
    "The model gave no sign of life for {seconds} seconds at this question, and it was given up: others get their turn."
    " Ask again, or take a shorter text. If it comes again, the server has to be restarted."
)
_HELD = N_(
    "The model still hangs at an earlier question, so nothing can be computed now. Ask again in a minute; if that does "
    "not help, the server has to be restarted."
)
_DIED = N_(
    "What computes for this server's readers ended at this question and was started again. Ask again, or take a "
    "shorter text."
)
_LOG = logging.getLogger(__name__)


class Queue:
    """A bounded line with one worker. Safe to share between threads, and between the stores of several models.

    counts  of questions so far: asked · shared: with one in the line or computed at that time · refused: the line was
            full · left: before their turn · computed · stopped: their askers had gone · put off: for a reader · given
            up: they gave no sign of life, or their worker had died. With " in the background" after it: of those that
            nobody sits waiting for
    """

    def __init__(self, longest: int = LONGEST) -> None:
        self.counts: Counter[str] = Counter()
        self._longest = longest
        self._waiting: list[Job] = []  # in the order they came
        self._current: Job | None = None
        self._first: OrderedDict[Hashable, float] = OrderedDict()  # when each text was first asked about
        self._lock = Condition()
        self._worker: Thread | None = None
        self._watch: Thread | None = None
        self._hanging: list[Thread] = []  # workers that were replaced
        self._held_up = False  # a question has waited in vain since one of these was
        self._closed, self._ended = False, Event()
        _open.add(self)

    def ask(
        self,
        about: Hashable,
        parts: frozenset[Hashable],
        work: Work[Answer],
        *,
        background: bool = False,
        later: bool = False,
        variant: bool = False,
        watch: Report | None = None,
        expected: Callable[[], float] = unknown,
    ) -> Answer:
        """What `work(report, cancelled)` gives, computed by the worker when it is this question's turn.

        about   what is asked about; together with `parts` it says which questions are equal
        parts   which parts of it the answer has to hold; an answer that holds more will do
        background  it goes behind all readers' questions, and is let in however long the line is
        later   so does this, but it goes before those: a reader sees already what it fills in
        variant  it is about a variant: it goes behind what readers see of other models, and what is asked in the
                background behind it
        watch   called in the asker's thread while it waits, with its `Place` in the line, then with what the work
                reports; what it raises takes the asker out of the line
        expected  gives the seconds that all of it is said to take; asked only where it is silent for long, and in
                another thread

        Refused where the line is full, where the work hangs, and where its worker ended. Whatever `work` raises is
        raised here.
        """
        job = self._enter(about, parts, work, turn_of(background, later, variant), expected)
        pause = None if watch is None else EVERY
        try:
            while not until_done([job.answer], pause).done:
                if watch is not None:
                    progress = self._progress(job)
                    watch(progress)
                    pause = min(EVERY * progress.place, SELDOM) if isinstance(progress, Place) else EVERY
            return job.answer.result()
        finally:
            self._leave(job)

    @property
    def length(self) -> int:
        """How many questions wait, the one that is computed now not counted."""
        return len(self._waiting)

    def close(self) -> None:
        """Compute nothing more, stop what is being computed, wait for that; not for ever, where it hangs. For the end
        of the program: askers are left."""
        with self._lock:
            self._closed = True
            self._ended.set()
            self._lock.notify_all()
        if self._worker is not None:
            self._worker.join(ENDING)

    def _enter(
        self, about: Hashable, parts: frozenset[Hashable], work: Work, turn: Turn, expected: Callable[[], float]
    ) -> Job:
        with self._lock:
            self._count("asked", turn)
            job = self._same(about, parts)
            if job is not None:
                self._count("shared", turn)
            else:
                if self._full_for(turn):
                    self._count("refused", turn)
                    raise Refused(_FULL, count=self._longest)
                if self._full_of_hanging():
                    self._count("refused", turn)
                    raise Refused(_HELD)
                self._start()
                job = Job(about, parts, _here(work), turn, self._since(about), expected=expected)
                self._waiting.append(job)
                self._lock.notify()
            job.turn = min(job.turn, turn)
            job.askers += 1
            return job

    def _full_for(self, turn: Turn) -> bool:
        """Whether as many readers' questions as may wait are there already that do not go behind this reader's."""
        ahead = sum(job.turn.waited_for and job.turn <= turn for job in self._waiting)
        return turn.waited_for and ahead >= self._longest

    def _since(self, about: Hashable) -> float:
        """The place in the order of a question that is asked now."""
        now = monotonic()
        first = self._first.setdefault(about, now)
        self._first.move_to_end(about)
        while len(self._first) > REMEMBERED:
            self._first.popitem(last=False)
        return max(first, now - HEAD_START)

    def _same(self, about: Hashable, parts: frozenset[Hashable]) -> Job | None:
        """A question in the line, or being computed, whose answer holds these parts."""
        known = [*self._waiting] if self._current is None else [self._current, *self._waiting]
        return next((job for job in known if job.about == about and parts <= job.parts and not job.left), None)

    def _leave(self, job: Job) -> None:
        with self._lock:
            job.askers -= 1
            job.left = job.left or job.askers == 0
            if job.left and job in self._waiting:
                self._waiting.remove(job)
                self._count("left", job.turn)

    def _progress(self, job: Job) -> Progress:
        """How far the question is: its place, or that it is being computed."""
        with self._lock:
            line = self._in_order()
            if job in line:
                template = N_("waiting: place {place} of {length}")
                return Place(template, place=line.index(job) + 1, length=len(line))
        return job.progress

    def _in_order(self) -> list[Job]:
        """Those that wait, the next one first."""
        return sorted(self._waiting, key=lambda job: (job.turn, job.since))

    def _start(self) -> None:
        """Have a worker and a watch that live."""
        if self._worker is None or not self._worker.is_alive():
            self._bury()
            sys.setswitchinterval(SWITCH)
            self._worker = Thread(target=self._work, name="questions", daemon=True)
            self._worker.start()
        if self._watch is None or not self._watch.is_alive():
            self._watch = Thread(target=self._look_on, name="watch over questions", daemon=True)
            self._watch.start()

    def _bury(self) -> None:
        """Tell those who waited for what a worker was at that has died."""
        job, self._current = self._current, None
        if job is not None:
            _LOG.error("the worker died at a question: %s", job.progress.step)
            if not job.given_up:
                self._tell(job, Refused(_DIED))

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                answer = job.work(job.report, lambda job=job: job.left or self._closed or self._gives_way(job))
            except BaseException as error:  # it belongs to those who asked; the worker goes on
                how = "stopped" if isinstance(error, Cancelled) else "computed"
                if not self._put_off(job, error) and self._done(job, how):
                    job.answer.set_exception(error)
            else:
                if self._done(job, "computed"):
                    job.answer.set_result(answer)
                del answer
            del job  # an answer lives as long as its askers hold it, not until the next question

    def _next(self) -> Job | None:
        """Wait for a question and take it up; None where there will be none, or another worker has the line."""
        with self._lock:
            self._lock.wait_for(lambda: self._closed or bool(self._waiting) or self._replaced())
            if self._closed or self._replaced():
                return None
            job = self._current = self._in_order()[0]
            self._waiting.remove(job)
            job.taken_up()
            return job

    def _replaced(self) -> bool:
        """Whether the thread that asks is the worker no more."""
        return current_thread() is not self._worker

    def _gives_way(self, job: Job) -> bool:
        """Whether what is computed now, and nobody sits waiting for, should stop for a reader who came meanwhile."""
        may = job.turn is Turn.NOBODY and monotonic() - job.begun >= job.safe
        job.gave_way = job.gave_way or (may and any(other.turn.waited_for for other in self._waiting))
        return job.gave_way

    def _put_off(self, job: Job, error: BaseException) -> bool:
        """Whether what was stopped goes back into the line: somebody still asks for it. Each time it may take longer,
        or readers who come and go would keep it from ever being computed."""
        with self._lock:
            if not (job.gave_way and isinstance(error, Cancelled)) or job.left or self._closed:
                return False
            job.safe = max(SLICE, 2 * job.safe)
            self._current = None
            self._waiting.append(job)
            self._count("put off", job.turn)
            return True

    def _done(self, job: Job, how: str) -> bool:
        """Note that the worker is ready for the next one. Whether somebody still waits for what came out: not of one
        that was given up."""
        with self._lock:
            if job is self._current:
                self._current = None
            if job.given_up:
                return False
            self._held_up = False
            self._count(how, job.turn)
            return True

    def _look_on(self) -> None:
        """The watch: it ends where there is nothing to look after, and begins with the next question."""
        last = monotonic()
        while not self._ended.wait(TICK):
            # A machine that slept, or a program that was halted, has not hung.
            passed, last = min(monotonic() - last, 2 * TICK), monotonic()
            with self._lock:
                if self._current is None and not self._waiting:
                    self._watch = None
                    return
                self._start()
                job = self._current
            if job is not None:
                job.look_on(passed)
                self._look_at(job)
            del job  # nor does it live until the next look

    def _look_at(self, job: Job) -> None:
        """Give up a question that is silent for too long; replace the worker where that did not stop it."""
        held = job.reports == 0 and self._alive_and_hanging() > 0
        if job.given_up:
            if job.silent > TO_STOP:
                self._replace(job)
        elif held:
            if job.silent > (HELD_AGAIN if self._held_up else HELD):
                self._give_up(job, Refused(_HELD), held)
        elif job.silent > job.longest_silence():
            self._give_up(job, Refused(_SILENT, seconds=round(job.silent)), held)

    def _give_up(self, job: Job, why: Refused, held: bool) -> None:
        """Tell those who ask why no answer comes, and have the work stop. held: an earlier question holds it up."""
        with self._lock:
            if job is self._current:
                at = ": one before it hangs" if held else f", at:\n{self._where()}"
                _LOG.error("a question gave no sign of life for %.0f s%s", job.silent, at)
                self._held_up, job.silent = held, 0.0
                self._tell(job, why)

    def _tell(self, job: Job, why: Refused) -> None:
        """An end to a question, said to all who wait for it."""
        job.given_up = job.left = True
        self._count("given up", job.turn)
        job.answer.set_exception(why)

    def _replace(self, job: Job) -> None:
        """Leave the worker with what it hangs at, and begin with another; the line is cleared where too many hang."""
        with self._lock:
            if job is not self._current or self._worker is None:
                return
            _LOG.error("a question does not stop, its worker is replaced: %s", job.progress.step)
            self._hanging.append(self._worker)
            self._current = self._worker = None
            if not self._full_of_hanging():
                self._start()
                return
            _LOG.error("%d workers hang: nothing is begun until one of them ends", MOST_HANGING)
            for waiting in self._waiting:
                self._tell(waiting, Refused(_HELD))
            self._waiting.clear()

    def _where(self) -> str:
        """What the worker is at, line by line."""
        frame = None if self._worker is None else sys._current_frames().get(self._worker.ident or 0)
        return "".join(traceback.format_stack(frame)) if frame is not None else "nowhere"

    def _alive_and_hanging(self) -> int:
        """How many workers that were replaced live on."""
        self._hanging = [worker for worker in self._hanging if worker.is_alive()]
        return len(self._hanging)

    def _full_of_hanging(self) -> bool:
        return self._alive_and_hanging() >= MOST_HANGING

    def _count(self, what: str, turn: Turn) -> None:
        self.counts[what if turn is not Turn.NOBODY else f"{what} in the background"] += 1


def _here(work: Work[Answer]) -> Work[Answer]:
    """The work in the context of whoever asked first: the worker computes as that thread would have."""
    context = copy_context()
    return lambda report, cancelled: context.run(work, report, cancelled)


_open: WeakSet[Queue] = WeakSet()


def counted() -> Counter[str]:
    """What all queues of this process have counted, together."""
    return sum((queue.counts for queue in [*_open]), Counter())


@atexit.register
def _close_all() -> None:
    """A worker that the end of the program finds inside a matrix product takes the whole process down with an abort."""
    for queue in [*_open]:
        queue.close()

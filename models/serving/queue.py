"""The line in front of the engines: one worker computes, questions wait in order, and each asker knows its place.

Equal questions are one: who asks what stands in the line already, or a part of it, waits for the same answer. Readers
go first, then what fills in a figure that a reader sees already (`later`); what nobody sits waiting for (`background`)
takes its turn when none of these is left. A page asks several questions about its text: the later ones go before texts
that came after the first one, or every page of a class would be there only when all are. A question whose askers have
all gone is not computed, or no further; one that nobody sits waiting for is put off when a reader comes meanwhile.
"""

import atexit
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from concurrent.futures import wait as until_done
from contextvars import copy_context
from dataclasses import dataclass, field
from threading import Condition, Thread
from time import monotonic
from typing import TypeVar
from weakref import WeakSet

from anatomy.language import N_, _
from anatomy.refused import Refused
from models.engine import Cancelled, Progress, Report

LONGEST = 64  # readers' questions that may wait
EVERY = 0.15  # seconds between two times that an asker is told its place; further back in the line more
SELDOM = 0.4  # and at most so many
SLICE = 0.1  # seconds that a question which was put off once may take before it is again; twice as many each time
# A forward pass lets go of Python's lock at each of its thousands of tensor operations. Beside the threads that draw a
# class's pages it waits up to so many seconds to get it back; with Python's own 0.005 it took five times as long.
SWITCH = 0.0005
HEAD_START = 20.0  # seconds at most by which a later question about a text goes before others
REMEMBERED = 256  # texts of which is known when they were first asked about
Answer = TypeVar("Answer")
Work = Callable[[Report, Callable[[], bool]], Answer]  # (who is told how far it is, whether to stop) → the answer
_BEGUN = Progress(N_("computing"))
_FULL = N_("{count} questions wait for this server's model already, and no more can. Ask again in a minute.")


@dataclass(frozen=True)
class Place(Progress):
    """Progress of a question that waits. place: 1 is computed next. length: of the line."""

    place: int = 1
    length: int = 1

    @property
    def says(self) -> str:
        """The place in the reader's language."""
        return _(self.step, place=self.place, length=self.length)


@dataclass(eq=False)
class _Job:
    """A question that stands in the line or is computed now, how many wait for its answer, and how far it is.

    turn      whose question it is: a reader's, 0; one that fills in what a reader sees, 1; nobody's who sits waiting, 2
    since     its place in the order: when it was asked, or when something about the same text first was
    left      all its askers have gone: it is not taken up again, whoever asks the same is a new question
    begun     when the worker took it up
    safe      seconds from then on for which it is not put off
    gave_way  it was asked to stop for a reader
    """

    about: Hashable
    parts: frozenset[Hashable]
    work: Work
    turn: int
    since: float
    answer: Future = field(default_factory=Future)
    askers: int = 0
    left: bool = False
    progress: Progress = _BEGUN
    begun: float = 0.0
    safe: float = 0.0
    gave_way: bool = False

    def report(self, progress: Progress) -> None:
        """Take down how far it is."""
        self.progress = progress


class Queue:
    """A bounded line with one worker. Safe to share between threads, and between the stores of several models.

    counts  of questions so far: asked · shared: with one in the line or computed at that time · refused: the line was
            full · left: before their turn · computed · stopped: their askers had gone · put off: for a reader. With
            " in the background" after it: of those that nobody sits waiting for
    """

    def __init__(self, longest: int = LONGEST) -> None:
        self.counts: Counter[str] = Counter()
        self._longest = longest
        self._waiting: list[_Job] = []  # in the order they came
        self._current: _Job | None = None
        self._first: OrderedDict[Hashable, float] = OrderedDict()  # when each text was first asked about
        self._lock = Condition()
        self._worker: Thread | None = None
        self._closed = False
        _open.add(self)

    def ask(
        self,
        about: Hashable,
        parts: frozenset[Hashable],
        work: Work[Answer],
        *,
        background: bool = False,
        later: bool = False,
        watch: Report | None = None,
    ) -> Answer:
        """What `work(report, cancelled)` gives, computed by the worker when it is this question's turn.

        about   what is asked about; together with `parts` it says which questions are equal
        parts   which parts of it the answer has to hold; an answer that holds more will do
        background  it goes behind all readers' questions, and is let in however long the line is
        later   so does this, but it goes before those: a reader sees already what it fills in
        watch   called in the asker's thread while it waits, with its `Place` in the line, then with what the work
                reports; what it raises takes the asker out of the line

        Refused where the line is full. Whatever `work` raises is raised here.
        """
        job = self._enter(about, parts, work, 2 if background else 1 if later else 0)
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
        """Compute nothing more, stop what is being computed, wait for that. For the end of the program: askers are
        left."""
        with self._lock:
            self._closed = True
            self._lock.notify()
        if self._worker is not None:
            self._worker.join()

    def _enter(self, about: Hashable, parts: frozenset[Hashable], work: Work, turn: int) -> _Job:
        with self._lock:
            self._count("asked", turn)
            job = self._same(about, parts)
            if job is not None:
                self._count("shared", turn)
            else:
                if turn == 0 and sum(job.turn == 0 for job in self._waiting) >= self._longest:
                    self._count("refused", turn)
                    raise Refused(_FULL, count=self._longest)
                job = _Job(about, parts, _here(work), turn, self._since(about))
                self._waiting.append(job)
                self._start()
                self._lock.notify()
            job.turn = min(job.turn, turn)
            job.askers += 1
            return job

    def _since(self, about: Hashable) -> float:
        """The place in the order of a question that is asked now."""
        now = monotonic()
        first = self._first.setdefault(about, now)
        self._first.move_to_end(about)
        while len(self._first) > REMEMBERED:
            self._first.popitem(last=False)
        return max(first, now - HEAD_START)

    def _same(self, about: Hashable, parts: frozenset[Hashable]) -> _Job | None:
        """A question in the line, or being computed, whose answer holds these parts."""
        known = [*self._waiting] if self._current is None else [self._current, *self._waiting]
        return next((job for job in known if job.about == about and parts <= job.parts and not job.left), None)

    def _leave(self, job: _Job) -> None:
        with self._lock:
            job.askers -= 1
            job.left = job.askers == 0
            if job.left and job in self._waiting:
                self._waiting.remove(job)
                self._count("left", job.turn)

    def _progress(self, job: _Job) -> Progress:
        """How far the question is: its place, or that it is being computed."""
        with self._lock:
            line = self._in_order()
            if job in line:
                template = N_("waiting: place {place} of {length}")
                return Place(template, place=line.index(job) + 1, length=len(line))
        return job.progress

    def _in_order(self) -> list[_Job]:
        """Those that wait, the next one first."""
        return sorted(self._waiting, key=lambda job: (job.turn, job.since))

    def _start(self) -> None:
        if self._worker is None:
            sys.setswitchinterval(SWITCH)
            self._worker = Thread(target=self._work, name="questions", daemon=True)
            self._worker.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._closed or bool(self._waiting))
                if self._closed:
                    return
                job = self._current = self._in_order()[0]
                self._waiting.remove(job)
                job.begun, job.gave_way = monotonic(), False
            try:
                answer = job.work(job.report, lambda job=job: job.left or self._closed or self._gives_way(job))
            except BaseException as error:  # it belongs to those who asked; the worker goes on
                if not self._put_off(job, error):
                    self._done(job, "stopped" if isinstance(error, Cancelled) else "computed")
                    job.answer.set_exception(error)
            else:
                self._done(job, "computed")
                job.answer.set_result(answer)
                del answer
            del job  # an answer lives as long as its askers hold it, not until the next question

    def _gives_way(self, job: _Job) -> bool:
        """Whether what is computed now, and nobody sits waiting for, should stop for a reader who came meanwhile."""
        may = job.turn == 2 and monotonic() - job.begun >= job.safe
        job.gave_way = job.gave_way or (may and any(other.turn == 0 for other in self._waiting))
        return job.gave_way

    def _put_off(self, job: _Job, error: BaseException) -> bool:
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

    def _done(self, job: _Job, how: str) -> None:
        with self._lock:
            self._current = None
            self._count(how, job.turn)

    def _count(self, what: str, turn: int) -> None:
        self.counts[what if turn < 2 else f"{what} in the background"] += 1


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

"""The line in front of the engines: one worker computes, questions wait in order, and each asker knows its place.

Equal questions are one: who asks what stands in the line already, or a part of it, waits for the same answer. Readers
go first; what nobody sits waiting for (`behind`) takes its turn when no reader is left. A page asks several questions
about its text: the later ones go before texts that came after the first one, or every page of a class would be there
only when all are. A question whose askers have all gone is not computed, or no further.
"""

import atexit
from collections import OrderedDict
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
from models.engine import Progress, Refused, Report

LONGEST = 64  # readers' questions that may wait
EVERY = 0.15  # seconds between two times that an asker is told its place
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

    since  its place in the order: when it was asked, or when something about the same text first was
    left   all its askers have gone: it is not taken up again, whoever asks the same is a new question
    """

    about: Hashable
    parts: frozenset[Hashable]
    work: Work
    behind: bool
    since: float
    answer: Future = field(default_factory=Future)
    askers: int = 0
    left: bool = False
    progress: Progress = _BEGUN

    def report(self, progress: Progress) -> None:
        """Take down how far it is."""
        self.progress = progress


class Queue:
    """A bounded line with one worker. Safe to share between threads, and between the stores of several models."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._waiting: list[_Job] = []  # in the order they came
        self._current: _Job | None = None
        self._first: OrderedDict[Hashable, float] = OrderedDict()  # when each text was first asked about
        self._door = Condition()
        self._worker: Thread | None = None
        self._closed = False
        _open.add(self)

    def ask(
        self,
        about: Hashable,
        parts: frozenset[Hashable],
        work: Work[Answer],
        *,
        behind: bool = False,
        watch: Report | None = None,
    ) -> Answer:
        """What `work(report, cancelled)` gives, computed by the worker when it is this question's turn.

        about   what is asked about; together with `parts` it says which questions are equal
        parts   which parts of it the answer has to hold; an answer that holds more will do
        behind  it goes behind all readers' questions, and is let in however long the line is
        watch   called in the asker's thread while it waits, with its `Place` in the line, then with what the work
                reports; what it raises takes the asker out of the line

        Refused where the line is full. Whatever `work` raises is raised here.
        """
        job = self._enter(about, parts, work, behind)
        try:
            while not until_done([job.answer], None if watch is None else EVERY).done:
                if watch is not None:
                    watch(self._told(job))
            return job.answer.result()
        finally:
            self._leave(job)

    @property
    def length(self) -> int:
        """Questions that wait, the one that is computed now not counted."""
        return len(self._waiting)

    def close(self) -> None:
        """Compute nothing more, stop what is being computed, wait for that. For the end of the program: askers are
        left."""
        with self._door:
            self._closed = True
            self._door.notify()
        if self._worker is not None:
            self._worker.join()

    def _enter(self, about: Hashable, parts: frozenset[Hashable], work: Work, behind: bool) -> _Job:
        with self._door:
            job = self._same(about, parts)
            if job is None:
                if not behind and sum(not job.behind for job in self._waiting) >= self._longest:
                    raise Refused(_FULL, count=self._longest)
                job = _Job(about, parts, _here(work), behind, self._since(about))
                self._waiting.append(job)
                self._start()
                self._door.notify()
            job.behind = job.behind and behind
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
        with self._door:
            job.askers -= 1
            job.left = job.askers == 0
            if job.left and job in self._waiting:
                self._waiting.remove(job)

    def _told(self, job: _Job) -> Progress:
        """How far the question is: its place, or that it is being computed."""
        with self._door:
            line = self._in_order()
            if job in line:
                told = N_("waiting: place {place} of {length}")
                return Place(told, place=line.index(job) + 1, length=len(line))
        return job.progress

    def _in_order(self) -> list[_Job]:
        """Those that wait, the next one first."""
        return sorted(self._waiting, key=lambda job: (job.behind, job.since))

    def _start(self) -> None:
        if self._worker is None:
            self._worker = Thread(target=self._work, name="questions", daemon=True)
            self._worker.start()

    def _work(self) -> None:
        while True:
            with self._door:
                self._door.wait_for(lambda: self._closed or bool(self._waiting))
                if self._closed:
                    return
                job = self._current = self._in_order()[0]
                self._waiting.remove(job)
            try:
                found = job.work(job.report, lambda job=job: job.left or self._closed)
            except BaseException as error:  # it belongs to those who asked; the worker goes on
                self._done()
                job.answer.set_exception(error)
            else:
                self._done()
                job.answer.set_result(found)
                del found
            del job  # an answer lives as long as its askers hold it, not until the next question

    def _done(self) -> None:
        with self._door:
            self._current = None


def _here(work: Work[Answer]) -> Work[Answer]:
    """The work in the context of whoever asked first: the worker computes as that thread would have."""
    context = copy_context()
    return lambda report, cancelled: context.run(work, report, cancelled)


_open: WeakSet[Queue] = WeakSet()


@atexit.register
def _close_all() -> None:
    """A worker that the end of the program finds inside a matrix product takes the whole process down with an abort."""
    for queue in [*_open]:
        queue.close()

"""A question in the line: what is asked, whose turn it is, and how it fares once it is computed."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import IntEnum
from time import monotonic
from typing import TypeVar

from anatomy.language import N_, _
from models.engine import Progress, Report

# Seconds without a report after which a question is given up. Runs report before every layer and every block of an
# output layer or a map, which takes seconds; where a whole question is said to take longer, it may be silent that long.
SILENT = 120.0
Answer = TypeVar("Answer")
Work = Callable[[Report, Callable[[], bool]], Answer]  # (who is told how far it is, whether to stop) → the answer
_BEGUN = Progress(N_("computing"))


def unknown() -> float:
    """Nobody has said how long a question takes."""
    return 0.0


class Turn(IntEnum):
    """Whose question it is; the least goes first.

    READER        of somebody who sits waiting for it
    READER_MORE   it fills in what a reader sees already
    VARIANT       a reader's, about a variant of a model
    VARIANT_MORE  it fills in what a reader sees of a variant
    NOBODY        nobody sits waiting for it
    """

    READER = 0
    READER_MORE = 1
    VARIANT = 2
    VARIANT_MORE = 3
    NOBODY = 4

    @property
    def waited_for(self) -> bool:
        """Whether a reader sits waiting for it."""
        return self in (Turn.READER, Turn.VARIANT)


def turn_of(background: bool, later: bool, variant: bool) -> Turn:
    """The turn of a question that is asked so; see `Queue.ask`."""
    if background:
        return Turn.NOBODY
    if later:
        return Turn.VARIANT_MORE if variant else Turn.READER_MORE
    return Turn.VARIANT if variant else Turn.READER


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
class Job:
    """A question that stands in the line or is computed now, how many wait for its answer, and how far it is.

    turn      whose question it is
    since     its place in the order: when it was asked, or when something about the same text first was
    left      all its askers have gone: it is not taken up again, whoever asks the same is a new question
    begun     when the worker took it up
    safe      seconds from then on for which it is not put off
    gave_way  it was asked to stop for a reader
    expected  gives the seconds that all of it is said to take
    reports   how many it has made since it was taken up; heard: as many as the watch knew of when it last looked
    silent    seconds that the watch has looked on without a new one
    given_up  its askers have been told that no answer comes
    """

    about: Hashable
    parts: frozenset[Hashable]
    work: Work
    turn: Turn
    since: float
    answer: Future = field(default_factory=Future)
    askers: int = 0
    left: bool = False
    progress: Progress = _BEGUN
    begun: float = 0.0
    safe: float = 0.0
    gave_way: bool = False
    expected: Callable[[], float] = unknown
    reports: int = 0
    heard: int = 0
    silent: float = 0.0
    given_up: bool = False

    def report(self, progress: Progress) -> None:
        """Take down how far it is."""
        self.progress = progress
        self.reports += 1

    def taken_up(self) -> None:
        """The worker begins with it."""
        self.begun, self.gave_way, self.silent, self.reports, self.heard = monotonic(), False, 0.0, 0, 0

    def look_on(self, seconds: float) -> None:
        """The watch has looked on for so long: in silence, or the question has given a sign of life."""
        self.silent = self.silent + seconds if self.reports == self.heard else 0.0
        self.heard = self.reports

    def longest_silence(self) -> float:
        """Seconds that it may go on without a report. What cannot be estimated may take the usual time."""
        if self.silent <= SILENT:
            return SILENT
        try:
            return max(SILENT, self.expected())
        except Exception:  # the same may be why it hangs
            return SILENT

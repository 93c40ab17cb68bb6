"""The queue: one worker, an order, a bound; equal questions are one, and who leaves is not computed for."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, current_thread
from time import monotonic, sleep

import pytest

from anatomy.language import speaking, spoken
from models import queue
from models.engine import Cancelled, Progress, Refused, Report
from models.queue import Place, Queue

WAIT = 20  # seconds until a test gives up
NOTHING: frozenset = frozenset()


def until(true: Callable[[], bool]) -> None:
    end = monotonic() + WAIT
    while not true():
        assert monotonic() < end, "it did not come to that"
        sleep(0.005)


class Room:
    """A queue whose worker is held up until `go` is set, and threads that ask it."""

    def __init__(self, queue: Queue, pool: ThreadPoolExecutor) -> None:
        self.queue, self.pool, self.go = queue, pool, Event()
        self.computed: list[str] = []
        self.held = self.asked("first", lambda report, cancelled: self.go.wait(WAIT))
        until(lambda: self.queue._current is not None)

    def asked(self, about: str, work: Callable[..., object] | None = None, parts=NOTHING, **how: object) -> Future:
        """Ask in a thread of its own, and wait until the question stands in the line (or was refused)."""
        found = self.pool.submit(self.queue.ask, about, parts, work or self._noting(about), **how)
        until(lambda: about in self.known() or found.done())
        return found

    def _noting(self, about: str) -> Callable[..., None]:
        return lambda report, cancelled: self.computed.append(about)

    def known(self) -> list[object]:
        """What the questions in the line, and the one that is computed, are about."""
        return [job.about for job in (*self.queue._waiting, self.queue._current) if job is not None]


@pytest.fixture
def room() -> Iterator[Room]:
    with ThreadPoolExecutor(40) as pool:
        room = Room(Queue(longest=5), pool)
        yield room
        room.go.set()


def test_one_worker_computes_in_the_order_of_asking(room: Room) -> None:
    threads: set[str] = set()
    asked = [room.asked(name, lambda report, cancelled: threads.add(current_thread().name)) for name in "abc"]
    room.go.set()
    for found in asked:
        found.result(WAIT)
    assert threads == {"questions"}


def test_readers_go_before_what_can_wait(room: Room) -> None:
    asked = [room.asked("verdict", behind=True), room.asked("reader"), room.asked("another reader")]
    room.go.set()
    for found in asked:
        found.result(WAIT)
    assert room.computed == ["reader", "another reader", "verdict"]


def test_what_can_wait_is_a_reader_s_question_once_a_reader_asks_it_too(room: Room) -> None:
    asked = [room.asked("verdict", behind=True), room.asked("both", behind=True), room.asked("reader")]
    asked.append(room.asked("both"))
    until(lambda: not room.queue._waiting[1].behind)
    room.go.set()
    for found in asked:
        found.result(WAIT)
    assert room.computed == ["both", "reader", "verdict"]


def test_a_later_question_about_a_text_goes_before_texts_that_came_after_it(room: Room) -> None:
    one = room.asked("text", parts=frozenset("a"))
    other = room.asked("other text")
    later = room.asked("text", lambda *_: room.computed.append("text again"), frozenset("b"))
    until(lambda: room.queue.length == 3)
    room.go.set()
    for found in (one, other, later):
        found.result(WAIT)
    assert room.computed == ["text", "text again", "other text"]


def test_an_old_text_has_a_head_start_and_no_more(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(queue, "monotonic", lambda: now)
    old = room.queue._since("old")
    now += 10 * queue.HEAD_START
    assert room.queue._since("new") == now
    assert old < room.queue._since("old") == now - queue.HEAD_START
    for i in range(2 * queue.REMEMBERED):
        room.queue._since(i)
    assert len(room.queue._first) == queue.REMEMBERED


def test_a_full_line_refuses_readers_with_a_sentence_and_lets_in_what_goes_behind(room: Room) -> None:
    for name in "abcde":
        room.asked(name)
    with pytest.raises(Refused, match="5 questions wait"):
        room.asked("f").result(WAIT)
    room.asked("a")
    room.asked("verdict", behind=True)
    assert room.queue.length == 6


def test_equal_questions_are_computed_once(room: Room) -> None:
    asked = [room.asked("same") for _ in range(30)]
    until(lambda: [job.askers for job in room.queue._waiting] == [30])
    room.go.set()
    for found in asked:
        found.result(WAIT)
    assert room.computed == ["same"]


def test_a_part_of_a_question_in_the_line_is_answered_with_it(room: Room) -> None:
    asked = [
        room.asked("text", lambda *_: "both", frozenset("ab")),
        room.asked("text", lambda *_: "one", frozenset("a")),
    ]
    asked.append(room.asked("text", lambda *_: "more", frozenset("abc")))
    until(lambda: room.queue.length == 2)
    room.go.set()
    assert [found.result(WAIT) for found in asked] == ["both", "both", "more"]


def test_who_waits_is_told_the_place(room: Room) -> None:
    told: list[Progress] = []
    room.asked("a")
    found = room.asked("b", watch=told.append)
    until(lambda: bool(told))
    assert isinstance(told[0], Place)
    assert (told[0].place, told[0].length) == (2, 2)
    assert told[0].says == "waiting: place 2 of 2"
    room.go.set()
    found.result(WAIT)


def test_who_is_computed_for_is_told_so(room: Room) -> None:
    told: list[Progress] = []
    found = room.asked("first", watch=told.append)
    until(lambda: bool(told))
    assert told[0].says == "computing"
    room.go.set()
    found.result(WAIT)


def test_who_leaves_is_not_computed_for(room: Room) -> None:
    gone = Event()

    def leaves(progress: Progress) -> None:
        if gone.is_set():
            raise SystemExit

    found, stays = room.asked("left", watch=leaves), room.asked("stays")
    gone.set()
    with pytest.raises(SystemExit):
        found.result(WAIT)
    room.go.set()
    stays.result(WAIT)
    assert room.computed == ["stays"]


def test_what_is_computed_for_nobody_is_cancelled_and_asked_anew_by_whoever_comes_next() -> None:
    line, told, gone, stopped = Queue(), [], Event(), Event()

    def long(report: Report, cancelled: Callable[[], bool]) -> None:
        report(Progress("layer", 3, 30))
        until(cancelled)
        stopped.set()
        raise Cancelled

    def leaves(progress: Progress) -> None:
        told.append(progress)
        if gone.is_set():
            raise SystemExit

    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(line.ask, "text", NOTHING, long, watch=leaves)
        until(lambda: Progress("layer", 3, 30) in told)
        gone.set()
        with pytest.raises(SystemExit):
            found.result(WAIT)
    assert line.ask("text", NOTHING, lambda *_: "new") == "new"
    assert stopped.wait(WAIT)


def test_as_long_as_one_asker_stays_the_question_does(room: Room) -> None:
    gone = Event()

    def leaves(progress: Progress) -> None:
        if gone.is_set():
            raise SystemExit

    left, stays = room.asked("same", watch=leaves), room.asked("same")
    until(lambda: [job.askers for job in room.queue._waiting] == [2])
    gone.set()
    with pytest.raises(SystemExit):
        left.result(WAIT)
    room.go.set()
    stays.result(WAIT)
    assert room.computed == ["same"]


def test_an_error_goes_to_all_who_asked_and_the_worker_goes_on(room: Room) -> None:
    def breaks(*given: object) -> None:
        raise ZeroDivisionError

    asked = [room.asked("broken", breaks), room.asked("broken", breaks)]
    room.go.set()
    for found in asked:
        with pytest.raises(ZeroDivisionError):
            found.result(WAIT)
    assert room.queue.ask("after", NOTHING, lambda *_: "fine") == "fine"


def test_the_worker_speaks_the_asker_s_language() -> None:
    with speaking("zh"):
        assert Queue().ask("language", NOTHING, lambda *_: spoken()) == "zh"


def test_nothing_stays_in_the_line(room: Room) -> None:
    room.asked("a")
    room.go.set()
    until(lambda: room.queue.length == 0 and room.queue._current is None)


def test_a_program_that_ends_while_something_is_computed_ends_well() -> None:
    program = """
from threading import Event, Thread
from time import sleep
import torch
from models.queue import Queue

begun = Event()

def work(report, cancelled):
    begun.set()
    for _ in range(20):
        torch.rand(300, 300) @ torch.rand(300, 300)
    sleep(0.2)

queue = Queue()
for about in range(20):
    Thread(target=queue.ask, args=(about, frozenset(), work), daemon=True).start()
begun.wait()
"""
    done = subprocess.run([sys.executable, "-c", program], timeout=60, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")

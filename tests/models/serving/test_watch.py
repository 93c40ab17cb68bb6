"""Nobody waits for ever: what hangs is given up and its worker replaced, and so is a worker that has died."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Lock, Semaphore, get_ident
from typing import Any
from weakref import ref

import pytest

from anatomy.refused import Refused
from models.engine import Cancelled, Progress, Report
from models.serving import job, queue
from models.serving.queue import Queue
from tests.until import WAIT, until

NOTHING: frozenset = frozenset()
Asked = Callable[[], bool]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that takes minutes takes parts of a second."""
    monkeypatch.setattr(queue, "TICK", 0.02)
    monkeypatch.setattr(job, "SILENT", 0.3)
    monkeypatch.setattr(queue, "TO_STOP", 0.1)
    monkeypatch.setattr(queue, "HELD", 0.2)
    monkeypatch.setattr(queue, "HELD_AGAIN", 0.1)


@pytest.fixture
def go() -> Iterator[Event]:
    """Until it is set, whatever hangs does."""
    event = Event()
    yield event
    event.set()


@pytest.fixture
def pool(go: Event) -> Iterator[ThreadPoolExecutor]:
    """Threads that ask; what they wait for goes on when the test has ended."""
    with ThreadPoolExecutor(16) as pool:
        yield pool
        go.set()


def hanging(go: Event) -> Callable[..., str]:
    """Work that neither reports nor looks whether it is wanted."""
    return lambda report, cancelled: "late" if go.wait(WAIT) else "never"


def refused(found: Future) -> str:
    """The sentence of a question that was refused."""
    with pytest.raises(Refused) as said:
        found.result(WAIT)
    return str(said.value)


class Looks:
    """In place of the pauses between the watch's looks: each begins when the test says so, and the last never does."""

    def __init__(self) -> None:
        self.begun, self._next = 0, Semaphore(0)
        self._over = False

    def wait(self, seconds: float) -> bool:
        self.begun += 1
        assert self._next.acquire(timeout=2 * WAIT)
        return self._over

    def look(self) -> None:
        """Have the watch look, and wait until it has."""
        until(lambda: self.begun > 0)
        before = self.begun
        self._next.release()
        until(lambda: self.begun > before)

    def set(self) -> None:
        self._over = True
        self._next.release()


def test_between_two_looks_the_watch_holds_no_answer_that_its_asker_holds_no_more(go, pool) -> None:
    class Weights:
        """Something large."""

    line, looks = Queue(), Looks()
    line._ended = looks  # pyright: ignore[reportAttributeAccessIssue]

    def work(report: Report, cancelled: Asked) -> Weights:
        assert go.wait(WAIT)
        return Weights()

    found = pool.submit(line.ask, "weights", NOTHING, work)
    until(lambda: line._current is not None)
    looks.look()
    go.set()
    weights = ref(found.result(WAIT))
    del found
    until(lambda: weights() is None)
    looks.set()


def test_a_question_that_hangs_is_answered_by_a_sentence_and_the_next_one_computed(go, pool, caplog) -> None:
    line = Queue()
    hangs = pool.submit(line.ask, "hangs", NOTHING, hanging(go))
    behind = pool.submit(line.ask, "behind", NOTHING, lambda *_: "fine")
    assert "no sign of life" in refused(hangs)
    assert behind.result(WAIT) == "fine"
    assert "go.wait(WAIT)" in caplog.text, "the log says where it hangs"
    assert line.counts["given up"] == 1


def test_everybody_who_asks_the_same_is_told(go, pool) -> None:
    line = Queue()
    asked = [pool.submit(line.ask, "hangs", NOTHING, hanging(go)) for _ in range(5)]
    assert {refused(found) for found in asked} == {refused(asked[0])}


def test_what_a_worker_gives_after_it_was_replaced_is_dropped(go, pool) -> None:
    line, done = Queue(), Event()

    def late(report: Report, cancelled: Asked) -> str:
        go.wait(WAIT)
        done.set()
        return "late"

    refused(pool.submit(line.ask, "hangs", NOTHING, late))
    until(lambda: bool(line._hanging))
    (old,) = line._hanging
    slow = Event()
    current = pool.submit(line.ask, "current", NOTHING, lambda report, cancelled: slow.wait(WAIT) and get_ident())
    until(lambda: line._current is not None)
    go.set()
    assert done.wait(WAIT)
    old.join(WAIT)
    assert not old.is_alive(), "it does not take the line again"
    slow.set()
    assert current.result(WAIT) not in (old.ident, None)


def test_who_reports_is_not_given_up_however_long_it_takes(pool) -> None:
    def slow(report: Report, cancelled: Asked) -> str:
        for step in range(12):
            report(Progress("layer", step, 12))
            assert not Event().wait(0.06)
        return "done"

    assert Queue().ask("slow", NOTHING, slow) == "done"


def test_a_question_may_be_silent_for_as_long_as_all_of_it_is_said_to_take(pool) -> None:
    line = Queue()
    honest = pool.submit(line.ask, "long", NOTHING, lambda *_: Event().wait(0.7), expected=lambda: 30.0)
    assert honest.result(WAIT) is False


def test_an_estimate_that_fails_does_not_keep_a_question_that_hangs(go, pool) -> None:
    assert "no sign of life" in refused(pool.submit(Queue().ask, "hangs", NOTHING, hanging(go), expected=lambda: 1 / 0))


def test_a_program_that_was_halted_has_not_hung(monkeypatch, pool) -> None:
    """An hour passes between two looks: it counts as two of them."""
    line, begun, go = Queue(), Event(), Event()
    found = pool.submit(line.ask, "text", NOTHING, lambda *_: begun.set() or go.wait(WAIT))
    assert begun.wait(WAIT)
    until(lambda: line._current is not None and line._current.silent > 0)
    clock = queue.monotonic
    monkeypatch.setattr(queue, "monotonic", lambda: clock() + 3600)
    looked_at = line._current
    assert looked_at is not None
    before = looked_at.silent
    until(lambda: looked_at.silent > before)
    assert looked_at.silent < job.SILENT
    go.set()
    assert found.result(WAIT)


def test_who_stops_when_it_is_told_to_keeps_its_worker(pool) -> None:
    line = Queue()

    def stops(report: Report, cancelled: Asked) -> None:
        until(cancelled)
        raise Cancelled

    first = line.ask("who", NOTHING, lambda *_: get_ident())
    assert "no sign of life" in refused(pool.submit(line.ask, "silent", NOTHING, stops))
    assert line.ask("who now", NOTHING, lambda *_: get_ident()) == first
    assert not line._hanging


def test_what_waits_for_the_one_that_hangs_is_told_so_and_goes_on_once_it_has_ended(go, pool, caplog) -> None:
    """As engines do that compute one after the other, whoever asks."""
    line, turn = Queue(), Lock()

    def holds(report: Report, cancelled: Asked) -> None:
        with turn:
            go.wait(WAIT)

    def waits(report: Report, cancelled: Asked) -> str:
        while not turn.acquire(timeout=0.01):
            if cancelled():
                raise Cancelled
        turn.release()
        return "fine"

    assert "no sign of life" in refused(pool.submit(line.ask, "holds", NOTHING, holds))
    behind = [pool.submit(line.ask, f"behind {i}", NOTHING, waits) for i in range(4)]
    for found in behind:
        assert "still hangs at an earlier question" in refused(found)
    assert caplog.text.count("go.wait(WAIT)") == 1
    assert caplog.text.count("one before it hangs") == 4
    assert len(line._hanging) == 1, "whoever only waits stops when it is told to"
    go.set()
    until(lambda: not line._alive_and_hanging())
    assert line.ask("after", NOTHING, waits) == "fine"


def test_where_too_many_hang_nothing_more_is_begun_until_one_of_them_ends(go, pool) -> None:
    line = Queue()
    for i in range(queue.MOST_HANGING):
        assert "no sign of life" in refused(pool.submit(line.ask, f"hangs {i}", NOTHING, hanging_told(go)))
    until(line._full_of_hanging)
    with pytest.raises(Refused, match="still hangs"):
        line.ask("one more", NOTHING, lambda *_: "fine")
    go.set()
    until(lambda: not line._alive_and_hanging())
    assert line.ask("again", NOTHING, lambda *_: "fine") == "fine"


def hanging_told(go: Event) -> Callable[..., None]:
    """Work that reports once, then hangs."""

    def work(report: Report, cancelled: Asked) -> None:
        report(Progress("layer", 0, 12))
        go.wait(WAIT)

    return work


def test_those_in_the_line_are_told_when_the_last_worker_hangs(go, pool, monkeypatch) -> None:
    monkeypatch.setattr(queue, "MOST_HANGING", 1)
    line = Queue()
    hangs = pool.submit(line.ask, "hangs", NOTHING, hanging_told(go))
    until(lambda: line._current is not None)
    behind = [pool.submit(line.ask, f"behind {i}", NOTHING, lambda *_: "fine") for i in range(3)]
    assert "no sign of life" in refused(hangs)
    assert all("still hangs" in refused(found) for found in behind)
    assert line.length == 0


def test_a_worker_that_died_is_replaced_and_its_question_answered_by_a_sentence(pool, monkeypatch, caplog) -> None:
    class Dies(BaseException):
        """What nothing in the worker expects."""

    line, done = Queue(), [Dies]
    plain = line._done

    def dies(*given: Any) -> bool:
        if done:
            raise done.pop()
        return plain(*given)

    monkeypatch.setattr(line, "_done", dies)
    monkeypatch.setattr("threading.excepthook", lambda given: None)
    first = pool.submit(line.ask, "first", NOTHING, lambda *_: "computed, and lost")
    until(lambda: not done)
    behind = pool.submit(line.ask, "behind", NOTHING, lambda *_: "fine")
    assert "was started again" in refused(first)
    assert behind.result(WAIT) == "fine"
    assert "the worker died" in caplog.text


def test_whoever_asks_next_finds_a_worker_that_died_before_the_watch_does(pool, monkeypatch) -> None:
    monkeypatch.setattr(queue, "TICK", 60.0)
    monkeypatch.setattr("threading.excepthook", lambda given: None)
    line = Queue()
    with monkeypatch.context() as patch:
        patch.setattr(line, "_done", lambda *given: 1 / 0)
        lost = pool.submit(line.ask, "lost", NOTHING, lambda *_: None)
        until(lambda: line._current is not None and line._worker is not None and not line._worker.is_alive())
    assert line.ask("next", NOTHING, lambda *_: "fine") == "fine"
    assert "was started again" in refused(lost)


def test_the_watch_ends_where_there_is_nothing_to_look_after_and_comes_back(pool) -> None:
    line = Queue()
    line.ask("one", NOTHING, lambda *_: None)
    until(lambda: line._watch is None)
    line.ask("another", NOTHING, lambda *_: None)
    assert line._watch is not None or line._current is None


def test_the_end_of_the_program_does_not_wait_for_what_hangs(go, pool, monkeypatch) -> None:
    monkeypatch.setattr(queue, "ENDING", 0.05)
    line = Queue()
    hangs = pool.submit(line.ask, "hangs", NOTHING, hanging(go))
    until(lambda: line._current is not None)
    line.close()
    assert line._worker is not None
    assert line._worker.is_alive()
    go.set()
    hangs.result(WAIT)

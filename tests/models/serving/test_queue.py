"""The queue: one worker, an order, a bound; equal questions are one, and who leaves is not computed for."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, get_ident
from typing import Any

import pytest

from anatomy.language import get_locale, use_locale
from anatomy.refused import Refused
from models.engine import Cancelled, Progress, Report
from models.serving import queue
from models.serving.job import Turn
from models.serving.queue import Place, Queue
from tests.until import WAIT, until

NOTHING: frozenset = frozenset()
MORE = (Turn.READER_MORE,)


class Room:
    """A queue whose worker is held up until `go` is set, and threads that ask it."""

    def __init__(self, queue: Queue, pool: ThreadPoolExecutor) -> None:
        self.queue, self.pool, self.go = queue, pool, Event()
        self.computed: list[str] = []
        self.held = self.asked("first", lambda report, cancelled: self.go.wait(WAIT))
        until(lambda: self.queue._current is not None)

    def asked(self, about: str, work: Callable[..., object] | None = None, parts=NOTHING, **how: Any) -> Future:
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
    done: list[tuple[str, int]] = []

    def work(name: str) -> Callable[..., None]:
        return lambda report, cancelled: done.append((name, get_ident()))

    asked = [room.asked(name, work(name)) for name in "abc"]
    room.go.set()
    for found in asked:
        found.result(WAIT)
    assert [name for name, _thread in done] == ["a", "b", "c"]
    assert len({thread for _name, thread in done}) == 1


def test_readers_go_before_what_can_wait(room: Room) -> None:
    asked = [room.asked("verdict", background=True), room.asked("reader"), room.asked("another reader")]
    room.go.set()
    for found in asked:
        found.result(WAIT)
    assert room.computed == ["reader", "another reader", "verdict"]


def test_what_can_wait_is_a_reader_s_question_once_a_reader_asks_it_too(room: Room) -> None:
    asked = [room.asked("verdict", background=True), room.asked("both", background=True), room.asked("reader")]
    asked.append(room.asked("both"))
    until(lambda: room.queue._waiting[1].turn == 0)
    room.go.set()
    for found in asked:
        found.result(WAIT)
    assert room.computed == ["both", "reader", "verdict"]


def test_what_fills_in_a_figure_goes_behind_readers_and_before_what_can_wait(room: Room) -> None:
    asked = [room.asked("verdict", background=True), room.asked("more of a figure", later=True), room.asked("reader")]
    asked += [room.asked("another figure", background=True), room.asked("another figure", later=True)]
    until(lambda: [job.turn for job in room.queue._waiting] == [Turn.NOBODY, *MORE, Turn.READER, *MORE])
    room.go.set()
    for found in asked:
        found.result(WAIT)
    assert room.computed == ["reader", "more of a figure", "another figure", "verdict"]


def test_questions_about_variants_go_behind_all_that_readers_see_of_other_models(room: Room) -> None:
    asked = [
        room.asked("verdict", background=True),
        room.asked("more of a variant", later=True, variant=True),
        room.asked("verdict on a variant", background=True, variant=True),
        room.asked("variant", variant=True),
        room.asked("more of a figure", later=True),
        room.asked("reader"),
    ]
    room.go.set()
    for found in asked:
        found.result(WAIT)
    first = ["reader", "more of a figure", "variant", "more of a variant"]
    assert room.computed == [*first, "verdict", "verdict on a variant"]


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
    room.asked("verdict", background=True)
    room.asked("more of a figure", later=True)
    assert room.queue.length == 7


def test_readers_of_variants_are_refused_by_a_full_line_and_do_not_fill_it_for_others(room: Room) -> None:
    for name in "abc":
        room.asked(name, variant=True)
    room.asked("d")
    room.asked("e")
    with pytest.raises(Refused, match="5 questions wait"):
        room.asked("f", variant=True).result(WAIT)
    for name in "ghi":
        room.asked(name)
    with pytest.raises(Refused, match="5 questions wait"):
        room.asked("j").result(WAIT)
    room.asked("more of a variant", later=True, variant=True)
    assert room.queue.length == 9
    assert room.queue.counts["refused"] == 2


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
    with use_locale("zh"):
        assert Queue().ask("language", NOTHING, lambda *_: get_locale()) == "zh"


def test_nothing_stays_in_the_line(room: Room) -> None:
    room.asked("a")
    room.go.set()
    until(lambda: room.queue.length == 0 and room.queue._current is None)


def test_a_program_that_ends_while_something_is_computed_ends_well() -> None:
    program = """
from threading import Event, Thread
from time import sleep
import torch
from models.serving.queue import Queue

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


def test_who_is_far_back_is_told_its_place_less_often(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float | None] = []
    waited = queue.until_done
    monkeypatch.setattr(queue, "until_done", lambda jobs, pause: pauses.append(pause) or waited(jobs, 0.001))
    monkeypatch.setattr(queue, "SELDOM", 3 * queue.EVERY)
    for about, pause in (("a", queue.EVERY), ("b", 2 * queue.EVERY), ("c", queue.SELDOM), ("d", queue.SELDOM)):
        pauses.clear()
        room.asked(about, watch=lambda progress: None)
        until(lambda pause=pause: pause in pauses)
        pauses.clear()


def test_what_nobody_sits_waiting_for_is_put_off_for_a_reader_and_then_computed() -> None:
    line, begun, order = Queue(), Event(), []

    def verdict(report: Report, cancelled: Callable[[], bool]) -> str:
        if not begun.is_set():
            begun.set()
            until(cancelled)
            raise Cancelled
        order.append("verdict")
        return "known"

    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(line.ask, "text", NOTHING, verdict, background=True)
        assert begun.wait(WAIT)
        line.ask("other text", NOTHING, lambda *_: order.append("reader"))
        assert found.result(WAIT) == "known"
    assert order == ["reader", "verdict"]
    assert line.counts["put off in the background"] == 1


def test_what_nobody_sits_waiting_for_is_put_off_for_a_reader_of_a_variant_too() -> None:
    line, begun = Queue(), Event()

    def verdict(report: Report, cancelled: Callable[[], bool]) -> None:
        if not begun.is_set():
            begun.set()
            until(cancelled)
            raise Cancelled

    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(line.ask, "text", NOTHING, verdict, background=True)
        assert begun.wait(WAIT)
        line.ask("other text", NOTHING, lambda *_: None, variant=True)
        found.result(WAIT)
    assert line.counts["put off in the background"] == 1


def test_what_was_put_off_is_safe_from_readers_for_longer_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(queue, "monotonic", lambda: now)
    line = Queue()
    verdict = queue.Job("text", NOTHING, lambda *_: None, Turn.NOBODY, 0.0)
    line._waiting.append(queue.Job("other text", NOTHING, lambda *_: None, Turn.READER, 0.0))
    safe = []
    for _time in range(4):
        verdict.begun, verdict.gave_way = now, False
        while not line._gives_way(verdict):
            now += 0.01
        safe.append(now - verdict.begun)
        assert line._put_off(verdict, Cancelled())
        line._waiting.remove(verdict)
    assert safe == pytest.approx([0, queue.SLICE, 2 * queue.SLICE, 4 * queue.SLICE], abs=0.011)


def test_a_reader_s_question_is_not_put_off_and_its_error_reaches_it(room: Room) -> None:
    def gives_up(report: Report, cancelled: Callable[[], bool]) -> None:
        assert not cancelled()
        raise Cancelled

    asked, _other = room.asked("text", gives_up), room.asked("other text")
    room.go.set()
    with pytest.raises(Cancelled):
        asked.result(WAIT)


def test_what_happened_to_the_questions_is_counted(room: Room) -> None:
    gone = Event()

    def leaves(progress: Progress) -> None:
        if gone.is_set():
            raise SystemExit

    asked = [room.asked("same"), room.pool.submit(room.queue.ask, "same", NOTHING, lambda *_: None)]
    left = room.asked("left", watch=leaves)
    until(lambda: [job.askers for job in room.queue._waiting] == [2, 1])
    gone.set()
    with pytest.raises(SystemExit):
        left.result(WAIT)
    asked += [room.asked(about) for about in "abcd"]
    with pytest.raises(Refused):
        room.asked("e").result(WAIT)
    room.go.set()
    for found in asked:
        found.result(WAIT)
    room.asked("verdict", background=True).result(WAIT)
    counted = {"asked": 9, "shared": 1, "left": 1, "refused": 1, "computed": 6}
    assert room.queue.counts == counted | {"asked in the background": 1, "computed in the background": 1}
    assert queue.counted()["computed"] >= 6


def test_the_worker_gets_the_interpreter_back_soon() -> None:
    Queue().ask("anything", NOTHING, lambda *_: None)
    assert sys.getswitchinterval() == pytest.approx(queue.SWITCH)

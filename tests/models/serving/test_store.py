"""The store: what it has it does not ask for, equal questions at once are one question, and locks do not pile up."""

import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Lock

import numpy as np
import pytest

from anatomy.alignment import Alignment, identity
from anatomy.parting import Parting
from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from models.engine import Estimate, Progress
from models.serving import store as serving
from models.serving.queue import Place, Queue
from models.serving.store import Store, share
from tests.models.tiny import tiny_engine
from tests.until import until


class Counting:
    """An engine that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[Want, ...]]] = []
        self._lock = Lock()

    def specs(self) -> tuple[ModelSpec, ...]:
        return tiny_engine().specs()

    def run(self, run: Run, wants: Iterable[Want] = (), **how: object) -> Trace:
        asked = tuple(wants)
        with self._lock:
            self.asked.append((run.text, asked))
        return tiny_engine().run(run, asked, **how)


RUN = Run(tiny_engine().spec.id, "some words")
PATTERN, ENTROPY, NEXT = Want("pattern", 1), Want("entropy"), Want("next_ids")


@pytest.fixture
def engine() -> Counting:
    return Counting()


@pytest.fixture
def store(engine: Counting) -> Store:
    return Store(engine, 1 << 20)


def test_an_answer_equals_the_engines(store: Store) -> None:
    trace, expected = store.get(RUN, [PATTERN, NEXT]), tiny_engine().run(RUN, [PATTERN, NEXT])
    assert (trace.run, trace.spec, trace.tokens, trace.names) == (RUN, expected.spec, expected.tokens, expected.names)
    for want in (PATTERN, NEXT):
        np.testing.assert_array_equal(trace[want], expected[want])


def test_an_answer_has_what_was_asked_for_and_no_more(store: Store) -> None:
    store.get(RUN, [PATTERN, ENTROPY, NEXT])
    for wants in ([ENTROPY], [NEXT, PATTERN]):
        assert list(store.get(RUN, wants).arrays) == wants
        assert list(store.held(RUN, wants).arrays) == wants
    assert store.get(RUN).arrays == {}


def test_what_an_engine_gives_beyond_the_question_is_not_passed_on() -> None:
    class Generous(Counting):
        def run(self, run: Run, wants: Iterable[Want] = (), **how: object) -> Trace:
            asked = tuple(wants)
            return super().run(run, (*asked, NEXT) if asked else (), **how)

    answer = Store(Generous(), 1 << 20).get(RUN, [ENTROPY])
    assert list(answer.arrays) == [ENTROPY]
    assert answer.names == {}


def test_only_what_is_missing_is_asked_for(store: Store, engine: Counting) -> None:
    store.get(RUN, [PATTERN])
    trace = store.get(RUN, [ENTROPY, PATTERN])
    store.get(RUN, [PATTERN, ENTROPY])
    assert [wants for _, wants in engine.asked] == [(PATTERN,), (ENTROPY,)]
    assert set(trace.arrays) == {PATTERN, ENTROPY}


def test_tokens_are_asked_for_once(store: Store, engine: Counting) -> None:
    assert len(store.get(RUN).tokens) == len(store.get(RUN).tokens) == 10
    assert len(engine.asked) == 1


def test_a_position_of_what_is_held_is_not_asked_for(store: Store, engine: Counting) -> None:
    whole = store.get(RUN, [NEXT])
    one = store.get(RUN, [Want("next_ids", pos=3)])
    np.testing.assert_array_equal(one[Want("next_ids", pos=3)], whole[NEXT][3])
    assert len(engine.asked) == 1


def test_a_trace_names_the_ids_of_its_own_arrays_and_no_others(store: Store) -> None:
    store.get(RUN, [Want("near_ids"), NEXT])
    assert set(store.get(RUN, [Want("next_ids", pos=0)]).names) == set(store.get(RUN, [NEXT])[NEXT][0].tolist())
    assert store.get(RUN, [PATTERN]).names == {}


def test_an_answer_comes_whole_even_when_the_budget_holds_none_of_it(engine: Counting) -> None:
    store = Store(engine, 0)
    assert store.get(RUN, [PATTERN, ENTROPY])[PATTERN].shape == (4, 10, 10)
    assert store.nbytes == 0
    store.get(RUN, [PATTERN])
    assert len(engine.asked) == 2


def test_the_budget_holds(engine: Counting) -> None:
    store = Store(engine, 10_000)
    for number in range(30):
        store.get(RUN.on(f"text {number}"), [PATTERN, Want("resid_pre", 0)])
        assert store.nbytes <= 10_000
    assert store.nbytes > 5_000


def test_equal_questions_at_the_same_time_are_computed_once(store: Store, engine: Counting) -> None:
    start = Barrier(16)

    def ask(_: int) -> np.ndarray:
        start.wait()
        return store.get(RUN, [PATTERN, ENTROPY])[PATTERN]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(16)))
    assert len(engine.asked) == 1
    assert all(np.array_equal(answer, answers[0]) for answer in answers)


def test_different_questions_about_one_run_compute_each_array_once(store: Store, engine: Counting) -> None:
    start = Barrier(12)
    wants = [Want("pattern", layer) for layer in range(3)]

    def ask(number: int) -> Trace:
        start.wait()
        return store.get(RUN, [wants[number % 3], wants[(number + 1) % 3]])

    with ThreadPoolExecutor(12) as pool:
        traces = list(pool.map(ask, range(12)))
    computed = [want for _, asked in engine.asked for want in asked]
    assert sorted(computed, key=Want.sort_key) == wants
    assert all(len(trace.arrays) == 2 for trace in traces)


def test_a_class_that_asks_the_same_is_one_question(store: Store, engine: Counting) -> None:
    start = Barrier(30)

    def ask(number: int) -> Trace:
        start.wait()
        store.get(RUN)
        return store.get(RUN, [PATTERN, NEXT] if number % 2 else [NEXT, PATTERN])

    with ThreadPoolExecutor(30) as pool:
        traces = list(pool.map(ask, range(30)))
    assert [wants for _, wants in engine.asked if not wants] == [()], "the text is cut once"
    assert sorted(want for _, wants in engine.asked for want in wants) == [NEXT, PATTERN]
    assert all(np.array_equal(trace[PATTERN], traces[0][PATTERN]) for trace in traces)


def test_what_is_held_is_given_without_a_question(store: Store, engine: Counting) -> None:
    wants = [Want("lens_ids", pos=pos) for pos in range(4)]
    store.get(RUN, wants[1:3])
    asked = len(engine.asked)
    held = store.held(RUN, wants)
    assert set(held.arrays) == set(wants[1:3])
    assert held.names == store.get(RUN, wants[1:3]).names
    assert len(engine.asked) == asked


def test_of_a_text_that_nobody_asked_about_only_the_tokens_are_given(store: Store, engine: Counting) -> None:
    held = store.held(RUN, [PATTERN])
    assert (len(held.tokens), dict(held.arrays)) == (10, {})
    assert [wants for _, wants in engine.asked] == [()], "it was cut, not run"


def test_a_question_in_parts_gives_what_it_gives_in_one(store: Store) -> None:
    wants = [Want(site, pos=pos) for pos in range(8) for site in ("lens_ids", "lens_logp")]
    for start in range(0, len(wants), 6):
        store.get(RUN, wants[start : start + 6], later=True)
    whole = tiny_engine().run(RUN, wants)
    held = store.held(RUN, wants)
    assert held.names == whole.names
    for want in wants:
        np.testing.assert_allclose(held[want], whole[want], rtol=1e-4, atol=1e-5)


def test_a_refusal_is_passed_on_each_time(store: Store, engine: Counting) -> None:
    for _ in range(2):
        with pytest.raises(Refused, match="no text to run"):
            store.get(RUN.on(""))
        with pytest.raises(Refused, match="no text to run"):
            store.get(RUN.on(""), [PATTERN])
    assert len(engine.asked) == 4


def test_tokens_do_not_wait_for_what_is_being_computed(engine: Counting) -> None:
    queue, go = Queue(), Event()
    store = Store(engine, 1 << 20, queue)
    with ThreadPoolExecutor(2) as pool:
        pool.submit(queue.ask, "something long", frozenset(), lambda report, cancelled: go.wait(20))
        waits = pool.submit(store.get, RUN, [PATTERN])
        assert len(store.get(RUN).tokens) == 10
        assert not waits.done()
        go.set()
        assert waits.result(20)[PATTERN].shape == (4, 10, 10)


def test_who_waits_for_a_token_to_be_drawn_is_told_and_leaves_the_line_when_it_goes(engine: Counting) -> None:
    class Gone(BaseException):
        """As a session ends whose tab was closed."""

    def leaves(progress: Progress) -> None:
        told.append(progress)
        if gone.is_set():
            raise Gone

    queue, go, gone, told = Queue(), Event(), Event(), []
    store = Store(engine, 1 << 20, queue)
    with ThreadPoolExecutor(2) as pool:
        held = pool.submit(queue.ask, "something long", frozenset(), lambda report, cancelled: go.wait(20))
        until(lambda: queue._current is not None)
        waits = pool.submit(store.extend, RUN, watch=leaves)
        until(lambda: isinstance(told[-1:] and told[-1], Place))
        gone.set()
        assert isinstance(waits.exception(20), Gone)
        assert queue.length == 0
        go.set()
        assert held.result(20)


def test_a_text_does_not_wait_for_ever_for_another_that_is_being_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Counting):
        def run(self, run: Run, wants: Iterable[Want] = (), **how: object) -> Trace:
            if run.text == "slow":
                begun.set()
                go.wait(20)
            return super().run(run, wants, **how)

    monkeypatch.setattr(serving, "LONGEST_CUT", 0.05)
    begun, go, store, held = Event(), Event(), Store(Slow(), 1 << 20), RUN.on("held")
    store.get(held)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(store.get, RUN.on("slow"))
        assert begun.wait(20)
        with pytest.raises(Refused, match="Another text has been in the tokenizer"):
            store.get(RUN)
        assert len(store.get(held).tokens) == 4, "a text that is here waits for nobody"
        go.set()
        assert len(slow.result(20).tokens) == 4
    assert len(store.get(RUN).tokens) == 10


def test_stores_that_share_a_queue_compute_one_after_the_other() -> None:
    busy, most, lock, queue = set(), [], Lock(), Queue()

    class Slow(Counting):
        def run(self, run: Run, wants: Iterable[Want] = (), **how: object) -> Trace:
            with lock:
                busy.add(run)
                most.append(len(busy))
            trace = super().run(run, wants, **how)
            with lock:
                busy.remove(run)
            return trace

    stores = [Store(Slow(), 0, queue) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: stores[i % 2].get(RUN.on(f"text {i}"), [ENTROPY]), range(16)))
    assert most == [1] * 16


def test_a_refused_want_does_not_spoil_the_others(store: Store) -> None:
    with pytest.raises(Refused):
        store.get(RUN, [PATTERN, Want("pos_embed")])
    assert store.get(RUN, [PATTERN])[PATTERN].shape == (4, 10, 10)


def test_the_store_does_not_need_torch() -> None:
    import subprocess

    program = (
        "import sys, models.serving.store, models.serving.recorded\n"
        "assert 'torch' not in sys.modules, 'torch is loaded'"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_models_of_a_program_share_its_memory_for_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGELIGHT_MEMORY", "1000 MB")
    assert share(1) == 100 << 20
    assert share(2) == 50 << 20


# two runs


class Parted(Counting):
    """Notes too how often it compares."""

    def __init__(self) -> None:
        super().__init__()
        self.compared = 0

    def parting(self, run: Run, other: "Parted", other_run: Run, alignment: Alignment, **how: object) -> Parting:
        self.compared += 1
        return tiny_engine().parting(run, tiny_engine(), other_run, alignment, **how)

    def parting_estimate(self, run: Run, other: "Parted", other_run: Run) -> Estimate:
        return tiny_engine().parting_estimate(run, tiny_engine(), other_run)


OTHER_RUN = RUN.on("some birds")
PAIRED = identity(10)


def test_two_runs_are_compared_once_whatever_is_watched() -> None:
    engine = Parted()
    store, other = Store(engine, 1 << 20), Store(engine, 1 << 20)
    last = store.parting(RUN, other, OTHER_RUN, PAIRED)
    third = store.parting(RUN, other, OTHER_RUN, PAIRED, at=(2, 3))
    assert (last.at, third.at) == ((9, 9), (2, 3))
    assert engine.compared == 1
    assert store.holds_parting(RUN, OTHER_RUN, PAIRED)
    plain = tiny_engine().parting(RUN, tiny_engine(), OTHER_RUN, PAIRED)
    for found in (last, third):
        np.testing.assert_array_equal(found.kl, plain.kl)
        np.testing.assert_array_equal(found.distance, plain.distance)
    logits = store.get(RUN, [Want("logits", pos=2)])[Want("logits", pos=2)]
    assert third.watched[0].id == logits.argmax()
    best_b = other.get(OTHER_RUN, [Want("next_ids", pos=3)])[Want("next_ids", pos=3)]
    assert [token.rank_b for token in third.watched if token.id == best_b[0]] == [1]


def test_another_alignment_or_the_other_way_round_is_another_question() -> None:
    engine = Parted()
    store = Store(engine, 1 << 20)
    forth = store.parting(RUN, store, OTHER_RUN, PAIRED)
    back = store.parting(OTHER_RUN, store, RUN, PAIRED)
    some = Alignment((*((i, i) for i in range(9)), (9, None), (None, 9)), (True,) * 11)
    assert len(store.parting(RUN, store, OTHER_RUN, some).pairs) == 9
    assert engine.compared == 3
    np.testing.assert_array_equal(forth.kl, back.kl_back)


def test_two_readers_who_compare_the_same_share_the_work() -> None:
    class Slow(Parted):
        def parting(self, *asked: object, **how: object) -> Parting:
            begun.set()
            go.wait(20)
            return super().parting(*asked, **how)

    begun, go, engine, queue = Event(), Event(), Slow(), Queue()
    store, places = Store(engine, 1 << 20, queue), []
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(store.parting, RUN, store, OTHER_RUN, PAIRED, watch=places.append) for _ in range(2)]
        begun.wait(20)
        until(lambda: queue.counts["shared"] == 1)
        go.set()
        first, second = (each.result(20) for each in asked)
    assert engine.compared == 1
    np.testing.assert_array_equal(first.kl, second.kl)


def test_a_model_without_a_head_is_compared_and_nothing_is_watched_of_it() -> None:
    encoder, store = Store(tiny_engine("t5"), 1 << 20), Store(tiny_engine(), 1 << 20)
    run = Run(tiny_engine("t5").spec.id, RUN.text)
    found = encoder.parting(run, store, RUN, identity(10))
    assert found.predicts == (False, True)
    assert [(token.rank_a, token.rank_b) for token in found.watched] == [(None, rank) for rank in range(1, 6)]


def test_what_a_comparison_would_cost_is_the_engines_estimate() -> None:
    store = Store(tiny_engine(), 1 << 20)
    assert store.parting_estimate(RUN, store, OTHER_RUN).tokens == 10


def test_an_error_while_two_runs_are_compared_is_a_refusal_for_readers() -> None:
    class Broken(Parted):
        def parting(self, *asked: object, **how: object) -> Parting:
            raise RuntimeError("broken")

    store = Store(Broken(), 1 << 20, to_readers=True)
    with pytest.raises(Refused, match=r"an error of the program \(RuntimeError\)"):
        store.parting(RUN, store, OTHER_RUN, PAIRED)
    assert not store.holds_parting(RUN, OTHER_RUN, PAIRED)

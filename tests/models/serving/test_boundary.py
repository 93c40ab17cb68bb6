"""What an engine raises beside its refusals: a sentence for whoever asked, the traceback once in the log, and the next
question is answered."""

import gc
import logging
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from anatomy.refused import Refused, TooLong
from anatomy.request import Run, Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from models.engine import Cancelled, Estimate
from models.serving import boundary
from models.serving.boundary import answering, short_of_memory
from models.serving.queue import Queue
from models.serving.store import Store
from tests.models.tiny import tiny_engine
from tests.until import WAIT

RUN = Run(tiny_engine().spec.id, "some words")
ENTROPY = Want("entropy")


@pytest.fixture(autouse=True)
def all_new() -> None:
    """No error was written down before."""
    boundary.forget()


class PanicException(BaseException):
    """As a library raises it that is written in Rust: it is no `Exception`."""


class Breaking:
    """An engine that raises what it is told to where a text says so, and answers every other."""

    def __init__(self, error: Callable[[], BaseException]) -> None:
        self.error = error

    def specs(self) -> tuple[ModelSpec, ...]:
        return tiny_engine().specs()

    def run(self, run: Run, wants: Iterable[Want] = (), **how: object) -> Trace:
        asked = tuple(wants)
        if run.text == ("broken" if asked else "cannot be cut"):
            raise self.error()
        return tiny_engine().run(run, asked)

    def on_ids(self, ids: Sequence[int]) -> Run:
        raise self.error()

    def again(self) -> "Breaking":
        return self

    def estimate(self, run: Run, wants: Iterable[Want] = ()) -> Estimate:
        if run.text == "cannot be estimated":
            raise self.error()
        return Estimate(1, 1, 1.0)

    def extend(self, run: Run, *given: object, **how: object) -> Run:
        raise self.error()


ERRORS: dict[str, tuple[Callable[[], BaseException], str]] = {
    "a mistake": (lambda: ValueError("mistake"), r"error of the program \(ValueError\)"),
    "a look-up": (lambda: KeyError("x"), r"\(KeyError\)"),
    "too deep": (lambda: RecursionError("maximum recursion depth exceeded"), r"\(RecursionError\)"),
    "a panic": (lambda: PanicException("index out of bounds"), r"\(PanicException\)"),
    "an exit": (lambda: SystemExit(3), r"\(SystemExit\)"),
    "no memory": (MemoryError, r"not enough memory for this \(MemoryError\).*STAGELIGHT_MEMORY"),
    "none for torch": (
        lambda: RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
        ),
        r"not enough memory for this \(RuntimeError\)",
    ),
    "none on a device": (lambda: RuntimeError("CUDA out of memory. Tried"), "not enough memory"),
}


@pytest.mark.parametrize("what", ERRORS)
def test_every_question_that_breaks_is_a_sentence_and_the_next_one_is_answered(what: str, caplog) -> None:
    error, says = ERRORS[what]
    store = Store(Breaking(error), 1 << 20, to_readers=True)
    for ask in (
        partial(store.get, RUN.on("broken"), [ENTROPY]),
        partial(store.get, RUN.on("cannot be cut")),
        partial(store.held, RUN.on("cannot be cut"), [ENTROPY]),
        partial(store.estimate, RUN.on("cannot be estimated"), [ENTROPY]),
        partial(store.extend, RUN),
    ):
        caplog.clear()
        boundary.forget()
        with pytest.raises(Refused, match=says):
            ask()
        (said,) = caplog.records
        assert said.exc_info, "the log has the traceback"
    assert store.get(RUN, [ENTROPY])[ENTROPY].shape == (10,)


def test_an_engine_by_itself_raises_as_it_is() -> None:
    with pytest.raises(ValueError, match="no site is called"):
        tiny_engine().run(RUN, [Want("nonsense")])
    with pytest.raises(ValueError, match="no site is called"):
        Store(tiny_engine(), 1 << 20).get(RUN, [Want("nonsense")])
    with pytest.raises(Refused, match="error of the program"):
        Store(tiny_engine(), 1 << 20, to_readers=True).get(RUN, [Want("nonsense")])


def test_all_who_asked_are_told_and_the_log_has_it_once(caplog) -> None:
    store = Store(Breaking(lambda: ValueError("mistake")), 1 << 20, Queue(), to_readers=True)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(store.get, RUN.on("broken"), [ENTROPY]) for _ in range(8)]
        assert all(isinstance(found.exception(WAIT), Refused) for found in asked)
    assert len(caplog.records) == 1


def test_the_same_error_is_written_down_again_after_a_while_and_another_at_once(caplog, monkeypatch) -> None:
    now = 0.0
    monkeypatch.setattr(boundary, "monotonic", lambda: now)

    def breaks(divisor: int) -> float:
        return 1 / divisor if divisor < 1 else [][divisor]

    def asked(divisor: int) -> int:
        with pytest.raises(Refused):
            answering("a model", lambda: breaks(divisor))
        return len(caplog.records)

    assert [asked(0), asked(0), asked(1), asked(1)] == [1, 1, 2, 2]
    now = boundary.AGAIN
    assert [asked(0), asked(0)] == [3, 3]


@pytest.mark.parametrize(
    "passes", [Refused("No."), TooLong("Too long.", 3), Cancelled(), KeyboardInterrupt(), GeneratorExit()]
)
def test_refusals_and_ends_pass_as_they_are(passes: BaseException, caplog) -> None:
    def work() -> None:
        raise passes

    with pytest.raises(type(passes)) as raised:
        answering("a model", work)
    assert raised.value is passes
    assert not caplog.records


def test_a_refusal_keeps_nothing_of_the_run_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = logging.Logger("silent")  # what a test captures of a log keeps tracebacks
    silent.addHandler(logging.NullHandler())
    monkeypatch.setattr(boundary, "_LOG", silent)

    class Large(np.ndarray):
        """An array of which one can see whether it is gone."""

    def breaks() -> None:
        array = np.zeros(10).view(Large)
        gone.append(weakref.ref(array))
        raise ValueError(array.sum())

    gone: list[weakref.ref] = []
    kept = None
    try:
        answering("a model", breaks)
    except Refused as refused:
        kept = refused
    gc.collect()
    assert isinstance(kept, Refused)
    assert gone[0]() is None


def test_what_is_no_lack_of_memory_is_not_called_so() -> None:
    assert not short_of_memory(ValueError("the memory of a model"))
    assert short_of_memory(OSError(12, "Cannot allocate memory"))

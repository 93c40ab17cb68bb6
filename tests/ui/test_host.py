"""Which models a server has, and who answers while one is being loaded."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import monotonic, sleep

import pytest

import panels
from anatomy.request import Run, Want
from anatomy.trace import Trace
from anatomy.view import View
from models.engine import Progress, Refused
from models.queue import Place, Queue
from models.recorded import FIRST_VIEW, NotRecorded, RecordedEngine
from panels import stagemap
from tests.anatomy.spec import SPEC
from tests.ui.conftest import loaded
from ui import host, stage
from ui.host import Loading, Model

RUN = Run(SPEC.id, "text")


class Answers:
    """An engine that answers everything, or refuses."""

    def __init__(self, refusal: Refused | None = None) -> None:
        self.refusal = refusal

    def specs(self):
        return (SPEC,)

    def run(self, run, wants=()):
        if self.refusal is not None:
            raise self.refusal
        return Trace(run, SPEC, (), {})


@pytest.mark.parametrize(
    ("arguments", "variable", "expected"),
    [
        ([], "", ["local:smollm2-135m", "local:minilm-l6"]),
        ([], "minilm-l6, ./my-model", ["local:minilm-l6", "local:./my-model"]),
        (["--model", "minilm-l6"], "other", ["local:minilm-l6"]),
        (["--model=a", "--model", "recorded:b.npz"], "", ["local:a", "recorded:b.npz"]),
        (["-q", "tests"], "", ["local:smollm2-135m", "local:minilm-l6"]),
    ],
)
def test_models_are_named_by_whoever_starts_the_server(arguments, variable, expected):
    assert host.addresses(arguments, variable) == expected


def test_a_model_is_called_in_links_by_the_end_of_its_address():
    assert host.name("local:smollm2-135m") == "smollm2-135m"
    assert host.name("local:models/of mine/tiny/") == "tiny"


def test_the_recording_answers_until_the_model_is_there(monkeypatch):
    arrived = Event()
    live = Answers()
    monkeypatch.setattr(host, "connect", lambda address, report: arrived.wait(5) and live)
    model = Model("local:x", recorded=Answers())
    model.begin()
    assert not model.ready
    assert model.run(RUN).run == RUN
    arrived.set()
    loaded(model)
    assert model.ready
    assert model.failure is None


def test_what_is_not_recorded_waits_for_the_model(monkeypatch):
    model = Model("local:x", recorded=Answers(NotRecorded("not here")))
    with pytest.raises(Loading):
        model.run(RUN, [Want("entropy")])
    monkeypatch.setattr(host, "connect", lambda address, report: Answers())
    loaded(model)
    assert model.run(RUN).run == RUN


def test_without_a_recording_even_the_kind_of_model_is_unknown_at_first():
    with pytest.raises(Loading):
        Model("local:x", recorded=None).spec()


def test_a_model_that_cannot_be_had_says_why_and_the_recording_stays(monkeypatch):
    def refuses(address, report):
        raise Refused("No network: connect once.")

    monkeypatch.setattr(host, "connect", refuses)
    model = Model("local:x", recorded=Answers(NotRecorded("not here")))
    loaded(model)
    assert model.spec() == SPEC
    with pytest.raises(Refused, match="No network"):
        model.run(RUN)


def test_a_mistake_while_loading_is_told_and_does_not_wait_for_ever(monkeypatch, caplog):
    def breaks(address, report):
        raise RuntimeError("mistake")

    monkeypatch.setattr(host, "connect", breaks)
    model = Model("local:x", recorded=None)
    loaded(model)
    with pytest.raises(Refused, match="local:x could not be loaded"):
        model.run(RUN)
    assert "RuntimeError: mistake" in caplog.text


def test_the_recording_holds_all_that_the_first_view_asks_for():
    engine = RecordedEngine(FIRST_VIEW)
    (spec,) = engine.specs()
    run = View().run(spec)
    view = View().fit(spec, engine.run(run).tokens)
    panel = panels.load()[view.panel]
    wants = [*stagemap.needs(spec, view), *stage.needs(spec, view, panel)]
    assert set(engine.run(run, wants).arrays) == set(wants)


def test_progress_is_what_was_reported_last(monkeypatch):
    def connects(address, report):
        report(Progress("fetching", 3, 10))
        return Answers()

    monkeypatch.setattr(host, "connect", connects)
    model = Model("local:x", recorded=None)
    loaded(model)
    assert model.progress == Progress("fetching", 3, 10)


def test_a_session_that_waits_is_told_its_place_and_leaves_the_queue_when_it_is_stopped(monkeypatch):
    class Held(Answers):
        def run(self, run, wants=(), **how):
            begun.set()
            go.wait(20)
            return Trace(run, SPEC, (), {})

    class Stopped(BaseException):
        """What Streamlit raises in a session whose tab was closed, wherever it looks at its state."""

    class State:
        def get(self, name):
            if gone.is_set():
                raise Stopped

    begun, go, gone, queue, told = Event(), Event(), Event(), Queue(), []
    monkeypatch.setattr(host, "connect", lambda address, report: Held())
    monkeypatch.setattr(host, "_in_session", lambda: True)
    monkeypatch.setattr(host.st, "session_state", State())
    model = Model("local:x", None, queue)
    loaded(model)

    def waits():
        with host.watched(lambda progress: (told.append(progress), gone.set())):
            model.run(RUN.on("second"), [Want("entropy")])

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(model.run, RUN, [Want("entropy")])
        begun.wait(20)
        with pytest.raises(Stopped):
            pool.submit(waits).result(20)
        assert isinstance(told[0], Place)
        assert (told[0].place, told[0].length) == (1, 1)
        assert queue.length == 0
        go.set()
        first.exception(20)


def test_verdicts_go_behind_readers(monkeypatch):
    asked = []

    class Noting(Answers):
        def run(self, run, wants=(), **how):
            asked.append(run.text)
            if run.text == "held":
                go.wait(20)
            return super().run(run)

    go, queue = Event(), Queue()
    monkeypatch.setattr(host, "connect", lambda address, report: Noting())
    model = Model("local:x", None, queue)
    loaded(model)
    wants = [Want("entropy")]
    with ThreadPoolExecutor(3) as pool:
        held = pool.submit(model.run, RUN.on("held"), wants)
        until(lambda: asked == ["held"])
        verdict = pool.submit(model.run, RUN.on("verdict"), wants, behind=True)
        until(lambda: queue.length == 1)
        reader = pool.submit(model.run, RUN.on("reader"), wants)
        until(lambda: queue.length == 2)
        go.set()
        for each in (held, verdict, reader):
            each.exception(20)
    assert asked == ["held", "reader", "verdict"]


def until(true):
    end = monotonic() + 20
    while not true():
        assert monotonic() < end, "it did not come to that"
        sleep(0.005)

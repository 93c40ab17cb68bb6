"""Which models a server has, and who answers while one is being loaded."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from streamlit.testing.v1 import AppTest

import panels
from anatomy.alignment import identity
from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.trace import Trace
from anatomy.view import View
from models.engine import Cancelled, Progress
from models.serving.queue import Place, Queue
from models.serving.recorded import FIRST_VIEW, NotRecorded, RecordedEngine
from panels import stagemap
from tests.anatomy.spec import SPEC
from tests.models.tiny import tiny_engine
from tests.ui.conftest import loaded
from tests.until import until
from ui import addresses, continuation, host, hosted, session, withheld
from ui.host import HostedModel, Loading
from ui.withheld import Figures

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
    assert addresses.name("local:smollm2-135m") == "smollm2-135m"
    assert addresses.name("local:models/of mine/tiny/") == "tiny"


def test_the_recording_answers_until_the_model_is_there(monkeypatch):
    arrived = Event()
    live = Answers()
    monkeypatch.setattr(hosted, "connect", lambda address, report: arrived.wait(5) and live)
    model = HostedModel("local:x", recorded=Answers())
    model.begin()
    assert not model.ready
    assert model.run(RUN).run == RUN
    arrived.set()
    loaded(model)
    assert model.ready
    assert model.failure is None


def asked_for(monkeypatch: pytest.MonkeyPatch, recorded: object, seconds: float = 20.0) -> tuple[HostedModel, Event]:
    """A model that has begun, with a head start of that many seconds, and when it is asked for."""
    monkeypatch.setattr(hosted, "HEAD_START", seconds)
    asked = Event()
    monkeypatch.setattr(hosted, "connect", lambda address, report: asked.set() or Answers())
    model = HostedModel("local:x", recorded=recorded)
    model.begin()
    return model, asked


def test_a_model_is_loaded_when_what_was_recorded_of_it_is_on_the_screen(monkeypatch):
    model, asked = asked_for(monkeypatch, Answers())
    assert model.run(RUN).run == RUN
    assert not asked.wait(0.2)
    model.hurry()
    assert asked.wait(5)


def test_a_model_is_loaded_at_once_where_nothing_of_it_was_recorded_or_something_else_is_asked(monkeypatch):
    assert asked_for(monkeypatch, None)[1].wait(5)
    model, asked = asked_for(monkeypatch, Answers(NotRecorded("not here")))
    assert not asked.wait(0.2)
    with pytest.raises(Loading):
        model.run(RUN, [Want("entropy")])
    assert asked.wait(5)


def test_a_model_that_nobody_looks_at_is_loaded_after_a_while(monkeypatch):
    _model, asked = asked_for(monkeypatch, Answers(), seconds=0.3)
    assert asked.wait(5)


def line_below(model: object) -> None:
    """What the page has below a recorded view."""
    from ui import waiting

    waiting.in_the_background(model)


@pytest.mark.parametrize("comes_back", [False, True])
def test_a_line_that_the_browser_asks_for_again_means_that_the_recorded_page_is_there(comes_back, monkeypatch):
    model = HostedModel("local:x", recorded=Answers())
    hurried = []
    monkeypatch.setattr(model, "hurry", lambda: hurried.append(True))
    monkeypatch.setattr(session, "in_part", lambda: comes_back)
    app = AppTest.from_function(line_below, args=(model,)).run()
    assert "Starting the model" in str(app.get("html")[0].proto.body)
    assert bool(hurried) == comes_back


def test_what_is_not_recorded_waits_for_the_model(monkeypatch):
    model = HostedModel("local:x", recorded=Answers(NotRecorded("not here")))
    with pytest.raises(Loading):
        model.run(RUN, [Want("entropy")])
    monkeypatch.setattr(hosted, "connect", lambda address, report: Answers())
    loaded(model)
    assert model.run(RUN).run == RUN


def test_without_a_recording_even_the_kind_of_model_is_unknown_at_first():
    with pytest.raises(Loading):
        HostedModel("local:x", recorded=None).spec()


def test_a_model_that_cannot_be_had_says_why_and_the_recording_stays(monkeypatch):
    def refuses(address, report):
        raise Refused("No network: connect once.")

    monkeypatch.setattr(hosted, "connect", refuses)
    model = HostedModel("local:x", recorded=Answers(NotRecorded("not here")))
    loaded(model)
    assert model.spec() == SPEC
    with pytest.raises(Refused, match="No network"):
        model.run(RUN)


def test_a_mistake_while_loading_is_reported_and_does_not_wait_for_ever(monkeypatch, caplog):
    def breaks(address, report):
        raise RuntimeError("mistake")

    monkeypatch.setattr(hosted, "connect", breaks)
    model = HostedModel("local:x", recorded=None)
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
    shown = Figures(withheld.had(spec, panel))
    wants = [*stagemap.needs(spec, view), *continuation.needs(spec, view.length), *shown.needs(spec, view)]
    assert set(engine.run(run, wants).arrays) == set(wants)


def test_progress_is_what_was_reported_last(monkeypatch):
    def connects(address, report):
        report(Progress("fetching", 3, 10))
        return Answers()

    monkeypatch.setattr(hosted, "connect", connects)
    model = HostedModel("local:x", recorded=None)
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

    begun, go, gone, queue, reports = Event(), Event(), Event(), Queue(), []
    monkeypatch.setattr(hosted, "connect", lambda address, report: Held())
    monkeypatch.setattr(hosted.session, "page", lambda: "a reader")
    monkeypatch.setattr(hosted.session.st, "session_state", State())
    model = HostedModel("local:x", None, queue)
    loaded(model)

    def waits():
        with host.watched(lambda progress: (reports.append(progress), gone.set())):
            model.run(RUN.on("second"), [Want("entropy")])

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(model.run, RUN, [Want("entropy")])
        begun.wait(20)
        with pytest.raises(Stopped):
            pool.submit(waits).result(20)
        assert isinstance(reports[0], Place)
        assert (reports[0].place, reports[0].length) == (1, 1)
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
    monkeypatch.setattr(hosted, "connect", lambda address, report: Noting())
    model = HostedModel("local:x", None, queue)
    loaded(model)
    wants = [Want("entropy")]
    with ThreadPoolExecutor(3) as pool:
        held = pool.submit(model.run, RUN.on("held"), wants)
        until(lambda: asked == ["held"])
        verdict = pool.submit(model.run, RUN.on("verdict"), wants, background=True)
        until(lambda: queue.length == 1)
        reader = pool.submit(model.run, RUN.on("reader"), wants)
        until(lambda: queue.length == 2)
        go.set()
        for each in (held, verdict, reader):
            each.exception(20)
    assert asked == ["held", "reader", "verdict"]


def test_two_runs_are_compared_by_models_that_are_there_and_by_no_recording(monkeypatch):
    engine, run = tiny_engine(), Run(tiny_engine().spec.id, "some words")
    monkeypatch.setattr(hosted, "connect", lambda address, report: engine)
    first, second = (HostedModel("local:x", recorded=Answers(), queue=Queue()) for _ in range(2))
    asked = (run, second, run.on("some birds"), identity(10))
    for _ in range(2):  # neither is there, then the second is not
        with pytest.raises(Loading):
            first.parting(*asked)
        assert first.parting_estimate(*asked[:3]) is None
        loaded(first)
    loaded(second)
    found = first.parting(*asked, at=(4, 5))
    assert found.at == (4, 5)
    assert found.parted_at == (None,) * 5 + tuple(0 if a != b else 1 for a, b in zip("words", "birds", strict=True))
    assert first.parting_estimate(*asked[:3]).tokens == 10


def test_a_session_that_is_stopped_while_two_runs_are_compared_leaves_the_queue(monkeypatch):
    class Stopped(BaseException):
        """What Streamlit raises in a session whose reader went on."""

    class State:
        def get(self, name):
            raise Stopped

    class Held(Answers):
        def parting(self, *asked, streams, report, cancelled):
            until(cancelled)
            stopped.set()
            raise Cancelled

    stopped = Event()
    monkeypatch.setattr(hosted, "connect", lambda address, report: Held())
    monkeypatch.setattr(hosted.session, "page", lambda: "a reader")
    monkeypatch.setattr(hosted.session.st, "session_state", State())
    model = HostedModel("local:x", None, Queue())
    loaded(model)
    with pytest.raises(Stopped):
        model.parting(RUN, model, RUN, identity(1))
    assert stopped.wait(20)

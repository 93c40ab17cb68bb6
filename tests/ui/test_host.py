"""Which models a server has, and who answers while one is being loaded."""

from threading import Event

import pytest

import panels
from anatomy.request import Run, Want
from anatomy.trace import Trace
from anatomy.view import View
from models.engine import Progress, Refused
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

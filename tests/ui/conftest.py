"""The page with a tiny model behind it, for tests without a browser."""

from collections.abc import Callable, Iterator
from threading import Event
from time import monotonic, sleep

import pytest
from streamlit.testing.v1 import AppTest

from anatomy import variants
from anatomy.refused import Refused
from models.engine import Report
from models.local.engine import LocalEngine
from models.local.load import variant
from models.serving import boundary
from tests.models.tiny import tiny_engine
from ui import host, hosted, judging

Open = Callable[..., AppTest]
Serve = Callable[..., Open]
OF_ERRORS = ("ui.mishap", "models.serving.boundary")  # who writes errors of the program to the log


def script() -> None:
    """What page.py does."""
    from ui import page

    page.draw()


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verdicts are worked out and models are loaded at once: here no browser draws the page meanwhile."""
    monkeypatch.setattr(judging, "REST", 0.0)
    monkeypatch.setattr(hosted, "HEAD_START", 0.0)


@pytest.fixture
def mishaps(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What the program has said of its own errors so far, for a test that is about one: elsewhere each is a failure."""
    return lambda: [record.getMessage() for record in caplog.records if record.name in OF_ERRORS]


@pytest.fixture(autouse=True)
def no_mishap(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """An error of the program costs a reader one part of the page, and a test that does not ask for it all of it."""
    boundary.forget()
    yield
    if "mishaps" not in request.fixturenames:
        said = [*caplog.get_records("setup"), *caplog.get_records("call")]
        assert not [record.getMessage() for record in said if record.name in OF_ERRORS]


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """open_page(kind="llama", **query): the page on a tiny model of that family, loaded, run once."""

    def opened(kind: str = "llama", embed: bool = False, **query: str) -> AppTest:
        host.models.clear()
        monkeypatch.setattr(hosted, "connect", connect_tiny)
        monkeypatch.setenv(host.VARIABLE, f"tiny-{kind}")
        loaded(next(iter(host.models().values())))
        app = AppTest.from_function(script, default_timeout=30)
        app.context = {"is_embedded": embed}
        for name, value in query.items():
            app.query_params[name] = value
        return app.run()

    yield opened
    host.models.clear()


def connect_tiny(
    address: str, report: Report | None = None, cancelled: Callable[[], bool] | None = None
) -> LocalEngine:
    """In place of `connect`: an engine of a tiny model ("local:tiny-llama"), or of a variant of one."""
    kind, alterations = variants.read(address.removeprefix("local:tiny-"))
    engine = tiny_engine(kind)
    return variant(engine, alterations, report, cancelled) if alterations else engine


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """serve(*kinds): a server with a tiny model of each, of which the first is loaded; back comes open(**query).
    absent: kinds that load once this event is set; broken: kinds whose loading fails the first time."""

    def served(*kinds: str, absent: dict[str, Event] | None = None, broken: tuple[str, ...] = ()):
        failing = list(broken)

        def connect(address: str, report: object = None) -> object:
            kind = address.removeprefix("local:tiny-")
            if kind in (absent or {}):
                assert (absent or {})[kind].wait(30)
            if kind in failing:
                failing.remove(kind)
                raise Refused(f"The {kind} is cut short.")
            return tiny_engine(kind)

        host.models.clear()
        monkeypatch.setattr(hosted, "connect", connect)
        monkeypatch.setenv(host.VARIABLE, ",".join(f"tiny-{kind}" for kind in kinds))
        loaded(host.models()[f"tiny-{kinds[0]}"])
        return lambda embed=False, **query: _opened(embed, query)

    yield served
    host.models.clear()


def _opened(embed: bool, query: dict[str, str]) -> AppTest:
    app = AppTest.from_function(script, default_timeout=30)
    app.context = {"is_embedded": embed}
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def loaded(model: host.HostedModel) -> None:
    """Wait until the model's own thread has loaded it."""
    model.begin()
    until = monotonic() + 30
    while not model.ready:
        assert monotonic() < until, "the tiny model did not load"
        sleep(0.01)

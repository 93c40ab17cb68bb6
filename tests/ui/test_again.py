"""A model that could not be loaded: why, in a sentence, and how it is tried again, by a click and by a new visit."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest

from anatomy.refused import Refused
from anatomy.request import Run
from anatomy.sampling import Settings
from bench.server import serving
from models.engine import Progress
from tests.anatomy.spec import SPEC
from tests.browsing import Served, Visit
from tests.models.checkpoints.tiny_checkpoints import write_gguf
from tests.models.tiny import tiny_engine
from tests.ui.conftest import loaded, script
from tests.ui.test_host import Answers
from tests.ui.test_page import drawn, words
from tests.until import until
from ui import host, hosted, session, start
from ui.host import HostedModel

RUN = Run(SPEC.id, "text")


class PanicException(BaseException):
    """As a library raises it that is written in Rust: it is no `Exception`."""


class Loader:
    """In place of `connect`: it raises what it is told to, once for each, and gives a tiny model after that."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors, self.times = list(errors), 0

    def __call__(self, address: str, report: Callable[[Progress], None]) -> object:
        self.times += 1
        report(Progress("opening the model"))
        if self.errors:
            raise self.errors.pop(0)
        return tiny_engine()


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> Callable[..., HostedModel]:
    """tried(*errors): a model whose loading fails so often, tried once."""

    def made(*errors: BaseException, recorded: object = None) -> HostedModel:
        monkeypatch.setattr(hosted, "connect", Loader(*errors))
        model = HostedModel("local:x", recorded)
        loaded(model)
        return model

    return made


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RuntimeError("mistake\nand more"), "local:x could not be loaded: RuntimeError: mistake, at the step “opening"),
        (PanicException("index out of bounds"), "could not be loaded: PanicException: index out of bounds, at"),
        (KeyError("stagelight"), "could not be loaded: KeyError: 'stagelight', at the step"),
        (SystemExit(), "could not be loaded: SystemExit, at the step"),
        (MemoryError(), r"does not fit into the memory that is free \(MemoryError\)"),
        (OSError(12, "Cannot allocate memory"), "does not fit into the memory that is free"),
    ],
)
def test_however_loading_dies_there_is_a_sentence_and_a_second_try(tried, error, says, caplog) -> None:
    model = tried(error)
    with pytest.raises(Refused, match=says):
        model.run(RUN)
    assert f"{type(error).__name__}" in caplog.text
    assert "loading local:x failed" in caplog.text
    model.again()
    until(lambda: model.live)
    assert model.failure is None


def test_a_loading_thread_that_ends_without_a_word_is_noticed(monkeypatch) -> None:
    class Silent(HostedModel):
        def _broken(self, error: BaseException) -> Refused:
            raise SystemExit  # in the middle of saying why

    monkeypatch.setattr("threading.excepthook", lambda given: None)
    monkeypatch.setattr(hosted, "connect", Loader(ValueError("x")))
    model = Silent("local:x", None)
    loaded(model)
    assert "ended without a result, at the step “opening the model”" in str(model.failure)


def test_where_no_thread_can_be_started_that_is_the_reason(monkeypatch) -> None:
    def none(thread: object) -> None:
        raise RuntimeError("can't start new thread")

    model = HostedModel("local:x", None)
    with monkeypatch.context() as patch:
        patch.setattr(hosted.Thread, "start", none)
        model.begin()
    assert "RuntimeError: can't start new thread, at the step “starting the model”" in str(model.failure)
    monkeypatch.setattr(hosted, "connect", Loader())
    model.again()
    until(lambda: model.live)


def test_a_second_try_begins_anew_and_whoever_looks_waits_for_it(tried, monkeypatch) -> None:
    model, arrived = tried(Refused("No network.")), Event()
    monkeypatch.setattr(hosted, "connect", lambda address, report: arrived.wait(20) and tiny_engine())
    model.again()
    assert not model.ready
    assert model.failure is None
    assert model.progress.step == "starting the model"
    with pytest.raises(host.Loading):
        model.run(RUN)
    model.again()  # a second click: it is being tried
    arrived.set()
    until(lambda: model.live)


def test_a_new_visit_tries_again_after_a_while_and_nobody_else_does(tried, monkeypatch) -> None:
    now = 1000.0
    monkeypatch.setattr(hosted, "monotonic", lambda: now)
    model = tried(*(Refused("Run the fetch.") for _ in range(3)))
    tries = hosted.connect

    def after(seconds: float, comes: Callable[[], None]) -> int:
        nonlocal now
        now += seconds
        comes()
        until(lambda: model.ready)
        return tries.times

    assert after(1.0, model.visited) == 1
    assert after(100.0, model.begin) == 1, "a page that is drawn again is no new visit"
    assert after(0.0, model.visited) == 2
    assert after(hosted.AGAIN - 0.1, model.visited) == 2
    assert after(0.2, model.visited) == 3
    assert after(hosted.AGAIN, model.visited) == 4
    assert model.live
    assert after(hosted.AGAIN, model.visited) == 4
    model.again()
    assert tries.times == 4


def test_a_sentence_holds_nothing_of_what_was_loaded_so_far(tried) -> None:
    model = tried(Refused("No."))
    said = model._refused
    assert (said.__traceback__, said.__cause__, said.__context__) == (None, None, None)
    for _again in range(2):
        with pytest.raises(Refused) as raised:
            model.spec()
        assert raised.value is not said


# on the page


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    """page(loader): the page of a server whose model is loaded so."""

    def opened(loader: Loader) -> AppTest:
        monkeypatch.setattr(hosted, "connect", loader)
        monkeypatch.setenv(host.VARIABLE, "tiny-llama")
        host.models.clear()
        loaded(next(iter(host.models().values())))
        return AppTest.from_function(script, default_timeout=30).run()

    yield opened
    host.models.clear()


def test_the_page_offers_a_second_try_below_the_reason(page) -> None:
    app = page(Loader(Refused("The weights are cut short: fetch them again.")))
    assert not app.exception
    assert "The weights are cut short: fetch them again." in words(app)
    app.get_by_key("again.load").click().run()
    assert not app.exception
    (model,) = host.models().values()
    until(lambda: model.live)
    app.run()
    assert drawn(app)
    assert not [button for button in app.button if button.label == "Try again"]


def test_a_page_that_is_drawn_again_does_not_try_by_itself(page, monkeypatch) -> None:
    monkeypatch.setattr(hosted, "AGAIN", 0.0)
    loader = Loader(*(Refused("No.") for _ in range(9)))
    app = page(loader)
    (model,) = host.models().values()
    until(lambda: model.ready)
    times = loader.times
    assert times == 2, "the server's own try, and the visit's"
    for _again in range(3):
        app.run()
    assert loader.times == times
    AppTest.from_function(script, default_timeout=30).run()
    until(lambda: loader.times == times + 1)


def test_beside_a_recording_the_reason_has_the_button_too(page, monkeypatch) -> None:
    class Recorded(Answers):
        """All of a tiny model, as if it had been recorded."""

        def specs(self):
            return tiny_engine().specs()

        def run(self, run, wants=()):
            return tiny_engine().run(run, wants)

    monkeypatch.setattr(host, "_recording", Recorded)
    monkeypatch.setattr(host, "DEFAULT_MODEL", "tiny-llama")
    app = page(Loader(Refused("No memory for it.")))
    assert "What is shown was recorded. No memory for it." in words(app)
    assert drawn(app)
    app.get_by_key("again.load").click().run()
    (model,) = host.models().values()
    until(lambda: model.live)
    assert "What is shown was recorded" not in words(app.run())


def test_a_reason_that_is_no_fault_of_the_loading_has_no_button(page) -> None:
    app = page(Loader())
    app.query_params["text"] = ""
    app.run()
    assert '<p class="notice refused"' in words(app)
    assert not [button for button in app.button if button.label == "Try again"]


# what is wrong with how the server was started


@pytest.mark.parametrize(
    ("memory", "arguments", "says", "again"),
    [
        ("plenty", ["--model", "tiny-llama"], "STAGELIGHT_MEMORY is “plenty”: write a number of gigabytes", False),
        ("", ["--model", "no-such-model"], "no-such-model", False),
        ("", ["--model", "./nowhere"], "There is nothing at nowhere", True),
        ("", ["--model", "recorded:nowhere.npz"], "The recording nowhere.npz cannot be read: No such file", True),
        ("", ["--model", "recorded:app.py"], "not a recorded trace: these bytes are no npz file", True),
        ("", ["--model", "a:b:c"], "a:b:c", False),
    ],
)
def test_whatever_it_is_the_page_says_it_and_offers_another_try_where_that_may_help(
    monkeypatch, memory: str, arguments: list[str], says: str, again: bool
) -> None:
    if "tiny-llama" in arguments:
        monkeypatch.setattr(hosted, "connect", Loader())
    monkeypatch.setenv("STAGELIGHT_MEMORY", memory)
    monkeypatch.setattr("sys.argv", ["app.py", *arguments])
    host.models.clear()
    try:
        (model,) = host.models().values()
        loaded(model)
        app = AppTest.from_function(script, default_timeout=30).run()
        assert not app.exception
        assert says in words(app)
        assert bool([button for button in app.button if button.label == "Try again"]) == again
        assert ("then start the server again" in words(app)) == (not again)
    finally:
        host.models.clear()


def test_a_server_without_a_model_says_so_to_whoever_started_it_and_to_its_readers(monkeypatch, caplog) -> None:
    monkeypatch.setattr("sys.argv", ["app.py", "--model"])
    host.models.clear()
    start._prepare()
    assert "“--model” stands without a model behind it" in caplog.text
    app = AppTest.from_function(script, default_timeout=30).run()
    assert not app.exception
    assert "“--model” stands without a model behind it" in words(app)


def test_a_recording_of_the_first_view_that_is_damaged_is_done_without(monkeypatch, tmp_path: Path, caplog) -> None:
    file = tmp_path / "first_view.npz"
    file.write_bytes(b"cut short")
    monkeypatch.setattr(host, "FIRST_VIEW", file)
    assert host._recording() is None
    assert "first_view.npz cannot be read" in caplog.text


# a token that is drawn


def test_who_waits_for_a_token_to_be_drawn_stays_for_his_next_click_and_leaves_with_his_tab(monkeypatch) -> None:
    class Stopped(BaseException):
        """What Streamlit raises in a session whose tab was closed, wherever it looks at its state."""

    told, ended = [], False

    def give_way() -> None:
        raise Stopped

    monkeypatch.setattr(session, "give_way", give_way)
    monkeypatch.setattr(session, "ended", lambda: ended)
    with host.watched(told.append):
        hosted._stay(Progress("waiting"))
        ended = True
        with pytest.raises(Stopped):
            hosted._stay(Progress("still waiting"))
    assert [progress.step for progress in told] == ["waiting", "still waiting"]


def test_a_token_is_drawn_with_that_watch_on_a_page_and_without_one_elsewhere(tried, monkeypatch) -> None:
    model, watches = tried(), []
    monkeypatch.setattr(model._live, "extend", lambda run, count, how, **more: watches.append(more["watch"]) or run)
    model.extend(RUN, 1, Settings(), 0)
    monkeypatch.setattr(session, "page", lambda: "a reader")
    model.extend(RUN, 1, Settings(), 0)
    assert watches == [None, hosted._stay]


def test_a_session_has_ended_where_the_server_knows_it_no_more(monkeypatch) -> None:
    class Runtime:
        def is_active_session(self, name: str) -> bool:
            return name == "here"

    assert not session.ended(), "outside of a server"
    monkeypatch.setattr(session, "exists", lambda: True)
    monkeypatch.setattr(session, "get_instance", Runtime)
    for name, gone in (("here", False), ("gone", True)):
        monkeypatch.setattr(session, "page", lambda name=name: name)
        assert session.ended() == gone


# by mouse


@pytest.fixture(scope="module")
def repaired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a model is to be that is not there yet."""
    return tmp_path_factory.mktemp("models") / "tiny.gguf"


@pytest.fixture(scope="module")
def server(repaired: Path) -> Iterator[Served]:
    """A server whose model is not there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAGELIGHT_CACHE", str(repaired.parent / "cache"))
        with serving(str(repaired)) as running:
            yield Served(f"http://127.0.0.1:{running.port}/", running.log)


@pytest.mark.browser
def test_what_was_repaired_is_opened_by_a_click(reader: Visit, repaired: Path) -> None:
    again = reader.page.get_by_role("button", name="Try again")
    reader.page.goto(reader.home)
    expect(reader.page.locator(".notice.refused")).to_contain_text("There is nothing at")
    reader.click(again)
    expect(reader.page.locator(".notice.refused")).to_contain_text("There is nothing at")
    write_gguf(repaired)
    reader.click(again)
    expect(reader.heading).to_be_visible()
    expect(reader.answer).to_be_visible()
    expect(again).to_have_count(0)

"""An error of the program costs one part of the page: a sentence stands in its place, the log has the traceback, and
nothing of Streamlit's own ever shows."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from zlib import compress

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import articles
import panels
from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.view import View
from models.serving import boundary
from models.serving.store import Store
from tests.models.tiny import tiny_engine
from tests.ui.conftest import Open
from tests.ui.test_page import component, drawn, keys, words
from tests.until import until
from ui import aside, continuation, host, judging, later, links, long_links, mishap, page, polled, stage
from ui.components import callback
from ui.worker import Worker

PANEL, CHOOSER = "attention", "heads"
SENTENCE = "This part of the page could not be drawn, because of an error of the program (ZeroDivisionError)."
Mishaps = Callable[[], list[str]]


def breaks(*given: object) -> None:
    raise ZeroDivisionError


def broken(monkeypatch: pytest.MonkeyPatch, panel: str, part: str) -> None:
    """From now on that part of a panel raises."""
    monkeypatch.setitem(panels.load(), panel, replace(panels.load()[panel], **{part: breaks}))


def rest_stands(app: AppTest) -> None:
    """All but the middle of the page is there, and nothing of Streamlit's."""
    assert not app.exception
    assert component(app, "strip")["labels"]
    assert len(component(app, "stagemap")["boxes"]) == 9
    assert component(app, "claims")["groups"]
    assert component(app, "continuation")["chips"]
    assert panels.load()[PANEL].title in words(app)
    assert app.get_by_key("picker").value == PANEL


@pytest.mark.parametrize("part", ["needs", "later", "read", "draw", "caption", "idle"])
def test_an_error_in_a_panel_costs_that_panel_alone(open_page: Open, monkeypatch, mishaps: Mishaps, part: str) -> None:
    broken(monkeypatch, PANEL, part)
    app = open_page(text="abcabc")
    rest_stands(app)
    assert words(app).count(SENTENCE) == 1
    assert f"{PANEL}.figure" not in keys(app)
    assert mishaps()
    app.get_by_key("picker").set_value("heads").run()
    assert not app.exception
    assert SENTENCE not in words(app)
    assert "heads.figure" in keys(app)


@pytest.mark.parametrize("part", ["read", "draw", "caption"])
def test_an_error_in_the_overview_leaves_the_figure_beside_it(open_page, monkeypatch, mishaps, part: str) -> None:
    broken(monkeypatch, CHOOSER, part)
    app = open_page(text="abcabc")
    rest_stands(app)
    assert words(app).count(SENTENCE) == 1
    assert f"{PANEL}.figure" in keys(app)


@pytest.mark.parametrize(("part", "tab"), [("formula", 0), ("table", 1), ("snippet", 3)])
def test_an_error_in_a_tab_leaves_the_figure_above_it(open_page, monkeypatch, mishaps, part: str, tab: int) -> None:
    broken(monkeypatch, PANEL, part)
    app = open_page(text="abcabc")
    app.session_state[f"{PANEL}.tabs"] = app.tabs[tab].label
    app.run()
    rest_stands(app)
    assert f"{PANEL}.figure" in keys(app)
    assert words(app).count(SENTENCE) == 1


def test_an_error_is_written_to_the_log_once_a_minute_with_its_traceback(open_page, monkeypatch, mishaps, caplog):
    broken(monkeypatch, PANEL, "read")
    app = open_page(text="abcabc")
    for _again in range(3):
        app.run()
    assert mishaps() == [f"an error of the program cost the panel {PANEL}"]
    assert "raise ZeroDivisionError" in caplog.text
    monkeypatch.setattr(boundary, "AGAIN", 0.0)
    app.run()
    assert len(mishaps()) == 2


@pytest.mark.parametrize(
    ("owner", "name"),
    [(page, "tokens_of"), (page, "map_of"), (continuation, "row"), (aside, "_show"), (stage, "_picker")],
    ids=["the tokens", "the map", "the next tokens", "the articles", "the panels' names"],
)
def test_an_error_in_any_part_costs_that_part(open_page, monkeypatch, mishaps, owner: object, name: str) -> None:
    monkeypatch.setattr(owner, name, breaks)
    app = open_page(text="abcabc")
    assert not app.exception
    assert words(app).count(SENTENCE) == 1
    whole = {"strip", "stagemap", "continuation", "claims", f"{PANEL}.figure"}
    assert len(whole - keys(app)) == 1


def test_an_error_in_what_holds_the_page_together_is_said_below_what_is_drawn(open_page, monkeypatch, mishaps) -> None:
    monkeypatch.setattr(aside, "verdicts", breaks)
    app = open_page(text="abcabc")
    assert not app.exception
    assert "The page could not be drawn to its end, because of an error of the program (ZeroDivisionError)" in words(
        app
    )
    assert component(app, "textbox")["text"] == "abcabc"


def test_a_part_that_comes_back_alone_says_so_too(open_page, monkeypatch, mishaps) -> None:
    app = open_page(text="abcabc")
    broken(monkeypatch, PANEL, "draw")
    app.toggle(key="attention.first").set_value(False).run()
    assert not app.exception
    assert SENTENCE in words(app)


def test_the_engine_s_errors_stand_in_the_place_of_the_figure(open_page, monkeypatch, mishaps) -> None:
    app = open_page(text="abcabc")

    def raises(*given: object) -> None:
        raise MemoryError

    monkeypatch.setattr(type(tiny_engine()), "_answer", raises)
    app.query_params["text"] = "another text"
    app.run()
    assert not app.exception
    assert "There was not enough memory for this (MemoryError)" in words(app)
    assert not drawn(app)
    assert len(component(app, "strip")["labels"]) == 12
    monkeypatch.undo()


def test_the_next_text_is_answered_after_an_error(open_page, monkeypatch, mishaps) -> None:
    app = open_page(text="abcabc")
    with monkeypatch.context() as patch:
        patch.setattr(type(tiny_engine()), "_answer", breaks)
        app.query_params["text"] = "it breaks"
        app.run()
        assert "error of the program (ZeroDivisionError)" in words(app)
    app.query_params["text"] = "it works"
    app.run()
    assert drawn(app)


# actions


def widget() -> None:
    """A button whose action fails, and the page that is drawn after it."""
    import streamlit as st

    from ui import mishap

    def act() -> None:
        raise st.session_state["error"]

    mishap.tell()
    st.button("act", key="act", on_click=mishap.harmless(act))
    st.write("the page")


@pytest.mark.parametrize(
    ("error", "says"),
    [(ZeroDivisionError(), "What you did last had no effect"), (Refused("Not now."), "Not now.")],
)
def test_an_action_that_fails_is_said_on_the_page_drawn_after_it_and_only_there(error, says, mishaps) -> None:
    app = AppTest.from_function(widget)
    app.session_state["error"] = error
    app.run().get_by_key("act").click().run()
    assert not app.exception
    assert says in words(app)
    assert app.markdown[0].value == "the page"
    assert says not in words(app.run())


def test_what_a_changed_browser_sends_costs_no_page(open_page, monkeypatch, mishaps) -> None:
    app = open_page(text="abcabc")
    monkeypatch.setattr(st, "session_state", {"strip": type("Sent", (), {"token": "not a number"})})
    callback("strip", "token", lambda at: int(at))()
    assert isinstance(st.session_state["mishap"], Refused)
    monkeypatch.undo()
    assert not app.run().exception


# what has to pass


def test_what_streamlit_ends_a_run_with_passes() -> None:
    class Stopped(BaseException):
        """As Streamlit's own: no `Exception`."""

    for part in (mishap.costing("a part"),):
        with pytest.raises(Stopped), part:
            raise Stopped
    with pytest.raises(Stopped):
        mishap.harmless(raising(Stopped()))()


def raising(error: BaseException) -> Callable[..., None]:
    def call(*given: object) -> None:
        raise error

    return call


def test_a_page_that_waits_for_its_model_goes_on_waiting(monkeypatch) -> None:
    with pytest.raises(host.Loading), mishap.costing("a part"):
        raise host.Loading
    drawn_anew = []
    monkeypatch.setattr(mishap.session, "in_part", lambda: True)
    monkeypatch.setattr(polled, "anew", lambda: drawn_anew.append(True))
    with pytest.raises(host.Loading), mishap.costing("a part"):
        raise host.Loading
    assert drawn_anew == [True]


# odd links


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "x" * 5000 + "\ud83d"])
def test_half_a_character_in_a_link_is_read_as_the_mark_for_it(open_page: Open, text: str) -> None:
    link = long_links.into({"text": text}) if len(text) > 4000 else {"packed": packed(text)}
    app = open_page(panel="residual", **link)
    assert not app.exception
    assert "holds halves of characters" in words(app)
    assert component(app, "textbox")["text"].endswith(("\ufffd", "\ufffdb"))


def packed(text: str) -> str:
    """The text as a link may have it, however short it is."""
    return urlsafe_b64encode(compress(text.encode("utf-8", "surrogatepass"))).decode().rstrip("=")


def test_half_a_character_that_is_typed_does_not_stop_the_page(open_page: Open, monkeypatch) -> None:
    app = open_page(text="abc")
    known = {"text": "abc"}
    monkeypatch.setattr(links.st, "session_state", {"link": known})
    monkeypatch.setattr(links.st, "query_params", type("Params", (), {"from_dict": known.update})())
    links.go(lambda view: view.with_text("a\ud800"))
    assert known["text"] == "a\ufffd"
    assert links.query(replace(links.known(), text="\ud800")) == "?text=%3F"
    monkeypatch.undo()
    assert not app.run().exception


@pytest.mark.parametrize(
    ("name", "given", "shown", "said"),
    [
        ("temp", "0.6", 0.6, False),
        ("temp", "0.6000000000000001", 0.6, False),
        ("temp", "0.637", 0.6, True),
        ("topk", "7.5", 8, True),
        ("topp", "0.999", 1.0, True),
        ("minp", "0.0049", 0.0, True),
    ],
)
def test_a_slider_between_two_steps_takes_the_nearer_one_and_says_so(open_page, name, given, shown, said) -> None:
    app = open_page(panel="sampling", text="abc", **{name: given})
    assert not app.exception
    assert app.get_by_key(f"sampling.{name}").value == shown
    assert ("between two steps" in words(app)) == said


def test_what_claims_set_stands_on_steps() -> None:
    for _article, claim in articles.claims():
        view = View(settings=tuple(sorted(dict(claim.sets).items())))
        assert links._on_steps(view)[1] == ()


# what fills a figure in


class Panic(BaseException):
    """As a library raises it that is written in Rust."""


def test_what_fills_a_figure_in_ends_with_a_sentence_when_it_breaks(monkeypatch, caplog) -> None:
    model, courier = tiny_model(), later.FillingQueue()
    monkeypatch.setattr(model, "fetch", raising(Panic()))
    run = Run(tiny_engine().spec.id, "abc")
    wants = tuple(Want("lens_ids", pos=pos) for pos in range(3))
    broken_off = courier.ask("page", model, run, wants)
    until(lambda: broken_off.refused is not None)
    assert "error of the program (Panic)" in str(broken_off.refused)
    assert "raise error" in caplog.text
    monkeypatch.undo()
    courier.ask("another page", model, run, wants)
    until(lambda: model.holds(run, wants))


def test_a_claim_whose_check_breaks_is_told_so_and_the_others_are_judged(monkeypatch, caplog) -> None:
    checks, claims = dict(judging._checks()), [claim.id for _article, claim in articles.claims()]
    monkeypatch.setattr(judging, "_checks", lambda: checks | {claims[0]: raising(Panic())})
    bench, asked = judging.VerdictQueue(), judging.Question("tiny-llama", "the cat, the cat", (), "en")
    model = tiny_model()
    until(lambda: bench.ask(asked, model, tuple(claims[:2])).done)
    verdicts = bench.ask(asked, model).verdicts
    assert "error of the program (Panic)" in verdicts[claims[0]].says
    assert set(verdicts) == set(claims)


def test_a_job_without_a_sentence_for_its_error_does_not_end_the_thread_of_all(caplog) -> None:
    jobs, done = [raising(Panic()), lambda: done.append(True)], []
    worker = Worker("jobs", lambda: jobs.pop(0) if jobs else None)
    with worker.lock:
        worker.wake()
    until(lambda: bool(done))
    assert "a job of the thread jobs failed" in caplog.text


def tiny_model() -> host.HostedModel:
    """A model of the server with a tiny engine behind it."""
    model = host.HostedModel("local:tiny-llama", None)
    model._live = Store(tiny_engine(), 1 << 20, to_readers=True)
    return model

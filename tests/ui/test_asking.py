"""What the page does with a text that is too long, takes too long or was stopped: it says so and offers what helps."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

import panels
from anatomy.request import Run, Want
from anatomy.trace import Trace
from anatomy.view import View
from models.engine import Estimate
from models.local import engine as local
from models.local.engine import LocalEngine
from panels import stagemap
from tests.anatomy.spec import SPEC
from tests.models.tiny import new_tiny_engine, tiny_engine
from tests.ui.test_page import component, drawn, keys, words
from ui import aside, asking, continuation, host, waiting, withheld
from ui.components import strip
from ui.judging import Judged

PANEL = "residual"
LIMIT = 64  # positions of the tiny model


def offered(app) -> list[str]:
    """What the buttons for parts say."""
    return [button.label for button in app.button if button.label.split()[0] != "Run"]


# a text of too many tokens


def test_a_text_beyond_the_context_keeps_strip_map_and_column_and_offers_parts(open_page):
    app = open_page(text="ab" * 100, panel=PANEL)
    assert not app.exception
    assert "The text has 200 tokens and the limit is 64" in words(app)
    assert not drawn(app)
    assert len(component(app, "strip")["labels"]) == 200
    assert [box["panel"] is not None for box in component(app, "stagemap")["boxes"]] == [True] * 9
    assert component(app, "claims")["groups"]
    assert panels.load()[PANEL].title in words(app)
    assert offered(app) == ["The first 64 tokens", "The last 64 tokens"]
    app.get_by_key("halted.last").click().run()
    assert app.query_params["text"] == "ab" * 32
    assert drawn(app)
    assert not offered(app)


def test_a_chosen_token_is_the_middle_of_a_part_and_stays_chosen(open_page):
    text = "".join(chr(32 + i % 90) for i in range(200))
    app = open_page(text=text, panel=PANEL, pos="100")
    assert offered(app)[2] == "64 tokens around the chosen one"
    app.get_by_key("halted.around").click().run()
    assert app.query_params["text"] == text[68:132]
    assert component(app, "strip")["chosen"] == 32
    assert component(app, "strip")["labels"][32] == text[100]
    assert drawn(app)


def test_a_text_that_takes_too_much_memory_says_how_much_and_offers_what_fits(open_page, monkeypatch):
    engine = new_tiny_engine(memory_bytes=1)
    monkeypatch.setattr("tests.ui.conftest.tiny_engine", lambda kind: engine)
    monkeypatch.setattr(local, "LEAST_ROOM", cost(engine, "x" * 40))
    app = open_page(text="x" * 60, panel=PANEL)
    assert not app.exception
    for word in ("A run of 60 tokens would take about", "(STAGELIGHT_MEMORY)", "enough for about 40"):
        assert word in words(app)
    assert not drawn(app)
    assert len(component(app, "strip")["labels"]) == 60
    assert offered(app) == ["The first 40 tokens", "The last 40 tokens"]
    app.get_by_key("halted.first").click().run()
    assert app.query_params["text"] == "x" * 40
    assert drawn(app)


def cost(engine: LocalEngine, text: str) -> int:
    """Bytes that the page's question about a text is estimated to take."""
    run = Run(engine.spec.id, text)
    view = View(text=text, panel=PANEL).fit(engine.spec, engine.run(run).tokens)
    shown = panels.load()[PANEL].needs(engine.spec, view)
    wants = (*stagemap.needs(engine.spec, view), *continuation.needs(engine.spec, view.length), *shown)
    return engine.estimate(run, wants).nbytes


# a run that was stopped


class State(dict):
    """A session's memory."""


class Watch:
    """A line that remembers how its question is stopped."""

    stop = None

    @contextmanager
    def about(self, cost, stop) -> Iterator[None]:
        self.stop = stop
        yield


class Slow:
    """A model whose reader loses patience."""

    here = False

    def __init__(self, line: Watch) -> None:
        self.line, self.ran = line, 0

    def held(self, run: Run, wants: tuple[Want, ...]) -> Trace:
        text = self.run(run)
        return text.plus({want: np.zeros(len(text.tokens), np.float32) for want in wants}, {}) if self.here else text

    def estimate(self, run: Run, wants: object) -> None:
        return None

    def run(self, run: Run, wants: tuple[Want, ...] = ()) -> Trace:
        if not wants:
            return Trace(run, SPEC, tuple(tiny_engine().run(Run(tiny_engine().spec.id, run.text)).tokens), {})
        self.ran += 1
        self.line.stop()
        raise KeyboardInterrupt  # as Streamlit ends the session's run


WANTS = (Want("entropy"),)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    monkeypatch.setattr(asking.st, "session_state", State())
    return Slow(Watch())


def stopped(slow: Slow, run: Run, wants: tuple[Want, ...] = WANTS, once: bool = False) -> None:
    with pytest.raises(KeyboardInterrupt):
        asking.ask(slow, run, wants, slow.line, once)


def test_what_was_stopped_is_not_asked_again_and_anything_else_is(slow):
    run = Run(SPEC.id, "x" * 300)
    stopped(slow, run)
    halt = asking.ask(slow, run, WANTS, slow.line)
    assert isinstance(halt, asking.Halt)
    assert (halt.stopped, halt.longest, slow.ran) == (True, 256, 1)
    stopped(slow, run, (Want("norm_pre"),))  # another panel
    stopped(slow, run.on("y" * 300))  # another text
    assert slow.ran == 3


def test_what_is_there_by_now_is_drawn_though_it_was_stopped(slow):
    run = Run(SPEC.id, "short")
    stopped(slow, run)
    slow.here = True
    assert Want("entropy") in asking.ask(slow, run, WANTS, slow.line)
    assert slow.ran == 1


def test_an_extra_that_was_stopped_is_forgotten(slow):
    run = Run(SPEC.id, "short")
    stopped(slow, run, once=True)
    stopped(slow, run, once=True)
    assert slow.ran == 2


def test_a_stopped_page_can_be_run_again_and_the_rest_of_it_stays(open_page, monkeypatch):
    asked = []

    def noted(model, run, wants, *rest, **options):
        asked.append((run, frozenset(wants)))
        return ask(model, run, wants, *rest, **options)

    ask = asking.ask
    monkeypatch.setattr(asking, "ask", noted)
    monkeypatch.setattr(asking, "_PARTS", (8,))
    app = open_page(text="abc" * 10, panel=PANEL)
    monkeypatch.setattr(host.HostedModel, "held", lambda self, run, wants: self.run(run))
    app.session_state["stopped"] = {asked[0]}
    app.run()
    assert not app.exception
    assert "This was stopped before its end" in words(app)
    assert not drawn(app)
    assert len(component(app, "strip")["labels"]) == 30
    assert component(app, "stagemap")["boxes"]
    assert offered(app) == ["The first 8 tokens", "The last 8 tokens"]
    app.get_by_key("again").click().run()
    assert drawn(app)
    assert "This was stopped" not in words(app)


# figures that are not drawn unasked, or not at this length


def test_a_slow_overview_is_worked_out_when_it_is_asked_for_and_then_stays(open_page, monkeypatch):
    monkeypatch.setattr(withheld, "SLOW", -1.0)
    monkeypatch.setattr(withheld, "SHORT", 0)
    monkeypatch.setattr(aside, "_judged", lambda *question: Judged({}, done=True))  # verdicts ask for the same
    monkeypatch.setitem(panels.load(), PANEL, replace(panels.load()[PANEL], chooser="heads"))
    app = open_page(text="abcabcabc", panel=PANEL)
    assert not app.exception
    assert "this figure takes about 1 s" in words(app)
    assert drawn(app)
    assert "heads.figure" not in keys(app)
    app.get_by_key("heads.ask").click().run()
    assert "heads.figure" in keys(app)
    app.query_params["pos"] = "1"
    app.run()
    assert "heads.figure" in keys(app)


def test_an_extra_is_asked_for_once(monkeypatch):
    state = State(extra="this")
    monkeypatch.setattr(asking.st, "session_state", state)
    assert asking.asked_extra() == "this"
    assert asking.asked_extra() is None


# what is said while it runs


def test_a_cost_is_said_in_tokens_time_and_memory():
    assert waiting.costs(Estimate(2048, 966_367_641, 12.4)) == "2,048 tokens · about 12 s · about 0.9 GB of memory"
    assert waiting.costs(Estimate(8192, 50 << 20, 185)) == "8,192 tokens · about 3 min · about 50 MB of memory"


def test_nothing_is_said_of_a_short_wait(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(waiting, "monotonic", lambda: now[0])
    patience = waiting.Patience()

    def after(seconds: float) -> bool:
        now[0] += seconds
        return patience.over()

    assert [after(0.15) for _ in range(6)] == [False, False, False, False, False, True]
    assert not after(3.0)  # another question: nobody looked in between


# the strip of a long text


@pytest.mark.parametrize("tokens", [1, 14, 600, 601, 1024, 1025, 5000, 8192])
def test_stretches_hold_every_token_once_and_are_of_nearly_one_length(tokens):
    shown = [strip.stretch(tokens, at) for at in range(strip.stretches(tokens))]
    places = [place for each in shown for place in range(each.start, each.stop)]
    assert places == list(range(tokens))
    lengths = [each.stop - each.start for each in shown]
    assert max(lengths) - min(lengths) <= 1
    assert max(lengths) <= strip.WHOLE
    assert all(strip.holding(tokens, pos) == each.at for each in shown for pos in (each.start, each.stop - 1))


def test_a_long_texts_strip_shows_the_stretch_of_the_chosen_token_until_it_is_turned(open_page):
    text = "".join(chr(32 + i % 90) for i in range(1300))
    app = open_page(text=text, panel=PANEL, pos="700")
    shown = component(app, "strip")
    assert (shown["start"], len(shown["labels"]), shown["stretch"], shown["stretches"]) == (433, 433, 1, 3)
    assert shown["labels"][700 - 433] == text[700]
    run = Run(tiny_engine().spec.id, text)
    app.session_state["strip.turned"] = ((run, 700), 2)
    app.run()
    assert component(app, "strip")["start"] == 866
    app.query_params["pos"] = "3"
    app.run()
    assert component(app, "strip")["start"] == 0

"""What fills a figure in: the chosen position first, the rest a few at a time, for those who look and nobody else."""

import json
import re
import struct
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.view import View
from articles.verdict import Verdict
from models.lru import ByteLru
from models.serving.queue import Queue
from models.serving.recorded import FIRST_VIEW, RecordedEngine
from panels.stack.lensgrid import PANEL, read, window
from tests import once
from tests.models.tiny import tiny_engine
from tests.ui.conftest import loaded, script
from tests.ui.test_page import words
from tests.until import until
from ui import host, hosted, judging, later, polled
from ui.host import HostedModel
from ui.later import FEW, MANY, Arrival, FillingQueue

TEXT = "the cat sat on the mat, and then"
RUN = Run(tiny_engine().spec.id, TEXT)
WANTS = tuple(Want(site, pos=pos) for pos in reversed(range(20)) for site in ("lens_ids", "lens_logp"))


class Gated:
    """An engine that notes which positions or variants it is asked for, and waits for a pass before each question about
    several positions or a variant: `passes` many, then it holds still."""

    def __init__(self) -> None:
        self.asked: list[list[int | str | None]] = []
        self.passes = 0
        self.refuses = False
        self.refused: dict[str, str] = {}  # variants that are refused, and why

    def __getattr__(self, name: str):
        return getattr(tiny_engine(), name)

    def run(self, run, wants=(), *, report=None, cancelled=None):
        wants = tuple(wants)
        places = later.pieces([want for want in wants if want.site == "lens_ids" or want.of is not None])
        if len(places) > 1 or any(isinstance(place, str) for place in places):
            self.asked.append(places)
            until(lambda: self.passes > 0 or bool(cancelled and cancelled()))
            self.passes -= 1
            if self.refuses:
                raise Refused("Too much for this machine.")
            if why := next((self.refused[of] for of in places if of in self.refused), None):
                raise Refused(why)
        return tiny_engine().run(run, wants, report=report, cancelled=cancelled)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gated]:
    gated = Gated()
    monkeypatch.setattr(hosted, "connect", lambda address, report=None: gated)
    yield gated
    gated.passes = 1000


@pytest.fixture
def model(engine: Gated) -> HostedModel:
    model = HostedModel("local:tiny", None, Queue())
    loaded(model)
    return model


@pytest.fixture
def courier() -> FillingQueue:
    return FillingQueue()


def test_what_is_asked_for_comes_a_few_positions_at_a_time_in_its_order(engine, model, courier):
    engine.passes = 1
    courier.ask("page", model, RUN, WANTS)
    until(lambda: len(engine.asked) == 2)
    assert engine.asked[0] == list(reversed(range(20 - FEW, 20)))
    held = model.held(RUN, WANTS)
    assert {want.pos for want in held.arrays} == set(range(20 - FEW, 20))
    engine.passes = 10
    until(lambda: len(model.held(RUN, WANTS).arrays) == len(WANTS))
    assert [len(places) for places in engine.asked] == [FEW, 20 - FEW]


def test_a_few_come_soon_then_ever_more_at_once(engine, model, courier):
    engine.passes = 100
    text = RUN.on(TEXT + TEXT[:29])
    many = tuple(Want(site, pos=pos) for pos in reversed(range(60)) for site in ("lens_ids", "lens_logp"))
    courier.ask("page", model, text, many)
    until(lambda: len(model.held(text, many).arrays) == len(many))
    assert [len(places) for places in engine.asked] == [FEW, 2 * FEW, MANY, 60 - MANY - 3 * FEW]


def test_what_has_come_in_parts_is_what_one_question_gives(engine, model, courier):
    engine.passes = 10
    courier.ask("page", model, RUN, WANTS)
    until(lambda: len(model.held(RUN, WANTS).arrays) == len(WANTS))
    parts, whole = model.held(RUN, WANTS), tiny_engine().run(RUN, WANTS)
    assert parts.names == whole.names
    for want in WANTS:
        np.testing.assert_allclose(parts[want], whole[want], rtol=1e-4, atol=1e-5)


VARIED = tuple(Want(site, of=of) for of in ("8bit", "3bit=ffn", "prune=0.5") for site in ("variant_kl", "variant_loss"))


def test_variants_come_one_at_a_time_with_all_that_is_wanted_of_each(engine, model, courier):
    engine.passes = 2
    courier.ask("page", model, RUN, VARIED)
    until(lambda: len(engine.asked) == 3)
    assert engine.asked == [["8bit"], ["3bit=ffn"], ["prune=0.5"]]
    assert set(model.held(RUN, VARIED).arrays) == set(VARIED[:4]), "the third stands at its gate"
    engine.passes = 1
    until(lambda: not courier._fillings)
    assert set(model.held(RUN, VARIED).arrays) == set(VARIED)
    assert len(engine.asked) == 3


def test_a_variant_that_is_there_in_part_is_asked_for_what_is_missing_alone(engine, model, courier):
    engine.passes = 10
    courier.ask("page", model, RUN, VARIED[:1])
    until(lambda: not courier._fillings)
    courier.ask("page", model, RUN, VARIED[:4])
    until(lambda: not courier._fillings)
    assert engine.asked == [["8bit"], ["8bit"], ["3bit=ffn"]]
    again = tuple(Want("variant_distance", of=of) for of in ("8bit", "3bit=ffn"))
    assert later.pieces((*VARIED, *again)) == ["8bit", "3bit=ffn", "prune=0.5"]


def test_what_has_come_of_variants_one_by_one_is_what_one_question_gives(engine, model, courier):
    engine.passes = 10
    courier.ask("page", model, RUN, VARIED)
    until(lambda: not courier._fillings)
    parts, whole = model.held(RUN, VARIED), tiny_engine().run(RUN, VARIED)
    for want in VARIED:
        np.testing.assert_allclose(parts[want], whole[want], rtol=1e-4, atol=1e-5)
    assert parts[VARIED[2]].any()


def test_a_variant_that_is_refused_leaves_the_others_to_come_and_is_not_asked_for_again(engine, model, courier):
    engine.passes, engine.refused = 10, {"3bit=ffn": "Too much for this machine."}
    filling = courier.ask("page", model, RUN, VARIED)
    until(lambda: set(model.held(RUN, VARIED).arrays) == {*VARIED[:2], *VARIED[4:]})
    until(lambda: filling.over)
    again = courier.ask("page", model, RUN, VARIED)
    assert again is filling
    arrival = Arrival(model.held(RUN, VARIED), 2, 3, again)
    assert arrival.refused == ("3 bits (FFN): Too much for this machine.",)
    assert not arrival.coming
    assert engine.asked == [["8bit"], ["3bit=ffn"], ["prune=0.5"]]
    live = model._loaded()
    live._arrays = ByteLru(live._arrays.budget)
    courier.ask("page", model, RUN, VARIED)
    until(lambda: set(model.held(RUN, VARIED).arrays) == {*VARIED[:2], *VARIED[4:]})
    assert engine.asked[3:] == [["8bit"], ["prune=0.5"]], "what was let go of comes again, what was refused does not"


def test_while_others_are_still_to_come_a_range_is_coming(engine, model, courier):
    engine.passes, engine.refused = 1, {"8bit": "Too much for this machine."}
    filling = courier.ask("page", model, RUN, VARIED)
    until(lambda: len(engine.asked) == 2)
    arrival = Arrival(model.held(RUN, VARIED), 0, 3, filling)
    assert arrival.coming
    assert arrival.refused == ("8 bits: Too much for this machine.",)


def test_a_reason_that_holds_for_several_variants_is_said_once(engine, model, courier):
    engine.passes = 10
    engine.refused = {"8bit": "No memory.", "3bit=ffn": "Damaged.", "prune=0.5": "No memory."}
    filling = courier.ask("page", model, RUN, VARIED)
    until(lambda: filling.over)
    arrival = Arrival(model.held(RUN, VARIED), 0, 3, filling)
    assert arrival.refused == ("8 bits, 50 % pruned: No memory.", "3 bits (FFN): Damaged.")
    assert not arrival.coming
    assert len(engine.asked) == 3


def test_a_page_whose_variants_were_refused_and_that_is_gone_is_not_worked_for(engine, model, courier, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(later, "monotonic", lambda: now)
    engine.passes, engine.refused = 1, {"8bit": "Too much for this machine."}
    courier.ask("closed", model, RUN, VARIED)
    until(lambda: len(engine.asked) == 2)
    now += later.PATIENCE + 0.1
    until(lambda: not courier._fillings)
    until(lambda: model._queue._current is None)
    assert len(engine.asked) == 2


def test_a_page_that_looks_at_something_else_is_not_worked_for(engine, model, courier):
    courier.ask("page", model, RUN, WANTS)
    until(lambda: len(engine.asked) == 1)
    courier.leave("page")
    until(lambda: model._queue._current is None)  # the question it stood in was given up
    assert model.held(RUN, WANTS).arrays == {}
    other = tuple(want for want in WANTS if want.pos in (3, 4))
    courier.ask("page", model, RUN, other)
    until(lambda: len(engine.asked) == 2)
    assert engine.asked[1] == [4, 3]


def test_a_page_that_has_another_question_leaves_the_old_one(engine, model, courier):
    courier.ask("page", model, RUN, WANTS)
    until(lambda: len(engine.asked) == 1)
    filling = courier.ask("page", model, RUN, WANTS[:4])
    assert filling.wants == WANTS[:4]
    until(lambda: len(engine.asked) == 2)
    assert engine.asked[1] == [19, 18]


def test_a_page_that_does_not_come_back_is_not_worked_for(engine, model, courier, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(later, "monotonic", lambda: now)
    courier.ask("closed", model, RUN, WANTS)
    until(lambda: len(engine.asked) == 1)
    now += later.PATIENCE - 0.1
    assert courier.ask("closed", model, RUN, WANTS).seen == now
    now += later.PATIENCE + 0.1
    until(lambda: not courier._fillings)
    until(lambda: model._queue._current is None)
    engine.passes = 10
    assert model.held(RUN, WANTS).arrays == {}
    assert len(engine.asked) == 1


def test_pages_take_turns_and_what_one_has_got_the_other_need_not_ask_for(engine, model, courier):
    other = RUN.on("another text of some length")
    courier.ask("one", model, RUN, WANTS)
    until(lambda: len(engine.asked) == 1)
    courier.ask("two", model, other, WANTS)
    courier.ask("three", model, RUN, WANTS)
    engine.passes = 2
    until(lambda: len(engine.asked) == 3)
    assert len(model.held(other, WANTS).arrays) == 2 * FEW, "the second page's turn came before the first one's next"
    engine.passes = 100
    until(lambda: not courier._fillings)
    computed = [place for places in engine.asked for place in places]
    assert len(computed) == 2 * 20, "each position of each text once"


def test_a_refusal_is_kept_for_the_page_and_not_asked_for_again(engine, model, courier):
    engine.refuses, engine.passes = True, 10
    filling = courier.ask("page", model, RUN, WANTS)
    until(lambda: filling.refused is not None)
    assert str(courier.ask("page", model, RUN, WANTS).refused) == "Too much for this machine."
    assert len(engine.asked) == 1


def test_a_mistake_is_reported_and_the_others_are_worked_for(engine, model, courier, monkeypatch, caplog, mishaps):
    broken = courier.ask("page", model, RUN, (Want("no site", pos=1),))
    until(lambda: broken.refused is not None)
    assert "server's log" in str(broken.refused)
    assert "no site" in caplog.text
    engine.passes = 10
    courier.ask("other", model, RUN, WANTS)
    until(lambda: len(model.held(RUN, WANTS).arrays) == len(WANTS))


@pytest.fixture
def page(engine: Gated, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    """page(**query): the lens grid's page on the gated engine, run once."""

    def opened(**query: str) -> AppTest:
        host.models.clear()
        later.courier.clear()
        loaded(next(iter(host.models().values())))
        app = AppTest.from_function(script, default_timeout=30)
        for name, value in ({"panel": "lensgrid", "text": TEXT} | query).items():
            app.query_params[name] = value
        return app.run()

    monkeypatch.setenv(host.VARIABLE, "tiny-llama")
    monkeypatch.setattr(judging, "_verdict", lambda claim, job: Verdict("unseen", ""))  # verdicts read the lens too
    yield opened
    engine.passes = 1000
    host.models.clear()


def drawn(app: AppTest) -> tuple[int, dict]:
    """(positions that the caption says are there, the header of the grid as the page was given it)."""
    match = re.search(r"so far: (\d+) of 16 positions", words(app))
    data = app.get_by_key("lensgrid.figure").proto.bytes
    (length,) = struct.unpack("<I", data[:4])
    return int(match[1]) if match else 16, json.loads(data[4 : 4 + length])


def there(header: dict) -> list[int]:
    """The columns of a grid that hold a word in every row."""
    words = np.array(header["inside"]).reshape(header["shape"])
    return np.flatnonzero((words != "").all(axis=0)).tolist()


def test_the_page_draws_at_once_then_fills_the_figure_in(page, engine):
    app = page()
    count, header = drawn(app)
    assert (count, there(header), header["holes"]) == (1, [15], True)
    assert "1 of 16 positions" in app.get("progress")[0].proto.text
    engine.passes = 1
    until(lambda: len(engine.asked) == 2)
    count, header = drawn(app.run())
    assert (count, there(header)) == (1 + FEW, [*range(15 - FEW, 16)])
    engine.passes = 100
    until(lambda: not later.courier()._fillings)
    count, header = drawn(app.run())
    assert (count, there(header), header["holes"]) == (16, [*range(16)], False)
    assert not app.get("progress")
    assert not app.exception
    view = View(text=TEXT, panel="lensgrid").fit(tiny_engine().spec, tiny_engine().run(RUN).tokens)
    at_once = once.figure(PANEL, tiny_engine().run(RUN, PANEL.later(tiny_engine().spec, view)), view)
    assert header["inside"] == list(at_once.inside or ())


def test_a_larger_window_is_filled_in_too(page, engine):
    engine.passes = 100
    app = page()
    until(lambda: not later.courier()._fillings)
    app.run()
    app.get_by_key("lensgrid.lens_window").select("32").run()
    until(lambda: not later.courier()._fillings)
    header = drawn(app.run())[1]
    assert there(header) == [*range(32)]
    assert [place for places in engine.asked for place in places] == [*range(30, -1, -1)], "what was there stays"


def test_cancel_stops_it_and_keeps_what_is_there_and_go_on_brings_the_rest(page, engine):
    app = page()
    engine.passes = 1
    until(lambda: len(engine.asked) == 2)
    app.run()
    app.get_by_key("later.cancel").click().run()
    until(lambda: not later.courier()._fillings)
    until(lambda: next(iter(host.models().values()))._queue._current is None)  # the question it stood in was given up
    assert there(drawn(app)[1]) == [*range(15 - FEW, 16)]
    assert "Stopped: 9 of 16 positions are there." in words(app)
    assert not app.get("progress")
    engine.passes = 100
    app.run()
    assert not later.courier()._fillings, "what was stopped is not asked for again unasked"
    app.get_by_key("later.on").click().run()
    until(lambda: not later.courier()._fillings)
    header = drawn(app.run())[1]
    assert there(header) == [*range(16)]
    assert "Stopped" not in words(app)
    assert not app.exception


def told(app: AppTest) -> str:
    """What stands at the bar that tells how much is there."""
    return app.get("progress")[0].proto.text


def test_a_range_fills_in_a_variant_at_a_time_stops_and_goes_on(page, engine):
    app = page(panel="quantization")
    assert "0 of 13 variants" in told(app)
    assert "13 variants of the range are missing so far." in words(app)
    assert "As it is, the model loses" in words(app)
    engine.passes = 2
    until(lambda: len(engine.asked) == 3)
    assert "2 of 13 variants" in told(app.run())
    assert "11 variants of the range are missing so far." in words(app)
    app.get_by_key("later.cancel").click().run()
    until(lambda: not later.courier()._fillings)
    until(lambda: next(iter(host.models().values()))._queue._current is None)
    assert "Stopped: 2 of 13 variants are there." in words(app)
    engine.passes = 100
    app.run()
    assert len(engine.asked) == 3, "what was stopped is not asked for again unasked"
    app.get_by_key("later.on").click().run()
    until(lambda: not later.courier()._fillings)
    app.run()
    assert not app.get("progress")
    assert "missing so far" not in words(app)
    assert [asked for asked in engine.asked if engine.asked.count(asked) > 1] == [["int8"]] * 2, "it was given up once"
    assert not app.exception


def test_a_variant_that_is_refused_is_named_and_the_bar_ends(page, engine):
    engine.passes, engine.refused = 1000, {"2bit": "Too much for this machine."}
    app = page(panel="quantization")
    until(lambda: [filling.over for filling in later.courier()._fillings.values()] == [True])
    app.run()
    assert words(app).count("2 bits: Too much for this machine.") == 1
    assert not app.get("progress")
    assert len(engine.asked) == 13
    app.run()
    assert len(engine.asked) == 13, "what was refused is not asked for again"
    assert not app.exception


def test_another_chart_of_a_range_asks_for_no_variant_that_is_there(page, engine):
    engine.passes = 1000
    app = page(panel="quantization")
    until(lambda: not later.courier()._fillings)
    assert len(engine.asked) == 13
    app.run().get_by_key("quantization.quantized").select("kl").run()
    assert not app.get("progress")
    app.get_by_key("quantization.quantized").select("bytes").run()
    assert not app.get("progress")
    app.get_by_key("quantization.quantized").select("parts").run()
    until(lambda: not later.courier()._fillings)
    assert [asked for [asked] in engine.asked[13:]] == [
        f"{bits}bit={part}" for bits in (8, 6, 5, 4, 3, 2) for part in ("attention", "ffn")
    ]


def test_what_was_stopped_does_not_stop_another_question(page, engine):
    app = page()
    until(lambda: len(engine.asked) == 1)
    app.get_by_key("later.cancel").click().run()
    app.query_params["pos"] = "5"
    app.run()
    assert app.get("progress")
    del app.query_params["pos"]
    app.run()
    assert "Stopped: 1 of 16 positions are there." in words(app)


def test_another_panel_lets_the_rest_be(page, engine):
    app = page()
    until(lambda: len(engine.asked) == 1)
    app.query_params["panel"] = "lens"
    app.run()
    assert not later.courier()._fillings
    assert not app.get("progress")
    assert not app.exception


def test_what_is_refused_is_said_and_the_figure_stays(page, engine):
    engine.refuses, engine.passes = True, 1
    app = page()
    until(lambda: any(filling.refused for filling in later.courier()._fillings.values()))
    app.run()
    assert "Too much for this machine." in words(app)
    assert there(drawn(app)[1]) == [15]


def test_the_recorded_first_view_is_whole_before_the_model_is_there():
    model = HostedModel("local:x", RecordedEngine(FIRST_VIEW))
    run = View().run(model.spec())
    view = View(panel="lensgrid").fit(model.spec(), model.run(run).tokens)
    arrival = later.arrived(model, run, [PANEL], model.spec(), view)
    assert (arrival.done, arrival.total, arrival.coming) == (len(window(view)), len(window(view)), False)
    assert not np.isnan(read(arrival.trace, view).probability).any()


def test_a_page_that_looks_as_seldom_as_pages_do_is_not_taken_for_gone():
    assert later.EVERY < polled.SELDOM <= later.PATIENCE / 2

"""Variants behind the page: found by name, made behind what readers ask, let go of when others need the room."""

import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from weakref import ref

import pytest

from anatomy import variants
from anatomy.refused import Refused
from anatomy.request import Run, Want
from models.engine import Cancelled, Report
from models.serving.queue import Queue
from tests.models.tiny import tiny_engine
from tests.ui.conftest import connect_tiny, loaded
from tests.ui.test_page import drawn, words
from tests.until import until
from ui import host, hosted, hosted_variants
from ui.hosted import HostedModel
from ui.hosted_variants import AT_ONCE, HostedVariant, Models

WANTS = [Want("entropy")]
NAME = "tiny-llama"


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosted, "connect", connect_tiny)
    monkeypatch.setattr(hosted_variants, "connect", connect_tiny)


def server(*names: str, queue: Queue | None = None) -> Models:
    """The models of a server that was started with these tiny ones."""
    queue = queue or Queue()
    own = {name.partition(":")[2] or name: HostedModel(_address(name), None, queue, len(names)) for name in names}
    return Models(own, queue)


def _address(name: str) -> str:
    return name if ":" in name else f"local:{name}"


def variant(models: Models, rest: str, base: str = NAME) -> HostedVariant:
    """A variant of a server's model, made."""
    model = models.find(base + rest)
    assert isinstance(model, HostedVariant)
    loaded(model)
    assert model.live, model.failure
    return model


def ask(model: HostedModel, text: str = "the cat sat") -> None:
    spec = model.spec()
    model.run(Run(spec.id, text, interventions=spec.built), WANTS)


# names


@pytest.mark.parametrize("written", ["tiny-llama~prune=0.5", "tiny-llama~prune=0.50", "tiny-llama~prune=00.5"])
def test_a_variant_is_one_however_it_is_written(written: str) -> None:
    models = server(NAME)
    assert models[written] is models["tiny-llama~prune=0.5"]
    assert models.name_of(models[written]) == "tiny-llama~prune=0.5"


def test_names_that_say_no_variant_are_refused_with_the_reason() -> None:
    models = server(NAME)
    for name, says in (
        ("tiny-llama~nothing", "“nothing” is no variant of a model. Variants are: untrained"),
        ("tiny-llama~prune=2", "“prune=2” cannot be read. Write prune=0.5"),
        ("tiny-llama~3bit~3bit", "“3bit” stands twice"),
        ("other~3bit", "This server has no model other~3bit."),
        ("tiny-llamas", "This server has no model tiny-llamas."),
    ):
        with pytest.raises(Refused, match=says):
            models.find(name)
        assert name not in models


def test_the_longest_name_that_a_name_begins_with_is_its_base() -> None:
    """A folder may have an alteration's name at its own end."""
    queue = Queue()
    own = {name: HostedModel(f"local:{name}", None, queue) for name in ("m", "m~3bit")}
    models = Models(own, queue)
    assert models["m~3bit"] is own["m~3bit"]
    assert models.read("m~3bit~2bit") == ("m~3bit", variants.read("m~2bit")[1])
    assert models["m~2bit"].made_of is own["m"]
    assert models.own("m~3bit~2bit") == "m~3bit"


def test_a_recorded_run_has_no_variants() -> None:
    models = server("recorded:run.npz")
    with pytest.raises(Refused, match=r"“run\.npz” is a recorded run: only a model can be altered"):
        models.find("run.npz~3bit")


def test_who_goes_through_the_models_finds_those_that_the_server_was_started_with() -> None:
    models = server(NAME, "tiny-gpt2")
    assert "tiny-llama~3bit" in models
    assert list(models) == [NAME, "tiny-gpt2"]
    assert len(models) == 2
    assert models.own("tiny-gpt2~3bit") == "tiny-gpt2"
    assert models.own("nobody's") == NAME


def test_every_model_has_its_name_one_that_was_forgotten_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosted_variants, "MOST", 1)
    models = server(NAME)
    first = models["tiny-llama~3bit"]
    assert models["tiny-llama~2bit"] is not first
    assert models["tiny-llama~3bit"] is not first
    assert models.name_of(first) == "tiny-llama~3bit"
    assert models.name_of(models[NAME]) == NAME
    with pytest.raises(KeyError):
        models.name_of(HostedModel("local:x", None))


# making one


def test_a_variant_answers_otherwise_than_its_base_and_says_what_is_altered() -> None:
    models = server(NAME)
    made = variant(models, "~2bit")
    assert models[NAME].live, "its base is loaded first"
    assert [one.kind for one in made.spec().alterations] == ["2bit"]
    run, base = Run(made.spec().id, "the cat sat"), Run(models[NAME].spec().id, "the cat sat")
    want = Want("logits", pos=10)
    apart = made.run(run, [want])[want] - models[NAME].run(base, [want])[want]
    assert abs(apart).max() > 0.01


def test_a_base_that_cannot_be_loaded_is_why_its_variant_is_not_there_until_another_try(monkeypatch) -> None:
    fails = [True]

    def connect(address: str, report: object = None) -> object:
        if fails:
            raise Refused("The weights are cut short.")
        return tiny_engine("llama")

    monkeypatch.setattr(hosted, "connect", connect)
    model = server(NAME)["tiny-llama~3bit"]
    loaded(model)
    assert model.failure == "The weights are cut short."
    fails.clear()
    model.again()
    until(lambda: model.live)


def test_an_alteration_that_does_not_fit_is_refused_and_the_base_stays() -> None:
    models = server(NAME)
    model = models["tiny-llama~shared=100"]
    loaded(model)
    assert "100 layers cannot share weights" in str(model.failure)
    ask(models[NAME])


def test_a_fault_while_one_is_made_says_that_it_was_the_variant(monkeypatch, caplog) -> None:
    def connect(*asked: object) -> object:
        raise ValueError("odd")

    monkeypatch.setattr(hosted_variants, "connect", connect)
    model = server(NAME)["tiny-llama~3bit"]
    loaded(model)
    assert "The variant local:tiny-llama~3bit could not be made: ValueError: odd" in str(model.failure)
    assert "loading local:tiny-llama~3bit failed" in caplog.text


# whose turn it is


class Noting:
    """An engine that notes whose questions it answers, in their order, and holds still at the first."""

    def __init__(self, engine: object, called: str, noted: list[str], go: Event) -> None:
        self._engine, self._called, self._noted, self._go = engine, called, noted, go

    def __getattr__(self, name: str):
        return getattr(self._engine, name)

    def run(self, run: Run, wants=(), **how):
        if wants:
            self._noted.append(f"{self._called} {run.text}")
            assert self._go.wait(20)
        return self._engine.run(run, wants, **how)


def test_questions_about_a_variant_and_its_making_go_behind_those_about_its_base(monkeypatch) -> None:
    noted: list[str] = []
    go, queue = Event(), Queue()
    models = server(NAME, queue=queue)

    def base(address: str, report: object = None) -> Noting:
        return Noting(tiny_engine("llama"), "base", noted, go)

    def of_variant(*asked) -> Noting:
        noted.append("made")
        return Noting(connect_tiny(*asked), "variant", noted, go)

    monkeypatch.setattr(hosted, "connect", base)
    monkeypatch.setattr(hosted_variants, "connect", of_variant)
    go.set()
    made = variant(models, "~3bit")
    go.clear()
    noted.clear()
    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(ask, models[NAME], "held")]
        until(lambda: noted == ["base held"])
        asked.append(pool.submit(ask, made, "first"))
        until(lambda: queue.length == 1)
        models["tiny-llama~2bit"].begin()
        until(lambda: queue.length == 2)
        asked.append(pool.submit(ask, models[NAME], "last"))
        until(lambda: queue.length == 3)
        go.set()
        for each in asked:
            each.result(20)
    until(lambda: models["tiny-llama~2bit"].ready)
    assert noted == ["base held", "base last", "variant first", "made"]


def held(go: Event) -> Callable[..., object]:
    """In place of `connect`: it goes on once this is set, and stops where it is asked to."""

    def connect(address: str, report: Report, cancelled: Callable[[], bool]) -> object:
        until(lambda: go.is_set() or cancelled())
        if cancelled():
            raise Cancelled
        return connect_tiny(address, report, cancelled)

    return connect


def test_one_that_is_being_made_gives_way_to_whoever_asks_and_is_made_after_that(monkeypatch) -> None:
    go, queue = Event(), Queue()
    models = server(NAME, queue=queue)
    loaded(models[NAME])
    monkeypatch.setattr(hosted_variants, "connect", held(go))
    model = models["tiny-llama~3bit"]
    model.begin()
    until(lambda: queue._current is not None)
    ask(models[NAME])
    assert not model.ready
    assert queue.counts["put off in the background"] == 1
    go.set()
    until(lambda: model.live)


# room


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is room for the weights of two variants in 3 bits, and for no more."""
    model = server(NAME)[NAME]
    loaded(model)
    each = variants.new_bytes(dict(model.spec().counts), variants.read("m~3bit")[1])
    monkeypatch.setattr(hosted_variants, "of_variants", lambda: 2 * each)


def live(models: Models, *rests: str) -> list[str]:
    return [rest for rest in rests if models._made[NAME + rest].live]


def test_those_used_longest_ago_are_let_go_of_until_the_weights_fit(room) -> None:
    models = server(NAME)
    every = ("~3bit", "~2bit", "~4bit", "~5bit")
    for rest in every[:3]:
        variant(models, rest)
    assert live(models, *every[:3]) == ["~2bit", "~4bit"]
    models.find("tiny-llama~2bit")  # used again
    variant(models, "~5bit")
    assert live(models, *every) == ["~2bit", "~5bit"]
    variant(models, "~nonorm")  # has no weights of its own
    assert live(models, *every, "~nonorm") == ["~2bit", "~5bit", "~nonorm"]


def test_no_more_than_a_few_are_there_however_little_they_take() -> None:
    models = server(NAME)
    rests = [f"~dropout=0.{number}" for number in range(1, AT_ONCE + 2)]
    for rest in rests:
        variant(models, rest)
    assert live(models, *rests) == rests[1:]


def test_one_that_was_let_go_of_is_made_again_where_it_is_asked_for(room) -> None:
    models = server(NAME)
    first = variant(models, "~3bit")
    for rest in ("~2bit", "~4bit"):
        variant(models, rest)
    assert not first.ready
    with pytest.raises(host.Loading):
        first.spec()
    until(lambda: first.live)
    ask(first)


def test_what_stands_beside_it_on_a_page_is_not_let_go_of(room, monkeypatch) -> None:
    """Or the two would be made in turns, each time that the page is drawn."""
    monkeypatch.setattr(hosted_variants, "of_variants", lambda: 0)
    models = server(NAME)
    variant(models, "~3bit")
    models.find("tiny-llama~2bit", beside="tiny-llama~3bit")
    variant(models, "~2bit")
    assert live(models, "~3bit", "~2bit") == ["~3bit", "~2bit"]
    models.find("tiny-llama~2bit", beside="")
    models._made["tiny-llama~2bit"].let_go()
    variant(models, "~2bit")
    assert live(models, "~3bit", "~2bit") == ["~2bit"]


@pytest.mark.parametrize("rest", ["~3bit", "~untrained", "~shared=2", "~noskip"])
def test_nothing_holds_the_model_of_one_that_was_let_go_of(rest: str) -> None:
    """Neither what it has answered, nor a cycle, which would stay: the collector never walks what a load froze."""
    models = server(NAME)
    made = variant(models, rest)
    ask(made)
    assert made._live is not None
    engine = ref(made._live._engine)
    model = ref(engine().model)
    until(lambda: not made._thread.is_alive())
    gc.disable()
    try:
        made.let_go()
        until(lambda: engine() is None and model() is None)
    finally:
        gc.enable()


# on the page


def test_the_page_says_which_variants_there_are_where_a_link_names_another(open_page) -> None:
    app = open_page(model="tiny-llama~cut", panel="attention")
    assert not app.exception
    assert "“cut” is no variant of a model. Variants are: untrained" in words(app)
    assert "Shown: tiny-llama." in words(app)
    assert drawn(app)


def test_while_one_is_made_the_page_says_of_what_and_who_goes_first(open_page, monkeypatch) -> None:
    app, go = open_page(), Event()
    monkeypatch.setattr(hosted_variants, "connect", held(go))
    app.query_params["model"], app.query_params["panel"] = "tiny-llama~3bit", "attention"
    app.run()
    assert not app.exception
    assert "One moment: the variant is being made" in words(app)
    assert "It is made of tiny-llama. Whoever reads tiny-llama goes first." in words(app)
    go.set()
    until(lambda: host.models()["tiny-llama~3bit"].live)
    assert drawn(app.run())
    assert "3 bits" in words(app)


def test_beside_a_run_the_same_is_said_and_why_it_could_not_be_made(open_page, monkeypatch) -> None:
    app, go = open_page(), Event()
    monkeypatch.setattr(hosted_variants, "connect", held(go))
    app.query_params["model2"], app.query_params["panel"] = "tiny-llama~shared=100", "attention"
    app.run()
    assert "is being made of tiny-llama, whose readers go first: its run joins when it is there." in words(app)
    assert drawn(app)
    go.set()
    until(lambda: host.models()["tiny-llama~shared=100"].ready)
    app.run()
    assert "Run B is not there. 100 layers cannot share weights" in words(app)
    assert drawn(app)

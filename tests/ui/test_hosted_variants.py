"""Variants behind the page: found by name, made behind what readers ask, let go of when others need the room."""

import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, current_thread
from types import SimpleNamespace
from weakref import ref

import pytest
import torch

from anatomy import variants
from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.variants import Alteration
from models import memory
from models.connect import connect, vary
from models.engine import Cancelled, Engine, Report
from models.serving.queue import Queue
from models.serving.recorded import FIRST_VIEW
from models.serving.store import Store
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
    def vary(*asked: object) -> object:
        raise ValueError("odd")

    monkeypatch.setattr(hosted, "vary", vary)
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

    def of_variant(_base: object, *asked) -> Noting:
        noted.append("made")
        return Noting(vary(tiny_engine("llama"), *asked), "variant", noted, go)

    monkeypatch.setattr(hosted, "connect", base)
    monkeypatch.setattr(hosted, "vary", of_variant)
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
    """In place of `vary`: it goes on once this is set, and stops where it is asked to."""

    def varied(base: Engine, made: tuple[Alteration, ...], report: Report, cancelled: Callable[[], bool]) -> Engine:
        until(lambda: go.is_set() or cancelled())
        if cancelled():
            raise Cancelled
        return vary(base, made, report, cancelled)

    return varied


def test_one_that_is_being_made_gives_way_to_whoever_asks_and_is_made_after_that(monkeypatch) -> None:
    go, queue = Event(), Queue()
    models = server(NAME, queue=queue)
    loaded(models[NAME])
    monkeypatch.setattr(hosted, "vary", held(go))
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
    """Or the two would be made in turns, each time that the page is drawn; however a link writes its name."""
    models, both = server(NAME), ("~prune=0.5", "~2bit")
    variant(models, "~prune=0.5")
    monkeypatch.setattr(hosted_variants, "of_variants", lambda: models._made["tiny-llama~prune=0.5"].nbytes)
    models.find("tiny-llama~2bit", beside="tiny-llama~prune=0.50")
    variant(models, "~2bit")
    assert live(models, *both) == [*both]
    models.find("tiny-llama~2bit", beside="")
    models._made["tiny-llama~2bit"].let_go()
    variant(models, "~2bit")
    assert live(models, *both) == ["~2bit"]


def test_one_that_is_too_large_by_itself_is_refused_with_the_figures_and_costs_the_others_nothing(monkeypatch) -> None:
    models = server(NAME)
    variant(models, "~3bit")
    most = models._made["tiny-llama~3bit"].nbytes
    monkeypatch.setattr(hosted_variants, "of_variants", lambda: most)
    large = models["tiny-llama~untrained"]
    loaded(large)
    assert f"tiny-llama~untrained takes {large.nbytes >> 20} MB for weights of its own" in str(large.failure)
    assert f"may take {most >> 20} MB here, a third of STAGELIGHT_MEMORY" in str(large.failure)
    assert "with STAGELIGHT_MEMORY=1." in str(large.failure)
    assert large.settled
    assert live(models, "~3bit") == ["~3bit"]


@pytest.fixture
def short_of_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """short_of_memory(left): from now on the program may take so many bytes more than it does now, with what is there
    now; whoever is let go of makes it less."""
    taken = 1 << 40
    monkeypatch.setattr(memory, "ALWAYS", 0)
    monkeypatch.setattr(memory, "resident", lambda: taken)
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: SimpleNamespace(total=1 << 50))
    monkeypatch.setattr(memory, "limit", lambda: 1 << 50)

    def with_left(left: int) -> None:
        monkeypatch.setattr(memory, "limit", lambda: taken + left)

    return with_left


def test_those_go_whose_memory_is_needed_and_none_where_there_would_not_be_enough_even_so(
    monkeypatch, short_of_memory
) -> None:
    models = server(NAME)
    each = variant(models, "~3bit").nbytes
    variant(models, "~2bit")
    whole = variants.new_bytes(dict(models[NAME].spec().counts), variants.read("m~untrained")[1])
    assert each < whole < 3 * each, "for the sake of the numbers below"
    monkeypatch.setattr(hosted_variants, "of_variants", lambda: 100 * whole)
    monkeypatch.setattr(hosted, "vary", lambda base, *_asked: base)  # its own look at the memory is not asked here
    short_of_memory(whole - 2 * each - 1)
    large = models["tiny-llama~untrained"]
    loaded(large)
    assert "tiny-llama~untrained takes" in str(large.failure)
    assert "float32" in str(large.failure)
    assert live(models, "~3bit", "~2bit") == ["~3bit", "~2bit"]
    short_of_memory(whole - each)
    large.again()
    until(lambda: large.live)
    assert live(models, "~3bit", "~2bit") == ["~2bit"]


def test_one_that_is_let_go_of_while_its_thread_still_runs_stays_away_and_has_not_failed(monkeypatch) -> None:
    go, make = Event(), Queue.ask

    def ask_slowly(queue: Queue, about: object, *asked, **how) -> object:
        answer = make(queue, about, *asked, **how)  # pyright: ignore[reportArgumentType]
        assert go.wait(20)
        return answer

    monkeypatch.setattr(Queue, "ask", ask_slowly)
    model = server(NAME)["tiny-llama~3bit"]
    assert isinstance(model, HostedVariant)
    loaded(model)
    thread = model._thread
    assert thread is not None
    model.let_go()
    go.set()
    thread.join(20)
    assert not model.live
    assert model.failure is None
    assert not model.at_work
    model.begin()
    until(lambda: model.live)
    for late in (thread, model._thread):
        model._fail(Refused("It broke."), late)
        assert model.failure is None
    model.let_go()
    model._fail(Refused("It broke."), thread)
    assert model.failure is None


def test_one_that_comes_after_it_was_given_up_is_dropped(monkeypatch) -> None:
    go, queue, made = Event(), Queue(), []
    models = server(NAME, queue=queue)
    loaded(models[NAME])

    def hangs(*asked) -> Engine:
        assert go.wait(20)
        made.append(ref(engine := vary(*asked[:2])))  # it does not stop where it is asked to
        return engine

    monkeypatch.setattr(hosted, "vary", hangs)
    model = models["tiny-llama~3bit"]
    model.begin()
    until(lambda: queue._current is not None)
    job = queue._current
    assert job is not None
    queue._give_up(job, Refused("It hangs."), held=False)
    until(lambda: model.failure == "It hangs.")
    go.set()
    until(lambda: queue._current is None)
    until(lambda: made[0]() is None)
    assert not model.live
    assert model.failure == "It hangs."


def test_one_that_is_there_or_being_made_is_not_forgotten(monkeypatch) -> None:
    monkeypatch.setattr(hosted_variants, "MOST", 2)
    go, models = Event(), server(NAME)
    there = variant(models, "~3bit")
    monkeypatch.setattr(hosted, "vary", held(go))
    coming = models["tiny-llama~2bit"]
    coming.begin()
    with pytest.raises(Refused, match="2 variants are there or being made on this server"):
        models.find("tiny-llama~4bit")
    go.set()
    until(lambda: coming.live)
    there.let_go()
    assert models.find("tiny-llama~4bit") is not there
    assert models.find("tiny-llama~2bit") is coming


def test_one_that_was_forgotten_counts_once_it_is_made_all_the_same(monkeypatch) -> None:
    """A page that is on a screen still has it."""
    monkeypatch.setattr(hosted_variants, "MOST", 1)
    models = server(NAME)
    forgotten = models["tiny-llama~3bit"]
    variant(models, "~2bit").let_go()
    again = variant(models, "~3bit")
    assert again is not forgotten
    loaded(forgotten)
    assert models["tiny-llama~3bit"] is forgotten
    assert not again.live, "one name, one model"


def test_memory_of_one_that_is_let_go_of_goes_back_to_the_system() -> None:
    """The C library would keep what lies below something that stays."""
    if memory._trim() is None:
        pytest.skip("this C library gives nothing back when asked")
    model = server(NAME)["tiny-llama~3bit"]
    assert isinstance(model, HostedVariant)
    first = torch.ones(4 << 20)  # from then on blocks of less than these 16 MB lie in the heap
    del first
    engine = SimpleNamespace(weights=[torch.ones(1 << 18) for _ in range(200)])  # of 1 MB each
    above = torch.ones(1 << 18)
    model._have(Store(engine, 1 << 20))  # pyright: ignore[reportArgumentType]
    before = memory.resident()
    del engine
    model.let_go()
    assert memory.resident() < before - (150 << 20)
    assert above.numel() == 1 << 18


def test_only_what_a_model_brought_that_stays_is_no_longer_walked_by_the_collector(monkeypatch) -> None:
    frozen: list[str] = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(current_thread().name))
    models = server(NAME)
    for model in (variant(models, "~2bit"), variant(models, "~4bit"), models[NAME]):
        thread = model._thread
        assert thread is not None
        thread.join(20)
    assert frozen == ["load local:tiny-llama"]


def test_a_variant_is_made_of_the_model_that_is_loaded() -> None:
    """Not of its files: they may have been touched meanwhile."""
    models = server(NAME)
    made, base = variant(models, "~noskip")._live, models[NAME]._live
    assert made is not None
    assert base is not None
    own = {weight.data_ptr() for weight in base._engine.model.parameters()}  # pyright: ignore[reportAttributeAccessIssue]
    assert {weight.data_ptr() for weight in made._engine.model.parameters()} == own  # pyright: ignore[reportAttributeAccessIssue]


def test_an_engine_that_holds_no_weights_cannot_be_altered() -> None:
    with pytest.raises(Refused, match="smollm2-135m cannot be altered: only a model whose weights"):
        vary(connect(f"recorded:{FIRST_VIEW}"), variants.read("m~3bit")[1])


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
    monkeypatch.setattr(hosted, "vary", held(go))
    app.query_params["model"], app.query_params["panel"] = "tiny-llama~3bit", "attention"
    app.run()
    assert not app.exception
    assert "One moment: the variant is being made" in words(app)
    assert "It is made of tiny-llama. Whoever reads tiny-llama goes first." in words(app)
    assert '<p class="model">tiny-llama · 3 bits</p>' in words(app)
    go.set()
    until(lambda: host.models()["tiny-llama~3bit"].live)
    assert drawn(app.run())
    assert "3 bits" in words(app)


def test_beside_a_run_the_same_is_said_and_why_it_could_not_be_made(open_page, monkeypatch) -> None:
    app, go = open_page(), Event()
    monkeypatch.setattr(hosted, "vary", held(go))
    app.query_params["model2"], app.query_params["panel"] = "tiny-llama~shared=100", "attention"
    app.run()
    assert "is being made of tiny-llama, whose readers go first: its run joins when it is there." in words(app)
    assert drawn(app)
    go.set()
    until(lambda: host.models()["tiny-llama~shared=100"].ready)
    app.run()
    assert "Run B is not there. 100 layers cannot share weights" in words(app)
    assert drawn(app)

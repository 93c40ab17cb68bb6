"""Verdicts worked out in the background: every claim once, in the order of asking, for those who still ask."""

from threading import Event
from time import monotonic, sleep

import pytest

import articles
from anatomy.stages import STAGES
from articles.verdict import Case, Verdict
from tests.models.tiny import tiny_engine
from ui import host, hosted, judging
from ui.judging import Question, VerdictQueue

WAIT = 20


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> host.HostedModel:
    monkeypatch.setattr(hosted, "connect", lambda address, report: tiny_engine("llama"))
    tiny = host.HostedModel("local:tiny-llama", recorded=None)
    tiny.begin()
    until = monotonic() + WAIT
    while not tiny.live:
        assert monotonic() < until, "the tiny model did not load"
        sleep(0.01)
    return tiny


def question(text: str = "the cat, the cat", language: str = "en") -> Question:
    return Question("tiny-llama", text, (), language)


def finished(
    bench: VerdictQueue, asked: Question, model: host.HostedModel, first: tuple[str, ...] = ()
) -> judging.Judged:
    until = monotonic() + WAIT
    while not (judged := bench.ask(asked, model, first)).done:
        assert monotonic() < until, f"only {len(judged.verdicts)} verdicts came"
        sleep(0.02)
    return judged


def checked_by(monkeypatch: pytest.MonkeyPatch, check) -> None:
    """Every claim is held by this check instead of its own."""
    monkeypatch.setattr(judging, "_checks", lambda: {claim.id: check for _article, claim in articles.claims()})


def test_every_claim_gets_a_verdict_and_then_there_are_no_more_to_come(model):
    judged = finished(VerdictQueue(), question(), model)
    assert set(judged.verdicts) == {claim.id for _article, claim in articles.claims()}
    assert all(verdict.says for verdict in judged.verdicts.values())


def test_what_is_known_is_not_worked_out_again(model, monkeypatch):
    asked = []
    checked_by(monkeypatch, lambda case: asked.append(case.view.text) or Verdict("holds", "yes"))
    bench = VerdictQueue()
    for _again in range(2):
        finished(bench, question("known at once"), model)
    # a worker of another test may still be at its own text
    assert asked.count("known at once") == len({claim.id for _article, claim in articles.claims()})


def test_a_question_rests_while_its_page_is_drawn_however_often_it_is_asked_again(model, monkeypatch):
    monkeypatch.setattr(judging, "REST", 0.4)
    looked = []

    def check(case: Case) -> Verdict:
        looked.append((case.view.text, monotonic()))
        return Verdict("holds", "yes")

    checked_by(monkeypatch, check)
    asked = monotonic()
    finished(VerdictQueue(), question("it rests"), model)
    # a worker of another test may still be at its own text
    assert min(at for text, at in looked if text == "it rests") - asked >= 0.4


def test_the_claims_on_view_come_first(model, monkeypatch):
    seen, go = [], Event()

    def check(case: Case) -> Verdict:
        go.wait(WAIT)
        return Verdict("holds", "yes")

    checked_by(monkeypatch, check)
    bench = VerdictQueue()
    on_stage = {claim.id for _article, claim in articles.claims("output")}
    bench.ask(question(), model, tuple(on_stage))
    go.set()
    until = monotonic() + WAIT
    while len(seen) < len(on_stage) and monotonic() < until:
        seen = list(bench.ask(question(), model, tuple(on_stage)).verdicts)
    assert set(seen[: len(on_stage)]) == on_stage


class Order:
    """A check that notes whose text it is at, and is held up until `go` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
        self.texts, self.seen, self.begun, self.go = texts, [], Event(), Event()
        checked_by(monkeypatch, self.check)

    def check(self, case: Case) -> Verdict:
        if case.view.text in self.texts:  # a worker of another test may still be at its own
            self.seen.append(case.view.text)
            self.begun.set()
            self.go.wait(WAIT)
        return Verdict("holds", "yes")

    def until(self, many: int) -> list[str]:
        until = monotonic() + WAIT
        while len(self.seen) < many and monotonic() < until:
            sleep(0.01)
        return self.seen


CLAIMS = list(dict.fromkeys(claim.id for _article, claim in articles.claims()))


def test_who_came_first_is_served_first_however_often_others_ask(model, monkeypatch):
    order, bench = Order(monkeypatch, "one", "two"), VerdictQueue()
    bench.ask(question("one"), model, asker="a")
    order.begun.wait(WAIT)
    assert bench.ask(question("two"), model, asker="b").before == 1
    assert bench.ask(question("two"), model, asker="b").before == 1
    assert bench.ask(question("one"), model, asker="a").before == 0
    order.go.set()
    assert order.until(2 * len(CLAIMS)) == ["one"] * len(CLAIMS) + ["two"] * len(CLAIMS)


def test_claims_on_view_come_before_all_others_of_those_who_came_first(model, monkeypatch):
    order, bench = Order(monkeypatch, "one", "two"), VerdictQueue()
    bench.ask(question("one"), model, (CLAIMS[0],), asker="a")
    order.begun.wait(WAIT)
    bench.ask(question("two"), model, (CLAIMS[5], CLAIMS[6]), asker="b")
    order.go.set()
    assert order.until(5)[:5] == ["one", "two", "two", "one", "one"]


def test_what_a_reader_asked_before_is_given_up_unless_another_asks_for_it(model, monkeypatch):
    order, bench = Order(monkeypatch, "first", "shared", "given up", "last"), VerdictQueue()
    bench.ask(question("first"), model, asker="x")
    order.begun.wait(WAIT)
    for text, asker in (("shared", "a"), ("shared", "b"), ("given up", "a"), ("last", "a")):
        bench.ask(question(text), model, asker=asker)
    assert [job.question.text for job in bench._line] == ["first", "shared", "last"]
    other = Question("another model", "last", (), "en")
    bench.ask(other, model, asker="b")
    assert [job.question.text for job in bench._line] == ["first", "shared", "last", "last"]
    order.go.set()


def test_what_nobody_asks_for_any_more_is_not_worked_out(model, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(judging, "monotonic", lambda: now)
    order, bench = Order(monkeypatch, "gone", "here"), VerdictQueue()
    bench.ask(question("gone"), model, asker="a")
    order.begun.wait(WAIT)
    now += judging.GONE - 1
    bench.ask(question("here"), model, asker="b")
    now += 2
    order.go.set()
    assert order.until(1 + len(CLAIMS)) == ["gone"] + ["here"] * len(CLAIMS)
    assert finished(bench, question("gone"), model).done


def test_a_mistake_in_a_check_is_reported_and_the_others_go_on(model, monkeypatch, caplog):
    def check(case: Case) -> Verdict:
        raise ZeroDivisionError

    checked_by(monkeypatch, check)
    judged = finished(VerdictQueue(), question(), model)
    assert {verdict.kind for verdict in judged.verdicts.values()} == {"unseen"}
    assert "ZeroDivisionError" in caplog.text


def test_verdicts_are_put_in_the_language_that_was_asked_for(model, monkeypatch):
    from anatomy.language import get_locale

    checked_by(monkeypatch, lambda case: Verdict("holds", get_locale()))
    bench = VerdictQueue()
    chinese, english = (finished(bench, question(language=language), model) for language in ("zh", "en"))
    assert {verdict.says for verdict in chinese.verdicts.values()} == {"zh"}
    assert {verdict.says for verdict in english.verdicts.values()} == {"en"}


def test_questions_in_line_are_bounded(model, monkeypatch):
    begun, go = Event(), Event()

    def check(case: Case) -> Verdict:
        begun.set()
        go.wait(WAIT)
        return Verdict("holds", "yes")

    checked_by(monkeypatch, check)
    bench = VerdictQueue()
    for i in range(2 * judging.WAITING):
        judged = bench.ask(question(f"text {i}"), model)
    assert len(bench._line) == judged.before == judging.WAITING
    assert bench._line[0].question.text == "text 0"
    go.set()


def test_marks_count_each_claim_once_per_stage():
    claims = {claim.id: claim for _article, claim in articles.claims()}
    verdicts = {name: Verdict("holds", "yes") for name in claims}
    marks = judging.marks(verdicts)
    assert set(marks) == set(STAGES)
    assert sum(holds for holds, _part, _not in marks.values()) == len(claims)
    assert judging.marks({}) == dict.fromkeys(STAGES, (0, 0, 0))

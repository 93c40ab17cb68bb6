"""Verdicts worked out in the background: every claim once, the newest question first, a mistake is told."""

from threading import Event
from time import monotonic, sleep

import pytest

import articles
from anatomy.stages import STAGES
from articles.verdict import Case, Verdict
from tests.models.tiny import tiny_engine
from ui import host, judging
from ui.judging import Bench, Question

WAIT = 20


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> host.Model:
    monkeypatch.setattr(host, "connect", lambda address, report: tiny_engine("llama"))
    tiny = host.Model("local:tiny-llama", recorded=None)
    tiny.begin()
    until = monotonic() + WAIT
    while not tiny.live:
        assert monotonic() < until, "the tiny model did not load"
        sleep(0.01)
    return tiny


def question(text: str = "the cat, the cat", language: str = "en") -> Question:
    return Question("tiny-llama", text, (), language)


def finished(bench: Bench, asked: Question, model: host.Model, first: tuple[str, ...] = ()) -> judging.Judged:
    until = monotonic() + WAIT
    while not (found := bench.ask(asked, model, first)).done:
        assert monotonic() < until, f"only {len(found.verdicts)} verdicts came"
        sleep(0.02)
    return found


def checked_by(monkeypatch: pytest.MonkeyPatch, check) -> None:
    """Every claim is held by this check instead of its own."""
    monkeypatch.setattr(judging, "_checks", lambda: {claim.id: check for _article, claim in articles.claims()})


def test_every_claim_gets_a_verdict_and_then_there_are_no_more_to_come(model):
    found = finished(Bench(), question(), model)
    assert set(found.verdicts) == {claim.id for _article, claim in articles.claims()}
    assert all(verdict.says for verdict in found.verdicts.values())


def test_what_is_known_is_not_worked_out_again(model, monkeypatch):
    asked = []
    checked_by(monkeypatch, lambda case: asked.append(case.view.text) or Verdict("holds", "yes"))
    bench = Bench()
    for _again in range(2):
        finished(bench, question("known at once"), model)
    # a worker of another test may still be at its own text
    assert asked.count("known at once") == len({claim.id for _article, claim in articles.claims()})


def test_the_claims_on_view_come_first(model, monkeypatch):
    seen, go = [], Event()

    def check(case: Case) -> Verdict:
        go.wait(WAIT)
        return Verdict("holds", "yes")

    checked_by(monkeypatch, check)
    bench = Bench()
    on_stage = {claim.id for _article, claim in articles.claims("output")}
    bench.ask(question(), model, tuple(on_stage))
    go.set()
    until = monotonic() + WAIT
    while len(seen) < len(on_stage) and monotonic() < until:
        seen = list(bench.ask(question(), model, tuple(on_stage)).verdicts)
    assert set(seen[: len(on_stage)]) == on_stage


def test_a_newer_question_goes_first_and_the_older_one_is_taken_up_again(model, monkeypatch):
    order, begun, go = [], Event(), Event()

    def check(case: Case) -> Verdict:
        if case.view.text in ("older", "newer"):  # a worker of another test may still be at its own
            order.append(case.view.text)
            begun.set()
            go.wait(WAIT)
        return Verdict("holds", "yes")

    checked_by(monkeypatch, check)
    bench = Bench()
    bench.ask(question("older"), model)
    begun.wait(WAIT)
    bench.ask(question("newer"), model)
    go.set()
    until = monotonic() + WAIT
    many = len({claim.id for _article, claim in articles.claims()})
    while len(order) < 2 * many and monotonic() < until:
        sleep(0.01)
    assert order == ["older"] + ["newer"] * many + ["older"] * (many - 1)


def test_a_mistake_in_a_check_is_told_and_the_others_go_on(model, monkeypatch, caplog):
    def check(case: Case) -> Verdict:
        raise ZeroDivisionError

    checked_by(monkeypatch, check)
    found = finished(Bench(), question(), model)
    assert {verdict.kind for verdict in found.verdicts.values()} == {"unseen"}
    assert "ZeroDivisionError" in caplog.text


def test_verdicts_are_put_in_the_language_that_was_asked_for(model, monkeypatch):
    from anatomy.language import spoken

    checked_by(monkeypatch, lambda case: Verdict("holds", spoken()))
    bench = Bench()
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
    bench = Bench()
    for i in range(2 * judging.WAITING):
        bench.ask(question(f"text {i}"), model)
    assert len(bench._line) == judging.WAITING
    go.set()


def test_marks_count_each_claim_once_per_stage():
    claims = {claim.id: claim for _article, claim in articles.claims()}
    verdicts = {name: Verdict("holds", "yes") for name in claims}
    marks = judging.marks(verdicts)
    assert set(marks) == set(STAGES)
    assert sum(holds for holds, _part, _not in marks.values()) == len(claims)
    assert judging.marks({}) == dict.fromkeys(STAGES, (0, 0, 0))

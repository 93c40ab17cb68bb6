"""Beside the figure: the claims on a stage or of an article, what a click does, and a second model's verdicts."""

import json
from dataclasses import replace
from time import monotonic, sleep

import pytest
from streamlit.testing.v1 import AppTest

import articles
import panels
from anatomy.view import View
from articles.verdict import Verdict
from tests.anatomy.spec import SPEC
from tests.ui.conftest import loaded
from ui import aside, host, judging

CLAIMS = {claim.id: claim for _article, claim in articles.claims()}
KINDS = {"holds", "part", "not", "unseen", "absent"}


def column(app: AppTest) -> dict:
    return json.loads(app.get_by_key("claims").proto.json)[0]


def cards(app: AppTest) -> list[dict]:
    return [card for group in column(app)["groups"] for card in group["cards"]]


def judged(app: AppTest) -> AppTest:
    """The page once every verdict on it is known."""
    until = monotonic() + 40
    while not all(mark["kind"] for card in cards(app) for mark in card["marks"]):
        assert monotonic() < until, "verdicts are missing"
        sleep(0.1)
        app.run()
    return app


def test_a_stage_shows_each_of_its_claims_once_with_its_verdict(open_page):
    app = judged(open_page(panel="attention"))
    assert [card["id"] for card in cards(app)] == list(dict.fromkeys(c.id for _a, c in articles.claims("attention")))
    for card in cards(app):
        assert len(card["marks"]) == 1
        assert card["marks"][0]["kind"] in KINDS
        assert card["marks"][0]["says"]
    shared = next(card for card in cards(app) if card["id"] == "c-multihead")
    by_key = {article.key: article for article in articles.load()}
    for key in ("A1", "A2"):
        (place,) = [place for place in shared["where"] if place["says"].startswith(by_key[key].short)]
        assert place["title"].startswith(by_key[key].named)


def test_the_stage_map_counts_the_claims_by_verdict(open_page):
    app = open_page(panel="attention")
    until = monotonic() + 40
    marks = {}
    while sum(map(sum, marks.values())) < 20 and monotonic() < until:
        sleep(0.1)
        app.run()
        boxes = json.loads(app.get_by_key("stagemap").proto.json)[0]["boxes"]
        marks = {box["stage"]: box["marks"] for box in boxes}
    kinds = [card["marks"][0]["kind"] for card in cards(judged(app))]
    assert marks["attention"] == [kinds.count("holds"), kinds.count("part"), kinds.count("not")]


@pytest.mark.parametrize("article", articles.load(), ids=lambda article: article.key)
def test_an_article_is_read_from_top_to_bottom(open_page, article):
    app = open_page(article=article.key)
    assert column(app)["title"] == article.named
    assert column(app)["original"] == ("" if article.named == article.title else article.title)
    assert [card["id"] for card in cards(app)] == [claim.id for claim in article.claims]
    assert {group["where"]["says"] for group in column(app)["groups"]} >= {
        c.section for c in article.claims if "§" in c.section
    }


@pytest.mark.parametrize("panel", panels.load())
def test_an_articles_tab_changes_what_is_read_and_nothing_else(panel):
    view = View(panel=panel, text="abc", layer=2, pos=1, settings=(("show", "maps"),))
    for article in articles.load():
        reading = aside.reading(view, article.key)
        assert reading == replace(view, article=article.key)
        assert aside.reading(reading, "") == view


def test_a_claim_of_an_article_opens_the_panel_in_which_it_is_seen_and_the_article_stays():
    later = articles.load()[0].claims[-1]
    view = aside.reading(View(panel="sampling"), "A1")
    moved = aside.at_claim(view, later.id, Verdict("holds", "yes", at={"layer": 2, "pos": 1}), SPEC)
    assert (moved.article, moved.claim, moved.panel) == ("A1", later.id, later.panel)
    assert (moved.layer, moved.pos) == (2, 1)
    back = aside.reading(moved, "")
    assert (back.article, back.panel) == (None, later.panel)


@pytest.mark.parametrize("panel", panels.load())
def test_this_stage_is_that_of_the_open_panel_whatever_was_read_in_between(panel):
    stage, verdicts = panels.load()[panel].stage, by_model(judging.Judged(done=True))
    own = list(dict.fromkeys(claim.id for _article, claim in articles.claims(stage)))
    for claim in CLAIMS.values():
        view = aside.reading(aside.reading(View(panel=panel, claim=claim.id), "A1"), "")
        here = [card.id for group in aside._of_stage(stage, verdicts, view) for card in group.cards]
        opened_for_it = claim.panel_for(SPEC) == panel and claim.id not in own
        assert here == ([claim.id, *own] if opened_for_it else own)


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_the_view_of_a_claim_has_its_panel_and_settings(claim):
    view = aside.at_claim(View(), claim.id, None, SPEC)
    assert view.panel == claim.panel_for(SPEC)
    controls = {control.name: control for control in panels.load()[claim.panel].controls}
    for name, value in claim.sets.items():
        assert controls[name].read(value) is not None, f"{claim.panel} cannot be set to {name}={value}"


def test_an_unknown_claim_or_article_in_a_link_changes_nothing(open_page):
    assert aside.at_claim(View(), "c-nothing", None, SPEC) == View()
    app = open_page(article="A99", claim="c-nothing")
    assert not app.exception
    assert column(app)["tabs"][0]["current"]
    assert "A99" in "".join(str(element.proto.body) for element in app.get("html"))


def test_a_second_models_verdicts_stand_beside_the_first(open_page, monkeypatch):
    app = open_page(panel="attention")
    monkeypatch.setenv(host.VARIABLE, "tiny-llama,tiny-bert-headless")
    host.models.clear()
    judging.verdict_queue.clear()
    for model in host.models().values():
        loaded(model)
    app.query_params["beside"] = "tiny-bert-headless"
    app.query_params["panel"] = "position"
    judged(app.run())
    added = next(card for card in cards(app) if card["id"] == "c-added-position")
    assert [(mark["model"], mark["kind"]) for mark in added["marks"]] == [
        ("tiny-llama", "not"),
        ("tiny-bert-headless", "holds"),
    ]


def test_every_kind_of_verdict_has_a_word():
    assert len({aside.label(Verdict(kind, "says")) for kind in KINDS}) == len(KINDS)


def by_model(*judged: judging.Judged) -> aside.ModelVerdicts:
    return aside.ModelVerdicts(tuple((f"model {i}", each) for i, each in enumerate(judged)), SPEC)


def test_a_page_asks_less_often_the_more_texts_come_before_its_own():
    pauses = [by_model(judging.Judged(before=before)).pause for before in (0, 1, 2, 30)]
    assert pauses == [aside.EVERY, 2 * aside.EVERY, aside.SELDOM, aside.SELDOM]
    assert judging.REST < aside.EVERY < aside.SELDOM < judging.GONE
    assert 2 * aside.SELDOM < judging.GONE  # or its question would leave the line while it waits
    assert by_model(judging.Judged(before=30), judging.Judged(before=1)).pause == 2 * aside.EVERY
    assert by_model(judging.Judged(done=True), judging.Judged(before=1)).pause == 2 * aside.EVERY


def test_the_column_says_how_many_texts_come_before_this_one():
    stage, verdicts = "attention", {articles.claims("attention")[0][1].id: Verdict("holds", "says")}
    cases = [
        (judging.Judged(), "being worked out …"),
        (judging.Judged(before=1), "1 text comes before this one"),
        (judging.Judged(before=12), "12 texts come before this one"),
        (judging.Judged(verdicts), "so far; more are being worked out"),
        (judging.Judged(verdicts, before=1), "so far; 1 text comes before this one"),
        (judging.Judged(verdicts, before=12), "so far; 12 texts come before this one"),
        (judging.Judged(verdicts, done=True), "hold for this model"),
        (judging.Judged(done=True), ""),
    ]
    for judged, says in cases:
        assert aside._progress(None, stage, judged) == says


def test_a_page_asks_under_its_session_s_name(open_page, monkeypatch):
    asked = []
    ask = judging.VerdictQueue.ask

    def noted(bench, question, model, first=(), asker=None):
        asked.append(asker)
        return ask(bench, question, model, first, asker)

    monkeypatch.setattr(judging.VerdictQueue, "ask", noted)
    open_page(panel="attention")
    assert asked
    assert set(asked) == {asked[0]} != {None}

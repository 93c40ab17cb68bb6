"""Beside the figure: the claims on a stage or of an article, what a click does, and a second model's verdicts."""

import json
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
    return json.loads(app.get_by_key("claims").proto.json)


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
    assert "A1" in shared["where"]
    assert "A2" in shared["where"]


def test_the_stage_map_counts_the_claims_by_verdict(open_page):
    app = open_page(panel="attention")
    until = monotonic() + 40
    marks = {}
    while sum(map(sum, marks.values())) < 20 and monotonic() < until:
        sleep(0.1)
        app.run()
        boxes = json.loads(app.get_by_key("stagemap").proto.json)["boxes"]
        marks = {box["stage"]: box["marks"] for box in boxes}
    kinds = [card["marks"][0]["kind"] for card in cards(judged(app))]
    assert marks["attention"] == [kinds.count("holds"), kinds.count("part"), kinds.count("not")]


@pytest.mark.parametrize("article", articles.load(), ids=lambda article: article.key)
def test_an_article_is_read_from_top_to_bottom(open_page, article):
    app = open_page(article=article.key)
    assert column(app)["title"] == article.title
    assert [card["id"] for card in cards(app)] == [claim.id for claim in article.claims]
    assert {group["where"] for group in column(app)["groups"]} >= {
        c.section for c in article.claims if "§" in c.section
    }


def test_the_page_follows_the_reader_through_an_article():
    view = aside.reading(View(text="abc"), "A1", SPEC)
    first = articles.load()[0].claims[0]
    assert (view.article, view.claim, view.panel, view.text) == ("A1", first.id, first.panel, "abc")
    later = articles.load()[0].claims[-1]
    moved = aside.at_claim(view, later.id, Verdict("holds", "yes", at={"layer": 2, "pos": 1}), SPEC)
    assert (moved.article, moved.claim, moved.panel) == ("A1", later.id, later.panel)
    assert (moved.layer, moved.pos) == (2, 1)
    assert aside.reading(moved, "", SPEC).article is None


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_the_view_of_a_claim_has_its_panel_and_settings(claim):
    view = aside.at_claim(View(), claim.id, None, SPEC)
    assert view.panel == claim.panel_for(SPEC)
    controls = {control.name: control for control in panels.load()[claim.panel].controls}
    for name, value in claim.sets.items() if view.panel == claim.panel else ():
        assert controls[name].read(value) is not None, f"{claim.panel} cannot be set to {name}={value}"


def test_an_unknown_claim_or_article_in_a_link_changes_nothing(open_page):
    assert aside.at_claim(View(), "c-nothing", None, SPEC) == View()
    app = open_page(article="A99", claim="c-nothing")
    assert not app.exception
    assert column(app)["tabs"][0]["current"]
    assert "A99" in "".join(str(element.proto.body) for element in app.get("html"))


def test_a_second_models_verdicts_stand_beside_the_first(open_page, monkeypatch):
    app = open_page()
    monkeypatch.setenv(host.VARIABLE, "tiny-llama,tiny-bert-headless")
    host.models.clear()
    judging.bench.clear()
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

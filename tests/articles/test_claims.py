"""The claims: each stands under a section of its article, can be seen in a panel, and is measured by one check."""

from urllib.parse import urlencode

import pytest

import articles
import panels
from anatomy.stages import STAGES
from anatomy.view import read_view
from articles.measured import BY_ID

CLAIMS = articles.claims()
EACH = pytest.mark.parametrize(("article", "claim"), CLAIMS, ids=[f"{a.key}-{c.id}" for a, c in CLAIMS])


@EACH
def test_a_claim_stands_in_a_section_of_its_article_and_names_a_stage_of_the_map(article, claim):
    article.title_of(claim.section)
    assert claim.stage in STAGES


@EACH
def test_a_claim_can_be_seen_in_a_panel_with_settings_that_the_panel_has(article, claim):
    panel = panels.load()[claim.panel]
    known = {control.name for control in panel.controls}
    assert set(claim.sets) <= known
    view, complaints = read_view({"panel": claim.panel, **claim.sets}, panels.load(), panel.controls)
    assert (view.panel, complaints) == (claim.panel, ()), urlencode(dict(claim.sets))


@EACH
def test_a_paraphrase_is_one_sentence(article, claim):
    assert claim.says.endswith(".")
    assert ". " not in claim.says.replace("Llama 3.1", "Llama")
    assert len(claim.says) <= 110


def test_an_article_makes_a_claim_once():
    for article in articles.load():
        ids = [claim.id for claim in article.claims]
        assert len(ids) == len(set(ids)), article.key


def test_articles_that_make_the_same_claim_share_stage_panel_and_check_and_say_it_each_in_its_own_words():
    by_id = {}
    for _article, claim in CLAIMS:
        by_id.setdefault(claim.id, []).append(claim)
    shared = [found for found in by_id.values() if len(found) > 1]
    assert len(shared) >= 15
    for found in shared:
        assert len({(claim.stage, claim.panel, claim.check, tuple(claim.sets.items())) for claim in found}) == 1
        assert len({claim.says for claim in found}) == len(found)


def test_every_measured_claim_is_made_by_an_article_and_every_stage_has_claims():
    assert {claim.id for _article, claim in CLAIMS} == set(BY_ID)
    assert [stage for stage in STAGES if not articles.claims(stage)] == []
    assert len(articles.checks_of(CLAIMS)) == len(BY_ID) >= 80


def test_an_article_tells_its_claims_from_top_to_bottom():
    for key in ("A1", "A2", "A3"):
        (article,) = [found for found in articles.load() if found.key == key]
        numbered = [claim.section for claim in article.claims if claim.section.startswith("§")]
        assert numbered == sorted(numbered), key

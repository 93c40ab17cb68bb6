"""The claims: each stands under a section of its article, can be seen in a panel, and is measured by one check."""

from dataclasses import replace
from urllib.parse import urlencode

import pytest

import articles
import panels
from anatomy.stages import STAGES
from anatomy.view import read_view
from articles.measured import BY_ID
from tests.models.tiny import MODELS, tiny_engine

CLAIMS = articles.claims()
EACH = pytest.mark.parametrize(("article", "claim"), CLAIMS, ids=[f"{a.key}-{c.id}" for a, c in CLAIMS])


@EACH
def test_a_claim_stands_in_a_section_of_its_article_and_names_a_stage_of_the_map(article, claim):
    article.title_of(claim.section)
    assert claim.stage in STAGES


@EACH
def test_a_claim_can_be_seen_in_a_panel_with_settings_that_the_panel_has(article, claim):
    panel, *others = (panels.load()[id] for id in claim.panels)
    assert panel.id == claim.panel
    known = {control.name for control in panel.controls}
    assert set(claim.sets) <= known
    assert not set(claim.sets) & {control.name for other in others for control in other.controls}
    view, complaints = read_view({"panel": claim.panel, **claim.sets}, panels.load(), panel.controls)
    assert (view.panel, complaints) == (claim.panel, ()), urlencode(dict(claim.sets))


@EACH
def test_a_paraphrase_is_one_sentence(article, claim):
    assert claim.says.endswith(".")
    assert ". " not in claim.says.replace("Llama 3.1", "Llama")
    assert len(claim.says) <= 110


@pytest.mark.parametrize("kind", MODELS)
def test_a_click_on_a_claim_leads_to_a_figure_on_every_family(kind):
    spec = tiny_engine(kind).spec
    refused = {claim.id for _a, claim in CLAIMS if panels.load()[claim.panel_for(spec)].applies(spec) is not None}
    assert not refused


def test_the_preferred_panel_is_taken_where_it_applies_and_the_last_where_none_does():
    claims = {claim.id: claim for _article, claim in CLAIMS}
    specs = {kind: tiny_engine(kind).spec for kind in MODELS}
    found = {kind: claims["c-added-position"].panel_for(spec) for kind, spec in specs.items()}
    assert (found["gpt2"], found["llama"], found["t5"]) == ("position_sizes", "rotation", "relative_bias")
    alone = replace(claims["c-gqa"], panels=("lens", "surprisal"))
    assert alone.panel_for(specs["bert-headless"]) == "surprisal"


def test_a_claim_on_a_named_model_says_that_another_was_judged():
    by_name = {(article.key, claim.id): claim for article, claim in CLAIMS}
    assert by_name["A3", "c-wordpiece"].about == "BERT"
    assert "BERT" in by_name["A3", "c-wordpiece"].judged()
    assert by_name["A1", "c-transformer"].about == "Llama 3.1" != by_name["A3", "c-transformer"].about
    assert by_name["A3", "c-transformer"].judged() == ""
    for name in ("Llama 1", "Llama 2", "T5", "GPT-4"):
        for (key, id), claim in by_name.items():
            assert name not in claim.says or name in claim.about, (key, id)


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
        assert len({(claim.stage, claim.panels, claim.check, tuple(claim.sets.items())) for claim in found}) == 1
        assert len({claim.says for claim in found}) == len(found)


def test_every_measured_claim_is_made_by_an_article_and_every_stage_has_claims():
    assert {claim.id for _article, claim in CLAIMS} == set(BY_ID)
    assert [stage for stage in STAGES if not articles.claims(stage)] == []
    assert len(articles.checks_of(CLAIMS)) == len(BY_ID) >= 90


def test_an_article_tells_its_claims_from_top_to_bottom():
    for key in ("A1", "A2", "A3"):
        (article,) = [found for found in articles.load() if found.key == key]
        numbered = [claim.section for claim in article.claims if claim.section.startswith("§")]
        assert numbered == sorted(numbered), key

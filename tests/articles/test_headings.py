"""The articles: every place points at a stage that exists, and every stage is named by somebody."""

import articles
from anatomy.stages import STAGES


def test_every_heading_names_a_stage_of_the_map():
    places = [place for article in articles.load() for place in article.headings]
    assert len(places) >= 25
    assert {place.stage for place in places} <= set(STAGES)


def test_every_stage_is_named_by_at_least_one_article():
    assert [stage for stage in STAGES if not articles.headings(stage)] == []


def test_the_five_articles_are_there_once_each():
    assert [article.key for article in articles.load()] == ["A1", "A2", "A3", "A4", "A5"]
    assert {article.language for article in articles.load()} == {"en", "zh"}


def test_the_page_says_the_standard_name_where_an_article_uses_another():
    (residual,) = [place for article, place in articles.headings("residual") if article.key == "A2"]
    assert residual.title == "残差连接和层归一化"
    assert "RMSNorm" in residual.standard

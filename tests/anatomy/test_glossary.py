"""The glossary: everything that stands on the page has a sentence, and terms are found where they stand."""

from collections import Counter

import pytest

from anatomy import glossary, language
from anatomy.glossary import KINDS, find, places, unit
from anatomy.sites import SITES
from anatomy.stages import STAGES
from anatomy.terms import TERMS


def names(text: str) -> list[str]:
    return [entry.name for entry in find(text)]


def test_every_stage_axis_unit_and_site_has_an_entry():
    for site in SITES.values():
        assert glossary.entry("site", site.name).says == site.says
        assert unit(site.unit).says, site.unit
        for axis in site.axes:
            assert glossary.entry("axis", axis).says, axis
    for stage in STAGES.values():
        assert glossary.entry("stage", stage.title).says == stage.says


def test_every_entry_of_its_own_is_one_sentence():
    for entry in glossary.load():
        assert entry.says.strip() == entry.says
        assert entry.says, entry.name
        if entry.kind in ("term", "unit", "stage"):
            assert entry.says.endswith("."), entry.name
            assert len(entry.says) < 160, entry.name


def test_no_name_stands_twice():
    rows = Counter((entry.kind, entry.name.casefold()) for entry in glossary.load())
    assert [row for row, count in rows.items() if count > 1] == []
    words = Counter(word.casefold() for name, others, says in TERMS for word in (name, *others))
    assert [word for word, count in words.items() if count > 1] == []


def test_every_unit_of_its_own_is_used_by_a_site_and_is_no_term():
    own = {entry.name for entry in glossary.load() if entry.kind == "unit"}
    assert own <= {site.unit for site in SITES.values()}
    assert not own & {name for name, others, says in TERMS}


def test_there_are_terms_enough_and_every_kind_has_a_heading():
    assert len(TERMS) >= 50
    assert {entry.kind for entry in glossary.load()} == set(KINDS)


def test_the_longest_term_is_found_and_none_inside_it():
    assert names("The query heads share one key/value head.") == ["query head", "key/value head"]
    assert names("Direct logit attribution sums to the logit.") == ["direct logit attribution", "logit"]


def test_only_whole_words_are_found_in_any_case_and_in_the_plural():
    assert names("Overheads, a layered tokenization") == []
    assert names("LAYERS and Neurons") == ["layer", "neuron"]
    assert names("Both queries and vocabularies.") == ["query", "vocabulary"]


def test_each_entry_is_named_once_but_placed_every_time():
    text = "a token, another token"
    assert names(text) == ["token"]
    assert [text[place.start : place.end] for place in places(text)] == ["token", "token"]


def test_another_word_leads_to_the_same_entry():
    assert names("grouped-query attention") == names("GQA") == ["GQA"]


@pytest.fixture
def chinese(monkeypatch):
    """A catalogue of two terms in the place of the real one."""
    words = {"token": "词元", "GQA": "分组查询注意力", "attention": "注意力"}

    class Catalogue:
        def gettext(self, message: str) -> str:
            return words.get(message, message)

    glossary._searched.cache_clear()
    monkeypatch.setattr(language, "_catalogue", lambda key: Catalogue())
    with language.use_locale("zh"):
        yield
    glossary._searched.cache_clear()


def test_chinese_terms_are_found_without_spaces_around_them(chinese):
    text = "每个词元使用分组查询注意力和logit"
    assert [text[place.start : place.end] for place in places(text)] == ["词元", "分组查询注意力", "logit"]
    assert find(text)[0].shown == "词元"


def test_a_name_that_is_not_there_is_an_error():
    with pytest.raises(KeyError):
        glossary.entry("term", "attention span")

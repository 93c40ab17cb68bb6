"""A third language, Polish: forms for numbers, cases, numbers and their words; the rest in English."""

import pickle
from collections.abc import Iterator

import pytest

import panels
from anatomy import language
from anatomy.language import Count, _, get_locale, ngettext, use_locale
from anatomy.languages import catalogue, extract
from anatomy.numerals import ENGLISH, numerals
from anatomy.refused import Refused
from tests import third
from tests.anatomy.test_language import short_of_forms
from viz import nouns
from viz.format import cosine, counted, exact, fixed, listed, number, percent, quoted, separators, size, thousands


@pytest.fixture
def polish() -> Iterator[None]:
    with third.spoken():
        yield


COUNTS = (1, 2, 5, 21, 22)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "{count} token|{count} tokens",
            ("1 token", "2 tokeny", "5 tokenów", "21 tokenów", "22 tokeny"),
        ),
        (
            "{count} token before it|{count} tokens before it",
            (
                "1 token przed nim",
                "2 tokeny przed nim",
                "5 tokenów przed nim",
                "21 tokenów przed nim",
                "22 tokeny przed nim",
            ),
        ),
        (
            "the other {count} token|all other {count} tokens",
            (
                "pozostały 1 token",
                "pozostałe 2 tokeny",
                "pozostałych 5 tokenów",
                "pozostałych 21 tokenów",
                "pozostałe 22 tokeny",
            ),
        ),
        (
            "{count} token holds half of its attention.|{count} tokens hold half of its attention.",
            (
                "Połowę jego uwagi ma 1 token.",
                "Połowę jego uwagi mają 2 tokeny.",
                "Połowę jego uwagi ma 5 tokenów.",
                "Połowę jego uwagi ma 21 tokenów.",
                "Połowę jego uwagi mają 22 tokeny.",
            ),
        ),
    ],
)
def test_a_sentence_with_one_count_is_said_in_the_form_that_the_number_takes(polish, message, said):
    one, several = message.split("|")
    assert tuple(ngettext(one, several, count) for count in COUNTS) == said


def test_a_sentence_with_one_count_has_its_case_in_itself(polish):
    message = (
        "Of {count} token, positions {first} to {last} are shown.",
        "Of {count} tokens, positions {first} to {last} are shown.",
    )
    assert [ngettext(*message, count, first=0, last=3) for count in COUNTS] == [
        "Z 1 tokena pokazano pozycje od 0 do 3.",
        "Z 2 tokenów pokazano pozycje od 0 do 3.",
        "Z 5 tokenów pokazano pozycje od 0 do 3.",
        "Z 21 tokenów pokazano pozycje od 0 do 3.",
        "Z 22 tokenów pokazano pozycje od 0 do 3.",
    ]


def test_a_sentence_with_two_counts_asks_each_for_its_case(polish):
    message = "Every token leaves a key and a value in each of {layers}, {each} in all: {whole} after {tokens}."
    told = [
        _(message, layers=nouns.layers(count), each=size(46_080), whole=size(10 * 46_080), tokens=nouns.tokens(count))
        for count in COUNTS
    ]
    places = ["1 warstwy", "2 warstw", "5 warstw", "21 warstw", "22 warstw"]
    after = ["1 tokenie", "2 tokenach", "5 tokenach", "21 tokenach", "22 tokenach"]
    assert told == [
        f"Każdy token zostawia klucz i wartość w każdej z {layers}, razem 46,1 kB: 461 kB po {tokens}."
        for layers, tokens in zip(places, after, strict=True)
    ]


def test_a_word_that_depends_on_no_count_has_cases_too(polish):
    message = "layer {layer}, norm of {part}, {token}"
    assert _(message, layer=3, part=_("attention"), token=quoted("of")) == "warstwa 3, norma uwagi, „of”"
    assert _("attention") == "uwaga"


def test_what_has_no_such_case_goes_in_as_it_is(polish):
    message = "layer {layer}, norm of {part}, {token}"
    assert _(message, layer=3, part="Q", token="x") == "warstwa 3, norma Q, x"
    assert _(message, layer=3, part=nouns.neurons(2), token="x") == "warstwa 3, norma 2 neurony, x"
    assert f"{nouns.tokens(5)}" == nouns.tokens(5) == "5 tokenów"
    assert f"{nouns.tokens(5):genitive} {nouns.tokens(2):locative} {nouns.tokens(2):nominative}" == (
        "5 tokenów 2 tokenach 2 tokeny"
    )


def test_a_case_that_no_word_has_yet_does_no_harm(tmp_path, monkeypatch):
    started = catalogue.read(tmp_path / "pl.po", "pl")
    started.add("{layers} × {heads}", "{layers:genitive} razy {heads}")
    (tmp_path / "pl.po").write_bytes(catalogue.written(started))
    monkeypatch.setattr(third, "FOLDER", tmp_path)
    with third.spoken():
        assert _("{layers} × {heads}", layers=nouns.layers(2), heads=3) == "2 layers razy 3"


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (1, "Tekst ma 1 token, a granicą są 22: usuń co najmniej 1."),
        (2, "Tekst ma 2 tokeny, a granicą są 22: usuń co najmniej 1."),
        (5, "Tekst ma 5 tokenów, a granicą są 22: usuń co najmniej 1."),
        (12_021, "Tekst ma 12 021 tokenów, a granicą są 22: usuń co najmniej 1."),
        (12_022, "Tekst ma 12 022 tokeny, a granicą są 22: usuń co najmniej 1."),
    ],
)
def test_a_sentence_with_several_numbers_gives_the_forms_on_the_spot(tokens, said):
    """A refusal is written down in one thread and read in another language's."""
    message = "The text has {tokens} tokens and the limit is {limit}: take out at least {excess}."
    refused = pickle.loads(pickle.dumps(Refused(message, tokens=Count(tokens), limit=Count(22), excess=1)))
    assert str(refused).startswith(f"The text has {tokens:,} tokens and the limit is 22:")
    with third.spoken():
        assert str(refused) == said
        assert _(message, tokens=thousands(tokens), limit=thousands(22), excess=1) == said


def test_words_with_cases_can_be_sent_to_another_process(polish):
    again = pickle.loads(pickle.dumps(nouns.tokens(2)))
    assert f"{again} {again:locative}" == "2 tokeny 2 tokenach"


def test_numbers_are_written_as_the_language_writes_them(polish):
    assert thousands(-1_234_567) == "−1\u00a0234\u00a0567"
    assert (number(0.8973), number(1391.2), number(2.1e-7)) == ("0,897", "1\u00a0391", "2,10·10⁻⁷")
    assert (percent(0.0045), percent(0.5), percent(1e-9)) == ("0,45%", "50%", "< 0,01%")
    assert (cosine(-0.251), fixed(3.14159, 2), exact(0.7)) == ("−0,25", "3,14", "0,7")
    assert (size(46_080), size(5), size(22)) == ("46,1 kB", "5 bajtów", "22 bajty")
    assert listed(("0,5", "0,7")) == "0,5; 0,7"
    assert separators() == {"separators": ",\u00a0"}
    assert nouns.tokens(49_137) == "49\u00a0137 tokenów"


def test_large_numbers_have_the_language_s_own_words(polish):
    told = [counted(count) for count in (31_456, 134_515_008, 8_030_261_248, 15.6e12)]
    assert told == ["31\u00a0456", "134,5 mln", "8,030 mld", "15,60 bln"]


@pytest.mark.parametrize("name", ["xx", "tlh", "", "ZH-", "not a language", "!"])
def test_numbers_of_an_unknown_language_are_english(name):
    assert numerals(name) == ENGLISH
    with use_locale(name):
        assert get_locale() == "en"
        assert (counted(8_030_261_248), thousands(1234)) == ("8.030 B", "1,234")


def test_a_language_without_a_catalogue_is_said_in_english_with_its_own_numbers(monkeypatch):
    monkeypatch.setitem(language.LANGUAGES, "de", "Deutsch")
    with use_locale("de"):
        assert nouns.tokens(49_137) == "49.137 tokens"
        assert counted(8_030_261_248) == "8,030 Mrd."


def test_what_is_not_translated_is_said_in_english_and_its_count_is_polish(polish):
    assert _("Never heard of") == "Never heard of"
    assert [nouns.devices(count) for count in (1, 2, 1024)] == ["1 device", "2 devices", "1\u00a0024 devices"]


def test_a_language_needs_no_more_than_its_key_for_every_name_on_the_page(polish):
    """Titles and labels of what has no translation stay English ones."""
    for panel in panels.load().values():
        assert _(panel.title) == panel.title
        assert _(panel.name) == panel.name


def test_renewing_asks_for_every_counted_noun_in_every_case_that_a_translation_uses():
    old = catalogue.read(third.FOLDER / "pl.po", "pl")
    assert catalogue.cases(old) == {"genitive", "locative"}
    new = catalogue.renewed(old, extract.messages())
    assert new.plural_forms == old.plural_forms
    assert not catalogue.gone(old, new)
    asked = {message for message, places in extract.messages().items() if extract.NOUNS in places}
    assert len(asked) > 15
    for message in asked:
        for case in ("genitive", "locative"):
            entry = new.get(message, case)
            assert entry is not None
            assert len(entry.string) == 3
            assert entry.auto_comments
    assert new.get("attention", "genitive").string == "uwagi"
    assert new.get("attention", "locative") is None  # that no one has written down


def test_a_renewed_catalogue_keeps_the_rule_for_numbers_that_stands_in_it(tmp_path):
    (tmp_path / "pl.po").write_text(
        'msgid ""\nmsgstr ""\n"Language: pl\\n"\n"Plural-Forms: nplurals=4; plural=n % 4;\\n"\n', encoding="utf-8"
    )
    old = catalogue.read(tmp_path / "pl.po", "pl")
    new = catalogue.renewed(old, {("{count} a", "{count} as"): ("a.py",)})
    assert new.get(("{count} a", "{count} as")).string == ("", "", "", "")
    assert "nplurals=4; plural=n % 4;" in catalogue.written(new).decode()


def test_the_test_s_catalogue_says_what_the_code_says():
    said = set(extract.messages())
    old = catalogue.read(third.FOLDER / "pl.po", "pl")
    assert not {entry.id for entry in old if entry.id and _plain(entry) not in said}


def test_a_choice_among_too_few_forms_is_noticed():
    polish = catalogue.read(third.FOLDER / "pl.po", "pl")
    assert short_of_forms(polish) == []
    polish.add("{tokens} tokens", "{tokens} {tokens:token|tokeny}")
    assert short_of_forms(polish) == ["{tokens} {tokens:token|tokeny}"]


def _plain(entry) -> extract.Message:
    return entry.id if isinstance(entry.id, str) else (entry.id[0], entry.id[1])

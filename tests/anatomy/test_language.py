"""The reader's language: what is said in it, that every word of the page can be translated, and that it is."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from string import Formatter
from threading import Thread

import pytest
from babel.messages.catalog import Catalog

import articles
import panels
from anatomy import glossary, language
from anatomy.control import Choice
from anatomy.language import LANGUAGES, N_, _, get_locale, ngettext, set_locale, spaced, use_locale
from anatomy.languages import catalogue, extract
from anatomy.sites import AXES
from anatomy.stages import STAGES

OTHERS = [name for name in LANGUAGES if name != "en"]
SPEAKING = {"_", "N_", "ngettext"}
# Names and symbols are the same in every language.
PROPER = {"BertViz", "q·k", "Llama 3.1 8B", "Llama 3.1 70B", "Llama 3.1 405B"}
DEFINING = {"anatomy/language.py"}  # `_` and `ngettext` themselves
PLURALS = {"anatomy/glossary.py"}  # looks for both forms of a term in what English says
FILES = [path for path in extract.files() if path.relative_to(extract.ROOT).as_posix() not in DEFINING]


@pytest.fixture
def chinese(tmp_path, monkeypatch) -> Iterator[None]:
    """A small catalogue in the place of the real one, and Chinese spoken."""
    found = Catalog(locale="zh", fuzzy=False)
    found.add("Layer {layer} writes {size}.", "写入 {size} 的是第 {layer} 层。")
    found.add(("{count} token", "{count} tokens"), ("{count} 个词元",))
    found.add("Not yet", "")
    (tmp_path / "zh.po").write_bytes(catalogue.written(found))
    monkeypatch.setattr(language, "CATALOGUES", tmp_path)
    language._catalogue.cache_clear()
    with use_locale("zh"):
        yield
    language._catalogue.cache_clear()


def test_english_is_spoken_first_and_fills_its_places():
    assert get_locale() == "en"
    assert _("Layer {layer} writes {size}.", layer=3, size="0.5") == "Layer 3 writes 0.5."
    assert _("as it is: {braces} and 100 %") == "as it is: {braces} and 100 %"
    assert _("") == ""


def test_what_is_written_down_stays_as_it_is(chinese):
    assert N_("Layer {layer} writes {size}.") == "Layer {layer} writes {size}."


def test_a_translation_orders_its_places_in_its_own_way(chinese):
    assert _("Layer {layer} writes {size}.", layer=3, size="0.5") == "写入 0.5 的是第 3 层。"


def test_chinese_has_no_space_between_sentences():
    joined = "甲。 乙，“x” 与 3 个。 Z"
    assert spaced(joined) == joined
    with use_locale("zh"):
        assert spaced(joined) == "甲。乙，“x” 与 3 个。Z"


@pytest.mark.parametrize("message", ["Not yet", "Never heard of"])
def test_what_has_no_translation_is_said_in_english(chinese, message):
    assert _(message) == message


def test_the_empty_message_is_not_the_catalogue_s_header(chinese):
    assert _("") == ""


def test_a_sentence_depends_on_its_count():
    told = [ngettext("{count} token of {all}", "{count} tokens of {all}", count, all=9) for count in (0, 1, 2)]
    assert told == ["0 tokens of 9", "1 token of 9", "2 tokens of 9"]
    assert ngettext("{count} token", "{count} tokens", 2000, count="2,000") == "2,000 tokens"


def test_chinese_has_one_form_for_every_count(chinese):
    assert [ngettext("{count} token", "{count} tokens", count) for count in (1, 2)] == ["1 个词元", "2 个词元"]


@pytest.mark.parametrize("name", ["fr", "", "ZH"])
def test_an_unknown_language_is_spoken_as_english(name):
    with use_locale("zh"):
        set_locale(name)
        assert get_locale() == "en"


def test_a_language_is_spoken_inside_its_block_alone():
    with use_locale("zh"):
        assert get_locale() == "zh"
        with use_locale("en"):
            assert get_locale() == "en"
        assert get_locale() == "zh"
    assert get_locale() == "en"


def test_an_error_inside_the_block_restores_the_language():
    with pytest.raises(RuntimeError), use_locale("zh"):
        raise RuntimeError
    assert get_locale() == "en"


def test_another_thread_speaks_its_own_language():
    heard = []
    with use_locale("zh"):
        thread = Thread(target=lambda: heard.append(get_locale()))
        thread.start()
        thread.join()
    assert heard == ["en"]


def calls(path: Path, names: set[str]) -> list[ast.Call]:
    """Every call of one of these functions in a file."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [
        node
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
    ]


def at(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(extract.ROOT)}:{getattr(node, 'lineno', 0)}"


def composed(message: ast.expr) -> bool:
    """Whether a message is put together on the spot, so that no catalogue has it. A row of a table may be named."""
    nodes = list(ast.walk(message))
    methods = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    joined = any(isinstance(node, ast.JoinedStr | ast.BinOp | ast.IfExp | ast.BoolOp) for node in nodes)
    return joined or bool(methods & {"format", "join"})


@pytest.mark.parametrize(
    ("message", "bad"),
    [
        ('"whole"', False),
        ('"in " "two lines"', False),
        ("_ROWS[kind]", False),
        ("panel.title", False),
        ("control.shown(option)", False),
        ('f"layer {i}"', True),
        ('"layer " + name', True),
        ('"layer %s" % name', True),
        ('"layer {}".format(name)', True),
        ('"a" if one else "b"', True),
    ],
)
def test_a_composed_message_is_told_from_a_written_one(message, bad):
    assert composed(ast.parse(message, mode="eval").body) is bad


def test_every_message_is_written_out_where_it_is_said():
    found = [
        at(path, call)
        for path in FILES
        for call in calls(path, SPEAKING)
        if not call.args or any(map(composed, call.args[: 2 if call.func.id == "ngettext" else 1]))
    ]
    assert not found, f"put the words together with named places: {found}"


def test_both_forms_of_a_counted_message_are_literal_text():
    found = [
        at(path, call)
        for path in FILES
        for call in calls(path, {"ngettext"})
        if not all(isinstance(form, ast.Constant) and isinstance(form.value, str) for form in call.args[:2])
    ]
    assert not found, f"no catalogue has what is put together there: {found}"


def test_no_noun_is_made_plural_by_an_s_on_the_spot():
    """A plural is a message of its own: an f-string that adds an "s" is English everywhere."""
    found = [
        at(path, text)
        for path in FILES
        for text in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(text, ast.JoinedStr)
        and _adds_s(text)
        and path.relative_to(extract.ROOT).as_posix() not in PLURALS
    ]
    assert not found, f"say it with ngettext: {found}"


def test_what_is_numbered_from_0_is_never_said_to_be_one_of_so_many():
    """“token 12 of 12” beside “position 11”; “position 11 of 0 to 11” contradicts nothing."""
    counted = re.compile(r"\b(token|position|layer|head) \{\w+\} of \{")
    assert counted.search("token {at} of {count}")
    assert len(ids()) > 1000
    assert [said for said in ids() if counted.search(said)] == []


def _adds_s(text: ast.JoinedStr) -> bool:
    return any(
        isinstance(before, ast.FormattedValue)
        and isinstance(after, ast.Constant)
        and re.match(r"s\b", str(after.value)) is not None
        for before, after in pairwise(text.values)
    )


def named(message: str) -> set[str]:
    """The places of a message by name."""
    return {name for _text, name, _format, _conversion in Formatter().parse(message) if name is not None}


def test_every_place_of_a_message_is_filled_and_every_value_has_a_place():
    odd = []
    for path in FILES:
        for call in calls(path, {"_", "ngettext"}):
            texts = [arg.value for arg in call.args[:2] if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            given = {keyword.arg for keyword in call.keywords}
            places = set().union(*map(named, texts))
            if call.func.id == "ngettext":
                places, given = places - {"count"}, given - {"count"}
            # Words for a component are filled in by its script.
            left = not given and path.parent.name == "components"
            if texts and None not in given and places != given and not left:
                odd.append(f"{at(path, call)}: places {sorted(places)}, values {sorted(map(str, given))}")
    assert not odd, odd


def test_no_file_that_speaks_has_another_use_for_the_underscore():
    found = []
    for path in FILES:
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        names = {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
        if "_" in names:
            found += [at(path, node) for node in nodes if _stored(node)]
    assert not found, f"`_` is the translation there: name the variable {found}"


def _stored(node: ast.AST) -> bool:
    if isinstance(node, ast.arg):
        return node.arg == "_"
    return isinstance(node, ast.Name) and node.id == "_" and isinstance(node.ctx, ast.Store)


def ids() -> set[str]:
    """Every message that the page can look up by itself."""
    return {message if isinstance(message, str) else message[0] for message in extract.messages()}


def test_the_tables_that_the_page_translates_are_in_the_catalogue():
    shown = {title for stage in STAGES.values() for title in (stage.title, stage.says)} | set(AXES.values())
    for panel in panels.load().values():
        shown |= {panel.name, panel.title}
    for control in panels.controls():
        shown |= {control.label, *(control.labels if isinstance(control, Choice) else ())}
    for entry in glossary.load():
        shown |= {entry.says, *([] if entry.kind in ("axis", "site") else [entry.name, *entry.others])}
    missing = shown - ids() - PROPER
    assert not missing, f"mark them with N_: {sorted(missing)}"


def test_what_we_say_of_the_articles_is_in_the_catalogue():
    shown = {claim.says for _article, claim in articles.claims()}
    for article in articles.load():
        shown |= {place.standard for place in article.headings}
        sections = {place.section for place in (*article.headings, *article.claims)}
        shown |= {section for section in sections if not section.startswith("§")}
    missing = shown - ids() - {""}
    assert not missing, f"mark them with N_: {sorted(missing)}"


def test_messages_that_begin_alike_have_the_same_plural():
    found = [message if isinstance(message, str) else message[0] for message in extract.messages()]
    assert len(found) == len(set(found)), sorted(message for message in set(found) if found.count(message) > 1)


def written_in(tmp_path: Path, code: str) -> list[extract.Message]:
    path = tmp_path / "words.py"
    path.write_text(code, encoding="utf-8")
    return list(extract.in_file(path))


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('_("a " "b")', ["a b"]),
        ('_("{a}", a=_("b"))', ["{a}", "b"]),
        ("f\"{_('inside')}\"", ["inside"]),
        ('ngettext("one", "several", n)', [("one", "several")]),
        ('_(ROWS[0]) or ngettext(one, several, n) or other("c")', []),
    ],
)
def test_extraction_finds_what_is_said(tmp_path, code, found):
    assert sorted(written_in(tmp_path, code), key=str) == sorted(found, key=str)


def test_a_renewed_catalogue_keeps_what_is_translated_and_guesses_nothing():
    old = Catalog(locale="zh", fuzzy=False)
    old.add("kept", "留", locations=[("panels/old.py", 3)])
    old.add("gone", "去")
    old.add("was one", "曾")
    found = {"kept": ("panels/new.py",), "kept too": ("panels/new.py",), ("was one", "were several"): ("ui/a.py",)}
    new = catalogue.renewed(old, found)
    assert {entry.id: entry.string for entry in new if entry.id} == {
        "kept": "留",
        "kept too": "",
        ("was one", "were several"): ("",),
    }
    assert catalogue.untranslated(new) == ["kept too", ("was one", "were several")]
    assert catalogue.gone(old, new) == ["gone"]


def test_a_written_catalogue_does_not_change_when_it_is_renewed_again(tmp_path):
    found = {"100 % of {all}": ("a.py",), ("{count} token", "{count} tokens"): ("a.py", "b.py")}
    once = catalogue.renewed(Catalog(locale="zh", fuzzy=False), found)
    (tmp_path / "zh.po").write_bytes(catalogue.written(once))
    again = catalogue.renewed(catalogue.read(tmp_path / "zh.po", "zh"), found)
    text = catalogue.written(again).decode()
    assert text == catalogue.written(once).decode()
    assert "#: a.py b.py\n" in text
    assert "#," not in text


def real(name: str) -> Catalog:
    path = language.CATALOGUES / f"{name}.po"
    assert path.exists(), f"{path} is missing: run python -m anatomy.languages"
    return catalogue.read(path, name)


def entries(name: str) -> list[tuple[extract.Message, tuple[str, ...]]]:
    """(message, its translations) of a language's catalogue."""
    return [(_plain(entry.id), catalogue.forms(entry.string)) for entry in real(name) if entry.id]


def _plain(message: str | list[str] | tuple[str, ...]) -> extract.Message:
    return message if isinstance(message, str) else (message[0], message[1])


@pytest.mark.parametrize("name", OTHERS)
def test_the_catalogue_holds_exactly_what_the_code_says(name):
    have, said = {message for message, _told in entries(name)}, set(extract.messages())
    assert not said - have, f"run python -m anatomy.languages: {sorted(map(str, said - have))[:10]}"
    assert not have - said, f"run python -m anatomy.languages: {sorted(map(str, have - said))[:10]}"
    assert not real(name).obsolete


@pytest.mark.parametrize("name", OTHERS)
def test_every_message_is_translated_in_every_plural_form(name):
    catalog = real(name)
    missing = catalogue.untranslated(catalog)
    assert not missing, f"{len(missing)} of {len(catalog)}, such as {missing[:3]}"
    assert not [entry.id for entry in catalog if entry.id and entry.fuzzy]
    assert all(len(told) == catalog.num_plurals for message, told in entries(name) if isinstance(message, tuple))


def short_of_forms(catalog: Catalog) -> list[str]:
    """The translations that give, on the spot, more or fewer forms for a number than the language has."""
    texts = [text for entry in catalog if entry.id for text in catalogue.forms(entry.string)]
    chosen = (
        (text, form) for text in texts for _said, _name, form, _as in Formatter().parse(text) if "|" in (form or "")
    )
    return [text for text, form in chosen if form.count("|") + 1 != catalog.num_plurals]


@pytest.mark.parametrize("name", OTHERS)
def test_every_choice_among_forms_has_one_for_each_that_the_language_has(name):
    assert not short_of_forms(real(name))


@pytest.mark.parametrize("name", OTHERS)
def test_every_translation_has_the_places_of_its_message(name):
    odd = {
        text: message
        for message, told in entries(name)
        for text in told
        if text and named(text) != set().union(*map(named, [message] if isinstance(message, str) else message))
    }
    assert not odd, odd

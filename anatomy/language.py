"""The reader's language: which one is spoken now, and what a sentence is in it. The code's own is English.

A sentence stands in the code as `_("Layer {layer} writes most.", layer=3)`: whole, with named places, so that another
language may order it in its own way. What is written down long before it is shown (titles, tables) is marked with `N_`
and goes through `_` where it is shown. `python -m anatomy.languages` brings the catalogues up to date.

A sentence with one count is said by `ngettext`, whole, in as many forms as the language has: the rule stands in its
catalogue's head, as `Plural-Forms`. A sentence with two counts takes counted nouns (`viz.nouns`) into its places, and
here a language with cases asks for one, by a name of its own: `{layers:genitive}` in the translation becomes what the
catalogue has for that noun under `msgctxt "genitive"`, in the form that the number takes. `_` has the same for a word
that depends on no count. What a catalogue lacks is said without the case; where it lacks that too, in English.

Where several numbers stand in one sentence, a translation may give the forms of what each of them counts on the spot,
in the order of `Plural-Forms`: `{tokens} {tokens:token|tokeny|tokenów}`.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from string import Formatter
from typing import Any

from anatomy.numerals import Whole, numerals

LANGUAGES = {"en": "English", "zh": "中文"}
CATALOGUES = Path(__file__).parent / "languages"
_UNSPACED = ("zh", "ja")  # languages that set no space between sentences
_AFTER_STOP = re.compile(r"(?<=[。！？；：，、]) (?=\S)")
_CASE = re.compile(r"\{\w+:([^{}|]+)\}")
_locale: ContextVar[str] = ContextVar("language", default="en")


def get_locale() -> str:
    """Key in LANGUAGES of the language that sentences are in now, in this thread's context."""
    return _locale.get()


def set_locale(language: str) -> None:
    """From now on sentences are in this language, in this thread's context; in English for one that LANGUAGES lacks."""
    _locale.set(language if language in LANGUAGES else "en")


@contextmanager
def use_locale(language: str) -> Iterator[None]:
    """Sentences are in this language inside a `with`."""
    before = get_locale()
    set_locale(language)
    try:
        yield
    finally:
        _locale.set(before)


def _(message: str, /, **values: object) -> str:
    """A sentence in the reader's language, its named places filled; in English where it has no translation."""
    if not message:
        return message  # the catalogue has its head there
    catalogue = _catalogue(get_locale())
    cases = _in_cases(catalogue, lambda case: catalogue.pgettext(case, message), (message,))
    return _filled(catalogue, catalogue.gettext(message), cases, values)


def ngettext(one: str, several: str, count: int, /, **values: object) -> str:
    """The same for a sentence that depends on a count. It fills the place named `count` with the number as the language
    writes it, unless a value says how."""
    catalogue = _catalogue(get_locale())
    cases = _in_cases(catalogue, lambda case: catalogue.npgettext(case, one, several, count), (one, several))
    said = catalogue.ngettext(one, several, count)
    return _filled(catalogue, said, cases, {"count": numerals(get_locale()).whole(count)} | values)


def N_(message: str) -> str:
    """A sentence that is written down here and translated where it is shown."""
    return message


def spaced(sentences: str) -> str:
    """Sentences with a space between them, as the language that is spoken sets them: Chinese has none there."""
    return _AFTER_STOP.sub("", sentences) if get_locale().partition("-")[0] in _UNSPACED else sentences


class Inflected(str):
    """Words of a language with cases, which the sentence that takes them in may ask for in one of these.

    cases  the same words by the name of a case, where the catalogue has them
    """

    cases: dict[str, str]

    def __format__(self, case: str) -> str:
        return self.cases.get(case, str(self))


class Count(int):
    """A whole number in a sentence that is written down before anybody reads it (`anatomy.refused`): it stands there as
    the language writes it that is spoken then."""

    def __str__(self) -> str:
        return numerals(get_locale()).whole(int(self))

    def __format__(self, format_spec: str) -> str:
        return format(str(self), format_spec)


class Catalogue(GNUTranslations):
    """The translations of a language.

    cases   names of those that its sentences ask for or its words are in
    plural  which of a message's forms a number takes, by the rule in the catalogue's head
    """

    cases: tuple[str, ...] = ()
    plural: Callable[[int], int]


class _Places(Formatter):
    """Fills a sentence's places. One may ask for a case, or choose among forms by its whole number; what has neither
    goes in as it is."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def format_field(self, value: Any, format_spec: str) -> str:
        if "|" in format_spec and isinstance(value, Whole | int):
            forms, number = format_spec.split("|"), value.count if isinstance(value, Whole) else value
            return forms[min(self._catalogue.plural(abs(number)), len(forms) - 1)]
        return format(value, format_spec if isinstance(value, Inflected) else "")


def _filled(catalogue: NullTranslations, said: str, cases: dict[str, str] | None, values: dict[str, object]) -> str:
    """A translation with its places filled, and the same in each of its cases in a language that has any."""
    if cases is None:
        return _put(catalogue, said, values)
    words = Inflected(_put(catalogue, said, values))
    words.cases = {case: _put(catalogue, text, values) for case, text in cases.items()}
    return words


def _put(catalogue: NullTranslations, said: str, values: dict[str, object]) -> str:
    if not values:
        return said
    if isinstance(catalogue, Catalogue):
        return _Places(catalogue).vformat(said, (), values)
    return said.format(**values)


def _in_cases(
    catalogue: NullTranslations, look: Callable[[str], str], english: tuple[str, ...]
) -> dict[str, str] | None:
    """Some words by case, without those that the catalogue lacks; None for a language without cases."""
    if not isinstance(catalogue, Catalogue) or not catalogue.cases:
        return None
    found = {case: look(case) for case in catalogue.cases}
    return {case: said for case, said in found.items() if said not in english}


@cache
def _catalogue(language: str) -> NullTranslations:
    """The translations of one language, compiled when it is first spoken; none for one without a catalogue."""
    path = CATALOGUES / f"{language}.po"
    if not path.exists():
        return NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = BytesIO()
    with path.open("rb") as file:
        read = read_po(file, locale=language.replace("-", "_"))
    write_mo(compiled, read)
    compiled.seek(0)
    catalogue = Catalogue(compiled)
    words_in = {message.context for message in read if message.context}
    catalogue.cases = tuple(sorted(words_in | {case for message in read for case in asked(message.string)}))
    return catalogue


def asked(translation: str | Iterable[str] | None) -> set[str]:
    """The cases in which a translation, or one in several forms, wants what it takes in: "genitive" for
    `{layers:genitive}`."""
    forms = [translation] if isinstance(translation, str) else translation or ()
    return {case for form in forms for case in _CASE.findall(form)}

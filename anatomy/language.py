"""The reader's language: which one is spoken now, and what a sentence is in it. The code's own is English.

A sentence stands in the code as `_("Layer {layer} writes most.", layer=3)`: whole, with named places, so that another
language may order it in its own way. What is written down long before it is shown (titles, tables) is marked with `N_`
and goes through `_` where it is shown. `python -m anatomy.languages` brings the catalogues up to date.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

LANGUAGES = {"en": "English", "zh": "中文"}
CATALOGUES = Path(__file__).parent / "languages"
_AFTER_CHINESE = re.compile(r"(?<=[。！？；：，、]) (?=\S)")
_locale: ContextVar[str] = ContextVar("language", default="en")


def get_locale() -> str:
    """Key in LANGUAGES of the language that sentences are in now, in this thread's context."""
    return _locale.get()


def set_locale(language: str) -> None:
    """From now on sentences are in this language, in this thread's context. KeyError for one that LANGUAGES lacks."""
    if language not in LANGUAGES:
        raise KeyError(f"no language {language!r}, only {sorted(LANGUAGES)}")
    _locale.set(language)


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
    said = _catalogue(get_locale()).gettext(message) if message else message
    return said.format(**values) if values else said


def ngettext(one: str, several: str, count: int, /, **values: object) -> str:
    """The same for a sentence that depends on a count. It fills the place named `count`, unless a value says how."""
    return _catalogue(get_locale()).ngettext(one, several, count).format(**{"count": count} | values)


def N_(message: str) -> str:
    """A sentence that is written down here and translated where it is shown."""
    return message


def spaced(sentences: str) -> str:
    """Sentences with a space between them, as the language that is spoken sets them: Chinese has none there."""
    return _AFTER_CHINESE.sub("", sentences) if get_locale() == "zh" else sentences


@cache
def _catalogue(language: str) -> NullTranslations:
    """The translations of one language, compiled when it is first spoken."""
    if language == "en":
        return NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = BytesIO()
    with (CATALOGUES / f"{language}.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return GNUTranslations(compiled)

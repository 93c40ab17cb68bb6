"""A catalogue as a file: read, renewed from what the code says, written so that only what changed differs."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from anatomy.language import asked
from anatomy.languages.extract import NOUNS, Message

_HEADER = "# What the page says, in another language. Renewed by `python -m anatomy.languages`."
# What stands above a counted noun, for its translator.
_REMARK = "A counted noun, alone or inside another sentence, which may ask for a case: see viz/nouns.py."
# Lines of the header that would change with every run, or say nothing.
_CHURN = (
    "Project-Id",
    "Report-Msgid",
    "POT-Creation",
    "PO-Revision",
    "Last-Translator",
    "Language-Team",
    "Generated-By",
)


def read(path: Path, language: str) -> Catalog:
    """A language's catalogue; empty where there is no file yet."""
    locale = language.replace("-", "_")
    if not path.exists():
        return Catalog(locale=locale)
    with path.open("rb") as file:
        return read_po(file, locale=locale)


def renewed(old: Catalog, messages: dict[Message, tuple[str, ...]]) -> Catalog:
    """The catalogue of these messages, each with its files and the translation it had. What is gone is left out, and
    nothing is guessed from a similar message. A counted noun stands in every case that a translation asks for; another
    message in those that the translator wrote down for it."""
    new = Catalog(locale=old.locale_identifier, header_comment=_HEADER, fuzzy=False)
    new.mime_headers = [("Plural-Forms", old.plural_forms)]  # the file's own, which need not be Babel's
    wanted, written_down = cases(old), _by_message(old)
    for message, places in messages.items():
        is_noun = NOUNS in places
        for context in (None, *sorted((wanted if is_noun else set()) | written_down.get(message, set()))):
            kept = _kept(old, message, context) or ("" if isinstance(message, str) else ("",) * new.num_plurals)
            comments = [_REMARK] if is_noun else []
            entry = new.add(message, kept, [(place, 0) for place in places], (), comments, context=context)
            entry.flags.clear()
    return new


def _kept(old: Catalog, message: Message, context: str | None) -> str | tuple[str, ...]:
    """The translation that a message had; "" where it had none, or became one that depends on a count."""
    known = old.get(message, context)
    if known is None or not known.string or known.pluralizable != isinstance(message, tuple):
        return ""
    return known.string if isinstance(known.string, str) else tuple(known.string)


def cases(catalog: Catalog) -> set[str]:
    """The cases that its translations ask of counted nouns."""
    return {case for _message, said, _context in _entries(catalog) for case in asked(said)}


def _by_message(catalog: Catalog) -> dict[Message, set[str]]:
    """The cases in which each message stands by itself."""
    found: dict[Message, set[str]] = {}
    for message, _said, context in _entries(catalog):
        if context:
            found.setdefault(message, set()).add(context)
    return found


def untranslated(catalog: Catalog) -> list[Message]:
    """Messages that have no translation, or not in every plural form."""
    return [message for message, said, _context in _entries(catalog) if not all(said)]


def gone(old: Catalog, new: Catalog) -> list[Message]:
    """Translated messages of the old catalogue that the new one has no more."""
    return [message for message, said, context in _entries(old) if any(said) and new.get(message, context) is None]


def _entries(catalog: Catalog) -> Iterator[tuple[Message, tuple[str, ...], str | None]]:
    """(message, its translation in each plural form, its case or None) of every entry."""
    for entry in catalog:
        if entry.id:
            message = entry.id if isinstance(entry.id, str) else (entry.id[0], entry.id[1])
            yield message, forms(entry.string or ""), entry.context


def forms(string: str | Sequence[str]) -> tuple[str, ...]:
    """The translation of a message, or those of all plural forms."""
    return (string,) if isinstance(string, str) else tuple(string)


def written(catalog: Catalog) -> bytes:
    """The catalogue as a .po file: files without line numbers, lines of 100 characters."""
    file = BytesIO()
    write_po(file, catalog, width=100, include_lineno=False)
    lines = file.getvalue().decode().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(tuple(f'"{name}' for name in _CHURN))).encode()

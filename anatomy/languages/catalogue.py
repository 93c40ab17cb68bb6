"""A catalogue as a file: read, renewed from what the code says, written so that only what changed differs."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from anatomy.languages.extract import Message

_HEADER = "# What the page says, in another language. Renewed by `python -m anatomy.languages`."
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
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def renewed(old: Catalog, messages: dict[Message, tuple[str, ...]]) -> Catalog:
    """The catalogue of these messages, each with its files and the translation it had. What is gone is left out, and
    nothing is guessed from a similar message."""
    new = Catalog(locale=old.locale, header_comment=_HEADER, fuzzy=False)
    for message, places in messages.items():
        known = old.get(message)
        kept = known.string if known is not None and known.pluralizable == isinstance(message, tuple) else ""
        new.add(message, kept or "", locations=[(place, 0) for place in places]).flags.clear()
    return new


def untranslated(catalog: Catalog) -> list[Message]:
    """Messages that have no translation, or not in every plural form."""
    return [message for message, said in _entries(catalog) if not all(said)]


def gone(old: Catalog, new: Catalog) -> list[Message]:
    """Translated messages of the old catalogue that the new one has no more."""
    return [message for message, said in _entries(old) if any(said) and new.get(message) is None]


def _entries(catalog: Catalog) -> Iterator[tuple[Message, tuple[str, ...]]]:
    """Every message with its translation, in each plural form."""
    for entry in catalog:
        if entry.id:
            message = entry.id if isinstance(entry.id, str) else (entry.id[0], entry.id[1])
            yield message, forms(entry.string or "")


def forms(string: str | Sequence[str]) -> tuple[str, ...]:
    """The translation of a message, or those of all plural forms."""
    return (string,) if isinstance(string, str) else tuple(string)


def written(catalog: Catalog) -> bytes:
    """The catalogue as a .po file: files without line numbers, lines of 100 characters."""
    file = BytesIO()
    write_po(file, catalog, width=100, include_lineno=False)
    lines = file.getvalue().decode().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(tuple(f'"{name}' for name in _CHURN))).encode()

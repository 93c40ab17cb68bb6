"""What the code says to a reader: every message that stands in it, and where."""

import ast
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from babel.messages.extract import extract

from anatomy import glossary
from anatomy.sites import SITES

ROOT = Path(__file__).parent.parent.parent
PLACES = ("anatomy", "articles", "models", "panels", "ui", "viz", "app.py")
NOUNS = "viz/nouns.py"  # whose messages longer sentences take in
_KEYWORDS = {"_": (1,), "N_": (1,), "ngettext": (1, 2)}  # which arguments of a function are its message
Message = str | tuple[str, str]


def files(root: Path = ROOT) -> tuple[Path, ...]:
    """Every file of the program, in order."""
    paths = (path for place in PLACES for path in ([root / place] if place.endswith(".py") else _within(root / place)))
    return tuple(sorted(paths))


def _within(folder: Path) -> Iterator[Path]:
    return folder.rglob("*.py")


def messages(root: Path = ROOT) -> dict[Message, tuple[str, ...]]:
    """Every message with the files it stands in, relative to the root: by first file, then by message. A message that
    depends on a count is the pair (one, several), and stands for its first half alone too."""
    where: dict[Message, set[str]] = {}
    for path in files(root):
        for message in in_file(path):
            where.setdefault(message, set()).add(path.relative_to(root).as_posix())
    for place, message in _in_tables():
        where.setdefault(message, set()).add(place)
    plurals = {message[0] for message in where if isinstance(message, tuple)}
    listed = {message: tuple(sorted(places)) for message, places in where.items() if message not in plurals}
    return dict(sorted(listed.items(), key=lambda entry: (entry[1][0], _first(entry[0]))))


def in_file(path: Path) -> Iterator[Message]:
    """The messages of one file."""
    with path.open("rb") as file:
        for _line, message, _comments, _context in extract(_calls, file, _KEYWORDS):
            yield message if isinstance(message, str) else (message[0], message[1])


def _calls(
    file: Any, keywords: Mapping[str, Any], comment_tags: Collection[str], options: Mapping[str, Any]
) -> Iterator[Any]:
    """(line, function, literal arguments, no comments) of every call that carries a message: a method for Babel, whose
    own looks at tokens and overlooks calls inside an f-string."""
    for node in ast.walk(ast.parse(file.read())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in keywords:
            literals = [arg.value if isinstance(arg, ast.Constant) else None for arg in node.args]
            if literals and isinstance(literals[0], str):
                yield node.lineno, node.func.id, literals, []


def _in_tables() -> Iterator[tuple[str, str]]:
    """(file, message) of what stands in tables of plain text and is shown through `_`."""
    for site in SITES.values():
        yield "anatomy/sites.py", site.says
        yield "anatomy/sites.py", site.unit
    for entry in glossary.load():
        if entry.kind == "unit":
            yield "anatomy/glossary.py", entry.name


def _first(message: Message) -> str:
    return message if isinstance(message, str) else message[0]

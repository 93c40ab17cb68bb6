"""What the documents name is there: files, what stands in them, rooms, who imports whom, the version."""

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache

import pytest

import stagelight
from anatomy.interventions import OPS, PLACES, Place
from tests.test_rooms import DIVIDED, ROOMS, ROOT

ARCHITECTURE = "docs/architecture.md"
DOCUMENTS = (ARCHITECTURE, "CONTRIBUTING.md", "docs/names.md", "docs/python.md")
MADE = ("build/", ".venv/")  # what commands make, not in the tree
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_QUOTED = re.compile(r"`([^`\n]+)`")
_LINKED = re.compile(r"\]\((?!https?:)([^)#]+)[^)]*\)")
_FILE = re.compile(r"\.?[\w-][\w./-]*\.(?:py|js|css|md|toml|txt|po|npz|cff|yaml)")
_FOLDER = re.compile(r"\.?[\w-][\w./-]*/")
_ARROW = re.compile(r"^ *(\w+) --> (\w+)$", re.MULTILINE)
_DECLARED = r"\b(?:function|const|let|class) {}\b"  # of a script


def text_of(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


def named(text: str) -> tuple[str, ...]:
    """What stands in backticks outside of blocks of code, each once."""
    return tuple(dict.fromkeys(_QUOTED.findall(_FENCED.sub("", text))))


def missing(text: str) -> list[str]:
    """The files, folders and names in files that a text quotes, and that are not there."""
    return [quoted for quoted in named(text) if not quoted.startswith(MADE) and not _there(quoted)]


def _there(quoted: str) -> bool:
    """Whether it is in the tree; what is neither a path nor a name in a file is taken for something else."""
    path, _colon, name = quoted.partition(":")
    if _FOLDER.fullmatch(quoted):
        return (ROOT / quoted).is_dir()
    if not _FILE.fullmatch(path):
        return not re.fullmatch(r"\w+(/\w+)+", path)  # a path without its ending would be taken for words
    return (ROOT / path).is_file() and (not name or _defines(path, name))


def _defines(path: str, name: str) -> bool:
    """Whether a file defines a name: Python at top level, or in a class as `Class.name`; a script anywhere."""
    if path.endswith(".py"):
        return name in _names(path)
    return re.search(_DECLARED.format(re.escape(name)), (ROOT / path).read_text("utf-8")) is not None


@cache
def _names(path: str) -> frozenset[str]:
    return frozenset(_defined(ast.parse((ROOT / path).read_text("utf-8")).body))


def _defined(body: list[ast.stmt], within: str = "") -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield within + node.name
        if isinstance(node, ast.ClassDef) and not within:
            yield from _defined(node.body, f"{node.name}.")
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            yield from (within + each.id for each in names if isinstance(each, ast.Name))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_a_document_names_is_in_the_tree(document: str) -> None:
    assert named(text_of(document))
    assert not missing(text_of(document))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_where_a_document_links_to_is_in_the_tree(document: str) -> None:
    linked = _LINKED.findall(text_of(document))
    assert linked
    assert not [target for target in linked if not (ROOT / document).parent.joinpath(target).exists()]


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_stands_in_the_architecture(room: str) -> None:
    path = room.replace(".", "/")
    assert {f"{path}/", f"{path}.py"} & {*named(text_of(ARCHITECTURE))}, f"{ARCHITECTURE} says nothing of {room}"


def test_an_arrow_of_a_diagram_is_an_import_that_is_allowed() -> None:
    diagrams = [code for language, code in _FENCED.findall(text_of(ARCHITECTURE)) if language == "mermaid"]
    arrows = [(_room(one), _room(other)) for code in diagrams for one, other in _ARROW.findall(code)]
    assert len(arrows) > len(diagrams) > 1
    assert not [arrow for arrow in arrows if not _allowed(*arrow)]


def _room(node: str) -> str:
    """The room of a node; those inside `models/` stand there without it."""
    return node if node in ROOMS else f"models.{node}"


def _allowed(room: str, other: str) -> bool:
    """Whether a room may import another one; one that is divided stands for all of its own."""
    reached = {name for each in _all(room) for name in (*ROOMS[each][0], "anatomy")}
    return bool(_all(room)) and not reached.isdisjoint(_all(other))


def _all(room: str) -> set[str]:
    return {each for each in ROOMS if each == room or (room in DIVIDED and each.startswith(f"{room}."))}


def test_the_citation_names_the_programs_version_and_licence() -> None:
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    citation = dict(line.split(": ", 1) for line in text_of("CITATION.cff").splitlines() if re.match(r"\w+: ", line))
    assert (citation["version"], citation["license"]) == (stagelight.__version__, project["license"])


def test_the_guide_lists_every_place_of_a_change_with_what_can_be_done_there() -> None:
    head, _line, *rows = _table(text_of("docs/python.md"), "place")
    places = {site: place for site, place in PLACES.items() if not place.whole}
    ops = [op for op in OPS if any(op in place.ops for place in places.values())]
    assert head[2:-1] == ops
    assert rows == [
        [f"`{site}`", place.says, *("✓" if op in place.ops else "" for op in ops), _quoted(place.by)]
        for site, place in places.items()
    ]


def test_the_guide_lists_every_part_of_the_architecture_that_can_be_changed() -> None:
    _head, _line, *rows = _table(text_of("docs/python.md"), "part of the architecture")
    assert rows == [
        [f"`{site}`", place.says, _quoted(place.ops), _layers(place)] for site, place in PLACES.items() if place.whole
    ]
    every = {(site, op) for site, place in PLACES.items() if not place.whole for op in place.of_all}
    dropped = ("pattern", "act", "attn_out", "ffn_out")
    assert every == {("pattern", "average"), *((site, "dropout") for site in dropped)}
    said = "`average` and `dropout` at `pattern`, and `dropout` at `act`, `attn_out` and `ffn_out`"
    assert said in " ".join(text_of("docs/python.md").split())


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map("`{}`".format, names))


def _layers(place: Place) -> str:
    """How the guide says which layer a change names."""
    if not place.layered:
        return "none"
    return "one, or none for every layer" if place.of_all else "one"


def test_the_guide_explains_every_operation() -> None:
    explained = [row[0].strip("`") for row in _table(text_of("docs/python.md"), "operation")[2:]]
    assert explained == [*OPS]


def _table(text: str, first: str) -> list[list[str]]:
    """The cells of the one table whose first column has this name, with its head and the line below it."""
    (table,) = re.findall(rf"^\| {first} \|.*(?:\n\|.*)+", text, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("`tests/test_docs.py`, `tests/` and `tests/test_docs.py:missing`", []),
        ("`tests/snapshot.py:Pictures.serialize` and `anatomy/view.py:View.text`", []),
        ("`ui/components/grid.js:choose` and `ui/components/grid.js`", []),
        ("`Want`, `make test`, `python -m bench`, `STAGELIGHT_MEMORY`, `trace[want]`, `build/green`, `.venv/bin`", []),
        ("```\n`tests/gone.py`\n```\n", []),
        ("`tests/gone.py`", ["tests/gone.py"]),
        ("`gone/`", ["gone/"]),
        ("`tests/gone` and `ui/links:go`", ["tests/gone", "ui/links:go"]),
        ("`tests/test_docs.py:gone`", ["tests/test_docs.py:gone"]),
        ("`tests/snapshot.py:Pictures.gone`", ["tests/snapshot.py:Pictures.gone"]),
        ("`tests/snapshot.py:serialize`", ["tests/snapshot.py:serialize"]),
        ("`ui/components/grid.js:gone`", ["ui/components/grid.js:gone"]),
        ("`grid.js`", ["grid.js"]),
    ],
)
def test_what_is_not_there_is_found(text: str, found: list[str]) -> None:
    assert missing(text) == found


def test_an_import_that_is_not_allowed_is_found() -> None:
    assert _allowed("ui", "models")
    assert _allowed("models.loaded", "models.reading")
    assert not _allowed("models.reading", "models.loaded")
    assert not _allowed("viz", "panels")
    assert not _allowed("models.unheard", "anatomy")

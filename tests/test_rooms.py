"""Rooms: who may import whom, lazily or not, down to the folders inside `models/`; and that no import goes round."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from anatomy.stages import STAGES

ROOT = Path(__file__).parent.parent
FOLDERS = ("anatomy", "viz", "panels", "articles", "models", "ui", "stagelight")
DIVIDED = ("models", "panels")  # folders whose own folders and files are rooms of their own
CAPTIONS = ROOT / "tests" / "panels" / "captions"  # one subject in all rooms of `panels/`
# room | rooms that it may import besides itself and `anatomy` | packages beyond the standard library
# A name that begins with a dot is a room of `models/`; STAGE stands for each stage's room of `panels/`.
TABLE = """
anatomy      |                                                          | ARRAYS babel cattrs regex
viz          |                                                          | ARRAYS plotly
panels          | panels.panel                                          |
panels.panel    | viz                                                   | plotly
panels.common   | viz                                                   | ARRAYS
panels.answer   | panels.panel panels.common                               |
panels.beside   | viz panels.panel panels.answer                           |
panels.choices  | panels.panel                                             | ARRAYS
panels.stagemap | viz panels panels.common                              | ARRAYS
STAGE        | viz panels.panel panels.common                           | ARRAYS plotly
articles     | viz panels                                               | ARRAYS
ui           | viz PANELS articles .engine .connect .serving            | ARRAYS streamlit pandas plotly
models       |                                                          |
.engine      |                                                          |
.progress    | .engine                                                  |
.measure     |                                                          |
.lru         |                                                          |
.memory      |                                                          | psutil
.checkpoints | .engine                                                  | ARRAYS FILES
.text        | .checkpoints                                             | ARRAYS tokenizers transformers jinja2
.families    |                                                          | TORCH
.reading     | .families .progress                                      | TORCH
.loaded      | .measure .memory .reading .families .progress .checkpoints | TORCH safetensors
.measures    | .measure .loaded .reading .progress                      | TORCH
.variants    | .memory .progress .checkpoints .families .loaded         | TORCH peft
.identities  | .measure .measures .loaded .reading                      | TORCH
.serving     | .engine .lru .memory                                     | ARRAYS
.local       | .engine .measure .progress .lru .memory INSIDE           | TORCH
.connect     | .engine .serving .local .checkpoints                     |
.record      | .measure .checkpoints .measures .serving .local          |
.__main__    | .checkpoints .loaded .memory                             |
stagelight   | viz panels panels.panel panels.answer panels.beside panels.choices CHECKED | numpy pandas plotly
"""
SHORT = {
    "PANELS": "panels panels.panel panels.answer panels.beside panels.common panels.stagemap",
    "ARRAYS": "numpy jaxtyping",
    "TORCH": "numpy jaxtyping torch transformers",
    "FILES": "filelock gguf huggingface_hub platformdirs safetensors tokenizers tqdm",
    "CHECKED": ".checkpoints .connect .serving .__main__",
    "INSIDE": ".checkpoints .text .families .reading .loaded .measures .identities .variants",
}


def _table() -> dict[str, tuple[set[str], set[str]]]:
    """Room → (rooms, packages) that it may import."""
    found = {}
    for line in TABLE.strip().splitlines():
        room, rooms, packages = (_named(cell) for cell in line.split("|"))
        for each in [f"panels.{stage}" for stage in STAGES] if room == ["STAGE"] else room:
            found[each] = (set(rooms), set(packages))
    return found


def _named(cell: str) -> list[str]:
    words = [word for name in cell.split() for word in SHORT.get(name, name).split()]
    return [f"models{word}" if word[0] == "." else word for word in words]


ROOMS = _table()
# What runs before a model is needed: importing it, with all that it imports, loads none of HEAVY.
LIGHT = ("models.engine", "models.connect", "models.serving", "models.checkpoints", "models.__main__", "ui", "articles")
HEAVY = {"torch", "transformers"}


def room_of(module: str) -> str:
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] in DIVIDED else parts[0]


@cache
def modules() -> dict[str, Path]:
    """Every module of ours by its name, packages without their `__init__`."""
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


@cache
def imported(module: str, *, lazily: bool = True) -> frozenset[str]:
    """What a module imports, by full name: modules of ours as such, names of them as the module that has them.

    lazily  counts what functions import when they are called, and what only type checkers see
    """
    tree = ast.parse(modules()[module].read_text("utf-8"))
    return frozenset(name for node in _statements(tree, lazily) for name in _names(node, module))


def _statements(tree: ast.AST, lazily: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif lazily or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _statements(node, lazily)


def _names(node: ast.Import | ast.ImportFrom, module: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    assert node.level == 0, f"{module}: relative import; the project imports by full name"
    assert node.module is not None, "an absolute import names its module"
    for alias in node.names:
        name = f"{node.module}.{alias.name}"
        yield name if name in modules() else node.module


def ours(module: str, *, lazily: bool = True) -> set[str]:
    """The modules of ours that a module imports."""
    return {name for name in imported(module, lazily=lazily) if name.split(".")[0] in FOLDERS}


def loaded_with(module: str) -> set[str]:
    """The modules of ours that are there once this one has been imported, packages on the way included."""
    found, left = set(), [module]
    while left:
        name = left.pop()
        if name not in found and name in modules():
            found.add(name)
            left += [*ours(name, lazily=False), *[".".join(name.split(".")[:n]) for n in range(1, name.count(".") + 1)]]
    return found


def test_every_module_is_in_a_room_and_every_room_has_a_module() -> None:
    assert {room_of(module) for module in modules()} == set(ROOMS)
    top = {path.relative_to(ROOT).parts[0] for path in ROOT.glob("*/**/*.py") if not _hidden(path)}
    assert top == {*FOLDERS, "bench", "tests"}, "a folder with code that no rule holds"


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "build" for part in path.relative_to(ROOT).parts)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_rooms_and_packages_that_it_may(room: str) -> None:
    rooms, packages = ROOMS[room]
    mine = [module for module in modules() if room_of(module) == room]
    for module in mine:
        unknown = ours(module) - modules().keys()
        assert not unknown, f"{module} imports {unknown}, which are not there"
        reached = {room_of(name) for name in ours(module)} - {room, "anatomy"}
        assert reached <= rooms, f"{module} imports {sorted(reached - rooms)}: {room} may import {sorted(rooms)}"
        theirs = {name.split(".")[0] for name in imported(module)} - set(sys.stdlib_module_names) - set(FOLDERS)
        assert theirs <= packages, f"{module} imports {sorted(theirs - packages)}: {room} may import {sorted(packages)}"


def test_nothing_is_allowed_that_nobody_uses() -> None:
    for room, (rooms, _packages) in ROOMS.items():
        used = {room_of(name) for module in modules() if room_of(module) == room for name in ours(module)}
        assert rooms <= used, f"{room} does not import {sorted(rooms - used)}: take it off the table"


def test_no_import_goes_round() -> None:
    assert not _in_circles({module: ours(module) - {module} for module in modules()})


def test_no_room_goes_round() -> None:
    reached: dict[str, set[str]] = {room: set() for room in ROOMS}
    for module in modules():
        reached[room_of(module)] |= {room_of(name) for name in ours(module)} - {room_of(module)}
    assert not _in_circles(reached)


def _in_circles(reached: dict[str, set[str]]) -> list[str]:
    """Those that reach themselves, or one that does."""
    left = dict(reached)
    while free := [name for name, others in left.items() if not others & left.keys()]:
        for name in free:
            del left[name]
    return sorted(left)


def test_tests_stand_in_rooms_of_the_same_names() -> None:
    for folder in DIVIDED:
        rooms = {path.parent.name for path in (ROOT / "tests" / folder).glob("*/test_*.py")} - {CAPTIONS.name}
        known = {room.split(".")[1] for room in ROOMS if room.startswith(f"{folder}.")}
        assert rooms, f"no test of {folder} is in a room"
        assert rooms <= known, f"tests/{folder} has {sorted(rooms - known)}, which are no rooms of {folder}"


def test_the_captions_of_each_stage_have_rules_in_a_file_of_its_name() -> None:
    assert {path.stem for path in CAPTIONS.glob("test_*.py")} == {"test_rules", *(f"test_{stage}" for stage in STAGES)}


@pytest.mark.parametrize("module", [module for module in modules() if room_of(module) in LIGHT])
def test_what_runs_before_a_model_is_needed_does_not_load_torch(module: str) -> None:
    for name in loaded_with(module):
        heavy = {other.split(".")[0] for other in imported(name, lazily=False)} & HEAVY
        assert not heavy, f"{module} loads {name}, which imports {sorted(heavy)}"


def test_a_module_that_breaks_a_rule_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The rules are read off the source, lazy imports included: a wrong line anywhere in a module is seen."""
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def late():\n    from models.local.engine import LocalEngine\n    import torch\n")
    known = modules() | {"viz.wrong": wrong}
    monkeypatch.setitem(globals(), "modules", lambda: known)
    imported.cache_clear()
    try:
        assert imported("viz.wrong") == {"models.local.engine", "torch"}
        assert imported("viz.wrong", lazily=False) == set()
        with pytest.raises(AssertionError, match=r"viz\.wrong imports \['models\.local'\]"):
            test_a_room_imports_only_the_rooms_and_packages_that_it_may("viz")
        known["models.unheard.of"] = wrong
        with pytest.raises(AssertionError):
            test_every_module_is_in_a_room_and_every_room_has_a_module()
    finally:
        imported.cache_clear()


def test_no_module_hides_one_of_the_standard_library() -> None:
    names = {path.stem for path in ROOT.glob("*.py")} | set(FOLDERS)
    assert not names & set(sys.stdlib_module_names)

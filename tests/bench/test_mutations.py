"""Faults made by hand: each still has its place in the code, and is noticed or not as the tests of a small tree say."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from bench import mutations
from bench.faults import FAULTS, Fault


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_each_fault_has_its_one_place_and_tests_that_exist(fault: Fault) -> None:
    changed = mutations.made((mutations.ROOT / fault.file).read_text("utf-8"), fault)
    if fault.file.endswith(".py"):
        ast.parse(changed)
    assert fault.tests
    assert all((mutations.ROOT / test).exists() for test in fault.tests)


def test_a_fault_without_a_place_is_an_error() -> None:
    with pytest.raises(ValueError, match="mend bench/faults"):
        mutations.made("nothing of it", FAULTS[0])


SUM = Fault("a difference", "made.py", "a + b", "a - b", ("test_made.py",))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "made.py").write_text("def added(a, b):\n    return a + b\n")
    (tmp_path / "test_made.py").write_text("from made import added\n\ndef test_sum():\n    assert added(2, 2) == 4\n")
    return tmp_path


def test_a_fault_that_turns_a_test_red_is_caught_and_mended_again(tree: Path) -> None:
    before = (tree / "made.py").read_text()
    assert mutations._caught(tree, SUM)
    assert (tree / "made.py").read_text() == before


def test_a_fault_that_no_test_sees_is_not_caught(tree: Path) -> None:
    assert not mutations._caught(tree, replace(SUM, wrong="a * b"))


def test_tests_that_cannot_run_are_an_error_and_no_catch(tree: Path) -> None:
    with pytest.raises(RuntimeError, match="did not run"):
        mutations._caught(tree, replace(SUM, tests=("test_nowhere.py",)))

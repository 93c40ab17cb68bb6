"""Of a portion no test is left out whole."""

import pytest

from tests import portion as portions

TESTS = """
import pytest

@pytest.mark.parametrize("case", range(5))
def test_of_many_cases(case):
    assert case in OF

def test_of_one():
    assert True
"""


@pytest.mark.parametrize(("portion", "cases"), [(1, {0, 1, 2, 3, 4}), (2, {0, 2, 4}), (3, {0, 3}), (9, {0})])
def test_every_test_is_run_with_one_of_so_many_of_its_cases(pytester: pytest.Pytester, portion: int, cases: set[int]):
    pytester.makepyfile(f"OF = {cases}\n{TESTS}")
    run = pytester.runpytest_inprocess("--portion", str(portion), plugins=[portions])
    run.assert_outcomes(passed=len(cases) + 1, deselected=5 - len(cases))

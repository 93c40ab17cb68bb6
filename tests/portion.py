"""A fixed portion of the cases, for a run that repeats the tests under other conditions: `--portion 2`."""

from collections import Counter

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--portion", type=int, default=1, metavar="N", help="run every test, with one of N of its cases: the first on"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    one_of = config.getoption("--portion")
    met: Counter[str] = Counter()
    kept, left_out = [], []
    for item in items:
        test = item.nodeid.partition("[")[0]
        (left_out if met[test] % one_of else kept).append(item)
        met[test] += 1
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept

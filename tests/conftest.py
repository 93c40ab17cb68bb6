"""For every test: which ones drive a browser is written into the report, where `.ci/browser_ran.py` looks for it; and
which whole numbers it prints are measurements, for the snapshots.
"""

from collections.abc import Iterator

import pytest

from tests import measured

measured.listen()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("browser"):
            item.user_properties.append(("browser", "yes"))


@pytest.fixture(autouse=True)
def _measured_by_this_test() -> Iterator[None]:
    yield
    measured.whole.clear()

"""For every test: which ones drive a browser is written into the report, where `.ci/browser_ran.py` looks for it."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("browser"):
            item.user_properties.append(("browser", "yes"))

"""Browser tests are tried again: up to twice, never where the program is at fault, and the end says which and why."""

import json
from collections.abc import Iterator

import pytest

from tests import browsing

MOST_SECOND_TRIES = 3  # tests of a run that may need one: more is no hiccup


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("browser"):
            item.user_properties.append(("browser", "yes"))  # where `.ci/browser_ran.py` looks for it
            item.add_marker(pytest.mark.flaky(reruns=browsing.TRIES - 1, condition=browsing.second_try))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("browser"):
        browsing.begins()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    item.stash[browsing.FAILED] = report.failed or (item.stash.get(browsing.FAILED, False) and report.when != "setup")
    return report


def _second_tries(reporter: pytest.TerminalReporter) -> dict[str, list[str]]:
    """Tests that were tried again, each with why."""
    found: dict[str, list[str]] = {}
    for report in reporter.stats.get("rerun", []):
        crash = getattr(report.longrepr, "reprcrash", None)
        reason = str(report.longrepr if crash is None else crash.message).strip()
        found.setdefault(report.nodeid, []).append(f"{report.when}: {reason[:600]}")
    return found


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    tries = _second_tries(reporter) if reporter else {}
    if hasattr(session.config, "workerinput") or not tries:
        return
    browsing.KEPT.mkdir(parents=True, exist_ok=True)
    (browsing.KEPT / "second_tries.json").write_text(json.dumps(tries, indent=1), "utf-8")
    if len(tries) > MOST_SECOND_TRIES and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tries = _second_tries(terminalreporter)
    if not tries:
        return
    terminalreporter.section(f"{len(tries)} needed a second try (more than {MOST_SECOND_TRIES} fail the run)")
    for test, reasons in tries.items():
        for reason in reasons:
            terminalreporter.write_line(f"{test}: {reason}")
    terminalreporter.write_line(f"What they left is in {browsing.KEPT.relative_to(browsing.ROOT)}.")

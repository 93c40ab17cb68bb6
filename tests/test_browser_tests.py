"""How browser tests are written: they read nothing once, and a second try is for hiccups alone."""

import ast
from pathlib import Path

import pytest

from tests import browsing, second_tries

TESTS = Path(__file__).parent
HELPER = TESTS / "browsing.py"
# What reads the page as it is at one moment, which may be a moment too early.
CALLS = {
    "all_inner_texts",
    "all_text_contents",
    "bounding_box",
    "content",
    "count",
    "evaluate",
    "evaluate_all",
    "evaluate_handle",
    "get_attribute",
    "inner_html",
    "inner_text",
    "input_value",
    "is_checked",
    "is_visible",
    "text_content",
    "title",
    "wait_for_selector",
    "wait_for_url",
}
VALUES = {"url"}


def browser_tests() -> list[Path]:
    found = [path for path in sorted(TESTS.rglob("test_*.py")) if "pytest.mark.browser" in path.read_text("utf-8")]
    return [path for path in found if path.name != Path(__file__).name]


def reads_once(code: str) -> list[str]:
    """What a test reads once, with its line; calls on strings and lists that have arguments are none of it."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CALLS:
            if not (node.func.attr == "count" and node.args):  # of a string or a list
                found.append(f"{node.lineno}: .{node.func.attr}()")
        elif isinstance(node, ast.Attribute) and node.attr in VALUES and ast.unparse(node.value).endswith("page"):
            found.append(f"{node.lineno}: .{node.attr}")
    return found


def driving(path: Path) -> str:
    """The code of a file's browser tests and of what they share; of files that hold other tests too, those alone."""
    tree = ast.parse(path.read_text("utf-8"))
    if any(isinstance(node, ast.Assign) and "browser" in ast.unparse(node) for node in tree.body):
        return ast.unparse(tree)
    marked = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and (not node.name.startswith("test_") or any("browser" in ast.unparse(mark) for mark in node.decorator_list))
    ]
    return "\n".join(map(ast.unparse, marked))


@pytest.mark.parametrize("path", browser_tests(), ids=lambda path: path.name)
def test_no_browser_test_reads_the_page_once(path):
    assert not reads_once(driving(path))


def test_the_journey_is_among_them():
    assert TESTS / "ui" / "test_journey.py" in browser_tests()


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("assert page.locator('p').inner_text() == 'a'", ["1: .inner_text()"]),
        ("assert reader.page.url.endswith('b')", ["1: .url"]),
        ("assert page.title() == 'c'", ["1: .title()"]),
        ("expect(page.locator('p')).to_have_count(1)", []),
        ("assert 'aab'.count('a') == 2", []),
        ("assert page.locator('p').count() == 2", ["1: .count()"]),
    ],
)
def test_what_reads_once_is_recognized(code, found):
    assert reads_once(code) == found


FLAKY = """
import pytest
from tests import browsing
tries = []

{mark}
@pytest.mark.parametrize("name", {names!r})
def test_it(name):
    tries.append(name)
    for log in browsing._LOGS:
        with log.open("a") as written:
            written.write({told!r})
    assert tries.count(name) > {fails}, "too early"
"""


@pytest.fixture
def ran(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """ran(names, fails, mark, told): the outcome of tests that fail so often before they pass, and what was printed.
    told: what each of their tries has the servers log."""
    monkeypatch.setattr(browsing, "KEPT", pytester.path / "build" / "browser")
    monkeypatch.setattr(browsing, "ROOT", pytester.path)
    monkeypatch.setattr(browsing, "FAULTS", [])
    monkeypatch.setattr(browsing, "_LOGS", {})

    def run(names: str, fails: int, mark: str = "@pytest.mark.browser", told: str = "") -> pytest.RunResult:
        pytester.makeini("[pytest]\nmarkers = browser: drives a browser")
        pytester.makepyfile(FLAKY.format(mark=mark, names=list(names), fails=fails, told=told))
        return pytester.runpytest_inprocess(plugins=[second_tries])

    return run


def test_a_hiccup_is_tried_again_and_told(ran):
    result = ran("abc", fails=2)
    result.assert_outcomes(passed=3)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*3 needed a second try*", "*test_it?a?: call: AssertionError: too early*"])
    assert len((browsing.KEPT / "second_tries.json").read_text("utf-8").splitlines()) > 3


def test_what_fails_three_times_fails(ran):
    result = ran("a", fails=3)
    result.assert_outcomes(failed=1)
    assert result.ret == 1


def test_more_than_three_second_tries_fail_the_run(ran):
    result = ran("abcd", fails=1)
    result.assert_outcomes(passed=4)
    assert result.ret == 1


def test_tests_without_a_browser_have_one_try(ran):
    ran("a", fails=1, mark="").assert_outcomes(failed=1)


LINES = ["Traceback (most recent call last):", f"{browsing.OUTSIDE} ('10.0.0.1', 80)"]


@pytest.fixture
def log(ran, tmp_path: Path) -> Path:
    """Of a server that has started."""
    path = tmp_path / "log.txt"
    path.write_text("started\n", "utf-8")
    browsing._LOGS[path] = 0
    return path


@pytest.mark.parametrize("line", LINES)
def test_there_is_no_second_try_where_the_servers_log_says_why(line, ran, log):
    ran("a", fails=1, told=f"{line}\n").assert_outcomes(failed=1)
    assert log.read_text("utf-8") == f"started\n{line}\n"


@pytest.mark.parametrize("line", LINES)
def test_what_the_servers_log_said_of_an_earlier_test_takes_no_second_try(line, ran, log):
    log.write_text(f"{line}\n", "utf-8")
    ran("a", fails=1).assert_outcomes(passed=1)


@pytest.mark.parametrize("fault", ["a request left the machine: https://elsewhere.example/", "a script broke"])
def test_there_is_no_second_try_where_a_page_is_at_fault(fault, ran):
    browsing.FAULTS.append(fault)
    ran("a", fails=1).assert_outcomes(failed=1)

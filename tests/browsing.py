"""A browser for tests: a window for each, waits that a busy machine can't race, and what a failure leaves behind.

Tests act through `Visit`, which waits after every action until the page has settled, and read through Playwright's
retrying expectations or through the functions here. Nothing is read once: `tests/test_browser_tests.py` holds it.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from bench.server import ROOT, free_port, stop, until_it_answers
from bench.start import CHROMIUM, QUIET
from tests.ui.guarded_server import GUARDING, OUTSIDE

LIMIT = 180_000  # milliseconds that anything may take: nothing where all is well, and no hiccup is longer
TRIES = 3  # of a browser test, the first included
KEPT = ROOT / "build" / "browser"  # what failed tests leave behind
FAILED = pytest.StashKey[bool]()
FAULTS: list[str] = []  # what pages did that no second try may hide: requests that leave the machine, broken scripts
_LOGS: dict[Path, int] = {}  # of all servers of this session, each with how many faults it told before the test began
expect.set_options(timeout=LIMIT)


def second_try(error: BaseException | None) -> bool:
    """Whether a failed browser test may be tried again: never where a server's log has said why since it began, a
    script of a page broke, or something left the machine."""
    return not FAULTS and not any(len(_faults(log)) > before for log, before in _LOGS.items())


def begins() -> None:
    """A try of a browser test begins: what the servers' logs hold by now is of tests before it."""
    _LOGS.update({log: len(_faults(log)) for log in _LOGS})


def _faults(log: Path) -> list[str]:
    """Lines of a server's log that are faults of the program, whatever the test saw."""
    return [line for line in log.read_text("utf-8").splitlines() if "Traceback" in line or OUTSIDE in line]


@dataclass(frozen=True)
class Served:
    """A server under test: where its page is, and its log."""

    home: str
    log: Path


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The app, started as the README says, on a port of its own; its model answers. One for all tests: a start takes
    longer than most of them."""
    port = free_port()
    log = tmp_path_factory.mktemp("server") / "log.txt"
    options = ["--server.port", str(port), "--server.address", "127.0.0.1"]
    command = [sys.executable, "-m", "tests.ui.guarded_server", "run", "app.py", *options]
    with log.open("w") as out, subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out) as process:
        try:
            _LOGS[log] = 0
            until_it_answers(port, process, log)
            until_ready(port)
            yield Served(f"http://127.0.0.1:{port}/", log)
        finally:
            stop(process)
    said = log.read_text("utf-8")
    assert not _faults(log), said
    assert GUARDING in said


def until_ready(port: int) -> None:
    """Wait until the model behind a page answers. In a process of its own: the browser's loop runs in this one."""
    code = f"import asyncio; from bench.classroom import ready; asyncio.run(ready({port}))"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=LIMIT / 1000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests; each has a window of its own. What an earlier run left is cleared away."""
    shutil.rmtree(KEPT, ignore_errors=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@dataclass
class Window:
    """One test's window: what it asked for, and what it complained about."""

    context: BrowserContext
    page: Page
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @classmethod
    def opened(cls, browser: Browser, **options: Any) -> "Window":
        """A window that takes down every request and every error, and can show afterwards what happened in it."""
        context = browser.new_context(
            **{"viewport": {"width": 1440, "height": 1000}, "reduced_motion": "reduce"} | options
        )
        context.set_default_timeout(LIMIT)
        context.tracing.start(snapshots=True)
        window = cls(context, context.new_page())
        page = window.page
        page.on("request", lambda request: window._sent(request.url))
        page.on("websocket", lambda line: window._sent(line.url.replace("ws://", "http://", 1)))
        page.on("pageerror", lambda error: window._broke(str(error)))
        page.on("console", lambda said: window.errors.append(said.text) if said.type == "error" else None)
        return window

    def _sent(self, url: str) -> None:
        self.asked.append(url)
        if not url.startswith(("http://127.0.0.1:", "file:", "data:", "blob:", "about:")):
            FAULTS.append(f"a request left the machine: {url}")

    def _broke(self, error: str) -> None:
        self.errors.append(error)
        FAULTS.append(f"a script of the page broke: {error}")

    def close(self, kept: Path | None, log: Path | None) -> None:
        """kept: the folder for what shows why the test failed; None where it did not."""
        try:
            if kept is not None:
                self._keep(kept, log)
        finally:
            self.context.close()

    def _keep(self, kept: Path, log: Path | None) -> None:
        kept.mkdir(parents=True, exist_ok=True)
        self.context.tracing.stop(path=kept / "trace.zip")
        if log is not None:
            shutil.copy(log, kept / "server.log")
        self.page.screenshot(path=kept / "screenshot.png", timeout=20_000)


@pytest.fixture
def window(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Window]]:
    """window(**options of the context): this test's window, for pages that stand in files."""
    with _one(browser, request, None) as opened:
        yield opened


@pytest.fixture
def visit(browser: Browser, server: Served, request: pytest.FixtureRequest) -> Iterator[Callable[..., "Visit"]]:
    """visit(**options of the context): this test's window on the server's page. It has to end without an error, without
    an exception on the page, and without a request to anybody else."""
    with _one(browser, request, server.log) as opened:
        visits: list[Visit] = []
        before = len(_faults(server.log))  # of other tests: they have failed

        def begun(**options: Any) -> Visit:
            visits.append(Visit(opened(**options), server.home))
            return visits[-1]

        yield begun
        for each in visits:
            each.ended()
        assert len(_faults(server.log)) == before, server.log.read_text("utf-8")


@pytest.fixture
def reader(visit: Callable[..., "Visit"]) -> "Visit":
    """A reader with a wide window, in English, in the light theme."""
    return visit()


@contextmanager
def _one(browser: Browser, request: pytest.FixtureRequest, log: Path | None) -> Iterator[Callable[..., Window]]:
    """What opens the test's one window; afterwards it is closed, and kept for a look where the test failed."""
    windows: list[Window] = []

    def opened(**options: Any) -> Window:
        assert not windows, "a test has one window: parametrize it"
        windows.append(Window.opened(browser, **options))
        return windows[0]

    failed = True
    try:
        yield opened
        failed = request.node.stash.get(FAILED, False)
    finally:
        for each in windows:
            each.close(_folder(request.node) if failed else None, log)


def _folder(test: pytest.Item) -> Path:
    """Where a test's try leaves what it has to show."""
    name = "".join(letter if letter.isalnum() else "_" for letter in test.nodeid.partition("::")[2])
    return KEPT / f"{name[:100]}-{getattr(test, 'execution_count', 1)}"


# Idle, nothing greyed out, a few looks one after the other: a run may follow a run.
CALM = """([looks]) => {
    const app = document.querySelector("[data-testid=stApp]");
    const calm = app?.dataset.testScriptState === "notRunning" && app.dataset.testConnectionState === "CONNECTED"
        && !document.querySelector("[data-stale=true], [data-testid=stSkeleton]");
    window.calm = calm ? (window.calm ?? 0) + 1 : 0;
    if (window.calm < looks) return false;
    window.calm = 0;
    return true;
}"""


@dataclass
class Visit:
    """A reader at the page. What he does is followed by a wait until the page has settled."""

    window: Window
    home: str

    @property
    def page(self) -> Page:
        return self.window.page

    def settled(self) -> None:
        """Wait until nothing runs and nothing is left of the page before."""
        self.page.wait_for_function(CALM, arg=[4], polling=50, timeout=LIMIT)

    def ended(self) -> None:
        """What has to be true at the end of every visit."""
        foreign = [url for url in self.window.asked if not url.startswith((self.home, "data:", "blob:"))]
        assert not foreign, f"the page asked others than its server: {foreign}"
        expect(self.page.get_by_test_id("stException")).to_have_count(0)
        assert not self.window.errors
        assert self.window.asked

    def open(self, query: str = "") -> None:
        """Go to the page with this query, or to an address of the page."""
        self.page.goto(query if query.startswith(self.home) else self.home + query)
        self._arrived()

    def reload(self) -> None:
        self.page.reload()
        self._arrived()

    def back(self) -> None:
        self.page.go_back()
        self._arrived()

    def forward(self) -> None:
        self.page.go_forward()
        self._arrived()

    def _arrived(self) -> None:
        expect(self.page.locator(".st-key-stage h2, .st-key-notices .notice.refused").first).to_be_visible()
        self.settled()

    def click(self, what: Locator, **options: Any) -> None:
        what.click(**options)
        self.settled()

    def click_at(self, what: Locator, right: float, top: float) -> None:
        """Click so many pixels from the right and the upper edge."""
        what.scroll_into_view_if_needed()
        box = what.bounding_box()
        assert box is not None, "it is not there to be clicked"
        self.click(what, position={"x": box["width"] - right, "y": top})

    def click_where(self, column: Locator, row: Locator) -> None:
        """Click where what stands below the middle of one meets what stands beside the middle of the other."""
        row.scroll_into_view_if_needed()
        below, beside = column.bounding_box(), row.bounding_box()
        assert below is not None, "it is not there to be clicked below"
        assert beside is not None, "it is not there to be clicked beside"
        self.page.mouse.click(below["x"] + below["width"] / 2, beside["y"] + beside["height"] / 2)
        self.settled()

    def press(self, key: str, at: Locator | None = None) -> None:
        """Press a key, at this element or at what has the focus."""
        if at is None:
            self.page.keyboard.press(key)
        else:
            at.press(key)
        self.settled()

    def type(self, text: str) -> None:
        """Put a text into the box, send it, and wait for what comes of it."""
        self.begin(text)
        self.settled()

    def begin(self, text: str) -> None:
        """Put a text into the box and send it, without a wait: to see what happens meanwhile."""
        self.box.fill(text)
        self.box.press("Enter")

    @property
    def box(self) -> Locator:
        return self.page.get_by_role("textbox", name="Your text")

    @property
    def heading(self) -> Locator:
        return self.page.locator(".st-key-stage h2")

    @property
    def answer(self) -> Locator:
        return self.page.locator(".says")

    @property
    def refusal(self) -> Locator:
        return self.page.locator(".notice.refused")

    @property
    def tokens(self) -> Locator:
        """Those of the row above the page's columns."""
        return self.page.locator(".st-key-strip").get_by_role("option")

    @property
    def stages(self) -> Locator:
        return self.page.get_by_role("navigation", name="Stages of the model").get_by_role("link")

    @property
    def readout(self) -> Locator:
        """The line under the attention map that reads the chosen cell."""
        return self.page.locator(".st-key-attention-figure .readout")

    def canvas(self, panel: str) -> Locator:
        return self.page.locator(f".st-key-{panel}-figure canvas.cells")

    def choice(self, group: str, option: str) -> Locator:
        """One option of a control."""
        return self.page.get_by_role("radiogroup", name=group).get_by_role("radio", name=option, exact=True)

    def stage(self, name: str) -> Locator:
        """A stage's box in the map."""
        return self.page.locator(f"a[data-stage={name}]")


def point_at(what: Locator, right: float, bottom: float, shows: Locator) -> None:
    """Put the pointer so many pixels from the right and the lower edge, until that shows something."""
    end = monotonic() + LIMIT / 1000
    while not shows.is_visible() and monotonic() < end:
        box = what.bounding_box()
        assert box is not None, "it is not there to be pointed at"
        what.page.mouse.move(box["x"] + box["width"] - right - 1, box["y"] + box["height"] - bottom)
        what.page.mouse.move(box["x"] + box["width"] - right, box["y"] + box["height"] - bottom)
        what.page.wait_for_timeout(50)
    expect(shows).to_be_visible()


def text_of(what: Locator) -> str:
    """What it says, as soon as it says something: for a comparison with what another page says."""
    expect(what).not_to_be_empty()
    return what.inner_text().strip()


def texts_of(what: Locator, count: int) -> list[str]:
    """What each of so many says."""
    expect(what).to_have_count(count)
    return what.all_inner_texts()


def expect_of(page: Page, script: str, expected: Any, arg: Any = None) -> None:
    """Wait until a script in the page gives what is expected, a value or what `pytest.approx` made of one."""
    end, found = monotonic() + LIMIT / 1000, None
    while monotonic() < end:
        found = page.evaluate(script, arg)
        if found == expected:
            return
        page.wait_for_timeout(50)
    assert found == expected

"""Visits to the page in a browser: a server that nothing leaves, and a window that takes down what it asks for."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from bench.server import free_port, until_it_answers
from bench.start import CHROMIUM, QUIET
from tests.ui.guarded_server import GUARDING, OUTSIDE

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 60_000  # milliseconds: the first answer waits for the model
expect.set_options(timeout=20_000)  # what is already loaded; a busy machine may take its time


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the app, started as the README says, on a port of its own."""
    port = free_port()
    log = tmp_path_factory.mktemp("server") / "log.txt"
    options = ["--server.port", str(port), "--server.address", "127.0.0.1"]
    command = [sys.executable, "-m", "tests.ui.guarded_server", "run", "app.py", *options]
    with log.open("w") as out, subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out) as process:
        try:
            until_it_answers(port, process, log)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
    said = log.read_text()
    assert "Traceback" not in said, said
    assert GUARDING in said
    assert OUTSIDE not in said, said


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@dataclass
class Visit:
    """One reader's browser window: what it asked for, and what it complained about."""

    page: Page
    home: str
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def open(self, query: str = "") -> None:
        self.page.goto(self.home + query)
        expect(self.page.locator(".st-key-stage h2, .notice.refused").first).to_be_visible(timeout=PATIENCE)

    def type(self, text: str) -> None:
        box = self.page.get_by_role("textbox", name="Your text")
        box.fill(text)
        box.press("Enter")

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
        return self.page.get_by_role("option")

    @property
    def readout(self) -> Locator:
        """The line under the attention map that reads the chosen cell."""
        return self.page.locator(".st-key-attention-figure .readout")

    def canvas(self, panel: str) -> Locator:
        return self.page.locator(f".st-key-{panel}-figure canvas")


def visited(browser: Browser, home: str, **options: object) -> tuple[BrowserContext, Visit]:
    """A window that takes down every request and every error."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, reduced_motion="reduce", **options)
    visit = Visit(context.new_page(), home)
    visit.page.on("request", lambda request: visit.asked.append(request.url))
    visit.page.on("websocket", lambda line: visit.asked.append(line.url.replace("ws://", "http://", 1)))
    visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
    visit.page.on("console", lambda said: visit.errors.append(said.text) if said.type == "error" else None)
    return context, visit


@pytest.fixture
def reader(browser: Browser, server: str) -> Iterator[Visit]:
    """A visit that must end without an error, without an exception on the page, and without a foreign request."""
    context, visit = visited(browser, server)
    yield visit
    expect(visit.page.get_by_test_id("stException")).to_have_count(0)
    assert not visit.errors
    foreign = [url for url in visit.asked if not url.startswith((server, "data:", "blob:"))]
    assert not foreign, f"these requests would leave the machine: {foreign}"
    assert visit.asked
    context.close()

"""Chromium, driven by Playwright, as in all other tests."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page

from bench.start import CHROMIUM
from tests.browsing import LIMIT
from tests.engines.engine import HEIGHT, WIDTH, Program

PROGRAMS = (Program((CHROMIUM,), "chromium"),)


class Chromium:
    """A page of Playwright's."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def go(self, url: str) -> None:
        self._page.goto(url)

    def back(self) -> None:
        self._page.go_back()

    def run(self, body: str) -> Any:
        return json.loads(self._page.evaluate(f"() => JSON.stringify((() => {{ {body} }})() ?? null)"))

    def click(self, x: float, y: float) -> None:
        self._page.mouse.click(x, y)

    def write(self, text: str) -> None:
        self._page.keyboard.press("Control+A")
        self._page.keyboard.type(text)

    def picture(self) -> bytes:
        return self._page.screenshot()


@contextmanager
def opened(browser: Browser, dark: bool) -> Iterator[Chromium]:
    """A window. dark: for a reader whose system is."""
    with browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="dark" if dark else "light"
    ) as context:
        context.set_default_timeout(LIMIT)
        yield Chromium(context.new_page())

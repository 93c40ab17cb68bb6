"""WebKit, as GNOME's browser has it, driven by WebDriver on a display that nobody sees.

https://www.w3.org/TR/webdriver2/
"""

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from bench.server import free_port, stop
from tests.browsing import LIMIT
from tests.engines.engine import HEIGHT, WIDTH, Program, clicking, writing

PROGRAMS = (Program(("WebKitWebDriver",), "webkit2gtk-driver"), Program(("Xvfb",), "xvfb"))
_BARE = build_opener(ProxyHandler({}))  # the driver is on this machine


class WebKit:
    """A window of MiniBrowser, which Debian has beside the driver."""

    def __init__(self, port: int, process: subprocess.Popen, log: Path) -> None:
        sessions = f"http://127.0.0.1:{port}/session"
        self._home = f"{sessions}/{_first(sessions, {'capabilities': {}}, process, log)['sessionId']}"
        inner = self.run("return [outerWidth - innerWidth, outerHeight - innerHeight]")
        self._ask("window/rect", width=WIDTH + inner[0], height=HEIGHT + inner[1])

    def _ask(self, what: str, **parameters: Any) -> Any:
        return _post(f"{self._home}/{what}", parameters)

    def go(self, url: str) -> None:
        self._ask("url", url=url)

    def back(self) -> None:
        self._ask("back")

    def run(self, body: str) -> Any:
        script = f"return JSON.stringify((() => {{ {body} }})() ?? null)"
        return json.loads(self._ask("execute/sync", script=script, args=[]))

    def click(self, x: float, y: float) -> None:
        self._ask("actions", actions=clicking(x, y))

    def write(self, text: str) -> None:
        self._ask("actions", actions=writing(text))

    def picture(self) -> bytes:
        with _BARE.open(f"{self._home}/screenshot", timeout=LIMIT / 1000) as answer:
            return base64.b64decode(json.load(answer)["value"])

    def close(self) -> None:
        _BARE.open(Request(self._home, method="DELETE"), timeout=LIMIT / 1000).close()


@contextmanager
def opened(folder: Path, dark: bool) -> Iterator[WebKit]:
    """A window, its settings and data in this folder. dark: for a reader whose system is."""
    with _display() as display:
        theme = "Adwaita:dark" if dark else "Adwaita"
        shown = {"DISPLAY": display, "GDK_BACKEND": "x11", "GTK_THEME": theme, "LIBGL_ALWAYS_SOFTWARE": "1"}
        places = {f"XDG_{kind}_HOME": str(folder) for kind in ("CONFIG", "DATA", "CACHE")}
        port, log = free_port(), folder / "log.txt"
        command = [str(PROGRAMS[0].path), f"--port={port}", "--host=127.0.0.1"]
        with (
            log.open("w") as out,
            subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | places | shown) as process,
        ):
            try:
                webkit = WebKit(port, process, log)
                try:
                    yield webkit
                finally:
                    webkit.close()
            finally:
                stop(process)


@contextmanager
def _display() -> Iterator[str]:
    """A display in memory, on the first number that is free."""
    screen = ["-screen", "0", f"{WIDTH + 200}x{HEIGHT + 200}x24", "-nolisten", "tcp"]
    command = [str(PROGRAMS[1].path), "-displayfd", "1", *screen]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            number = process.stdout.readline().strip()
            assert number, "Xvfb found no free display"
            yield f":{number}"
        finally:
            stop(process)


def _first(url: str, parameters: dict[str, Any], process: subprocess.Popen, log: Path) -> Any:
    """The answer to the first question, to a driver that is still starting."""
    end = monotonic() + LIMIT / 1000
    while monotonic() < end and process.poll() is None:
        try:
            return _post(url, parameters)
        except OSError:
            sleep(0.05)
    raise RuntimeError(f"WebKitWebDriver does not answer; its log:\n{log.read_text('utf-8')[-2000:]}")


def _post(url: str, parameters: dict[str, Any]) -> Any:
    """A driver's answer; RuntimeError with what it says where it refuses."""
    request = Request(url, json.dumps(parameters).encode(), {"Content-Type": "application/json"})
    try:
        with _BARE.open(request, timeout=LIMIT / 1000) as answer:
            return json.load(answer)["value"]
    except HTTPError as error:
        raise RuntimeError(error.read().decode()) from error

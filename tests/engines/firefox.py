"""Firefox, driven by WebDriver BiDi, which it speaks itself: Debian has no geckodriver.

https://w3c.github.io/webdriver-bidi/
"""

import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from websockets.sync.client import ClientConnection, connect

from bench.server import free_port, stop
from tests.browsing import LIMIT
from tests.engines.engine import HEIGHT, WIDTH, Program, clicking, writing

PROGRAMS = (Program(("firefox-esr", "firefox"), "firefox-esr"),)
# A new profile looks for news, updates and a portal of the network: here it asks nobody.
_QUIET = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "services.settings.server": "http://127.0.0.1:9/",
    "toolkit.telemetry.enabled": False,
    "intl.accept_languages": "en",
}


class Firefox:
    """A tab, at the other end of a line that carries one question and its answer at a time."""

    def __init__(self, line: ClientConnection) -> None:
        self._line, self._number = line, count(1)
        self._ask("session.new", capabilities={})
        self._tab = {"context": self._ask("browsingContext.getTree")["contexts"][0]["context"]}
        self._ask("browsingContext.setViewport", **self._tab, viewport={"width": WIDTH, "height": HEIGHT})

    def _ask(self, method: str, **parameters: Any) -> Any:
        number = next(self._number)
        self._line.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._line.recv(timeout=LIMIT / 1000))
            if answer.get("id") == number:
                assert answer["type"] == "success", answer
                return answer["result"]

    def go(self, url: str) -> None:
        self._ask("browsingContext.navigate", **self._tab, url=url, wait="complete")

    def back(self) -> None:
        self._ask("browsingContext.traverseHistory", **self._tab, delta=-1)

    def run(self, body: str) -> Any:
        function = f"() => JSON.stringify((() => {{ {body} }})() ?? null)"
        said = self._ask("script.callFunction", functionDeclaration=function, awaitPromise=False, target=self._tab)
        assert said["type"] == "success", said
        return json.loads(said["result"]["value"])

    def click(self, x: float, y: float) -> None:
        self._ask("input.performActions", **self._tab, actions=clicking(x, y))

    def write(self, text: str) -> None:
        self._ask("input.performActions", **self._tab, actions=writing(text))

    def picture(self) -> bytes:
        return base64.b64decode(self._ask("browsingContext.captureScreenshot", **self._tab)["data"])


@contextmanager
def opened(folder: Path, dark: bool) -> Iterator[Firefox]:
    """A window, its settings and data in this folder. dark: for a reader whose system is."""
    preferences = {**_QUIET, "ui.systemUsesDarkTheme": int(dark)}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
    (folder / "user.js").write_text("".join(lines), "utf-8")
    port, log = free_port(), folder / "log.txt"
    command = [str(PROGRAMS[0].path), "--headless", "--no-remote", "--profile", str(folder)]
    command += ["--remote-debugging-port", str(port)]
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            with _line(port, process, log) as line:
                yield Firefox(line)
        finally:
            stop(process)


def _line(port: int, process: subprocess.Popen, log: Path) -> ClientConnection:
    """The line to a Firefox that is still starting."""
    end = monotonic() + LIMIT / 1000
    while monotonic() < end and process.poll() is None:
        try:
            return connect(f"ws://127.0.0.1:{port}/session", max_size=None, ping_interval=None, proxy=None)
        except OSError:
            sleep(0.05)
    raise RuntimeError(f"Firefox does not answer on port {port}; its log:\n{log.read_text('utf-8')[-2000:]}")

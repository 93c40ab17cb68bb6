"""How soon the page is there, and what it weighs: a real browser, servers of its own, each visit from an empty cache.

A visit's clock starts when the browser asks for the page. Its first figure counts when a canvas of the panel has
paint on it, or the passage has a line, or plotly has drawn its axes; the model is live when the page no longer says
that it is being loaded.
"""

import base64
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from time import time
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from bench.proxy import PROXIES, Proxy
from bench.server import Server, serving
from bench.table import Cell, markdown

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
QUIET = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_PATIENCE = 120_000  # milliseconds
PANELS = {"opening": "", "canvas": "?panel=attention", "Plotly": "?panel=output"}
KINDS = ("Streamlit", "Plotly", "fonts", "ours")
# Runs in the page from its first moment on, and notes when each of the two came true.
_CLOCK = """
(() => {
  window.seen = {};
  const every = function* (root) {
    for (const one of root.querySelectorAll("*")) { yield one; if (one.shadowRoot) yield* every(one.shadowRoot); }
  };
  const painted = (canvas) => {
    if (!canvas.width || !canvas.height) return false;
    const small = new OffscreenCanvas(8, 8).getContext("2d");
    small.drawImage(canvas, 0, 0, 8, 8);
    return small.getImageData(0, 0, 8, 8).data.some((byte) => byte);
  };
  const drawn = () => {
    const stage = document.querySelector(".st-key-stage");
    if (stage) for (const one of every(stage)) {
      if (one.matches(".js-plotly-plot .xaxislayer-above *, svg .way")) return true;
      if (one.tagName === "CANVAS" && !one.closest('[data-testid="stDataFrame"]') && painted(one)) return true;
    }
    return false;
  };
  const app = () => document.querySelector('[data-testid="stApp"]');
  const live = () => app()?.dataset.testScriptState === "notRunning" && document.querySelector(".st-key-stage h2")
    && !document.querySelector(".st-key-free .working, .st-key-waiting, .st-key-free [role=progressbar]");
  let steady = 0;
  const look = () => {
    const now = performance.now();
    if (!window.seen.figure && drawn()) window.seen.figure = now;
    steady = window.seen.figure && live() ? steady + 1 : 0;
    if (steady === 1) window.seen.maybe = now;
    if (steady === 10 && !window.seen.live) window.seen.live = window.seen.maybe;
    if (!window.seen.live) setTimeout(look, 20);
  };
  look();
})();
"""


@dataclass
class Weight:
    """What came over the wire: bytes by kind (headers of HTTP included), and how many requests were answered.

    What the browser takes from its own cache is not counted.
    """

    bytes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    requests: int = 0
    addresses: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Bytes of all kinds together."""
        return sum(self.bytes.values())

    def listen(self, page: Page) -> None:
        """Count from now on what this page receives."""
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.responseReceived", self._answered)
        session.on("Network.loadingFinished", self._loaded)
        session.on("Network.webSocketFrameReceived", self._framed)

    def _answered(self, event: dict[str, Any]) -> None:
        self.addresses[event["requestId"]] = event["response"]["url"]

    def _loaded(self, event: dict[str, Any]) -> None:
        address = self.addresses.get(event["requestId"], "")
        if event["encodedDataLength"] and address.startswith("http"):
            self.requests += 1
            self.bytes[kind(address)] += int(event["encodedDataLength"])

    def _framed(self, event: dict[str, Any]) -> None:
        data = event["response"]["payloadData"]
        self.bytes["ours"] += len(base64.b64decode(data)) if event["response"]["opcode"] == 2 else len(data)


def kind(address: str) -> str:
    """Whose a file is: Streamlit's page, its Plotly part, fonts, or what this program adds."""
    path = urlsplit(address).path
    if path.endswith((".woff2", ".woff", ".ttf")):
        return "fonts"
    if "/static/js/Plotly" in path:
        return "Plotly"
    return "Streamlit" if path == "/" or ("/static/" in path and "/app/" not in path) else "ours"


@dataclass(frozen=True)
class Visit:
    """One look at the page. figure, live: seconds since the browser asked for it; begun: when that was (time.time)."""

    figure: float
    live: float
    begun: float
    weight: Weight


@dataclass(frozen=True)
class Round:
    """A fresh server: seconds until it answered and until its model was live, and the visits by name."""

    reachable: float
    live: float
    visits: dict[str, Visit]


def visit(page: Page, address: str | None) -> Visit:
    """Open an address, or reload the page, and wait for its first figure and for the live model."""
    weight = Weight()
    weight.listen(page)
    if address is None:
        page.reload(wait_until="commit")
    else:
        page.goto(address, wait_until="commit")
    page.wait_for_function("window.seen.live", timeout=_PATIENCE, polling=100)
    seen, begun = page.evaluate("[window.seen, performance.timeOrigin]")
    return Visit(seen["figure"] / 1000, seen["live"] / 1000, begun / 1000, weight)


@contextmanager
def _reader(browser: Browser) -> Iterator[Page]:
    """A window with nothing in its cache."""
    context: BrowserContext = browser.new_context(viewport={"width": 1280, "height": 800})
    context.add_init_script(_CLOCK)
    try:
        yield context.new_page()
    finally:
        context.close()


def once(browser: Browser, model: str, proxies: Sequence[Proxy]) -> Round:
    """One fresh server, visited at once, then with its model live, then behind each proxy."""
    started = time()
    with serving(model) as server:
        reachable = time() - started
        home = f"http://127.0.0.1:{server.port}/"
        with _reader(browser) as page:
            visits = {f"opening, {NEW}": visit(page, home)}
        live = visits[f"opening, {NEW}"]
        for panel, query in PANELS.items():
            with _reader(browser) as page:
                visits[f"{panel}, {READY}"] = visit(page, home + query)
                visits[f"{panel}, reloaded"] = visit(page, None)
        visits |= _behind(browser, server, proxies)
    return Round(reachable, live.begun + live.live - started, visits)


NEW, READY = "new server", "model live"


def _behind(browser: Browser, server: Server, proxies: Sequence[Proxy]) -> dict[str, Visit]:
    visits = {}
    for proxy in proxies:
        with proxy.before(server.port) as port:
            for panel, query in PANELS.items():
                with _reader(browser) as page:
                    visits[f"{panel}, behind {proxy.name}"] = visit(page, f"http://127.0.0.1:{port}/{query}")
    return visits


def measure(model: str, rounds: int) -> list[Round]:
    """Every round with a server and caches of its own; one browser for all."""
    proxies = [proxy for proxy in PROXIES if proxy.installed]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            return [once(browser, model, proxies) for _again in range(rounds)]
        finally:
            browser.close()


def table(rounds: Sequence[Round]) -> str:
    """Medians over the rounds, as Markdown."""
    columns = ("visit", "first figure (s)", "live (s)", "requests", *(f"{kind} (kB)" for kind in KINDS), "all (kB)")
    rows = [_row(name, [each.visits[name] for each in rounds]) for name in rounds[0].visits]
    reachable, live = (median(getattr(each, name) for each in rounds) for name in ("reachable", "live"))
    absent = [proxy.name for proxy in PROXIES if not proxy.installed]
    lines = [
        markdown(columns, rows),
        "",
        f"From the start of the server's process: it answers after {reachable:.1f} s, its model is live after "
        f"{live:.1f} s. Medians of {len(rounds)} servers; every visit but the reloads with an empty browser cache.",
    ]
    if absent:
        lines.append(f"Not on this machine, so not measured: {', '.join(absent)}.")
    return "\n".join(lines)


def _row(name: str, visits: Sequence[Visit]) -> tuple[Cell, ...]:
    weights = [each.weight for each in visits]
    live = median(each.live for each in visits) if name.endswith(NEW) else None
    return (
        name,
        median(each.figure for each in visits),
        live,
        round(median(weight.requests for weight in weights)),
        *(round(median(weight.bytes[kind] for weight in weights) / 1000) for kind in KINDS),
        round(median(weight.total for weight in weights) / 1000),
    )

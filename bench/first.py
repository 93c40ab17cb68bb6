"""The first minute: how soon the passage is there, and how soon it shows another text, beside the plainest page of
Streamlit with one plotly heat map. Both servers are warm, each visit is from an empty cache, and they take turns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from playwright.sync_api import Browser, Page, sync_playwright

from bench.server import serving
from bench.start import CHROMIUM, QUIET
from bench.table import markdown

_PATIENCE = 120_000  # milliseconds
_SCRIPTS = {"passage": "app.py", "plain": "bench/peer/heat_map.py"}
_COLUMNS = ("page", "navigation to figure s", "Run to changed figure s", "of plain", "of plain")
# Gives the time since the browser asked for the page, once a label of the figure has this word.
_LABELLED = """
(word) => {
  const every = function* (root) {
    for (const one of root.querySelectorAll("*")) { yield one; if (one.shadowRoot) yield* every(one.shadowRoot); }
  };
  for (const one of every(document)) {
    const label = one.matches('.st-key-stage *, [role="option"], .xaxislayer-above text');
    if (label && !one.children.length && one.textContent.includes(word)) return performance.now();
  }
  return false;
}
"""
_FIRST = "Berlin"
_TEXT = "One way to learn a {word} is to read it aloud"
_WORDS = ("language", "poem", "song", "story", "speech", "prayer", "recipe", "letter", "law", "play", "verse", "tale")


@dataclass(frozen=True)
class Times:
    """Seconds from navigation to the first figure, and from sending another text to its figure."""

    figure: float
    changed: float


def measure(model: str, rounds: int) -> dict[str, list[Times]]:
    """The times of both pages, round by round. ValueError for more rounds than there are texts."""
    if rounds >= len(_WORDS):
        raise ValueError(f"{rounds} rounds: there are texts for {len(_WORDS) - 1}")
    found: dict[str, list[Times]] = {name: [] for name in _SCRIPTS}
    with (
        serving(model, _SCRIPTS["passage"]) as ours,
        serving(model, _SCRIPTS["plain"]) as plain,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        ports = {"passage": ours.port, "plain": plain.port}
        for word in _WORDS[: rounds + 1]:  # the first round warms both up
            for name, port in ports.items():
                found[name].append(_visit(browser, f"http://127.0.0.1:{port}/", word))
    return {name: times[1:] for name, times in found.items()}


def _visit(browser: Browser, address: str, word: str) -> Times:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        page = context.new_page()
        page.goto(address, wait_until="commit")
        figure = _when(page, _FIRST)
        page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=_PATIENCE)
        page.wait_for_selector(".st-key-free .working, .st-key-waiting", state="detached", timeout=_PATIENCE)
        box = page.locator("textarea, input[type=text][aria-label=Text]").first
        box.fill(_TEXT.format(word=word))
        start = page.evaluate("performance.now()")
        box.press("Enter")
        return Times(figure / 1000, (_when(page, word) - start) / 1000)
    finally:
        context.close()


def _when(page: Page, word: str) -> float:
    """Milliseconds since navigation when the word stood in the figure."""
    return page.wait_for_function(_LABELLED, arg=word, timeout=_PATIENCE, polling=20).json_value()


def table(found: Mapping[str, Sequence[Times]]) -> str:
    """Medians, and medians of the ratios of each round."""
    rows = []
    for name, times in found.items():
        pairs = list(zip(times, found["plain"], strict=True))
        rows.append(
            (
                name,
                median(each.figure for each in times),
                median(each.changed for each in times),
                median(each.figure / plain.figure for each, plain in pairs),
                median(each.changed / plain.changed for each, plain in pairs),
            )
        )
    return markdown(_COLUMNS, rows)

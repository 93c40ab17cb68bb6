"""One run of the page is one question: the link is read once, what is there is asked for once, and each panel reads its
answer once."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import panels
from anatomy.trace import Trace
from anatomy.view import Fitted
from articles.verdict import Verdict
from models.serving.store import Store
from panels.panel import Panel
from tests.models.tiny import tiny_engine
from ui import judging, links

ASKS = ("get", "held", "holds", "estimate")


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the link was read, and the store was asked in each of its ways."""
    counted: Counter[str] = Counter()

    def counting(owner: object, name: str, called: str) -> None:
        plain = getattr(owner, name)

        def call(*given: object, **named: object) -> object:
            counted[called] += 1
            return plain(*given, **named)

        monkeypatch.setattr(owner, name, call)

    monkeypatch.setattr(
        judging, "_verdict", lambda claim, job: Verdict("unseen", "")
    )  # verdicts ask in their own thread
    counting(links, "_meant", "link")
    for name in ASKS:
        counting(Store, name, name)
    return counted


@pytest.mark.parametrize("panel", ["attention", "lens", "residual", "tokens", "groups"])
def test_a_run_of_the_page_reads_the_link_once_and_asks_once(open_page, counts: Counter[str], panel: str) -> None:
    app = open_page(panel=panel, text="abcabcabc")
    counts.clear()
    app.run()
    assert not app.exception
    # The text's tokens, all arrays at once, and whether another token fits behind the text.
    assert counts == Counter(link=1, get=1, held=1, estimate=1)


@pytest.mark.parametrize("panel", panels.load())
def test_a_run_of_the_page_reads_each_panel_that_it_shows_once(
    open_page, panel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: Counter[str] = Counter()
    for each in panels.load().values():
        monkeypatch.setitem(panels.load(), each.id, replace(each, read=counted(each, reads)))
    app = open_page(panel=panel, text="abcabcabc")
    reads.clear()
    app.run()
    assert not app.exception
    shown = panels.load()[panel]
    if shown.applies(tiny_engine().spec) is None:
        assert reads == Counter(filter(None, (panel, shown.chooser)))
    else:
        assert not reads


def counted(panel: Panel, reads: Counter[str]) -> Callable[[Trace, Fitted], Any]:
    """The panel's own `read`, which notes that it was called."""

    def read(trace: Trace, view: Fitted) -> Any:
        reads[panel.id] += 1
        return panel.read(trace, view)

    return read

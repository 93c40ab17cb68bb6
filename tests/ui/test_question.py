"""One run of the page is one question: the link is read once, and what is there is asked for once."""

from collections import Counter

import pytest

from articles.verdict import Verdict
from models.serving.store import Store
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

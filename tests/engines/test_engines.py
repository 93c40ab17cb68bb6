"""The heart of a reader's way through the page, by mouse, in every engine that is installed."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

import panels
from anatomy.request import Run, Want
from anatomy.view import DEFAULT_MODEL, DEFAULT_PANEL, DEFAULT_TEXT, View
from tests.browsing import FAILED, KEPT, Served
from tests.engines import chromium, firefox, webkit
from tests.engines.engine import Engine, Program, lacking
from tests.engines.hand import Hand
from tests.models.real import real_engine
from viz.format import number, percent

Opened = Callable[[pytest.FixtureRequest, Path], AbstractContextManager[Engine]]
# Readers whose systems are dark: the light theme is what all other tests look at.
ENGINES: dict[str, tuple[tuple[Program, ...], Opened]] = {
    "Chromium": (
        chromium.PROGRAMS,
        lambda request, _folder: chromium.opened(request.getfixturevalue("browser"), dark=True),
    ),
    "Firefox": (firefox.PROGRAMS, lambda _request, folder: firefox.opened(folder, dark=True)),
    "WebKit": (webkit.PROGRAMS, lambda _request, folder: webkit.opened(folder, dark=True)),
}
TITLES = {stage: panels.of_stage(stage)[0].title for stage in ("attention", "output")}
ATTENTION = ".st-key-attention-figure"
WATER = "Water boils at"


def weights(text: str) -> np.ndarray:
    """What the head that opens gives, [query, key], by the model itself."""
    engine = real_engine(DEFAULT_MODEL)
    run = Run(engine.spec.id, text)
    view = View(text=text).fit(engine.spec, engine.run(run).tokens)
    want = Want("pattern", view.layer)
    return engine.run(run, [want])[want][view.head]


@pytest.fixture(params=ENGINES)
def hand(request: pytest.FixtureRequest, server: Served, tmp_path: Path) -> Iterator[Hand]:
    """At the page in one engine; where the test fails, a picture of it stays."""
    programs, opened = ENGINES[request.param]
    reason = lacking(request.param, programs)
    if reason:
        pytest.skip(reason)
    with opened(request, tmp_path) as engine:
        yield Hand(engine, server.home)
        if request.node.stash.get(FAILED, False):
            KEPT.mkdir(parents=True, exist_ok=True)
            (KEPT / f"{request.param}.png").write_bytes(engine.picture())


@pytest.mark.browser
@pytest.mark.engines
@pytest.mark.real
def test_the_heart_of_the_journey_by_mouse(hand):
    opens, water = weights(DEFAULT_TEXT), weights(WATER)
    to_france = f"·France: {number(100 * opens[-1].max())} %"
    hand.open(f"?panel={DEFAULT_PANEL}")
    hand.sees(".st-key-stage h2", TITLES["attention"])
    hand.sees(f"{ATTENTION} >> .readout", to_france)
    hand.counts("a[data-stage]", 9)
    hand.has_style(".stApp", "backgroundColor", "rgb(18, 22, 27)")
    hand.has_style(".says .term", "textDecorationLine", "underline")
    hand.has_style(".says .term", "textDecorationStyle", "dotted")

    hand.click(".st-key-textbox >> textarea")
    hand.write(WATER)
    hand.click(".st-key-textbox >> button")
    hand.counts(".st-key-strip >> [role=option]", 3)
    hand.is_at("text=Water+boils+at")

    hand.click(".st-key-strip >> [role=option]", number=1)
    hand.sees(".says", f"“·boils” gives {percent(water[1, 0])} of its attention to “Water”")
    hand.click(f"{ATTENTION} >> canvas.cells", right=0.32, down=0.75)
    hand.sees(
        f"{ATTENTION} >> .readout", f"looking (query) ·at · looked at (key) ·boils: {number(100 * water[2, 1])} %"
    )
    hand.is_at("pos=2&src=1")
    hand.click(".st-key-heads-figure >> canvas.cells", right=0.97, down=0.05)
    hand.sees(".says", "In layer 0, head 8")

    hand.click("a[data-stage=output]")
    hand.sees(".st-key-stage h2", TITLES["output"])
    hand.back()
    hand.sees(".st-key-stage h2", TITLES["attention"])
    hand.sees(".says", "In layer 0, head 8")

    hand.open("?embed=true&panel=attention&layer=17&head=5")
    hand.sees(f"{ATTENTION} >> .readout", to_france)
    hand.counts("a[data-stage]", 0)
    hand.click("[role=radiogroup][aria-label=Head] [role=radio]", number=1)
    hand.sees(".says", "In layer 17, head 1")
    hand.counts("[data-testid=stException]", 0)


def test_an_engine_that_is_not_installed_is_left_out_with_what_brings_it_in():
    here, absent = Program(("python3",), "python3"), Program(("no-such-program",), "its-package")
    assert lacking("Engine", (here,)) is None
    assert lacking("Engine", (here, absent)) == (
        "Engine is left out: apt-get install --no-install-recommends its-package"
    )

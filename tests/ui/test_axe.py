"""Every panel, in both themes and languages, has no fault that axe-core knows of; nor has a page before its scripts."""

import json
import runpy
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

import panels
from anatomy.language import LANGUAGES
from models.serving.recorded import FIRST_VIEW, RecordedEngine
from tests.axe import faults, rules
from tests.browsing import Visit, expect_of
from tests.share import share
from tests.ui.test_sweep import GROUNDS
from ui import components

pytestmark = [pytest.mark.browser, pytest.mark.real]

EVERY = 31  # of the panels' pages stay in `make test`: in each language, wide and narrow
WIDTHS = (1440, 390)
PANELS = [
    (panel, language, WIDTHS[(i + k // 2 + k) % len(WIDTHS)])
    for i, panel in enumerate(panels.load())
    for k, language in enumerate(LANGUAGES)
]
ENCODER = "minilm-l6"
# What a page may be besides a panel with the app around it.
OTHERS = {
    "two": "?panel=attention&text=The+capital+of+France+is&text2=The+capital+of+Italy+is",
    "changed": "?panel=attention&layer=17&head=5&changes=z.zero.layer17.head5+off.ffn_out.zero.layer3",
    "embedded": "?panel=attention&embed=true",
    "nothing": "?",
    "embedded passage": "?panel=passage&embed=true",
    "two models": f"?panel=tokens&text=The+capital+of+France+is&model2={ENCODER}",
    "two passages": "?panel=passage&text=The+capital+of+France+is&text2=The+capital+of+Italy+is",
    "coloured": "?panel=lens&text=Water+boils+at&tail=253&colour=surprisal",
    "long": f"?panel=attention&text={'+'.join(['the cat sat'] * 30)}",
    "refused": "?panel=attention&text=%00",
    "lacking": "?panel=relative_bias",
    "encoder": f"?panel=attention&model={ENCODER}",
}


def lacks(panel: str) -> bool:
    """Whether the default model has no such part."""
    return panels.load()[panel].applies(RecordedEngine(FIRST_VIEW).specs()[0]) is not None


def has_no_fault_in_either_theme(visit: Callable[..., Visit], query: str, width: int) -> None:
    reader = visit(color_scheme="light", viewport={"width": width, "height": 900})
    reader.open(query)
    for scheme in ("light", "dark"):
        reader.page.emulate_media(color_scheme=scheme)
        expect(reader.page.locator(".stApp")).to_have_css("background-color", GROUNDS[scheme])
        reader.settled()
        assert faults(reader.page) == [], scheme


@pytest.mark.parametrize(
    ("panel", "language", "width"), share(PANELS, EVERY, ["-".join(map(str, case)) for case in PANELS])
)
def test_a_panel_has_no_fault_in_either_theme(visit, panel, language, width):
    model = f"&model={ENCODER}" if lacks(panel) else ""
    has_no_fault_in_either_theme(visit, f"?panel={panel}&lang={language}{model}", width)


@pytest.mark.parametrize("width", [1440, pytest.param(390, marks=pytest.mark.wide)])
@pytest.mark.parametrize("name", share([(name,) for name in OTHERS], 5, list(OTHERS)))
def test_a_page_has_no_fault_in_either_theme(visit, name, width):
    has_no_fault_in_either_theme(visit, f"{OTHERS[name]}&lang=zh", width)


PLANTED = """<!doctype html><html lang="en"><title>Planted</title><main><h1>Planted</h1><div id="shadow"></div>
<button style="padding: 0; width: 20px; height: 20px">+</button><button style="padding: 0; width: 20px">−</button>
<p style="color: #999; background: #fff">Pale</p><iframe title="Frame" srcdoc="<!doctype html><html lang='en'>
<title>Frame</title><select></select>"></iframe></main>
<script>shadow.attachShadow({ mode: "open" }).innerHTML = "<button></button>";</script>"""


def test_what_is_planted_is_found_in_the_page_in_a_shadow_root_and_in_a_frame(window):
    page = opened(window().page, PLANTED)
    expect(page.frame_locator("iframe").locator("select")).to_be_attached()
    assert rules(faults(page)) >= {"button-name", "target-size", "color-contrast", "select-name"}


# Every component as the browser has it before its script: Streamlit puts each into a shadow root.
UNSCRIPTED = """<!doctype html><html lang="en"><title>Components</title><main><h1>Components</h1></main>
<script>for (const [html, css] of JSON.parse(%s)) {
    const place = document.createElement("div");
    document.querySelector("main").append(place);
    place.attachShadow({ mode: "open" }).innerHTML = `${html}<style>${css}</style>`;
}</script>"""
SCRIPTED = """() => document.querySelectorAll("main > div").forEach((place) => {
    place.shadowRoot.querySelector(".root").style.visibility = "";
})"""


@pytest.fixture
def unscripted(monkeypatch) -> str:
    """A page of every component's HTML and CSS, as Streamlit is given them."""
    found = []
    monkeypatch.setattr(components, "component", lambda _name, html, css, js: found.append((html, css)))
    for path in sorted(components.FOLDER.glob("[!_]*.py")):
        runpy.run_path(str(path))
    return UNSCRIPTED % json.dumps(json.dumps(found))


def test_nothing_can_be_pressed_or_written_in_before_a_script_has_given_it_its_name(unscripted, window):
    page = opened(window().page, unscripted)
    expect(page.locator("textarea")).to_be_attached()
    assert faults(page) == []
    expect_of(page, f"() => ({SCRIPTED})() ?? true", True)  # as if the scripts had given none
    assert rules(faults(page)) >= {"button-name", "label", "aria-input-field-name"}


def opened(page: Page, html: str) -> Page:
    """A page of one's own, at an address: frames of a file are strangers to it."""
    address = "http://127.0.0.1:1/"
    page.route(address, lambda route: route.fulfill(body=html, content_type="text/html; charset=utf-8"))
    page.goto(address)
    return page

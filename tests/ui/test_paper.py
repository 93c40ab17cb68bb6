"""On paper: one panel with its text, tokens, figure, sentence and claims, in light colours, and nothing to press."""

import pytest
from playwright.sync_api import expect

from tests.browsing import Visit, expect_of

pytestmark = [pytest.mark.browser, pytest.mark.wide]

KEPT = (
    ".wordmark",
    "textarea",
    ".st-key-strip [role=option]",
    ".st-key-stage h2",
    ".says",
    "canvas",
    ".formula",
    ".card",
)
LEFT_OUT = (
    ".st-key-stagemap",
    ".st-key-theme",
    ".st-key-example",
    ".st-key-continuation",
    ".stAppHeader",
    "[role=tablist]",
)
FIGURE = ".st-key-attention-figure"
# As browsers announce it before they lay the page out for paper.
PREPARED = """() => {
    dispatchEvent(new Event("beforeprint"));
    return document.documentElement.classList.contains("printed-dark");
}"""
TURNED = {"light": "none", "dark": "invert(1) hue-rotate(180deg)"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_on_paper(visit, scheme):
    reader: Visit = visit(color_scheme=scheme)
    reader.open("?panel=attention")
    expect_of(reader.page, PREPARED, scheme == "dark")
    reader.page.emulate_media(media="print", color_scheme=scheme)
    for what in KEPT:
        expect(reader.page.locator(what).filter(visible=True).first).to_be_visible()
    for what in LEFT_OUT:
        expect(reader.page.locator(what).filter(visible=True)).to_have_count(0)
    expect(reader.page.locator("p.says")).to_have_css("color", "rgb(18, 22, 26)")
    expect(reader.page.locator(".stApp")).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    expect(reader.page.locator(FIGURE)).to_have_css("filter", TURNED[scheme])

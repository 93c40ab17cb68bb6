"""What finds that a page hides something beyond an edge: every way to hide it is planted, with what the page does."""

import json

import pytest

from tests.browsing import expect_of
from tests.edges import UNTOLD
from ui.components import sent
from ui.components.edges import EDGES
from ui.page import CSS

pytestmark = pytest.mark.browser

FADING, SCRIPT = sent(EDGES[0]), sent(EDGES[1])
LIST = '<nav style="display: flex; width: 60px; overflow-x: auto"><a%s>%s</a><a style="flex: none">of two</a></nav>'
TALL = '<ul tabindex="0" style="height: 30px; overflow-y: auto"><li>Tall<li>of<li>three</ul>'
PLANTED = """<!doctype html><title>Planted</title><style>%s
p { margin: 0 } body > p { overflow: hidden; width: 90px }</style>
<p style="white-space: nowrap">Cut off at the side</p><p style="height: 1em">Cut off from the second line on</p>
<p style="white-space: nowrap" title="Told">Cut off, and told by its title</p><p>Whole in several lines of its own</p>
<main class="stApp"><section class="st-key-wide-x" tabindex="0" style="width: 90px"><p>A wide figure</p></section>
<section class="st-key-wide-y" tabindex="0" style="width: 90px; background: none"><p>Bare</p></section></main>
<script>%s
const add = (html) => {
    const place = document.body.appendChild(document.createElement("div"));
    place.attachShadow({ mode: "open" }).innerHTML = html;
    return place.shadowRoot;
};
for (const html of JSON.parse(%s)) edges(add(html).querySelector("nav, ul"));
for (const wide of document.querySelectorAll("section")) edges(wide);
add(%s);
</script>"""


def test_what_is_planted_is_found_and_what_fades_where_it_goes_on_is_not(window):
    style, key = f"<style>{FADING}</style>", ' href="#" style="flex: none"'
    told = [style + LIST % (key, "Faded list"), style + TALL]
    lists = [*told, style + LIST % (' style="flex: none"', "No key"), LIST % (key, "Unfaded"), TALL]
    scripted = json.dumps(json.dumps(lists)), json.dumps(style + LIST % (key, "Untold"))
    page = window(viewport={"width": 390, "height": 844}).page
    page.set_content(PLANTED % (CSS, SCRIPT, *scripted))
    found = [
        "cut: P  Cut off at the side",
        "cut below: P  Cut off from the second line o",
        "no sign that it goes on: SECTION st-key-wide-y Bare",
        "not reached by keys: NAV  No keyof two",
        "no sign that it goes on: NAV  Unfadedof two",
        "no sign that it goes on: UL  Tallofthree",
        "no sign that it goes on: NAV  Untoldof two",
    ]
    expect_of(page, UNTOLD, found)

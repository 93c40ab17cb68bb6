"""The tokens above the figures: what the browser is told of them, what a search finds, which stand under a bracket."""

import json
import re

import pytest
from playwright.sync_api import expect

from anatomy import glossary
from anatomy.request import Run
from tests.browsing import expect_of
from tests.models.tiny import tiny_engine
from tests.panels.handmade import cut_as
from tests.ui.test_page import component
from ui.components import strip
from ui.components.bracket import parts

PANEL = "residual"
SENTENCE = "The cat sat on the mat by the door of the capital of France. "
TOKENS = cut_as("the cat, The (CAT)", [b"the", b" c", b"at", b",", b" The", b" (", b"C", b"AT", b")"])


def test_tokens_are_named_by_their_positions_and_many_have_them_in_sight_and_a_search(open_page):
    one, few, many = (component(open_page(text="x" * count, panel=PANEL), "strip") for count in (1, 48, 49))
    assert (one["numbered"], few["numbered"], many["numbered"]) == (False, False, True)
    for name in ("token", "added", "chosen"):
        assert "position {at}" in one["words"][name]
        assert "{last}" not in one["words"][name]
        assert "position {at} of 0 to {last}" in few["words"][name]
        assert few["words"][name] == many["words"][name]
    assert "seek" not in few["words"]
    assert many["words"]["seek"] == "Find a token"


def test_bytes_travel_without_the_words_around_them(open_page):
    data = component(open_page(text="aé", panel=PANEL), "strip")
    assert data["bytes"] == ["61", "c3", "a9"]
    assert data["words"]["bytes"] == "bytes {bytes}"


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("the", [0, 4]),
        ("cat", [1, 6]),
        ("at", [2, 7]),
        ("t, the", [2]),
        ("(", [5]),
        ("·", [1, 4, 5]),
        ("zebra", []),
        ("", []),
    ],
)
def test_a_search_finds_tokens_by_label_and_by_the_text_that_begins_in_them(query, places):
    assert strip.found(TOKENS.text, TOKENS.tokens, query) == places


@pytest.mark.parametrize(
    ("query", "place"), [("7", 7), (" 0 ", 0), ("49", 49), ("50", None), ("-1", None), ("7a", None), ("٣", None)]
)
def test_a_number_within_the_text_is_a_position(query, place):
    assert strip.position(query, 50) == place


def test_a_search_covers_all_stretches_of_a_long_text(open_page):
    text = ("x" * 300 + "q") * 4
    app = open_page(text=text, panel=PANEL, pos="3")
    assert component(app, "strip")["found"] is None
    app.session_state["strip.sought"] = (Run(tiny_engine().spec.id, text), "q")
    app.run()
    shown = component(app, "strip")
    assert shown["found"] == {"query": "q", "at": [300, 601, 902, 1203], "jump": None}
    assert shown["start"] == 0
    app.session_state["strip.sought"] = (Run(tiny_engine().spec.id, text), "602")
    app.run()
    assert component(app, "strip")["found"] == {"query": "602", "at": [602], "jump": 602}


def test_a_search_belongs_to_its_text(open_page):
    app = open_page(text="x" * 60, panel=PANEL)
    app.session_state["strip.sought"] = (Run(tiny_engine().spec.id, "x" * 61), "x")
    app.run()
    assert component(app, "strip")["found"] is None


def test_what_holds_a_part_of_a_character_stands_under_it_without_its_bytes(open_page):
    data = component(open_page(text="aé", panel=PANEL), "strip")
    assert data["labels"] == ["a", "‹é 1/2›", "‹é 2/2›"]
    assert data["parts"] == [[1, "1/2", [["é", 1, 2]]], [2, "2/2", [["é", 2, 2]]]]


def test_the_chips_of_the_tokens_have_the_same_brackets(open_page):
    data = component(open_page(text="aé", panel="tokens"), "tokens.figure")
    assert data["parts"] == [[1, "1/2", [["é", 1, 2]]], [2, "2/2", [["é", 2, 2]]]]


def test_a_part_that_can_be_read_keeps_its_label():
    family = cut_as("👩‍👦", ["👩".encode(), "\u200d".encode(), "👦".encode()])
    assert [parts(token.label, token.shares) for token in family.tokens] == [
        ("👩", [("👩‍👦", 1, 3)]),
        ("2/3", [("👩‍👦", 2, 3)]),
        ("👦", [("👩‍👦", 3, 3)]),
    ]


@pytest.mark.parametrize(("tokens", "most"), [(12, 1_700), (400, 17_000)])
def test_what_is_sent_stays_small(open_page, tokens, most):
    text = (SENTENCE * 8)[:tokens]
    data = component(open_page(text=text, panel=PANEL), "strip")
    assert len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()) < most


RATIO = """() => {
    const lum = (parts) => parts.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const of = (el, name) => lum(getComputedStyle(el)[name].match(/[\\d.]+/g).slice(0, 3).map(Number));
    const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const find = (root) => root.querySelector(".token")
        ? [...root.querySelectorAll(".token")]
        : [...root.querySelectorAll("*")].map((one) => one.shadowRoot && find(one.shadowRoot)).find(Boolean);
    const tinted = find(document.querySelector(".st-key-strip")).filter((one) => one.classList.contains("tinted"));
    return tinted.length > 8 && tinted.every((one) => [...one.querySelectorAll("span, small")].every(
        (words) => ratio(of(one, "backgroundColor"), of(words, "color")) >= 4.5));
}"""


# How far the heading lies from where it was when this was first asked.
MOVED = """() => {
    const now = document.querySelector(".st-key-stage h2").getBoundingClientRect().y;
    return now - (window.headingWas ??= now);
}"""


# Whether the switch, and what is told below it, need no row besides that of the tokens.
IN_THE_ROW = """() => {
    const find = (root, what) => root.querySelector(what)
        ?? [...root.querySelectorAll("*")].map((one) => one.shadowRoot && find(one.shadowRoot, what)).find(Boolean);
    const [whole, tokens, under] = [".strip", ".tokens", ".under"].map(
        (what) => find(document.querySelector(".st-key-strip"), what).getBoundingClientRect());
    return under.left >= tokens.right && whole.height <= tokens.height + 6;
}"""


@pytest.mark.browser
@pytest.mark.real
def test_the_text_is_coloured_by_a_switch_and_searched_with_keys(visit):
    reader = visit(viewport={"width": 390, "height": 900})
    reader.open("?panel=residual")
    switch = reader.page.get_by_role("group", name="Colour of the tokens")
    expect(switch.get_by_role("radio", name="no colour")).to_be_checked()
    expect_of(reader.page, MOVED, 0)
    reader.press(" ", switch.get_by_role("radio", name="surprisal of each token"))
    expect(reader.page).to_have_url(re.compile("colour=surprisal"))
    expect(reader.tokens.nth(1)).to_have_accessible_name("·is 314, position 1 of 0 to 11, surprisal 3.82 nats")
    expect(reader.tokens.first).to_have_accessible_name(
        "Paris 38634, position 0 of 0 to 11, nothing comes before it, so nothing predicts it"
    )
    expect_of(reader.page, RATIO, True)
    reader.page.emulate_media(color_scheme="dark")
    expect_of(reader.page, RATIO, True)
    reader.press("ArrowRight")
    expect(switch.get_by_role("radio", name="attention of the chosen head")).to_be_focused()
    expect(reader.page.locator(".st-key-strip").get_by_text("·of: ", exact=False)).to_be_in_viewport(ratio=1)
    reader.page.get_by_role("button", name="What the colour means").click()
    expect(reader.page.get_by_text("What head 5 of layer 17 looks at from “·of”")).to_be_in_viewport(ratio=1)
    expect_of(reader.page, MOVED, 0)
    term, tip = (reader.page.locator(f".st-key-strip {part}") for part in (".term >> nth=0", ".tip"))
    term.hover()
    expect(tip).to_be_in_viewport(ratio=1)
    expect(tip).to_have_text(glossary.find("head")[0].explained)
    reader.page.mouse.move(0, 0)
    expect(tip).to_be_hidden()
    reader.press("Escape")
    expect(reader.page.get_by_text("What head 5 of layer 17 looks at from “·of”")).to_be_hidden()
    reader.press("ArrowRight", switch.get_by_role("radio", name="attention of the chosen head"))
    expect(reader.tokens.last).to_have_accessible_name("·of 282, position 11 of 0 to 11, contribution 5.43 (logit)")
    expect(reader.page.get_by_role("searchbox", name="Find a token")).to_have_count(0)
    for width, told in ((1440, "contribution 5.43"), (1280, "chosen: position 11")):
        reader.page.set_viewport_size({"width": width, "height": 900})
        expect(reader.page.locator(".st-key-strip").get_by_text(told)).to_be_visible()
        expect_of(reader.page, IN_THE_ROW, True)
        reader.press("ArrowRight")  # from the last colour to none, and on
    reader.page.set_viewport_size({"width": 390, "height": 900})
    reader.type(SENTENCE * 6)
    field = reader.page.get_by_role("searchbox", name="Find a token")
    field.fill("capital of")
    status = reader.page.locator(".search [role=status]")
    expect(status).to_have_text("– of 6")
    reader.press("Enter", field)
    expect(status).to_have_text("1 of 6")
    reader.press("Shift+Enter", field)
    expect(status).to_have_text("6 of 6")
    expect(reader.page.get_by_role("option", selected=True)).to_have_accessible_name(re.compile("^·capital "))
    field.fill("20")
    reader.press("Enter", field)
    expect(reader.page).to_have_url(re.compile("pos=20"))
    reader.press("Escape", field)
    expect(field).to_have_value("")
    expect(status).to_be_empty()

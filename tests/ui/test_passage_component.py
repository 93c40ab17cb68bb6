"""The passage on the page: what is sent to a browser, what comes back from it, and how it is drawn there."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from anatomy.measure import POOLED
from tests.browsing import expect_of
from ui.components import passage as component
from ui.components import sent
from viz.passage import Arc, Line, Passage, Step, Word

OPENS = {"arc": "attention", "stream": "stream", "word": "lens", "next": "output"}
LABELS = ("Paris", "·is", "·the", "·capital", "·of", "·France", ".", "·Berlin")


def step(k: int) -> Step:
    links = ((f"Stage {k}", f"panel{k}"), (f"More of {k}", f"more{k}"))
    return Step(
        f"step {k}, told above", f"Step {k}", f"It takes 30 layers for “·of”, in step {k}.", ("30 layers",), links
    )


def made(count: int = 8, layers: int = 30, chosen: int | None = None, **more: Any) -> Passage:
    """A passage of so many lines; every line looks at the one before it in every third layer."""
    chosen = count - 1 if chosen is None else chosen
    arcs = tuple(
        Arc(
            layer,
            layer % 9,
            i,
            i - 1,
            0.75,
            0.2,
            i == chosen,
            f"layer {layer}" if i == chosen and layer % 6 == 0 else "",
        )
        for layer in range(0, layers, 3)
        for i in range(2, count)
    )
    fields = {
        "lines": tuple(Line(i, LABELS[i % len(LABELS)], "·Germany", 0.94) for i in range(count)),
        "lengths": np.geomspace(2, 400, count * (layers + 1)).reshape(count, layers + 1),
        "arcs": arcs,
        "words": tuple(
            Word(layer, f"·word{layer}", 0.5, layer == layers - 1) for layer in sorted({0, 1, 2, layers - 1})
        ),
        "chosen": chosen,
        "tokens": count,
        "best": tuple((f"·next{k}", 0.5 / (k + 1)) for k in range(7)),
        "best_ids": tuple(range(7)),
        "after": "after “·of”",
        "end": "",
        "goes_on": True,
        "steps": tuple(step(k) for k in range(5)),
        "notes": ("A note.",),
        "opens": OPENS,
    }
    return Passage(**fields | more)


def long_text(chosen: int = 15) -> Passage:
    """16 of 500 positions."""
    places = [0, *range(40, 54), 499]
    lines = tuple(replace(line, place=place) for line, place in zip(made(16).lines, places, strict=True))
    return made(16, chosen=chosen, lines=lines, tokens=500)


def without_output() -> Passage:
    lines = tuple(Line(i, label) for i, label in enumerate(LABELS))
    arcs = (Arc(1, 0, 2, 6, 0.8, 0.5, False), Arc(3, 1, 4, 7, 0.7, 0.4, True, "layer 3"))
    return made(layers=6, chosen=4, lines=lines, arcs=arcs, words=(), best=(), end="384 numbers", goes_on=False)


def act(what: str, at: int, to: str = "", of: int | None = None, on: Passage | None = None) -> Any:
    shown = made() if on is None else on
    own = component.of_lines(shown) if what in ("line", "stream", "next") else component.identity(shown)
    return component.action_on(shown, {"what": what, "at": at, "to": to, "of": own if of is None else of})


@pytest.mark.parametrize(
    ("what", "at", "to", "expected"),
    [
        ("line", 3, "", ("line", 3, "")),
        ("stream", 3, "12", ("stream", 3, "12")),
        ("stream", 3, "99", ("stream", 3, "29")),
        ("arc", 7, "", ("arc", 7, "3")),
        ("word", 3, "", ("word", 3, "29")),
        ("next", 0, "", ("next", 0, "")),
        ("best", 4, "", ("best", 4, "")),
        ("link", 2, "more2", ("link", 2, "more2")),
        ("step", 2, "", ("step", 2, "panel2")),
    ],
)
def test_what_the_reader_did_arrives_with_its_place(what, at, to, expected):
    assert act(what, at, to) == expected


@pytest.mark.parametrize(
    ("what", "at", "to"),
    [
        ("line", 8, ""),
        ("line", -1, ""),
        ("arc", 60, ""),
        ("word", 4, ""),
        ("best", component.BEST, ""),
        ("link", 2, "panel3"),
        ("step", 5, ""),
        ("dance", 0, ""),
    ],
)
def test_what_the_passage_does_not_have_is_dropped(what, at, to):
    assert act(what, at, to) is None


@pytest.mark.parametrize("what", ["line", "stream", "arc", "word", "next", "best", "link", "step"])
def test_what_was_done_to_another_text_is_dropped(what):
    before = made(lines=(Line(0, "Rome", "·is", 0.5), *made().lines[1:]))
    own = component.of_lines(before) if what in ("line", "stream", "next") else component.identity(before)
    to = "panel0" if what == "link" else ""
    assert act(what, 0, to) is not None
    assert act(what, 0, to, of=own) is None


def test_a_line_is_still_the_same_one_while_another_is_chosen_but_an_arc_is_not():
    before, after = made(chosen=3), made(chosen=5)
    assert act("line", 1, of=component.of_lines(before), on=after) == ("line", 1, "")
    assert act("arc", 1, of=component.identity(before), on=after) is None


def test_what_has_no_panel_opens_nothing_and_what_cannot_be_added_is_not():
    shut = made(opens={}, goes_on=False)
    assert [act(what, 0, on=shut) for what in ("arc", "stream", "word", "next", "best")] == [None] * 5
    assert act("line", 0, on=shut) == ("line", 0, "")


def test_numbers_that_are_read_are_sent_as_words():
    data = component.pack(made(), "says")
    assert data["lines"][0] == ("Paris", 0, "·Germany", "94 %", 0)
    assert data["arcs"][0] == (0, 0, 2, 1, "75 %", "20 %", 0.2, 0, "")
    assert data["words"][3] == (29, "·word29", "50 %", 1)
    assert data["lengths"][0][0] == "2.00"
    assert len(data["best"]) == component.BEST
    assert data["called"][4] == "“·of”"


def test_the_longest_stream_is_the_widest():
    data = component.pack(made(), "says")
    assert data["sizes"][0][0] == 0
    assert data["sizes"][-1][-1] == 100
    assert np.all(np.diff(np.ravel(data["sizes"])) >= 0)


def test_positions_that_are_left_out_are_told_where_they_lie():
    first = made(2, lines=(Line(1, "a", "b", 0.5), Line(4, "b", "c", 0.5)), tokens=1006)
    assert component.pack(first, "says")["gaps"] == [
        (0, "… 1 token", "Position 0 is not drawn."),
        (1, "… 2 tokens", "Positions 2 to 3 are not drawn."),
        (2, "… 1,001 tokens", "Positions 5 to 1,005 are not drawn."),
    ]
    assert component.pack(made(), "says")["gaps"] == []


@pytest.mark.parametrize(
    ("says", "strong", "expected"),
    [
        ("Plain words.", (), [("Plain words.", 0)]),
        ("It has 12 tokens.", ("12 tokens",), [("It has ", 0), ("12 tokens", 1), (".", 0)]),
        ("“a” 94 %, then “b”", ("“a” 94 %",), [("“a” 94 %", 1), (", then ", 0), ("“b”", 1)]),
        ("It says “””.", (), [("It says ", 0), ("“””", 1), (".", 0)]),
        ("2 of 12", ("2", "12"), [("2", 1), (" of ", 0), ("12", 1)]),
    ],
)
def test_strong_and_quoted_parts_of_a_sentence_stand_out(says, strong, expected):
    assert component.pieces(says, strong) == expected


@pytest.mark.parametrize(("count", "most"), [(1, 4_000), (12, 14_000), (24, 28_000)])
def test_what_is_sent_is_json_and_small(count, most):
    text = json.dumps(component.pack(made(count), "says"), ensure_ascii=False, allow_nan=False)
    assert len(text.encode()) < most


def test_numbers_that_are_none_can_be_sent():
    broken = made(lengths=np.full((8, 31), np.nan), best=(("a", float("nan")),), best_ids=(3,))
    data = component.pack(replace(broken, arcs=(Arc(0, 0, 1, 0, float("nan"), float("nan"), False),)), "says")
    json.dumps(data, allow_nan=False)
    assert data["lengths"][0][0] == "–"
    assert data["best"] == [("a", "–", 0.0)]


@pytest.mark.parametrize(("tokens", "last"), [(8, "7"), (POOLED + 1, str(POOLED))], ids=["few", "many"])
def test_tokens_are_named_by_their_positions_as_in_the_strip(tokens, last):
    data = component.pack(made(tokens=tokens), "says")
    assert data["last"] == last
    assert data["say"]["token"] == "{label}, position {at} of 0 to {last}"
    assert component._sentences(1)["token"] == "{label}, position {at}"


SCRIPT = sent("shared.js", *component.SCRIPTS, "passage.js").replace(
    "export default function", "const mount = function"
)
STYLE = sent("shared.css", "passage.css").replace(":host", "html")
COLOURS = {
    "text": "#12161a",
    "gray": "#59616a",
    "border": "#d9dbd3",
    "primary": "#0b5cad",
    "secondary-background": "#f0f1ec",
    "blue-background": "#e3eef9",
    "orange": "#d55e00",
}
# Draws a passage in these colours; keeps what it sends.
DRAWN = """([data, html, style, colours]) => {
    document.body.innerHTML = `<style>body { margin: 0 } ${style}</style><div class="root">${html}</div>`;
    const root = document.querySelector(".root"), set = (name, value) => root.style.setProperty(`--st-${name}`, value);
    for (const name in colours) set(`${name}-color`, colours[name]);
    set("code-font", "monospace");
    set("font", "sans-serif");
    window.sent = [];
    SCRIPT
    mount({ data: [data], parentElement: document.body, setTriggerValue: (_, value) => window.sent.push(value) });
    return true;
}""".replace("SCRIPT", SCRIPT)
# What lies over another one of its kind or sticks out of the figure, and whether the page is wider than its window.
MESS = """() => {
    const root = document.querySelector(".root"), frame = root.querySelector("figure").getBoundingClientRect();
    const boxes = (name) => [...root.querySelectorAll(name)].map((el) => [el.textContent, el.getBoundingClientRect()]);
    const before = (a, b) => a.right <= b.left + 0.6 || a.bottom <= b.top + 0.6;
    const meet = ([, a], [, b]) => !before(a, b) && !before(b, a);
    const met = (one, i, all) => all.slice(i + 1).some((other) => meet(one, other));
    const over = (all) => all.filter(met).map(([text]) => text);
    const inside = (box) => box.left >= frame.left && box.right <= frame.right && box.bottom <= frame.bottom;
    const kinds = ["text.told, .word", ".token, .out", ".next", ".overs button", ".tick", ".best button"].map(boxes);
    const out = kinds.flat().filter(([, box]) => !inside(box)).map(([text]) => text);
    return [kinds.flatMap(over), out, document.documentElement.scrollWidth > innerWidth];
}"""
CASES = {
    "one": made(1),
    "twelve": made(12),
    "amid": made(12, chosen=4),
    "many": made(24),
    "long": long_text(),
    "long, amid": long_text(7),
    "vectors": without_output(),
    "one layer": made(3, layers=1, words=()),
    "long labels": made(lines=tuple(Line(i, "·internationalisation" * 3, "·of" * 30, 0.5) for i in range(8))),
}


def drawn(page: Page, shown: Passage) -> None:
    page.wait_for_function(
        DRAWN, arg=[json.loads(json.dumps(component.pack(shown, "What it shows"))), component.HTML, STYLE, COLOURS]
    )


@pytest.mark.browser
@pytest.mark.parametrize("case", CASES)
def test_nothing_lies_over_another_and_nothing_sticks_out(window, case):
    page = window().page
    for width in (360, 700, 1000, 1440):
        page.set_viewport_size({"width": width, "height": 1000})
        drawn(page, CASES[case])
        expect(page.locator(".token")).to_have_count(len(CASES[case].lines))
        expect_of(page, MESS, [[], [], False])


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1440])
def test_each_part_answers_to_a_click(window, width):
    page = window(viewport={"width": width, "height": 1400}).page
    shown = made()
    drawn(page, shown)
    page.locator(".token").nth(2).click()
    page.locator(".word").nth(3).click()
    page.locator(".next.big").click()
    page.locator(".best button").nth(1).click()
    page.locator(".links button").nth(3).click()
    page.locator(".overs button").nth(4).click()
    page.locator("text.told").last.click()
    whole, same = component.identity(shown), component.of_lines(shown)
    last = max(at for at, arc in enumerate(shown.arcs) if arc.told)
    expected = [
        {"what": "line", "at": 2, "to": "", "of": same},
        {"what": "word", "at": 3, "to": "29", "of": whole},
        {"what": "next", "at": 7, "to": "", "of": same},
        {"what": "best", "at": 1, "to": "", "of": whole},
        {"what": "link", "at": 1, "to": "more1", "of": whole},
        {"what": "step", "at": 4, "to": "", "of": whole},
        {"what": "arc", "at": last, "to": str(shown.arcs[last].layer), "of": whole},
    ]
    expect_of(page, "() => window.sent", expected)


@pytest.mark.browser
def test_a_finger_reads_first_and_opens_then(window):
    page = window(viewport={"width": 390, "height": 1400}, has_touch=True).page
    shown = made()
    drawn(page, shown)
    page.locator(".word").nth(2).tap()
    expect(page.locator(".readout")).to_contain_text("the line of")
    page.locator(".word").nth(3).tap()
    expect_of(page, "() => window.sent", [])
    page.locator(".word").nth(3).tap()
    expect_of(page, "() => window.sent", [{"what": "word", "at": 3, "to": "29", "of": component.identity(shown)}])


@pytest.mark.browser
def test_keys_walk_along_a_line_and_over_to_others_and_say_where_they_are(window):
    page = window().page
    shown = made()
    drawn(page, shown)
    picture, live = page.get_by_role("application", name="What it shows"), page.locator(".live")
    picture.focus()
    picture.press("Home")
    expect(live).to_contain_text("The line of “·Berlin” leaves layer 0")
    picture.press("ArrowRight")
    expect(live).to_contain_text("Layer 0, head 0: “·Berlin” gives 75 % of its attention to “.”")
    picture.press("ArrowRight")
    expect(live).to_contain_text("If the model stopped after layer 0, the line of")
    picture.press("End")
    expect(live).to_contain_text("At “·Berlin” the model predicts “·Germany” (94 %)")
    picture.press("ArrowUp")
    expect(live).to_contain_text("“.”")
    picture.press("Enter")
    expect_of(page, "() => window.sent.map((sent) => [sent.what, sent.at])", [["next", 6]])


@pytest.mark.browser
def test_arrows_in_the_list_of_tokens_choose_once_after_the_last_of_them(window):
    page = window().page
    drawn(page, made())
    chosen = page.get_by_role("option", selected=True)
    chosen.focus()
    for _again in range(3):
        chosen.press("ArrowUp")
    expect(chosen).to_have_attribute("aria-label", "·of, position 4 of 0 to 7")
    expect_of(page, "() => window.sent.map((sent) => [sent.what, sent.at])", [["line", 4]])


@pytest.mark.browser
def test_without_an_output_it_ends_in_its_vectors_and_offers_no_next_token(window):
    page = window().page
    drawn(page, without_output())
    expect(page.locator(".next")).to_have_text(["384 numbers"])
    expect(page.locator("svg .end")).to_have_count(len(LABELS))
    expect(page.locator(".best")).to_be_hidden()

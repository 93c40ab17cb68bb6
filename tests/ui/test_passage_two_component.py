"""The passages of two runs on the page: what is sent to a browser, and how it is drawn and read there."""

import json
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from tests.browsing import expect_of
from tests.ui.test_passage_component import COLOURS, long_text, made, without_output
from ui.components import passage_two as component
from ui.components import sent
from viz.passage import Arc, Line, Passage, Word
from viz.passage_two import PassageOfTwo, beside
from viz.passage_two_parts import CHANGES, SIGNS

SAID = "“·Berlin” at position 8 takes 31 % from “Paris” (layer 29, head 3)"


def same(of: Passage) -> PassageOfTwo:
    return beside(of, of, [(i, i) for i in range(of.tokens)])


def changed(count: int = 8) -> PassageOfTwo:
    """Of each kind of change one arc or more of the chosen token's, one token replaced, one of B alone."""
    a, b = made(count), made(count + 1)
    arcs = [arc for arc in a.arcs if arc.layer != 12 or not arc.chosen]
    arcs = [replace(arc, weight=0.4 if arc.layer == 3 else 0.95 if arc.layer == 6 else arc.weight) for arc in arcs]
    arcs = [replace(arc, looking=arc.looking + 1, looked=arc.looked + (arc.looked > 0)) for arc in arcs]
    arcs.append(Arc(29, 3, count, 0, 0.31, 0.2, chosen=True))
    lines = [replace(line, leads="·Rome" if i == 3 else line.leads) for i, line in enumerate(b.lines)]
    lines[2] = Line(2, "·was", "·x", 0.2)
    lines[-1] = replace(lines[-1], label=a.lines[-1].label)
    words = (Word(0, "·word0", 0.9, answer=False), Word(3, "·other", 0.5, answer=False))
    pairs = [(0, 0), (None, 1), *((i, i + 1) for i in range(1, count))]
    return beside(a, replace(b, lines=tuple(lines), arcs=tuple(arcs), words=words), pairs)


SCRIPT = sent("shared.js", "passage_two.js").replace("export default function", "const mount = function")
STYLE = sent("shared.css", "passage_two.css").replace(":host", "html")
DRAWN = """([data, html, style, colours]) => {
    document.body.innerHTML = `<style>body { margin: 0 } ${style}</style><div class="root">${html}</div>`;
    const root = document.querySelector(".root"), set = (name, value) => root.style.setProperty(`--st-${name}`, value);
    for (const name in colours) set(`${name}-color`, colours[name]);
    set("code-font", "monospace");
    set("font", "sans-serif");
    SCRIPT
    mount({ data: [data], parentElement: document.body });
    return true;
}""".replace("SCRIPT", SCRIPT)
# Labels that lie over another one, or stick out of the figure, and whether the page is wider than its window.
MESS = """() => {
    const root = document.querySelector(".root"), frame = root.querySelector("figure").getBoundingClientRect();
    const boxes = (name) => [...root.querySelectorAll(name)].map((el) => [el.textContent, el.getBoundingClientRect()]);
    const before = (a, b) => a.right <= b.left + 0.6 || a.bottom <= b.top + 0.6;
    const met = ([, a], i, all) => all.slice(i + 1).some(([, b]) => !before(a, b) && !before(b, a));
    const inside = (box) => box.left >= frame.left && box.right <= frame.right && box.bottom <= frame.bottom;
    const kinds = [".told, .word", ".token, .next, .word, .out", ".tick", "[role=option]", ".best li"].map(boxes);
    const over = kinds.flatMap((all) => all.filter(met).map(([text]) => text));
    const out = kinds.flat().filter(([, box]) => !inside(box)).map(([text]) => text);
    return [over, out, document.documentElement.scrollWidth > innerWidth];
}"""
CASES = {
    "one": same(made(1)),
    "changed": changed(),
    "many": changed(23),
    "long": same(long_text()),
    "vectors": same(without_output()),
    "one layer": same(made(3, layers=1, words=())),
    "long labels": same(
        made(lines=tuple(Line(i, "·internationalisation" * 3, "·of" * 30, 0.5) for i in range(8)))
    ),
}  # fmt: skip


def drawn(page: Page, shown: PassageOfTwo) -> None:
    data = json.loads(json.dumps(component.pack(shown, "What it shows")))
    page.wait_for_function(DRAWN, arg=[data, component.HTML, STYLE, COLOURS])


def test_each_kind_of_change_is_in_the_case():
    assert {arc.change for arc in changed().arcs} == {"new", "gone", "stronger", "weaker", "same"}


def test_what_is_sent_says_each_change_in_words():
    data = component.pack(changed(), "says")
    assert [(kind, sign) for kind, sign, *_rest in data["groups"]] == [
        (kind, SIGNS[kind]) for kind in CHANGES if kind not in ("earlier", "later")
    ]
    new = data["groups"][0]
    assert new[2] == "New in B: 1 arc, 1 word"
    assert [words for _what, _at, words in new[3]] == [SAID, "“·other” 50 % after layer 3"]
    assert data["arcs"][new[3][0][1]][5] == f"new: {SAID}"
    assert data["rows"][1][:4] == ("·is", "", "B", "·is only in B")
    assert data["rows"][2][:4] == ("·was", "was ·is", "", "·was was ·is")
    assert data["rows"][3][4:] == ("·Rome", "94 %", "A ·Germany 94 %")


def test_unchanged_ones_are_counted_and_many_are_cut_and_counted():
    two = beside(made(8, arcs=()), made(), [(i, i) for i in range(8)])
    groups = {kind: rest for kind, *rest in component.pack(two, "says")["groups"]}
    assert groups["same"][1:] == ["Unchanged: 4 words", [], ""]
    assert len(groups["new"][2]) == component.LISTED
    assert groups["new"][3] == f"and {len(made().arcs) - component.LISTED} more, in the table"


@pytest.mark.parametrize(("shown", "most"), [(same(made(1)), 4_000), (changed(12), 28_000), (changed(23), 56_000)])
def test_what_is_sent_is_json_and_small(shown, most):
    text = json.dumps(component.pack(shown, "says"), ensure_ascii=False, allow_nan=False)
    assert len(text.encode()) < most


@pytest.mark.browser
@pytest.mark.parametrize("case", CASES)
def test_nothing_lies_over_another_and_nothing_sticks_out(window, case):
    page = window().page
    for width in (360, 700, 1280):
        page.set_viewport_size({"width": width, "height": 1000})
        drawn(page, CASES[case])
        expect(page.locator(".token")).to_have_count(len(CASES[case].rows))
        expect_of(page, MESS, [[], [], False])


@pytest.mark.browser
def test_each_kind_of_change_has_a_sign_and_a_stroke_of_its_own(window):
    page = window().page
    drawn(page, changed())
    looks = """() => ["new", "gone", "stronger", "weaker", "same"].map((kind) => {
        const arc = document.querySelector(`.stage .arc.own.${kind}`);
        const of = (name) => getComputedStyle(arc.querySelector(name));
        return [arc.querySelector(".sign")?.textContent ?? "", of("path").strokeDasharray];
    })"""
    expect_of(page, looks, [["+", "none"], ["×", "5px, 4px"], ["▲", "none"], ["▼", "9px, 3px, 2px, 3px"], ["", "none"]])


@pytest.mark.browser
def test_a_list_of_changes_is_one_stop_and_arrows_light_what_they_name(window):
    page = window().page
    drawn(page, changed())
    new = page.get_by_role("listbox", name="New in B: 1 arc, 1 word")
    new.get_by_role("option").first.focus()
    expect(page.locator(".stage .lit .sign")).to_have_text("+")
    expect(page.locator(".readout")).to_have_text(f"new: {SAID}")
    new.get_by_role("option").first.press("ArrowDown")
    expect(new.get_by_role("option", selected=True)).to_have_text("“·other” 50 % after layer 3")
    expect(page.locator(".stage .word.lit")).to_have_text("+·other")
    expect(new.locator("[tabindex='0']")).to_have_count(1)
    page.keyboard.press("Tab")
    expect(page.get_by_role("listbox", name="Gone: in A alone").get_by_role("option", selected=True)).to_have_count(1)


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_what_is_pointed_at_is_read_out(window, width):
    page = window(viewport={"width": width, "height": 1400}).page
    drawn(page, changed())
    page.locator(".word.gone").first.hover()
    expect(page.locator(".readout")).to_contain_text("gone: “·word")
    page.locator(".says").hover()
    expect(page.locator(".readout")).to_contain_text("Point at an arc")


@pytest.mark.browser
def test_runs_that_are_alike_say_so_and_have_no_sign(window):
    page = window().page
    drawn(page, same(made()))
    expect(page.locator(".says")).to_contain_text("Nothing differs")
    expect(page.locator(".sign")).to_have_count(0)
    expect(page.get_by_role("option")).to_have_count(0)
    expect(page.get_by_role("img", name="What it shows")).to_be_visible()

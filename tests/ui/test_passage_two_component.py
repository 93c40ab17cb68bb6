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
from viz.passage_two_words import ordered

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
    a = replace(a, opens={"arc": "attention-pattern"})
    return beside(a, replace(b, lines=tuple(lines), arcs=tuple(arcs), words=words), pairs)


def acted(shown: PassageOfTwo, what: str, at: int) -> dict[str, str | int]:
    """What a browser sends."""
    return {"what": what, "at": at, "of": component.identity(shown)}


def place(shown: PassageOfTwo, change: str) -> int:
    """The number of the foremost arc of a kind."""
    return shown.arcs.index(ordered(shown, change)[0])


SCRIPT = sent("shared.js", "passage_two.js").replace("export default function", "const mount = function")
STYLE = sent("shared.css", "passage_two.css").replace(":host", "html")
DRAWN = """([data, html, style, colours]) => {
    document.body.innerHTML = `<style>body { margin: 0 } ${style}</style><div class="root">${html}</div>`;
    const root = document.querySelector(".root"), set = (name, value) => root.style.setProperty(`--st-${name}`, value);
    for (const name in colours) set(`${name}-color`, colours[name]);
    set("code-font", "monospace");
    set("font", "sans-serif");
    SCRIPT
    window.sent = [];
    mount({ data: [data], parentElement: document.body, setTriggerValue: (_, value) => window.sent.push(value) });
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


def test_only_what_a_has_is_chosen_and_only_in_the_figure_that_was_acted_on():
    shown = changed()
    assert component.action_on(shown, acted(shown, "line", 2)) == ("line", 2)
    assert component.action_on(shown, acted(shown, "line", 1)) is None, "B alone has it"
    arc = place(shown, "stronger")
    assert component.action_on(shown, acted(shown, "arc", arc)) == ("arc", arc)
    for odd in (acted(shown, "arc", len(shown.arcs)), acted(shown, "line", -1), acted(shown, "word", 0), {}):
        assert component.action_on(shown, odd) is None
    other = changed(9)
    assert component.action_on(other, acted(shown, "line", 2)) is None
    assert component.action_on(replace(shown, opens={}), acted(replace(shown, opens={}), "arc", arc)) is None


def test_a_next_token_that_a_run_does_not_list_is_said_to_be_none_of_so_many():
    a = made(3)
    two = beside(a, replace(a, best=(("·new", 0.6), a.best[0]), best_ids=(1, 2)), [(i, i) for i in range(3)])
    best = dict(component.pack(two, "says")["best"])
    assert best["·new"] == [("A", f"not among its first {len(a.best)}", None), ("B", "60 %", 0.6)]
    assert best[a.best[1][0]][1] == ("B", "not among its first 2", None)


def test_a_run_without_next_tokens_has_no_bar_and_what_a_alone_predicts_is_marked():
    b = without_output()
    two = beside(made(len(b.lines)), b, [(i, i) for i in range(len(b.lines))], one_model=False)
    data = component.pack(two, "says")
    assert {run for _label, runs in data["best"] for run, *_rest in runs} == {"A"}
    assert [row[4:6] for row in data["rows"]] == [("", "")] * len(b.lines)
    assert all(row[6].startswith("A ") for row in data["rows"])


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
    expect(page.locator(".lists [role=option]")).to_have_count(0)
    expect(page.get_by_role("img", name="What it shows")).to_be_visible()


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_a_click_chooses_a_token_of_a_and_opens_an_arc(window, width):
    page, shown = window(viewport={"width": width, "height": 1400}).page, changed()
    drawn(page, shown)
    cursors = "() => [1, 3].map((i) => getComputedStyle(document.querySelectorAll('.token')[i]).cursor !== 'pointer')"
    expect_of(page, cursors, [True, False])
    page.locator(".token").nth(1).click(force=True)
    page.locator(".token").nth(3).click()
    page.locator(".arc.own.gone circle").first.click(force=True)
    page.get_by_role("option", name="takes").last.click()
    expect_of(
        page, "() => window.sent.slice(0, 2)", [acted(shown, "line", 3), acted(shown, "arc", place(shown, "gone"))]
    )
    expect_of(page, "() => [window.sent[2]?.what, window.sent.length]", ["arc", 3])


@pytest.mark.browser
def test_a_finger_reads_an_arc_first_and_opens_it_then(window):
    page, shown = window(viewport={"width": 390, "height": 1400}, has_touch=True).page, changed()
    drawn(page, shown)
    sign = page.locator(".arc.own.gone circle").first
    sign.tap(force=True)
    expect(page.locator(".readout")).to_contain_text("gone: ")
    expect_of(page, "() => window.sent", [])
    sign.tap(force=True)
    expect_of(page, "() => window.sent", [acted(shown, "arc", place(shown, "gone"))])


@pytest.mark.browser
def test_enter_chooses_the_token_and_opens_the_entry_that_the_keys_are_at(window):
    page, shown = window().page, changed()
    drawn(page, shown)
    tokens = page.get_by_role("listbox", name="Tokens of the text")
    expect(tokens.locator("[tabindex='0']")).to_have_count(1)
    expect(tokens.get_by_role("option", selected=True)).to_have_text(shown.rows[shown.chosen].line.label)
    tokens.get_by_role("option").first.focus()
    tokens.get_by_role("option").first.press("ArrowDown")
    expect(page.locator(".readout")).to_contain_text("·is only in B")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    new = page.get_by_role("listbox", name="New in B").get_by_role("option").first
    new.focus()
    new.press("Home")
    new.press("Enter")
    expect_of(page, "() => window.sent", [acted(shown, "line", 2), acted(shown, "arc", place(shown, "new"))])


@pytest.mark.browser
def test_a_narrow_window_has_no_prediction_over_its_arcs_but_reads_it_with_its_token(window):
    page = window(viewport={"width": 390, "height": 1400}).page
    drawn(page, changed())
    expect(page.locator(".next")).to_have_count(0)
    page.locator(".token").nth(3).hover()
    expect(page.locator(".readout")).to_contain_text("→ ·Rome 94 % A ·Germany 94 %")

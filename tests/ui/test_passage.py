"""The passage in a real browser: a first visit opens on it, a key opens and closes it, and each part leads to its panel
at its place, by the mouse and by keys."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, expect

import panels
from anatomy.view import DEFAULT_TEXT, OPENING
from tests.browsing import Visit, expect_of, text_of
from tests.mouse import SCROLLER, covered, press, to_the_top
from tests.share import share

pytestmark = [pytest.mark.browser, pytest.mark.real]

TITLE = panels.load()[OPENING].title
ATTENTION, OUTPUT, RESIDUAL, LENS = (panels.load()[name].title for name in ("attention", "output", "residual", "lens"))
WORKED_OUT = "What the tokens take from each other is not drawn yet."
LONG = "When interest rates rise, the price of a bond usually falls. " * 42  # 547 tokens


def figure(reader: Visit) -> Locator:
    return reader.page.locator(".st-key-passage-figure")


def lines(reader: Visit) -> Locator:
    """The tokens in front of the lines."""
    return figure(reader).get_by_role("option")


def picture(reader: Visit) -> Locator:
    """What takes the keys: the lines, arcs, words and predictions."""
    return figure(reader).get_by_role("application")


def way(reader: Visit, name: str) -> Locator:
    """The button that opens the passage, or closes it."""
    return reader.page.locator(".st-key-whole_way").get_by_role("button", name=name, exact=True)


# whether it is open


def test_a_visit_without_a_link_opens_on_the_passage_of_the_first_text(reader):
    reader.open()
    expect(reader.page).to_have_url(reader.home)
    expect(reader.page).to_have_title(f"{TITLE} · Stagelight")
    expect(reader.heading).to_have_text(TITLE)
    expect(reader.box).to_have_value(DEFAULT_TEXT)
    expect(lines(reader)).to_have_count(12)
    expect(reader.answer).to_contain_text("From layer 28 on its line says “·Germany”, with 94 % in the end.")
    expect(figure(reader).locator(".told")).to_have_text([re.compile(r"^layer \d+, head \d: \d+ %$")] * 3)
    expect(figure(reader).locator(".cards li")).to_have_count(5)
    expect(reader.tokens).to_have_count(0)
    expect(reader.stages).to_have_count(0)


def test_close_leads_from_a_first_visit_to_attention_and_the_key_back(reader):
    reader.open()
    reader.click(way(reader, "Close"))
    expect(reader.heading).to_have_text(ATTENTION)
    expect(reader.page).to_have_url(f"{reader.home}?panel=attention")
    reader.press("?")
    expect(reader.heading).to_have_text(TITLE)
    expect(reader.page).to_have_url(f"{reader.home}?panel=passage")
    reader.reload()
    expect(reader.heading).to_have_text(TITLE)
    reader.press("?")
    expect(reader.heading).to_have_text(ATTENTION)
    reader.press("?")
    key = reader.page.get_by_role("checkbox", name="the key ? opens and closes this")
    key.uncheck()  # WCAG 2.1.4; the browser remembers it
    reader.reload()
    expect(key).not_to_be_checked()
    reader.press("?")
    reader.click(way(reader, "Close"))
    expect(reader.heading).to_have_text(ATTENTION)
    expect(way(reader, "How it works").locator("kbd")).to_be_hidden()


def test_close_leads_back_to_the_panel_that_one_came_from_and_so_does_the_browsers_back(reader):
    reader.open("?panel=output&pos=4")
    reader.click(way(reader, "How it works"))
    expect(reader.heading).to_have_text(TITLE)
    expect(reader.page).to_have_url(re.compile("panel=passage&pos=4"))
    reader.click(way(reader, "Close"))
    expect(reader.heading).to_have_text(OUTPUT)
    expect(reader.page).to_have_url(re.compile("panel=output&pos=4"))
    reader.press("?")
    expect(reader.heading).to_have_text(TITLE)
    reader.back()
    expect(reader.heading).to_have_text(OUTPUT)
    reader.forward()
    expect(reader.heading).to_have_text(TITLE)


def test_who_writes_a_question_mark_writes_one(reader):
    reader.open("?panel=attention")
    reader.press("End", reader.box)
    reader.press("?")
    expect(reader.box).to_have_value(f"{DEFAULT_TEXT}?")
    expect(reader.heading).to_have_text(ATTENTION)
    reader.press("?", reader.page.get_by_role("combobox", name="Model"))
    expect(reader.heading).to_have_text(ATTENTION)


def test_the_key_works_on_a_switch_and_the_button_keeps_the_focus_of_who_pressed_it(reader):
    reader.open("?panel=attention")
    reader.press("?", reader.page.get_by_role("switch", name="First token"))
    expect(reader.heading).to_have_text(TITLE)
    reader.press("Enter", way(reader, "Close"))
    expect(reader.heading).to_have_text(ATTENTION)
    expect(way(reader, "How it works")).to_be_focused()
    reader.press("Enter")
    expect(reader.heading).to_have_text(TITLE)
    expect(way(reader, "Close")).to_be_focused()


FROM_BEFORE = ["?text=the+the+the", "?layer=3", "?embed=true", "?lang=en&scale=log"]


@pytest.mark.parametrize("link", share([(link,) for link in FROM_BEFORE], 4, FROM_BEFORE))
def test_links_from_before_mean_attention_as_ever(reader, link):
    reader.open(link)
    expect(reader.heading).to_have_text(ATTENTION)


def test_the_language_alone_opens_the_passage_in_it(reader):
    reader.open("?lang=zh")
    expect(lines(reader)).to_have_count(12)
    expect(reader.page.locator("html")).to_have_attribute("lang", "zh")


# where each part leads


def told(reader: Visit) -> Locator:
    return figure(reader).locator(".told", has_text="layer 20, head 0: 76 %")


def first_of_the_chosen_line(reader: Visit, steps: int) -> None:
    """By keys along the chosen line: so many steps after its beginning, and in."""
    picture(reader).focus()
    for key in ("Home", *("ArrowRight",) * steps):
        picture(reader).press(key)
    reader.press("Enter")


def test_a_step_opens_the_first_panel_of_its_card(reader):
    reader.open()
    steps = figure(reader).get_by_role("group", name="The steps").get_by_role("button")
    expect(steps).to_have_count(5)
    reader.click(steps.nth(1))
    expect(reader.heading).to_have_text(panels.load()["embedding"].title)
    expect(reader.page).to_have_url(f"{reader.home}?panel=embedding")
    reader.back()
    reader.press("Enter", steps.nth(2))
    expect(reader.answer).to_contain_text("In layer 23, head 4, “·of” gives 93 %")


@pytest.mark.wide
def test_a_cards_link_opens_its_panel(reader):
    reader.open()
    cards = figure(reader).locator(".cards li")
    reader.click(cards.nth(3).get_by_role("button", name="Layer stack →"))
    expect(reader.heading).to_have_text(LENS)
    expect(reader.page).to_have_url(re.compile("panel=lens&layer=28"))
    reader.back()
    reader.press("Enter", cards.nth(0).get_by_role("button", name="Tokens →"))
    expect(reader.heading).to_have_text(panels.load()["tokens"].title)


def test_a_line_opens_the_stream_of_its_token_after_the_layer_that_one_points_at(reader):
    reader.open()
    layer = figure(reader).locator(".tick").get_by_text("10", exact=True)
    reader.click_where(layer, lines(reader).nth(5))
    expect(reader.heading).to_have_text(RESIDUAL)
    expect(reader.page).to_have_url(re.compile("panel=residual&layer=10&pos=5"))
    reader.back()
    first_of_the_chosen_line(reader, 0)
    expect(reader.heading).to_have_text(RESIDUAL)
    expect(reader.page).to_have_url(re.compile("panel=residual&layer=0&pos=11"))


def test_an_arc_opens_attention_at_its_layer_and_head_where_its_token_looks_at_the_other(reader):
    reader.open()
    reader.click(told(reader))
    expect(reader.heading).to_have_text(ATTENTION)
    expect(reader.readout).to_contain_text("·France")
    expect(reader.page).to_have_url(f"{reader.home}?layer=20&head=0&pos=11&src=5")
    reader.back()
    first_of_the_chosen_line(reader, 1)
    expect(reader.heading).to_have_text(ATTENTION)
    expect(reader.page).to_have_url(re.compile(r"\?layer=1&head=\d&pos=11&src=10"))


@pytest.mark.wide
def test_a_grey_arc_opens_attention_at_its_own_tokens(reader):
    reader.open()
    reader.click(figure(reader).locator(".arc:not(.chosen) circle").first, force=True)
    expect(reader.heading).to_have_text(ATTENTION)
    expect(reader.page).to_have_url(re.compile(r"\?layer=0&head=\d&pos=2&src=1"))


def test_a_word_opens_what_each_layer_would_answer_at_its_layer(reader):
    reader.open()
    reader.click(figure(reader).locator(".word.answer"))
    expect(reader.heading).to_have_text(LENS)
    expect(reader.page).to_have_url(re.compile("panel=lens&layer=28&pos=11"))
    reader.back()
    picture(reader).focus()
    for key in ("End", "ArrowLeft"):
        picture(reader).press(key)
    expect(figure(reader).locator(".live")).to_contain_text(
        "If the model stopped after layer 28, the line of “·of” at position 11"
    )
    reader.press("Enter")
    expect(reader.heading).to_have_text(LENS)


@pytest.mark.wide
def test_a_prediction_opens_the_output_at_its_token(reader):
    reader.open()
    reader.click(figure(reader).locator(".next").nth(5))
    expect(reader.heading).to_have_text(OUTPUT)
    expect(reader.page).to_have_url(re.compile("panel=output&pos=5"))
    reader.back()
    picture(reader).focus()
    for key in ("End", "ArrowUp"):
        picture(reader).press(key)
    reader.press("Enter")
    expect(reader.heading).to_have_text(OUTPUT)
    expect(reader.page).to_have_url(re.compile("panel=output&pos=10"))


def test_another_line_is_chosen_by_its_token_with_the_mouse_and_by_keys(reader):
    reader.open()
    reader.click(lines(reader).nth(5))
    expect(lines(reader).nth(5)).to_have_attribute("aria-selected", "true")
    expect(reader.answer).to_contain_text("“·France”")
    expect(reader.page).to_have_url(f"{reader.home}?panel=passage&pos=5")
    reader.press("ArrowUp", lines(reader).nth(5))
    expect(reader.page).to_have_url(f"{reader.home}?panel=passage&pos=4")
    expect(lines(reader).nth(4)).to_be_focused()
    reader.press("End")
    expect(reader.page).to_have_url(f"{reader.home}?panel=passage&pos=11")
    expect(reader.answer).to_contain_text("“·Germany”")


# texts and models


def test_a_next_token_is_added_by_a_click_marked_and_taken_back(reader):
    reader.open()
    reader.click(figure(reader).get_by_role("button", name=re.compile("^Add “·Germany” to the text")))
    expect(lines(reader)).to_have_count(13)
    expect(lines(reader).last).to_have_text("·Germany")
    expect(lines(reader).last).to_have_class("token added")
    expect(lines(reader).last).to_have_attribute("aria-selected", "true")
    expect(figure(reader).get_by_role("group", name="After “·Germany”")).to_be_visible()
    expect(reader.page).to_have_url(f"{reader.home}?panel=passage&tail=4521")
    row = reader.page.get_by_role("group", name="How the model goes on")
    expect(row.get_by_role("status")).to_have_text("1 token added")
    reader.click(row.get_by_role("button", name="Take back the last added token"))
    expect(lines(reader)).to_have_count(12)
    expect(reader.page).to_have_url(f"{reader.home}?panel=passage")


@pytest.mark.wide
def test_another_text_and_another_model_keep_the_passage_open(reader):
    reader.open()
    reader.type("the the the")
    expect(lines(reader)).to_have_count(3)
    expect(reader.page).to_have_url(f"{reader.home}?panel=passage&text=the+the+the")
    reader.page.get_by_role("combobox", name="Model").click()
    reader.click(reader.page.get_by_role("option", name=re.compile("minilm", re.IGNORECASE)))
    expect(reader.heading).to_have_text(TITLE)
    expect(lines(reader)).to_have_text(["[CLS]", "the", "the", "the", "[SEP]"])
    expect(reader.page).to_have_url(re.compile("model=minilm-l6"))


def test_an_encoder_alone_in_a_link_shows_its_passage_which_ends_in_vectors(reader):
    reader.open("?model=minilm-l6")
    expect(reader.heading).to_have_text(TITLE)
    expect(lines(reader).first).to_have_text("[CLS]")
    expect(figure(reader).locator(".next")).to_have_text(["384 numbers"])
    expect(figure(reader).locator(".best")).to_be_hidden()
    expect(figure(reader).locator(".cards li").nth(2)).to_contain_text("takes something from all others")
    reader.click(figure(reader).get_by_role("button", name="Output →"))
    expect(reader.heading).to_have_text(panels.load()["pooled"].title)


ODD = {"same": ("the the the", 3), "Chinese": ("患者头痛两天", 14), "emoji": ("🙂🙂", 4), "one": ("x", 1)}


@pytest.mark.parametrize(("text", "count"), share([*ODD.values()], 4, [*ODD]))
def test_odd_and_short_texts_have_their_lines(reader, text, count):
    reader.open()
    reader.type(text)
    expect(reader.box).to_have_value(text)
    expect(reader.heading).to_have_text(TITLE)
    expect(lines(reader)).to_have_count(count)
    expect(lines(reader).last).to_have_attribute("aria-selected", "true")
    expect(figure(reader).locator(".cards li").nth(0)).to_contain_text(f"{count} token")


def test_no_text_is_answered_by_a_sentence_and_the_passage_can_be_closed(reader):
    reader.open()
    reader.type("")
    expect(reader.refusal).to_contain_text("no text")
    expect(figure(reader)).to_have_count(0)
    reader.type("the the the")
    expect(lines(reader)).to_have_count(3)
    reader.type("")
    reader.click(way(reader, "Close"))
    expect(reader.heading).to_have_text(ATTENTION)


SAID = """new MutationObserver(() => {
    const said = document.querySelector(".says")?.textContent;
    if (said && window.said?.at(-1) !== said) window.said = [...(window.said ?? []), said];
}).observe(document, { subtree: true, childList: true, characterData: true });"""


def test_a_long_text_is_drawn_first_and_its_arcs_are_filled_in(reader):
    reader.page.add_init_script(SAID)
    reader.open(f"?panel=passage&text={quote(LONG)}")
    expect(reader.answer).not_to_contain_text(WORKED_OUT)
    expect_of(reader.page, f"() => window.said[0].includes({WORKED_OUT!r})", True)
    expect(figure(reader).locator(".arc.chosen").first).to_be_attached()
    expect(figure(reader).locator(".out").first).to_contain_text("tokens")
    expect(lines(reader).last).to_have_attribute("aria-label", re.compile("position 546 of 0 to 546"))
    expect(reader.tokens).to_have_count(547)
    reader.click(reader.tokens.nth(200))
    expect(figure(reader).get_by_role("option", selected=True)).to_have_attribute(
        "aria-label", re.compile("position 200 of 0 to 546")
    )


# where it stands


def test_an_embedded_passage_has_nothing_around_it_and_opens_in_the_app(reader):
    reader.open("?panel=passage&embed=true")
    expect(lines(reader)).to_have_count(12)
    expect(reader.page.locator(".st-key-whole_way")).to_have_count(0)
    expect(reader.box).to_have_count(0)
    expect(reader.page.get_by_role("link", name="Open in Stagelight")).to_have_attribute(
        "href", re.compile(r"^\?panel=passage&")
    )
    reader.click(lines(reader).nth(5))
    expect(lines(reader).nth(5)).to_have_attribute("aria-selected", "true")
    reader.press("?")
    expect(reader.heading).to_have_text(TITLE)


def test_a_screen_reader_hears_what_each_part_is(reader):
    reader.open()
    expect(reader.page.get_by_role("heading", name=TITLE, level=2)).to_be_visible()
    expect(way(reader, "Close")).to_have_accessible_description("Close; show again with ?")
    expect(picture(reader)).to_have_accessible_name(text_of(reader.answer))
    expect(figure(reader).get_by_role("listbox", name="Tokens of the text")).to_have_count(1)
    expect(lines(reader).nth(5)).to_have_accessible_name("·France, position 5 of 0 to 11")
    steps = figure(reader).get_by_role("group", name="The steps").get_by_role("button")
    expect(steps.nth(2)).to_have_accessible_name("3 30 layers: look back, rewrite")
    best = figure(reader).get_by_role("group", name="After “·of”").get_by_role("button")
    expect(best.first).to_have_accessible_name("Add “·Germany” to the text (94 %).")
    expect(figure(reader).get_by_role("heading", level=3)).to_have_text(
        ["Cut", "Look up", "Look back", "Rewrite", "Predict"]
    )
    picture(reader).focus()
    reader.press("Home")
    expect(figure(reader).locator(".live")).to_have_attribute("aria-live", "polite")
    expect(figure(reader).locator(".live")).to_contain_text("The line of “·of” at position 11 leaves layer 0")


@pytest.mark.parametrize("width", share([(390,), (1440,), (1024,)], 3, ["390", "1440", "1024"]))
def test_the_passage_stays_in_the_window_and_nothing_lies_over_what_can_be_clicked(visit, width):
    reader = visit(viewport={"width": width, "height": 900})
    reader.open()
    expect(lines(reader)).to_have_count(12)
    expect_of(reader.page, f"(width) => {SCROLLER}.scrollWidth <= width", True, width)
    seen, under = covered(reader.page)
    assert not under
    assert {"Run", "Tokens →", "Layer stack →", "·France, position 5 of 0 to 11"} <= seen
    assert any(name.endswith("Close") for name in seen)
    for shown, title in (
        (figure(reader).get_by_role("button", name="Output →"), OUTPUT),
        (way(reader, "Close"), ATTENTION),
    ):
        to_the_top(shown)
        press(shown)
        reader.settled()
        expect(reader.heading).to_have_text(title)
        reader.back()
        expect(reader.heading).to_have_text(TITLE)

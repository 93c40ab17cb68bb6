"""A reader's way through the page in a real browser, with the real model and no way out of this machine."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

import articles
import panels
from anatomy.view import DEFAULT_PANEL
from tests.browsing import expect_of, text_of, texts_of
from tests.share import share

pytestmark = [pytest.mark.browser, pytest.mark.real]

ATTENTION = f"?panel={DEFAULT_PANEL}"
FRANCE = "72.9 %"


def test_the_first_text_is_drawn_with_the_models_numbers(reader):
    reader.open(ATTENTION)
    expect(reader.heading).to_have_text(panels.load()[DEFAULT_PANEL].title)
    expect(reader.readout).to_contain_text(FRANCE)
    expect(reader.answer).to_contain_text("“·France”")
    expect(reader.tokens).to_have_count(12)
    expect(reader.stages).to_have_count(9)


def test_a_new_text_changes_tokens_map_and_figure(reader):
    reader.open(ATTENTION)
    reader.type("the the the")
    expect(reader.tokens).to_have_count(3)
    expect(reader.stage("tokens")).to_contain_text("3 tokens")
    expect(reader.readout).not_to_contain_text(FRANCE)
    expect(reader.page).to_have_url(re.compile(r"text=the\+the\+the"))


def test_a_token_is_chosen_by_click_and_by_keys_and_every_panel_follows(reader):
    reader.open(ATTENTION)
    reader.click(reader.tokens.nth(5))
    expect(reader.answer).to_contain_text("“·France” gives")
    reader.press("ArrowLeft", reader.tokens.nth(5))
    expect(reader.answer).to_contain_text("“·of” gives")
    reader.press("Home")
    expect(reader.answer).to_contain_text("“Paris” gives")
    expect(reader.tokens.nth(0)).to_be_focused()
    expect(reader.tokens.nth(0)).to_have_attribute("aria-selected", "true")
    expect(reader.page).to_have_url(re.compile("pos=0"))


def test_the_bars_of_a_figure_are_chosen_by_click_and_by_keys_and_say_what_they_are(reader):
    reader.open("?panel=writes")
    figure = reader.page.locator(".st-key-writes-figure")
    layer, share = figure.locator(".xtick").get_by_text("10", exact=True), figure.locator(".ytick").get_by_text("20")
    reader.click_where(layer, share)
    expect(reader.answer).to_contain_text("In layer 10")
    reader.click_where(layer, share)
    expect(reader.page).to_have_url(re.compile("layer=10"))
    marks = reader.page.get_by_role("application", name="Marks of the figure: arrow keys walk, Enter chooses")
    reader.press("ArrowRight", marks)
    told = reader.page.locator(".st-key-writes-figure-marks .told")
    expect(told).to_have_text(re.compile("^layer 11: attention adds length 27.6"))
    reader.press("Enter")
    expect(reader.answer).to_contain_text("In layer 11")
    expect(marks).to_be_focused()
    reader.back()
    reader.click_where(layer, share)
    expect(reader.answer).to_contain_text("In layer 10")


@pytest.mark.wide
def test_marks_answer_after_their_figure_came_and_went_with_other_texts(reader):
    reader.open("?panel=surprisal")
    for text in ("one two three", "four five six", "seven eight nine"):
        reader.type(text)
        expect(reader.tokens).to_have_count(3)
    reader.click(reader.page.get_by_role("radio", name="Prediction", exact=True))
    reader.type("ten eleven twelve thirteen")
    expect(reader.tokens).to_have_count(4)
    reader.click(reader.page.get_by_role("radio", name="Surprisal", exact=True))
    figure = reader.page.locator(".st-key-surprisal-figure")
    reader.click_where(figure.locator(".xtick").get_by_text("eleven"), figure.locator(".ytick").nth(0))
    expect(reader.page).to_have_url(re.compile("pos=1"))


def test_a_head_is_chosen_in_the_overview_by_click_and_by_keys(reader):
    reader.open(ATTENTION)
    expect(reader.readout).to_contain_text(FRANCE)
    reader.click_at(reader.canvas("heads"), right=6, top=30)
    expect(reader.answer).to_contain_text("In layer 0, head 8")
    reader.press("ArrowDown", reader.canvas("heads"))
    expect(reader.answer).to_contain_text("In layer 1, head 8")
    expect(reader.canvas("heads")).to_be_focused()
    expect(reader.page.locator(".st-key-stagemap .times")).to_contain_text("layer 1")


def test_a_cell_is_chosen_and_read_aloud(reader):
    reader.open(ATTENTION)
    reader.canvas("attention").focus()
    reader.press("ArrowLeft")
    expect(reader.readout).to_contain_text("looked at (key) ·of: 0.00143 %")
    expect(reader.page.locator(".st-key-attention-figure .live")).to_contain_text("·of")
    expect(reader.page).to_have_url(re.compile("src=4"))


def test_steppers_and_switches_redraw_the_figure_and_stand_in_the_link(reader):
    reader.open(ATTENTION)
    reader.click(reader.choice("Head", "0"))
    expect(reader.answer).to_contain_text("head 0")
    reader.click(reader.choice("Scale", "log"))
    expect(reader.page).to_have_url(re.compile("scale=log"))
    expect(reader.page.locator(".st-key-attention-figure .notes")).to_contain_text("log scale")


def test_the_map_opens_stages_and_back_returns(reader):
    reader.open(ATTENTION)
    titles = {stage: panels.of_stage(stage)[0].title for stage in ("attention", "output", "tokens")}
    for stage in ("output", "tokens"):
        reader.click(reader.stage(stage))
        expect(reader.heading).to_have_text(titles[stage])
        expect(reader.stage(stage)).to_have_attribute("aria-current", "page")
    reader.back()
    expect(reader.heading).to_have_text(titles["output"])
    reader.back()
    expect(reader.heading).to_have_text(titles["attention"])
    reader.forward()
    expect(reader.heading).to_have_text(titles["output"])


def test_a_claim_gets_its_verdict_and_opens_the_view_in_which_one_can_see_it(reader):
    reader.open(ATTENTION)
    card = reader.page.locator('[data-claim="c-gqa"]')
    expect(card.locator(".badge")).to_have_text("holds")
    reader.click(card.get_by_role("link"))
    expect(reader.heading).to_have_text(panels.load()["groups"].title)
    expect(reader.page).to_have_url(re.compile("claim=c-gqa"))
    expect(card.get_by_role("link")).to_have_attribute("aria-current", "true")


def test_an_article_is_followed_from_claim_to_claim_and_the_map_counts(reader):
    reader.open(ATTENTION)
    reader.click(reader.page.get_by_role("tab", name="Llama 3.1 overview", exact=True))
    chosen = articles.load()[0].claims[6]
    cards = reader.page.locator("[data-claim]")
    expect(cards).to_have_count(len(articles.load()[0].claims))
    expect(reader.heading).to_have_text(panels.load()["attention"].title)
    reader.click(reader.page.locator(f'[data-claim="{chosen.id}"]').get_by_role("link"))
    expect(reader.heading).to_have_text(panels.load()[chosen.panel].title)
    expect(reader.page).to_have_url(re.compile(f"article=A1.*claim={chosen.id}|claim={chosen.id}.*article=A1"))
    counted = reader.page.locator("a[data-stage=attention] u i")
    expect(counted.first).to_be_visible()
    legend = reader.page.locator("p.key span:has(i)")
    expect(legend).to_have_text(["hold", "in part", "do not"])
    expect(legend.first).to_have_css("white-space", "nowrap")
    reader.click(reader.page.get_by_role("tab", name="This stage", exact=True))
    own = articles.claims(panels.load()[chosen.panel].stage)
    expect(cards.nth(0)).to_have_attribute("data-claim", chosen.id)
    expect(cards.nth(1)).to_have_attribute("data-claim", own[0][1].id)
    expect(reader.heading).to_have_text(panels.load()[chosen.panel].title)


def test_an_encoders_verdict_stands_beside_the_decoders(reader):
    reader.open("?panel=position")
    reader.click(reader.page.locator(".beside button"))
    badges = reader.page.locator('[data-claim="c-added-position"] .badge')
    expect(badges).to_have_count(2)
    expect(badges.nth(0)).to_have_text("does not hold here")
    expect(badges.nth(1)).to_have_text("holds")


def test_the_encoder_is_chosen_on_the_page_and_what_it_lacks_is_opened_with_the_decoder(reader):
    reader.open("?model=minilm-l6&panel=output")
    expect(reader.page.locator(".st-key-stage .notice")).to_contain_text("a vector for each token")
    expect(reader.page.get_by_role("radio", name="not in this model")).to_have_count(5)
    reader.click(reader.page.get_by_role("button", name="Open it with SmolLM2-135M-Instruct"))
    expect(reader.answer).to_contain_text("·Germany")
    reader.click(reader.page.get_by_role("combobox", name="Model"))
    reader.click(reader.page.get_by_role("option", name="all-MiniLM-L6-v2"))
    expect(reader.heading).to_have_text(panels.load()["pooled"].title)
    expect(reader.page.locator(".st-key-stage .notice")).to_contain_text("“Prediction” was open.")
    reader.click(reader.stage("attention"))
    expect(reader.answer).to_contain_text("“[CLS]”")


def test_the_page_speaks_the_browsers_language_and_the_one_that_is_chosen(visit):
    reader = visit(locale="zh-CN")
    reader.open(ATTENTION)
    expect(reader.heading).to_have_text("每个词元看向哪里？")
    expect(reader.readout).to_contain_text(FRANCE)
    expect(reader.page.locator("html")).to_have_attribute("lang", "zh")
    reader.open("?lang=en&panel=attention")
    expect(reader.heading).to_have_text(panels.load()[DEFAULT_PANEL].title)
    reader.click(reader.choice("Head", "0"))
    expect(reader.answer).to_contain_text("head 0")


def test_a_link_restores_everything(reader):
    reader.open("?text=one+two+three+one+two&layer=20&head=3&pos=2&scale=log&first=0")
    expect(reader.answer).to_contain_text("In layer 20, head 3, “·three” gives")
    expect(reader.readout).to_contain_text("·three")
    before = text_of(reader.readout)
    reader.reload()
    expect(reader.readout).to_have_text(before)
    expect(reader.box).to_have_value("one two three one two")
    expect(reader.page.get_by_role("radio", name="log")).to_be_checked()


def test_an_embedded_panel_stands_alone_and_still_works(reader):
    reader.open("?embed=true&panel=attention&layer=17&head=5")
    expect(reader.readout).to_contain_text(FRANCE)
    expect(reader.stages).to_have_count(0)
    expect(reader.tokens).to_have_count(0)
    reader.click(reader.choice("Head", "1"))
    expect(reader.answer).to_contain_text("head 1")


@pytest.mark.wide  # test_sweep.py opens pages in both
@pytest.mark.parametrize(("scheme", "ground"), [("light", "rgb(251, 251, 249)"), ("dark", "rgb(18, 22, 27)")])
def test_light_and_dark_follow_the_system(visit, scheme, ground):
    reader = visit(color_scheme=scheme)
    reader.open(ATTENTION)
    expect(reader.readout).to_contain_text(FRANCE)
    expect(reader.page.locator(".stApp")).to_have_css("background-color", ground)


def test_the_examples_are_texts_to_begin_with(reader):
    reader.open(ATTENTION)
    reader.click(reader.page.get_by_role("button", name="Examples"))
    reader.click(reader.page.get_by_role("menuitem", name="Code"))
    expect(reader.tokens.first).to_contain_text("def")
    expect(reader.box).to_have_value(re.compile(r"^def add\(a, b\):\n    return"))


def test_the_tabs_hold_numbers_python_and_a_link_that_works(reader):
    reader.open(ATTENTION)
    shown = reader.page.get_by_role("tabpanel").filter(visible=True)
    reader.click(reader.page.get_by_role("tab", name="Numbers"))
    expect(shown.get_by_test_id("stDataFrame")).to_be_visible()
    reader.click(reader.page.get_by_role("tab", name="Python"))
    expect(shown.get_by_test_id("stCode")).to_contain_text("import torch")
    reader.click(reader.page.get_by_role("tab", name="Link"))
    code = shown.get_by_test_id("stCode").first
    expect(code).to_contain_text(reader.home)
    link = text_of(code)
    with reader.page.expect_download() as download:
        reader.page.get_by_role("button", name="Table (CSV)").click()
    assert "·France" in Path(download.value.path()).read_text("utf-8-sig")
    with reader.page.expect_download() as download:
        reader.page.get_by_role("button", name="PNG").click()
    picture = Path(download.value.path()).read_bytes()
    width, height = (int.from_bytes(picture[place : place + 4], "big") for place in (16, 20))
    assert picture.startswith(b"\x89PNG")
    assert min(width, height) > 1000  # twice as many points as the figure is wide
    expect(shown.get_by_role("status")).to_have_text("Made:")
    reader.open(link)
    expect(reader.readout).to_contain_text(FRANCE)


def test_two_quick_actions_both_stand(reader):
    reader.open(ATTENTION)
    reader.tokens.nth(3).click()  # and without a wait the next
    reader.click(reader.stage("output"))
    expect(reader.page).to_have_url(re.compile(r"panel=\w+.*pos=3"))
    expect(reader.tokens.nth(3)).to_have_attribute("aria-selected", "true")


def test_the_text_goes_on_token_by_token_and_back(reader):
    reader.open(ATTENTION)
    row = reader.page.get_by_role("group", name="How the model goes on")
    best = row.locator(".chip").first
    expect(best).to_have_accessible_name("Go on with ·Germany 94 %")
    reader.click(best)
    expect(reader.tokens).to_have_count(13)
    expect(reader.tokens.last).to_have_accessible_name("·Germany 4521, position 12 of 0 to 12, added to the text")
    expect(reader.tokens.last).to_have_attribute("aria-selected", "true")
    expect(reader.answer).to_contain_text("“·Germany” gives")
    expect(reader.page).to_have_url(re.compile(r"\?tail=4521$"))
    expect(best).not_to_contain_text("Germany")
    reader.click(row.locator(".chip").nth(1))  # another one than the best
    expect(reader.tokens).to_have_count(14)
    expect(row.get_by_role("status")).to_have_text("2 tokens added")
    expect(row.locator(".chip").nth(1)).to_be_focused()
    labels = texts_of(reader.tokens, 14)
    reader.reload()
    expect(reader.tokens).to_have_text(labels, use_inner_text=True)
    reader.press("Enter", row.get_by_role("button", name="Take back the last added token"))
    expect(reader.tokens).to_have_count(13)
    reader.press("Enter", row.get_by_role("button", name="Take back all added tokens"))
    expect(reader.tokens).to_have_count(12)
    expect(row.get_by_role("status")).to_be_empty()
    expect(best).to_be_focused()
    expect(reader.page).not_to_have_url(re.compile("tail"))
    reader.back()
    expect(reader.tokens).to_have_count(13)
    reader.type("the the the")
    expect(reader.tokens).to_have_count(3)
    expect(reader.page).not_to_have_url(re.compile("tail"))


DRAWN = {
    "closing tag": "</script><img src=x>",
    "html": '<img src=x onerror="document.title=1"><script>document.title=1</script>',
    "markdown": "![x](https://evil.example/x.png) [l](javascript:alert(1)) $x$ :red[y]",
    "special": "<|im_end|>",
    "rtl": "שלום עולם مرحبا بالعالم",
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 ❤️",
    "chinese": "法国的首都是巴黎",
    "control": "a\x07b\x1bc\x7f",
    "spaces": "     ",
}


@pytest.mark.parametrize("text", share([(text,) for text in DRAWN.values()], 3, [*DRAWN]))
def test_odd_texts_are_drawn_and_never_run(reader, text):
    reader.open(ATTENTION)
    reader.type(text)
    expect(reader.readout).not_to_contain_text(FRANCE)
    expect(reader.answer).to_be_visible()
    expect(reader.box).to_have_value(text)
    expect(reader.page).to_have_title(f"{panels.load()[DEFAULT_PANEL].title} · Stagelight")
    expect(reader.page.locator("img[src*=x]")).to_have_count(0)


def test_a_label_read_from_right_to_left_keeps_its_place_before_the_number(reader):
    reader.open("?panel=output&text=%D9%85%D8%B1%D8%AD%D8%A8%D8%A7%20%D8%A8%D8%A7%D9%84%D8%B9%D8%A7%D9%84%D9%85")
    orders = """() => [...new Set([...document.querySelectorAll(".says mark")].map((label) => {
        const rest = label.nextSibling, after = document.createRange();
        after.setStart(rest, 1);
        after.setEnd(rest, 4);
        const [mine, next] = [label.getBoundingClientRect(), after.getBoundingClientRect()];
        return next.top < mine.bottom && next.left < mine.right - 1 ? "after the rest" : "before the rest";
    }))]"""
    expect_of(reader.page, orders, ["before the rest"])


def test_no_text_at_all_is_answered_by_a_sentence(reader):
    reader.open(ATTENTION)
    reader.type("")
    expect(reader.refusal).to_contain_text("no text")
    expect(reader.tokens).to_have_count(0)


def test_more_than_a_hundred_thousand_characters_never_leave_the_box(reader):
    reader.open(ATTENTION)
    reader.type("x" * 100_001)
    expect(reader.page.get_by_text("This text has 100,001 characters")).to_be_visible()
    expect(reader.readout).to_contain_text(FRANCE)
    expect(reader.page).not_to_have_url(re.compile("text=|packed=|kept="))


def test_six_hundred_tokens_are_drawn_with_the_chosen_one_in_sight(reader):
    reader.open(ATTENTION)
    reader.type("When interest rates rise, the price of a bond usually falls. " * 45)
    expect(reader.stage("tokens")).to_contain_text("586 tokens")
    expect(reader.page.locator(".st-key-attention-figure .notes")).to_contain_text("colours in 255 steps")
    expect(reader.page.get_by_role("option", selected=True)).to_be_in_viewport()

"""Two runs in a real browser, by mouse: put beside each other, looked into, turned round and closed."""

import re

import pytest
from playwright.sync_api import expect

from tests.browsing import text_of

pytestmark = [pytest.mark.browser, pytest.mark.real]

TWO = "?panel=attention&text=The+capital+of+France+is&text2=The+capital+of+Italy+is"


def test_a_pair_from_the_menu_is_drawn_compared_swapped_and_closed(reader):
    reader.open("?panel=attention")
    reader.click(reader.page.get_by_role("button", name="Compare"))
    reader.click(reader.page.get_by_role("menuitem", name="A fact, another country"))
    second = reader.page.get_by_role("textbox", name="The text of run B")
    expect(second).to_have_value("The capital of Italy is")
    expect(reader.box).to_have_value("The capital of France is")
    for figure in ("attention", "attention-b", "attention-difference", "heads-difference"):
        expect(reader.canvas(figure)).to_be_visible()
    summary = reader.page.get_by_role("region", name="How far the two runs part")
    expect(summary).to_contain_text("First apart at the embedding, at “·France → ·Italy”.")
    expect(summary.get_by_role("row").filter(has_text="·Rome")).to_be_visible()
    reader.click(reader.page.get_by_role("button", name="Swap"))
    expect(reader.box).to_have_value("The capital of Italy is")
    expect(summary).to_contain_text("“·Italy → ·France”")
    reader.back()
    expect(reader.box).to_have_value("The capital of France is")
    reader.click(reader.page.get_by_role("button", name="Close", exact=True))
    expect(second).to_have_count(0)
    expect(reader.page).not_to_have_url(re.compile("text2"))
    expect(reader.canvas("attention-b")).to_have_count(0)


def test_a_click_in_either_run_and_in_the_difference_moves_both(reader):
    reader.open(TWO)
    answers = reader.page.locator(".st-key-pair .says")
    expect(answers).to_have_count(2)
    other = reader.page.locator(".st-key-strip-b").get_by_role("option")
    reader.click(other.nth(3))
    expect(reader.page).to_have_url(re.compile("pos=3"))
    expect(answers.nth(0)).to_contain_text("“·France” gives")
    expect(answers.nth(1)).to_contain_text("“·Italy” gives")
    before = text_of(answers.nth(0))
    overview = reader.canvas("heads-difference")
    reader.click(overview)  # in its middle
    expect(answers.nth(0)).not_to_have_text(before)
    layer = re.compile(r"layer=\d+")
    expect(reader.page).to_have_url(layer)


def test_a_second_text_that_is_typed_is_aligned_with_the_first(reader):
    reader.open(TWO)
    box = reader.page.get_by_role("textbox", name="The text of run B")
    box.fill("The capital of northern Italy is")
    box.press("Enter")
    reader.settled()
    marked = reader.page.locator(".st-key-strip-b .token[data-sign]")
    expect(marked).to_have_count(2)
    expect(marked.nth(0)).to_have_attribute("data-sign", "B")
    expect(marked.nth(0)).to_have_attribute("aria-label", re.compile("only in B"))
    expect(reader.page.locator(".st-key-attention-difference-figure")).to_be_visible()


def test_what_is_behind_a_figure_of_two_runs_is_one_click_away(reader):
    reader.open(TWO)
    card = reader.page.locator(".st-key-card-attention-difference")
    reader.click(card.get_by_text("Numbers and more"))
    expect(card.get_by_role("tab", name="Link, embed, export")).to_be_visible()
    reader.click(card.get_by_role("tab", name="Link, embed, export"))
    expect(card.locator("code").first).to_contain_text("text2=The")


def test_the_passage_of_two_runs_says_what_is_new_and_what_is_gone(reader):
    reader.open(TWO.replace("panel=attention", "panel=passage"))
    figure = reader.page.locator(".st-key-passage-difference-figure")
    expect(figure).to_contain_text("The likeliest next token is “·Paris” in A")
    expect(figure).to_contain_text("New in B")
    expect(figure).to_contain_text("was ·France")

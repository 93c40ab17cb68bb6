"""A long text in a real browser: what it costs, how far it is, a Cancel that stops it, and parts in its place."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, expect

from tests.browsing import Visit
from tests.share import share

pytestmark = [pytest.mark.browser, pytest.mark.real]

SENTENCE = "When interest rates rise, the price of a bond usually falls. "  # 13 tokens


def card(reader: Visit) -> Locator:
    """What is said while a run takes long."""
    return reader.page.locator('[class*="st-key-running"]')


def stretch(reader: Visit) -> Locator:
    """Which tokens of a long text the strip shows."""
    return reader.page.locator(".stretch [role=status]")


def test_a_long_run_says_what_it_costs_is_cancelled_and_taken_in_part(reader):
    text = SENTENCE * 230
    reader.open("?panel=residual")
    reader.begin(text)
    expect(card(reader)).to_contain_text("2,991 tokens · about")
    expect(card(reader).get_by_role("progressbar")).to_be_visible()
    expect(stretch(reader)).to_have_text("positions 2,492 to 2,990 of 2,991 tokens")
    reader.click(card(reader).get_by_role("button", name="Cancel"))
    expect(reader.page.get_by_text("This was stopped before its end.")).to_be_visible()
    expect(card(reader)).to_have_count(0)
    expect(reader.stages).to_have_count(9)
    expect(reader.answer).to_have_count(0)
    reader.click(reader.page.get_by_role("button", name="The first 1,024 tokens"))
    expect(reader.answer).to_be_visible()
    expect(reader.stage("tokens")).to_contain_text("1,024 tokens")
    reader.back()
    expect(reader.box).to_have_value(text)
    expect(reader.page.get_by_text("This was stopped before its end.")).to_be_visible()


def test_a_text_beyond_the_context_is_refused_with_what_fits_and_comes_back_from_its_link(reader):
    text = "".join(f"{SENTENCE}{i} " for i in range(1500))[:100_000]
    reader.open("?panel=residual")
    reader.type(text)
    expect(reader.refusal).to_contain_text("the limit is 8,192")
    expect(reader.page.get_by_role("button", name="The first 8,192 tokens")).to_be_visible()
    expect(reader.page.get_by_role("button", name="The last 8,192 tokens")).to_be_visible()
    expect(reader.page).to_have_url(re.compile("packed="))
    reader.reload()
    expect(reader.refusal).to_contain_text("the limit is 8,192")
    expect(reader.box).to_have_value(text)
    reader.type("the the the")
    expect(reader.tokens).to_have_count(3)
    reader.back()
    expect(reader.box).to_have_value(text)


@pytest.mark.parametrize("pause", share([(0,), (120,), (250,), (600,)], 4, ["0", "120", "250", "600"]))
def test_a_window_that_is_left_stays_left_however_soon_a_key_follows(reader, pause):
    reader.open(f"?text={quote(SENTENCE * 50)}&zoom=64")
    expect(reader.answer).to_contain_text("Shown pair by pair")
    reader.canvas("attention").focus()
    for key in ("ArrowUp", "Escape", "ArrowLeft"):
        reader.page.keyboard.press(key)
        reader.page.wait_for_timeout(pause)
    expect(reader.answer).to_contain_text("a side: each shows the largest")
    reader.page.wait_for_timeout(1_500)  # what is on its way may still arrive
    expect(reader.answer).to_contain_text("a side: each shows the largest")
    expect(reader.page).not_to_have_url(re.compile("zoom="))


def test_a_window_is_zoomed_and_dragged_through_the_picture_of_the_whole(reader):
    reader.open(f"?text={quote(SENTENCE * 50)}&zoom=64&pos=300&src=290")
    card = reader.page.locator(".st-key-card-attention")
    overview = card.get_by_role("application", name=re.compile("Arrow keys move the window"))
    expect(card.get_by_text(re.compile("looking at 272–335, of 651 tokens$"))).to_be_visible()
    card.locator(".seen").drag_to(overview, target_position={"x": 44, "y": 88})
    expect(reader.page).to_have_url(re.compile(r"at=\d+\.\d+\.300&"))
    expect(reader.answer).not_to_contain_text("272–335")
    expect(reader.page).to_have_url(re.compile("pos=300&src=290"))
    reader.click(card.get_by_role("button", name="To the chosen cell"))
    expect(reader.answer).to_contain_text("positions 268–331 looking at 258–321, of 651 tokens")
    reader.press("ArrowLeft", overview)
    expect(reader.answer).to_contain_text("positions 268–331 looking at 242–305, of 651 tokens")
    reader.press("+")
    expect(reader.answer).to_contain_text("positions 284–315 looking at 274–305, of 651 tokens")
    reader.reload()
    expect(reader.answer).to_contain_text("positions 284–315 looking at 274–305, of 651 tokens")
    reader.press("Escape", overview)
    expect(reader.page).not_to_have_url(re.compile("zoom=|at="))
    expect(reader.canvas("attention")).to_be_focused()


def test_the_strip_of_a_long_text_is_turned_by_buttons_and_keys(reader):
    reader.open("?panel=residual")
    reader.type(SENTENCE * 900)  # refused: only its tokens are shown
    expect(reader.refusal).to_be_visible()
    expect(stretch(reader)).to_have_text(re.compile(r"to 11,700 of 11,701 tokens$"))
    reader.click(reader.page.get_by_role("button", name="Earlier"))
    expect(stretch(reader)).not_to_have_text(re.compile(r"to 11,700 of"))
    expect(reader.page.get_by_role("option", selected=True)).to_have_count(0)
    reader.click(reader.page.get_by_role("button", name="To the chosen token"))
    expect(stretch(reader)).to_have_text(re.compile(r"to 11,700 of 11,701 tokens$"))
    reader.press("Home", reader.page.get_by_role("option", selected=True))
    expect(stretch(reader)).to_have_text(re.compile(r"^positions 0 to "))
    expect(reader.tokens.first).to_be_focused()
    expect(reader.tokens.first).to_have_attribute("aria-selected", "true")
    reader.press("PageDown")
    expect(stretch(reader)).not_to_have_text(re.compile(r"^positions 0 to "))
    expect(reader.page).to_have_url(re.compile("pos=0"))

"""The same model, changed, in a real browser: put beside itself, altered further by mouse and by keys, turned round."""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.axe import faults
from tests.browsing import Visit

pytestmark = [pytest.mark.browser, pytest.mark.real]

FIGURES = ("attention", "attention-b", "attention-difference", "heads-difference")
BOTH = re.compile(r"model2=smollm2-135m~3bit~prune%3D0\.5")


def body(reader: Visit, key: str) -> Locator:
    """What the button opens."""
    return reader.page.locator(f".st-key-{key}_body")


def button(reader: Visit, key: str) -> Locator:
    return reader.page.locator(f".st-key-{key}").get_by_role("button", name="Variant")


def stand_side_by_side(reader: Visit) -> None:
    """Wait until both runs' figures, and what differs, are there: a variant is made first."""
    for figure in FIGURES:
        expect(reader.canvas(figure)).to_be_visible()
    reader.settled()


def test_the_same_model_in_few_bits_stands_beside_itself_is_pruned_turned_round_and_left_alone(reader):
    reader.open("?panel=attention")
    page = reader.page
    reader.click(page.get_by_role("button", name="Compare"))
    reader.click(page.get_by_role("menuitem", name="The same model, changed"))
    expect(page).to_have_url(re.compile("model2=smollm2-135m~3bit"))
    row = page.locator(".st-key-second_row")
    expect(row).to_contain_text("3 bits")
    stand_side_by_side(reader)
    reader.click(button(reader, "variant2"))
    pruned = body(reader, "variant2").get_by_role("button", name="50 % pruned")
    reader.click(pruned)
    expect(page).to_have_url(BOTH)
    expect(pruned).to_be_focused()
    expect(pruned).to_have_attribute("aria-pressed", "true")
    expect(body(reader, "variant2")).to_contain_text("the 50 % of the weights that are nearest to 0 set to 0")
    reader.press("Escape")
    expect(body(reader, "variant2")).to_have_count(0)
    expect(row).to_contain_text("3 bits, 50 % pruned")
    stand_side_by_side(reader)
    reader.reload()
    expect(page).to_have_url(BOTH)
    stand_side_by_side(reader)
    reader.click(row.get_by_role("button", name="Swap"))
    expect(page).to_have_url(re.compile(r"model=smollm2-135m~3bit~prune%3D0\.5"))
    expect(page).to_have_url(re.compile(r"model2=smollm2-135m(&|$)"))
    stand_side_by_side(reader)
    reader.click(row.get_by_role("button", name="Close", exact=True))
    expect(page).not_to_have_url(re.compile("model2"))
    expect(page).to_have_url(re.compile(r"model=smollm2-135m~3bit~prune%3D0\.5"))
    expect(reader.canvas("attention")).to_be_visible()
    expect(reader.canvas("attention-b")).to_have_count(0)
    expect(page.locator("p.model")).to_contain_text("3 bits, 50 % pruned")


def test_a_variant_is_chosen_and_left_by_keys(reader):
    reader.open("?panel=attention&layer=3&head=1&pos=4")
    page = reader.page
    button(reader, "variant").focus()
    reader.press("Enter")
    choice = body(reader, "variant").get_by_role("button", name="no norms")
    choice.focus()
    reader.press("Enter")
    expect(page).to_have_url(re.compile("model=smollm2-135m~nonorm"))
    expect(choice).to_be_focused()
    skip = body(reader, "variant").get_by_role("button", name="no skip connections")
    skip.focus()
    reader.press("Space")
    expect(page).to_have_url(re.compile("model=smollm2-135m~noskip~nonorm"))
    for place in ("layer=3", "head=1", "pos=4"):
        expect(page).to_have_url(re.compile(place))
    plain = body(reader, "variant").get_by_role("button", name="As it is")
    plain.focus()
    reader.press("Enter")
    expect(page).not_to_have_url(re.compile("model="))
    expect(plain).to_have_count(0)
    expect(reader.canvas("attention")).to_be_visible()


def test_a_variant_that_cannot_be_made_says_why_and_the_model_as_it_is_stays_a_click_away(reader):
    reader.page.goto(f"{reader.home}?panel=attention&model=smollm2-135m~shared=100")
    expect(reader.refusal).to_contain_text("100 layers cannot share weights: the model has 30.")
    reader.click(button(reader, "variant"))
    reader.click(body(reader, "variant").get_by_role("button", name="As it is"))
    expect(reader.refusal).to_have_count(0)
    expect(reader.canvas("attention")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_choice_of_a_variant_has_no_fault_that_axe_finds(visit, scheme):
    reader = visit(color_scheme=scheme)
    reader.open("?panel=attention&model=smollm2-135m~3bit")
    expect(reader.canvas("attention")).to_be_visible()
    reader.settled()
    reader.click(button(reader, "variant"))
    expect(body(reader, "variant").get_by_role("button", name="As it is")).to_be_visible()
    assert faults(reader.page) == []


@pytest.mark.parametrize("width", [1280, 390])
def test_the_button_and_what_it_opens_fit_the_window(visit, width):
    reader = visit(viewport={"width": width, "height": 844})
    reader.open("?panel=attention&model=smollm2-135m~3bit&model2=smollm2-135m~3bit~prune=0.5")
    for key in ("variant", "variant2"):
        reader.click(button(reader, key))
        opened = reader.page.get_by_test_id("stPopoverBody").filter(has=body(reader, key))
        for what in (button(reader, key), opened):
            expect(what).to_be_in_viewport(ratio=1)
        reader.press("Escape")
        expect(opened).to_have_count(0)

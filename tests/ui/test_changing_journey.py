"""A change in a real browser, by mouse and by keyboard: a head is pointed at, turned off, looked at and put back."""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.axe import faults
from tests.ui.test_sweep import GROUNDS

pytestmark = [pytest.mark.browser, pytest.mark.real]

CHANGED = "?panel=attention&layer=17&head=5&changes=z.zero.layer17.head5"


def test_a_head_that_was_clicked_is_turned_off_compared_switched_and_put_back(reader):
    reader.open("?panel=attention")
    page = reader.page
    reader.click(reader.canvas("heads"))  # in its middle
    expect(page).to_have_url(re.compile(r"layer=\d+.*head=\d+"))
    reader.click(page.get_by_role("button", name="What if…"))
    reader.click(page.get_by_role("button", name=re.compile(r"^Turn off head \d+ of layer \d+$")))
    expect(page).to_have_url(re.compile(r"changes=z\.zero\.layer\d+\.head\d+"))
    said = page.locator(".st-key-changes")
    expect(said).to_contain_text(re.compile(r"layer \d+ · head \d+: head output \(z\) set to 0"))
    for figure in ("attention", "attention-b", "attention-difference", "heads-difference"):
        expect(reader.canvas(figure)).to_be_visible()
    summary = page.get_by_role("region", name="How far the two runs part")
    expect(summary).to_contain_text(re.compile(r"First apart after layer \d+"))
    switch = said.get_by_text("set to 0")
    reader.click(switch)
    expect(page).to_have_url(re.compile(r"changes=off\.z\.zero"))
    expect(reader.canvas("attention-b")).to_have_count(0)
    reader.click(switch)
    expect(reader.canvas("attention-difference")).to_be_visible()
    reader.reload()
    expect(reader.canvas("attention-difference")).to_be_visible()
    expect(said).to_contain_text("set to 0")
    reader.click(said.get_by_role("button", name="Remove"))
    expect(page).not_to_have_url(re.compile("changes"))
    expect(said).to_have_count(0)
    expect(reader.canvas("attention-b")).to_have_count(0)


def bold(figure: Locator, label: str) -> Locator:
    """A row's label, where it is in bold."""
    return figure.locator(".ytick tspan[style*=bold]").get_by_text(label, exact=True)


def test_a_neuron_that_was_clicked_is_turned_off_and_the_list_says_it(reader):
    reader.open("?panel=neurons&layer=17")
    page, figure = reader.page, reader.page.locator(".st-key-neurons-figure")
    row = figure.locator(".ytick").get_by_text("neuron 583", exact=True)
    reader.click_where(figure.locator(".x2tick").get_by_text("1", exact=True), row)  # under the second measure
    expect(page).to_have_url(re.compile("neuron=583"))
    expect(reader.answer).to_contain_text("The chosen one, neuron 583, is number 2 (−1.87).")
    expect(figure.locator(".ytick").get_by_text("neuron 583", exact=True)).to_be_visible()
    expect(bold(figure, "neuron 583")).to_be_visible()
    reader.click(page.get_by_role("button", name="What if…"))
    reader.click(page.get_by_role("button", name="Turn off neuron 583 of layer 17"))
    expect(page).to_have_url(re.compile(r"changes=act\.zero\.layer17\.neuron583"))
    expect(page.locator(".st-key-changes")).to_contain_text("layer 17 · neuron 583: neurons set to 0")
    for side in ("neurons", "neurons-b", "neurons-difference"):
        expect(bold(page.locator(f".st-key-{side}-figure"), "neuron 583")).to_be_visible()


def test_a_neuron_is_chosen_with_its_layer_by_keys(reader):
    reader.open("?panel=attribution&by=neurons&layer=3")
    page = reader.page
    marks = page.get_by_role("application", name="Marks of the figure: arrow keys walk, Enter chooses")
    reader.press("ArrowDown", marks)
    expect(page.locator(".st-key-attribution-figure-marks .told")).to_have_text(re.compile("^L29 N1426 · "))
    reader.press("Enter")
    expect(page).to_have_url(re.compile("layer=29.*neuron=1426"))
    expect(bold(page.locator(".st-key-attribution-figure"), "L29 N1426")).to_be_visible()
    expect(reader.answer).to_contain_text("The chosen one, neuron 1426 of layer 29, takes off 1.58.")


def test_layers_are_swapped_and_the_mask_is_left_out_by_mouse_and_the_loss_says_what_that_costs(reader):
    reader.open("?panel=attention&layer=17&head=5")
    page = reader.page
    reader.click(page.get_by_role("button", name="What if…"))
    reader.click(page.get_by_role("button", name="Layers 17 and 18 swapped"))
    expect(page).to_have_url(re.compile(r"changes=layer\.swap\.layer17\.other18"))
    summary = page.get_by_role("region", name="How far the two runs part")
    expect(summary).to_contain_text(
        re.compile(r"The mean loss \(surprisal per token\) goes from \d+\.\d+ to \d+\.\d+ nats")
    )
    expect(summary).to_contain_text("First apart after layer 17")
    reader.click(page.locator(".st-key-changes").get_by_role("button", name="Remove"))
    expect(page).not_to_have_url(re.compile("changes"))
    reader.click(page.get_by_role("button", name="What if…"))
    reader.click(page.get_by_role("button", name="No causal mask"))
    expect(summary).to_contain_text("each token sees those that it is to predict")
    expect(summary.get_by_role("img", name=re.compile("Loss of each token"))).to_be_visible()
    for figure in ("attention", "attention-b", "attention-difference"):
        expect(reader.canvas(figure)).to_be_visible()


def test_a_change_is_made_and_switched_off_by_keyboard(reader):
    reader.open(CHANGED)
    page = reader.page
    button = page.get_by_role("button", name="What if…")
    reader.press("Enter", button)
    first = page.get_by_role("button", name="Turn off head 5 of layer 17")
    expect(first).to_be_focused()  # of what opened: nobody has to go through all of the page
    reader.press("Tab")
    expect(page.get_by_role("button", name="Turn off attention of layer 17")).to_be_focused()
    reader.press("Enter")
    expect(page).to_have_url(re.compile(r"attn_out\.zero\.layer17"))
    entries = page.locator(".st-key-changes .stCheckbox")
    expect(entries).to_have_count(2)
    reader.press("Space", entries.nth(0).locator("input"))
    expect(page).to_have_url(re.compile(r"changes=off\.z\.zero\.layer17\.head5\+attn_out"))
    expect(entries).to_have_count(2)


def test_what_the_model_does_not_allow_is_said_in_the_form(reader):
    reader.open(CHANGED)
    page = reader.page
    reader.click(page.get_by_role("button", name="What if…"))
    form = page.locator(".st-key-what_if_form")
    layer = form.get_by_label("Layer", exact=True)
    layer.fill("99")
    reader.press("Enter", layer)
    reader.click(form.get_by_role("button", name="Change it"))
    expect(form).to_contain_text("not 99: no part of that layer can be changed.")
    expect(layer).to_have_value("99")
    expect(page).to_have_url(re.compile(r"changes=z\.zero\.layer17\.head5(&|$)"))


@pytest.mark.parametrize("width", [1440, 390])
def test_the_form_and_the_list_have_no_fault_in_either_theme(visit, width):
    reader = visit(color_scheme="light", viewport={"width": width, "height": 900})
    reader.open(CHANGED)
    page = reader.page
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        expect(page.locator(".stApp")).to_have_css("background-color", GROUNDS[scheme])
        reader.click(page.get_by_role("button", name="What if…"))
        expect(page.locator(".st-key-what_if_form").get_by_role("button", name="Change it")).to_be_visible()
        assert faults(page) == [], scheme
        reader.press("Escape")
        expect(page.locator(".st-key-what_if_form")).to_be_hidden()

"""A kind of change over its range, in a real browser: variants that come one after the other, and each a click away."""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.axe import faults
from tests.browsing import Visit, expect_of
from tests.mouse import SCROLLER
from tests.ui.test_sweep import GROUNDS

pytestmark = [pytest.mark.browser, pytest.mark.real]

# Each test has a text of its own: what another one had worked out would be there at once.
MARKS = "Marks of the figure: arrow keys walk, Enter chooses"
BESIDE = re.compile(r"panel=passage.*model2=smollm2-135m~3bit(&|$)")


def figure(reader: Visit, panel: str) -> Locator:
    return reader.page.locator(f".st-key-{panel}-figure")


def dots(reader: Visit, panel: str) -> Locator:
    """Of all lines. Plotly draws those in different layers, one after the other."""
    return figure(reader, panel).locator(".points path")


def dot(reader: Visit, panel: str, place: int, count: int) -> Locator:
    """The dot of the line that lies on top, at a place; once so many are there."""
    expect(dots(reader, panel)).to_have_count(count)
    return figure(reader, panel).locator("g.scatter").last.locator(".points path").nth(place)


def progress(reader: Visit) -> Locator:
    return reader.page.locator(".st-key-later")


def beside(reader: Visit) -> None:
    """Wait until the variant stands beside the model, with how far the two part."""
    expect(reader.page.locator(".st-key-second_row")).to_contain_text("3 bits")
    summary = reader.page.get_by_role("region", name="How far the two runs part")
    expect(summary).to_contain_text("KL")
    expect(summary.get_by_role("img", name=re.compile("KL"))).to_be_visible()
    reader.settled()


def test_variants_fill_a_range_in_stop_go_on_and_one_is_opened_by_mouse_and_left_again(reader):
    reader.open("?text=One%20two%20three%20four%20five%20six")
    page = reader.page
    reader.click(reader.stage("scale"))
    reader.click(page.get_by_role("radio", name="Fewer bits", exact=True))
    expect(reader.heading).to_have_text("How few bits per weight are enough?")
    expect(figure(reader, "quantization")).to_contain_text("the model as it is: ")
    expect(progress(reader)).to_contain_text(re.compile(r"\d+ of 13 variants"))
    progress(reader).get_by_role("button", name="Cancel").click()
    expect(progress(reader)).to_contain_text(re.compile(r"Stopped: \d+ of 13 variants are there"))
    expect(reader.answer).to_contain_text("variants of the range are missing so far.")
    reader.click(progress(reader).get_by_role("button", name="Go on"))
    on = dot(reader, "quantization", 4, 13)
    expect(progress(reader)).to_have_count(0)
    expect(reader.answer).not_to_contain_text("missing so far")
    reader.click_where(on, on)
    expect(page).to_have_url(BESIDE)
    beside(reader)
    reader.back()
    expect(dots(reader, "quantization")).to_have_count(13)
    expect(progress(reader)).to_have_count(0)


def test_a_point_is_walked_to_and_opened_by_keys(reader):
    reader.open("?panel=pruning&pruned=kl&text=Seven%20eight%20nine")
    page, told = reader.page, reader.page.locator(".st-key-pruning-figure-marks .told")
    expect(dots(reader, "pruning")).to_have_count(9)  # at 0 % nothing differs, and a log axis has no 0
    expect(progress(reader)).to_have_count(0)
    expect(reader.answer).to_contain_text("nats has no dot")
    reader.settled()
    marks = page.get_by_role("application", name=MARKS)
    marks.focus()
    expect(told).to_contain_text("(%) 10 · ")
    reader.press("End")
    expect(told).to_contain_text("(%) 90 · ")
    reader.press("ArrowLeft")
    reader.press("ArrowLeft")
    expect(told).to_have_text(re.compile(r"^everywhere · .*\(%\) 70 · KL.* \d+\.\d+$"))
    reader.press("Enter")
    expect(page).to_have_url(re.compile(r"panel=passage.*model2=smollm2-135m~prune%3D0\.7(&|$)"))
    expect(page.locator(".st-key-second_row")).to_contain_text("70 % pruned")
    expect(page.get_by_role("region", name="How far the two runs part")).to_contain_text("KL")
    reader.back()
    expect(dots(reader, "pruning")).to_have_count(9)
    expect(progress(reader)).to_have_count(0)


def test_a_bar_of_a_precision_opens_the_model_in_it(reader):
    reader.open("?panel=precision&text=Ten%20eleven")
    page, bars = reader.page, figure(reader, "precision")
    expect(reader.answer).to_contain_text("after layer 0 and by")
    reader.click(reader.choice("Show", "bytes"))
    for number in ("538 MB", "269 MB"):
        expect(bars.locator(".bartext").get_by_text(number).first).to_be_visible()
    row = bars.locator(".ytick").get_by_text("bfloat16", exact=True)
    reader.click_where(bars.locator(".xtick").get_by_text("200", exact=True), row)
    expect(page).to_have_url(re.compile(r"panel=passage.*model2=smollm2-135m~bf16(&|$)"))
    expect(page.locator(".st-key-second_row")).to_contain_text("bfloat16")
    reader.back()
    expect(page).to_have_url(re.compile("panel=precision.*halved=bytes"))
    reader.click_where(
        bars.locator(".xtick").get_by_text("0", exact=True), bars.locator(".ytick").get_by_text("float32")
    )
    expect(page).to_have_url(re.compile("panel=precision.*halved=bytes"))


def test_a_dot_of_the_second_run_opens_its_variant_beside_that_run(reader):
    reader.open("?panel=pruning&pruned=bytes&text=Twelve&text2=Thirteen%20fourteen")
    on = dot(reader, "pruning-b", 5, 10)
    reader.click_where(on, on)
    expect(reader.page).to_have_url(re.compile("panel=passage.*model2=smollm2-135m~prune%3D0.5"))
    expect(reader.page).to_have_url(re.compile("text=Thirteen[+]fourteen"))
    expect(reader.page).not_to_have_url(re.compile("text2"))
    expect(reader.box).to_have_value("Thirteen fourteen")
    expect(reader.page.locator(".st-key-second_row")).to_contain_text("50 % pruned")
    expect(reader.heading).to_be_visible()


def test_layer_matrix_row_and_block_of_stored_bits_are_chosen_by_mouse(reader):
    reader.open("?panel=stored")
    page, shown = reader.page, reader.page.locator(".st-key-stored-figure")
    title = shown.get_by_role("application")
    expect(title).to_have_accessible_name(re.compile("^FFN: up, layer 17, row 0: weights 0 to 31 "))
    reader.click(page.locator(".st-key-stage").get_by_role("button", name="Increment"))
    expect(title).to_have_accessible_name(re.compile("^FFN: up, layer 18, row 0: weights 0 to 31 "))
    reader.click(page.get_by_role("combobox", name="Matrix"))
    reader.click(page.get_by_role("option", name="attention: k", exact=True))
    expect(title).to_have_accessible_name(re.compile("^attention: k, layer 18, row 0: weights 0 to 31 "))
    to_the_end(reader, "Row (output)")
    expect(title).to_have_accessible_name(re.compile("^attention: k, layer 18, row 191: weights 0 to 31 "))
    to_the_end(reader, "Block of 32 weights")
    expect(title).to_have_accessible_name(re.compile("^attention: k, layer 18, row 191: weights 544 to 575 "))
    for chosen in ("layer=18", "matrix=k", "output=191", "block=17"):
        expect(page).to_have_url(re.compile(rf"[?&]{chosen}(&|$)"))
    expect(reader.answer).to_contain_text("The block of the weights 544 to 575")
    reader.back()
    expect(title).to_have_accessible_name(re.compile("row 191: weights 0 to 31 "))


def to_the_end(reader: Visit, slider: str) -> None:
    """Take a slider at the middle of its track and drag it beyond its right end."""
    reader.page.get_by_role("group", name=slider).hover()
    reader.page.mouse.down()
    reader.page.mouse.move(1400, 500, steps=4)
    reader.page.mouse.up()
    reader.settled()


RANGES = ("quantization&quantized=parts", "pruning&pruned=kl", "precision", "precision&halved=seconds", "stored")


@pytest.mark.parametrize("panel", RANGES)
@pytest.mark.parametrize("width", [1440, 390])
def test_a_range_has_no_fault_in_either_theme_and_fits_the_window(visit, panel, width):
    reader = visit(color_scheme="light", viewport={"width": width, "height": 900})
    reader.open(f"?panel={panel}&text=Fifteen")
    page, name = reader.page, panel.partition("&")[0]
    expect(progress(reader)).to_have_count(0)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        expect(page.locator(".stApp")).to_have_css("background-color", GROUNDS[scheme])
        expect(figure(reader, name)).to_be_visible()
        reader.settled()
        assert faults(page) == [], scheme
    expect_of(page, f"(width) => {SCROLLER}.scrollWidth <= width", True, width)


def test_what_is_told_while_a_range_fills_in_has_no_fault_on_a_phone(visit):
    reader = visit(color_scheme="light", viewport={"width": 390, "height": 844})
    reader.open("?panel=quantization&text=Sixteen%20seventeen%20eighteen")
    page = reader.page
    progress(reader).get_by_role("button", name="Cancel").click()
    go_on = progress(reader).get_by_role("button", name="Go on")
    expect(go_on).to_be_visible()
    reader.settled()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        expect(page.locator(".stApp")).to_have_css("background-color", GROUNDS[scheme])
        assert faults(page) == [], scheme
    expect_of(page, f"(width) => {SCROLLER}.scrollWidth <= width", True, 390)
    go_on.click()
    expect(progress(reader).get_by_role("button", name="Cancel")).to_be_visible()
    assert faults(page) == []

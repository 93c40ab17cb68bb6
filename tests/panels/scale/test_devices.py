"""A model on several devices: what the panel says each one holds is counted in the model's own modules."""

import pytest

from panels.scale.devices import PANEL, read
from panels.scale.devices_held import WHOSE, span
from tests import once
from tests.models.tiny import MODELS
from tests.snapshot import described

WAYS = ("rows", "layers")


def settings(way: str = "rows", whose: str = "loaded", devices: int = 1) -> tuple[tuple[str, str], ...]:
    return (("devices", str(devices)), ("split", way), ("whose", whose))


def parameters(trace, view) -> list[int]:
    return [device.parameters for device in read(trace, view).devices]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", MODELS)
def test_the_picture_caption_and_table_of_every_family(kind, way, answered, picture):
    trace, view = answered(PANEL, kind, settings=settings(way))
    told = {
        "says": once.caption(PANEL, trace, view),
        "table": once.table(PANEL, trace, view),
        "formula": once.formula(PANEL, trace, view),
    }
    assert {"figure": described(once.figure(PANEL, trace, view))} | told == picture


@pytest.mark.parametrize("way", WAYS)
def test_the_picture_and_caption_of_llama_405b(way, answered, picture):
    trace, view = answered(PANEL, settings=settings(way, "405b", 3))
    assert {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)} == picture


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", MODELS)
def test_the_printed_program_counts_the_same_parameters_on_each_device(kind, way, answered, program):
    trace, view = answered(PANEL, kind, settings=settings(way))
    assert program(PANEL, trace, view, kind) == parameters(trace, view)


@pytest.mark.parametrize("way", WAYS)
def test_the_printed_program_builds_llama_8b_without_its_numbers(way, answered):
    trace, view = answered(PANEL, settings=settings(way, "8b", 4))
    names: dict[str, object] = {}
    exec(compile(PANEL.snippet(trace.spec, view), "devices.py", "exec"), names)
    assert names["result"] == parameters(trace, view)


def test_every_choice_of_a_model_is_one_that_can_be_split(answered):
    trace, view = answered(PANEL)
    chosen = [read(trace, view.with_setting(WHOSE, option)).model.name for option in WHOSE.options]
    assert chosen == ["tiny-llama", "Llama 3.1 405B", "Llama 3.1 70B", "Llama 3.1 8B"]


def test_llama_405b_does_not_fit_eight_devices_and_fits_sixteen(answered):
    trace, eight = answered(PANEL, settings=settings("rows", "405b", 3))
    trace, sixteen = answered(PANEL, settings=settings("rows", "405b", 4))
    assert "101 GB in bfloat16. That does not fit a device of 80 GB." in once.caption(PANEL, trace, eight)
    assert "That fits a device of 80 GB." in once.caption(PANEL, trace, sixteen)
    assert "16 in the place of 8" in once.caption(PANEL, trace, sixteen)


def test_more_devices_than_heads_are_refused_in_words(answered):
    trace, view = answered(PANEL, settings=settings("rows", devices=5))
    assert len(read(trace, view).devices) == 4
    assert "More than 4 devices would leave some without a query head." in once.caption(PANEL, trace, view)


def test_one_device_sends_nothing(answered):
    trace, view = answered(PANEL, settings=settings(devices=0))
    assert once.caption(PANEL, trace, view).endswith("nothing is sent.")
    assert "0 of them held again" in once.formula(PANEL, trace, view)


@pytest.mark.parametrize(("places", "words"), [(range(4, 8), "4–7"), (range(4, 5), "4")])
def test_ranges_in_words(places, words):
    assert span(places) == words

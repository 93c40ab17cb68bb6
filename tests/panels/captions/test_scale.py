"""Captions of scale say no more than the counts bear out."""

import pytest

from panels.scale.devices_held import split_model
from tests.panels.captions.answers import answers, asked
from tests.panels.captions.rules import Rules

RULES = Rules(
    devices=answers("devices", asked("llama", settings=(("whose", "405b"), ("devices", "0")))),
    scale=answers("scale"),
)


@RULES.holds("devices", r"More than (?P<most>\d+) devices? would leave some without a (?P<what>layer|query head)")
def no_more_devices_have_something_to_hold(case, said):
    split = split_model(case.trace.spec, case.view)
    there = split.model.layers if said["what"] == "layer" else split.model.n_heads
    return int(said["most"]) == there < 2 * len(split.devices)


@RULES.holds("devices", r"Split by .* over (?P<count>\d+) devices")
def as_many_devices_as_were_asked_for(case, said):
    return int(said["count"]) == len(case.reading.devices) <= 2 ** int(dict(case.view.settings).get("devices", "3"))


@RULES.holds("devices", r"That (?P<fits>fits|does not fit) a device of 80 GB")
def what_fits_is_no_larger_than_the_memory(case, said):
    return (max(case.reading.held) <= 80e9) == (said["fits"] == "fits")


@RULES.holds("scale", r"adds none\.")
def a_tied_output_layer_adds_no_parameters(case, said):
    return case.trace.spec.tied


@RULES.holds("scale", r"reads the whole text at once and keeps no keys")
def who_keeps_no_keys_is_not_causal(case, said):
    return not case.trace.spec.stack().causal


@pytest.mark.parametrize("kind", RULES.cases)
def test_every_sentence_on_scale_is_true_of_its_numbers(kind):
    RULES.check(kind)

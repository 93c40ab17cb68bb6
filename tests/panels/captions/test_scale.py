"""Captions of scale say no more than the counts bear out."""

from functools import partial

import numpy as np
import pytest

from anatomy.storage import STORAGES
from panels.scale.devices_held import split_model
from panels.scale.stored_block import Block
from tests.panels.captions.answers import answers, asked
from tests.panels.captions.readings import readings
from tests.panels.captions.rules import Rules, Source
from tests.panels.scale.blocks import block
from tests.panels.scale.ranged import a_range
from viz.format import listed, number

# In one of some ways to store them: in blocks with levels, one by one, in blocks that are not taken apart.
_STORED = (0, 1, 2, 3, 6, 7, 8, 12, 30)


def a_block(source: Source) -> Block:
    number = int(source.choice(_STORED))
    return block(STORAGES[number], source, flat=bool(source.integers(2)), altered=STORAGES[number].floating)


RULES = Rules(
    devices=answers("devices", asked("llama", settings=(("whose", "405b"), ("devices", "0")))),
    scale=answers("scale"),
    stored=readings("stored", a_block),
    quantization=readings("quantization", partial(a_range, "quantization")),
    pruning=readings("pruning", partial(a_range, "pruning")),
    precision=readings("precision", partial(a_range, "precision")),
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


@RULES.holds("stored", r"(?P<count>[\d,]+) weights take (?P<nbytes>[\d,]+) bytes, (?P<bits>[\d.]+) bits each")
def a_row_takes_as_many_bits_as_its_weights_together(case, said):
    count, nbytes = (int(said[name].replace(",", "")) for name in ("count", "nbytes"))
    return float(said["bits"]) * count == 8 * nbytes == 8 * case.reading.row_bytes


@RULES.holds("stored", r"weights (?P<first>\d+) to (?P<last>\d+)")
def the_weights_that_are_shown_are_named(case, said):
    return [int(said[end]) for end in ("first", "last")] == [case.reading.places[0], case.reading.places[-1]]


@RULES.holds("stored", r"uses (?P<count>\d+) of its (?P<levels>\d+) levels")
def as_many_levels_as_there_are_codes(case, said):
    taken_apart = case.reading.quantized
    used, levels = set(taken_apart.codes.tolist()), 2**case.reading.storage.bits
    return (int(said["count"]), int(said["levels"])) == (len(used), levels)


@RULES.holds("stored", r"which lie (?P<step>\S+) apart")
def neighbouring_levels_lie_a_scale_apart(case, said):
    levels = case.reading.quantized.level(np.array(case.reading.quantized.possible)).astype(float)
    return float(said["step"]) == pytest.approx(np.abs(np.diff(levels)).max(), rel=0.01)


@RULES.holds("stored", r"widest step between two that it uses is (?P<widest>\S+)\.")
def no_two_used_levels_lie_farther_apart(case, said):
    return float(said["widest"]) == pytest.approx(np.diff(np.unique(case.reading.weights)).max(), rel=0.01)


@RULES.holds("stored", r"have (?P<count>\d+) different exponents?")
def as_many_exponents_as_are_in_the_bits(case, said):
    exponent = case.reading.storage.exponent
    return int(said["count"]) == len({bits[1 : 1 + exponent] for bits in case.reading.bits})


@RULES.holds("stored", r"is not taken apart here")
def what_is_not_taken_apart_has_no_bits(case, said):
    return not case.reading.bits


@RULES.holds("stored", r"changed for this variant and are in no file")
def what_is_in_no_file_was_changed(case, said):
    return case.reading.altered


@pytest.mark.parametrize("kind", RULES.cases)
def test_every_sentence_on_scale_is_true_of_its_numbers(kind):
    RULES.check(kind)


def _in_range(case, said: str) -> str:
    """The variant that a sentence names."""
    return next(of for of in case.reading.every if case.reading.at(of) == said)


for _panel in ("quantization", "pruning"):

    @RULES.holds(_panel, r"As it is, the model loses (?P<loss>[\d.]+) nats")
    def the_models_own_loss_is_the_mean_over_the_tokens(case, said):
        return float(said["loss"]) == pytest.approx(np.nanmean(case.reading.losses), rel=6e-3)

    @RULES.holds(_panel, r"With (?P<variant>[^,.]+?) it is worse than a blind guess")
    def it_is_the_first_that_is_worse_than_blind(case, said):
        of, limit = _in_range(case, said["variant"]), np.log(case.reading.spec.vocab)
        before = case.reading.every[: case.reading.every.index(of)]
        return case.reading.value(of, "loss") >= limit and not any(
            case.reading.value(one, "loss") >= limit for one in before
        )

    @RULES.holds(_panel, r"With (?P<variants>[^.]+?) every number stays the same to the last bit")
    def nothing_differs_in_any_of_them(case, said):
        found = case.reading.found
        same = [of for of in case.reading.every if of in found and not (found[of].distance.any() or found[of].kl.any())]
        return said["variants"] == listed(map(case.reading.at, same))

    @RULES.holds(_panel, r"What is below 1\.00·10⁻⁸ nats has no dot")
    def something_is_too_small_for_its_axis(case, said):
        return any(case.reading.value(of) < 1e-8 for of in case.reading.every)

    @RULES.holds(_panel, r"Neither breaks")
    def no_part_costs_more_than_its_limit(case, said):
        return not any(case.reading.value(of) > 1 for way in case.reading.ways[1:] for of in way.of)

    @RULES.holds(_panel, r"(?P<part>Attention|The FFN) breaks first: with (?P<variant>[^:]+?) it alone")
    def the_other_part_holds_up_to_there(case, said):
        attention, ffn = (np.array([case.reading.value(of) for of in way.of]) for way in case.reading.ways[1:])
        one, other = (attention, ffn) if said["part"] == "Attention" else (ffn, attention)
        first = int(np.argmax(one > 1))
        told = case.reading.ways[1].named.format(place=case.reading.kind.places[first])
        return told == said["variant"] and one[first] > 1 and not (other[: first + 1] > 1).any()

    @RULES.holds(_panel, r"Both break at once, with (?P<variant>[^:]+):")
    def both_cost_more_from_the_same_variant_on(case, said):
        firsts = [int(np.argmax([case.reading.value(of) > 1 for of in way.of])) for way in case.reading.ways[1:]]
        return firsts[0] == firsts[1]

    @RULES.holds(_panel, r"The model's own file has")
    def the_file_is_known(case, said):
        return case.reading.spec.weights.file_bytes > 0


@RULES.holds(
    "precision", r"In (?P<variant>\w+) the stream is off by (?P<first>[\d.·⁻⁰-⁹]+) of its length after layer 0"
)
def the_first_layers_distance_is_a_mean_over_the_text(case, said):
    found = case.reading.found[_in_range(case, said["variant"])]
    return said["first"] == number(float(found.distance[0].mean()))


for _panel in ("quantization", "pruning", "precision"):

    @RULES.holds(_panel, r"No prediction has another leader")
    def no_variant_flips_a_prediction(case, said):
        return not any(case.reading.flipped(of) for of in case.reading.every)

    @RULES.holds(
        _panel, r"The first prediction to flip is the one after .+ \(position (?P<pos>\d+)\), with (?P<v>[^:]+):"
    )
    def every_variant_before_it_flips_none(case, said):
        of = _in_range(case, said["v"])
        before = case.reading.every[: case.reading.every.index(of)]
        led = [row for row, _label in case.reading.leaders]
        places = np.flatnonzero(case.reading.found[of].ids != led)
        return places[0] == int(said["pos"]) and not any(case.reading.flipped(one) for one in before)

    @RULES.holds(_panel, r"(?P<count>\d+) variants? of the range (?:is|are) missing so far")
    def so_many_are_not_there(case, said):
        lacking = [of for of in case.reading.every if of not in case.reading.found]
        return int(said["count"]) == len(lacking) > 0

"""Captions of the FFN say no more than its neurons bear out."""

import numpy as np
import pytest

from tests.panels.captions.answers import answers
from tests.panels.captions.ends import level
from tests.panels.captions.rules import Rules
from viz.format import number, percent, quoted

RULES = Rules(**{panel: answers(panel) for panel in ("activation", "neurons", "promoted", "sparsity")})


@RULES.holds("activation", r"(?P<share>[^,]*) of all (?P<count>\S+) inputs are below 0")
def so_many_inputs_are_below_zero(case, said):
    share = percent(float((case.reading.all < 0).mean()))
    return said["share"].strip() == share and int(said["count"].replace(",", "")) == case.reading.all.size


@RULES.holds("activation", r"gives (no less than (?P<lowest>\S+);|exactly 0)")
def the_function_gives_no_less(case, said):
    least = 0.0 if said["lowest"] is None else float(said["lowest"].replace("−", "-"))
    x = np.linspace(-20, 0, 100_001)
    made = {"silu": x / (1 + np.exp(-x)), "relu": np.zeros_like(x)}.get(case.trace.spec.ffn.act, case.reading.own_y)
    return min(made.min(), case.reading.own_y.min()) >= least


@RULES.holds(
    "neurons",
    r"In layer (?P<layer>\d+) neuron (?P<neuron>\d+) responds most to (?P<token>“.*?”) \((?P<value>[^()]*)\)\.",
)
def no_neuron_is_farther_from_zero(case, said):
    act = case.trace[case.panel.needs(case.trace.spec, case.view)[0]]
    own = float(act[int(said["neuron"])])
    named = int(said["layer"]), said["token"]
    told = named == (case.view.layer, quoted(case.trace.labels[case.view.pos])) and said["value"] == number(own)
    return told and bool(level(np.abs(act), abs(own)).all())


@RULES.holds("neurons", r"Of all, (?P<positive>\d+) are above 0")
def so_many_neurons_are_above_zero(case, said):
    return int(said["positive"]) == (case.reading.values["act"] > 0).sum()


@RULES.holds("promoted", r"raises “.*?” \((?P<up>[^()]*)\) most and")
def what_is_raised_most_is_raised(case, said):
    ups = case.trace[case.panel.needs(case.trace.spec, case.view)[4]][0]
    return said["up"].startswith("+") and said["up"] == f"+{number(float(ups.max()), 2)}"


@RULES.holds("promoted", r"lowers “.*?” \((?P<down>[^()]*)\) most")
def what_is_lowered_most_is_lowered(case, said):
    downs = case.trace[case.panel.needs(case.trace.spec, case.view)[6]][0]
    return said["down"].startswith("−") and said["down"] == number(float(downs.min()), 2)


@RULES.holds("promoted", r"(raises and lowers|and (?P<way>lowers|raises)) no token")
def what_is_not_done_is_not_in_the_numbers(case, said):
    wants = case.panel.needs(case.trace.spec, case.view)
    ups, downs = case.trace[wants[4]][0], case.trace[wants[6]][0]
    return (said["way"] == "lowers" or ups.max() <= 0) and (said["way"] == "raises" or downs.min() >= 0)


@RULES.holds(
    "sparsity",
    r"Most do in layer (?P<most>\d+) \((?P<largest>[^()]*)\), fewest in layer (?P<least>\d+) \((?P<smallest>[^()]*)\)",
)
def most_and_fewest_differ_and_are_the_ends(case, said):
    own = case.reading.share[:, case.view.pos]
    ends = percent(float(own.max())), percent(float(own.min()))
    return said["most"] != said["least"] and (said["largest"], said["smallest"]) == ends and ends[0] != ends[1]


@RULES.holds("sparsity", r"It is about (?P<share>.*?) in every layer")
def every_layer_reads_the_same(case, said):
    return {percent(float(share)) for share in case.reading.share[:, case.view.pos]} == {said["share"]}


@RULES.holds(
    "sparsity", r"(?P<share>[\d.<]+ ?[\d.]* %) of the (?P<count>\d+) neurons of layer (?P<layer>\d+) stay next to zero"
)
def the_share_is_that_of_the_chosen_layer(case, said):
    return said["share"].strip() == percent(float(case.reading.share[int(said["layer"]), case.view.pos]))


@pytest.mark.parametrize("kind", RULES.cases)
def test_every_sentence_on_the_ffn_is_true_of_its_numbers(kind):
    RULES.check(kind)

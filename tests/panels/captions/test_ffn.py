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


@RULES.holds("neurons", r"The chosen one, neuron (?P<neuron>\d+), is number (?P<rank>\d+) \((?P<value>[^()]*)\)\.")
def so_many_neurons_are_no_nearer_to_zero(case, said):
    act, neuron = case.reading.values["act"], int(said["neuron"])
    own = float(act[neuron])
    told = neuron == case.view.neuron and said["value"] == number(own)
    return told and int(said["rank"]) == sum(abs(value) >= abs(own) for value in act.tolist())


@RULES.holds(
    "neurons", r"The (?P<count>\d+) neurons shown, of (?P<all>\d+), hold (?P<share>\S+ %) of the squared length"
)
def those_drawn_hold_the_share_that_is_told(case, said):
    act, drawn = case.reading.values["act"].astype(float), case.drawn.labels
    numbers = [int(label.removeprefix("neuron ")) for label in drawn]
    share = (act[numbers] ** 2).sum() / (act**2).sum() if act.any() else 0.0
    counts = int(said["count"]) == len(set(numbers)) == len(drawn) and int(said["all"]) == len(act)
    return counts and said["share"] == percent(float(share))


@RULES.holds("activation", r"The chosen one is neuron (?P<neuron>\d+): \S.*?\((?P<x>[^()]*)\) = (?P<y>\S+?)\.$")
def the_chosen_neurons_input_is_told(case, said):
    x, y = (float(values[case.view.neuron]) for values in (case.reading.own, case.reading.own_y))
    return int(said["neuron"]) == case.view.neuron and (said["x"], said["y"]) == (number(x), number(y))


@RULES.holds(
    "promoted", r"The chosen one, neuron (?P<n>\d+), is (number (?P<rank>\d+), with length (?P<length>\S+):|not shown)"
)
def the_chosen_neurons_place_among_those_shown_is_told(case, said):
    shown = [each.number for each in case.reading.neurons]
    if said["rank"] is None:
        return case.view.neuron == int(said["n"]) and case.view.neuron not in shown
    length = case.trace[case.panel.needs(case.trace.spec, case.view)[2]][int(said["rank"]) - 1]
    return shown.index(int(said["n"])) == int(said["rank"]) - 1 and said["length"] == number(float(length))


@RULES.holds("neurons", r"Of all, (?P<positive>\d+) are above 0")
def so_many_neurons_are_above_zero(case, said):
    return int(said["positive"]) == (case.reading.values["act"] > 0).sum()


def written_by_its_neuron(case, said):
    """(most raised, most lowered) of the neuron that a sentence is about: the first, or the chosen one."""
    shown = [each.number for each in case.reading.neurons]
    row = shown.index(case.view.neuron) if "The chosen one" in said.string[: said.start()] else 0
    wants = case.panel.needs(case.trace.spec, case.view)
    return case.trace[wants[4]][row], case.trace[wants[6]][row]


@RULES.holds("promoted", r"raises “.*?” \((?P<up>[^()]*)\) most and")
def what_is_raised_most_is_raised(case, said):
    ups, _downs = written_by_its_neuron(case, said)
    return said["up"].startswith("+") and said["up"] == f"+{number(float(ups.max()), 2)}"


@RULES.holds("promoted", r"lowers “.*?” \((?P<down>[^()]*)\) most")
def what_is_lowered_most_is_lowered(case, said):
    _ups, downs = written_by_its_neuron(case, said)
    return said["down"].startswith("−") and said["down"] == number(float(downs.min()), 2)


@RULES.holds("promoted", r"(raises and lowers|and (?P<way>lowers|raises)) no token")
def what_is_not_done_is_not_in_the_numbers(case, said):
    ups, downs = written_by_its_neuron(case, said)
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
